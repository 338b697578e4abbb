"""Runs the activity suite: lists, one record and the feed, over a million records beside another tenant's.

python -m benchmarks.activity.run [--records N] [--data DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import psycopg

from benchmarks import machine, results
from benchmarks.activity.records import (
    ATTEMPTS_RULE,
    BIG,
    DAYS,
    HALVES,
    RARE_CASE,
    RARE_OUTCOME,
    RARE_RULE,
    SMALL,
    Organisation,
    fill,
)
from benchmarks.results import Target, machine_line, table, targets_table
from headgate.kernel.identity import TenantId
from headgate.ledger.parts import Ledger
from headgate.policy.entities import ADMIN
from headgate.testing.house import House, add_tenant, open_house
from headgate.testing.postgres import TemporaryDatabase, TemporaryServer, postgres_server

SEED = 20_260_101
_METHOD = """\
A tenant's {big:,} records of {days} days lie among {small:,} of another tenant's, in the real schema on the embedded
PostgreSQL, brought there by the shipper's own statements. The admin API answers in this process, as the role of workers
under row-level security; a request takes the way through the whole application but for the socket, and its time is
wall time, the client's included. Every kind takes {times} requests, one after the other, with values drawn anew, common
and rare ones; {warm} before that do not count. The feed is what the live view follows, read below the API."""

_WARM = 3
Values = Mapping[str, str]
Draw = Callable[[random.Random], Values]
Ask = Callable[[random.Random], Awaitable[str]]
"""Makes a request and says which."""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of list: how its parameters are drawn, and the group whose target it falls under."""

    name: str
    draw: Draw
    group: str = "one filter"


def run(*, quick: bool, records: int = 1_000_000, data: Path | None = None) -> None:
    """Measure and write the result."""
    big, small, times = (20_000, 2_000, 10) if quick else (records, records // 10, 100)
    facts = machine.facts()
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-bench-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)  # the server drops its privileges and has to get in
        server = stack.enter_context(postgres_server(folder / "server"))
        told = asyncio.run(_measure(server, folder, big=big, small=small, times=times))
    method = _METHOD.format(big=big, small=small, days=DAYS, times=times, warm=_WARM)
    result: dict[str, Any] = {"machine": facts, "seed": SEED, "method": method, **told}
    result["targets"] = [target._asdict() for target in _targets(result)]
    results.write("activity", result, page=_page(result), quick=quick)


async def _measure(server: TemporaryServer, folder: Path, *, big: int, small: int, times: int) -> dict[str, Any]:
    database = TemporaryDatabase(server.template, server.login)
    organisation = Organisation(BIG, SEED)
    until = datetime.now(UTC)
    filled_s = None
    if not _count(database, BIG):
        add_tenant(database, TenantId(SMALL))
        began_s = time.perf_counter()
        await fill(database, {organisation: big, Organisation(SMALL, SEED + 1): small}, until=until)
        filled_s = round(time.perf_counter() - began_s, 1)
        print(f"filled in {filled_s} s", file=sys.stderr, flush=True)
    (folder / "worker").mkdir(mode=0o700, exist_ok=True)
    async with open_house(database, folder=folder / "worker", console=folder / "none") as house:
        other_key = await house.register(ADMIN, "admin", tenant=TenantId(SMALL))
        ids = _ids(database)
        times_of = dict[str, dict[str, Any]]()
        async with house.admin as client, house.client(other_key) as other:
            for case in _cases(organisation, ids, until=until):
                times_of[case.name] = {"group": case.group, **await _clocked(_listing(client, case.draw), times=times)}
            for name, values in _counted(organisation).items():
                asking = _counting(client, values)
                times_of[f"counts, {name}"] = {"group": "counts", **await _clocked(asking, times=times)}
            more: list[tuple[str, str, Ask]] = [
                ("page", "the other tenant's first page", _listing(other, lambda _: {})),
                ("record", "one record with its attempts", lambda rng: _get(client, f"/api/records/{rng.choice(ids)}")),
                ("feed", "200 at its head", lambda rng: _feed(house, big - 201 - rng.randrange(100))),
                ("feed", "200 from anywhere", lambda rng: _feed(house, rng.randrange(big - 200))),
                ("feed", "nothing new", lambda _: _feed(house, big)),
            ]
            for group, name, ask in more:
                times_of[name] = {"group": group, **await _clocked(ask, times=times)}
    return {"records": big, "other_records": small, "times": times, "filled_s": filled_s, "cases": times_of}


