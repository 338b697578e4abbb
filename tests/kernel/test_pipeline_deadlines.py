"""An action that has a deadline is stopped at it, with an error of the tree and every record closed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from headgate.kernel.action import Action
from headgate.kernel.errors import UpstreamTimeout
from headgate.kernel.run import Run
from headgate.testing.notes import PLAN, SEND, Note, Piece, send
from headgate.testing.pipeline import Bench, NestingPerformer
from headgate.testing.ports import FakePerformer


class Slow(FakePerformer):
    """Never answers."""

    async def run(self, run: Run[Any, Any, Any]) -> Any:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.closed += 1


class Outer(NestingPerformer):
    """Runs the inner action, and knows that its time is short."""

    async def run(self, run: Run[Any, Any, Any]) -> Any:
        assert run.left_s() is not None
        return await super().run(run)


class Broken(FakePerformer):
    """Runs into a timeout of its own."""

    async def run(self, run: Run[Any, Any, Any]) -> Any:
        raise TimeoutError("a library's own")


def due(action: Action[Note, Piece, Note], at_s: float) -> Action[Note, Piece, Note]:
    return replace(action, context=replace(action.context, deadline_s=at_s))


async def test_what_is_performed_is_stopped_at_the_deadline_and_is_nobodys_to_try_again() -> None:
    bench = Bench(performer=Slow())
    async with asyncio.timeout(30):
        with pytest.raises(UpstreamTimeout, match="deadline") as caught:
            await bench.pipeline().run(due(send(), 0.01))
    assert not caught.value.retryable
    assert caught.value.record_id == bench.recorder.openings[0].id
    assert bench.performer.closed == 1
    [closing] = bench.recorder.closings
    assert (closing.outcome, closing.error) == ("failed", "upstream_timeout")
    assert [one.performed for one in bench.admitter.settlements] == [True]


async def test_what_runs_inside_ends_at_the_same_deadline_and_the_record_says_so() -> None:
    bench = Bench(performers={PLAN.name: Outer(), SEND.name: Slow()})
    async with asyncio.timeout(30):
        with pytest.raises(UpstreamTimeout):
            await bench.pipeline().run(due(send(verb=PLAN), 0.01))
    assert [(one.outcome, one.error) for one in bench.recorder.closings] == [("failed", "upstream_timeout")]


async def test_nothing_begins_after_the_deadline() -> None:
    bench = Bench(performers={PLAN.name: Outer(), SEND.name: FakePerformer(items=(Piece("a"),))})
    late = due(send(), 1.0)
    bench.clock.advance(1.0)
    with pytest.raises(UpstreamTimeout):
        await bench.pipeline().run(late)
    with pytest.raises(UpstreamTimeout):
        async with bench.pipeline().stream(late):
            pass
    assert [one.outcome for one in bench.recorder.closings] == ["refused", "refused"]
    assert not bench.labeller.asked
    assert not bench.admitter.reservations


async def test_a_stream_whose_caller_was_late_begins_nothing_inside() -> None:
    bench = Bench(performers={PLAN.name: Outer(), SEND.name: FakePerformer(items=(Piece("a"),))})
    async with bench.pipeline().stream(due(send(verb=PLAN), 1.0)) as stream:
        bench.clock.advance(2.0)
        with pytest.raises(UpstreamTimeout):
            await anext(stream.items)
    assert bench.recorder.outcomes() == ["refused", "failed"]


async def test_an_answer_in_time_is_an_answer() -> None:
    bench = Bench()
    done = await bench.pipeline().run(due(send("hello"), 60.0))
    assert done.result.text == "hello"
    assert done.run.left_s() == 60.0
    assert (await bench.pipeline().run(send("hello"))).run.left_s() is None


async def test_a_timeout_of_the_performers_own_is_not_the_callers() -> None:
    bench = Bench(performer=Broken())
    with pytest.raises(TimeoutError, match="a library's own"):
        await bench.pipeline().run(due(send(), 60.0))
    assert bench.recorder.outcomes() == ["failed"]


async def test_who_is_cancelled_before_the_deadline_is_cancelled() -> None:
    bench = Bench(performer=Slow())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.pipeline().run(due(send(), 60.0)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert bench.recorder.outcomes() == ["abandoned"]
