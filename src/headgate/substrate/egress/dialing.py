"""Opening connections: resolve, vet, connect to the vetted address, tunnel, shake hands."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from headgate.kernel.errors import Invalid, Upstream, UpstreamTimeout
from headgate.substrate.egress.address import AddressPolicy, Resolver
from headgate.substrate.egress.connection import Connection
from headgate.substrate.egress.profile import NetworkProfile
from headgate.substrate.egress.proxy import Proxy, Tunnel
from headgate.substrate.egress.request import Origin
from headgate.substrate.egress.tls import client_context

_T = TypeVar("_T")
_KEEP_ALIVE_IDLE_S = 60


@dataclass(frozen=True, slots=True)
class Route:
    """A network profile with its files read and its lists parsed."""

    profile: NetworkProfile
    policy: AddressPolicy
    tls: ssl.SSLContext
    proxy: Proxy | None
    proxy_policy: AddressPolicy

    @classmethod
    def of(cls, profile: NetworkProfile, tls: ssl.SSLContext | None = None) -> Route:
        """Read the profile's files; blocks for tens of milliseconds unless `tls` is given. Raises Invalid."""
        proxy = Proxy.of(profile)
        # A configured proxy is always allowed, because proxies are on private networks.
        proxy_entry = (Origin("http", proxy.host, proxy.port).authority,) if proxy else ()
        return cls(
            profile=profile,
            policy=AddressPolicy(profile.allow),
            tls=tls or client_context(profile),
            proxy=proxy,
            proxy_policy=AddressPolicy((*profile.allow, *proxy_entry), admits_metadata=False),
        )


class Dialer:
    """Opens connections along routes.

    Args:
        loop: the running loop.
        resolver: resolves names.
        on_lost: callback for every connection.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, resolver: Resolver, on_lost: Callable[[Connection], None]
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._on_lost = on_lost

    async def dial(self, origin: Origin, route: Route) -> Connection:
        """Open a new connection to the origin.

        Raises:
            Denied: an address of the origin is not allowed.
            Upstream: the connect failed, or the certificate does not verify.
            UpstreamTimeout: it took longer than `connect_s`.
        """
        connect_s = route.profile.connect_s
        try:
            async with asyncio.timeout(connect_s):
                with _as_upstream(origin):
                    connection = await self._open(origin, route)
        except TimeoutError as error:
            raise UpstreamTimeout(f"The connection to {origin.authority} timed out after {connect_s:g} s.") from error
        return connection

    async def _open(self, origin: Origin, route: Route) -> Connection:
        if route.proxy is None:
            addresses = await route.policy.addresses(self._resolver, origin.host, origin.port)
            tls = route.tls if origin.scheme == "https" else None
            name = origin.host if tls else None
            return await self._first(
                addresses,
                route.profile.connect_s,
                lambda address: self._connect(
                    address, origin.port, origin=origin, route=route, tls=tls, server_hostname=name
                ),
            )
        return await self._open_by_proxy(origin, route, route.proxy)

    async def _open_by_proxy(self, origin: Origin, route: Route, proxy: Proxy) -> Connection:
        if origin.scheme == "http" and not route.profile.proxy_resolves:
            raise Invalid(
                "Plain http through a proxy lets the proxy resolve the name; set proxy_resolves in the network profile."
            )
        if route.profile.proxy_resolves:
            route.policy.vet_literal(origin.host, origin.port)
            authority = origin.authority
        else:
            vetted = await route.policy.addresses(self._resolver, origin.host, origin.port)
            authority = Origin(origin.scheme, vetted[0], origin.port).authority
        addresses = await route.proxy_policy.addresses(self._resolver, proxy.host, proxy.port)
        if origin.scheme == "http":
            return await self._first(
                addresses,
                route.profile.connect_s,
                lambda address: self._connect(address, proxy.port, origin=origin, route=route),
            )
        raw = await self._first(
            addresses, route.profile.connect_s, lambda address: self._tunnel(address, proxy, authority)
        )
        return await self._start_tls(raw, origin, route)

    @staticmethod
    async def _first(addresses: list[str], connect_s: float, connect: Callable[[str], Awaitable[_T]]) -> _T:
        """Try the addresses in order. Each but the last gets a share of the time."""
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(connect_s / len(addresses)):
                    return await connect(address)
            except ssl.SSLError:
                raise
            except OSError:
                continue
        return await connect(addresses[-1])

    async def _connect(
        self,
        address: str,
        port: int,
        *,
        origin: Origin,
        route: Route,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> Connection:
        transport, connection = await self._loop.create_connection(
            lambda: self._connection(origin, route), address, port, ssl=tls, server_hostname=server_hostname
        )
        self._check(transport, origin)
        return connection

    async def _tunnel(self, address: str, proxy: Proxy, authority: str) -> asyncio.Transport:
        _, tunnel = await self._loop.create_connection(
            lambda: Tunnel(self._loop, proxy=proxy, authority=authority), address, proxy.port
        )
        return await tunnel.opened()

    async def _start_tls(self, raw: asyncio.Transport, origin: Origin, route: Route) -> Connection:
        connection = self._connection(origin, route)
        try:
            transport = await self._loop.start_tls(raw, connection, route.tls, server_hostname=origin.host)
        except BaseException:
            raw.abort()
            raise
        if transport is None:
            raise ConnectionResetError("closed during the handshake")
        connection.connection_made(transport)
        self._check(transport, origin)
        return connection

    def _connection(self, origin: Origin, route: Route) -> Connection:
        return Connection(self._loop, peer=origin.authority, profile=route.profile, on_lost=self._on_lost)

    @staticmethod
    def _check(transport: asyncio.BaseTransport, origin: Origin) -> None:
        """Turn on TCP keepalive, and refuse a protocol that was not offered."""
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_IDLE_S)
        session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if session is not None and session.selected_alpn_protocol() not in (None, "http/1.1"):
            transport.close()
            raise Upstream(f"{origin.authority} chose a protocol that was not offered.", retryable=False)


@contextmanager
def _as_upstream(origin: Origin) -> Generator[None]:
    """Translate errors of the operating system and OpenSSL. A timeout passes unchanged to its owner."""
    try:
        yield
    except TimeoutError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise Upstream(
            f"The certificate of {origin.authority} does not verify ({error.verify_message}); for a private authority, "
            "set ca_file in the network profile.",
            retryable=False,
        ) from error
    except ssl.SSLError as error:
        raise Upstream(f"The TLS handshake with {origin.authority} failed ({error.reason}).") from error
    except OSError as error:
        raise Upstream(f"{origin.authority} could not be connected to ({type(error).__name__}).") from error