def _cases(organisation: Organisation, ids: list[str], *, until: datetime) -> list[Case]:
    """Every kind of request."""
    people, cases = organisation.principals(), organisation.cases()

    def span(rng: random.Random) -> Values:
        hours = rng.choice((1, 24, 168))
        since = until - timedelta(hours=rng.uniform(hours, DAYS * 24))
        return {"since": since.isoformat(), "until": (since + timedelta(hours=hours)).isoformat()}

    filters: dict[str, Draw] = {
        "verb": lambda rng: {"verb": rng.choice(("model.invoke", "model.dispatch", "record.reveal", "key.create"))},
        "outcome": lambda rng: {"outcome": rng.choice(("done", "refused", "failed", "interrupted", RARE_OUTCOME))},
        "use_case": lambda rng: {"use_case": rng.choice((cases[0], cases[3], cases[-1], *HALVES, RARE_CASE))},
        "resource": lambda rng: {"resource": rng.choice(("alias:hybrid", "deployment:gpt-small", "tenant:" + BIG))},
        "principal": lambda rng: {"principal": rng.choice((people[0], people[1], people[20], people[-1]))},
        "rule": lambda rng: {"rule": rng.choice(("rule-00", "rule-05", "rule-29", RARE_RULE))},
        "time": span,
        "roots": lambda _: {"roots": "true"},
        "key": lambda rng: {"key": f"k{rng.choice((people[0], people[20], people[-1]))[-10:]}"},
        "category": lambda rng: {"category": rng.choice(("pii", "phi", "secret"))},
        "error": lambda rng: {"error": rng.choice(("denied", "upstream"))},
        "text": lambda rng: {"text": rng.choice(("hybrid", "gpt-small", "denied", "case-00"))},
    }

    def pair(first: str, second: str) -> Draw:
        return lambda rng: {**filters[first](rng), **filters[second](rng)}

    return [
        Case("first page", lambda _: {}, "page"),
        Case("first page of 200", lambda _: {"limit": "200"}, "page"),
        Case("calls", lambda rng: {"kind": "calls", "cursor": rng.choice(ids)}, "page"),
        Case("administration", lambda rng: {"kind": "administration", "cursor": rng.choice(ids)}, "page"),
        Case("deep page", lambda rng: {"cursor": rng.choice(ids)}, "page"),
        Case("deep page of roots", lambda rng: {"cursor": rng.choice(ids), "roots": "true"}, "page"),
        *(Case(name, draw) for name, draw in filters.items()),
        Case("since", lambda rng: {"since": (until - timedelta(days=rng.uniform(0, DAYS))).isoformat()}),
        Case("until", lambda rng: {"until": (until - timedelta(days=rng.uniform(0, DAYS))).isoformat()}),
        Case("outcome=open", lambda _: {"outcome": "open"}),
        Case("a rare rule", lambda _: {"rule": RARE_RULE}),
        Case("a rare outcome", lambda _: {"outcome": RARE_OUTCOME}),
        Case("nobody", lambda _: {"principal": "p_nobody"}, "nothing"),
        Case("no such rule", lambda _: {"rule": "no-such-rule"}, "nothing"),
        Case("before there was anything", lambda _: {"until": "2020-01-01T00:00:00Z"}, "nothing"),
        *(
            Case(f"{one} and {two}", pair(one, two), _group(one, two))
            for one, two in itertools.combinations(filters, 2)
        ),
        Case("two that never meet", lambda _: {"use_case": HALVES[0], "principal": people[1]}, "impossible"),
        Case("roots that are attempts", lambda _: {"verb": "model.dispatch", "roots": "true"}, "impossible"),
        Case("roots under a rule of attempts", lambda _: {"rule": ATTEMPTS_RULE, "roots": "true"}, "impossible"),
    ]


