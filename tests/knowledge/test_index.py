"""The index finds passages by words and by meaning, and nothing that the asker may not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from headgate.kernel.identity import TenantId
from headgate.kernel.offload import Offloader
from headgate.knowledge.index import Found, IndexedPassage, Query, Vector
from headgate.knowledge.postgres_index import PostgresIndex, Tuning
from headgate.knowledge.terms import Terms
from headgate.substrate.database import Database, Transaction

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
TERMS = Terms(b"k" * 32)
DIMENSIONS = 384


def axis(number: int, *, lean: float = 0.0) -> Vector:
    """A unit vector along an axis, that leans towards the next one."""
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[number], vector[number + 1] = 1.0, lean
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass(slots=True)
class Shelf:
    """Documents of a tenant in the index, with short ways to put and find them."""

    database: Database
    tenant: TenantId = ACME
    index: PostgresIndex = field(default_factory=lambda: PostgresIndex(Offloader()))

    async def scope(self, *readers: str, labels: str = "internal") -> int:
        async with self.database.transaction(tenant=self.tenant) as tx:
            return await self.index.scope_of(tx, "manuals", readers=readers, labels=labels, tenant=self.tenant)

    async def put(self, document: str, *texts: str, scope: int, vectors: Sequence[Vector | None] | None = None) -> None:
        given = vectors or [None] * len(texts)
        passages = [
            passage(number, text, scope=scope, vector=vector)
            for number, (text, vector) in enumerate(zip(texts, given, strict=True))
        ]
        async with self.database.transaction(tenant=self.tenant) as tx:
            await add_document(tx, document, tenant=self.tenant)
            await self.index.put(tx, document, passages, tenant=self.tenant)

    async def find(
        self, question: str = "", *, scopes: Sequence[int], vector: Vector | None = None, limit: int = 10
    ) -> list[Found]:
        query = Query(TERMS.count(question, languages=("en",)), vector, scopes, limit)
        async with self.database.transaction(tenant=self.tenant) as tx:
            return await self.index.search(tx, query, tenant=self.tenant)

    async def documents(self, question: str = "", *, scopes: Sequence[int], vector: Vector | None = None) -> list[str]:
        return [one.document for one in await self.find(question, scopes=scopes, vector=vector)]


def passage(number: int, text: str, *, scope: int, vector: Vector | None = None) -> IndexedPassage:
    terms = TERMS.count(text, languages=("en",))
    return IndexedPassage(number, scope, text.encode(), sum(terms.values()), terms, vector)


async def add_document(tx: Transaction, document: str, *, tenant: TenantId) -> None:
    await tx.execute(
        "INSERT INTO knowledge.documents (tenant, id, collection, ref, key, facts, media_type, size_bytes, digest,"
        " readers, given, floor, labels, state, added_by, as_of, created_at, changed_at)"
        " VALUES (%(tenant)s, %(id)s, 'manuals', %(ref)s, '', '', 'text/plain', 1, '', '{*}', 'internal',"
        " 'internal', 'internal', 'ready', 'p_1', %(now)s, %(now)s, %(now)s) ON CONFLICT (tenant, id) DO NOTHING",
        {"tenant": tenant, "id": document, "ref": document.encode(), "now": datetime(2026, 1, 1, tzinfo=UTC)},
    )


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


async def test_a_search_ranks_by_words_by_meaning_and_by_both(shelf: Shelf) -> None:
    everyone = await shelf.scope("*")
    await shelf.put("pumps", "The pump needs oil.", scope=everyone, vectors=[axis(0)])
    await shelf.put("valves", "Valves regulate the pressure of pumps.", scope=everyone, vectors=[axis(2)])
    await shelf.put("lunch", "The canteen opens at noon.", scope=everyone, vectors=[axis(0, lean=0.4)])

    assert await shelf.documents("pumping oil", scopes=[everyone]) == ["pumps", "valves"]
    assert await shelf.documents(vector=axis(0, lean=0.5), scopes=[everyone]) == ["lunch", "pumps", "valves"]
    first, *_ = both = await shelf.find("oil", vector=axis(0, lean=0.1), scopes=[everyone])
    assert (first.document, first.number, first.word_rank, first.meaning_rank) == ("pumps", 0, 1, 1)
    assert {one.document: one.word_rank for one in both} == {"pumps": 1, "valves": None, "lunch": None}


async def test_identifiers_are_found_as_wholes_and_by_their_parts(shelf: Shelf) -> None:
    everyone = await shelf.scope("*")
    await shelf.put("iso", "Certified under ISO-27001.", scope=everyone)
    await shelf.put("loose", "ISO published it; 27001 came later in the long list of standards.", scope=everyone)

    assert await shelf.documents("iso-27001", scopes=[everyone]) == ["iso", "loose"]
    assert await shelf.documents("27001", scopes=[everyone]) == ["iso", "loose"]


async def test_readers_and_labels_filter_both_legs_and_no_score_tells_of_others(shelf: Shelf) -> None:
    ana, bob = await shelf.scope("p_ana"), await shelf.scope("p_bob")
    secret = await shelf.scope("p_ana", labels="restricted")
    await shelf.put("anas", "The merger of the north.", "Lunch is at noon.", scope=ana, vectors=[axis(0), axis(4)])
    before = await shelf.find("merger", vector=axis(0), scopes=[ana])
    await shelf.put("bobs", *["The merger of the south."] * 3, scope=bob, vectors=[axis(0)] * 3)
    await shelf.put("secrets", "The secret merger.", scope=secret, vectors=[axis(0)])

    assert await shelf.find("merger", vector=axis(0), scopes=[ana]) == before
    assert {one.document for one in before} == {"anas"}
    assert set(await shelf.documents("merger", vector=axis(0), scopes=[ana, secret])) == {"anas", "secrets"}
    assert await shelf.find("merger", vector=axis(0), scopes=[]) == []


async def test_a_search_within_some_documents_counts_no_others(shelf: Shelf) -> None:
    everyone = await shelf.scope("*")
    texts, vectors = ("The merger.", "Lunch.", "Supper.", "Tea."), [axis(0), axis(2), axis(4), axis(6)]
    await shelf.put("plan", *texts, scope=everyone, vectors=vectors)
    query = Query(TERMS.count("merger lunch", languages=("en",)), axis(0), [everyone], 10)
    async with shelf.database.transaction(tenant=ACME) as tx:
        alone = await shelf.index.search(tx, query, tenant=ACME)
    await shelf.put("other", *["The merger of the south."] * 3, scope=everyone, vectors=[axis(0)] * 3)

    for index in (shelf.index, PostgresIndex(Offloader(), tuning=Tuning(every_term_below=0))):
        async with shelf.database.transaction(tenant=ACME) as tx:
            assert await index.search(tx, replace(query, documents=["plan"]), tenant=ACME) == alone


async def test_a_scope_is_made_once_and_forgotten_when_unused(shelf: Shelf) -> None:
    first = await shelf.scope("p_bob", "p_ana")
    assert await shelf.scope("p_ana", "p_bob", "p_ana") == first
    used = await shelf.scope("*")
    await shelf.put("used", "Words.", scope=used)

    async with shelf.database.transaction(tenant=ACME) as tx:
        assert await shelf.index.forget_unused_scopes(tx, tenant=ACME) == 1
        assert [one.id for one in await shelf.index.scopes(tx, ["manuals"], tenant=ACME)] == [used]


async def test_a_scope_that_an_open_transaction_is_about_to_use_is_not_forgotten(shelf: Shelf) -> None:
    database, index = shelf.database, shelf.index
    async with database.transaction(tenant=ACME) as tx:
        scope = await index.scope_of(tx, "manuals", readers=["*"], labels="internal", tenant=ACME)
    async with database.transaction(tenant=ACME) as tx:
        await index.scope_of(tx, "manuals", readers=["*"], labels="internal", tenant=ACME)
        async with database.transaction(tenant=ACME) as other:
            assert await index.forget_unused_scopes(other, tenant=ACME) == 0
        await add_document(tx, "late", tenant=ACME)
        await index.put(tx, "late", [passage(0, "Words.", scope=scope)], tenant=ACME)
    assert await shelf.documents("words", scopes=[scope]) == ["late"]


async def test_a_new_version_a_move_and_a_deletion_are_seen_at_once(shelf: Shelf) -> None:
    ana, bob = await shelf.scope("p_ana"), await shelf.scope("p_bob")
    await shelf.put("plan", "Alpha.", "Beta.", scope=ana, vectors=[axis(0), axis(2)])
    await shelf.put("plan", "Gamma.", scope=ana, vectors=[axis(4)])
    assert await shelf.documents("alpha beta", scopes=[ana]) == []
    [found] = await shelf.find("gamma", vector=axis(4), scopes=[ana])

    async with shelf.database.transaction(tenant=ACME) as tx:
        await shelf.index.move(tx, "plan", {ana: bob}, tenant=ACME)
    assert await shelf.documents("gamma", vector=axis(4), scopes=[ana]) == []
    assert await opened(shelf, found.passage, scopes=[ana]) == []
    assert await shelf.documents("gamma", scopes=[bob]) == ["plan"]
    assert await shelf.documents(vector=axis(4), scopes=[bob]) == ["plan"]
    assert await opened(shelf, found.passage, scopes=[bob]) == [b"Gamma."]

    async with shelf.database.transaction(tenant=ACME) as tx:
        await tx.execute("DELETE FROM knowledge.documents WHERE id = 'plan'")
    assert await shelf.documents("gamma", vector=axis(4), scopes=[bob]) == []
    assert await opened(shelf, found.passage, scopes=[bob]) == []
    async with shelf.database.transaction(tenant=ACME) as tx:
        assert await tx.value("SELECT count(*) FROM knowledge.postings") == 0


async def opened(shelf: Shelf, passage: int, *, scopes: Sequence[int]) -> list[bytes]:
    async with shelf.database.transaction(tenant=shelf.tenant) as tx:
        return [one.body for one in await shelf.index.open(tx, [passage], scopes, tenant=shelf.tenant)]


async def test_a_passage_that_moves_between_search_and_opening_is_not_opened(shelf: Shelf) -> None:
    ana, bob = await shelf.scope("p_ana"), await shelf.scope("p_bob")
    await shelf.put("plan", "Gamma.", scope=ana)
    async with shelf.database.transaction(tenant=ACME) as asking:
        query = Query(TERMS.count("gamma"), None, [ana], 10)
        [found] = await shelf.index.search(asking, query, tenant=ACME)
        async with shelf.database.transaction(tenant=ACME) as tx:
            await shelf.index.move(tx, "plan", {ana: bob}, tenant=ACME)
        assert await shelf.index.open(asking, [found.passage], [ana], tenant=ACME) == []


async def test_two_tenants_never_meet(shelf: Shelf) -> None:
    other = Shelf(shelf.database, GLOBEX, shelf.index)
    ours, theirs = await shelf.scope("*"), await other.scope("*")
    await shelf.put("ours", "The merger.", scope=ours, vectors=[axis(0)])
    await other.put("theirs", "The merger.", scope=theirs, vectors=[axis(0)])

    [found] = await other.find("merger", vector=axis(0), scopes=[ours, theirs])
    assert found.document == "theirs"
    assert await opened(shelf, found.passage, scopes=[ours, theirs]) == []


async def test_a_large_document_is_found_in_each_of_its_passages(shelf: Shelf) -> None:
    everyone = await shelf.scope("*")
    await shelf.put("book", *[f"Chapter about topic{number}." for number in range(1500)], scope=everyone)

    for number in (0, 63, 64, 1023, 1024, 1499):
        assert [one.number for one in await shelf.find(f"topic{number}", scopes=[everyone])] == [number]
    assert len(await shelf.find("chapter", scopes=[everyone], limit=1500)) == 1500


async def test_among_many_passages_frequent_words_count_only_where_no_others_are(shelf: Shelf) -> None:
    shelf.index = PostgresIndex(Offloader(), tuning=Tuning(every_term_below=0))
    everyone = await shelf.scope("*")
    await shelf.put("book", *[f"The topic{number} of the day." for number in range(9)], scope=everyone)

    assert [one.number for one in await shelf.find("the topic4", scopes=[everyone])] == [4]
    assert len(await shelf.find("of the day", scopes=[everyone])) == 9
    assert await shelf.find("nowhere", scopes=[everyone]) == []


async def test_a_narrow_access_gets_all_its_rows_from_the_index_of_vectors(shelf: Shelf) -> None:
    """With one passage in a hundred readable, HNSW alone finds too few."""
    shelf.index = PostgresIndex(Offloader(), tuning=Tuning(exact_below=0, ef_search=40))
    many, few = await shelf.scope("*"), await shelf.scope("p_ana")
    vectors = np.random.default_rng(7).standard_normal((2000, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    await shelf.put("many", *["x"] * 1980, scope=many, vectors=list(vectors[20:]))
    await shelf.put("few", *["x"] * 20, scope=few, vectors=list(vectors[:20]))
    asked = vectors[1000]

    found = await shelf.find(vector=asked, scopes=[few], limit=20)
    assert [one.number for one in found] == np.argsort(-(vectors[:20] @ asked)).tolist()
    assert len(await nearest(shelf, asked, few, scans="off")) < 20
    assert len(await nearest(shelf, asked, few, scans="relaxed_order")) == 20


async def nearest(shelf: Shelf, vector: Vector, scope: int, *, scans: str) -> list[_Id]:
    """The answer of the plain query by the index of vectors."""
    async with shelf.database.transaction(tenant=ACME) as tx:
        await tx.value("SELECT set_config('hnsw.iterative_scan', %s, true)", (scans,))
        await tx.execute("SET LOCAL enable_sort = off")
        return await tx.rows(
            "SELECT id FROM knowledge.passages WHERE scope = %(scope)s"
            " ORDER BY embedding <=> %(vector)s::real[]::halfvec LIMIT 20",
            {"scope": scope, "vector": vector.tolist()},
            of=_Id,
        )


@dataclass(frozen=True, slots=True)
class _Id:
    id: int


async def test_a_search_is_planned_for_its_own_scopes_each_time(shelf: Shelf) -> None:
    """A generic plan would be made once a statement was prepared, after some searches on a connection."""
    everyone = await shelf.scope("*")
    await shelf.put("pumps", "The pump needs oil.", scope=everyone, vectors=[axis(0)])
    query = Query(TERMS.count("oil"), axis(0), [everyone], 10)
    async with shelf.database.transaction(tenant=ACME) as tx:
        for _ in range(20):
            await shelf.index.search(tx, query, tenant=ACME)
        planned = (
            "SELECT coalesce(sum({}), 0) FROM pg_prepared_statements"
            " WHERE statement ~ 'FROM knowledge.(postings|passages|segments)'"
        )
        assert int(str(await tx.value(planned.format("custom_plans")))) > 20  # pyright: ignore[reportArgumentType] - SQL put together here
        assert await tx.value(planned.format("generic_plans")) == 0  # pyright: ignore[reportArgumentType] - SQL put together here
