"""`model.dispatch`: sends one call to one deployment and reads the answer in its wire format."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from typing import NoReturn

from headgate.gateway.binding import BindingReader, tag_of
from headgate.gateway.board import Board
from headgate.gateway.credentials import Credentials, Secrets
from headgate.gateway.failures import for_callers, hide_credential, without_credential
from headgate.gateway.pricing import FREE, TOKEN_KINDS, cost_micros
from headgate.gateway.provider_batches import GatewayBatches
from headgate.gateway.receiving import (
    MAX_REPLY_BYTES,
    headers_of,
    parser_of,
    raise_for_status,
    refuse_foreign,
    stream_of,
)
from headgate.gateway.writing import Route, Written, route_of, written_call
from headgate.kernel.errors import HeadgateError, Invalid, Upstream, UpstreamTimeout
from headgate.kernel.measures import Measures
from headgate.kernel.ports import Clock
from headgate.kernel.run import Run
from headgate.substrate.egress import Egress, Request, Response
from headgate.wire.aws_event_stream import CONTENT_TYPE
from headgate.wire.conversation import Reasoning, Refusal, Text, ToolUse
from headgate.wire.dialect import Assembler, ProviderDialect
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import ModelCall, ModelDispatch, ModelEvent, ModelReply, Usage
from headgate.wire.prompt_size import prompt_tokens
from headgate.wire.provider import BETA_HEADER, Framing, Headers, Provider, Unsigned
from headgate.wire.stream_strings import WHOLE_CHANNEL
from headgate.wire.tool_names import RestoringReader

DispatchRun = Run[ModelDispatch, ModelEvent, ModelReply]

_ACCEPTED: Mapping[Framing, str] = {
    "sse": "text/event-stream",
    "aws_event_stream": CONTENT_TYPE,
    "bytes": "*/*",
}
_BYTES_PER_TOKEN = 4
_WHOLE_CHARS = len(WHOLE_CHANNEL)


class ModelDispatcher:
    """Performs `model.dispatch`.

    Args:
        board: gets the outcome of every dispatch.
        batches: take the dispatches of batches that go to a provider's batch API.
    """

    def __init__(
        self,
        *,
        egress: Egress,
        providers: Mapping[str, Provider],
        dialects: Dialects,
        secrets: Secrets,
        clock: Clock,
        board: Board | None = None,
        batches: GatewayBatches | None = None,
    ) -> None:
        self._egress = egress
        self._providers = providers
        self._dialects = dialects
        self._secrets = secrets
        self._clock = clock
        self._credentials = Credentials(secrets=secrets, egress=egress, clock=clock)
        self._board = board
        self._batches = batches

    def through(self, egress: Egress) -> ModelDispatcher:
        """Return a dispatcher that sends through another client, and tells no board."""
        return ModelDispatcher(
            egress=egress,
            providers=self._providers,
            dialects=self._dialects,
            secrets=self._secrets,
            clock=self._clock,
        )

    async def run(self, run: DispatchRun) -> ModelReply:
        """Return the whole answer, in the upstream's wire format."""
        route = self._route(run.payload)
        if self._batches is not None and self._batches.takes(run, route.endpoint.path):
            reply = await self._from_batch(run, route, self._batches)
            if reply is not None:
                return reply
        tally = _Tally(run)
        request, written = await self._written(run, route)
        dialect = route.dialect
        assembler = dialect.assembler() if written.streams else None
        try:
            tally.sends()
            async with self._egress.send(request) as response:
                await raise_for_status(response, dialect, answers=route.endpoint.answers)
                headers = headers_of(response, dialect)
                if route.provider.dropped_header in headers:
                    _note_dropped(run, headers[route.provider.dropped_header])
                if assembler is None:
                    body = await response.read(limit=MAX_REPLY_BYTES)
                    if run.payload.call.operation == "raw":
                        body = without_credential(body, request)
                    tally.began()
                else:
                    body = await _assembled(response, dialect, assembler, tally, framing=route.provider.framing)
                try:
                    reply = self._read(run, dialect, body, headers, names=written.names, tally=tally)
                    if response.status != 200 and route.endpoint.answers:
                        reply = replace(reply, status=response.status)
                except HeadgateError as error:
                    refuse_foreign(response)
                    _raise_bought(error)
        except HeadgateError as error:
            tally.failed()
            hide_credential(error, request)
            _blame(error, run)
            self._note_failure(error, run)
            if route.provider.tokens is not None and isinstance(error, Upstream) and error.upstream_status == 401:
                self._credentials.forget(run.payload.deployment)
            raise for_callers(error, run) from error
        finally:
            tally.report()
        self._note_answer(run)
        return reply.by(run.payload.deployment.id)

    async def _from_batch(self, run: DispatchRun, route: Route, batches: GatewayBatches) -> ModelReply | None:
        """Return the answer from a provider's batch; None if the call has to be sent by itself."""
        unsigned, written = self._unsigned(run, route, may_stream=False)
        tally = _Tally(run, price_percent=batches.price_percent(run.payload.deployment))
        try:
            answer = await batches.answer(run, path=written.path, body=written.body, headers=unsigned.headers)
            if answer is None:
                return None
            run.facts["provider_batch"] = answer.batch
            tally.sends()
            if answer.status >= 300:
                raise route.dialect.read_error(answer.status, headers={}, body=answer.body)
            reply = self._read(run, route.dialect, answer.body, {}, names=written.names, tally=tally)
        except HeadgateError as error:
            tally.failed()
            raise for_callers(error, run) from error
        finally:
            tally.report()
        return reply.by(run.payload.deployment.id)

    def _read(
        self,
        run: DispatchRun,
        dialect: ProviderDialect,
        body: bytes,
        headers: Mapping[str, str],
        *,
        names: Mapping[str, str],
        tally: _Tally,
    ) -> ModelReply:
        """Return a whole answer, and count its usage."""
        reply = dialect.read_reply(body, headers=headers)
        if names:
            reply = dialect.rename_tools(reply, names)
        if (binding := self._dialects.binding.get(dialect.name)) is not None:
            reply = binding.bound_reply(reply, tag_of(run.payload.deployment))
        tally.saw(reply.usage)
        if not reply.usage.output_tokens and run.payload.call.operation == "chat":
            tally.wrote(_written_chars(reply, dialect))
        return reply

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
        request, written = await self._written(run, route)
        dialect, names = route.dialect, written.names
        sending = self._egress.send(request)
        run.on_stop = sending.stop
        try:
            tally.sends()
            async with sending as response:
                await raise_for_status(response, dialect)
                headers = headers_of(response, dialect)
                if route.provider.dropped_header in headers:
                    _note_dropped(run, headers[route.provider.dropped_header])
                told = dialect.answer_headers.told
                run.preface = tuple((name, value) for name, value in headers.items() if name.startswith(told))
                reader = RestoringReader(dialect.read_events(), names) if names else dialect.read_events()
                if (binding := self._dialects.binding.get(dialect.name)) is not None:
                    reader = BindingReader(reader, binding, tag_of(run.payload.deployment))
                framing = route.endpoint.framing or route.provider.framing
                parser = parser_of(response, framing)
                async for chunk in stream_of(response, dialect, framing):
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
            hide_credential(error, request)
            _blame(error, run)
            self._note_failure(error, run)
            if route.provider.tokens is not None and isinstance(error, Upstream) and error.upstream_status == 401:
                self._credentials.forget(run.payload.deployment)
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
        is_passed = isinstance(error, Upstream) and error.is_passed
        if self._board is not None and not is_late and not is_passed:
            self._board.failed(run.payload.deployment, error, tenant=run.action.principal.tenant)

    async def _written(self, run: DispatchRun, route: Route) -> tuple[Request, Written]:
        """Return the HTTP request, and the written call in it; note a credential that cannot be used."""
        deployment, provider = run.payload.deployment, route.provider
        unsigned, written = self._unsigned(run, route)
        try:
            credential = await self._credentials.headers(deployment, provider, unsigned, within_s=run.left_s())
        except Upstream as error:
            self._note_failure(error, run)
            raise
        request = Request(
            unsigned.method,
            unsigned.url,
            _encoded((*unsigned.headers, *credential)),
            unsigned.body,
            profile=deployment.network,
            within_s=run.left_s(),
        )
        return request, written

    def _route(self, dispatch: ModelDispatch) -> Route:
        return route_of(dispatch, providers=self._providers, dialects=self._dialects)

    def _unsigned(self, run: DispatchRun, route: Route, *, may_stream: bool = True) -> tuple[Unsigned, Written]:
        """Return the request without its credential, and the written call in it."""
        deployment, provider = run.payload.deployment, route.provider
        address = provider.address(deployment.base_url, provider.options_of(deployment))
        if address is None:
            raise Upstream(
                f"deployment {deployment.id} has no base_url, and provider {deployment.provider} has no default"
            )
        written = written_call(
            run.payload, route, run.decision.obligations, dialects=self._dialects, may_stream=may_stream
        )
        expects_events = written.streams and route.endpoint.framing is None
        headers = (
            *((("content-type", run.payload.call.media_type),) if written.body else ()),
            ("accept", _ACCEPTED[provider.framing] if expects_events else route.endpoint.accept),
            *_outgoing_headers(provider, run),
        )
        run.facts["deployment"] = deployment.id
        run.facts["attempt"] = run.payload.attempt
        if written.dropped:
            run.facts["dropped"] = ",".join(written.dropped)[:500]
        url = address.removesuffix(route.endpoint.beside) + written.path
        return Unsigned(written.method, url, headers, written.body), written


