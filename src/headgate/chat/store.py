"""Conversations in PostgreSQL. All texts arrive and leave sealed. Callers open a transaction for the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, cast

from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

MOST_TURNS = 2_000
"""The limit of turns in one conversation, all branches together."""

Role = Literal["user", "assistant"]
TurnState = Literal["whole", "stopped", "failed", "running"]
"""The state of a turn. One on its way is `running` and is no row of its own yet."""

_SQL = load_queries("headgate.chat")


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation.

    Args:
        key: its key in wrapped form.
        title, system: sealed.
        shown: the last turn of the branch that its person looked at.
        labels: the join over all turns, as text.
    """

    id: str
    person: str
    model: str
    use_case: str
    key: bytes = field(repr=False)
    title: bytes = field(repr=False)
    system: bytes | None = field(repr=False)
    shown: str | None
    labels: str
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A question or an answer; `body` is sealed."""

    id: str
    parent: str | None
    role: Role
    state: TurnState
    body: bytes = field(repr=False)
    record: str | None
    labels: str
    said_at: datetime


@dataclass(frozen=True, slots=True)
class AnsweringRow:
    """An answer on its way; `body` is sealed as that of the turn that it becomes."""

    id: str
    question: str
    body: bytes = field(repr=False)
    record: str | None
    labels: str
    begun_at: datetime
    written_at: datetime


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """A person who may read a conversation of somebody else."""

    reader: str
    shared_at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """A turn that a search found; for a title, `id` is the conversation's."""

    id: str
    conversation: str


class Before(NamedTuple):
    """The place in the list after which the next page begins."""

    changed_at: datetime
    id: str


async def add_conversation(tx: Transaction, row: ConversationRow, *, tenant: TenantId) -> None:
    """Store a new conversation."""
    values = {name: getattr(row, name) for name in ("id", "person", "model", "use_case", "key", "title", "system")}
    await tx.execute(
        _SQL["add_conversation"], {"tenant": tenant, **values, "labels": row.labels, "now": row.created_at}
    )


async def conversation(
    tx: Transaction, conversation_id: str, *, tenant: TenantId, for_change: bool = False
) -> ConversationRow | None:
    """Return a conversation of the tenant, or None. `for_change` locks it until the transaction ends."""
    query = _SQL["lock_conversation" if for_change else "get_conversation"]
    return await tx.row(query, {"tenant": tenant, "id": conversation_id}, of=ConversationRow)


async def conversations_of(tx: Transaction, ids: Sequence[str], *, tenant: TenantId) -> list[ConversationRow]:
    """Return conversations by their ids, in no order."""
    return await tx.rows(_SQL["conversations_of"], {"tenant": tenant, "ids": list(ids)}, of=ConversationRow)


async def list_conversations(
    tx: Transaction, person: str, *, tenant: TenantId, before: Before | None, limit: int
) -> list[ConversationRow]:
    """Return conversations of a person, newest first."""
    place = {"before": None, "before_id": ""} if before is None else {"before": before[0], "before_id": before[1]}
    params = {"tenant": tenant, "person": person, **place, "limit": limit}
    return await tx.rows(_SQL["list_conversations"], params, of=ConversationRow)


async def list_shared(tx: Transaction, reader: str, *, tenant: TenantId, limit: int) -> list[ConversationRow]:
    """Return the conversations that others share with a person, the latest share first."""
    params = {"tenant": tenant, "reader": reader, "limit": limit}
    return await tx.rows(_SQL["list_shared"], params, of=ConversationRow)


async def change_conversation(tx: Transaction, row: ConversationRow, *, tenant: TenantId) -> None:
    """Store a changed conversation."""
    names = ("id", "model", "use_case", "title", "system", "shown", "labels", "changed_at")
    await tx.execute(_SQL["change_conversation"], {"tenant": tenant, **{name: getattr(row, name) for name in names}})


async def show_branch(tx: Transaction, conversation_id: str, *, tenant: TenantId, shown: str) -> None:
    """Remember the branch that is shown."""
    await tx.execute(_SQL["show_branch"], {"tenant": tenant, "id": conversation_id, "shown": shown})


async def delete_conversation(tx: Transaction, conversation_id: str, *, tenant: TenantId) -> None:
    """Delete a conversation with its key, turns, readers and index."""
    await tx.execute(_SQL["delete_conversation"], {"tenant": tenant, "id": conversation_id})


async def add_turn(tx: Transaction, row: TurnRow, *, tenant: TenantId, conversation_id: str) -> None:
    """Store a turn."""
    names = ("id", "parent", "role", "state", "body", "record", "labels", "said_at")
    values = {name: getattr(row, name) for name in names}
    await tx.execute(_SQL["add_turn"], {"tenant": tenant, "conversation": conversation_id, **values})


