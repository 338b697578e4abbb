"""The names of the models that a provider offers, from the list that its API has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from headgate.gateway.catalogue_cache import Draft
from headgate.gateway.credentials import Credentials, Secrets
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.ports import Clock
from headgate.substrate.egress import Egress, Request
from headgate.wire.model_call import Deployment
from headgate.wire.provider import Provider, Unsigned

PROFILE: Final = "names"
"""The egress profile of requests for names."""

_WITHIN_S: Final = 15.0
_MOST_BYTES: Final = 4 << 20
_MOST_NAMES: Final = 1000


class _Model(msgspec.Struct):
    id: str


class _Named(msgspec.Struct):
    name: str


class _Models(msgspec.Struct):
    """A list of models: under `data` with ids, or in Google's form under `models` with names."""

    data: list[_Model] | None = None
    models: list[_Named] | None = None

    def names(self) -> set[str]:
        """Return the names.

        Raises:
            Upstream: the answer has neither list.
        """
        if self.data is None and self.models is None:
            raise Upstream("the provider's answer is not a list of models")
        named = {one.name.removeprefix("models/") for one in self.models or ()}
        return named | {one.id for one in self.data or ()}


async def names_of(draft: Draft, provider: Provider, *, secrets: Secrets, clock: Clock) -> Sequence[str]:
    """Return the names, sorted; at most a thousand.

    Raises:
        Invalid: the provider has no list.
        Upstream: the server refuses, or its answer is no list of models.
        Denied, Unavailable: as for a call.
    """
    profile = replace(draft.profile, total_s=_WITHIN_S)
    egress = await asyncio.to_thread(Egress, profiles={PROFILE: profile})
    async with egress:
        return await listed(draft.deployment, provider, egress=egress, secrets=secrets, clock=clock)


async def listed(
    deployment: Deployment, provider: Provider, *, egress: Egress, secrets: Secrets, clock: Clock
) -> Sequence[str]:
    """As `names_of`, through the egress client's profile `names`."""
    deployment = replace(deployment, network=PROFILE)
    address = provider.address(deployment.base_url, provider.options_of(deployment))
    if provider.models_path is None or address is None:
        raise Invalid(f"{provider.manifest.name} does not list its models; enter the model's name")
    unsigned = Unsigned("GET", address + provider.models_path, (("accept", "application/json"), *provider.headers), b"")
    credentials = Credentials(secrets=secrets, egress=egress, clock=clock)
    headers = (*unsigned.headers, *await credentials.headers(deployment, provider, unsigned, within_s=_WITHIN_S))
    request = Request(
        unsigned.method,
        unsigned.url,
        tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        b"",
        profile=PROFILE,
        within_s=_WITHIN_S,
    )
    async with egress.send(request) as response:
        body = await response.read(limit=_MOST_BYTES)
        if response.status >= 300:
            raise Upstream("the provider does not list its models", upstream_status=response.status)
    try:
        found = msgspec.json.decode(body, type=_Models)
    except msgspec.MsgspecError as error:
        raise Upstream("the provider's answer is not a list of models") from error
    return sorted(name for name in found.names() if name and len(name) <= 256)[:_MOST_NAMES]
