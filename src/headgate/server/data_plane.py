"""The data plane: model calls on the wires that clients speak, answered in the same wire, errors included."""

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
from headgate.kernel.identity import TenantId
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
from headgate.server.departure import until_gone
from headgate.server.identity import Caller, caller_by_key
from headgate.server.model_list import models_body
from headgate.server.paths import no_such_path, normalised, wire_of
from headgate.server.refusals import CALLER, Refusals
from headgate.server.streams import OpenStream, OpenStreams
from headgate.wire import anthropic_messages, openai_chat, openai_embeddings
from headgate.wire.dialect import Dialect
from headgate.wire.dialects import render_reply
from headgate.wire.model_call import MODEL_INVOKE, ModelCall, ModelEvent, ModelReply
from headgate.wire.provider import Provider

log = structlog.get_logger(__name__)

_LARGE_BODY_BYTES = 256 << 10
"""Bodies above this are decoded beside the event loop: it would stand still for milliseconds."""

_PATIENCE = ("x-stainless-timeout", "x-stainless-read-timeout")
_MOST_PATIENCE_S = 86_400.0
"""Nobody waits longer; deployments have limits of their own, and the shorter one counts."""

_UNFIT = re.compile(r"[^!-~]")
"""What of the names of fields, which clients choose, may not stand in a header."""

ROUTES: Mapping[str, Dialect] = {
    "/v1/chat/completions": openai_chat.dialect,
    "/v1/embeddings": openai_embeddings.dialect,
    "/v1/messages": anthropic_messages.dialect,
    "/v1/messages/count_tokens": anthropic_messages.counting,
}
"""The paths of the wires, and the dialect of each."""

_MODELS = "/v1/models"
_GRANT = "x-headgate-grant"


@dataclass(frozen=True, slots=True)
class DataPlaneParts:
    """What the data plane is made of."""

    pipeline: Pipeline
    holder: SnapshotHolder
    catalogues: Callable[[TenantId], Catalogue]
    providers: Mapping[str, Provider]
    streams: OpenStreams
    clock: Clock
    ids: Ids
    refusals: Refusals


