"""The store of budgets and of the alerts that they raised, schema `finops`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from headgate.admin.budgets import Budget, span_at
from headgate.finops.budget_specs import BudgetSpec
from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.finops", file="budgets.sql")


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    spec: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredBudget:
    """A declared budget; `spec` is None if this version cannot read it."""

    id: str
    spec: BudgetSpec | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold, in percent of a budget, that was passed in its period."""

    budget: str
    threshold: int
    raised_at: datetime


class Passed(NamedTuple):
    """A threshold that a budget has passed by now."""

    budget: Budget
    threshold: int


async def budgets(tx: Transaction, *, tenant: TenantId) -> list[StoredBudget]:
    """Return the declared budgets by id."""
    found = await tx.rows(_SQL["budgets"], {"tenant": tenant}, of=_Row)
    return [StoredBudget(row.id, _read(row.spec), row.created_at) for row in found]


async def put(tx: Transaction, spec: BudgetSpec, *, tenant: TenantId) -> None:
    """Add or replace a budget."""
    values = {"tenant": tenant, "id": spec.id, "spec": msgspec.json.encode(spec).decode()}
    await tx.execute(_SQL["put_budget"], values)


async def delete(tx: Transaction, budget: str, *, tenant: TenantId) -> bool:
    """Remove a budget; False if it did not exist."""
    return await tx.execute(_SQL["delete_budget"], {"tenant": tenant, "id": budget}) > 0


async def raise_alerts(tx: Transaction, passed: Sequence[Passed], *, tenant: TenantId, now: datetime) -> list[Alert]:
    """Note thresholds that were passed, and return those that were not noted before in their period."""
    values = {
        "tenant": tenant,
        "now": now,
        "thresholds": [one.threshold for one in passed],
        **_places([one.budget for one in passed], now),
    }
    return await tx.rows(_SQL["raise_alerts"], values, of=Alert)


async def alerts(
    tx: Transaction, known: Collection[Budget], *, tenant: TenantId, now: datetime
) -> Mapping[str, Sequence[Alert]]:
    """Return the alerts of the current periods by budget, by threshold."""
    found: dict[str, list[Alert]] = {}
    for alert in await tx.rows(_SQL["alerts"], {"tenant": tenant, **_places(known, now)}, of=Alert):
        found.setdefault(alert.budget, []).append(alert)
    return found


async def forget_alerts(tx: Transaction, *, tenant: TenantId, before: datetime) -> None:
    """Delete alerts that were raised before a time."""
    await tx.execute(_SQL["forget_alerts"], {"tenant": tenant, "before": before})


def _places(known: Collection[Budget], now: datetime) -> dict[str, Any]:
    return {
        "budgets": [one.id for one in known],
        "subjects": [one.subject for one in known],
        "starts": [span_at(one.period, now).start for one in known],
    }


def _read(spec: str) -> BudgetSpec | None:
    try:
        return msgspec.json.decode(spec, type=BudgetSpec)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
