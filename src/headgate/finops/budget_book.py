"""The budgets of all tenants in memory, for the gateway's reservations, and the job that tells of passed thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

import structlog

from headgate.admin.budgets import Budget, BudgetsUsed, BudgetUse, span_at
from headgate.admin.notices import BUDGET_PASSED, Notice, Notify
from headgate.finops import budget_store
from headgate.finops.budget_specs import budget_from
from headgate.finops.budget_store import Alert, Passed, StoredBudget
from headgate.finops.budget_words import passed_words
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.substrate.background_jobs import FailureLog
from headgate.substrate.database import Database

log = structlog.get_logger(__name__)

_LOOK_S: Final = 5.0
_KEPT: Final = timedelta(days=400)


class BudgetBook:
    """The budgets as of the last refresh."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of: dict[TenantId, tuple[Budget, ...]] = {}
        self.left_out: tuple[str, ...] = ()

    def of(self, tenant: TenantId) -> tuple[Budget, ...]:
        """Return a tenant's budgets: the same object until one of them changes.

        Raises:
            Unavailable: they have not been loaded yet.
        """
        try:
            return self._of[tenant]
        except KeyError:
            raise Unavailable("budgets are still loading; try again in a moment", retry_after_s=1) from None

    async def refresh(self, tenants: Collection[TenantId]) -> None:
        """Load the budgets of every tenant."""
        found: dict[TenantId, tuple[Budget, ...]] = {}
        left_out: list[str] = []
        for tenant in tenants:
            async with self._database.transaction(tenant=tenant) as tx:
                stored = await budget_store.budgets(tx, tenant=tenant)
            readable = tuple(_readable(tenant, stored, left_out))
            known = self._of.get(tenant)
            found[tenant] = known if known is not None and known == readable else readable
        for one in left_out:
            if one not in self.left_out:
                log.warning("entry_left_out", entry=one)
        self._of, self.left_out = found, tuple(left_out)


def _readable(tenant: TenantId, stored: Iterable[StoredBudget], left_out: list[str]) -> Iterator[Budget]:
    for one in stored:
        try:
            if one.spec is not None:
                yield budget_from(one.spec)
                continue
        except HeadgateError:
            pass
        left_out.append(f"{tenant}: budget {one.id}")


class BudgetAlerts:
    """Tells people when a budget passes a threshold, once for each threshold and period.

    Args:
        used: returns the use of budgets.
        notify: returns the port of notices.
    """

    def __init__(
        self, database: Database, *, book: BudgetBook, used: BudgetsUsed, notify: Callable[[], Notify], clock: Clock
    ) -> None:
        self._database = database
        self._book = book
        self._used = used
        self._notify = notify
        self._clock = clock

    async def run_forever(self, tenants: Callable[[], Collection[TenantId]]) -> None:
        """Look every few seconds, until cancelled."""
        troubles: dict[TenantId, FailureLog] = {}
        while True:
            for tenant in tenants():
                trouble = troubles.setdefault(tenant, FailureLog("budgets_not_watched", tenant=tenant))
                try:
                    await self.look(tenant)
                    trouble.is_over()
                except Unavailable:
                    continue
                except Exception as error:  # noqa: BLE001 - it is logged, once for each cause
                    trouble.tell(error)
            await asyncio.sleep(_LOOK_S)

    async def look(self, tenant: TenantId) -> list[Alert]:
        """Raise the alerts that are due now, and return them."""
        watched = {one.id: one for one in self._book.of(tenant) if one.alerts}
        if not watched:
            return []
        now = self._clock.now()
        used = await self._used(tenant, list(watched.values()))
        passed = [one for id_, use in used.items() for one in _passed(watched[id_], use)]
        if not passed:
            return []
        async with self._database.transaction(tenant=tenant) as tx:
            raised = await budget_store.raise_alerts(tx, passed, tenant=tenant, now=now)
            # Of several thresholds at once, people hear of the highest.
            for id_, threshold in {one.budget: one.threshold for one in sorted(raised, key=_threshold)}.items():
                notice = _notice(watched[id_], threshold, used[id_], now=now)
                await self._notify()(tx, notice, tenant=tenant)
            if raised:
                await budget_store.forget_alerts(tx, tenant=tenant, before=now - _KEPT)
        return raised


def _threshold(alert: Alert) -> int:
    return alert.threshold


def _passed(budget: Budget, use: BudgetUse) -> Iterator[Passed]:
    """Yield the thresholds that a budget has passed. A hard budget refuses before it is used to the last unit."""
    for threshold in budget.alerts:
        is_refusing = threshold == 100 and use.refused > 0
        if is_refusing or use.used * 100 >= threshold * budget.limit:
            yield Passed(budget, threshold)


def _notice(budget: Budget, threshold: int, use: BudgetUse, *, now: datetime) -> Notice:
    return Notice(
        BUDGET_PASSED,
        f"{budget.subject}/{span_at(budget.period, now).start:%Y-%m-%dT%H:%M}/{threshold}",
        passed_words(budget, threshold, use),
        "Headgate",
        budget.name if budget.level == "use_case" else "",
        "/budgets",
    )
