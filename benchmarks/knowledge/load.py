"""A hundred thousand passages with access sets, as an organisation has them: built from a seed and real texts."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.knowledge.vaswani import Judged, Vectors
from headgate.kernel.identity import TenantId
from headgate.knowledge.index import IndexedPassage
from headgate.knowledge.postgres_index import PostgresIndex
from headgate.knowledge.terms import Terms
from headgate.substrate.database import Database, PoolLimits, Transaction
from headgate.testing.postgres import TemporaryDatabase

TERMS = Terms(b"benchmark of the index" * 2)
SCOPES = 100
"""Access sets; the documents are spread evenly over them."""

_ABSTRACTS = 4
"""Of the collection, in one passage: some 120 words."""
_BODY = 1_200
"""Bytes of a sealed body."""
_NOISE = 0.6


Embedded = tuple[str, Vectors]
"""A text and its vector `(384,)`."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What putting some passages took.

    Args:
        documents: how many there are now.
        terms_s: making terms of their texts.
        put_s: putting them into the index, with the commits.
        put_cpu_s: the CPU time of both processes for that.
    """

    passages: int
    documents: int
    terms_s: float
    put_s: float
    put_cpu_s: float


@asynccontextmanager
async def opened(database: TemporaryDatabase) -> AsyncGenerator[Database]:
    """Open a database as a worker does, with one connection."""
    async with Database(database.login["headgate_app"], limits=PoolLimits(size=1, statement_s=120)) as worker:
        yield worker


async def scopes(worker: Database, index: PostgresIndex, *, tenant: TenantId) -> list[int]:
    """Make the access sets."""
    async with worker.transaction(tenant=tenant) as tx:
        readers = [[f"group:{number:03}"] for number in range(SCOPES)]
        return [await index.scope_of(tx, "c", readers=one, labels="internal", tenant=tenant) for one in readers]


def composed(judged: Judged, vectors: Vectors, *, count: int, seed: int) -> Iterator[Embedded]:
    """Yield texts of several abstracts, with vectors about the middle of theirs."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    for _ in range(count):
        places = rng.sample(range(len(judged.texts)), _ABSTRACTS)
        vector: Vectors = vectors[places].mean(axis=0)
        vector += noise.standard_normal(vector.shape).astype(np.float32) * (_NOISE * np.linalg.norm(vector) / 384**0.5)
        yield " ".join(judged.texts[place] for place in places), (vector / np.linalg.norm(vector)).astype(np.float32)


async def load(
    worker: Database,
    index: PostgresIndex,
    source: Iterator[Embedded],
    *,
    tenant: TenantId,
    scopes: Sequence[int],
    per_document: int,
    has_vectors: bool = True,
    after: int = 0,
) -> Loaded:
    """Put passages into the index, document by document, each in a transaction of its own.

    Args:
        after: how many documents there are.
    """
    count, terms_s, put_s, put_cpu_s, number = 0, 0.0, 0.0, -await server_cpu_s(worker), after
    body = random.Random(1).randbytes(_BODY)
    while some := list(islice(source, per_document)):
        began_s = time.perf_counter()
        counted = [TERMS.count(text, languages=("en",)) for text, _ in some]
        terms_s += time.perf_counter() - began_s
        scope = scopes[number % len(scopes)]
        passages = [
            IndexedPassage(place, scope, body, sum(terms.values()), terms, vector if has_vectors else None)
            for place, (terms, (_, vector)) in enumerate(zip(counted, some, strict=True))
        ]
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        async with worker.transaction(tenant=tenant) as tx:
            await _add_document(tx, f"{tenant}-{number:026}", tenant=tenant)
            await index.put(tx, f"{tenant}-{number:026}", passages, tenant=tenant)
        put_s += time.perf_counter() - began_s
        put_cpu_s += time.process_time() - began_cpu_s
        count, number = count + len(some), number + 1
    return Loaded(count, number, terms_s, put_s, put_cpu_s + await server_cpu_s(worker))


async def server_cpu_s(worker: Database) -> float:
    """Return the CPU time of the one server process of a worker."""
    async with worker.transaction(tenant=None) as tx:
        return _ran_s(str(await tx.value("SELECT pg_backend_pid()")))


def _ran_s(pid: str) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


async def _add_document(tx: Transaction, document: str, *, tenant: TenantId) -> None:
    await tx.execute(
        "INSERT INTO knowledge.documents (tenant, id, collection, ref, key, facts, media_type, size_bytes, digest,"
        " readers, given, floor, labels, state, added_by, as_of, created_at, changed_at)"
        " VALUES (%(tenant)s, %(id)s, 'c', %(ref)s, '', '', 'text/plain', 1, '', '{*}', 'internal',"
        " 'internal', 'internal', 'ready', 'p_1', %(now)s, %(now)s, %(now)s)",
        {"tenant": tenant, "id": document, "ref": document.encode(), "now": datetime.now(UTC)},
    )