def _outgoing_headers(provider: Provider, run: DispatchRun) -> Headers:
    """Return the provider's headers, and the client's that it takes."""
    call = run.payload.call
    given = {name: value for name, value in call.headers if name in provider.forwards or call.operation == "raw"}
    if "idempotency-key" in given:
        given["idempotency-key"] = _pseudonym(run, given["idempotency-key"], purpose=b"hg-idempotency")
    if provider.betas_in == "header" and (betas := provider.betas_for(run.payload.deployment, call.headers)):
        given[BETA_HEADER] = ",".join(betas)
    if provider.caller_header is not None:
        given[provider.caller_header] = _pseudonym(run, "", purpose=b"hg-caller")
    return (*((name, value) for name, value in provider.headers if name not in given), *given.items())


class _Tally:
    """The usage of one dispatch, always current, so that an interrupted call is settled too."""

    def __init__(self, run: DispatchRun, *, price_percent: int = 100) -> None:
        self._run = run
        self._price_percent = price_percent
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
        call = self._run.payload.call
        is_free = call.operation in FREE
        if call.operation in TOKEN_KINDS and (not usage.input_tokens or not usage.output_tokens):
            usage = self._estimated(usage)
        if call.counts and not usage.counts:
            usage = _with_counts(usage, call)
        cost = 0 if is_free else cost_micros(usage, deployment.price)
        self._run.measures = Measures(
            amounts=usage.amounts(),
            is_estimate=usage.is_estimate,
            cost_micros=None if cost is None else -(-cost * self._price_percent // 100),
            currency=deployment.price.currency if deployment.price else None,
            first_item_us=self._first_item_us,
            sent_us=self._sent_us,
            facts={"price": deployment.price.version} if deployment.price and deployment.price.version else {},
        )

    def _estimated(self, usage: Usage) -> Usage:
        """Estimate the missing token counts. A count of zero counts as missing."""
        known = (usage.input_tokens, usage.output_tokens)
        sent = usage.input_tokens or prompt_tokens(self._run.payload.content, bytes_per_token=_BYTES_PER_TOKEN)
        written = usage.output_tokens or -(-self._written_chars // _BYTES_PER_TOKEN)
        is_estimate = usage.is_estimate or known != (sent, written)
        return replace(usage, input_tokens=sent, output_tokens=written, is_estimate=is_estimate)


def _with_counts(usage: Usage, call: ModelCall) -> Usage:
    """Return the usage with the amounts that the call asked for. The length of audio is an estimate."""
    is_estimate = usage.is_estimate or any(unit == "audio_seconds" for unit, _ in call.counts)
    return replace(usage, counts=call.counts, variant=call.variant, is_estimate=is_estimate)


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


def _note_dropped(run: DispatchRun, said: str) -> None:
    """Add the fields that Headgate's own model process ignored to those that its wire lacks."""
    before = run.facts.get("dropped")
    run.facts["dropped"] = (f"{before},{said}" if before else said)[:500]


def _blame(error: HeadgateError, run: DispatchRun) -> None:
    """Do not count a timeout against the provider if the caller's own deadline caused it."""
    left_s = run.left_s()
    if isinstance(error, UpstreamTimeout) and left_s is not None and left_s <= 0:
        error.retryable = False


async def _assembled(
    response: Response, dialect: ProviderDialect, assembler: Assembler, tally: _Tally, *, framing: Framing
) -> bytes:
    """Read a stream to its end and return the whole answer; a truncated stream is an error."""
    reader, parser, size_bytes = dialect.read_events(), parser_of(response, framing), 0
    async for chunk in stream_of(response, dialect):
        size_bytes += len(chunk)
        if size_bytes > MAX_REPLY_BYTES:
            raise Upstream(f"the provider's answer is larger than {MAX_REPLY_BYTES >> 20} MiB", retryable=False)
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


def _add_all(events: Sequence[ModelEvent], assembler: Assembler, tally: _Tally) -> None:
    for event in events:
        tally.count(event)
        assembler.add(event)
