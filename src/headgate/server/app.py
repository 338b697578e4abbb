"""The ASGI application: routes each request to the data plane, the admin API, the console or a health check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import structlog

from headgate.kernel.errors import HeadgateError
from headgate.server.api.errors import MethodNotAllowed, body_of, headers_of_error
from headgate.server.asgi import WHOLE, ClientGone, Message, Receive, Scope, Send, headers_of, respond
from headgate.server.cross_origin import exposed_headers, is_preflight, preflight_headers, readable_by
from headgate.server.data_plane import DataPlane
from headgate.server.health import Counts, Health
from headgate.server.hosts import HostRule, foreign_origin
from headgate.server.metrics_access import MetricsReaders
from headgate.server.refusals import Refusals
from headgate.server.static_files import StaticFiles

log = structlog.get_logger(__name__)

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_WEBSOCKET = msgspec.json.encode(
    {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "code": "websocket_not_offered",
            "param": None,
            "message": "Headgate does not offer WebSocket; send the request over HTTP",
        },
    }
)
"""An error body in a form that OpenAI and Anthropic clients both read."""


@dataclass(frozen=True, slots=True)
class ApplicationParts:
    """The parts of the application.

    Args:
        data_plane: answers the paths of model calls, and writes the errors of those paths.
        admin: answers `/api/...`.
        console: answers all other paths.
        observers: decides who may read the metrics.
    """

    hosts: HostRule
    data_plane: DataPlane
    admin: AsgiApp
    console: StaticFiles
    health: Health
    counts: Counts
    refusals: Refusals
    observers: MetricsReaders


class Application:
    """The ASGI callable of one worker."""

    def __init__(self, parts: ApplicationParts) -> None:
        self._parts = parts
        self.background = parts.data_plane.background
        self._calls = parts.data_plane.paths.names
        self._exposed = exposed_headers(parts.data_plane.paths.planes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match scope["type"]:
            case "http":
                plane = self._parts.data_plane.paths.place_of(scope, has_file=self._parts.console.has)
                counted = _Counted(send, plane, self._parts.counts, whole=scope.get(WHOLE))
                await self._http(plane, scope, receive, counted)
            case "lifespan":
                await _live(receive, send)
            case _:
                # Closing a WebSocket before it is accepted answers 403.
                await send({"type": "websocket.close"})

    async def _http(self, plane: str, scope: Scope, receive: Receive, send: _Counted) -> None:
        try:
            await self._route(plane, scope, receive, send)
        except ClientGone:
            return
        except HeadgateError as error:
            await self._fail(plane, error, scope, send)
        except Exception:
            log.exception("request_failed", plane=plane)
            error = HeadgateError("an internal error happened; Headgate's log has its cause")
            await self._fail(plane, error, scope, send)

    async def _fail(self, plane: str, error: HeadgateError, scope: Scope, send: _Counted) -> None:
        """Answer with an error in the format of the plane."""
        if send.is_started:
            return
        self._parts.refusals.note(error, scope, place=plane)
        if plane in self._calls:
            await self._parts.data_plane.refuse(error, scope, send)
        else:
            await respond(send, error.status, body_of(error), headers=headers_of_error(error))

    async def _route(self, plane: str, scope: Scope, receive: Receive, send: _Counted) -> None:
        parts, path, is_reading = self._parts, scope["path"], scope["method"] in ("GET", "HEAD")
        # Orchestrators ask under the address of a pod. The answers hold nothing confidential.
        if path == "/healthz" and is_reading:
            await parts.health.alive(send)
            return
        if path == "/readyz" and is_reading:
            await parts.health.ready(send)
            return
        headers = headers_of(scope)
        origin = parts.hosts.check(headers)
        if origin is not None:
            # An application of another origin may only call models, with a key.
            if plane not in self._calls:
                raise foreign_origin()
            if is_preflight(scope, headers):
                await respond(send, 204, b"", headers=preflight_headers(origin, headers))
                return
            send.extra = readable_by(origin, exposed=self._exposed)
        if headers.get("upgrade", "").lower() == "websocket":
            # Clients that try WebSocket first fall back to HTTP at once on status 426 only.
            await respond(send, 426, _WEBSOCKET, headers=[("upgrade", "HTTP/1.1"), ("connection", "upgrade")])
        elif plane in self._calls:
            await parts.data_plane(scope, receive, send, headers)
        elif plane == "api":
            await parts.admin(scope, receive, send)
        elif not is_reading:
            raise MethodNotAllowed(scope["method"], allowed=("GET", "HEAD"))
        elif path == "/metrics":
            tenant = parts.observers.check(scope, headers)
            await parts.health.metrics(send, accept=headers.get("accept", ""), tenant=tenant)
        else:
            await parts.console(scope, send, headers)


class _Counted:
    """A `send` that counts the status of the answer and knows whether the answer has started.

    Args:
        whole: writes a whole answer in one call, or None if the server takes only ASGI's own messages.

    Attributes:
        extra: headers that are added to every answer.
    """

    __slots__ = ("_counts", "_plane", "_send", "_whole", "extra", "is_started")

    def __init__(self, send: Send, plane: str, counts: Counts, *, whole: Send | None) -> None:
        self._send = send
        self._whole = whole or self._halves
        self._plane = plane
        self._counts = counts
        self.is_started = False
        self.extra: tuple[tuple[bytes, bytes], ...] = ()

    async def __call__(self, message: Message) -> None:
        if not self.is_started:
            self.is_started = True
            if self.extra:
                message["headers"] = [*message["headers"], *self.extra]
            self._counts.requests[self._plane, message["status"]] += 1
        await (self._whole if message["type"] == WHOLE else self._send)(message)

    async def _halves(self, message: Message) -> None:
        await self._send({"type": "http.response.start", "status": message["status"], "headers": message["headers"]})
        await self._send({"type": "http.response.body", "body": message["body"]})


async def _live(receive: Receive, send: Send) -> None:
    """Answer the lifespan messages. The assembly owns everything that outlives a request."""
    while True:
        message = await receive()
        kind: str = message["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
