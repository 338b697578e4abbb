"""Rollups equal a recount of the records, whatever happens on the way: crashes, restarts, late records, new counts."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.finops.jobs import Rollups
from headgate.finops.periods import Period, Span, spans_of
from headgate.finops.slots import percentile_us, slot_of
from headgate.finops.store import DIMENSIONS
from headgate.finops.tally import GRAINS, Grain, start_of
from headgate.kernel.decision import RuleHit
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import FiguresPage, RuleSet
from headgate.substrate.database import Database, Transaction
from headgate.testing.clock import FakeClock
from headgate.testing.ports import FakeFigures, FakeRecorder
from headgate.testing.postgres import TemporaryDatabase, TemporaryServer

NOW = datetime(2027, 3, 10, 12, 30, tzinfo=UTC)
METERED = {"model.invoke": frozenset[str](), "search.query": frozenset({"pages"})}
PERMIT, STOP = RuleHit("permit", "allow", "enforce", "may"), RuleHit("stop", "deny", "observe", "would")
BATCH = {"provider_batch": "batch_1"}
"""The fact of a line that waited for a provider's batch."""
OLDEST = {"minute": NOW - timedelta(days=3), "hour": NOW.replace(minute=0) - timedelta(days=100), "day": None}
SPANS = {"minute": 16, "hour": 13, "day": 10}


class KilledError(Exception):
    """The process ends here."""


@dataclass(slots=True)
class Log(FakeRecorder):
    """A log that records come into. A process may be killed while it reads."""

    figures: list[FakeFigures] = field(default_factory=list[FakeFigures])
    dies_at: int | None = None

    async def figures_after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> FiguresPage:
        start = int(cursor or 0)
        page = self.figures[start : start + limit]
        return FiguresPage(self._read(page), len(page), str(start + len(page)) if page else None)

    def _read(self, page: Sequence[FakeFigures]) -> Iterator[FakeFigures]:
        for number, one in enumerate(page):
            if number == self.dies_at:
                raise KilledError
            yield one


@dataclass(slots=True)
class Mortal:
    """A database whose client may be killed right before a commit."""

    database: Database
    dies: bool = False

    @asynccontextmanager
    async def transaction(self, *, tenant: str) -> AsyncGenerator[Transaction]:
        async with self.database.transaction(tenant=tenant) as tx:
            yield tx
            if self.dies:
                raise KilledError


@st.composite
def records(draw: st.DrawFn) -> FakeFigures:
    """A record of a call, an attempt or an act of administration; most are new, and some come late."""
    age_s = draw(st.one_of(st.integers(0, 7200), st.integers(0, 120 * 86_400)))
    outcome = draw(st.sampled_from(("done", "done", "refused", "failed", "interrupted")))
    facts: dict[str, Any] = {}
    if outcome == "done":
        facts = {"input_tokens": draw(st.integers(0, 9)), "destination": f"deployment:{draw(st.sampled_from('ab'))}"}
        for more in ({"cost_micros": 7, "currency": "USD"}, {"masked.email": 2, "masked.iban": 1}, {"pages": 3}, BATCH):
            facts |= draw(st.sampled_from(({}, more)))
    return FakeFigures(
        opened_at=f"{NOW - timedelta(seconds=age_s):%Y-%m-%dT%H:%M:%S.%f}Z",
        verb=draw(st.sampled_from(("model.invoke", "model.invoke", "model.dispatch", "key.create", "search.query"))),
        principal=draw(st.sampled_from(("p_anna", "p_bob"))),
        key_id=draw(st.sampled_from(("", "k1"))),
        use_case=draw(st.sampled_from(("support", 'a "quoted\\ one'))),
        resource=draw(st.sampled_from(("alias:smart", "index:manuals"))),
        outcome=outcome,
        error="" if outcome == "done" else "denied",
        duration_us=draw(st.integers(0, 10**8)),
        rules=RuleSet(draw(st.sampled_from(((PERMIT,), (PERMIT, STOP))))),
        facts=facts,
    )


STEPS = st.lists(
    st.one_of(
        st.lists(records(), min_size=1, max_size=6),
        st.sampled_from(("count", "restart", "begin a new count", "be killed before a commit")),
        st.integers(0, 4),  # be killed while reading this record of a batch
    ),
    max_size=14,
)


