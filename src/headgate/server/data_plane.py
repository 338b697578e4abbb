"""The data plane: model calls in the client's wire format, with answers and errors in the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import structlog

from headgate.admin.file_search import SearchCaller
from headgate.admin.model_calls import BYPASS
from headgate.admin.turns import Turn
from headgate.admin.wire_calls import WireCalls
from headgate.admin.wire_operations import WireRequest
from headgate.gateway.catalogue import Catalogue
from headgate.kernel.action import Action
from headgate.kernel.errors import HeadgateError, Invalid, NeedsApproval, Upstream
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
from headgate.server.background_answers import BackgroundAnswers, Reading
from headgate.server.content_coding import unpacked
from headgate.server.disconnect import until_disconnected
from headgate.server.feature_paths import FeaturePath, FeaturePaths
from headgate.server.identity import Caller, caller_by_key
from headgate.server.kept_answers import KeptAnswers, Told
from headgate.server.kept_conversations import Asking, KeptConversations
from headgate.server.model_list import models_body
from headgate.server.paths import MODELS, Call, ModelsAt, Paths
from headgate.server.refusals import CALLER, Refusals
from headgate.server.streams import Following, OpenStream, OpenStreams
from headgate.wire.dialect import NO_QUERY, ClientDialect, EventWriter
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import JSON, ModelCall, ModelEvent, ModelReply
from headgate.wire.openai_plane import OPENAI_MODELS
from headgate.wire.plane import Plane
from headgate.wire.provider import Provider

log = structlog.get_logger(__name__)

_PATIENCE = ("x-stainless-timeout", "x-stainless-read-timeout")
_MOST_PATIENCE_S = 86_400.0
"""The maximum of a client's timeout. Deployments have their own limits; the shorter one counts."""

_UNFIT = re.compile(r"[^!-~]")
"""Characters of field names that are not allowed in a header. Clients choose these names."""

