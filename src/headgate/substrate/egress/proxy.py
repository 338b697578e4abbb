"""Forward proxies: address, login, and CONNECT tunnels.

Source: RFC 9110 section 9.3.6 (CONNECT), RFC 7617 (Basic).
"""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import dataclass, field
from typing import cast

from headgate.kernel.errors import Invalid, Upstream
from headgate.substrate.egress.profile import NetworkProfile
from headgate.substrate.egress.request import parse_url

_MAX_ANSWER = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy of a profile. `authorization` is a complete header line, or empty."""

    host: str
    port: int
    authorization: bytes = field(repr=False)

    @classmethod
    def of(cls, profile: NetworkProfile) -> Proxy | None:
        """Return the profile's proxy or None. Raises Invalid for a URL other than `http://host:port`."""
        if profile.proxy_url is None:
            return None
        target = parse_url(profile.proxy_url)
        if target.origin.scheme != "http" or target.path != b"/":
            raise Invalid("The proxy must have the form http://host:port.", param="proxy_url")
        authorization = b""
        if profile.proxy_login is not None:
            authorization = b"proxy-authorization: Basic " + base64.b64encode(profile.proxy_login.encode()) + b"\r\n"
        return cls(target.origin.host, target.origin.port, authorization)


class Tunnel(asyncio.Protocol):
    """Opens a tunnel through a proxy. After `opened` returns, the transport is connected to the destination."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, proxy: Proxy, authority: str) -> None:
        self._proxy = proxy
        self._authority = authority
        self._answer = bytearray()
        self._done: asyncio.Future[None] = loop.create_future()

    async def opened(self) -> asyncio.Transport:
        """Wait for the proxy's response. Raises Upstream if it refuses or does not speak HTTP."""
        try:
            await self._done
        except BaseException:
            self._transport.abort()
            raise
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the CONNECT request."""
        self._transport = cast(asyncio.Transport, transport)
        authority = self._authority.encode("ascii")
        line = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n" % (authority, authority)
        self._transport.write(line + self._proxy.authorization + b"\r\n")

    def data_received(self, data: bytes) -> None:
        """Collect the head of the response. No bytes may follow it before our first byte in the tunnel."""
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0 and len(self._answer) <= _MAX_ANSWER:
            return
        match = _STATUS_LINE.match(self._answer)
        if end < 0 or match is None:
            self._settle(Upstream("The proxy did not answer CONNECT in HTTP/1.1."))
        elif match[1] == b"407":
            self._settle(Upstream("The proxy refused our login; check proxy_login.", retryable=False))
        elif match[1][:1] != b"2":
            self._settle(Upstream(f"The proxy refused a tunnel to {self._authority} with status {match[1].decode()}."))
        elif len(self._answer) > end + 4:
            self._settle(Upstream("The proxy sent bytes before the tunnel was used."))
        else:
            self._settle(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, because the proxy closed the connection."""
        self._settle(Upstream("The proxy closed the connection before the tunnel was open."))

    def _settle(self, error: Upstream | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
