"""Kept answers of programs in PostgreSQL. Their bodies arrive and leave sealed. Callers open a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

MOST_ANSWERS = 1_000
"""The limit of answers in one thread."""

_SQL = load_queries("headgate.chat")


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A kept answer; `key` is wrapped, and `body` is sealed under it."""

    id: str
    previous: str | None
    key: bytes = field(repr=False)
    body: bytes = field(repr=False)
    labels: str
    floor: str


async def keep_answer(
    tx: Transaction, row: AnswerRow, *, tenant: TenantId, owner: str, now: datetime, expires_at: datetime
) -> None:
    """Store an answer."""
    values = {name: getattr(row, name) for name in ("id", "previous", "key", "body", "labels", "floor")}
    times = {"now": now, "expires_at": expires_at}
    await tx.execute(_SQL["keep_answer"], {"tenant": tenant, "owner": owner, **values, **times})


async def keep_items(tx: Transaction, answer_id: str, items: Sequence[str], *, tenant: TenantId) -> None:
    """Store the ids of an answer's items."""
    await tx.execute(_SQL["keep_answer_items"], {"tenant": tenant, "answer": answer_id, "items": list(items)})


async def answers_with(
    tx: Transaction, items: Sequence[str], *, answers: Sequence[str], tenant: TenantId, owner: str, now: datetime
) -> list[AnswerRow]:
    """Return the answers that have these items, and those with these ids, at most `MOST_ANSWERS`."""
    params = {"tenant": tenant, "owner": owner, "items": list(items), "answers": list(answers), "now": now}
    return await tx.rows(_SQL["answers_with"], {**params, "limit": MOST_ANSWERS}, of=AnswerRow)


async def thread_of(tx: Transaction, answer_id: str, *, tenant: TenantId, owner: str, now: datetime) -> list[AnswerRow]:
    """Return an answer and those that it continues, oldest first, at most `MOST_ANSWERS`."""
    params = {"tenant": tenant, "id": answer_id, "owner": owner, "now": now, "limit": MOST_ANSWERS}
    return await tx.rows(_SQL["thread_of"], params, of=AnswerRow)


async def extend_answers(tx: Transaction, ids: Sequence[str], *, tenant: TenantId, expires_at: datetime) -> None:
    """Let answers expire at a later time."""
    await tx.execute(_SQL["extend_answers"], {"tenant": tenant, "ids": list(ids), "expires_at": expires_at})


async def forget_answer(tx: Transaction, answer_id: str, *, tenant: TenantId, owner: str) -> bool:
    """Delete an answer with its key; return whether it was there."""
    return await tx.execute(_SQL["forget_answer"], {"tenant": tenant, "id": answer_id, "owner": owner}) > 0


async def forget_old_answers(tx: Transaction, *, tenant: TenantId, now: datetime) -> None:
    """Delete the answers that have expired."""
    await tx.execute(_SQL["forget_old_answers"], {"tenant": tenant, "now": now})


async def erase_answers(tx: Transaction, *, tenant: TenantId, before: datetime) -> int:
    """Delete the answers that were kept before a time; return their number."""
    return await tx.execute(_SQL["erase_answers"], {"tenant": tenant, "before": before})
