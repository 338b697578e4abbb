"""`model.dispatch`: sends one call to one deployment and reads the answer in its wire format."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from typing import NoReturn

from headgate.gateway.board import Board
from headgate.gateway.failures import for_callers
from headgate.gateway.pricing import FREE, cost_micros
from headgate.gateway.writing import Route, Written, route_of, written_call
from headgate.kernel.errors import HeadgateError, Invalid, Unavailable, Upstream, UpstreamTimeout
from headgate.kernel.measures import Measures
from headgate.kernel.run import Run
from headgate.substrate.egress import Egress, Request, Response
from headgate.wire.conversation import Reasoning, Refusal, Text, ToolUse
from headgate.wire.dialect import Assembler, ProviderDialect
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import ModelDispatch, ModelEvent, ModelReply, Usage
from headgate.wire.prompt_size import prompt_tokens
from headgate.wire.provider import Headers, Provider
from headgate.wire.sse import SseParser
from headgate.wire.stream_strings import WHOLE_CHANNEL
from headgate.wire.tool_names import RestoringReader

DispatchRun = Run[ModelDispatch, ModelEvent, ModelReply]
Secrets = Callable[[str], str]
"""Resolves a reference such as `env:NAME` or `file:PATH`; raises Unavailable on failure."""

_MAX_REPLY_BYTES = 64 << 20
_MAX_ERROR_BYTES = 64 << 10
_BYTES_PER_TOKEN = 4
_SSE_FIELD = re.compile(rb"(?:data|event|id|retry)?:")
_FIELD_CHARS = len("event:")
_WHOLE_CHARS = len(WHOLE_CHANNEL)


class ModelDispatcher:
    """Performs `model.dispatch`.

    Args:
        board: gets the outcome of every dispatch.
    """

    def __init__(
        self,
        *,
        egress: Egress,
        providers: Mapping[str, Provider],
        dialects: Dialects,
        secrets: Secrets,
        board: Board | None = None,
    ) -> None:
        self._egress = egress
        self._providers = providers
        self._dialects = dialects
        self._secrets = secrets
        self._board = board

    def through(self, egress: Egress) -> ModelDispatcher:
        """Return a dispatcher that sends through another client, and tells no board."""
        return ModelDispatcher(egress=egress, providers=self._providers, dialects=self._dialects, secrets=self._secrets)

    async def run(self, run: DispatchRun) -> ModelReply:
        """Return the whole answer, in the upstream's wire format."""
        tally = _Tally(run)
        route = self._route(run.payload)
        request, written = self._written(run, route)
        dialect, names = route.dialect, written.names
        assembler = dialect.assembler() if written.streams else None
        try:
            tally.sends()
            async with self._egress.send(request) as response:
                await _raise_for_status(response, dialect)
                headers = _headers(response, dialect)
                if route.provider.dropped_header in headers:
                    _note_dropped(run, headers[route.provider.dropped_header])
                if assembler is None:
                    body = await response.read(limit=_MAX_REPLY_BYTES)
                    tally.began()
                else:
                    body = await _assembled(response, dialect, assembler, tally)
                try:
                    reply = dialect.read_reply(body, headers=headers)
                    if names:
                        reply = dialect.rename_tools(reply, names)
                    tally.saw(reply.usage)
                    if not reply.usage.output_tokens and run.payload.call.operation == "chat":
                        tally.wrote(_written_chars(reply, dialect))
                except HeadgateError as error:
                    _refuse_foreign(response)
                    _raise_bought(error)
        except HeadgateError as error:
            tally.failed()
            _blame(error, run)
            self._note_failure(error, run)
            raise for_callers(error, run) from error
        finally:
            tally.report()
        self._note_answer(run)
        return reply.by(run.payload.deployment.id)

    def stream(self, run: DispatchRun) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Yield the events as they come; leaving early closes the upstream connection."""
        return self._stream(run)

    @asynccontextmanager
    async def _stream(self, run: DispatchRun) -> AsyncGenerator[AsyncIterator[ModelEvent], None]:
        async with aclosing(self._events(run)) as events:
            yield events

    async def _events(self, run: DispatchRun) -> AsyncGenerator[ModelEvent, None]:
        tally = _Tally(run)
        route = self._route(run.payload)
        request, written = self._written(run, route)
        dialect, names = route.dialect, written.names
        sending = self._egress.send(request)
        run.on_stop = sending.stop
        try:
            tally.sends()
            async with sending as response:
                await _raise_for_status(response, dialect)
                headers = _headers(response, dialect)
                if route.provider.dropped_header in headers:
                    _note_dropped(run, headers[route.provider.dropped_header])
                told = dialect.answer_headers.told
                run.preface = tuple((name, value) for name, value in headers.items() if name.startswith(told))
                reader = RestoringReader(dialect.read_events(), names) if names else dialect.read_events()
                parser = SseParser()
                async for chunk in _stream_of(response, dialect):
                    for sse_event in parser.feed(chunk):
                        for event in reader.feed(sse_event):
                            tally.count(event)
                            yield event
                # Some servers omit the blank line after their last event.
                if (last := parser.finish()) is not None:
                    for event in reader.feed(last):
                        tally.count(event)
                        yield event
                reader.finish()
        except HeadgateError as error:
            tally.failed()
            _blame(error, run)
            self._note_failure(error, run)
            raise for_callers(error, run) from error
        finally:
            tally.report()
        self._note_answer(run)

    def _note_answer(self, run: DispatchRun) -> None:
        if self._board is not None:
            self._board.answered(run.payload.deployment, tenant=run.action.principal.tenant)

    def _note_failure(self, error: HeadgateError, run: DispatchRun) -> None:
        left_s = run.left_s()
        is_late = left_s is not None and left_s <= 0  # the caller's own deadline
        if self._board is not None and not is_late:
            self._board.failed(run.payload.deployment, error, tenant=run.action.principal.tenant)

    def _written(self, run: DispatchRun, route: Route) -> tuple[Request, Written]:
        """As `_request`; notes a credential that cannot be read."""
        try:
            return self._request(run, route)
        except Upstream as error:
            self._note_failure(error, run)
            raise

    def _route(self, dispatch: ModelDispatch) -> Route:
        return route_of(dispatch, providers=self._providers, dialects=self._dialects)

    def _request(self, run: DispatchRun, route: Route) -> tuple[Request, Written]:
        """Return the HTTP request, and the written call in it."""
        deployment = run.payload.deployment
        base_url = deployment.base_url or route.provider.base_url
        if base_url is None:
            raise Upstream(
                f"deployment {deployment.id} has no base_url, and provider {deployment.provider} has no default"
            )
        written = written_call(run.payload, route, run.decision.obligations, dialects=self._dialects)
        headers = (
            ("content-type", "application/json"),
            ("accept", "text/event-stream" if written.streams else "application/json"),
            *self._outgoing_headers(route.provider, run),
        )
        run.facts["deployment"] = deployment.id
        run.facts["attempt"] = run.payload.attempt
        if written.dropped:
            run.facts["dropped"] = ",".join(written.dropped)[:500]
        request = Request(
            "POST",
            base_url.rstrip("/") + written.path,
            _encoded(headers),
            written.body,
            profile=deployment.network,
            within_s=run.left_s(),
        )
        return request, written

    def _outgoing_headers(self, provider: Provider, run: DispatchRun) -> Headers:
        deployment = run.payload.deployment
        given = {name: value for name, value in run.payload.call.headers if name in provider.forwards}
        if "idempotency-key" in given:
            given["idempotency-key"] = _pseudonym(run, given["idempotency-key"], purpose=b"hg-idempotency")
        if provider.caller_header is not None:
            given[provider.caller_header] = _pseudonym(run, "", purpose=b"hg-caller")
        always = tuple((name, value) for name, value in provider.headers if name not in given)
        try:
            secret = self._secrets(deployment.key) if deployment.key else None
        except Unavailable as error:
            # Only this deployment is misconfigured, so another may still answer.
            raise Upstream(
                f"the credential of deployment {deployment.id} cannot be read; its record tells an administrator why",
                detail=f"deployment {deployment.id}: {error.message}",
            ) from error
        return (*always, *given.items(), *provider.credential(secret))


class _Tally:
    """The usage of one dispatch, always current, so that an interrupted call is settled too."""

    def __init__(self, run: DispatchRun) -> None:
        self._run = run
        self._usage: Usage | None = None
        self._written_chars = 0
        self._first_item_us: int | None = None
        self._sent_us: int | None = None
        self._is_sent = False

    @property
    def has_begun(self) -> bool:
        """Whether the answer has begun."""
        return self._first_item_us is not None

    def sends(self) -> None:
        """Note that the call is being sent: from here on a cancelled call may have a cost."""
        self._is_sent = True
        self._sent_us = self._run.elapsed_us()

    def failed(self) -> None:
        """Note that the call failed. Without any answer, nothing is charged."""
        self._is_sent = self._first_item_us is not None

    def began(self) -> None:
        """Note that the answer has begun."""
        if self._first_item_us is None:
            self._first_item_us = self._run.elapsed_us()

    def count(self, event: ModelEvent) -> None:
        """Count one event."""
        if self._first_item_us is None:
            self.began()
        for slot in event.slots:
            if slot.channel[:_WHOLE_CHARS] != WHOLE_CHANNEL:  # a slice, as this is done for every piece of a stream
                self._written_chars += len(slot.text)
        if event.usage is not None:
            self._usage = event.usage if self._usage is None else self._usage.updated(event.usage)

    def saw(self, usage: Usage) -> None:
        """Take the usage from a whole reply."""
        self._usage = usage

    def wrote(self, chars: int) -> None:
        """Count the text of a whole reply without a token count."""
        self._written_chars += chars

    def report(self) -> None:
        """Set the measures of the run; missing token counts are estimated and marked so."""
        if not self._is_sent:
            if self._run.payload.call.operation in FREE:
                self._run.measures = Measures(cost_micros=0)
            return
        deployment = self._run.payload.deployment
        usage = self._usage or Usage()
        is_free = self._run.payload.call.operation in FREE
        if not is_free and (not usage.input_tokens or not usage.output_tokens):
            usage = self._estimated(usage)
        self._run.measures = Measures(
            amounts=usage.amounts(),
            is_estimate=usage.is_estimate,
            cost_micros=0 if is_free else cost_micros(usage, deployment.price),
            currency=deployment.price.currency if deployment.price else None,
            first_item_us=self._first_item_us,
            sent_us=self._sent_us,
        )

    def _estimated(self, usage: Usage) -> Usage:
        """Estimate the missing token counts. A count of zero counts as missing."""
        known = (usage.input_tokens, usage.output_tokens)
        sent = usage.input_tokens or prompt_tokens(self._run.payload.content, bytes_per_token=_BYTES_PER_TOKEN)
        written = usage.output_tokens or -(-self._written_chars // _BYTES_PER_TOKEN)
        is_estimate = usage.is_estimate or known != (sent, written)
        return replace(usage, input_tokens=sent, output_tokens=written, is_estimate=is_estimate)


@lru_cache(maxsize=256)  # most calls to a deployment have the same headers
def _encoded(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def _written_chars(reply: ModelReply, dialect: ProviderDialect) -> int:
    """Return the number of characters that the model wrote, without the wire format around them."""
    try:
        parts = dialect.to_reply(reply).parts
    except HeadgateError:  # only the count fails, so fall back to the size of the whole reply
        return len(reply.content.to_bytes())
    chars = 0
    for part in parts:
        match part:
            case Text(text=text) | Reasoning(text=text) | Refusal(text=text):
                chars += len(text)
            case ToolUse(name=name, arguments=arguments):
                chars += len(name) + len(arguments)
            case _:
                pass
    return chars


def _pseudonym(run: DispatchRun, given: str, *, purpose: bytes) -> str:
    """Return a pseudonym for the caller and the given text, equal at every call.

    Callers share the account at the provider. With their own idempotency keys, one caller could get
    the answer to another caller's call. A pseudonym of the caller alone goes only to Headgate's own
    model process.
    """
    principal = run.action.principal
    whose = "\0".join((principal.tenant, principal.id, given))
    return hashlib.blake2b(whose.encode(), digest_size=20, person=purpose).hexdigest()


async def _raise_for_status(response: Response, dialect: ProviderDialect) -> None:
    if response.status < 300:
        return
    if response.status < 400:
        # Following it would send the key and the content to another host.
        raise Upstream(
            f"the provider's address answers with a redirect, status {response.status}, which is not followed;"
            " an administrator has to correct the deployment's base_url",
            upstream_status=response.status,
            retryable=True,
        )
    body = await response.read(limit=_MAX_ERROR_BYTES)
    headers = _headers(response, dialect)
    error = dialect.read_error(response.status, headers=headers, body=body)
    limits = dialect.answer_headers.rate_limits
    error.headers = tuple((name, value) for name, value in headers.items() if name.startswith(limits))
    raise error


def _note_dropped(run: DispatchRun, said: str) -> None:
    """Add the fields that Headgate's own model process ignored to those that its wire lacks."""
    before = run.facts.get("dropped")
    run.facts["dropped"] = (f"{before},{said}" if before else said)[:500]