async def live(rollups: Rollups, log: Log, database: Mortal, steps: list[Any], tenant: TenantId) -> Rollups:
    """Go through the steps, and count the rest."""
    for step in steps:
        match step:
            case list():
                log.figures += cast("list[FakeFigures]", step)
            case "begin a new count":
                await rollups.rebuild(tenant)
            case _:
                log.dies_at, database.dies = (step if isinstance(step, int) else None), "killed" in str(step)
                try:
                    await rollups.count(tenant)
                except KilledError:
                    step = "restart"
                log.dies_at, database.dies = None, False
                if step == "restart":
                    rollups = new_process(log, database, rollups_batch(rollups))
    await rollups.catch_up(tenant)
    return rollups


def new_process(log: Log, database: Mortal, batch: int) -> Rollups:
    return Rollups(cast("Database", database), records=lambda: log, metered=METERED, clock=FakeClock(NOW), batch=batch)


def rollups_batch(rollups: Rollups) -> int:
    return int(rollups._batch)  # pyright: ignore[reportPrivateUsage] - a new process has the same setting


def recount(log: list[FakeFigures]) -> dict[str, Counter[Any]]:
    """Count the records one by one, in the plainest way."""
    found = {name: Counter[Any]() for name in ("each", "facets", "amounts", "durations", "hits", "reasons")}
    for one, (grain, chars) in itertools.product(log, SPANS.items()):
        at = datetime.fromisoformat(one.opened_at[:chars] + "T00:00:00"[chars - 10 :] + "+00:00")
        oldest = OLDEST[grain]
        if oldest is not None and at < oldest:
            continue
        for hit in one.rules.hits:
            found["hits"][grain, at, one.use_case, hit.id, hit.does, hit.mode] += 1
        if one.verb not in METERED:
            continue
        model = one.resource.removeprefix("alias:")
        deployment = str(one.facts.get("destination", "")).removeprefix("deployment:")
        currency = str(one.facts.get("currency", ""))
        dimensions = (one.verb, one.use_case, one.principal, one.key_id, model, deployment, one.outcome)
        tokens, cost = cast("int", one.facts.get("input_tokens", 0)), cast("int", one.facts.get("cost_micros", 0))
        is_unknown = not currency and ("input_tokens" in one.facts or one.outcome == "interrupted")
        sums = {"calls": 1, "tokens": tokens, "cost": cost, "masked": 3 if "masked.email" in one.facts else 0}
        for name, amount in {**sums, "unpriced": int(is_unknown)}.items():
            found["each"][grain, at, *dimensions, currency, name] += amount
        for facet, value in zip(("all", *DIMENSIONS[1:6]), ("", *dimensions[1:6]), strict=True):
            found["facets"][grain, at, facet, value, one.outcome] += 1
        if one.verb == "search.query" and "pages" in one.facts:
            found["amounts"][grain, at] += 3
        if one.outcome == "done":
            found["durations"][grain, at, slot_of(one.duration_us)] += "provider_batch" not in one.facts
        else:
            found["reasons"][grain, at, one.outcome, one.error] += 1
    return {name: +counts for name, counts in found.items()}


@dataclass(frozen=True, slots=True)
class Counted:
    """One row: what was counted, and how much."""

    key: list[Any]
    amount: int


CURRENT = "edition = (SELECT edition FROM finops.editions WHERE tenant = %(t)s AND state = 'current')"
QUERIES = {
    "each": """
        SELECT to_jsonb(ARRAY[grain, at::text, verb, use_case, person, key, model, deployment, outcome, currency, name])
            AS key, amount
        FROM finops.cells c JOIN finops.series s ON s.id = c.series
        CROSS JOIN LATERAL (VALUES
            ('calls', calls), ('tokens', input_tokens), ('cost', cost_micros), ('masked', masked),
            ('unpriced', unpriced)
        ) AS v (name, amount)
        WHERE CURRENT AND facet = 'each' AND amount > 0""",
    "facets": """
        SELECT to_jsonb(ARRAY[grain, at::text, facet, concat(use_case, person, key, model, deployment), outcome])
            AS key, sum(calls)::bigint AS amount
        FROM finops.cells c JOIN finops.series s ON s.id = c.series WHERE CURRENT AND facet <> 'each' GROUP BY 1""",
    "amounts": """
        SELECT to_jsonb(ARRAY[grain, at::text]) AS key, sum(amount)::bigint AS amount
        FROM finops.amounts a JOIN finops.series s ON s.id = a.series WHERE CURRENT GROUP BY 1""",
    "durations": """
        SELECT to_jsonb(ARRAY[grain, at::text, slot::text]) AS key, sum(calls)::bigint AS amount
        FROM finops.durations WHERE CURRENT AND facet = 'all' AND measure = 'whole' GROUP BY 1""",
    "hits": """
        SELECT to_jsonb(ARRAY[grain, at::text, use_case, rule, does, mode]) AS key, hits AS amount
        FROM finops.rule_hits WHERE CURRENT""",
    "reasons": """
        SELECT to_jsonb(ARRAY[grain, at::text, outcome, error]) AS key, sum(calls)::bigint AS amount
        FROM finops.reasons WHERE CURRENT GROUP BY 1""",
}