async def count_turns(tx: Transaction, conversation_id: str, *, tenant: TenantId, but: str) -> int:
    """Return the number of turns of a conversation and of answers on their way, except the answer `but`."""
    params = {"tenant": tenant, "conversation": conversation_id, "but": but}
    return cast("int", await tx.value(_SQL["count_turns"], params))


async def turns_of(tx: Transaction, conversation_id: str, *, tenant: TenantId) -> list[TurnRow]:
    """Return all turns of a conversation, oldest first."""
    params = {"tenant": tenant, "conversation": conversation_id, "limit": MOST_TURNS}
    return await tx.rows(_SQL["turns_of"], params, of=TurnRow)


async def turns_found(tx: Transaction, hits: Sequence[Hit], *, tenant: TenantId) -> list[TurnRow]:
    """Return the turns that a search found, in no order."""
    params = {"tenant": tenant, "conversations": [hit.conversation for hit in hits], "ids": [hit.id for hit in hits]}
    return await tx.rows(_SQL["some_turns"], params, of=TurnRow)


async def put_entry(tx: Transaction, hit: Hit, words: Sequence[int], *, tenant: TenantId, person: str) -> None:
    """Index a turn or a title."""
    params = {"tenant": tenant, "person": person, "conversation": hit.conversation, "id": hit.id}
    await tx.execute(_SQL["put_entry"], {**params, "words": list(words)})


async def search(
    tx: Transaction, words: Sequence[int], *, tenant: TenantId, person: str, before: str | None, limit: int
) -> list[Hit]:
    """Return a person's turns and titles that have all these words, newest first.

    The transaction sees only entries with these words afterwards.
    """
    await tx.execute(_SQL["look_for"], {"words": "{" + ",".join(map(str, words)) + "}"})
    params = {"tenant": tenant, "person": person, "before": before, "limit": limit}
    return await tx.rows(_SQL["search"], params, of=Hit)


async def add_reader(tx: Transaction, conversation_id: str, reader: str, *, tenant: TenantId, now: datetime) -> None:
    """Share a conversation with a person. Idempotent."""
    params = {"tenant": tenant, "conversation": conversation_id, "reader": reader, "now": now}
    await tx.execute(_SQL["add_reader"], params)


async def remove_reader(tx: Transaction, conversation_id: str, reader: str, *, tenant: TenantId) -> None:
    """Stop sharing a conversation with a person. Idempotent."""
    params = {"tenant": tenant, "conversation": conversation_id, "reader": reader}
    await tx.execute(_SQL["remove_reader"], params)


async def readers_of(tx: Transaction, conversation_id: str, *, tenant: TenantId) -> list[ReaderRow]:
    """Return the people with whom a conversation is shared."""
    params = {"tenant": tenant, "conversation": conversation_id}
    return await tx.rows(_SQL["readers_of"], params, of=ReaderRow)


async def begin_answer(tx: Transaction, row: AnsweringRow, *, tenant: TenantId, conversation_id: str) -> None:
    """Store an answer that begins."""
    params = {"tenant": tenant, "conversation": conversation_id, "id": row.id, "question": row.question}
    await tx.execute(_SQL["begin_answer"], {**params, "body": row.body, "labels": row.labels, "now": row.begun_at})


async def write_answer(tx: Transaction, row: AnsweringRow, *, tenant: TenantId, conversation_id: str) -> bool | None:
    """Store how far an answer came. Return whether it was asked to stop, or None if its conversation is gone."""
    params = {"tenant": tenant, "conversation": conversation_id, "id": row.id, "body": row.body}
    more = {"record": row.record, "labels": row.labels, "now": row.written_at}
    return cast("bool | None", await tx.value(_SQL["write_answer"], {**params, **more}))


async def answers_of(tx: Transaction, conversation_id: str, *, tenant: TenantId) -> list[AnsweringRow]:
    """Return the answers on their way in a conversation."""
    params = {"tenant": tenant, "conversation": conversation_id}
    return await tx.rows(_SQL["answers_of"], params, of=AnsweringRow)


async def stop_answers(tx: Transaction, conversation_id: str, *, tenant: TenantId) -> None:
    """Ask the answers on their way in a conversation to stop."""
    await tx.execute(_SQL["stop_answers"], {"tenant": tenant, "conversation": conversation_id})


async def end_answer(tx: Transaction, conversation_id: str, answer_id: str, *, tenant: TenantId) -> None:
    """Remove an answer that is over from those on their way. Idempotent."""
    await tx.execute(_SQL["end_answer"], {"tenant": tenant, "conversation": conversation_id, "id": answer_id})


async def conversation_of_record(tx: Transaction, record: str, *, tenant: TenantId, person: str) -> str | None:
    """Return the id of a person's own conversation that has an answer with this record, or None."""
    params = {"tenant": tenant, "person": person, "record": record}
    return cast("str | None", await tx.value(_SQL["conversation_of_record"], params))
