"""Rollups as the calls of an organisation give them in 30 days, from a seed, written by the job's own statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import numpy as np
from numpy.typing import NDArray

from headgate.finops import store
from headgate.finops.slots import slot_of
from headgate.finops.spread import spread, wider
from headgate.finops.tally import Measure, Reason, Series, Tally
from headgate.kernel.decision import RuleHit
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import RuleSet
from headgate.substrate.database import Database, PoolLimits
from headgate.testing.postgres import TemporaryDatabase

DAYS = 30
PEOPLE, CASES, RULES = 400, 24, 30
MODELS = ("smart", "small", "local-chat", "embed", "claude", "hybrid")
DEPLOYMENTS = ("gpt-large", "gpt-small", "local-chat", "embedder", "claude-large", "gpt-eu")
OUTCOMES = ("done", "refused", "failed", "abandoned")
_OUTCOME_SHARES = (0.955, 0.02, 0.018, 0.007)
_MINUTES_KEPT = timedelta(days=3)
_COST = (1310, 220, 0, 15, 2900, 700)
_DURATIONS_US: Mapping[Measure, int] = {"whole": 1_200_000, "first": 300_000}

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one day, alike ones counted: a column for each dimension."""

    minute: Ints
    person: Ints
    case: Ints
    model: Ints
    outcome: Ints
    count: Ints


async def fill(database: TemporaryDatabase, *, calls: int, seed: int, tenant: TenantId, now: datetime) -> None:
    """Write the rollups of so many calls, day by day."""
    rng = np.random.default_rng(seed)
    ids: dict[Series, int] = {}
    rules = [RuleSet((RuleHit(f"rule-{n:02}", "allow", "enforce", "because"),)) for n in range(RULES)]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    async with Database(database.login["headgate_app"], limits=PoolLimits(statement_s=120)) as connected:
        async with connected.transaction(tenant=tenant) as tx:
            await store.begin_edition(tx, "current", tenant=tenant)
            (edition,) = await store.editions(tx, tenant=tenant)
        for day in range(DAYS):
            begin = today - timedelta(days=DAYS - 1 - day)
            finest = 1 if now - begin < _MINUTES_KEPT + timedelta(days=1) else 60
            tally = _tally(_draw(rng, calls // DAYS, step_minutes=finest), begin, rules)
            wide = {series: wider(series) for series in tally.series}
            async with connected.transaction(tenant=tenant) as tx:
                missing = list({one for some in wide.values() for one in some} - ids.keys())
                for start in range(0, len(missing), 20_000):
                    ids |= await store.series_ids(tx, missing[start : start + 20_000], edition, tenant=tenant)
                numbers = {series: tuple(ids[one] for one in some) for series, some in wide.items()}
                await store.add(tx, spread(tally, numbers, now=now), edition, tenant=tenant)


def _draw(rng: np.random.Generator, count: int, *, step_minutes: int) -> Calls:
    minute = (rng.integers(0, 1440, count) // step_minutes) * step_minutes
    columns = (
        minute,
        rng.choice(PEOPLE, count, p=_zipf(PEOPLE)),
        rng.choice(CASES, count, p=_zipf(CASES)),
        rng.choice(len(MODELS), count, p=_zipf(len(MODELS))),
        rng.choice(len(OUTCOMES), count, p=_OUTCOME_SHARES),
    )
    packed = columns[0]
    for column, size in zip(columns[1:], (PEOPLE, CASES, len(MODELS), len(OUTCOMES)), strict=True):
        packed = packed * size + column
    alike, counts = np.unique(packed, return_counts=True)
    unpacked: list[Ints] = []
    for size in (len(OUTCOMES), len(MODELS), CASES, PEOPLE):
        unpacked.append(alike % size)
        alike = alike // size
    outcome, model, case, person = unpacked
    return Calls(alike, person, case, model, outcome, counts)


def _tally(calls: Calls, begin: datetime, rules: list[RuleSet]) -> Tally:
    tally = Tally({})
    columns = (calls.minute, calls.person, calls.case, calls.model, calls.outcome, calls.count)
    rows = cast("Iterable[tuple[int, ...]]", zip(*(column.tolist() for column in columns), strict=True))
    for minute, person, case, model, outcome, count in rows:
        at = f"{begin + timedelta(minutes=minute):%Y-%m-%dT%H:%M}"
        is_refused, use_case = outcome == 1, f"case-{case:02}"
        series = Series(
            *("each", "model.invoke", use_case, f"p_{person:026}", f"k{person:03}", MODELS[model]),
            *("" if is_refused else DEPLOYMENTS[model], OUTCOMES[outcome], "" if is_refused else "USD"),
        )
        cost = 0 if is_refused else _COST[model] * count
        sums = tally.of(at)
        sums.cells[series] = [count, 312 * count, 128 * count, 40 * count, cost, 0, count // 5]
        if outcome == 0:
            for measure, base_us in _DURATIONS_US.items():
                slot = slot_of(int(base_us * (1 + model) * (0.2 + ((person * 7 + minute) % 40) / 20)))
                timed = (use_case, MODELS[model], DEPLOYMENTS[model], measure, slot)
                sums.durations_by_call[timed] = sums.durations_by_call.get(timed, 0) + count
        else:
            reason = Reason(use_case, MODELS[model], OUTCOMES[outcome], "denied", f"rule-{case:02}")
            sums.reasons[reason] = sums.reasons.get(reason, 0) + count
        for rule in (case, (case + 7) % RULES, (case + 11) % RULES):
            matched = (use_case, rules[rule])
            sums.rule_sets[matched] = sums.rule_sets.get(matched, 0) + count
    return tally


def _zipf(count: int) -> NDArray[np.float64]:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()
