"""*Ask* holds nothing open: it refuses with an approval's id, and the approved retry works once."""

from __future__ import annotations

import asyncio

import pytest

from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.errors import Denied, NeedsApproval
from headgate.kernel.labels import Labels
from headgate.testing.notes import send
from headgate.testing.people import ADA
from headgate.testing.pipeline import Bench

ASK = Decision(Effect.ASK, rules=(RuleHit("four-eyes", "ask", "enforce", "somebody has to look"),), version="1")


def asking() -> Bench:
    bench = Bench()
    bench.decider.decision = ASK
    return bench


async def ask(bench: Bench) -> str:
    with pytest.raises(NeedsApproval) as caught:
        await bench.pipeline().run(send("pay"))
    return caught.value.approval_id


async def test_an_action_that_policy_asks_about_is_refused_with_the_approval_to_wait_for() -> None:
    bench = asking()
    with pytest.raises(NeedsApproval, match=r"four-eyes \(somebody has to look\)") as caught:
        await bench.pipeline().run(send("pay"))
    assert (caught.value.approval_id, caught.value.rules) == ("approval-1", ("four-eyes",))
    assert bench.performer.runs == []
    assert [one.performed for one in bench.admitter.settlements] == [False]
    assert [(one.outcome, one.error) for one in bench.recorder.closings] == [("refused", "needs_approval")]


async def test_asking_twice_for_the_same_files_one_approval() -> None:
    bench = asking()
    assert await ask(bench) == await ask(bench)


async def test_the_retry_with_the_grant_works_once_and_not_twice() -> None:
    bench = asking()
    grant = bench.approvals.approve(await ask(bench), approver="grace")
    done = await bench.pipeline().run(send("pay", grant=grant))
    assert done.result.text == "pay"
    with pytest.raises(Denied, match="used or expired"):
        await bench.pipeline().run(send("pay", grant=grant))
    assert len(bench.performer.runs) == 1
    assert bench.recorder.outcomes() == ["refused", "done", "refused"]


async def test_of_two_retries_at_once_only_one_is_performed() -> None:
    bench = asking()
    grant = bench.approvals.approve(await ask(bench), approver="grace")
    pipeline = bench.pipeline()
    results = await asyncio.gather(*(pipeline.run(send("pay", grant=grant)) for _ in range(5)), return_exceptions=True)
    assert len(bench.performer.runs) == 1
    assert sum(isinstance(result, Denied) for result in results) == 4


async def test_a_grant_is_for_these_arguments_this_place_and_this_principal_only() -> None:
    bench = asking()
    grant = bench.approvals.approve(await ask(bench), approver="grace")
    for other in (
        send("pay twice", grant=grant),
        send("pay", to="elsewhere", grant=grant),
        send("pay", principal=ADA, grant=grant),
        send("pay", floor=Labels(categories=frozenset({"pci"})), grant=grant),
    ):
        with pytest.raises(Denied, match="another action"):
            await bench.pipeline().run(other)
    assert bench.performer.runs == []


async def test_a_grant_ends_with_the_policies_it_was_given_under() -> None:
    bench = asking()
    grant = bench.approvals.approve(await ask(bench), approver="grace")
    bench.decider.decision = Decision(Effect.ASK, rules=ASK.rules, version="2")
    with pytest.raises(Denied, match="another action"):
        await bench.pipeline().run(send("pay", grant=grant))


async def test_nobody_approves_what_they_asked_for_themselves() -> None:
    bench = asking()
    grant = bench.approvals.approve(await ask(bench), approver="support-bot")
    with pytest.raises(Denied, match="somebody else"):
        await bench.pipeline().run(send("pay", grant=grant))


async def test_a_grant_expires() -> None:
    bench = asking()
    grant = bench.approvals.approve(await ask(bench), approver="grace")
    bench.clock.advance(3601)
    with pytest.raises(Denied, match="used or expired"):
        await bench.pipeline().run(send("pay", grant=grant))
    assert bench.performer.runs == []


async def test_approvals_that_are_away_mean_that_nothing_is_done_or_stays_reserved() -> None:
    for error in (RuntimeError("bug"), TimeoutError()):
        bench = asking()
        bench.approvals.error = error
        with pytest.raises(type(error)):
            await bench.pipeline().run(send("pay"))
        assert bench.performer.runs == []
        assert [one.performed for one in bench.admitter.settlements] == [False]
        assert bench.recorder.outcomes() == ["failed"]


async def test_the_digest_covers_a_payload_that_carries_no_content() -> None:
    one, other = (send().with_payload(payload) for payload in ("a", "b"))  # pyright: ignore[reportArgumentType] - payloads of other verbs
    digests = {action.digest(labels=Labels(), policy_version="1") for action in (one, other, one)}
    assert len(digests) == 2
