"""Puts the exact cache before the attempts of a call.

Equal calls that come while the first one is in flight wait for its answer. Its failure is its own: each waiting call
then makes attempts by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from headgate.admin.provider_batches import BATCH
from headgate.gateway.answer_cache import AnswerCache, CachedAnswer
from headgate.gateway.cache_rules import CacheRule, InvokeRun, is_whole_answer, key_of, why_not_cached
from headgate.gateway.recall import MODEL_RECALL, Recall
from headgate.kernel.action import Resource
from headgate.kernel.errors import Denied
from headgate.kernel.ports import Clock
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import ModelEvent, ModelReply

Attempt = Callable[[], Awaitable[ModelReply]]
StreamedAttempt = Callable[[], AsyncGenerator[ModelEvent, None]]

_MOST_EVENTS = 10_000


class CacheUse(NamedTuple):
    """The use of a cache by one call."""

    key: bytes
    rule: CacheRule
    resource: Resource
    candidates: Sequence[str]


@dataclass(slots=True)
class _Turn:
    """A call's turn: the answer that it found, or what it keeps after its attempts."""

    found: CachedAnswer | None = None
    kept: CachedAnswer | None = None
    events: list[ModelEvent] = field(default_factory=list[ModelEvent])


class CachedAnswers:
    """Answers calls of aliases with a cache. One for a worker."""

    def __init__(self, *, dialects: Dialects, clock: Clock, cache: AnswerCache | None = None) -> None:
        self._dialects = dialects
        self._clock = clock
        self._cache = cache or AnswerCache(clock)

    def use(
        self, run: InvokeRun, rule: CacheRule, *, alias: str, catalogue_version: str, candidates: Sequence[str]
    ) -> CacheUse | None:
        """Return the use of the cache by a call; None with the reason in the record if it does not use it."""
        if (why := why_not_cached(run, rule)) is not None:
            run.facts["cache"] = "bypass"
            run.facts["cache_why"] = why[:200]
            return None
        key = key_of(run, rule, alias=alias, catalogue_version=catalogue_version)
        return CacheUse(key, rule, Resource("cache", alias, rule.clearance), candidates)

    async def answer(self, run: InvokeRun, use: CacheUse, attempt: Attempt) -> ModelReply:
        """Return the cached answer, or the one of `attempt`."""
        async with self._turn(run, use) as turn:
            if turn.found is not None:
                try:
                    return await run.perform(MODEL_RECALL, use.resource, Recall(run.payload, turn.found))
                except Denied as error:
                    _pass_by(run, error)
                finally:
                    _count(run)
            reply = await attempt()
            if is_whole_answer(run.payload.operation, reply.stop_reason):
                turn.kept = self._answer(run, use, reply, ())
            return reply

    async def events(self, run: InvokeRun, use: CacheUse, attempt: StreamedAttempt) -> AsyncGenerator[ModelEvent, None]:
        """Yield the events of the cached answer, or those of `attempt`."""
        async with self._turn(run, use) as turn:
            if turn.found is not None:
                try:
                    async with run.stream(MODEL_RECALL, use.resource, Recall(run.payload, turn.found)) as stream:
                        async for event in stream.items:
                            yield event
                    return
                except Denied as error:
                    _pass_by(run, error)
                finally:
                    _count(run)
            reason = None
            async with aclosing(attempt()) as events:
                async for event in events:
                    if len(turn.events) <= _MOST_EVENTS:
                        turn.events.append(event)
                    reason = event.stop_reason or reason
                    yield event
            if is_whole_answer(run.payload.operation, reason) and len(turn.events) <= _MOST_EVENTS:
                turn.kept = self._answer(run, use, None, tuple(turn.events))

    @asynccontextmanager
    async def _turn(self, run: InvokeRun, use: CacheUse) -> AsyncGenerator[_Turn, None]:
        """Yield the turn of a call: with an answer, or as the flight that equal calls wait for."""
        # A line of a batch may take a day, so that no call waits for it, and it waits for none.
        waits = BATCH not in run.action.context.facts
        flight = self._cache.flight(use.key) if waits else None
        if flight is not None:
            run.facts["cache_waited"] = True
            with suppress(TimeoutError):  # the attempt refuses a call whose deadline passed
                async with asyncio.timeout(run.left_s()):
                    await flight.wait()
        found = self._found(run, use)
        if found is not None:
            run.facts["cache"] = "hit"
            run.facts["cache_age_s"] = int(self._clock.monotonic() - found.kept_s)
            yield _Turn(found)
            return
        run.facts["cache"] = "miss"
        turn, own = _Turn(), None
        if waits and self._cache.flight(use.key) is None:
            own = self._cache.begin(use.key)
        try:
            yield turn
            if turn.kept is not None:
                self._cache.keep(use.key, turn.kept)
                run.facts["cache_stored"] = True
        finally:
            if own is not None:
                self._cache.end(use.key, own)

    def _found(self, run: InvokeRun, use: CacheUse) -> CachedAnswer | None:
        found = self._cache.find(
            use.key, principal=run.action.principal, clearance=use.rule.clearance, candidates=use.candidates
        )
        if found is None or found.reply is not None or run.payload.stream:
            return found
        # Some wires cannot turn a stream into a whole answer.
        return found if self._dialects.provider(found.events[0].wire).assembler() is not None else None

    def _answer(
        self, run: InvokeRun, use: CacheUse, reply: ModelReply | None, events: tuple[ModelEvent, ...]
    ) -> CachedAnswer | None:
        """Return the answer to keep; None if its labels exceed the cache's limit, or its caller got it masked."""
        labels = run.labelled.labels
        for child in run.children:
            labels = labels.join(child.output_labels)
        if not (labels.flows_to(use.rule.clearance) and labels.flows_to(run.action.principal.clearance)):
            return None
        now_s = self._clock.monotonic()
        return CachedAnswer(
            reply=reply,
            events=events,
            labels=labels,
            deployment=str(run.facts.get("deployment", "")),
            record=run.record_id,
            kept_s=now_s,
            until_s=now_s + use.rule.ttl_s,
            cost_micros=run.measures.cost_micros,
            currency=run.measures.currency,
        )


def _pass_by(run: InvokeRun, error: Denied) -> None:
    """Go on without the cache where a rule forbids it; a withheld answer stays withheld."""
    if error.is_final:
        raise error
    run.facts["cache"], run.facts["cache_why"] = "bypass", "a rule forbids it"
    run.facts.pop("cache_age_s", None)


def _count(run: InvokeRun) -> None:
    """Give the call the measures of its recall, so that it counts as a request."""
    if run.children:
        run.measures = run.children[-1].measures
