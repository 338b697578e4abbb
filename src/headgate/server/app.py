"""The application: one bare ASGI callable that sends each request to the part that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from headgate.kernel.errors import HeadgateError
from headgate.server.api.errors import MethodNotAllowed, body_of, headers_of_error
from headgate.server.asgi import WHOLE, ClientGone, Message, Receive, Scope, Send, headers_of, respond
from headgate.server.data_plane import DataPlane
from headgate.server.health import Counts, Health, Plane
from headgate.server.hosts import HostRule
from headgate.server.refusals import Refusals
from headgate.server.static_files import StaticFiles

log = structlog.get_logger(__name__)

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MISTAKES = ("/chat/completions", "/completions", "/embeddings", "/responses", "/messages", "/models")
"""Paths of model calls under a base URL that lacks its `/v1`: answered in the caller's wire, not with a page. A
browser that asks for a page of such a name sends no key."""
_KEYS = (b"authorization", b"x-api-key")


@dataclass(frozen=True, slots=True)
class ApplicationParts:
    """What the application is made of.

    Args:
        data_plane: answers `/v1/...`; it is handed the headers as they were read, and what is refused before it.
        admin: answers `/api/...`.
        console: answers everything else.
    """

    hosts: HostRule
    data_plane: DataPlane
    admin: AsgiApp
    console: StaticFiles
    health: Health
    counts: Counts
    refusals: Refusals


class Application:
    """The one door."""

    def __init__(self, parts: ApplicationParts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match scope["type"]:
            case "http":
                plane = _plane_of(scope)
                counted = _Counted(send, plane, self._parts.counts, whole=scope.get(WHOLE))
                await self._http(plane, scope, receive, counted)
            case "lifespan":
                await _live(receive, send)
            case _:
                # Nothing here speaks WebSocket; before it is accepted, closing it answers 403.
                await send({"type": "websocket.close"})

    async def _http(self, plane: Plane, scope: Scope, receive: Receive, send: _Counted) -> None:
        try:
            await self._route(plane, scope, receive, send)
        except ClientGone:
            return
        except HeadgateError as error:
            await self._fail(plane, error, scope, send)
        except Exception:
            log.exception("request_failed", plane=plane)
            error = HeadgateError("an internal error happened; its cause is in the log")
            await self._fail(plane, error, scope, send)

    async def _fail(self, plane: Plane, error: HeadgateError, scope: Scope, send: _Counted) -> None:
        """Answer with an error in the words of the plane, whoever found it."""
        if send.is_started:
            return
        self._parts.refusals.note(error, scope, place=plane)
        if plane in ("openai", "anthropic"):
            await self._parts.data_plane.refuse(error, scope, send)
        else:
            await respond(send, error.status, body_of(error), headers=headers_of_error(error))

    async def _route(self, plane: Plane, scope: Scope, receive: Receive, send: _Counted) -> None:
        parts, path, is_reading = self._parts, scope["path"], scope["method"] in ("GET", "HEAD")
        # Asked by orchestrators under the address of a pod; they say nothing that is not for everyone.
        if path == "/healthz" and is_reading:
            await parts.health.alive(send)
            return
        if path == "/readyz" and is_reading:
            await parts.health.ready(send)
            return
        headers = headers_of(scope)
        parts.hosts.check(headers)
        if headers.get("upgrade", "").lower() == "websocket":
            # Clients that try a WebSocket first fall back to HTTP on this status, at once and on no other.
            await respond(send, 426, b"", headers=[("upgrade", "HTTP/1.1"), ("connection", "upgrade")])
        elif plane in ("openai", "anthropic"):
            await parts.data_plane(scope, receive, send, headers)
        elif plane == "api":
            await parts.admin(scope, receive, send)
        elif not is_reading:
            raise MethodNotAllowed(scope["method"], allowed=("GET", "HEAD"))
        elif path == "/metrics":
            await parts.health.metrics(send)
        else:
            await parts.console(scope, send, headers)


class _Counted:
    """A `send` that counts the answer's status and knows whether it is out.

    Args:
        whole: how the server writes a whole answer, or None where it takes ASGI's own messages only.
    """

    __slots__ = ("_counts", "_plane", "_send", "_whole", "is_started")

    def __init__(self, send: Send, plane: Plane, counts: Counts, *, whole: Send | None) -> None:
        self._send = send
        self._whole = whole or self._halves
        self._plane: Plane = plane
        self._counts = counts
        self.is_started = False

    async def __call__(self, message: Message) -> None:
        if not self.is_started:
            self.is_started = True
            self._counts.requests[self._plane, message["status"]] += 1
        await (self._whole if message["type"] == WHOLE else self._send)(message)

    async def _halves(self, message: Message) -> None:
        await self._send({"type": "http.response.start", "status": message["status"], "headers": message["headers"]})
        await self._send({"type": "http.response.body", "body": message["body"]})


def _plane_of(scope: Scope) -> Plane:
    """Say who answers a path, for routing and for the metrics."""
    path: str = scope["path"]
    if path.startswith("/api/") or path == "/api":
        return "api"
    if path.startswith("/v1/") or path == "/v1" or (path.startswith(_MISTAKES) and _is_call(scope)):
        return "anthropic" if "/messages" in path else "openai"
    return "console"


def _is_call(scope: Scope) -> bool:
    return scope["method"] not in ("GET", "HEAD") or any(name in _KEYS for name, _ in scope["headers"])


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the server's start and stop; what lives longer than a request is the assembly's."""
    while True:
        message = await receive()
        kind: str = message["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
