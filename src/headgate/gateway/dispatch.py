"""`model.dispatch`: send one call to one deployment and read what comes back, on whichever wire it speaks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from functools import lru_cache

from headgate.gateway.catalogue import model_for
from headgate.gateway.pricing import FREE, cost_micros
from headgate.kernel.errors import HeadgateError, Invalid, Unavailable, Upstream, UpstreamTimeout
from headgate.kernel.model_call import (
    Measures,
    ModelCall,
    ModelDispatch,
    ModelEvent,
    ModelReply,
    Usage,
)
from headgate.kernel.provider import Endpoint, Headers, Provider
from headgate.kernel.run import Run
from headgate.substrate.egress import Egress, Request, Response
from headgate.wire.conversation import Reasoning, Refusal, Reply, Text, ToolUse
from headgate.wire.dialect import Assembler, Dialect, Outgoing
from headgate.wire.sse import SseParser

DispatchRun = Run[ModelDispatch, ModelEvent, ModelReply]
Secrets = Callable[[str], str]
"""Resolves a reference such as `env:NAME` or `file:PATH`; raises Unavailable where it cannot."""

_MAX_REPLY_BYTES = 64 << 20
_MAX_ERROR_BYTES = 64 << 10
_BYTES_PER_TOKEN = 4
_REPLY_HEADERS = (
    *("x-ratelimit-", "anthropic-ratelimit-", "retry-after", "request-id", "x-request-id", "x-should-retry"),
    *("date", "x-headgate-"),
)


class ModelDispatcher:
    """Performs `model.dispatch`."""

    def __init__(
        self,
        *,
        egress: Egress,
        providers: Mapping[str, Provider],
        dialects: Mapping[str, Dialect],
        secrets: Secrets,
    ) -> None:
        self._egress = egress
        self._providers = providers
        self._dialects = dialects
        self._secrets = secrets

    async def run(self, run: DispatchRun) -> ModelReply:
        """Return the whole answer, in the upstream's wire."""
        tally = _Tally(run)
        provider, endpoint, dialect = self._route(run.payload)
        assembler = dialect.assembler() if _is_too_long_for_one_piece(run) else None
        request = self._request(run, provider, endpoint, dialect, streams=assembler is not None)
        try:
            tally.sends()
            async with self._egress.send(request) as response:
                await _raise_for_status(response, dialect)
                headers = _headers(response)
                if provider.dropped_header in headers:
                    _note_dropped(run, headers[provider.dropped_header])
                if assembler is None:
                    body = await response.read(limit=_MAX_REPLY_BYTES)
                    tally.began()
                else:
                    body = await _assembled(response, dialect, assembler, tally)
                reply = dialect.read_reply(body, headers=headers)
                tally.saw(reply.usage)
                if reply.usage.output_tokens is None and run.payload.call.operation == "chat":
                    tally.wrote(_written_chars(dialect.to_reply(reply)))
        except HeadgateError as error:
            tally.failed()
            _blame(error, run)
            raise
        finally:
            tally.report()
        return reply.by(run.payload.deployment.id)

    def stream(self, run: DispatchRun) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Give the events as they come; leaving early closes the upstream connection."""
        return self._stream(run)

    @asynccontextmanager
    async def _stream(self, run: DispatchRun) -> AsyncGenerator[AsyncIterator[ModelEvent], None]:
        async with aclosing(self._events(run)) as events:
            yield events

    async def _events(self, run: DispatchRun) -> AsyncGenerator[ModelEvent, None]:
        tally = _Tally(run)
        provider, endpoint, dialect = self._route(run.payload)
        request = self._request(run, provider, endpoint, dialect, streams=run.payload.call.stream)
        try:
            tally.sends()
            async with self._egress.send(request) as response:
                await _raise_for_status(response, dialect)
                headers = _headers(response)
                if provider.dropped_header in headers:
                    _note_dropped(run, headers[provider.dropped_header])
                _check_is_stream(response)
                run.headers = tuple(
                    (name, value) for name, value in headers.items() if "ratelimit" in name or "request-id" in name
                )
                reader = dialect.read_events()
                parser = SseParser()
                async for chunk in response.chunks():
                    for sse_event in parser.feed(chunk):
                        for event in reader.feed(sse_event):
                            tally.count(event)
                            yield event
                # Some servers forget the blank line that ends their last event.
                if (last := parser.finish()) is not None:
                    for event in reader.feed(last):
                        tally.count(event)
                        yield event
                reader.finish()
        except HeadgateError as error:
            tally.failed()
            _blame(error, run)
            raise
        finally:
            tally.report()

    def _route(self, dispatch: ModelDispatch) -> tuple[Provider, Endpoint, Dialect]:
        deployment = dispatch.deployment
        provider = self._providers.get(deployment.provider)
        endpoint = provider.endpoints.get(dispatch.call.operation) if provider else None
        if provider is None or endpoint is None:
            raise Upstream(f"deployment {deployment.id} cannot do {dispatch.call.operation}", retryable=True)
        return provider, endpoint, self._dialects[endpoint.dialect]

    def _request(
        self, run: DispatchRun, provider: Provider, endpoint: Endpoint, dialect: Dialect, *, streams: bool
    ) -> Request:
        deployment, call = run.payload.deployment, run.payload.call
        if streams and not call.stream:
            call = replace(call, stream=True)
        base_url = deployment.base_url or provider.base_url
        if base_url is None:
            raise Upstream(
                f"deployment {deployment.id} has no base_url, and provider {deployment.provider} no usual one"
            )
        outgoing = Outgoing(
            model=model_for(deployment, call.model),
            quirks=provider.quirks | deployment.quirks,
            cap_output_tokens=run.decision.obligations.cap_output_tokens,
        )
        headers = (
            ("content-type", "application/json"),
            ("accept", "text/event-stream" if call.stream else "application/json"),
            *self._outgoing_headers(provider, run),
        )
        run.facts["deployment"] = deployment.id
        run.facts["attempt"] = run.payload.attempt
        return Request(
            "POST",
            base_url.rstrip("/") + endpoint.path,
            _encoded(headers),
            self._body(call, dialect, outgoing, run),
            profile=deployment.network,
            within_s=run.left_s(),
        )

    def _body(self, call: ModelCall, dialect: Dialect, outgoing: Outgoing, run: DispatchRun) -> bytes:
        if call.wire == dialect.name:
            return dialect.write_call(call, outgoing)
        conversation = self._dialects[call.wire].to_conversation(call.content)
        if call.stream and not conversation.stream:
            conversation = replace(conversation, stream=True)
        dropped = (*conversation.dropped, *dialect.unsaid(conversation, outgoing))
        if dropped:
            run.facts["dropped"] = ",".join(dropped)[:500]
        if call.operation != "chat":
            raise Invalid(f"{call.operation} cannot cross from {call.wire} to {dialect.name}")
        return dialect.from_conversation(conversation, outgoing)

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
            # The fault of this one deployment: another may do.
            raise Upstream(f"deployment {deployment.id}: {error.message}", retryable=True) from error
        return (*always, *given.items(), *provider.credential(secret))


class _Tally:
    """What one dispatch used, kept up to date so that a call that is cut short is settled too."""

    def __init__(self, run: DispatchRun) -> None:
        self._run = run
        self._usage: Usage | None = None
        self._written_chars = 0
        self._first_item_us: int | None = None
        self._is_sent = False

    def sends(self) -> None:
        """Note that the call leaves now: whoever cancels from here on may have caused cost."""
        self._is_sent = True

    def failed(self) -> None:
        """Note that it failed, there or on the way; without any answer, nothing is charged."""
        self._is_sent = self._first_item_us is not None

    def began(self) -> None:
        """Note that the upstream answers."""
        if self._first_item_us is None:
            self._first_item_us = self._run.elapsed_us()

    def count(self, event: ModelEvent) -> None:
        """Count one event."""
        if self._first_item_us is None:
            self.began()
        for slot in event.slots:
            self._written_chars += len(slot.text)
        if event.usage is not None:
            self._usage = event.usage

    def saw(self, usage: Usage) -> None:
        """Take the usage that a whole reply states."""
        self._usage = usage

    def wrote(self, chars: int) -> None:
        """Count text of a whole reply that states no usage."""
        self._written_chars += chars

    def report(self) -> None:
        """Put the measures on the run; what the provider did not say is estimated and marked so."""
        if not self._is_sent:
            if self._run.payload.call.operation in FREE:
                self._run.measures = Measures(cost_micros=0)
            return
        deployment = self._run.payload.deployment
        usage = self._usage or Usage()
        if usage.input_tokens is None or usage.output_tokens is None:
            sent = len(self._run.payload.content.to_bytes()) // _BYTES_PER_TOKEN
            usage = replace(
                usage,
                input_tokens=sent if usage.input_tokens is None else usage.input_tokens,
                output_tokens=-(-self._written_chars // _BYTES_PER_TOKEN)
                if usage.output_tokens is None
                else usage.output_tokens,
                is_estimate=True,
            )
        self._run.measures = Measures(
            usage=usage,
            cost_micros=0 if self._run.payload.call.operation in FREE else cost_micros(usage, deployment.price),
            currency=deployment.price.currency if deployment.price else None,
            first_item_us=self._first_item_us,
        )


@lru_cache(maxsize=256)  # most calls to a deployment have the same
def _encoded(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def _written_chars(reply: Reply) -> int:
    """Return how many characters the model wrote; the wire's own words are not among them."""
    chars = 0
    for part in reply.parts:
        match part:
            case Text(text=text) | Reasoning(text=text) | Refusal(text=text):
                chars += len(text)
            case ToolUse(name=name, arguments=arguments):
                chars += len(name) + len(arguments)
            case _:
                pass
    return chars


