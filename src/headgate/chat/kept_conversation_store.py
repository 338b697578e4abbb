"""Conversations of programs in PostgreSQL. Their text arrives and leaves sealed. Callers open a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

MOST_ITEMS = 50_000
"""The limit of items in one conversation, as of those in one call."""

_SQL = load_queries("headgate.chat")


@dataclass(frozen=True, slots=True)
class ConversationState:
    """A conversation without its items; `key` is wrapped, and `metadata` is sealed under it."""

    id: str
    key: bytes = field(repr=False)
    metadata: bytes = field(repr=False)
    labels: str
    floor: str
    next: int
    size_bytes: int
    holder: str | None
    held_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item; its body is sealed under the conversation's key."""

    id: str
    body: bytes = field(repr=False)


async def add_conversation(
    tx: Transaction, state: ConversationState, *, tenant: TenantId, owner: str, expires_at: datetime
) -> None:
    """Store a new conversation."""
    names = ("id", "key", "metadata", "labels", "floor", "created_at")
    values = {name: getattr(state, name) for name in names}
    params = {"tenant": tenant, "owner": owner, "expires_at": expires_at, **values}
    await tx.execute(_SQL["add_kept_conversation"], params)


async def find_conversation(
    tx: Transaction, conversation_id: str, *, tenant: TenantId, owner: str, now: datetime, is_locked: bool = False
) -> ConversationState | None:
    """Return a conversation, locked until the transaction ends if asked for."""
    params = {"tenant": tenant, "id": conversation_id, "owner": owner, "now": now}
    query = _SQL["lock_kept_conversation" if is_locked else "find_kept_conversation"]
    return await tx.row(query, params, of=ConversationState)


async def change_conversation(
    tx: Transaction, state: ConversationState, *, tenant: TenantId, expires_at: datetime
) -> None:
    """Store a changed conversation."""
    names = ("id", "metadata", "labels", "floor", "next", "size_bytes")
    values = {name: getattr(state, name) for name in names}
    await tx.execute(_SQL["change_kept_conversation"], {"tenant": tenant, "expires_at": expires_at, **values})


async def hold_conversation(
    tx: Transaction,
    conversation_id: str,
    *,
    tenant: TenantId,
    owner: str,
    holder: str,
    now: datetime,
    until: datetime,
    expires_at: datetime,
) -> bool:
    """Let a holder have a conversation that nobody holds; return whether it has it now."""
    params = {"tenant": tenant, "id": conversation_id, "owner": owner, "holder": holder, "now": now}
    return await tx.execute(_SQL["hold_kept_conversation"], {**params, "until": until, "expires_at": expires_at}) > 0


async def hold_on(tx: Transaction, holders: Sequence[str], *, tenant: TenantId, until: datetime) -> None:
    """Prolong the time of holders."""
    await tx.execute(_SQL["hold_on"], {"tenant": tenant, "holders": list(holders), "until": until})


async def release_conversation(tx: Transaction, conversation_id: str, *, tenant: TenantId, holder: str) -> None:
    """End the time of a holder."""
    params = {"tenant": tenant, "id": conversation_id, "holder": holder}
    await tx.execute(_SQL["release_kept_conversation"], params)


async def forget_conversation(tx: Transaction, conversation_id: str, *, tenant: TenantId, owner: str) -> bool:
    """Delete a conversation with its key and items; return whether it was there."""
    params = {"tenant": tenant, "id": conversation_id, "owner": owner}
    return await tx.execute(_SQL["forget_kept_conversation"], params) > 0


async def forget_old_conversations(tx: Transaction, *, tenant: TenantId, now: datetime) -> None:
    """Delete the conversations that have expired."""
    await tx.execute(_SQL["forget_old_conversations"], {"tenant": tenant, "now": now})


async def add_items(
    tx: Transaction, conversation_id: str, items: Sequence[ItemRow], *, tenant: TenantId, place: int, now: datetime
) -> None:
    """Store items from a place on, without those whose id is there already."""
    params = {
        "tenant": tenant,
        "conversation": conversation_id,
        "place": place,
        "ids": [item.id for item in items],
        "bodies": [item.body for item in items],
        "now": now,
    }
    await tx.execute(_SQL["add_kept_items"], params)


async def items_of(tx: Transaction, conversation_id: str, *, tenant: TenantId) -> list[ItemRow]:
    """Return the items of a conversation in order, at most `MOST_ITEMS`."""
    params = {"tenant": tenant, "conversation": conversation_id, "limit": MOST_ITEMS}
    return await tx.rows(_SQL["kept_items_of"], params, of=ItemRow)


async def remove_item(tx: Transaction, conversation_id: str, item_id: str, *, tenant: TenantId) -> bool:
    """Delete an item; return whether it was there."""
    params = {"tenant": tenant, "conversation": conversation_id, "id": item_id}
    return await tx.execute(_SQL["remove_kept_item"], params) > 0


async def erase_items(tx: Transaction, *, tenant: TenantId, before: datetime) -> int:
    """Delete the items that were kept before a time, and the old conversations without items; count both."""
    params = {"tenant": tenant, "before": before}
    items = await tx.execute(_SQL["erase_kept_items"], params)
    return items + await tx.execute(_SQL["erase_conversations"], params)
