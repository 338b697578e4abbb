"""Whoever is cancelled, wherever: what was opened is closed once, what was reserved is settled once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headgate.kernel.decision import Decision, Effect
from headgate.kernel.identity import RecordId
from headgate.kernel.run import Run
from headgate.testing.notes import PLAN, SEND, Piece, send
from headgate.testing.pipeline import Bench, NestingPerformer
from headgate.testing.ports import FakePerformer, journal_full

Story = Callable[[Bench], Awaitable[Any]]


def nested() -> Bench:
    return Bench(performers={PLAN.name: NestingPerformer(), SEND.name: FakePerformer(items=(Piece("a"), Piece("b")))})


async def whole(bench: Bench) -> None:
    await bench.pipeline().run(send(verb=PLAN))


async def streamed(bench: Bench) -> None:
    async with bench.pipeline().stream(send(verb=PLAN)) as stream:
        async for _ in stream.items:
            pass


async def asked(bench: Bench) -> None:
    bench.decider.decision = Decision(Effect.ASK)
    await bench.pipeline().run(send())


async def redeemed(bench: Bench) -> None:
    action = send()
    bench.decider.decision = Decision(Effect.ASK)
    labels = action.context.floor
    approval = await bench.approvals.request(
        action,
        digest=action.digest(labels=labels, policy_version=""),
        decision=Decision(Effect.ASK),
        labels=labels,
        record=RecordId("1"),
    )
    bench.approvals.approve(approval, approver="grace")
    await bench.pipeline().run(send(grant=approval))


async def run_until(story: Story, bench: Bench, *, turns: int) -> bool:
    """Cancel the story after some turns of the loop; False where it was over before."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_quietly(story, bench))
        for _ in range(turns):
            await asyncio.sleep(0)
        was_running = task.cancel()
    return was_running  # noqa: RET504 - only once the group has waited for it


async def _quietly(story: Story, bench: Bench) -> None:
    try:
        await story(bench)
    except Exception as error:  # noqa: BLE001 - what it raises is not the question here
        assert not isinstance(error, AssertionError), error


@pytest.mark.parametrize("story", [whole, streamed, asked, redeemed])
async def test_at_every_await_point_a_cancellation_closes_and_settles_exactly_once(story: Story) -> None:
    for turns in range(60):
        bench = nested() if story in (whole, streamed) else Bench()
        was_running = await run_until(story, bench, turns=turns)
        opened = [opening.id for opening in bench.recorder.openings]
        assert sorted(opened) == sorted(closing.id for closing in bench.recorder.closings), f"after {turns} turns"
        assert [len(one.settlements) for one in bench.admitter.reservations] == [1] * len(bench.admitter.reservations)
        if not was_running:
            assert turns >= 3, "the story has to have several points to be cancelled at"
            return
        assert "done" not in bench.recorder.outcomes(PLAN.name)
    pytest.fail("the story never ended")


async def test_a_performer_is_cancelled_with_its_caller_and_the_record_says_abandoned() -> None:
    class Waiting(FakePerformer):
        async def run(self, run: Run[Any, Any, Any]) -> Any:
            entered.set()
            await asyncio.Event().wait()

    entered = asyncio.Event()
    bench = Bench(performer=Waiting())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.pipeline().run(send()))
        await entered.wait()
        task.cancel()
    assert task.cancelled()
    assert bench.recorder.outcomes() == ["abandoned"]
    assert [one.performed for one in bench.admitter.settlements] == [True]


async def test_a_cancellation_stays_one_where_the_journal_is_full() -> None:
    bench = Bench()
    bench.decider.decision = Decision(Effect.ASK)
    bench.recorder.open_error = journal_full()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.pipeline().run(send()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
    assert [one.performed for one in bench.admitter.settlements] == [False]