_EVENTS = "text/event-stream; charset=utf-8"
_GRANT = "x-headgate-grant"
_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})
_STREAM_HEADERS = ((b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no"))
_NEW_ANSWER: Mapping[str, str] = MappingProxyType({BYPASS: "no"})
_MOST_PARAMETERS = 100
_UNIT = 1_000_000


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
    kept: KeptAnswers
    conversations: KeptConversations
    calls: WireCalls
    operations: FeaturePaths
    background: BackgroundAnswers


class DataPlane:
    """Answers `/v1/...`."""

    def __init__(self, parts: DataPlaneParts) -> None:
        self._parts = parts
        self.paths = Paths(parts.dialects.clients.values())
        self.background = parts.background

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
                await self._other(self.paths.normalised(path), scope, receive, headers, answer)
        except ClientGone:
            return
        except HeadgateError as error:
            if isinstance(error, Upstream) and _GRANT in headers:
                # The failed call consumed the grant, so an SDK's automatic retry would be refused.
                error.retryable = False
            self._parts.refusals.note(error, scope, place=self._place_of(path) if found is None else found.path)
            await self._fail(error, answer)
        except Exception:
            log.exception("request_failed", path=path)
            await self._fail(HeadgateError("an internal error happened; its cause is in the log"), answer)

    async def refuse(self, error: HeadgateError, scope: Scope, send: Send) -> None:
        """Answer a request refused before the data plane, in the wire format of its path."""
        found = self.paths.find(scope["path"])
        await self._fail(error, _Answer(send, self.paths.plane_of(scope) if found is None else found.plane))

    def _place_of(self, path: str) -> str:
        """Return the declared path of an operation, or that of the list of models, for records of refusals."""
        operation = self._parts.operations.find(self.paths.normalised(path))
        return MODELS if operation is None else operation.path

    async def _other(self, path: str, scope: Scope, receive: Receive, headers: dict[str, str], answer: _Answer) -> None:
        """Answer a path outside the dialects' calls: of features, of what programs keep here, of lists of models."""
        if (operation := self._parts.operations.find(path)) is not None:
            answer.plane = operation.plane
            await self._operation(operation, scope, receive, headers, answer)
            return
        if (asked := self._parts.kept.asked(path)) is not None:
            caller = self._caller(headers)
            kept = await self._parts.kept.read(*asked, method=scope["method"], query=query_of(scope), caller=caller)
            if kept.after is not None:
                dialect, found_at = asked
                reading = Reading(dialect, found_at.answer, after=kept.after, principal=caller.principal)
                await self._follow(reading, scope, answer, record=kept.record)
                return
            await self._told(kept, answer)
            return
        if (place := self._parts.conversations.place(path)) is not None:
            caller, body = self._caller(headers), b""
            if scope["method"] == "POST":
                require_json(headers)
                body = await read_body(receive, headers)
            asking = Asking(scope["method"], query_of(scope), body, caller)
            await self._told(await self._parts.conversations.answer(place, asking), answer)
            return
        found = self.paths.list_of(path, headers)
        if found is None:
            raise self.paths.no_such_path(scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(scope["method"], allowed=("GET", "HEAD"))
        answer.plane = found.plane
        _refuse_key_in_address(found.plane, query_of(scope))
        await self._models(found, scope, headers, answer)

    async def _told(self, kept: Told, answer: _Answer) -> None:
        """Send what an action on something kept returned."""
        told = with_request_id((), plane=answer.plane, otherwise=kept.record)
        await answer.whole(200, kept.body, [*told, ("x-headgate-record", kept.record)])

    async def _operation(
        self, found: FeaturePath, scope: Scope, receive: Receive, headers: dict[str, str], answer: _Answer
    ) -> None:
        """Answer an operation of a feature; a body in pieces has no length."""
        query = query_of(scope)
        _refuse_key_in_address(found.plane, query)
        operation = found.operation(scope["method"])
        caller = self._caller(headers)
        scope[CALLER] = caller
        request = WireRequest(
            pipeline=self._parts.pipeline,
            principal=caller.principal,
            use_case=caller.use_case,
            floor=caller.floor,
            grant=headers.get(_GRANT),
            path=found.names,
            query=query,
            headers=headers,
            read_body=partial(_read_bounded, receive, headers),
        )
        done = await operation.handler(found.service, request)
        if not request.decided:
            raise HeadgateError("no policy decided this request; please report it")
        told = [*with_request_id((), plane=found.plane, otherwise=self._parts.ids.ulid())]
        told += [("x-headgate-record", record) for record in request.records[-1:]]
        if isinstance(done.body, bytes):
            await answer.whole(200, done.body, told, kind=done.kind)
        else:
            await answer.pieces(done.body, told, kind=done.kind)

    async def _call(
        self, call_at: Call, headers: dict[str, str], scope: Scope, receive: Receive, answer: _Answer
    ) -> None:
        query = query_of(scope)
        if query:
            _refuse_key_in_address(answer.plane, query)
        caller = self._caller(headers)
        scope[CALLER] = caller
        dialect, match = call_at
        if match.body == "json":
            require_json(headers)
        body = await read_body(receive, headers)
        if "content-encoding" in headers:
            body = await unpacked(body, headers["content-encoding"])
        if query:
            match = match._replace(query=query)
        if match.body == "any":
            match = match._replace(pairs=_pairs_of(scope))
        calls = self._parts.calls
        begun = await calls.begin(dialect, match, body, headers=headers, principal=caller.principal)
        try:
            search = SearchCaller(self._parts.pipeline, caller.principal, caller.use_case, caller.floor)
            await calls.search_files(begun, search)
            within_s = None if begun.call.stream else patience_s(headers)
            action = calls.action(
                begun,
                caller.principal,
                caller.use_case,
                floor=caller.floor,
                grant=headers.get(_GRANT),
                attributes=_cache_wish(headers["cache-control"]) if "cache-control" in headers else _NO_ATTRIBUTES,
                deadline_s=None if within_s is None else self._parts.clock.monotonic() + within_s,
            )
            if begun.turn is not None and begun.turn.state.is_background and begun.call.operation == "chat":
                await self._in_background(begun.turn, action, scope, answer)
                return
            async with until_disconnected(scope):
                if begun.call.stream:
                    await self._stream(action, dialect, answer, begun.turn)
                    return
                done = await self._parts.pipeline.run(action)
                body = await calls.answer(begun, done, created=self._now())
                result = done.result
                told = with_request_id(result.headers, plane=answer.plane, otherwise=done.run.record_id)
                await answer.whole(result.status, body, [*told, *gate_headers(done.run)], kind=result.media_type)
        finally:
            await calls.end(begun)

    async def _in_background(
        self, turn: Turn, action: Action[ModelCall, ModelEvent, ModelReply], scope: Scope, answer: _Answer
    ) -> None:
        """Have an answer written in the background, and follow it if the client asked for a stream."""
        is_stream = action.payload.stream
        payload, context = replace(action.payload, stream=True), replace(action.context, deadline_s=None)
        whole = replace(action, payload=payload, context=context)
        told = Told(await self._parts.background.begin(turn, whole, created=self._now()), self._parts.ids.ulid())
        if is_stream:
            reading = Reading(self._parts.calls.turns.readable(turn), turn.answer, after=-1, principal=turn.principal)
            await self._follow(reading, scope, answer, record=told.record)
            return
        await answer.whole(200, told.body, list(with_request_id((), plane=answer.plane, otherwise=told.record)))

    async def _follow(self, reading: Reading, scope: Scope, answer: _Answer, *, record: str) -> None:
        """Stream the events of an answer in the background, from a number on."""
        stream = OpenStream(answer.send, Following(), self._parts.clock)
        self._parts.streams.add(stream)
        try:
            async with until_disconnected(scope):
                answer.is_started = True
                named = with_request_id((), plane=answer.plane, otherwise=record)
                kind = (b"content-type", _EVENTS.encode())
                await stream.start([kind, *_STREAM_HEADERS, *encode_headers(list(named)), *SECURITY_HEADERS])
                async for frames in self._parts.background.follow(reading):
                    await stream.send(frames)
                await stream.end(b"")
        finally:
            self._parts.streams.remove(stream)

    async def _stream(
        self,
        action: Action[ModelCall, ModelEvent, ModelReply],
        dialect: ClientDialect,
        answer: _Answer,
        turn: Turn | None,
    ) -> None:
        """Stream an answer; the status is committed at the first content or after `COMMIT_S`.

        An answer that is kept is kept before its last event goes out, so that the client can continue it.
        """
        created, keeping = self._now(), None
        writer: EventWriter
        if turn is None:
            writer = dialect.write_events(action.payload, created=created)
        else:
            writer = keeping = turn.writer(created=created)
        stream = OpenStream(answer.send, writer, self._parts.clock)
        self._parts.streams.add(stream)
        try:
            async with self._parts.pipeline.stream(action) as opened:
                start = partial(self._start, stream, opened.run, answer)
                self._parts.streams.commit_later(stream, start)
                async for event in opened.items:
                    if not stream.is_started:
                        await start()
                    frames = writer.write(event)
                    if turn is not None and keeping is not None:
                        await self._parts.calls.turns.keep(turn, keeping.answer, opened.run)
                    await stream.send(frames)
                if not stream.is_started:
                    await start()
            frames = writer.end()
            if turn is not None and keeping is not None:
                await self._parts.calls.turns.keep(turn, keeping.answer, opened.run)
            await stream.end(frames)
        except HeadgateError as error:
            if not stream.is_started or action.payload.answer_type:
                # An answer that is no stream of events has no place for an error, so its connection breaks.
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
        kind = (run.action.payload.answer_type or _EVENTS).encode()
        told = with_request_id(run.preface, plane=answer.plane, otherwise=run.record_id)
        told = [*told, *gate_headers(run)]
        await stream.start([(b"content-type", kind), *_STREAM_HEADERS, *encode_headers(told), *SECURITY_HEADERS])

    def _caller(self, headers: dict[str, str]) -> Caller:
        parts = self._parts
        caller = caller_by_key(headers, holder=parts.holder, clock=parts.clock, key_headers=self.paths.key_headers)
        parts.saw(caller.principal)
        return caller

    async def _models(self, found: ModelsAt, scope: Scope, headers: dict[str, str], answer: _Answer) -> None:
        caller = self._caller(headers)
        body = models_body(
            found.model,
            caller,
            query_of(scope),
            catalogue=self._parts.catalogues(caller.principal.tenant),
            providers=self._parts.providers,
            lists=found.plane.models or OPENAI_MODELS,
        )
        told = with_request_id((), plane=found.plane, otherwise=self._parts.ids.ulid())
        await answer.whole(200, body, list(told))

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

    async def whole(
        self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None, *, kind: str = JSON
    ) -> None:
        """Send a whole answer."""
        self.is_started = True
        await respond(self.send, status, body, kind=kind, headers=headers or [])

    async def pieces(self, body: AsyncIterator[bytes], headers: list[tuple[str, str]], *, kind: str) -> None:
        """Send an answer piece by piece. A client sees that a broken one is not whole."""
        self.is_started = True
        head = [(b"content-type", kind.encode()), *encode_headers(headers), *SECURITY_HEADERS]
        await self.send({"type": "http.response.start", "status": 200, "headers": head})
        async for piece in body:
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})


def _cache_wish(value: str) -> Mapping[str, str]:
    """Return the attribute of a call whose client wants no cached answer."""
    return _NEW_ANSWER if "no-cache" in value or "no-store" in value else _NO_ATTRIBUTES


async def _read_bounded(receive: Receive, headers: dict[str, str], limit_bytes: int) -> bytes:
    """Return the whole body, unpacked."""
    body = await read_body(receive, headers, limit_bytes=limit_bytes)
    if "content-encoding" in headers:
        body = await unpacked(body, headers["content-encoding"], limit_bytes=limit_bytes)
    return body


def query_of(scope: Scope) -> Mapping[str, str]:
    """Return the parameters of a request's query; the last of several with one name.

    Raises:
        Invalid: it has too many.
    """
    raw: bytes = scope.get("query_string", b"")
    if not raw:
        return NO_QUERY
    try:
        return dict(parse_qsl(raw.decode("latin-1"), max_num_fields=_MOST_PARAMETERS))
    except ValueError as error:
        raise Invalid(f"the address has more than {_MOST_PARAMETERS} parameters; send fewer") from error


def _pairs_of(scope: Scope) -> tuple[tuple[str, str], ...]:
    """Return all parameters of a request's query, of which there are at most a hundred."""
    raw: bytes = scope.get("query_string", b"")
    return tuple(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else ()


def _refuse_key_in_address(plane: Plane, query: Mapping[str, str]) -> None:
    """Refuse a key in the query.

    Raises:
        Invalid: the query has a key.
    """
    name = plane.key_parameter
    if name is not None and name in query:
        header = plane.key_headers[0]
        raise Invalid(
            f"{name}: send the key in the header {header}, not in the address. Proxies and servers write addresses to"
            " their logs, so replace this key",
            param=name,
        )


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
    """Return the response headers with the gate's decision; the labels are an upper bound.

    The cost is known before a whole answer is sent, and not when a stream begins.
    """
    labels: Labels = run.labelled.labels.join(run.output_labels)
    headers = [("x-headgate-record", str(run.record_id)), ("x-headgate-labels", str(labels))]
    deployment = run.facts.get("deployment")
    if deployment:
        headers.append(("x-headgate-deployment", str(deployment)))
    if (cost := run.measures.cost_micros) is not None and run.measures.currency:
        headers.append(("x-headgate-cost", f"{cost // _UNIT}.{cost % _UNIT:06d} {run.measures.currency}"))
    if "cache" in run.facts:
        headers += _cache_headers(run)
    if "dropped" in run.facts:
        headers.append(("x-headgate-dropped", _UNFIT.sub("?", str(run.facts["dropped"]))))
    return headers


def _cache_headers(run: Run[Any, Any, Any]) -> list[tuple[str, str]]:
    """Return the headers about the exact cache: hit, miss or bypass, and the age of a hit in seconds."""
    facts = run.facts
    headers = [("x-headgate-cache", str(facts["cache"]))]
    if "cache_age_s" in facts:
        headers.append(("age", str(facts["cache_age_s"])))
    return headers
