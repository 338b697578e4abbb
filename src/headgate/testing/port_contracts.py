"""The contracts of the ports, as test classes: subclass one and provide its fixture.

    class TestMyApprovals(ApprovalsContract):
        @pytest.fixture
        def approvals(self) -> ApprovalsUnderTest: ...

The fakes of `headgate.testing.ports` and the real implementations pass the same classes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from headgate.kernel.decision import Decision, Effect
from headgate.kernel.errors import Denied, Invalid, NotFound
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import BOTTOM
from headgate.kernel.ports import Approvals, Clock, ConfigSection, Ids, Recorder, Records
from headgate.kernel.record import Closing, Opening
from headgate.testing.notes import send
from headgate.testing.people import ACME, ADA, BOT, GLOBEX, GRACE

_ASK = Decision(Effect.ASK, version="1")
_DIGEST = b"d" * 32
_ULID_CHARS = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


class ClockContract:
    """The contract of a clock. A fixture `clock` provides the clock under test."""

    def test_the_time_is_aware_and_in_utc(self, clock: Clock) -> None:
        """Python cannot compare naive times with aware ones."""
        offset = clock.now().utcoffset()
        assert offset is not None
        assert offset.total_seconds() == 0

    def test_the_monotonic_scale_never_goes_back(self, clock: Clock) -> None:
        """So no duration is negative."""
        seen = [clock.monotonic() for _ in range(100)]
        assert seen == sorted(seen)


class IdsContract:
    """The contract of identifiers. A fixture `ids` provides the object under test."""

    def test_ulids_have_their_form_and_strictly_increase(self, ids: Ids) -> None:
        """Records sort by id."""
        seen = [ids.ulid() for _ in range(1000)]
        assert seen == sorted(set(seen))
        assert {len(one) for one in seen} == {26}
        assert set("".join(seen)) <= _ULID_CHARS

    def test_tokens_are_long_enough_safe_in_urls_and_never_the_same(self, ids: Ids) -> None:
        """Headers and links carry secrets."""
        seen = [ids.token(size) for size in (16, 32, 32, 32)]
        assert len(set(seen)) == 4
        assert len(seen[0]) >= 22
        assert len(seen[1]) >= 43
        assert all(one.replace("-", "").replace("_", "").isalnum() for one in seen)


@dataclass(frozen=True, slots=True)
class ApprovalsUnderTest:
    """Approvals under test, with functions to approve a request and to expire grants.

    Args:
        approve: approves a request as a person; returns the grant's id.
        expire: advances the time until every grant has expired.
    """

    approvals: Approvals
    approve: Callable[[str, str], Awaitable[str]]
    expire: Callable[[], Awaitable[None]]


class ApprovalsContract:
    """The contract of approvals. A fixture `approvals` provides an `ApprovalsUnderTest`.

    `BOT` of Acme makes the requests.
    """

    async def test_the_same_request_is_filed_once(self, approvals: ApprovalsUnderTest) -> None:
        """A repeated request waits for the same answer."""
        first, again = [await self._request(approvals) for _ in range(2)]
        other = await self._request(approvals, digest=b"e" * 32)
        assert first == again
        assert other != first

    async def test_a_grant_is_redeemed_once(self, approvals: ApprovalsUnderTest) -> None:
        """The first use consumes a grant, even among several at once."""
        grant = await approvals.approve(await self._request(approvals), GRACE.id)
        results = await asyncio.gather(*(self._redeem(approvals, grant) for _ in range(4)), return_exceptions=True)
        assert sum(isinstance(result, Denied) for result in results) == 3
        [redeemed] = [result for result in results if not isinstance(result, BaseException)]
        assert (redeemed.digest, redeemed.approver) == (_DIGEST, GRACE.id)

    async def test_a_grant_is_bound_to_digest_and_principal(self, approvals: ApprovalsUnderTest) -> None:
        """A grant is invalid for another action. A failed attempt does not consume it."""
        grant = await approvals.approve(await self._request(approvals), GRACE.id)
        with pytest.raises(Denied):
            await self._redeem(approvals, grant, digest=b"e" * 32)
        with pytest.raises(Denied):
            await self._redeem(approvals, grant, principal=ADA.id)
        assert (await self._redeem(approvals, grant)).approver == GRACE.id

    async def test_a_grant_expires(self, approvals: ApprovalsUnderTest) -> None:
        """An expired grant is denied."""
        grant = await approvals.approve(await self._request(approvals), GRACE.id)
        await approvals.expire()
        with pytest.raises(Denied):
            await self._redeem(approvals, grant)

    async def test_what_nobody_approved_or_asked_for_is_denied(self, approvals: ApprovalsUnderTest) -> None:
        """Pending and unknown grants are denied."""
        waiting = await self._request(approvals)
        for grant in (waiting, "no-such-grant", ""):
            with pytest.raises(Denied):
                await self._redeem(approvals, grant)

    async def test_nobody_approves_their_own_request(self, approvals: ApprovalsUnderTest) -> None:
        """Either the approval or the grant is denied."""
        with pytest.raises(Denied):
            await self._redeem(approvals, await approvals.approve(await self._request(approvals), BOT.id))

    async def _request(self, under_test: ApprovalsUnderTest, *, digest: bytes = _DIGEST) -> str:
        return await under_test.approvals.request(
            send("pay"), digest=digest, decision=_ASK, labels=BOTTOM, record=RecordId("1")
        )

    async def _redeem(
        self, under_test: ApprovalsUnderTest, grant: str, *, digest: bytes = _DIGEST, principal: str = BOT.id
    ) -> Any:
        return await under_test.approvals.redeem(grant, digest=digest, principal=principal)


class RecorderContract:
    """The contract of a recorder. A fixture `recorder` provides the recorder under test."""

    async def test_what_is_appended_becomes_durable(self, recorder: Recorder) -> None:
        """The tickets of opening and closing both become durable."""
        await recorder.open(opening("01J00000000000000000000001")).durable()
        await recorder.close(closing("01J00000000000000000000001")).durable()

    async def test_a_record_closes_without_waiting_for_its_opening(self, recorder: Recorder) -> None:
        """A record can close under cancellation too. Opening and closing keep their order."""
        tickets = [
            recorder.open(opening("01J00000000000000000000002")),
            recorder.close(closing("01J00000000000000000000002")),
        ]
        for ticket in reversed(tickets):
            await ticket.durable()


@dataclass(frozen=True, slots=True)
class RecordsUnderTest:
    """A feed with at least three closed records of `ACME`, one of `GLOBEX` and no others."""

    records: Records


class RecordsContract:
    """The contract of a feed. A fixture `feed` provides a `RecordsUnderTest`."""

    async def test_the_feed_gives_every_record_once_in_order_however_it_is_paged(self, feed: RecordsUnderTest) -> None:
        """Pages leave no gaps."""
        whole = await self._all(feed, limit=1000)
        assert len(whole) >= 3
        assert await self._all(feed, limit=1) == whole
        assert await self._all(feed, limit=2) == whole

    async def test_the_figures_are_those_of_the_feed_however_they_are_paged(self, feed: RecordsUnderTest) -> None:
        """Figures come in the order of the feed, and a page counts what it has."""
        whole = await feed.records.after(None, tenant=ACME, limit=1000)
        found: list[tuple[str, str]] = []
        cursor: str | None = None
        while (page := await feed.records.figures_after(cursor, tenant=ACME, limit=2)).cursor is not None:
            figures = list(page.figures)
            assert len(figures) == page.count
            found += [(one.verb, one.outcome) for one in figures]
            cursor = page.cursor
        assert found == [(str(one["verb"]), str(one["outcome"])) for one in whole.records]

    async def test_a_tenant_sees_its_own_records_only(self, feed: RecordsUnderTest) -> None:
        """A tenant sees another tenant's records neither in the feed nor by id."""
        mine, theirs = await self._all(feed, limit=10), await self._all(feed, limit=10, tenant=GLOBEX)
        assert theirs
        assert not set(mine) & set(theirs)
        assert await self._all(feed, limit=10, tenant=TenantId("nobody")) == []
        assert (await feed.records.get(RecordId(mine[0]), tenant=ACME))["id"] == mine[0]
        with pytest.raises(NotFound):
            await feed.records.get(RecordId(mine[0]), tenant=GLOBEX)

    async def _all(self, feed: RecordsUnderTest, *, limit: int, tenant: TenantId = ACME) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        for _ in range(1000):
            page = await feed.records.after(cursor, tenant=tenant, limit=limit)
            assert len(page.records) <= limit
            found += [str(record["id"]) for record in page.records]
            cursor = page.cursor
            if cursor is None:
                return found
        pytest.fail("the feed never ends")


