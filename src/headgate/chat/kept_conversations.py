"""Conversations of programs: sealed on the way in, opened on the way out, each only for its principal.

An answer holds its conversation from the call until its items are in it, so that two answers never mix. The time of a
holder is short and renewed, so that a lost worker holds nothing for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from headgate.admin.threads import ConversationLocked, Keeping, KeptConversation, KeptItem
from headgate.chat import kept_conversation_store as store
from headgate.chat.kept_conversation_store import ConversationState, ItemRow
from headgate.chat.sealing import ConversationKey, ConversationKeys
from headgate.kernel.errors import Conflict, Invalid, TooLarge
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import Labels, parse_labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock
from headgate.kernel.run import Run
from headgate.substrate.database import Database, Transaction

MOST_BYTES = 32 << 20
"""The limit of all items of a conversation, which is that of a call's body."""

_HELD = timedelta(seconds=60)
_RENEWED_S = 20.0
_SWEEP_S = 3_600.0
_METADATA = "metadata"


class KeptConversations:
    """The port `Conversations`.

    Args:
        keeps: how long a conversation is kept after it was last continued or changed.
    """

    def __init__(
        self,
        *,
        database: Database,
        keys: ConversationKeys,
        clock: Clock,
        tenants: Callable[[], Collection[TenantId]],
        keeps: timedelta,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._tenants = tenants
        self._keeps = keeps
        self._holders: dict[str, TenantId] = {}

    async def create(self, conversation: KeptConversation, *, principal: Principal) -> None:
        """Keep a new conversation."""
        tenant, owner = principal.tenant, principal.id
        key = self._keys.new(tenant=tenant, person=owner, conversation=conversation.id)
        state = ConversationState(
            id=conversation.id,
            key=key.wrapped,
            metadata=key.seal(conversation.metadata, name=_METADATA),
            labels=str(conversation.labels),
            floor=str(conversation.floor),
            next=0,
            size_bytes=0,
            holder=None,
            held_until=None,
            created_at=conversation.created_at,
        )
        expires_at = self._clock.now() + self._keeps
        async with self._database.transaction(tenant=tenant) as tx:
            await store.add_conversation(tx, state, tenant=tenant, owner=owner, expires_at=expires_at)
            await self._append(tx, state, key, conversation.items)

    async def find(self, conversation_id: str, *, principal: Principal) -> KeptConversation | None:
        """Return a conversation with its items, or None."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            state = await self._state(tx, conversation_id, principal)
            return None if state is None else await self._opened(tx, state, principal)

    async def rewrite(self, conversation_id: str, metadata: bytes, *, labels: Labels, principal: Principal) -> bool:
        """Replace the metadata."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            state = await self._state(tx, conversation_id, principal, is_locked=True)
            if state is None:
                return False
            key = self._key(state, principal)
            state = replace(_joined(state, labels, labels), metadata=key.seal(metadata, name=_METADATA))
            await self._append(tx, state, key, ())
        return True

    async def add(
        self, conversation_id: str, items: Sequence[KeptItem], *, labels: Labels, floor: Labels, principal: Principal
    ) -> bool:
        """Append items."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            state = await self._state(tx, conversation_id, principal, is_locked=True)
            if state is None:
                return False
            if state.holder is not None and state.held_until is not None and state.held_until > self._clock.now():
                raise _locked()
            await self._append(tx, _joined(state, labels, floor), self._key(state, principal), items)
        return True

    async def hold(self, conversation_id: str, *, holder: str, principal: Principal) -> KeptConversation | None:
        """Return a conversation that nobody else adds to until `settle`, or None without one."""
        tenant, now = principal.tenant, self._clock.now()
        async with self._database.transaction(tenant=tenant) as tx:
            state = await self._state(tx, conversation_id, principal)
            if state is None or not parse_labels(state.labels).flows_to(principal.clearance):
                return None
            if not await store.hold_conversation(
                tx,
                conversation_id,
                tenant=tenant,
                owner=principal.id,
                holder=holder,
                now=now,
                until=now + _HELD,
                expires_at=now + self._keeps,
            ):
                raise _locked()
            held = await self._state(tx, conversation_id, principal)
            opened = None if held is None else await self._opened(tx, held, principal)
        self._holders[holder] = tenant
        return opened

    async def settle(
        self,
        conversation_id: str,
        items: Sequence[KeptItem],
        *,
        labels: Labels,
        floor: Labels,
        holder: str,
        principal: Principal,
    ) -> None:
        """Append the items of an answer, and let go of the conversation."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            state = await self._state(tx, conversation_id, principal, is_locked=True)
            if state is None or state.holder != holder:
                raise Conflict("the conversation was deleted, or continued by another answer")
            await self._append(tx, _joined(state, labels, floor), self._key(state, principal), items)
            await store.release_conversation(tx, conversation_id, tenant=principal.tenant, holder=holder)
        self._holders.pop(holder, None)

    async def let_go(self, conversation_id: str, *, holder: str, principal: Principal) -> None:
        """Let go of a conversation whose answer failed."""
        if self._holders.pop(holder, None) is None:
            return
        async with self._database.transaction(tenant=principal.tenant) as tx:
            await store.release_conversation(tx, conversation_id, tenant=principal.tenant, holder=holder)

    async def remove(self, conversation_id: str, item_id: str, *, principal: Principal) -> bool:
        """Delete an item."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            state = await self._state(tx, conversation_id, principal)
            return state is not None and await store.remove_item(tx, state.id, item_id, tenant=principal.tenant)

    async def forget(self, conversation_id: str, *, principal: Principal) -> bool:
        """Delete a conversation with its items."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            return await store.forget_conversation(tx, conversation_id, tenant=principal.tenant, owner=principal.id)

    async def renew_forever(self, _: Pipeline) -> None:
        """Prolong the time of the answers that this worker makes, before it ends."""
        while True:
            await asyncio.sleep(_RENEWED_S)
            await self.renew()

    async def renew(self) -> None:
        """Prolong the time of the answers that this worker makes."""
        held: dict[TenantId, list[str]] = {}
        for holder, tenant in self._holders.items():
            held.setdefault(tenant, []).append(holder)
        for tenant, holders in held.items():
            async with self._database.transaction(tenant=tenant) as tx:
                await store.hold_on(tx, holders, tenant=tenant, until=self._clock.now() + _HELD)

    async def sweep_forever(self, _: Pipeline) -> None:
        """Delete expired conversations once an hour; nobody can read them before that either."""
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self) -> None:
        """Delete the conversations that have expired."""
        for tenant in self._tenants():
            async with self._database.transaction(tenant=tenant) as tx:
                await store.forget_old_conversations(tx, tenant=tenant, now=self._clock.now())

    async def erase_before(self, moment: datetime, *, tenant: TenantId) -> int:
        """Delete the items that were kept before a time, of everybody."""
        async with self._database.transaction(tenant=tenant) as tx:
            return await store.erase_items(tx, tenant=tenant, before=moment)

    async def _state(
        self, tx: Transaction, conversation_id: str, principal: Principal, *, is_locked: bool = False
    ) -> ConversationState | None:
        return await store.find_conversation(
            tx,
            conversation_id,
            tenant=principal.tenant,
            owner=principal.id,
            now=self._clock.now(),
            is_locked=is_locked,
        )

    async def _append(
        self, tx: Transaction, state: ConversationState, key: ConversationKey, items: Sequence[KeptItem]
    ) -> None:
        """Store items, and the changed conversation."""
        tenant, now = TenantId(key.tenant), self._clock.now()
        size_bytes = state.size_bytes + sum(len(item.body) for item in items)
        if size_bytes > MOST_BYTES or state.next + len(items) > store.MOST_ITEMS:
            raise TooLarge(
                f"the conversation would have {size_bytes} bytes in {state.next + len(items)} items; the limits are"
                f" {MOST_BYTES} and {store.MOST_ITEMS}. Begin another one"
            )
        if items:
            rows = [ItemRow(item.id, key.seal(item.body, name=f"item/{item.id}")) for item in items]
            await store.add_items(tx, state.id, rows, tenant=tenant, place=state.next, now=now)
        state = replace(state, next=state.next + len(items), size_bytes=size_bytes)
        await store.change_conversation(tx, state, tenant=tenant, expires_at=now + self._keeps)

    async def _opened(self, tx: Transaction, state: ConversationState, principal: Principal) -> KeptConversation:
        key = self._key(state, principal)
        rows = await store.items_of(tx, state.id, tenant=principal.tenant)
        return KeptConversation(
            id=state.id,
            created_at=state.created_at,
            metadata=key.open(state.metadata, name=_METADATA),
            labels=parse_labels(state.labels),
            floor=parse_labels(state.floor),
            items=[KeptItem(row.id, key.open(row.body, name=f"item/{row.id}")) for row in rows],
        )

    def _key(self, state: ConversationState, principal: Principal) -> ConversationKey:
        return self._keys.unwrap(state.key, tenant=principal.tenant, person=principal.id, conversation=state.id)


class KeepingPerformer:
    """Performs `thread.write`."""

    async def run(self, run: Run[Keeping, Any, Any]) -> Any:
        """Keep the content as rules left it."""
        return await run.payload.do(run)

    def stream(self, run: Run[Keeping, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Raise Invalid, because nothing streams here."""
        raise Invalid(f"{run.action.verb.name} cannot be streamed")


def _joined(state: ConversationState, labels: Labels, floor: Labels) -> ConversationState:
    """Return a conversation under its own labels and others. They never fall, even where items are deleted."""
    return replace(
        state, labels=str(parse_labels(state.labels).join(labels)), floor=str(parse_labels(state.floor).join(floor))
    )


def _locked() -> ConversationLocked:
    return ConversationLocked(
        "Another process is currently operating on this conversation. Please retry in a few seconds.",
        param="conversation",
        retry_after_s=1.0,
    )
