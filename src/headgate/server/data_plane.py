"""The data plane: model calls in the client's wire format, with answers and errors in the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import structlog

from headgate.gateway.catalogue import Catalogue
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.errors import HeadgateError, NeedsApproval, Upstream
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock, Ids
from headgate.kernel.run import Run
from headgate.policy.snapshot import SnapshotHolder
from headgate.server.api.errors import MethodNotAllowed, accepted_instead
from headgate.server.asgi import (
    SECURITY_HEADERS,
    ClientGone,
    Receive,
    Scope,
    Send,
    encode_headers,
    read_body,
    require_json,
    respond,
)
from headgate.server.content_coding import unpacked
from headgate.server.disconnect import until_disconnected
from headgate.server.identity import Caller, caller_by_key
from headgate.server.model_list import models_body
from headgate.server.paths import MODELS, Call, Paths
from headgate.server.refusals import CALLER, Refusals
from headgate.server.streams import OpenStream, OpenStreams
from headgate.wire.dialect import ClientDialect
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import MODEL_INVOKE, ModelCall, ModelEvent, ModelReply
from headgate.wire.openai_plane import OPENAI_MODELS
from headgate.wire.plane import Plane
from headgate.wire.provider import Provider

log = structlog.get_logger(__name__)

_LARGE_BODY_BYTES = 256 << 10
"""Larger bodies are decoded in a thread, because decoding would block the event loop."""

_PATIENCE = ("x-stainless-timeout", "x-stainless-read-timeout")
_MOST_PATIENCE_S = 86_400.0
"""The maximum of a client's timeout. Deployments have their own limits; the shorter one counts."""

_UNFIT = re.compile(r"[^!-~]")
"""Characters of field names that are not allowed in a header. Clients choose these names."""

_GRANT = "x-headgate-grant"


@dataclass(frozen=True, slots=True)
class DataPlaneParts:
    """The dependencies of the data plane. `saw` notes that a principal sent a request, without I/O."""

    pipeline: Pipeline
    holder: SnapshotHolder
    catalogues: Callable[[TenantId], Catalogue]
    providers: Mapping[str, Provider]
    dialects: Dialects
    streams: OpenStreams
    clock: Clock
    ids: Ids
    refusals: Refusals
    saw: Callable[[Principal], None]