async def stored(database: Database, tenant: TenantId) -> dict[str, Counter[Any]]:
    """Read the rollups."""
    found: dict[str, Counter[Any]] = {}
    async with database.transaction(tenant=tenant) as tx:
        await tx.execute("SET LOCAL timezone = 'UTC'")
        for name, query in QUERIES.items():
            rows = await tx.rows(cast("Any", query.replace("CURRENT", CURRENT)), {"t": tenant}, of=Counted)
            found[name] = Counter({tuple(row.key): row.amount for row in rows})
    return found


def as_text(counts: Counter[Any]) -> Counter[Any]:
    return Counter({tuple(_text(part) for part in key): count for key, count in counts.items()})


def _text(part: object) -> str:
    return f"{part:%Y-%m-%d %H:%M:%S+00}" if isinstance(part, datetime) else str(part)


@pytest.fixture(scope="module")
def shared(postgres: TemporaryServer) -> Iterator[TemporaryDatabase]:
    """One database; each example has a tenant of its own."""
    with postgres.database() as database:
        yield database


TENANTS = itertools.count()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, batch=st.integers(1, 5))
def test_rollups_equal_a_recount_after_crashes_restarts_late_records_and_new_counts(
    shared: TemporaryDatabase, steps: list[Any], batch: int
) -> None:
    async def example() -> None:
        tenant, log = TenantId(f"t{next(TENANTS)}"), Log()
        async with Database(shared.login["headgate_app"]) as database:
            mortal = Mortal(database)
            await live(new_process(log, mortal, batch), log, mortal, steps, tenant)
            expected, found = recount(log.figures), await stored(database, tenant)
        for name, counts in expected.items():
            assert found[name] == as_text(counts), name

    asyncio.run(example())


def test_old_minutes_and_hours_are_deleted_and_days_stay(shared: TemporaryDatabase) -> None:
    async def example() -> None:
        tenant, clock = TenantId("retention"), FakeClock(NOW)
        hello = {"input_tokens": 1, "pages": 2}
        one = FakeFigures(
            *(f"{NOW:%Y-%m-%dT%H:%M:%S.%f}Z", "search.query", "p_anna", "", "support", "index:x", "done", "", 5),
            RuleSet((PERMIT,)),
            hello,
        )
        log = Log(figures=[one])
        async with Database(shared.login["headgate_app"]) as database:
            rollups = Rollups(database, records=lambda: log, metered=METERED, clock=clock)
            await rollups.catch_up(tenant)
            for days, grains in ((0, {"minute", "hour", "day"}), (4, {"hour", "day"}), (97, {"day"})):
                clock.advance(days * 86_400)
                await rollups.forget(tenant)
                found = await stored(database, tenant)
                for name in ("each", "amounts", "durations", "hits"):
                    assert {key[0] for key in found[name]} == grains, (name, days)

    asyncio.run(example())


@given(
    st.lists(st.integers(1, 6 * 86_400), max_size=60),
    st.integers(1, 6 * 86_400),
    st.integers(0, 2 * 86_400),
    st.sampled_from(GRAINS),
)
def test_coarse_rows_inside_a_period_and_finer_ones_at_its_ends_add_up_to_the_same_sum(
    ages_s: list[int], length_s: int, end_s: int, grain: Grain
) -> None:
    rows = {
        one: Counter(start_of(f"{NOW - timedelta(seconds=age_s):%FT%H:%M}", one) for age_s in ages_s) for one in GRAINS
    }
    until = NOW - timedelta(seconds=end_s)
    period = Period(until - timedelta(seconds=length_s), until, 60, grain)

    def total(spans: list[Span]) -> int:
        return sum(
            calls
            for span in spans
            for at, calls in rows[span.grain].items()
            if span.since <= datetime.fromisoformat(at) < span.until
        )

    assert total(spans_of(period, now=NOW)) == total([Span(grain, period.since, period.until)])


@given(st.lists(st.integers(2, 10**10), min_size=1), st.sampled_from((0.5, 0.95, 1.0)))
def test_a_percentile_is_at_most_six_percent_off(durations: list[int], share: float) -> None:
    exact = sorted(durations)[max(0, -(-int(share * len(durations) * 100) // 100) - 1)]
    found = percentile_us(Counter(map(slot_of, durations)), share)
    assert found is not None
    assert abs(found - exact) <= 0.0594 * exact + 1