def _blame(error: HeadgateError, run: DispatchRun) -> None:
    """Do not count a timeout against the provider if the caller's own deadline caused it."""
    left_s = run.left_s()
    if isinstance(error, UpstreamTimeout) and left_s is not None and left_s <= 0:
        error.retryable = False


async def _assembled(response: Response, dialect: ProviderDialect, assembler: Assembler, tally: _Tally) -> bytes:
    """Read a stream to its end and return the whole answer; a truncated stream is an error."""
    reader, parser, size_bytes = dialect.read_events(), SseParser(), 0
    async for chunk in _stream_of(response, dialect):
        size_bytes += len(chunk)
        if size_bytes > _MAX_REPLY_BYTES:
            raise Upstream(f"the provider's answer is larger than {_MAX_REPLY_BYTES >> 20} MiB", retryable=False)
        try:
            for sse_event in parser.feed(chunk):
                _add_all(reader.feed(sse_event), assembler, tally)
        except HeadgateError as error:
            _raise_bought(error, tally)
    try:
        if (last := parser.finish()) is not None:
            _add_all(reader.feed(last), assembler, tally)
    except HeadgateError as error:
        _raise_bought(error, tally)
    reader.finish()
    try:
        return assembler.whole()
    except HeadgateError as error:
        _raise_bought(error, tally)


