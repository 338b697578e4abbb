"""Figures of usage for readers: sums, series over time, percentiles, top lists and reasons."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeVar

from headgate.finops import store
from headgate.finops.periods import Period, Span, spans_of
from headgate.finops.slots import percentile_us
from headgate.finops.spread import oldest
from headgate.finops.store import Asked, Dimension, Histogram, ReasonCount, RuleHits, Saved, Sum
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
        is_narrow = facet_of({*by, *question.where}) != "each"
        async with self._reading(question.tenant, is_narrow=is_narrow) as tx:
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
        is_narrow = all(facet_of({name, *question.where}) != "each" for name in top)
        async with self._reading(tenant, is_narrow=is_narrow) as tx:
            found = await self._wholes(tx, question, exact, by=top)
            before = await self._grouped(tx, question, exact.before)
            over_time = await self._grouped(tx, question, period, in_steps=True)
            times = await self._times(tx, question, exact)
            times_before = await self._times(tx, question, exact.before)
            times_over_time = await self._times(tx, question, period, in_steps=True)
            of_models = await self._histograms(tx, question, exact, facet="model", value=None)
            reasons = await self._reasons(tx, question, exact)
            editions = await store.editions(tx, tenant=tenant)
        return Overview(
            figures=found[None].get(_WHOLE, Figures()),
            before=before.get(_WHOLE, Figures()),
            times=None if times is None else times.get(None, Percentiles()),
            times_before=None if times_before is None else times_before.get(None, Percentiles()),
            over_time={key[0]: figures for key, figures in over_time.items() if key[0] is not None},
            times_over_time={at: one for at, one in (times_over_time or {}).items() if at is not None},
            top={name: _top(found[name], name) for name in top},
            model_times=_percentiles(of_models, key=lambda one: one.value),
            reasons=reasons,
            is_rebuilding=any(one.state == "building" for one in editions),
        )

    async def savings(self, question: Question) -> list[Saved]:
        """Return what answers from the cache saved, by model and currency, largest first."""
        found: dict[tuple[str, str], Saved] = {}
        async with self._reading(question.tenant, is_narrow=True) as tx:
            for asked in self._asked(question, question.period, facets=()):
                for one in await store.savings(tx, asked, tenant=question.tenant):
                    known = found.get(key := (one.model, one.currency), replace(one, hits=0, saved_micros=0))
                    saved_micros = known.saved_micros + one.saved_micros
                    found[key] = replace(one, hits=known.hits + one.hits, saved_micros=saved_micros)
        return sorted(found.values(), key=lambda one: (one.saved_micros, one.hits), reverse=True)

    async def rules(self, question: Question, *, rule: str | None, by_use_case: bool) -> list[RuleHits]:
        """Return the hits of rules, most first."""
        use_case = question.where.get("use_case")
        period = question.period
        asked = Asked((), period.grain, period.since, period.until)
        async with self._reading(question.tenant, is_narrow=True) as tx:
            return await store.hits(
                tx, asked, rule=rule, use_case=use_case, by_use_case=by_use_case, tenant=question.tenant
            )

    @asynccontextmanager
    async def _reading(self, tenant: TenantId, *, is_narrow: bool) -> AsyncGenerator[Transaction]:
        async with self._database.transaction(tenant=tenant) as tx:
            await store.begin_reading(tx, is_narrow=is_narrow)
            yield tx

    async def _wholes(
        self, tx: Transaction, question: Question, period: Period, *, by: Collection[Dimension]
    ) -> Mapping[Dimension | None, dict[_Key, Figures]]:
        """Return the figures of a whole period: of everything under None, and by each dimension."""
        found: dict[Dimension | None, dict[_Key, Figures]]
        if facet_of(question.where) != "all":
            found = {None: await self._grouped(tx, question, period)}
            for name in by:
                found[name] = await self._grouped(tx, question, period, by=(name,))
            return found
        found = {name: {} for name in (None, *by)}
        names: Mapping[str, Dimension] = {name: name for name in by}
        facets: list[Facet] = [facet_of(() if name is None else (name,)) for name in found]
        for row in await self._sums(tx, question, period, facets=facets, by=by):
            name = names.get(row.facet)
            key = _WHOLE if name is None else (None, (getattr(row, name),))
            found[name].setdefault(key, Figures()).add(row)
        return found

    async def _grouped(
        self,
        tx: Transaction,
        question: Question,
        period: Period,
        *,
        by: Collection[Dimension] = (),
        in_steps: bool = False,
    ) -> dict[_Key, Figures]:
        facets = (facet_of({*by, *question.where}),)
        found: dict[_Key, Figures] = {}
        for row in await self._sums(tx, question, period, facets=facets, by=by, in_steps=in_steps):
            key = (row.at, tuple(getattr(row, name) for name in by))
            found.setdefault(key, Figures()).add(row)
        return found

    async def _sums(
        self,
        tx: Transaction,
        question: Question,
        period: Period,
        *,
        facets: Collection[Facet],
        by: Collection[Dimension],
        in_steps: bool = False,
    ) -> list[Sum]:
        """Return sums in rows to add up.

        Raises:
            TooLarge: there are too many groups.
        """
        found: list[Sum] = []
        for asked in self._asked(question, period, facets=facets, in_steps=in_steps):
            rows = await store.sums(tx, replace(asked, by=by, limit=MAX_GROUPS + 1), tenant=question.tenant)
            if len(rows) > MAX_GROUPS:
                raise TooLarge(
                    f"there are more than {MAX_GROUPS:,} groups; add a filter or a shorter period", param="by"
                )
            found += rows
        return found

    async def _times(
        self, tx: Transaction, question: Question, period: Period, *, in_steps: bool = False
    ) -> dict[datetime | None, Percentiles] | None:
        """Return percentiles by start of the step; None where no facet has these filters."""
        facet = facet_of(question.where)
        if (facet != "all" and facet not in _TIMED) or _OF_EVERY_FACET & question.where.keys():
            return None
        value = next(iter(question.where.values()), None)
        found = await self._histograms(tx, question, period, facet=facet, value=value, in_steps=in_steps)
        return _percentiles(found, key=lambda one: one.at)

    async def _histograms(
        self,
        tx: Transaction,
        question: Question,
        period: Period,
        *,
        facet: Facet,
        value: str | None,
        in_steps: bool = False,
    ) -> list[Histogram]:
        found: list[Histogram] = []
        for asked in self._asked(question, period, facets=(facet,), in_steps=in_steps):
            found += await store.histograms(tx, asked, value=value, tenant=question.tenant)
        return found

    async def _reasons(self, tx: Transaction, question: Question, period: Period) -> list[ReasonCount]:
        found: dict[tuple[str, str, str], ReasonCount] = {}
        for asked in self._asked(question, period, facets=()):
            for one in await store.reasons(tx, asked, tenant=question.tenant):
                known = found.get(key := (one.outcome, one.error, one.rule))
                found[key] = one if known is None else replace(one, calls=known.calls + one.calls)
        return sorted(found.values(), key=lambda one: one.calls, reverse=True)[:TOP]

    def _asked(
        self, question: Question, period: Period, *, facets: Collection[Facet], in_steps: bool = False
    ) -> list[Asked]:
        """Return the questions whose answers add up: one for steps, and one for each grain of a whole period."""
        step_s = period.step_s if in_steps else 0
        whole = [Span(period.grain, period.since, period.until)]
        spans = whole if in_steps else spans_of(period, now=self._clock.now())
        return [Asked(facets, *span, where=question.where, step_s=step_s) for span in spans]

    def _exact(self, question: Question) -> Period:
        """Return the period in hours instead of days where that is cheap, so that both periods have the same length."""
        period = question.period
        first = oldest("hour", self._clock.now())
        is_cheap = facet_of(question.where) != "each" and first is not None and period.before.since >= first
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


def _top(found: Mapping[_Key, Figures], name: Dimension) -> list[Row]:
    order: Order = "cost" if any(figures.costs for figures in found.values()) else "calls"
    largest = sorted(found.items(), key=lambda one: (one[1].by(order), one[1].calls), reverse=True)
    return [Row(_group(key, (name,)), figures) for key, figures in largest if key[1][0]][:TOP]


def _group(key: _Key, by: Collection[Dimension]) -> Group:
    return Group(key[0], dict(zip(by, key[1], strict=True)))


def _percentiles(histograms: Iterable[Histogram], *, key: Callable[[Histogram], K]) -> dict[K, Percentiles]:
    counts: dict[K, dict[Measure, dict[int, int]]] = {}
    for one in histograms:
        known = counts.setdefault(key(one), {"whole": {}, "first": {}})[one.measure]
        for slot, calls in zip(one.slots, one.calls, strict=True):
            known[slot] = known.get(slot, 0) + calls
    return {
        name: Percentiles(
            percentile_us(found["whole"], 0.5),
            percentile_us(found["whole"], 0.95),
            percentile_us(found["first"], 0.5),
            percentile_us(found["first"], 0.95),
        )
        for name, found in counts.items()
    }