def _pseudonym(run: DispatchRun, given: str, *, purpose: bytes) -> str:
    """Return a name that is the same for the same caller and the same given text, and never another caller's.

    Callers share the account at the provider: with idempotency keys of their own, one could be given the answer to
    another's call. What names a caller alone is only for providers of our own.
    """
    principal = run.action.principal
    whose = "\0".join((principal.tenant, principal.id, given))
    return hashlib.blake2b(whose.encode(), digest_size=20, person=purpose).hexdigest()


async def _raise_for_status(response: Response, dialect: Dialect) -> None:
    if response.status < 300:
        return
    if response.status < 400:
        # Another place is never told the key and the content, and an answer of this one is none.
        raise Upstream(
            f"the provider's address answers with a redirect, status {response.status}, which is not followed;"
            " an administrator has to correct the deployment's base_url",
            upstream_status=response.status,
            retryable=True,
        )
    body = await response.read(limit=_MAX_ERROR_BYTES)
    headers = _headers(response)
    error = dialect.read_error(response.status, headers=headers, body=body)
    error.headers = tuple((name, value) for name, value in headers.items() if "ratelimit" in name)
    raise error


def _note_dropped(run: DispatchRun, said: str) -> None:
    """Note what a provider of our own left out, beside what its wire could not say."""
    before = run.facts.get("dropped")
    run.facts["dropped"] = (f"{before},{said}" if before else said)[:500]