def _raise_bought(error: HeadgateError, tally: _Tally | None = None) -> NoReturn:
    """Raise the error of an unreadable answer as final, because a retry would cost the same again.

    An error that the provider itself reported stays as it is, and so does one before the answer
    begins.
    """
    if tally is not None and not tally.has_begun:
        raise error
    if isinstance(error, Upstream) and error.upstream_status is not None:
        raise error
    cause = error.__cause__
    why = f": {cause.message}" if isinstance(cause, Invalid) else ""
    raise Upstream(f"{error.message}{why}", retryable=False) from error


def _refuse_foreign(response: Response) -> None:
    """Refuse an answer that is not from a model or that cannot be read.

    Raises:
        Upstream: the answer is a web page, which a proxy may have sent (retryable), or it is
            compressed.
    """
    kind = (response.headers.get("content-type") or "").lower()
    if kind.startswith("text/html"):
        raise Upstream("the provider's answer is a web page; a proxy may have sent it")
    encoding = (response.headers.get("content-encoding") or "identity").lower()
    if encoding != "identity":
        raise Upstream("the provider compressed its answer without being asked to", retryable=False)


def _add_all(events: Sequence[ModelEvent], assembler: Assembler, tally: _Tally) -> None:
    for event in events:
        tally.count(event)
        assembler.add(event)


