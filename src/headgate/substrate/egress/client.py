"""The HTTP client for all requests to other machines."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from headgate.kernel.errors import HeadgateError, Invalid, Unavailable, Upstream, UpstreamTimeout
from headgate.substrate.egress.address import Resolver, SystemResolver
from headgate.substrate.egress.body import names_places
from headgate.substrate.egress.connection import Connection, TimeLimit
from headgate.substrate.egress.dialing import Dialer, Route
from headgate.substrate.egress.profile import NetworkProfile
from headgate.substrate.egress.request import Origin, Request, encode_head, parse_url
from headgate.substrate.egress.response import Response

# Safe to send twice. Source: RFC 9110 section 9.2.2.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_CLOSE_WITHIN_S = 5.0
_MAX_LANES = 1024


class _Lane:
    """The idle connections to one origin by one route, and the fixed header lines of its requests."""

    __slots__ = ("fixed", "idle", "is_retired", "origin", "prefix", "route")

    def __init__(self, origin: Origin, route: Route) -> None:
        self.origin = origin
        self.route = route
        self.idle: list[Connection] = []
        self.is_retired = False
        self.prefix = b""
        self.fixed = b"host: %b\r\n" % origin.netloc.encode("ascii")
        if route.proxy is not None and origin.scheme == "http":
            # RFC 9112 section 3.2.2: a request to a proxy has the absolute form.
            self.prefix = b"http://" + origin.netloc.encode("ascii")
            self.fixed += route.proxy.authorization

    def checkout(self) -> Connection | None:
        """Return the most recently used idle connection that is alive, or None."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_alive():
                return connection
            connection.abort()
        return None


class Vetted(NamedTuple):
    """The vetted addresses of a destination, in the order of attempts, and the profile's TLS settings."""

    addresses: list[str]
    tls: ssl.SSLContext


class _Exchange(NamedTuple):
    lane: _Lane
    connection: Connection
    response: Response