class DataPlane:
    """Answers `/v1/...`."""

    def __init__(self, parts: DataPlaneParts) -> None:
        self._parts = parts
        self.paths = Paths(parts.dialects.clients.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        """Answer one request, with errors in the caller's wire format."""
        path, method = scope["path"], scope["method"]
        found = self.paths.find(path)
        answer = _Answer(send, self.paths.plane_of(scope) if found is None else found.plane)
        try:
            if found is not None:
                call = found.calls.get(method)
                if call is None:
                    raise MethodNotAllowed(method, allowed=tuple(found.calls))
                await self._call(call, headers, scope, receive, answer)
            else:
                await self._other(self.paths.normalised(path), scope, headers, answer)
        except ClientGone:
            return
        except HeadgateError as error:
            if isinstance(error, Upstream) and _GRANT in headers:
                # The failed call consumed the grant, so an SDK's automatic retry would be refused.
                error.retryable = False
            self._parts.refusals.note(error, scope, place=MODELS if found is None else found.path)
            await self._fail(error, answer)
        except Exception:
            log.exception("request_failed", path=path)
            await self._fail(HeadgateError("an internal error happened; its cause is in the log"), answer)

    async def refuse(self, error: HeadgateError, scope: Scope, send: Send) -> None:
        """Answer a request refused before the data plane, in the wire format of its path."""
        found = self.paths.find(scope["path"])
        await self._fail(error, _Answer(send, self.paths.plane_of(scope) if found is None else found.plane))

    async def _other(self, path: str, scope: Scope, headers: dict[str, str], answer: _Answer) -> None:
        """Answer a path outside the dialects: the lists of models."""
        if path != MODELS and not path.startswith(MODELS + "/"):
            raise self.paths.no_such_path(scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(scope["method"], allowed=("GET", "HEAD"))
        await self._models(path, scope, headers, answer)

    async def _call(
        self, call_at: Call, headers: dict[str, str], scope: Scope, receive: Receive, answer: _Answer
    ) -> None:
        caller = self._caller(headers)
        scope[CALLER] = caller
        require_json(headers)
        body = await read_body(receive, headers)
        if "content-encoding" in headers:
            body = await unpacked(body, headers["content-encoding"])
        dialect, match = call_at
        if len(body) > _LARGE_BODY_BYTES:
            call = await asyncio.to_thread(dialect.read_call, body, headers=headers, match=match)
        else:
            call = dialect.read_call(body, headers=headers, match=match)
        within_s = None if call.stream else patience_s(headers)
        action = invoke_action(
            call,
            caller,
            catalogue=self._parts.catalogues(caller.principal.tenant),
            grant=headers.get(_GRANT),
            deadline_s=None if within_s is None else self._parts.clock.monotonic() + within_s,
        )
        async with until_disconnected(scope):
            if call.stream:
                await self._stream(action, dialect, answer)
            else:
                done = await self._parts.pipeline.run(action)
                body = self._parts.dialects.render_reply(
                    done.result, wire=call.wire, model=call.model, call=call, created=self._now()
                )
                told = with_request_id(done.result.headers, plane=answer.plane, otherwise=done.run.record_id)
                await answer.whole(200, body, [*told, *gate_headers(done.run)])

    async def _stream(
        self, action: Action[ModelCall, ModelEvent, ModelReply], dialect: ClientDialect, answer: _Answer
    ) -> None:
        """Stream an answer; the status is committed at the first content or after `COMMIT_S`."""
        writer = dialect.write_events(action.payload, created=self._now())
        stream = OpenStream(answer.send, writer, self._parts.clock)
        self._parts.streams.add(stream)
        try:
            async with self._parts.pipeline.stream(action) as opened:
                start = partial(self._start, stream, opened.run, answer)
                self._parts.streams.commit_later(stream, start)
                async for event in opened.items:
                    if not stream.is_started:
                        await start()
                    await stream.send(writer.write(event))
                if not stream.is_started:
                    await start()
            await stream.end(writer.end())
        except HeadgateError as error:
            if not stream.is_started:
                raise
            await stream.end(writer.fail(error))
        except Exception:
            if not stream.is_started:
                raise
            log.exception("stream_failed")
            await stream.end(writer.fail(HeadgateError("an internal error happened; its cause is in the log")))
        finally:
            self._parts.streams.remove(stream)

    def _now(self) -> int:
        """Return the Unix time in seconds, for the answers' creation time."""
        return int(self._parts.clock.now().timestamp())

    async def _start(self, stream: OpenStream, run: Run[Any, Any, Any], answer: _Answer) -> None:
        """Commit the status, with the provider's headers if one has answered by now."""
        answer.is_started = True
        fixed = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
        ]
        told = with_request_id(run.preface, plane=answer.plane, otherwise=run.record_id)
        await stream.start([*fixed, *encode_headers([*told, *gate_headers(run)]), *SECURITY_HEADERS])

    def _caller(self, headers: dict[str, str]) -> Caller:
        parts = self._parts
        caller = caller_by_key(headers, holder=parts.holder, clock=parts.clock, key_headers=self.paths.key_headers)
        parts.saw(caller.principal)
        return caller

    async def _models(self, path: str, scope: Scope, headers: dict[str, str], answer: _Answer) -> None:
        caller = self._caller(headers)
        plane = self.paths.plane_with(headers)
        body = models_body(
            path.removeprefix(MODELS).lstrip("/"),
            caller,
            scope,
            catalogue=self._parts.catalogues(caller.principal.tenant),
            providers=self._parts.providers,
            lists=plane.models or OPENAI_MODELS,
        )
        await answer.whole(200, body, list(with_request_id((), plane=plane, otherwise=self._parts.ids.ulid())))

    async def _fail(self, error: HeadgateError, answer: _Answer) -> None:
        if answer.is_started:
            return
        request_id = error.record_id or self._parts.ids.ulid()
        rendered = answer.plane.write_error(error, request_id=request_id)
        headers = list(rendered.headers)
        if isinstance(error, Upstream):
            headers += error.headers
        if error.record_id is not None:
            headers.append(("x-headgate-record", error.record_id))
        headers += accepted_instead(error)
        if isinstance(error, NeedsApproval):
            headers.append(("x-headgate-approval", error.approval_id))
        await answer.whole(rendered.status, rendered.body, headers)


class _Answer:
    """The answer to one request in its plane's format; knows whether its status is committed."""

    __slots__ = ("is_started", "plane", "send")

    def __init__(self, send: Send, plane: Plane) -> None:
        self.send = send
        self.plane = plane
        self.is_started = False

    async def whole(self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
        """Send a whole answer."""
        self.is_started = True
        await respond(self.send, status, body, headers=headers or [])


def invoke_action(
    call: ModelCall,
    caller: Caller,
    *,
    catalogue: Catalogue,
    grant: str | None = None,
    deadline_s: float | None = None,
) -> Action[ModelCall, ModelEvent, ModelReply]:
    """Return the action of a model call on the alias that matches the name.

    Args:
        grant: the id of the caller's approval.
    """
    return Action(
        verb=MODEL_INVOKE,
        principal=caller.principal,
        resource=_alias(catalogue.alias_id(call.model)),
        payload=call,
        context=Context(use_case=caller.use_case, floor=caller.floor, grant=grant, deadline_s=deadline_s),
    )


@lru_cache(maxsize=256)
def _alias(alias_id: str) -> Resource:
    return Resource(kind="alias", id=alias_id)


def patience_s(headers: Mapping[str, str]) -> float | None:
    """Return the client's timeout for a whole answer, from the SDKs' headers; None without one.

    The result is slightly shorter, so that the client gets an error before it disconnects. For a
    stream, the SDKs send the timeout for the next event, and heartbeats keep within it.

    Source: `_base_client.py` of the SDKs of OpenAI and Anthropic, and `client.js` of their JavaScript ones.
    """
    for name in _PATIENCE:
        if name not in headers:
            continue
        try:
            seconds = float(headers[name])
        except ValueError:
            continue
        if 0 < seconds <= _MOST_PATIENCE_S:
            return seconds - min(1.0, seconds / 10)
    return None


def with_request_id(told: tuple[tuple[str, str], ...], *, plane: Plane, otherwise: str) -> tuple[tuple[str, str], ...]:
    """Return the provider's headers with a request id under the plane's header name.

    Args:
        otherwise: the id to use without one from the provider.
    """
    name = plane.request_id_header
    found = otherwise
    for given, value in told:
        if given == name:
            return told
        if given in ("request-id", "x-request-id"):
            found = value
    return (*told, (name, found))


def gate_headers(run: Run[Any, Any, Any]) -> list[tuple[str, str]]:
    """Return the response headers with the gate's decision; the labels are an upper bound."""
    labels: Labels = run.labelled.labels.join(run.output_labels)
    headers = [("x-headgate-record", str(run.record_id)), ("x-headgate-labels", str(labels))]
    deployment = run.facts.get("deployment")
    if deployment:
        headers.append(("x-headgate-deployment", str(deployment)))
    if "dropped" in run.facts:
        headers.append(("x-headgate-dropped", _UNFIT.sub("?", str(run.facts["dropped"]))))
    return headers
