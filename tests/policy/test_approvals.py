"""Approvals: one action, one person who is somebody else, one use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.errors import Conflict, Denied, NotFound, OverBudget
from headgate.kernel.identity import Principal, RecordId, TenantId, UseCase
from headgate.kernel.labels import Labels
from headgate.kernel.ports import Approvals
from headgate.policy.approvals import HOLDS, MOST_WAITING, WAITS, Approval, PolicyApprovals, decide, every, waiting
from headgate.policy.entities import DEFAULT_TENANT
from headgate.substrate.clock import SystemIds
from headgate.substrate.database import Database, Transaction
from headgate.testing.clock import FakeClock
from headgate.testing.postgres import TemporaryDatabase

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = b"1" * 32, b"2" * 32
BOSS = Principal("boss", DEFAULT_TENANT, "person")
VERB: Verb[Any, Any, Any] = Verb("export.send", object, object, object)
CASE = UseCase("chat", DEFAULT_TENANT, "anna", "help")
ACTION = Action(
    VERB,
    Principal("agent", DEFAULT_TENANT, "agent", on_behalf_of=("ann",)),
    Resource("mailbox", "press", attributes={"region": "eu"}),
    None,
    Context(CASE),
)
SECRET = Labels(categories=frozenset({"secret"}))
ASKED = Decision(Effect.ASK, (RuleHit("look-first", "ask", "enforce", "a person looks first"),), version="v1")


@dataclass
class Desk:
    """A worker that asks and an office that decides."""

    worker: Database
    office: Database
    clock: FakeClock
    approvals: Approvals

    async def ask(self, digest: bytes = ONE) -> str:
        return await self.approvals.request(
            ACTION, digest=digest, decision=ASKED, labels=SECRET, record=RecordId("01R")
        )

    async def decide(self, approval: str, *, approved: bool = True, by: Principal = BOSS) -> Approval:
        async with self.office.transaction(tenant=by.tenant) as tx:
            return await decide(tx, approval, approver=by, approved=approved, now=self.clock.now())

    async def refused(self, grant: str, digest: bytes = ONE, principal: str = "agent") -> str:
        with pytest.raises(Denied) as error:
            await self.approvals.redeem(grant, digest=digest, principal=principal)
        return error.value.message

    async def waiting(self) -> list[Approval]:
        async with self.office.transaction(tenant=DEFAULT_TENANT) as tx:
            return await waiting(tx, tenant=DEFAULT_TENANT, now=self.clock.now())


async def nobody_is_told(approval: Approval, tx: Transaction) -> None:
    """Drop a notice."""


@pytest.fixture
async def desk(fresh_database: TemporaryDatabase) -> AsyncIterator[Desk]:
    clock, login = FakeClock(NOW), fresh_database.login
    async with Database(login["headgate_app"]) as worker, Database(login["headgate_admin"]) as office:
        yield Desk(worker, office, clock, PolicyApprovals(worker, clock=clock, ids=SystemIds(), asked=nobody_is_told))


async def test_an_approved_action_is_done_once(desk: Desk) -> None:
    approval = await desk.ask()
    assert (await desk.decide(approval)).approved
    grant = await desk.approvals.redeem(approval, digest=ONE, principal="agent")
    assert (grant.id, grant.digest, grant.approver, grant.expires_at) == (approval, ONE, "boss", NOW + HOLDS)
    assert await desk.refused(approval) == "this grant was already used; send the request without it to ask again"


async def test_whoever_decides_sees_what_is_asked_and_why_but_no_content(desk: Desk) -> None:
    await desk.ask()
    (request,) = await desk.waiting()
    assert (request.principal, request.on_behalf_of, request.verb) == ("agent", ["ann"], "export.send")
    assert (request.resource, request.reasons) == ("mailbox:press", ["look-first: a person looks first"])
    assert (request.labels, request.details) == (str(SECRET), ["region=eu"])
    assert request.record == "01R"


async def test_a_program_that_asks_for_ever_is_told_so_and_others_are_not(desk: Desk) -> None:
    asked = [await desk.ask(bytes([number]) * 32) for number in range(MOST_WAITING)]
    with pytest.raises(OverBudget, match="requests for approval; wait"):
        await desk.ask(b"x" * 32)
    assert await desk.ask(bytes([0]) * 32) == asked[0]
    await desk.decide(asked[0])
    assert await desk.ask(b"x" * 32)


async def test_the_same_question_is_filed_once_until_it_is_used(desk: Desk) -> None:
    first = await desk.ask()
    assert await desk.ask() == first
    assert await desk.ask(TWO) != first
    await desk.decide(first)
    assert await desk.ask() == first
    await desk.approvals.redeem(first, digest=ONE, principal="agent")
    assert await desk.ask() != first


async def test_a_grant_is_for_one_request_of_one_principal(desk: Desk) -> None:
    approval = await desk.ask()
    await desk.decide(approval)
    assert "another request" in await desk.refused(approval, TWO)
    assert await desk.refused(approval, principal="thief") == "this grant is unknown"
    for nonsense in ("", "x", ".x", "default.", "default.unknown", "other." + approval, "d." + "x" * 300):
        assert await desk.refused(nonsense)
    assert await desk.approvals.redeem(approval, digest=ONE, principal="agent")


async def test_undecided_rejected_and_late_requests_are_no_grants(desk: Desk) -> None:
    approval = await desk.ask()
    assert await desk.refused(approval) == "nobody has decided the request yet; try again later"
    await desk.decide(approval, approved=False)
    assert await desk.refused(approval) == ("the request was refused; see the reason with `headgate approvals show`")
    late = await desk.ask(TWO)
    await desk.decide(late)
    desk.clock.advance(HOLDS.total_seconds())
    async with desk.office.transaction(tenant=DEFAULT_TENANT) as tx:
        states = [one.state(desk.clock.now()) for one in await every(tx, tenant=DEFAULT_TENANT)]
    assert states == ["expired", "refused"]
    assert await desk.refused(late, TWO) == "this grant has expired; send the request without it to ask again"


async def test_a_request_is_told_by_what_became_of_it(desk: Desk) -> None:
    one, other = await desk.ask(), await desk.ask(TWO)
    (asked, _) = await desk.waiting()
    assert [asked.state(at) for at in (NOW, asked.expires_at)] == ["waiting", "expired"]
    assert (await desk.decide(one)).state(NOW) == "approved"
    assert (await desk.decide(other, approved=False)).state(asked.expires_at) == "refused"


@pytest.mark.parametrize(
    "by",
    [
        Principal("agent", DEFAULT_TENANT, "person"),
        Principal("ann", DEFAULT_TENANT, "person"),
        Principal("robot", DEFAULT_TENANT, "service"),
    ],
)
async def test_nobody_approves_for_themselves_and_no_program_approves(desk: Desk, by: Principal) -> None:
    approval = await desk.ask()
    with pytest.raises(Denied, match="a person other than"):
        await desk.decide(approval, by=by)


async def test_a_request_is_decided_once_in_time_and_in_its_own_tenant(desk: Desk) -> None:
    approval = await desk.ask()
    with pytest.raises(NotFound):
        await desk.decide(approval, by=Principal("boss", TenantId("other"), "person"))
    await desk.decide(approval, approved=False)
    with pytest.raises(Conflict):
        await desk.decide(approval)
    late = await desk.ask(TWO)
    desk.clock.advance(WAITS.total_seconds())
    with pytest.raises(Conflict):
        await desk.decide(late)
    assert await desk.waiting() == []


async def test_a_worker_cannot_approve(desk: Desk) -> None:
    approval = await desk.ask()
    with pytest.raises(Denied):
        async with desk.worker.transaction(tenant=DEFAULT_TENANT) as tx:
            await decide(tx, approval, approver=BOSS, approved=True, now=NOW)
