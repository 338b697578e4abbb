"""The HTTP/1.1 client for all outgoing requests, over TCP or TLS, to vetted addresses only.

async with Egress(profiles={"lan": NetworkProfile(allow=("10.1.0.0/16",))}) as egress:
    async with egress.send(Request("POST", url, headers, body, profile="lan")) as response:
        async for chunk in response.chunks():
            ...
"""

from __future__ import annotations

from headgate.substrate.egress.address import AddressPolicy, Resolver, SystemResolver, is_metadata, why_never
from headgate.substrate.egress.client import Egress, Sending, Vetted
from headgate.substrate.egress.profile import NetworkProfile
from headgate.substrate.egress.request import Origin, Request, Target, parse_url
from headgate.substrate.egress.response import Framing, Headers, Response

__all__ = [
    "AddressPolicy",
    "Egress",
    "Framing",
    "Headers",
    "NetworkProfile",
    "Origin",
    "Request",
    "Resolver",
    "Response",
    "Sending",
    "SystemResolver",
    "Target",
    "Vetted",
    "is_metadata",
    "parse_url",
    "why_never",
]
