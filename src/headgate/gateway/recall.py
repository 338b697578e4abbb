"""`model.recall`: answers a call from the exact cache, as an action with its own decision and record."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Self

from headgate.gateway.answer_cache import CachedAnswer
from headgate.kernel.action import Verb
from headgate.kernel.content import Content
from headgate.kernel.errors import NotFound
from headgate.kernel.measures import Measures
from headgate.kernel.ports import Clock
from headgate.kernel.run import Run
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import MODEL_INVOKE, UNITS, USE_MODELS, ModelCall, ModelEvent, ModelReply
from headgate.wire.sse import SseParser


@dataclass(frozen=True, slots=True)
class Recall:
    """A call, and the cached answer for it."""

    call: ModelCall
    answer: CachedAnswer

    @property
    def content(self) -> Content:
        """The client's body."""
        return self.call.content

    def with_content(self, content: Content) -> Self:
        """Return the same with another body."""
        return replace(self, call=self.call.with_content(content))


MODEL_RECALL: Verb[Recall, ModelEvent, ModelReply] = Verb(
    "model.recall",
    Recall,
    ModelEvent,
    ModelReply,
    effect="read",
    units=UNITS,
    title="Answer a call from the cache",
    on="cache",
    groups=(USE_MODELS,),
    part_of=MODEL_INVOKE.name,
)
"""Answers a call with an earlier answer to the same call."""

RecallRun = Run[Recall, ModelEvent, ModelReply]


class ModelRecall:
    """Performs `model.recall`."""

    def __init__(self, *, dialects: Dialects, clock: Clock) -> None:
        self._dialects = dialects
        self._clock = clock

    async def run(self, run: RecallRun) -> ModelReply:
        """Return the whole answer."""
        answer = run.payload.answer
        reply = answer.reply or self._assembled(answer)
        self._note(run)
        return reply

    def stream(self, run: RecallRun) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Yield the events of the answer."""
        return self._stream(run)

    @asynccontextmanager
    async def _stream(self, run: RecallRun) -> AsyncGenerator[AsyncIterator[ModelEvent], None]:
        async with aclosing(self._events(run)) as events:
            yield events

    async def _events(self, run: RecallRun) -> AsyncGenerator[ModelEvent, None]:
        answer = run.payload.answer
        events = answer.events or self._replayed(answer)
        self._note(run)
        for event in events:
            yield event

    def _note(self, run: RecallRun) -> None:
        """Set the measures: no tokens and no money, but the saving."""
        answer = run.payload.answer
        run.output_labels = run.output_labels.join(answer.labels)
        run.facts["cache"] = "hit"
        run.facts["cache_record"] = answer.record
        run.facts["cache_age_s"] = int(self._clock.monotonic() - answer.kept_s)
        run.facts["cache_deployment"] = answer.deployment
        saved = {} if answer.cost_micros is None else {"saved_micros": answer.cost_micros}
        run.measures = Measures(
            amounts={"input_tokens": 0, "output_tokens": 0, "cache_hits": 1, **saved},
            cost_micros=0,
            currency=answer.currency,
            first_item_us=run.elapsed_us(),
        )

    def _replayed(self, answer: CachedAnswer) -> tuple[ModelEvent, ...]:
        """Return a whole answer as the events of a stream."""
        reply = answer.reply
        assert reply is not None
        dialect = self._dialects.provider(reply.wire)
        parser, reader = SseParser(), dialect.read_events()
        frames = parser.feed(dialect.replay(reply.content.to_bytes()))
        events = tuple(event for frame in frames for event in reader.feed(frame))
        reader.finish()
        return events

    def _assembled(self, answer: CachedAnswer) -> ModelReply:
        """Return the events of a stream as a whole answer."""
        dialect = self._dialects.provider(answer.events[0].wire)
        assembler = dialect.assembler()
        if assembler is None:
            raise NotFound("the cached stream has no whole form")
        for event in answer.events:
            assembler.add(event)
        return dialect.read_reply(assembler.whole(), headers={})
