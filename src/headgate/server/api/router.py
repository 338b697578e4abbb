"""The router of the admin API: finds the operation, authenticates the caller, decodes the body, writes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from headgate import __version__
from headgate.admin.operations import Operation
from headgate.admin.requests import Host, Request
from headgate.admin.sessions import cookie_of
from headgate.kernel.errors import HeadgateError
from headgate.server.api.callers import recognise
from headgate.server.api.errors import MethodNotAllowed, body_of, headers_of_error, refuse_undecided
from headgate.server.api.openapi import document
from headgate.server.api.parsing import Route, decode_body, find, read_query, require_json
from headgate.server.api.parts import ServerParts
from headgate.server.asgi import ClientGone, Receive, Scope, Send, headers_of, read_body, respond
from headgate.server.content_coding import unpacked
from headgate.server.identity import KEY_HEADERS

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hosted:
    """A feature's operations, and the service for their handlers."""

    operations: Sequence[Operation]
    service: Any


_DOCUMENT = "/api/openapi.json"
_FRESH = ("cache-control", "no-store")


class AdminApi:
    """Answers `/api/...`."""

    def __init__(self, parts: ServerParts, host: Host, hosted: Sequence[Hosted]) -> None:
        self._parts = parts
        self._host = host
        self._operations = [operation for one in hosted for operation in one.operations]
        self._routes = [Route(operation) for operation in self._operations]
        self._services = {operation.id: one.service for one in hosted for operation in one.operations}
        self._document: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; errors become an `ErrorBody`."""
        started = _Started(send)
        try:
            await self._answer(scope, receive, started)
        except ClientGone:
            return
        except HeadgateError as error:
            if error.status >= 500:
                log.warning("admin_request_failed", code=error.code, method=scope["method"], path=scope["path"])
            await _fail(error, started)
        except Exception:
            log.exception("admin_request_failed", method=scope["method"], path=scope["path"])
            await _fail(HeadgateError("an internal error happened; Headgate's log has its cause"), started)

    def _written(self) -> bytes:
        return msgspec.json.encode(document(self._operations, version=__version__))

    async def _answer(self, scope: Scope, receive: Receive, send: _Started) -> None:
        headers = headers_of(scope)
        if scope["path"] == _DOCUMENT and scope["method"] in ("GET", "HEAD"):
            # Writing it takes a tenth of a second.
            self._document = self._document or await asyncio.to_thread(self._written)
            await respond(send, 200, self._document, headers=[_FRESH])
            return
        try:
            operation, path = find(self._routes, scope)
            if operation.is_streamed and scope["method"] == "HEAD":
                raise MethodNotAllowed("HEAD", allowed=(operation.method,))
            request = await self._request(operation, path, scope, receive, send, headers)
        except HeadgateError as error:
            if not _is_first_look(scope, headers):
                self._parts.refusals.note(error, scope, place="api")
            raise
        answer = await operation.handler(self._services[operation.id], request)
        if operation.is_streamed:
            return
        refuse_undecided(request)
        body = b"" if answer is None else msgspec.json.encode(answer)
        await respond(send, 204 if answer is None else 200, body, headers=[_FRESH, *request.reply_headers])

    async def _request(
        self,
        operation: Operation,
        path: Mapping[str, str],
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
    ) -> Request:
        """Authenticate the caller first, then parse the query and the body."""
        found = None if operation.public else await recognise(self._parts, headers, method=scope["method"])
        query = read_query(scope, operation.parameters)
        body: Any = None
        if operation.body is not None:
            require_json(headers)
            raw = await read_body(receive, headers, limit_bytes=operation.body_bytes)
            if "content-encoding" in headers:
                raw = await unpacked(raw, headers["content-encoding"], limit_bytes=operation.body_bytes)
            body = decode_body(raw, operation.body)
        return Request(
            operation=operation,
            host=self._host,
            headers=headers,
            path=path,
            query=query,
            body=body,
            scope=scope,
            send=send,
            caller=found.caller if found else None,
            session=found.session if found else None,
        )


def _is_first_look(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether a browser without credentials asks for its session. This is no sign-in attempt and gets no record."""
    is_session = scope["method"] == "GET" and scope["path"] == "/api/session"
    return is_session and cookie_of(headers) is None and not headers.keys() & {"authorization", *KEY_HEADERS}


class _Started:
    """A `send` that knows whether the answer has started."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False

    async def __call__(self, message: Any) -> None:
        self.is_started = True
        await self._send(message)


async def _fail(error: HeadgateError, send: _Started) -> None:
    if not send.is_started:
        await respond(send, error.status, body_of(error), headers=[_FRESH, *headers_of_error(error)])
