"""Limits: those of keys and the budgets of every level, as one kind of thing, with the words of their refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from headgate.admin.budgets import Budget, BudgetPeriod, BudgetUnit, span_at
from headgate.gateway.leases import UNLIMITED, Kind, Window
from headgate.kernel.action import Action
from headgate.kernel.identity import Limits, Principal, TenantId

_KINDS: Final[Mapping[BudgetUnit, Kind]] = {
    "money": "cost",
    "tokens": "tokens",
    "requests": "requests",
    "concurrency": "concurrency",
}
_LEVELS: Final = {"group": "the group {}", "person": "{}", "use_case": "the use case {}", "key": "the key {}"}
_NOUNS: Final[Mapping[Kind, str]] = {"requests": "requests", "tokens": "tokens", "concurrency": "calls at once"}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a call.

    Args:
        subject: what its windows are counted under, see `Window`.
        cap: in units of its kind; not enforced unless `is_hard`.
        budget: the budget with its scope in words; empty for the limit of a key.
    """

    subject: str
    kind: Kind
    period: BudgetPeriod | None
    cap: int
    currency: str = ""
    is_hard: bool = True
    budget: str = ""

    @property
    def lease_cap(self) -> int:
        """The cap of its leases."""
        return self.cap if self.is_hard else UNLIMITED

    @property
    def lends(self) -> bool:
        """Whether each worker counts alone while the store is down: limits of bursts, and those that never refuse."""
        return not self.is_hard or self.period in (None, "minute")

    def window(self, tenant: TenantId, now: datetime) -> Window:
        """Return its current window."""
        return Window(tenant, self.subject, self.kind, *span_at(self.period, now))

    def amount(self, units: int) -> str:
        """Return an amount in words, without its unit."""
        return money(units) if self.kind == "cost" else f"{units:,}"

    @property
    def words(self) -> str:
        """The limit in words, such as `5.00 USD a day`."""
        unit = self.currency if self.kind == "cost" else _NOUNS[self.kind]
        per = f" {'an' if self.period == 'hour' else 'a'} {self.period}" if self.period else ""
        return f"{self.amount(self.cap)} {unit}{per}"

    @property
    def name(self) -> str:
        """The limit with its owner, for refusals."""
        return f"the {self.budget} ({self.words})" if self.budget else f"this key's limit of {self.words}"

    @property
    def whole(self) -> str:
        """The same, for a call that is larger than all of it."""
        return f"the whole {self.budget} ({self.words})" if self.budget else f"this key's whole limit of {self.words}"


LimitsOf = Callable[[Action[Any, Any, Any]], Iterable[Limit]]
"""Returns the budgets that a call reserves from, without I/O."""


def no_budgets(action: Action[Any, Any, Any]) -> Iterable[Limit]:
    """Return no budget."""
    return ()


def limits_of_key(principal: Principal) -> Iterator[Limit]:
    """Yield the limits of a principal's key."""
    limits, key = principal.limits, principal.key_id
    if key is None or limits == _NO_LIMITS:
        return
    if limits.requests_per_minute is not None:
        yield Limit(key, "requests", "minute", limits.requests_per_minute)
    if limits.cost_micros_per_day is not None:
        yield Limit(key, "cost", "day", limits.cost_micros_per_day, currency=limits.currency)


def limit_of_budget(budget: Budget) -> Limit:
    """Return a budget as a limit."""
    whose = _LEVELS[budget.level].format(budget.name) if budget.name else "the organisation"
    return Limit(
        subject=budget.subject,
        kind=_KINDS[budget.unit],
        period=budget.period,
        cap=budget.limit,
        currency=budget.currency if budget.unit == "money" else "",
        is_hard=budget.is_hard,
        budget=f"budget {budget.id} of {whose}",
    )


class BudgetIndex:
    """The budgets of a tenant by scope, so that a call finds its own in a few lookups."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self._by_scope: dict[tuple[str, str], list[Limit]] = {}
        for budget in sorted(budgets, key=lambda one: one.id):
            self._by_scope.setdefault((budget.level, budget.name), []).append(limit_of_budget(budget))

    def __bool__(self) -> bool:
        return bool(self._by_scope)

    def of(self, action: Action[Any, Any, Any], groups: Iterable[str]) -> Sequence[Limit]:
        """Return the budgets of a call, the narrowest level first.

        An agent's call counts for the people that it acts for, too.

        Args:
            groups: of all of these people.
        """
        principal = action.principal
        scopes = [
            ("key", principal.key_id or ""),
            *(("person", one) for one in (principal.id, *principal.on_behalf_of)),
            ("use_case", action.context.use_case.id),
            *(("group", one) for one in sorted(set(groups))),
            ("organisation", ""),
        ]
        return [limit for scope in dict.fromkeys(scopes) for limit in self._by_scope.get(scope, ())]


def money(micros: int) -> str:
    """Format an amount with two or more decimals."""
    whole, part = divmod(micros, 1_000_000)
    return f"{whole}.{f'{part:06}'.rstrip('0').ljust(2, '0')}"


_NO_LIMITS = Limits()
