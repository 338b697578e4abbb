"""Views of collections, documents, passages and answers for the admin API."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from headgate.admin.register import Register
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import Labels
from headgate.knowledge.bodies import (
    AskAnswer,
    BoxView,
    CollectionView,
    DocumentView,
    FoundView,
    PassageView,
    SearchAnswer,
    SentenceView,
    SourceView,
)
from headgate.knowledge.documents import DocumentFacts
from headgate.knowledge.passages import Passage
from headgate.knowledge.payloads import Answer, Found, FoundPassage
from headgate.knowledge.service import SeenCollection
from headgate.knowledge.specs import Collection, Source
from headgate.knowledge.store import DocumentRow, SyncRow


def collection_view(seen: SeenCollection, *, register: Register, tenant: TenantId, can_keep: bool) -> CollectionView:
    """Return the view of a collection."""
    one, standing = seen.collection, seen.standing
    everybody = register.everybody(tenant)

    def name_of(principal: str) -> str:
        known = everybody.get(principal)
        return known.title if known is not None else principal

    return CollectionView(
        id=one.id,
        title=one.name,
        purpose=one.purpose,
        owner=one.owner,
        owner_name=name_of(one.owner),
        readers=list(one.readers),
        experts=list(one.experts),
        expert_names=[name_of(expert) for expert in one.experts],
        labels=str(one.floor),
        shelf_life_days=one.shelf_life_days,
        model=one.model,
        documents=standing.documents if standing is not None else 0,
        passages=standing.passages if standing is not None else 0,
        waiting=standing.waiting if standing is not None else 0,
        failed=standing.failed if standing is not None else 0,
        size_bytes=standing.size_bytes if standing is not None else 0,
        oldest=standing.oldest if standing is not None else None,
        changed_at=standing.changed_at if standing is not None else None,
        sources=[source_view(source, sync, is_kept=seen.is_kept) for source, sync in seen.sources],
        can_keep=can_keep,
        can_ask=seen.is_reader,
    )


def document_view(row: DocumentRow, facts: DocumentFacts, collection: Collection, *, now: datetime) -> DocumentView:
    """Return the view of a document."""
    return DocumentView(
        id=row.id,
        collection=row.collection,
        source=row.source,
        name=facts.name,
        title=facts.shown,
        url=facts.url or None,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        state=row.state,
        stage=row.stage,
        fault=row.fault,
        pages=row.pages,
        passages=row.passages,
        language=row.language,
        labels=row.labels,
        readers=row.readers,
        added_by=row.added_by,
        as_of=row.as_of,
        created_at=row.created_at,
        changed_at=row.changed_at,
        is_stale=_is_stale(row.as_of, collection, now),
    )


def passage_view(number: int, passage: Passage) -> PassageView:
    """Return the view of a passage."""
    boxes = [
        BoxView(page=box.page, left=box.left, top=box.top, right=box.right, bottom=box.bottom) for box in passage.boxes
    ]
    return PassageView(
        number=number, text=passage.text, headings=list(passage.headings), boxes=boxes, part=passage.part
    )


def search_answer(found: Found, collections: dict[str, Collection], *, now: datetime, record: RecordId) -> SearchAnswer:
    """Return the view of a search."""
    passages = [
        _found(one, collections[one.collection], now) for one in found.passages if one.collection in collections
    ]
    return SearchAnswer(passages=passages, legs=list(found.legs), record=record)


def ask_answer(
    answer: Answer, collections: dict[str, Collection], *, now: datetime, record: RecordId, labels: Labels
) -> AskAnswer:
    """Return the view of an answer."""
    passages = answer.found.passages
    cited = {index for sentence in answer.sentences for index in sentence.cites}
    return AskAnswer(
        sentences=[SentenceView(text=one.text, cites=list(one.cites)) for one in answer.sentences],
        passages=[_found(one, collections[one.collection], now) for one in passages],
        is_quoted=answer.is_quoted,
        why=answer.why,
        removed=answer.removed,
        model=answer.model,
        oldest=min((passages[index].as_of for index in cited), default=None),
        confidence=None,
        labels=str(labels),
        record=record,
    )


def _found(one: FoundPassage, collection: Collection, now: datetime) -> FoundView:
    return FoundView(
        document=one.document,
        title=one.title,
        name=one.name,
        collection=one.collection,
        collection_title=collection.name,
        source=one.source,
        passage=passage_view(one.number, one.passage),
        score=round(one.score, 4),
        as_of=one.as_of,
        is_stale=_is_stale(one.as_of, collection, now),
        labels=one.labels,
    )


def source_view(source: Source, sync: SyncRow | None, *, is_kept: bool) -> SourceView:
    """Return the view of a source. Readers learn that it fails, and not why or how much it has."""
    if sync is not None and not is_kept:
        fault = "it cannot be read at the moment" if sync.fault else ""
        sync = replace(sync, fault=fault, found=0, changed=0, removed=0, failed=0)
    return SourceView(
        id=source.id,
        collection=source.collection,
        kind=source.kind,
        every_minutes=source.every_minutes,
        round=sync.round if sync is not None else 0,
        begun_at=sync.begun_at if sync is not None else None,
        ended_at=sync.ended_at if sync is not None else None,
        due_at=sync.due_at if sync is not None else None,
        fault=sync.fault if sync is not None else "",
        found=sync.found if sync is not None else 0,
        changed=sync.changed if sync is not None else 0,
        removed=sync.removed if sync is not None else 0,
        failed=sync.failed if sync is not None else 0,
    )


def _is_stale(as_of: datetime, collection: Collection, now: datetime) -> bool:
    return collection.shelf_life_days is not None and as_of < now - timedelta(days=collection.shelf_life_days)