class Egress:
    """Sends requests with connection pools, vetted addresses and deadlines. One per event loop; not thread-safe.

    The pools are per origin and network profile. While a connection is open, a sweep checks all deadlines every
    `sweep_s`.

    Args:
        profiles: network profiles by name; `default` always exists. The constructor reads their files and blocks for
            tens of milliseconds per profile.
        resolver: resolves names; None uses the system's resolver.
        max_connections: limit of open connections to all destinations together.
        sweep_s: seconds between two checks of the deadlines. A timeout may be late by this time.

    Raises:
        Invalid: a profile is malformed.
    """

    def __init__(
        self,
        *,
        profiles: Mapping[str, NetworkProfile] | None = None,
        resolver: Resolver | None = None,
        max_connections: int = 4096,
        sweep_s: float = 0.5,
    ) -> None:
        self._routes: dict[str, Route] = {}
        self._lanes: dict[tuple[str, Origin], _Lane] = {}
        self._profiles: dict[str, Mapping[str, NetworkProfile]] = {}
        self._resolver = resolver or SystemResolver()
        self._max_connections = max_connections
        self._sweep_s = sweep_s
        self._open: dict[Connection, _Lane] = {}
        self._dialing = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._emptied: asyncio.Event | None = None
        self.set_profiles(profiles or {})

    def set_profiles(self, profiles: Mapping[str, NetworkProfile], *, owner: str = "") -> None:
        """Replace an owner's profiles. Running exchanges keep their old profile, and idle connections are closed.

        Args:
            owner: the part of Headgate that uses them. Profiles of other owners stay.

        Raises:
            Invalid: a profile is malformed. Nothing was replaced.
        """
        every = {**self._profiles, owner: profiles}
        wanted = {"default": NetworkProfile()}
        for owned in every.values():
            wanted |= owned
        known = {_tls_settings(route.profile): route.tls for route in self._routes.values()}
        routes: dict[str, Route] = {}
        for name, profile in wanted.items():
            routes[name] = Route.of(profile, known.get(_tls_settings(profile)))
            known[_tls_settings(profile)] = routes[name].tls
        self._profiles = every
        self._routes = routes
        for lane in self._lanes.values():
            lane.is_retired = True
            for connection in tuple(lane.idle):
                connection.abort()
        self._lanes = {}

    def send(self, request: Request) -> Sending:
        """Send a request; use as `async with egress.send(request) as response`.

        Entering waits for the head of the response. Leaving after the complete body returns the connection to the
        pool. Leaving earlier closes the connection, which stops the other side. Redirects are not followed.

        The client retries in one case only: the method is idempotent (RFC 9110 section 9.2.2), and a pooled connection
        was closed before any byte of the response. It never retries a POST, because the server may have acted on it.
        The caller decides on such a retry, with a new record.

        Raises (on entering):
            Invalid: the URL, a header or the profile's name is not valid; nothing was sent.
            Denied: the destination's address is not allowed; nothing was sent.
            Upstream: no connection, or a broken or missing response. UpstreamTimeout: not in time.
            Unavailable: too many connections, or closed.
        """
        return Sending(self, request)

    async def vetted(self, host: str, port: int, *, profile: str) -> Vetted:
        """Vet a destination of another protocol than HTTP. The caller connects to the returned addresses only.

        Raises:
            Denied: an address is not allowed.
            Invalid: there is no such profile.
            Upstream: the name has no address.
        """
        route = self._route(profile)
        return Vetted(await route.policy.addresses(self._resolver, host, port), route.tls)

    async def aclose(self) -> None:
        """Close every connection and wait until the transports are closed. Running exchanges fail."""
        emptied = self._emptied = self._emptied or asyncio.Event()
        for connection in tuple(self._open):
            connection.abort(Unavailable("Headgate is shutting down; the exchange was ended."))
        if self._open:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await emptied.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def __aenter__(self) -> Egress:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def connections(self) -> int:
        """The number of open connections, busy or idle."""
        return len(self._open)

    async def _begin(self, sending: Sending) -> _Exchange:
        request = sending.request
        target = parse_url(request.url)
        lane = self._lanes.get((request.profile, target.origin)) or self._new_lane(request.profile, target.origin)
        head = encode_head(request, lane.prefix + target.path, fixed=lane.fixed)
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        total_s = lane.route.profile.total_s
        if request.within_s is not None:
            total_s = min(total_s, request.within_s)
        limit = TimeLimit(total_s, loop.time() + total_s)
        is_head = request.method == "HEAD"
        connection = lane.checkout()
        if connection is not None:
            sending.connection = connection
            try:
                response = await connection.exchange(head, request.body, is_head=is_head, limit=limit)
                return _Exchange(lane, connection, response)
            except Upstream as error:
                was_dead = not connection.was_answered and not isinstance(error, UpstreamTimeout)
                if not was_dead or request.method not in _IDEMPOTENT:
                    raise
        sending.connection = None
        connection = sending.connection = await self._dial(loop, lane)
        if sending.stopped is not None:
            connection.abort()
            raise sending.stopped
        response = await connection.exchange(head, request.body, is_head=is_head, limit=limit)
        return _Exchange(lane, connection, response)

    def _end(self, exchange: _Exchange) -> None:
        assert self._loop is not None
        lane, connection, _ = exchange
        if not connection.release(self._loop.time()):
            return
        if lane.is_retired or self._emptied is not None or len(lane.idle) >= lane.route.profile.max_idle:
            connection.abort()
        else:
            lane.idle.append(connection)

    def _new_lane(self, profile: str, origin: Origin) -> _Lane:
        route = self._route(profile)
        if len(self._lanes) >= _MAX_LANES:
            self._lanes = {key: lane for key, lane in self._lanes.items() if lane.idle}
        lane = self._lanes[profile, origin] = _Lane(origin, route)
        return lane

    def _route(self, profile: str) -> Route:
        route = self._routes.get(profile)
        if route is None:
            raise Invalid(f"There is no network profile {profile!r}; add it to the configuration.", param="profile")
        return route

    async def _dial(self, loop: asyncio.AbstractEventLoop, lane: _Lane) -> Connection:
        self._refuse_when_closed()
        if len(self._open) + self._dialing >= self._max_connections:
            raise Unavailable(f"All {self._max_connections} outgoing connections are in use.", retry_after_s=1.0)
        self._dialing += 1
        try:
            dialer = Dialer(loop, resolver=self._resolver, on_lost=self._forget)
            connection = await dialer.dial(lane.origin, lane.route)
        finally:
            self._dialing -= 1
        if self._emptied is not None:
            connection.abort()
            self._refuse_when_closed()
        self._open[connection] = lane
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._sweep_s, self._sweep, loop)
        return connection

    def _refuse_when_closed(self) -> None:
        if self._emptied is not None:
            raise Unavailable("Headgate is shutting down and sends no more requests.")

    def _forget(self, connection: Connection) -> None:
        """Remove a closed connection from all lists."""
        lane = self._open.pop(connection, None)
        if lane is not None and connection in lane.idle:
            lane.idle.remove(connection)
        if self._emptied is not None and not self._open:
            self._emptied.set()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Expire connections over their deadline. Repeats while a connection is open."""
        now = loop.time()
        for connection in tuple(self._open):
            if connection.deadline <= now:
                connection.expire(now)
        self._sweeper = loop.call_later(self._sweep_s, self._sweep, loop) if self._open else None


class Sending:
    """A running request, from `Egress.send`. Enter it once."""

    __slots__ = ("_egress", "_exchange", "connection", "request", "stopped")

    def __init__(self, egress: Egress, request: Request) -> None:
        self._egress = egress
        self.request = request
        self.connection: Connection | None = None
        self.stopped: HeadgateError | None = None

    async def __aenter__(self) -> Response:
        try:
            self._exchange = await self._egress._begin(self)
        except HeadgateError as error:
            raise names_places(error) from error.__cause__
        return self._exchange.response

    async def __aexit__(self, *_: object) -> None:
        self.connection = None
        self._egress._end(self._exchange)

    def stop(self, error: HeadgateError) -> None:
        """Close the connection, which stops the other side. A waiting reader gets the error."""
        self.stopped = error
        if self.connection is not None:
            self.connection.abort(error)


def _tls_settings(profile: NetworkProfile) -> tuple[str | None, ...]:
    return (profile.ca_file, profile.client_cert_file, profile.client_key_file)