def _stream_of(response: Response, dialect: ProviderDialect) -> AsyncIterator[bytes]:
    """Return the pieces of a stream, even if its content type is wrong or the answer is whole.

    Raises:
        Upstream: as `_refuse_foreign`.
    """
    _refuse_foreign(response)
    kind = response.headers.get("content-type") or ""
    return response.chunks() if kind.lower().startswith("text/event-stream") else _told_by_its_start(response, dialect)


async def _told_by_its_start(response: Response, dialect: ProviderDialect) -> AsyncGenerator[bytes, None]:
    chunks, head = response.chunks(), b""
    async for chunk in chunks:
        head += chunk
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start[:1] == b"{" or len(start) >= _FIELD_CHARS:
            break
    else:
        start = head.lstrip()
    if _SSE_FIELD.match(start) is not None:
        yield head
        async for chunk in chunks:
            yield chunk
        return
    if start[:1] != b"{":
        raise Upstream("the provider answered a stream request without a stream")
    body = [head]
    size_bytes = len(head)
    async for chunk in chunks:
        body.append(chunk)
        size_bytes += len(chunk)
        if size_bytes > _MAX_REPLY_BYTES:
            raise Upstream(f"the provider's answer is larger than {_MAX_REPLY_BYTES >> 20} MiB", retryable=False)
    yield dialect.replay(b"".join(body))


def _headers(response: Response, dialect: ProviderDialect) -> dict[str, str]:
    read = dialect.answer_headers.read
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in response.headers.pairs
        if name.decode("latin-1").lower().startswith(read)
    }
