"""Runs the usage suite: the overview over ten million records, and what counting a record costs.

python -m benchmarks.usage.run [--calls N] [--records N] [--data DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from benchmarks import machine, results
from benchmarks.activity.records import Organisation
from benchmarks.activity.records import fill as fill_records
from benchmarks.processes import cpu_us, descendants
from benchmarks.results import Target, machine_line, table, targets_table
from benchmarks.usage.rollups import DAYS, DEPLOYMENTS, MODELS, fill
from headgate.admin.records import RECORDS
from headgate.finops.jobs import Rollups
from headgate.finops.tally import metered_verbs
from headgate.kernel.identity import TenantId
from headgate.ledger.leaves import Leaf, LeafRule
from headgate.substrate.clock import format_ulid
from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase, TemporaryServer, postgres_server
from headgate.wire.model_call import MODEL_INVOKE

SEED = 20_261_129
TENANT = TenantId("default")
RATE = 100
_TARGET_MS, _TARGET_US = 200, 15
_WARM = 2
_METHOD = """\
Overview: the rollups of {calls:,} calls of {days} days (400 people, 24 use cases, 6 models, a few common and most rare)
are written by the job's own statements into the real schema on the embedded PostgreSQL. The admin API answers in this
process as the role of workers, under row-level security; times are wall time without the socket, {times} requests
a kind.

Counting: {records:,} records of calls, {rate} a second, lie in a log of their own, and the real job counts them: in
batches of 2,000 as when it catches up, and of 400 as while it keeps up. The worker's figure is this process's CPU time;
PostgreSQL's is that of its processes. A call that was tried once is one record."""

_RULES = tuple(LeafRule(f"rule-{number}", "allow", "enforce", "because it is so") for number in range(4))
_FACTS = {
    **{"input_tokens": 312, "output_tokens": 128, "cost_micros": 440, "currency": "USD", "first_item_us": 310_000},
    **{"masked.email": 1, "attempt": 1, "attempts": 1},
}

_CASES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "overview of 1 hour": ("/api/usage/overview", {"span": "1h"}),
    "overview of 24 hours": ("/api/usage/overview", {"span": "24h"}),
    "overview of 7 days": ("/api/usage/overview", {"span": "7d"}),
    "overview of 30 days": ("/api/usage/overview", {"span": "30d"}),
    "overview of a use case, 30 days": ("/api/usage/overview", {"span": "30d", "use_case": "case-03"}),
    "usage by person, 30 days": ("/api/usage", {"span": "30d", "by": "person", "compare": "true"}),
    "usage by use case and model, 30 days": ("/api/usage", {"span": "30d", "by": "use_case,model"}),
    "usage by use case over time, 30 days": ("/api/usage", {"span": "30d", "by": "time,use_case", "limit": "5000"}),
    "own usage, 30 days": ("/api/usage/mine", {"span": "30d"}),
    "hits of rules, 7 days": ("/api/usage/rules", {"span": "7d"}),
}
_UNDER_TARGET = tuple(name for name in _CASES if name.startswith("overview of") and "use case" not in name)


class _Busy(Organisation):
    """Calls that were tried once, so many a second up to now."""

    def leaves(self, count: int, *, until: datetime) -> Iterator[Leaf]:
        """Return the records of calls, oldest first."""
        rng = random.Random(self.seed)
        people, cases, models = self.principals(), self.cases(), range(len(MODELS))
        weights = [[1 / (rank + 1) for rank in range(len(of))] for of in (people, cases, models)]
        for number in range(count):
            at = until - timedelta(seconds=(count - number) / RATE)
            model = rng.choices(models, weights[2])[0]
            person = rng.choices(range(len(people)), weights[0])[0]
            written = f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"
            yield Leaf(
                v=1,
                id=format_ulid(int(at.timestamp() * 1000) << 80 | rng.getrandbits(80)),
                tenant=self.tenant,
                opened_at=written,
                closed_at=written,
                verb=MODEL_INVOKE.name,
                principal=people[person],
                key_id=f"k{person:03}",
                use_case=rng.choices(cases, weights[1])[0],
                resource=f"alias:{MODELS[model]}",
                effect="allow",
                would="allow",
                rules=_RULES,
                outcome="done",
                duration_us=int(rng.lognormvariate(13, 1)),
                facts={"destination": f"deployment:{DEPLOYMENTS[model]}", "masked.email": 1},
                closing_facts={**_FACTS, "deployment": DEPLOYMENTS[model]},
            )


def run(*, quick: bool, calls: int = 10_000_000, records: int = 100_000, data: Path | None = None) -> None:
    """Measure and write the result."""
    calls, records, times = (200_000, 5_000, 5) if quick else (calls, records, 20)
    facts = machine.facts()
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-bench-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)  # the server drops its privileges and has to get in
        server = stack.enter_context(postgres_server(folder / "server"))
        reading = asyncio.run(_reading(server, folder, calls=calls, times=times))
        with server.database() as database:
            counting = asyncio.run(_counting(database, records=records))
    method = _METHOD.format(calls=calls, records=records, days=DAYS, times=times, rate=RATE)
    result: dict[str, Any] = {"machine": facts, "seed": SEED, "method": method, "calls": calls, "records": records}
    result |= {**reading, "counting": counting}
    result["targets"] = [target._asdict() for target in _targets(result)]
    results.write("usage", result, page=_page(result), quick=quick)


