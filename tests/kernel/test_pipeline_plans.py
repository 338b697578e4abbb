"""A plan and what it runs: one record where one attempt tells all, a family where there are several."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.errors import Denied, Unavailable, Upstream
from headgate.kernel.record import Opening
from headgate.kernel.run import Run
from headgate.testing.notes import PLAN, SEND, Piece, send
from headgate.testing.pipeline import Bench
from headgate.testing.ports import AnyAction, FakePerformer, FakeRecorder

ASKED, SENT = RuleHit("asked", "allow", "enforce", "may ask"), RuleHit("sent", "deny", "observe", "may not be sent")


class Trying(FakePerformer):
    """Sends to each place until one takes it, and then says so."""

    def __init__(self, *places: str, ends_with: Exception | None = None) -> None:
        super().__init__()
        self._places = places
        self._ends_with = ends_with

    async def run(self, run: Run[Any, Any, Any]) -> Any:
        """Try the places in order."""
        run.facts["skipped"] = "none"
        failure: Upstream | None = None
        for place in self._places:
            try:
                result = await run.perform(SEND, send(to=place).resource, run.payload)
            except Upstream as error:
                failure = error
                continue
            if self._ends_with is not None:
                raise self._ends_with
            return result
        raise failure or Denied("nowhere to send it")


def failing_at(*places: str) -> FakePerformer:
    """A performer that fails at some places."""

    def do(run: Run[Any, Any, Any]) -> Any:
        if run.action.resource.id in places:
            raise Upstream(f"{run.action.resource.id} is down")
        return run.payload

    return FakePerformer(do=do)


def bench_of(plan: FakePerformer, sender: FakePerformer | None = None) -> Bench:
    return Bench(performers={PLAN.name: plan, SEND.name: sender or FakePerformer()})


async def test_one_attempt_leaves_one_record_that_tells_what_was_asked_and_where_it_went() -> None:
    bench = bench_of(Trying("one"))

    def decide(action: AnyAction, labelled: Labelled) -> Decision:
        rule = ASKED if action.verb is PLAN else SENT
        return Decision(Effect.ALLOW, (rule,), would=Effect.ALLOW if action.verb is PLAN else Effect.DENY)

    bench.decider.decision = decide
    done = await bench.pipeline().run(send(verb=PLAN))
    (record,) = bench.recorder.records
    opening, closing = record.opening, record.closing
    assert closing is not None
    assert (opening.id, opening.verb, opening.parent, opening.root) == (done.run.record_id, PLAN.name, None, None)
    assert opening.facts["destination"] == "place:one"
    assert "sent" in opening.parts, "what left is kept with the record of the whole"
    assert (opening.rules, opening.effect, opening.would) == ((ASKED, SENT), "allow", "deny")
    assert (closing.outcome, closing.within, closing.facts["skipped"]) == ("done", None, "none")
    assert [one.performed for one in bench.admitter.settlements] == [True, True]


async def test_several_attempts_are_the_children_of_a_record_of_the_whole() -> None:
    bench = bench_of(Trying("one", "two", "three"), failing_at("one", "two"))
    done = await bench.pipeline().run(send(verb=PLAN))
    first, whole, *later = bench.recorder.records
    assert done.run.record_id == whole.opening.id != first.opening.id
    assert (whole.verb, whole.opening.parent, whole.closing and whole.closing.outcome) == (PLAN.name, None, "done")
    assert first.closing is not None
    within = first.closing.within
    assert within is not None
    assert tuple(within) == (whole.opening.id, whole.opening.id, SEND.name, "place:one")
    assert [(one.verb, one.opening.parent, one.opening.root) for one in later] == [
        (SEND.name, whole.opening.id, whole.opening.id)
    ] * 2
    assert bench.recorder.outcomes(SEND.name) == ["failed", "failed", "done"]


async def test_a_plan_that_runs_nothing_has_a_record_of_its_own() -> None:
    bench = bench_of(Trying())
    with pytest.raises(Denied):
        await bench.pipeline().run(send(verb=PLAN))
    (record,) = bench.recorder.records
    assert (record.verb, record.closing and record.closing.outcome) == (PLAN.name, "refused")


async def test_a_plan_that_ends_otherwise_than_its_attempt_has_a_record_that_says_so() -> None:
    bench = bench_of(Trying("one", ends_with=Upstream("it cannot be handed on")))
    with pytest.raises(Upstream):
        await bench.pipeline().run(send(verb=PLAN))
    attempt, whole = bench.recorder.records
    assert (attempt.verb, attempt.closing and attempt.closing.outcome) == (SEND.name, "done")
    assert (whole.verb, whole.closing and whole.closing.outcome) == (PLAN.name, "failed")


async def test_where_the_journal_has_no_room_for_it_the_attempts_record_says_how_the_plan_ended() -> None:
    bench = bench_of(Trying("one", ends_with=Upstream("it cannot be handed on")))
    bench.recorder = _Full(at_most=1)
    with pytest.raises(Unavailable):
        await bench.pipeline().run(send(verb=PLAN))
    (record,) = bench.recorder.records
    assert record.closing is not None
    assert (record.closing.outcome, record.closing.facts["plan_outcome"]) == ("done", "failed")
    assert record.closing.facts["plan_error"] == "upstream_error"


async def test_an_attempt_that_cannot_be_recorded_is_not_made_and_the_plan_is_recorded_when_there_is_room() -> None:
    sender = FakePerformer()
    bench = bench_of(Trying("one"), sender)
    bench.recorder = _Full(at_most=0)
    with pytest.raises(Unavailable):
        await bench.pipeline().run(send(verb=PLAN))
    assert sender.runs == []
    assert bench.recorder.records == []
    assert [one.performed for one in bench.admitter.settlements] == [True, False]


async def test_a_plan_that_is_left_before_it_ran_anything_leaves_quietly_where_the_journal_is_full() -> None:
    bench = bench_of(FakePerformer())
    bench.recorder = _Full(at_most=0)
    async with bench.pipeline().stream(send(verb=PLAN)):
        pass
    assert bench.recorder.records == []
    assert len(bench.admitter.settlements) == 1


async def test_a_plan_that_ends_before_its_action_has_a_record_of_its_own() -> None:
    class Leaving(FakePerformer):
        def __init__(self) -> None:
            super().__init__()
            self.stack = AsyncExitStack()

        async def run(self, run: Run[Any, Any, Any]) -> Any:
            await self.stack.enter_async_context(run.stream(SEND, send(to="one").resource, run.payload))
            return run.payload

    plan = Leaving()
    bench = bench_of(plan, FakePerformer(items=(Piece("a"),)))
    done = await bench.pipeline().run(send(verb=PLAN))
    await plan.stack.aclose()
    attempt, whole = bench.recorder.records
    assert (whole.opening.id, whole.closing and whole.closing.outcome) == (done.run.record_id, "done")
    assert attempt.closing is not None and attempt.closing.within is not None
    assert (attempt.closing.within.parent, attempt.closing.outcome) == (whole.opening.id, "abandoned")


async def test_attempts_at_once_are_all_within_the_record_of_the_whole() -> None:
    class Both(FakePerformer):
        async def run(self, run: Run[Any, Any, Any]) -> Any:
            async with run.stream(SEND, send(to="one").resource, run.payload) as stream:
                result = await run.perform(SEND, send(to="two").resource, run.payload)
                async for _ in stream.items:
                    continue
            return result

    bench = bench_of(Both())
    done = await bench.pipeline().run(send(verb=PLAN))
    first, whole, second = bench.recorder.records
    assert (whole.opening.id, second.opening.parent) == (done.run.record_id, done.run.record_id)
    assert first.closing is not None and first.closing.within is not None
    assert first.closing.within.parent == done.run.record_id


class _Full(FakeRecorder):
    """A recorder with room for some openings."""

    def __init__(self, *, at_most: int) -> None:
        super().__init__()
        self._at_most = at_most

    def open(self, opening: Opening) -> Any:
        """Refuse what there is no room for."""
        if len(self.openings) >= self._at_most:
            raise Unavailable("the journal is over its limit")
        return super().open(opening)
