"""Figures of usage for readers: sums, series over time, percentiles, top lists and reasons."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeVar

from headgate.finops import store
from headgate.finops.periods import Period
from headgate.finops.slots import percentile_us
from headgate.finops.spread import oldest
from headgate.finops.store import Asked, Dimension, ReasonCount, RuleHits, Slot, Sum
from headgate.finops.tally import FACETS, Facet, Measure
from headgate.kernel.errors import TooLarge
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.substrate.database import Database, Transaction

K = TypeVar("K")
Order = Literal["calls", "cost", "input_tokens", "output_tokens", "masked", "refused", "failed"]

MAX_GROUPS: Final = 20_000
TOP: Final = 6
_OF_EVERY_FACET: Final = frozenset({"verb", "outcome"})
_TIMED: Final[tuple[Facet, ...]] = ("use_case", "model", "deployment")


@dataclass(slots=True)
class Figures:
    """Sums of calls. Costs are micro-units by currency."""

    calls: int = 0
    done: int = 0
    refused: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    unpriced: int = 0
    masked: int = 0
    costs: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, row: Sum) -> None:
        """Add a row of the rollups."""
        self.calls += row.calls
        self.done += row.done
        self.refused += row.refused
        self.failed += row.failed
        self.input_tokens += row.input_tokens
        self.output_tokens += row.output_tokens
        self.cached_tokens += row.cached_tokens
        self.unpriced += row.unpriced
        self.masked += row.masked
        if row.currency:
            self.costs[row.currency] = self.costs.get(row.currency, 0) + row.cost_micros

    def by(self, order: Order) -> int:
        """Return the figure that a list is ordered by. Costs of different currencies are added as they are."""
        return sum(self.costs.values()) if order == "cost" else getattr(self, order)


class Percentiles(NamedTuple):
    """Durations of successful calls, whole and until their first token; None without calls."""

    p50_us: int | None = None
    p95_us: int | None = None
    first_p50_us: int | None = None
    first_p95_us: int | None = None


class Group(NamedTuple):
    """The values of a group's dimensions, and the start of its step; None where it is not grouped by."""

    at: datetime | None
    values: Mapping[Dimension, str | None]


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one group, now and in the period before."""

    group: Group
    figures: Figures
    before: Figures | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Which figures a reader asks for.

    Args:
        where: values by name of the dimension.
    """

    tenant: TenantId
    period: Period
    where: Mapping[Dimension, str]


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the overview shows of one period.

    Args:
        times: of the whole period; None where the filters are too fine for histograms.
        over_time: figures by start of the step; steps without calls are missing.
        top: the largest groups of each dimension.
        model_times: by model.
    """

    figures: Figures
    before: Figures
    times: Percentiles | None
    times_before: Percentiles | None
    over_time: Mapping[datetime, Figures]
    times_over_time: Mapping[datetime, Percentiles]
    top: Mapping[Dimension, Sequence[Row]]
    model_times: Mapping[str, Percentiles]
    reasons: Sequence[ReasonCount]
    is_rebuilding: bool


class Usage:
    """Reads the rollups.

    Args:
        database: connects as the workers' role.
    """

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def rows(
        self, question: Question, *, by: Collection[Dimension], in_steps: bool, order: Order, limit: int, compares: bool
    ) -> list[Row]:
        """Return the figures of groups, largest first, or in the order of time.

        Raises:
            TooLarge: there are too many groups.
        """
        period = question.period
        async with self._reading(question.tenant) as tx:
            found = await self._grouped(tx, question, period, by=by, in_steps=in_steps)
            before = await self._grouped(tx, question, period.before, by=by) if compares and not in_steps else None
        rows = [
            Row(_group(key, by), figures, None if before is None else before.get(key, Figures()))
            for key, figures in found.items()
        ]
        rows.sort(key=lambda row: row.figures.by(order), reverse=True)
        if in_steps:
            rows.sort(key=lambda row: row.group.at or period.since)
        return rows[:limit]

    async def overview(self, question: Question, *, top: Collection[Dimension]) -> Overview:
        """Return everything that the overview shows."""
        period, tenant = question.period, question.tenant
        exact = self._exact(question)
        async with self._reading(tenant) as tx:
            now = await self._grouped(tx, question, exact)
            before = await self._grouped(tx, question, exact.before)
            over_time = await self._grouped(tx, question, period, in_steps=True)
            tops: dict[Dimension, Sequence[Row]] = {}
            for name in top:
                tops[name] = await self._top(tx, question, name)
            times = await self._times(tx, question, exact)
            times_before = await self._times(tx, question, exact.before)
            slots = await self._slots(tx, question, period, in_steps=True)
            of_models = await store.slots(tx, self._asked(question, period, facet="model"), value=None, tenant=tenant)
            asked = replace(self._asked(question, period), limit=TOP)
            reasons = await store.reasons(tx, asked, tenant=tenant)
            editions = await store.editions(tx, tenant=tenant)
        return Overview(
            figures=now.get(_WHOLE, Figures()),
            before=before.get(_WHOLE, Figures()),
            times=times,
            times_before=times_before,
            over_time={key[0]: figures for key, figures in over_time.items() if key[0] is not None},
            times_over_time=_percentiles(slots or (), key=lambda slot: slot.at or period.since),
            top=tops,
            model_times=_percentiles(of_models, key=lambda slot: slot.value),
            reasons=reasons,
            is_rebuilding=any(one.state == "building" for one in editions),
        )

    async def rules(self, question: Question, *, rule: str | None, by_use_case: bool) -> list[RuleHits]:
        """Return the hits of rules, most first."""
        use_case = question.where.get("use_case")
        asked = self._asked(question, question.period)
        async with self._reading(question.tenant) as tx:
            return await store.hits(
                tx, asked, rule=rule, use_case=use_case, by_use_case=by_use_case, tenant=question.tenant
            )

    @asynccontextmanager
    async def _reading(self, tenant: TenantId) -> AsyncGenerator[Transaction]:
        async with self._database.transaction(tenant=tenant) as tx:
            await store.begin_reading(tx)
            yield tx

    async def _top(self, tx: Transaction, question: Question, name: Dimension) -> list[Row]:
        found = await self._grouped(tx, question, question.period, by=(name,))
        order: Order = "cost" if any(figures.costs for figures in found.values()) else "calls"
        largest = sorted(found.items(), key=lambda one: (one[1].by(order), one[1].calls), reverse=True)
        return [Row(_group(key, (name,)), figures) for key, figures in largest if key[1][0]][:TOP]

    async def _grouped(
        self,
        tx: Transaction,
        question: Question,
        period: Period,
        *,
        by: Collection[Dimension] = (),
        in_steps: bool = False,
    ) -> dict[_Key, Figures]:
        asked = replace(
            self._asked(question, period, by=by), step_s=period.step_s if in_steps else 0, limit=MAX_GROUPS + 1
        )
        rows = await store.sums(tx, asked, tenant=question.tenant)
        if len(rows) > MAX_GROUPS:
            raise TooLarge(f"there are more than {MAX_GROUPS:,} groups; add a filter or a shorter period", param="by")
        found: dict[_Key, Figures] = {}
        for row in rows:
            key = (row.at, tuple(getattr(row, name) for name in by))
            found.setdefault(key, Figures()).add(row)
        return found

    async def _times(self, tx: Transaction, question: Question, period: Period) -> Percentiles | None:
        slots = await self._slots(tx, question, period)
        if slots is None:
            return None
        return _percentiles(slots, key=lambda slot: "").get("", Percentiles())

    async def _slots(
        self, tx: Transaction, question: Question, period: Period, *, in_steps: bool = False
    ) -> list[Slot] | None:
        """Return histograms; None where no facet has these filters."""
        facet = facet_of(question.where)
        if (facet != "all" and facet not in _TIMED) or _OF_EVERY_FACET & question.where.keys():
            return None
        asked = replace(self._asked(question, period, facet=facet), step_s=period.step_s if in_steps else 0)
        value = next(iter(question.where.values()), None)
        return await store.slots(tx, asked, value=value, tenant=question.tenant)

    def _asked(
        self, question: Question, period: Period, *, by: Collection[Dimension] = (), facet: Facet | None = None
    ) -> Asked:
        return Asked(
            facet=facet or facet_of({*by, *question.where}),
            grain=period.grain,
            since=period.since,
            until=period.until,
            by=by,
            where=question.where,
        )

    def _exact(self, question: Question) -> Period:
        """Return the period in hours instead of days where that is cheap, so that both periods have the same length."""
        period = question.period
        first = oldest("hour", self._clock.now())
        is_cheap = facet_of(question.where) == "all" and first is not None and period.before.since >= first
        return replace(period, grain="hour") if period.grain == "day" and is_cheap else period


_Key = tuple[datetime | None, tuple[str | None, ...]]
_WHOLE: _Key = (None, ())


def facet_of(names: Iterable[Dimension]) -> Facet:
    """Return the facet with the fewest series that has these dimensions."""
    needed = {name for name in names if name not in _OF_EVERY_FACET}
    if not needed:
        return "all"
    for facet in FACETS:
        if needed == {facet}:
            return facet
    return "each"


def _group(key: _Key, by: Collection[Dimension]) -> Group:
    return Group(key[0], dict(zip(by, key[1], strict=True)))


def _percentiles(slots: Iterable[Slot], *, key: Callable[[Slot], K]) -> dict[K, Percentiles]:
    counts: dict[K, dict[Measure, dict[int, int]]] = {}
    for slot in slots:
        histogram = counts.setdefault(key(slot), {"whole": {}, "first": {}})[slot.measure]
        histogram[slot.slot] = histogram.get(slot.slot, 0) + slot.calls
    return {
        name: Percentiles(
            percentile_us(found["whole"], 0.5),
            percentile_us(found["whole"], 0.95),
            percentile_us(found["first"], 0.5),
            percentile_us(found["first"], 0.95),
        )
        for name, found in counts.items()
    }
