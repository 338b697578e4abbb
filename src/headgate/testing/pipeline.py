"""A real pipeline over fakes of all its stages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel.pipeline import Pipeline, Stages
from headgate.kernel.ports import Admitter, Performer, Recorder
from headgate.kernel.run import Run
from headgate.testing.clock import FakeClock, FakeIds
from headgate.testing.notes import PLAN, SEND, send
from headgate.testing.ports import FakeAdmitter, FakeApprovals, FakeDecider, FakeLabeller, FakePerformer, FakeRecorder
from headgate.testing.transform import FakeTransformer


class NestingPerformer(FakePerformer):
    """Runs `SEND` as a nested action, whole or streamed, as a plan does."""

    async def run(self, run: Run[Any, Any, Any]) -> Any:
        """Return the result of the nested action."""
        return await run.perform(SEND, send().resource, run.payload)

    def stream(self, run: Run[Any, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Yield the items of the nested action."""
        return self._nested(run)

    @asynccontextmanager
    async def _nested(self, run: Run[Any, Any, Any]) -> AsyncGenerator[AsyncIterator[Any]]:
        async with aclosing(self._pieces(run)) as pieces:
            yield pieces

    async def _pieces(self, run: Run[Any, Any, Any]) -> AsyncGenerator[Any]:
        async with run.stream(SEND, send().resource, run.payload) as inner:
            async for item in inner.items:
                yield item


@dataclass(slots=True)
class Bench:
    """The fakes behind one pipeline. Set them up first, then call `pipeline()`.

    Args:
        performer: the performer of the note verbs, unless `performers` is set.
        performers: performers by verb, instead of the note verbs.
        admission: a real admitter in place of the fake one.
        watch: wraps the recorder, as a worker does to count and trace.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    ids: FakeIds = field(default_factory=FakeIds)
    labeller: FakeLabeller = field(default_factory=FakeLabeller)
    decider: FakeDecider = field(default_factory=FakeDecider)
    transformer: FakeTransformer = field(default_factory=FakeTransformer)
    admitter: FakeAdmitter = field(default_factory=FakeAdmitter)
    recorder: FakeRecorder = field(default_factory=FakeRecorder)
    performer: FakePerformer = field(default_factory=FakePerformer)
    performers: Mapping[str, Performer[Any, Any, Any]] | None = None
    admission: Admitter | None = None
    watch: Callable[[Recorder], Recorder] = lambda recorder: recorder
    approvals: FakeApprovals = field(init=False)

    def __post_init__(self) -> None:
        self.approvals = FakeApprovals(clock=self.clock, ids=self.ids)

    def pipeline(self) -> Pipeline:
        """Return a pipeline over the fakes."""
        stages = Stages(
            labeller=self.labeller,
            decider=self.decider,
            transformer=self.transformer,
            admitter=self.admission or self.admitter,
            recorder=self.watch(self.recorder),
            approvals=self.approvals,
        )
        performers = self.performers or {SEND.name: self.performer, PLAN.name: self.performer}
        return Pipeline(stages=stages, performers=performers, clock=self.clock, ids=self.ids)
