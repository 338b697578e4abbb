"""How fast a search over a hundred thousand passages is, how much of the nearest it finds, and how fast they enter."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import psycopg

from benchmarks.knowledge.load import SCOPES, TERMS, Embedded, composed, load, opened, scopes, server_cpu_s
from benchmarks.knowledge.vaswani import Judged, vectors
from benchmarks.machine import load_average
from headgate.kernel.identity import TenantId
from headgate.kernel.offload import Offloader
from headgate.knowledge.index import Found, Query
from headgate.knowledge.postgres_index import PostgresIndex, Tuning
from headgate.substrate.database import Database
from headgate.testing.postgres import TemporaryDatabase, TemporaryServer

SEED = 20_260_301
TENANT, WORDS_ONLY = TenantId("default"), TenantId("words-only")
SHARES = {"1 %": SCOPES // 100, "10 %": SCOPES // 10, "100 %": SCOPES}
_WARM = 10
_RECALLED = 10


class Leg(NamedTuple):
    """What a search is asked with."""

    name: str
    has_words: bool
    has_meaning: bool


LEGS = (Leg("words", True, False), Leg("meaning", False, True), Leg("both", True, True))


async def search(server: TemporaryServer, judged: Judged, *, rounds: int) -> dict[str, Any]:
    """Search a filled index."""
    asked = vectors([question.text for question in judged.questions])
    database = TemporaryDatabase(server.template, server.login)
    async with opened(database) as worker:
        index = PostgresIndex(Offloader())
        queries = [
            (TERMS.count(question.text, languages=("en",)), vector)
            for question, vector in zip(judged.questions, asked, strict=True)
        ]
        async with worker.transaction(tenant=TENANT) as tx:
            known = [scope.id for scope in await index.scopes(tx, ["c"], tenant=TENANT)]
        searches = {
            share: await _searches(worker, queries, scopes=known[:count], rounds=rounds)
            for share, count in SHARES.items()
        }
    return {"sizes_mib": _sizes(database), "searches": searches, "load_average_after": load_average()}


async def fill(server: TemporaryServer, judged: Judged, *, passages: int, per_document: int) -> dict[str, Any]:
    """Fill an index, and tell how fast it took passages."""
    composing = partial(composed, judged, vectors(judged.texts))
    database = TemporaryDatabase(server.template, server.login)
    async with opened(database) as worker:
        rates = await _fill(database, worker, composing, passages=passages, per_document=per_document)
    _vacuum(database)
    return {
        "passages": passages,
        "per_document": per_document,
        "rates": {name: round(rate) for name, rate in rates.items()},
    }


async def _fill(
    database: TemporaryDatabase,
    worker: Database,
    composing: Callable[..., Iterator[Embedded]],
    *,
    passages: int,
    per_document: int,
) -> dict[str, float]:
    """Put all passages. The last twentieth is timed with the index of vectors in place."""
    index, timed = PostgresIndex(Offloader()), passages // 20
    source = composing(count=passages, seed=SEED)
    own = await scopes(worker, index, tenant=WORDS_ONLY)
    words = composing(count=timed, seed=SEED + 1)
    only = await load(worker, index, words, tenant=WORDS_ONLY, scopes=own, per_document=per_document, has_vectors=False)
    own = await scopes(worker, index, tenant=TENANT)
    with _without_vector_index(database):
        bulk = islice(source, passages - timed)
        first = await load(worker, index, bulk, tenant=TENANT, scopes=own, per_document=per_document)
    rest = await load(
        worker, index, source, tenant=TENANT, scopes=own, per_document=per_document, after=first.documents
    )
    rates = {
        "put, words only": only.passages / only.put_s,
        "put, words only, in a second of CPU": only.passages / only.put_cpu_s,
        "put, into the full index": rest.passages / rest.put_s,
        "put, into the full index, in a second of CPU": rest.passages / rest.put_cpu_s,
        "terms of passages": first.passages / first.terms_s,
    }
    print(rates, file=sys.stderr, flush=True)
    return rates


@contextmanager
def _without_vector_index(database: TemporaryDatabase) -> Generator[None]:
    """Drop the index of vectors, and build it at the end of the block: at once, it is built in a tenth of the time."""
    with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
        row = connection.execute("SELECT pg_get_indexdef('knowledge.passages_by_meaning'::regclass)").fetchone()
        connection.execute("DROP INDEX knowledge.passages_by_meaning")
        yield
        connection.execute("SET maintenance_work_mem = '1GB'")
        began_s = time.perf_counter()
        connection.execute(str(row[0] if row else "").encode())
        print(f"built the index of vectors in {time.perf_counter() - began_s:.0f} s", file=sys.stderr, flush=True)


async def _searches(
    worker: Database, queries: Sequence[tuple[dict[int, int], Any]], *, scopes: Sequence[int], rounds: int
) -> dict[str, Any]:
    tuned = Tuning()
    index = PostgresIndex(Offloader(), tuning=tuned)
    exact = PostgresIndex(Offloader(), tuning=replace(tuned, exact_below=sys.maxsize))
    told: dict[str, Any] = {}
    for leg in LEGS:
        asked = [
            Query(terms if leg.has_words else {}, vector if leg.has_meaning else None, scopes, _RECALLED)
            for terms, vector in queries
        ]
        for query in asked[:_WARM]:
            await _search(worker, index, query)
        used_s, took_ms = await _used_s(worker), list[float]()
        for query in asked * rounds:
            began_s = time.perf_counter()
            await _search(worker, index, query)
            took_ms.append((time.perf_counter() - began_s) * 1000)
        used_s = await _used_s(worker) - used_s
        recalls = [recall(await _search(worker, index, query), await _search(worker, exact, query)) for query in asked]
        told[leg.name] = {
            "p50_ms": round(float(np.percentile(took_ms, 50)), 1),
            "p99_ms": round(float(np.percentile(took_ms, 99)), 1),
            "cpu_ms": round(used_s * 1000 / len(took_ms), 1),
            "recall": round(float(np.mean(recalls)), 4),
        }
        print(f"{len(scopes)} scopes, {leg.name}: {told[leg.name]}", file=sys.stderr, flush=True)
    return told


async def _used_s(worker: Database) -> float:
    """Return the CPU time of this process and of its one server process."""
    return time.process_time() + await server_cpu_s(worker)


async def _search(worker: Database, index: PostgresIndex, query: Query) -> list[Found]:
    async with worker.transaction(tenant=TENANT) as tx:
        return await index.search(tx, query, tenant=TENANT)


def recall(found: Sequence[Found], exact: Sequence[Found]) -> float:
    """Return the part of the exact answer that was found."""
    wanted = {one.passage for one in exact}
    return len(wanted & {one.passage for one in found}) / max(1, len(wanted))


def _vacuum(database: TemporaryDatabase) -> None:
    """Do what autovacuum does after a while."""
    with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
        for table in ("passages", "bodies", "segments", "postings", "documents", "scopes"):
            connection.execute(f"VACUUM (ANALYZE) knowledge.{table}".encode())


def _sizes(database: TemporaryDatabase) -> dict[str, int]:
    with psycopg.connect(database.owner.conninfo) as connection:
        rows = connection.execute(
            "SELECT relname, pg_relation_size(oid) / 1048576 FROM pg_class"
            " WHERE relnamespace = 'knowledge'::regnamespace AND pg_relation_size(oid) > 1048576 ORDER BY 2 DESC"
        )
        return {str(name): int(size) for name, size in rows}
