"""Runs the chat suite: lists and searches over the conversations of one person, beside those of another.

python -m benchmarks.chat.run [--conversations N] [--data DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import psycopg

from benchmarks import machine, results
from benchmarks.chat.conversations import RARE, TURNS, Filling, Words, fill
from benchmarks.results import Target, machine_line, table, targets_table
from headgate.chat.service import Chat
from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase, TemporaryServer, postgres_server

SEED = 20_260_102
LIMIT_MS = 100
_WARM = 3
_METHOD = """\
One person has {count:,} conversations of {turns} turns each, in the real schema on the embedded PostgreSQL, sealed and
indexed by the feature's own code; another person has {other:,}. The admin API answers in this process, as the role of
workers under row-level security; a request takes the way through the whole application but for the socket, and its time
is wall time, the client's included. Every kind takes {times} requests, one after the other; {warm} before that do not
count."""

Draw = Callable[[random.Random], str]


def run(*, quick: bool, conversations: int = 50_000, data: Path | None = None) -> None:
    """Measure and write the result."""
    count, times = (2_000, 10) if quick else (conversations, 100)
    facts = machine.facts()
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-bench-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)  # the server drops its privileges and has to get in
        server = stack.enter_context(postgres_server(folder / "server"))
        told = asyncio.run(_measure(server, folder, count=count, times=times))
    method = _METHOD.format(count=count, other=count // 10, turns=TURNS, times=times, warm=_WARM)
    result: dict[str, Any] = {"machine": facts, "seed": SEED, "method": method, **told}
    result["targets"] = [target._asdict() for target in _targets(result)]
    results.write("chat", result, page=_page(result), quick=quick)


async def _measure(server: TemporaryServer, folder: Path, *, count: int, times: int) -> dict[str, Any]:
    database = TemporaryDatabase(server.template, server.login)
    (folder / "worker").mkdir(mode=0o700, exist_ok=True)
    async with open_house(database, folder=folder / "worker", console=folder / "none") as house:
        key = await house.register("ann")
        words = Words.of(SEED)
        # In a thread, so that the worker goes on confirming its policies.
        filled_s = await asyncio.to_thread(_fill, house, words, count=count)
        async with house.client(key) as client:
            cases = {name: await _clocked(client, draw, times=times) for name, draw in _cases(words, database).items()}
    return {"conversations": count, "times": times, "filled_s": filled_s, "index": _sizes(database), "cases": cases}


def _fill(house: House, words: Words, *, count: int) -> float | None:
    with psycopg.connect(house.database.owner.conninfo) as connection:
        if connection.execute("SELECT 1 FROM chat.conversations LIMIT 1").fetchone():
            return None
    began_s, until = time.perf_counter(), datetime.now(UTC)
    keys = house.worker.service(Chat).keys
    for number, (person, share) in enumerate({"ann": count, "bob": count // 10}.items()):
        fill(house.database, Filling(keys, person, share, SEED + number, until), words=words)
    filled_s = round(time.perf_counter() - began_s, 1)
    print(f"filled in {filled_s} s", file=sys.stderr, flush=True)
    return filled_s


def _cases(words: Words, database: TemporaryDatabase) -> dict[str, Draw]:
    ids = _ids(database)
    common, middle, rare = words.words[:20], words.words[500:1_000], words.words[10_000:]

    def search(*groups: tuple[str, ...]) -> Draw:
        return lambda rng: _search(" ".join(rng.choice(group) for group in groups))

    return {
        "list, first page": lambda _: "/api/conversations",
        "list, page of 200": lambda _: "/api/conversations?limit=200",
        "list, deep page": lambda rng: f"/api/conversations?{urlencode({'cursor': rng.choice(ids).cursor})}",
        "search, a common word": search(common),
        "search, a middling word": search(middle),
        "search, a rare word": search(rare),
        "search, two common words": search(common, common),
        "search, a common and a rare word": search(common, rare),
        "search, two middling words": search(middle, middle),
        "search, three letters": lambda rng: _search(rng.choice(words.words)[:3]),
        "search, one in ten thousand": lambda _: _search(RARE),
        "search, nothing": lambda _: _search("xylophone"),
        "open one": lambda rng: f"/api/conversations/{rng.choice(ids).id}",
    }


class _Place:
    def __init__(self, conversation: str, changed_at: datetime) -> None:
        self.id = conversation
        self.cursor = f"{changed_at.isoformat()} {conversation}"


def _ids(database: TemporaryDatabase) -> list[_Place]:
    with psycopg.connect(database.owner.conninfo) as connection:
        found = connection.execute(
            "SELECT id, changed_at FROM chat.conversations WHERE person = 'ann' AND hashtext(id) %% 50 = 0", ()
        )
        return [_Place(str(row[0]), row[1]) for row in found]


def _sizes(database: TemporaryDatabase) -> dict[str, float]:
    """The sizes of the tables with their indexes, in MB."""
    with psycopg.connect(database.owner.conninfo) as connection:
        found = connection.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relnamespace = 'chat'::regnamespace AND relkind = 'r'"
        )
        return {str(name): round(size / 1e6, 1) for name, size in found}


def _search(text: str) -> str:
    return f"/api/conversations/search?{urlencode({'q': text})}"


async def _clocked(client: httpx2.AsyncClient, draw: Draw, *, times: int) -> dict[str, Any]:
    """Wall time of each of so many requests, in milliseconds."""
    rng, took = random.Random(SEED), list[tuple[float, str]]()
    for number in range(_WARM + times):
        path = draw(rng)
        began_s = time.perf_counter()
        answer = await client.get(path)
        if number >= _WARM:
            took.append(((time.perf_counter() - began_s) * 1000, path))
        assert answer.status_code == 200, answer.text
    took.sort()
    return {
        "p50_ms": round(took[len(took) // 2][0], 1),
        "p99_ms": round(took[min(len(took) - 1, len(took) * 99 // 100)][0], 1),
        "slowest": took[-1][1],
    }


def _targets(result: dict[str, Any]) -> list[Target]:
    targets: list[Target] = []
    for group in ("list", "search", "open"):
        of_group = {name: case for name, case in result["cases"].items() if name.startswith(group)}
        name = max(of_group, key=lambda name: of_group[name]["p99_ms"])
        worst_ms = of_group[name]["p99_ms"]
        what = f"p99 of the slowest kind of {group}"
        targets.append(Target(what, f"≤ {LIMIT_MS} ms", f"{worst_ms:,g} ms ({name})", worst_ms <= LIMIT_MS))
    return targets


def _page(result: dict[str, Any]) -> str:
    rows = [(name, f"{case['p50_ms']:g}", f"{case['p99_ms']:g}") for name, case in result["cases"].items()]
    sizes = [(name, f"{size:,g}") for name, size in sorted(result["index"].items())]
    return "\n\n".join(
        (
            "# chat",
            result["method"],
            machine_line(result["machine"]),
            targets_table(Target(**target) for target in result["targets"]),
            table(("request", "p50 ms", "p99 ms"), rows),
            table(("table with its indexes", "MB"), sizes),
        )
    )


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=50_000)
    parser.add_argument("--data", type=Path, help="keep the filled database here, and use it again")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    run(quick=given.quick, conversations=given.conversations, data=given.data)


if __name__ == "__main__":
    main()