class DataPlane:
    """Answers `/v1/...`."""

    def __init__(self, parts: DataPlaneParts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        """Answer one request; errors in the caller's wire."""
        path, method = normalised(scope["path"]), scope["method"]
        route = ROUTES.get(path)
        dialect = route or _dialect_for(scope)
        answer = _Answer(send)
        try:
            if route is not None:
                if method != "POST":
                    raise MethodNotAllowed(method, allowed=("POST",))
                await self._call(route, headers, scope, receive, answer)
            elif path == _MODELS or path.startswith(_MODELS + "/"):
                if method not in ("GET", "HEAD"):
                    raise MethodNotAllowed(method, allowed=("GET", "HEAD"))
                await self._models(path, scope, headers, answer)
            else:
                raise no_such_path(scope, served=(*ROUTES, _MODELS))
        except ClientGone:
            return
        except HeadgateError as error:
            if isinstance(error, Upstream) and _GRANT in headers:
                # The grant is used by what failed: an SDK that sent the same again would be refused for that.
                error.retryable = False
            self._parts.refusals.note(error, scope, place=path if route is not None else _MODELS)
            await self._fail(error, dialect, answer)
        except Exception:
            log.exception("request_failed", path=path)
            await self._fail(HeadgateError("an internal error happened; its cause is in the log"), dialect, answer)

    async def refuse(self, error: HeadgateError, scope: Scope, send: Send) -> None:
        """Answer a request that was refused on its way here, in the wire of its path."""
        path = normalised(scope["path"])
        await self._fail(error, ROUTES.get(path) or _dialect_for(scope), _Answer(send))

    async def _call(
        self, dialect: Dialect, headers: dict[str, str], scope: Scope, receive: Receive, answer: _Answer
    ) -> None:
        caller = caller_by_key(headers, holder=self._parts.holder, clock=self._parts.clock)
        scope[CALLER] = caller
        require_json(headers)
        body = await read_body(receive, headers)
        if "content-encoding" in headers:
            body = await unpacked(body, headers["content-encoding"])
        if len(body) > _LARGE_BODY_BYTES:
            call = await asyncio.to_thread(dialect.read_call, body, headers=headers)
        else:
            call = dialect.read_call(body, headers=headers)
        within_s = None if call.stream else patience_s(headers)
        action = invoke_action(
            call,
            caller,
            catalogue=self._parts.catalogues(caller.principal.tenant),
            grant=headers.get(_GRANT),
            deadline_s=None if within_s is None else self._parts.clock.monotonic() + within_s,
        )
        async with until_gone(scope):
            if call.stream:
                await self._stream(action, dialect, answer)
            else:
                done = await self._parts.pipeline.run(action)
                body = render_reply(done.result, wire=call.wire, model=call.model, call=call, created=self._now())
                told = with_request_id(done.result.headers, wire=call.wire, otherwise=done.run.record_id)
                await answer.whole(200, body, [*told, *gate_headers(done.run)])

    async def _stream(
        self, action: Action[ModelCall, ModelEvent, ModelReply], dialect: Dialect, answer: _Answer
    ) -> None:
        """Stream an answer; nothing is committed before the first content or `COMMIT_S`."""
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
        """Return the seconds since 1970, as answers tell when they were made."""
        return int(self._parts.clock.now().timestamp())

    async def _start(self, stream: OpenStream, run: Run[Any, Any, Any], answer: _Answer) -> None:
        """Commit the status; what the provider said at the head goes along where one has answered by now."""
        answer.is_started = True
        fixed = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
        ]
        told = with_request_id(run.preface, wire=run.payload.wire, otherwise=run.record_id)
        await stream.start([*fixed, *encode_headers([*told, *gate_headers(run)]), *SECURITY_HEADERS])

    async def _models(self, path: str, scope: Scope, headers: dict[str, str], answer: _Answer) -> None:
        caller = caller_by_key(headers, holder=self._parts.holder, clock=self._parts.clock)
        wire = "anthropic" if "anthropic-version" in headers else "openai"
        body = models_body(
            path.removeprefix(_MODELS).lstrip("/"),
            caller,
            scope,
            catalogue=self._parts.catalogues(caller.principal.tenant),
            providers=self._parts.providers,
            wire=wire,
        )
        await answer.whole(200, body, list(with_request_id((), wire=wire, otherwise=self._parts.ids.ulid())))

    async def _fail(self, error: HeadgateError, dialect: Dialect, answer: _Answer) -> None:
        if answer.is_started:
            return
        request_id = error.record_id or self._parts.ids.ulid()
        rendered = dialect.write_error(error, request_id=request_id)
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
    """The answer of one request, and whether its status is committed."""

    __slots__ = ("is_started", "send")

    def __init__(self, send: Send) -> None:
        self.send = send
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
    """Return the action of calling a model: of the alias in the caller's catalogue that answers to the name.

    Args:
        grant: the id of an approval that the caller presents.
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
    """Return how long the client waits for a whole answer, as the SDKs say it, or None where it does not say.

    A little less than that, so that it hears of its timeout rather than closing the connection. Of a stream they say
    how long they wait for the next event, which heartbeats keep short.

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


def with_request_id(told: tuple[tuple[str, str], ...], *, wire: str, otherwise: str) -> tuple[tuple[str, str], ...]:
    """Return the provider's headers with a request id under the name that clients of the wire read.

    Args:
        otherwise: the id where the provider gave none.
    """
    name = "request-id" if wire.startswith("anthropic") else "x-request-id"
    found = otherwise
    for given, value in told:
        if given == name:
            return told
        if given in ("request-id", "x-request-id"):
            found = value
    return (*told, (name, found))


def gate_headers(run: Run[Any, Any, Any]) -> list[tuple[str, str]]:
    """Return the headers that tell what the gate did; the labels are an upper bound."""
    labels: Labels = run.labelled.labels.join(run.output_labels)
    headers = [("x-headgate-record", str(run.record_id)), ("x-headgate-labels", str(labels))]
    deployment = run.facts.get("deployment")
    if deployment:
        headers.append(("x-headgate-deployment", str(deployment)))
    if "dropped" in run.facts:
        headers.append(("x-headgate-dropped", _UNFIT.sub("?", str(run.facts["dropped"]))))
    return headers


def _dialect_for(scope: Scope) -> Dialect:
    """Return the dialect in which to refuse a path that no route has."""
    return anthropic_messages.dialect if wire_of(scope) == "anthropic" else openai_chat.dialect
