"""Kept answers of programs: sealed on the way in, opened on the way out, each only for its principal."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import msgspec

from headgate.admin.threads import KeptAnswer, KeptSummary
from headgate.chat import thread_store as store
from headgate.chat.sealing import ConversationKeys
from headgate.chat.thread_store import AnswerRow
from headgate.kernel.errors import Corrupt, Invalid, TooLarge
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import parse_labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock
from headgate.substrate.database import Database

MOST_BYTES = 16 << 20
"""The limit of one answer with its call."""

_SWEEP_S = 3_600.0
_BODY = "exchange"
_SUMMARY = "summary"
_TOLD = msgspec.json.Decoder(tuple[str, str, str])


class KeptThreads:
    """The port `Threads`.

    Args:
        keeps: how long an answer is kept after it was last continued or read.
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

    async def keep(self, answer: KeptAnswer, *, principal: Principal) -> None:
        """Keep an answer."""
        if len(answer.exchange) > MOST_BYTES:
            raise TooLarge(
                f"an answer with its call of {len(answer.exchange)} bytes is not kept; the limit is {MOST_BYTES}"
            )
        tenant, owner = principal.tenant, principal.id
        key = self._keys.new(tenant=tenant, person=owner, conversation=answer.id)
        row = AnswerRow(
            id=answer.id,
            previous=answer.previous,
            key=key.wrapped,
            body=key.seal(answer.exchange, name=_BODY),
            labels=str(answer.labels),
            floor=str(answer.floor),
        )
        now = self._clock.now()
        async with self._database.transaction(tenant=tenant) as tx:
            await store.keep_answer(tx, row, tenant=tenant, owner=owner, now=now, expires_at=now + self._keeps)
            if answer.items:
                await store.keep_items(tx, answer.id, answer.items, tenant=tenant)

    async def thread(self, answer_id: str, *, principal: Principal) -> Sequence[KeptAnswer]:
        """Return an answer and all that it continues."""
        tenant, now = principal.tenant, self._clock.now()
        async with self._database.transaction(tenant=tenant) as tx:
            rows = await store.thread_of(tx, answer_id, tenant=tenant, owner=principal.id, now=now)
            if not rows or rows[0].previous is not None:
                return ()
            ids = [row.id for row in rows]
            await store.extend_answers(tx, ids, tenant=tenant, expires_at=now + self._keeps)
        return [self._opened(row, principal) for row in rows]

    async def having(
        self, items: Sequence[str], *, answers: Sequence[str] = (), principal: Principal
    ) -> Sequence[KeptAnswer]:
        """Return kept answers that have these items, and those with these ids."""
        tenant, owner = principal.tenant, principal.id
        async with self._database.transaction(tenant=tenant) as tx:
            rows = await store.answers_with(
                tx, items, answers=answers, tenant=tenant, owner=owner, now=self._clock.now()
            )
        return [self._opened(row, principal) for row in rows]

    async def forget(self, answer_id: str, *, principal: Principal) -> bool:
        """Delete an answer with its key."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            return await store.forget_answer(tx, answer_id, tenant=principal.tenant, owner=principal.id)

    def sealed(self, summary: KeptSummary, *, principal: Principal) -> str:
        """Return a text for the principal to keep."""
        key = self._keys.new(tenant=principal.tenant, person=principal.id, conversation=_SUMMARY)
        told = (summary.text, str(summary.labels), str(summary.floor))
        body = key.seal(msgspec.json.encode(told), name=_SUMMARY)
        return base64.urlsafe_b64encode(len(key.wrapped).to_bytes(2, "big") + key.wrapped + body).decode()

    def opened(self, sealed: str, *, principal: Principal) -> KeptSummary:
        """Return the summary behind a sealed text."""
        try:
            raw = base64.urlsafe_b64decode(sealed)
            end = 2 + int.from_bytes(raw[:2], "big")
            key = self._keys.unwrap(raw[2:end], tenant=principal.tenant, person=principal.id, conversation=_SUMMARY)
            text, labels, floor = _TOLD.decode(key.open(raw[end:], name=_SUMMARY))
        except (Corrupt, ValueError) as error:
            raise Invalid(
                "input: a compaction item was changed, or belongs to somebody else; compact the conversation again",
                param="input",
            ) from error
        return KeptSummary(text, parse_labels(labels), parse_labels(floor))

    async def erase_before(self, moment: datetime, *, tenant: TenantId) -> int:
        """Delete the answers to calls before a time, of everybody."""
        async with self._database.transaction(tenant=tenant) as tx:
            return await store.erase_answers(tx, tenant=tenant, before=moment)

    async def sweep_forever(self, _: Pipeline) -> None:
        """Delete expired answers once an hour; nobody can read them before that either."""
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self) -> None:
        """Delete the answers that have expired."""
        for tenant in self._tenants():
            async with self._database.transaction(tenant=tenant) as tx:
                await store.forget_old_answers(tx, tenant=tenant, now=self._clock.now())

    def _opened(self, row: AnswerRow, principal: Principal) -> KeptAnswer:
        key = self._keys.unwrap(row.key, tenant=principal.tenant, person=principal.id, conversation=row.id)
        return KeptAnswer(
            id=row.id,
            previous=row.previous,
            exchange=key.open(row.body, name=_BODY),
            labels=parse_labels(row.labels),
            floor=parse_labels(row.floor),
        )