async def _reading(server: TemporaryServer, folder: Path, *, calls: int, times: int) -> dict[str, Any]:
    database = TemporaryDatabase(server.template, server.login)
    began_s = time.perf_counter()
    if not _has_rollups(database):
        await fill(database, calls=calls, seed=SEED, tenant=TENANT, now=datetime.now(UTC))
        _analyse(database)
    filled_s = round(time.perf_counter() - began_s, 1)
    print(f"filled in {filled_s} s", file=sys.stderr, flush=True)
    (folder / "worker").mkdir(mode=0o700, exist_ok=True)
    async with open_house(database, folder=folder / "worker", console=folder / "none") as house:
        found = {name: await _clocked(house, path, query, times) for name, (path, query) in _CASES.items()}
    return {"filled_s": filled_s, "rows": _rows(database), "cases": found}


async def _clocked(house: House, path: str, query: Mapping[str, str], times: int) -> dict[str, float]:
    took: list[float] = []
    async with house.admin as client:
        for number in range(_WARM + times):
            began_s = time.perf_counter()
            answer = await client.get(path, params=query)
            assert answer.status_code == httpx2.codes.OK, answer.text
            if number >= _WARM:
                took.append((time.perf_counter() - began_s) * 1000)
    took.sort()
    return {"p50_ms": round(took[len(took) // 2], 1), "most_ms": round(took[-1], 1)}


async def _counting(database: TemporaryDatabase, *, records: int) -> dict[str, dict[str, float]]:
    await fill_records(database, {_Busy(TENANT, SEED): records}, until=datetime.now(UTC))
    folder = Path(tempfile.mkdtemp(prefix="headgate-bench-"))
    found: dict[str, dict[str, float]] = {}
    async with open_house(database, folder=folder, console=folder) as house:
        platform = house.worker.platform
        for batch in (2_000, 400):
            await asyncio.to_thread(_clear, database)  # it waits for the worker's own job
            rollups = Rollups(
                platform.database,
                records=lambda: platform.offers.ask(RECORDS),
                metered=metered_verbs(platform.verbs),
                clock=house.worker.base.clock,
                batch=batch,
            )
            own_s, theirs_us = time.process_time(), cpu_us(descendants(os.getpid()))
            began_s = time.perf_counter()
            await rollups.catch_up(TENANT)
            found[f"batches of {batch:,}"] = {
                "worker_us": round((time.process_time() - own_s) * 1e6 / records, 1),
                "postgres_us": round((cpu_us(descendants(os.getpid())) - theirs_us) / records, 1),
                "records_per_s": round(records / (time.perf_counter() - began_s)),
            }
    return found


def _has_rollups(database: TemporaryDatabase) -> bool:
    with psycopg.connect(database.owner.conninfo) as connection:
        return connection.execute("SELECT 1 FROM finops.cells LIMIT 1").fetchone() is not None


def _analyse(database: TemporaryDatabase) -> None:
    """Do what autovacuum does after a while."""
    with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
        found = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'finops'::regnamespace AND relkind = 'r'"
        )
        for (name,) in found.fetchall():
            connection.execute(f"VACUUM (ANALYZE) {name}".encode())


def _clear(database: TemporaryDatabase) -> None:
    with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE finops.editions, finops.series, finops.cells, finops.amounts, finops.durations, finops.rule_hits,"
            " finops.reasons"
        )


def _rows(database: TemporaryDatabase) -> dict[str, int]:
    with psycopg.connect(database.owner.conninfo) as connection:
        found = connection.execute(
            "SELECT relname, reltuples::bigint FROM pg_class WHERE relnamespace = 'finops'::regnamespace"
            " AND relkind = 'r' AND reltuples > 0 ORDER BY relname"
        )
        return {str(name): int(count) for name, count in found.fetchall()}


def _targets(result: dict[str, Any]) -> list[Target]:
    name = max(_UNDER_TARGET, key=lambda one: result["cases"][one]["p50_ms"])
    worst_ms = result["cases"][name]["p50_ms"]
    worker_us = result["counting"]["batches of 2,000"]["worker_us"]
    return [
        Target(
            "p50 of the slowest overview", f"≤ {_TARGET_MS} ms", f"{worst_ms:g} ms ({name})", worst_ms <= _TARGET_MS
        ),
        Target(
            "worker's CPU time to count a record", f"≤ {_TARGET_US} µs", f"{worker_us:g} µs", worker_us <= _TARGET_US
        ),
    ]


def _page(result: dict[str, Any]) -> str:
    cases = [(name, f"{one['p50_ms']:g}", f"{one['most_ms']:g}") for name, one in result["cases"].items()]
    counting = [
        (name, f"{one['worker_us']:g}", f"{one['postgres_us']:g}", f"{one['records_per_s']:,}")
        for name, one in result["counting"].items()
    ]
    return "\n\n".join(
        (
            "# usage",
            result["method"],
            machine_line(result["machine"]),
            targets_table(Target(**target) for target in result["targets"]),
            table(("request", "p50 ms", "slowest ms"), cases),
            table(("counting", "worker µs a record", "PostgreSQL µs a record", "records a second"), counting),
            table(("table", "rows"), [(name, f"{count:,}") for name, count in result["rows"].items()]),
        )
    )


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--data", type=Path, help="keep the filled database here, and use it again")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    run(quick=given.quick, calls=given.calls, records=given.records, data=given.data)


if __name__ == "__main__":
    main()