def _counted(organisation: Organisation) -> dict[str, Values]:
    """The filters whose records are counted over time, each over a day and over 30 days."""
    people, cases = organisation.principals(), organisation.cases()
    filters: dict[str, Values] = {
        "every record": {},
        "calls": {"kind": "calls"},
        "administration": {"kind": "administration"},
        "refused": {"kind": "calls", "outcome": "refused"},
        "a use case": {"kind": "calls", "use_case": cases[0]},
        "a person": {"kind": "calls", "principal": people[1]},
        "a model": {"kind": "calls", "model": "hybrid"},
        "a rule": {"kind": "calls", "rule": "rule-05"},
    }
    spans = {"30 days": {"period": "30d"}, "a day": {"period": "24h"}}
    return {
        f"{name}, {span}": {**values, **period} for name, values in filters.items() for span, period in spans.items()
    }


def _counting(client: httpx2.AsyncClient, values: Values) -> Ask:
    async def ask(_: random.Random) -> str:
        return await _get(client, f"/api/records/counts?{urlencode(values)}")

    return ask


def _group(one: str, two: str) -> str:
    """A verb has resources of its own: what is drawn for both seldom goes together."""
    return "impossible" if (one, two) == ("verb", "resource") else "two filters"


def _listing(client: httpx2.AsyncClient, draw: Draw) -> Ask:
    async def ask(rng: random.Random) -> str:
        values = draw(rng)
        await _get(client, f"/api/records?{urlencode(values)}")
        return " ".join(f"{name}={value}" for name, value in values.items())

    return ask


async def _clocked(ask: Ask, *, times: int) -> dict[str, Any]:
    """Wall time of each of so many requests, in milliseconds."""
    rng, took = random.Random(SEED), list[tuple[float, str]]()
    for number in range(_WARM + times):
        began_s = time.perf_counter()
        what = await ask(rng)
        if number >= _WARM:
            took.append(((time.perf_counter() - began_s) * 1000, what))
    took.sort()
    return {
        "p50_ms": round(took[len(took) // 2][0], 1),
        "p99_ms": round(took[min(len(took) - 1, len(took) * 99 // 100)][0], 1),
        "slowest": took[-1][1],
    }


async def _get(client: httpx2.AsyncClient, path: str) -> str:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return path


async def _feed(house: House, after: int) -> str:
    page = await house.worker.service(Ledger).reader.after(str(after), tenant=TenantId(BIG), limit=200)
    return f"after {after}: {len(page.records)}"


def _count(database: TemporaryDatabase, tenant: str) -> int:
    with psycopg.connect(database.owner.conninfo) as connection:
        found = connection.execute("SELECT coalesce(max(size), 0) FROM ledger.logs WHERE tenant = %s", (tenant,))
        row = found.fetchone()
        return int(row[0]) if row else 0


def _ids(database: TemporaryDatabase) -> list[str]:
    """Ids of records that are first in their chain, from all over the three months."""
    with psycopg.connect(database.owner.conninfo) as connection:
        found = connection.execute(
            "SELECT id FROM ledger.records"
            " WHERE tenant = %s AND parent IS NULL AND hashtext(id) %% 100 = 0 ORDER BY id",
            (BIG,),
        )
        return [str(row[0]) for row in found]


def _targets(result: dict[str, Any]) -> list[Target]:
    limits = {"page": 100, "one filter": 100, "two filters": 500, "nothing": 100, "impossible": 2000}
    limits |= {"record": 100, "feed": 100, "counts": 100}
    targets: list[Target] = []
    for group, limit_ms in limits.items():
        of_group = {name: case for name, case in result["cases"].items() if case["group"] == group}
        name = max(of_group, key=lambda name: of_group[name]["p99_ms"])
        worst_ms = of_group[name]["p99_ms"]
        what = f"p99 of the slowest kind, {group}"
        targets.append(Target(what, f"≤ {limit_ms} ms", f"{worst_ms:,g} ms ({name})", worst_ms <= limit_ms))
    return targets


def _page(result: dict[str, Any]) -> str:
    rows = [
        (case["group"], name, f"{case['p50_ms']:g}", f"{case['p99_ms']:g}") for name, case in result["cases"].items()
    ]
    return "\n\n".join(
        (
            "# activity",
            result["method"],
            machine_line(result["machine"]),
            targets_table(Target(**target) for target in result["targets"]),
            table(("kind", "request", "p50 ms", "p99 ms"), rows),
        )
    )


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="keep the filled database here, and use it again")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    run(quick=given.quick, records=given.records, data=given.data)


if __name__ == "__main__":
    main()