def _blame(error: HeadgateError, run: DispatchRun) -> None:
    """Let a provider that was given too little time by the caller not count as one that fails."""
    left_s = run.left_s()
    if isinstance(error, UpstreamTimeout) and left_s is not None and left_s <= 0:
        error.retryable = False


def _is_too_long_for_one_piece(run: DispatchRun) -> bool:
    """Whether the whole answer may be longer than the deployment gives it unless it is streamed."""
    capability, call = run.payload.deployment.capability, run.payload.call
    most = capability.whole_output_tokens
    if most is None or call.operation != "chat" or not capability.streaming:
        return False
    asked, cap = call.output_limit or 0, run.decision.obligations.cap_output_tokens
    return min(asked, asked if cap is None else cap) > most


async def _assembled(response: Response, dialect: Dialect, assembler: Assembler, tally: _Tally) -> bytes:
    """Read a stream to its end and return the whole answer; one that is cut is an error, never a shorter answer."""
    _check_is_stream(response)
    reader, parser, size_bytes = dialect.read_events(), SseParser(), 0
    async for chunk in response.chunks():
        size_bytes += len(chunk)
        if size_bytes > _MAX_REPLY_BYTES:
            raise Upstream(f"the provider's answer is larger than {_MAX_REPLY_BYTES >> 20} MiB", retryable=False)
        for sse_event in parser.feed(chunk):
            _add_all(reader.feed(sse_event), assembler, tally)
    if (last := parser.finish()) is not None:
        _add_all(reader.feed(last), assembler, tally)
    reader.finish()
    return assembler.whole()


def _add_all(events: Sequence[ModelEvent], assembler: Assembler, tally: _Tally) -> None:
    for event in events:
        tally.count(event)
        assembler.add(event)


def _check_is_stream(response: Response) -> None:
    kind = response.headers.get("content-type") or ""
    if not kind.lower().startswith("text/event-stream"):
        raise Upstream("the provider answered a stream request without a stream")


def _headers(response: Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in response.headers.pairs
        if name.decode("latin-1").lower().startswith(_REPLY_HEADERS)
    }