@dataclass(frozen=True, slots=True)
class SectionUnderTest:
    """A section, two different valid tables for it, and an invalid one.

    Args:
        transaction: opens a transaction for a tenant.
        document: the rest of the file, with the entries that the tables refer to.
    """

    section: ConfigSection
    one: Any
    other: Any
    invalid: Any
    transaction: Callable[[TenantId], Any]
    document: dict[str, Any]


class ConfigSectionContract:
    """The contract of a section. A fixture `subject` provides one on an empty store."""

    async def test_applying_what_was_planned_leaves_nothing_to_plan(self, subject: SectionUnderTest) -> None:
        """A second `apply` changes nothing."""
        for table in (subject.one, subject.other, subject.one):
            assert await self._plan(subject, table)
            for _ in range(2):
                await self._apply(subject, table)
                assert await self._plan(subject, table) == []

    async def test_planning_changes_nothing(self, subject: SectionUnderTest) -> None:
        """Repeated plans are equal."""
        plans = [await self._plan(subject, subject.one) for _ in range(3)]
        assert plans[0] == plans[1] == plans[2]
        assert {change.section for change in plans[0]} == {subject.section.name}

    async def test_tenants_are_apart(self, subject: SectionUnderTest) -> None:
        """A tenant's changes do not appear in another tenant's plan."""
        before = await self._plan(subject, subject.one, tenant=GLOBEX)
        await self._apply(subject, subject.one)
        assert await self._plan(subject, subject.one, tenant=GLOBEX) == before

    async def test_an_invalid_table_is_refused_at_its_key(self, subject: SectionUnderTest) -> None:
        """The error names the invalid key."""
        with pytest.raises(Invalid) as caught:
            subject.section.check(subject.invalid, {**subject.document, subject.section.name: subject.invalid})
        assert (caught.value.param or "").startswith(subject.section.name)

    def _desired(self, subject: SectionUnderTest, table: Any) -> Any:
        return subject.section.check(table, {**subject.document, subject.section.name: table})

    async def _plan(self, subject: SectionUnderTest, table: Any, *, tenant: TenantId = ACME) -> list[Any]:
        async with subject.transaction(tenant) as tx:
            return list(await subject.section.plan(self._desired(subject, table), tenant=tenant, transaction=tx))

    async def _apply(self, subject: SectionUnderTest, table: Any, *, tenant: TenantId = ACME) -> None:
        async with subject.transaction(tenant) as tx:
            await subject.section.apply(self._desired(subject, table), tenant=tenant, transaction=tx)


def opening(record: str, *, tenant: TenantId = ACME) -> Opening:
    """Return an opening of an ordinary action."""
    return Opening(
        id=RecordId(record),
        tenant=tenant,
        opened_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
        verb="note.send",
        principal=BOT.id,
        use_case="support",
        resource="place:post-box",
        effect="allow",
        would="allow",
    )


def closing(record: str, *, tenant: TenantId = ACME) -> Closing:
    """Return the closing of such an action."""
    done = Closing(RecordId(record), tenant, datetime(2026, 1, 5, 9, 0, 1, tzinfo=UTC), "done")
    return done._replace(duration_us=1_000_000)
