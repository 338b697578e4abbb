"""The store of questions to experts and of ratings. Texts arrive and leave sealed. Callers open a transaction."""

from __future__ import annotations

from collections.abc import Collection as Many
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.knowledge", file="questions.sql")

QuestionState = Literal["open", "answered", "closed"]


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question that was handed to experts; `key` is wrapped, and the texts are sealed under it.

    Args:
        record: of the answer that did not do, or None.
        expert: who ended it.
        document: the document that its reply became.
    """

    id: str
    collection: str
    asker: str
    key: bytes = field(repr=False)
    text: bytes = field(repr=False)
    reply: bytes | None = field(repr=False)
    labels: str
    state: QuestionState
    record: str | None
    expert: str | None
    document: str | None
    asked_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ratings:
    """How many answers people called right and wrong."""

    right: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Quality:
    """A collection in numbers. `stale` counts ready documents that are older than its shelf life."""

    documents: int
    stale: int
    failed: int
    open_questions: int
    answered_questions: int


@dataclass(frozen=True, slots=True)
class Readable:
    """Ready documents of a collection with equal labels: all of them, and those with a reader among some entries."""

    collection: str
    labels: str
    documents: int
    readable: int


async def add(tx: Transaction, row: QuestionRow, *, tenant: TenantId) -> None:
    """Store an open question."""
    values = {name: getattr(row, name) for name in QuestionRow.__slots__}
    await tx.execute(_SQL["add"], {"tenant": tenant, **values})


async def question(tx: Transaction, question_id: str, *, tenant: TenantId) -> QuestionRow | None:
    """Return a question, locked, or None."""
    return await tx.row(_SQL["question"], {"tenant": tenant, "id": question_id}, of=QuestionRow)


async def questions(
    tx: Transaction,
    *,
    tenant: TenantId,
    collections: Many[str],
    asker: str | None,
    limit: int,
    state: str | None = None,
    before: str | None = None,
) -> list[QuestionRow]:
    """Return a page of the questions to some collections and of those of one asker, if any, newest first."""
    params = {"tenant": tenant, "collections": sorted(collections), "asker": asker}
    params |= {"state": state, "before": before, "limit": limit}
    return await tx.rows(_SQL["questions"], params, of=QuestionRow)


async def count_open(tx: Transaction, asker: str, *, tenant: TenantId) -> int:
    """Return how many questions of an asker are open."""
    return int(str(await tx.value(_SQL["count_open"], {"tenant": tenant, "asker": asker})))


async def end(
    tx: Transaction,
    question_id: str,
    state: QuestionState,
    *,
    tenant: TenantId,
    now: datetime,
    expert: str,
    labels: str,
    reply: bytes | None = None,
    document: str | None = None,
) -> bool:
    """End an open question. Return False if somebody else has ended it."""
    params = {"tenant": tenant, "id": question_id, "state": state, "now": now, "expert": expert}
    params |= {"labels": labels, "reply": reply, "document": document}
    return await tx.execute(_SQL["end"], params) > 0


async def rate(
    tx: Transaction, record: str, *, tenant: TenantId, rater: str, collections: Many[str], is_right: bool, now: datetime
) -> None:
    """Note what somebody says about an answer. A later word of theirs replaces it."""
    params = {"tenant": tenant, "record": record, "rater": rater, "collections": sorted(collections)}
    await tx.execute(_SQL["rate"], {**params, "is_right": is_right, "now": now})


async def ratings(tx: Transaction, collection: str, *, tenant: TenantId, since: datetime) -> Ratings:
    """Return what people said about answers from a collection."""
    found = await tx.row(_SQL["ratings"], {"tenant": tenant, "collection": collection, "since": since}, of=Ratings)
    return found or Ratings(0, 0)


async def quality(
    tx: Transaction, collection: str, *, tenant: TenantId, since: datetime, stale_before: datetime | None
) -> Quality:
    """Return a collection in numbers.

    Args:
        since: the begin of the period in which answered questions count.
        stale_before: documents of an earlier time are stale; None if none goes stale.
    """
    params = {"tenant": tenant, "collection": collection, "since": since, "stale_before": stale_before}
    return await tx.row(_SQL["quality"], params, of=Quality) or Quality(0, 0, 0, 0, 0)


async def readable(tx: Transaction, entries: Many[str], *, tenant: TenantId) -> list[Readable]:
    """Return how many documents of each collection somebody with these entries finds by their readers."""
    return await tx.rows(_SQL["readable"], {"tenant": tenant, "entries": sorted(entries)}, of=Readable)
