"""Who is left to undo a change, in states that no door leads to; and rows that go while they are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from headgate.features import baseline
from headgate.kernel.errors import Conflict, Invalid, Unavailable
from headgate.kernel.identity import UseCase
from headgate.policy import store
from headgate.policy.entities import ADMINISTRATION, DEFAULT_TENANT, CustomPolicy, RegisteredPrincipal
from headgate.policy.lockout import lockout_reason
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder, TenantContents, build_snapshot
from headgate.substrate.clock import SystemIds
from headgate.substrate.database import Transaction
from headgate.testing.clock import FakeClock

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PACK = baseline()
OFFICE = UseCase(ADMINISTRATION, DEFAULT_TENANT, owner="headgate", purpose="Administer", risk="high")
NOBODY = TenantContents(DEFAULT_TENANT, (OFFICE,))
ADMIN = store.built_in_administrator()


def service_on(contents: TenantContents) -> PolicyService:
    clock = FakeClock(NOW)
    holder = SnapshotHolder(clock)
    holder.swap(build_snapshot([contents], baseline=PACK, version=1), asked_s=holder.now_s())
    return PolicyService(baseline=PACK, holder=holder, clock=clock, ids=SystemIds())


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (TenantContents(DEFAULT_TENANT), "administration is missing"),
        (NOBODY, "no registered person could sign in"),
        (TenantContents(DEFAULT_TENANT, (OFFICE,), (ADMIN,)), None),
    ],
)
def test_a_state_without_an_administrator_says_why(contents: TenantContents, why: str | None) -> None:
    tenant = build_snapshot([contents], baseline=PACK, version=1).tenants[DEFAULT_TENANT]
    found = lockout_reason(tenant, now=NOW)
    assert found is None if why is None else why in (found or "")


async def test_where_nobody_was_left_before_a_change_is_not_refused_for_it() -> None:
    after = TenantContents(DEFAULT_TENANT, (OFFICE,), (RegisteredPrincipal("app", DEFAULT_TENANT),))
    await service_on(NOBODY).refuse_lockout(after)
    with pytest.raises(Conflict, match="nobody could administer"):
        await service_on(NOBODY).refuse_state_without_administrator(after)


async def test_a_policy_that_does_not_hold_is_not_in_the_way_and_no_text_but_a_key_is_one() -> None:
    broken = CustomPolicy("broken", DEFAULT_TENANT, "forbid (nonsense);")
    service = service_on(NOBODY)
    assert service.policies_in_the_way(TenantContents(DEFAULT_TENANT, (OFFICE,), (ADMIN,), (), (broken,))) == []
    assert not await service.is_admin_key(cast("Transaction", None), "no key")


class Vanishing:
    """A transaction in which one row is at fault and another is gone by the time that it is read alone."""

    def __init__(self, error: Exception, *, alone: Exception | None = None) -> None:
        self._error = error
        self._alone = alone

    async def rows(self, statement: Any, params: Any = (), *, of: type[Any]) -> list[Any]:
        if of.__name__ != "_Id":
            raise self._error
        return [of(id="gone")]

    async def row(self, statement: Any, params: Any = (), *, of: type[Any]) -> Any:
        if self._alone is not None:
            raise self._alone
        return None


async def test_a_row_that_goes_while_it_is_read_is_not_there_and_a_database_that_goes_is_away() -> None:
    bad, away = Invalid("bad"), Unavailable("away")
    found = await store.contents(cast("Transaction", Vanishing(bad)), tenant=DEFAULT_TENANT)
    assert (found.use_cases, found.unreadable) == ((), ())
    for tx in (Vanishing(away), Vanishing(bad, alone=away)):
        with pytest.raises(Unavailable):
            await store.contents(cast("Transaction", tx), tenant=DEFAULT_TENANT)
