"""The state of answers that are written while no client waits, sealed in PostgreSQL.

The worker that writes an answer prolongs its time. Nobody has to look for lost workers: an answer
whose time is over has failed for everybody who reads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headgate.admin.background import BackgroundAnswer, BackgroundState, Events
from headgate.chat.sealing import ConversationKey, ConversationKeys
from headgate.kernel.errors import OverBudget
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import Labels, parse_labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock
from headgate.substrate.database import Database, Transaction, load_queries

_ALIVE = timedelta(seconds=30)
_AFTERWARDS = timedelta(hours=1)
"""The time for which the events of a complete answer are kept; the answer itself is a kept answer by then."""

_SWEEP_S = 3_600.0
_READ = 64
_BODY = "body"
_SQL = load_queries("headgate.chat")


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    key: bytes = field(repr=False)
    body: bytes = field(repr=False)
    state: BackgroundState
    labels: str
    alive_until: datetime


@dataclass(frozen=True, slots=True)
class _EventsRow:
    first: int
    last: int
    body: bytes = field(repr=False)


class KeptBackground:
    """The port `Background`.

    Args:
        keeps: how long a failed or cancelled answer is kept.
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

    async def begin(self, answer_id: str, body: bytes, *, labels: Labels, principal: Principal, most: int) -> None:
        """Note a new answer."""
        tenant, owner, now = principal.tenant, principal.id, self._clock.now()
        key = self._keys.new(tenant=tenant, person=owner, conversation=answer_id)
        async with self._database.transaction(tenant=tenant) as tx:
            params = {"tenant": tenant, "owner": owner, "now": now}
            # Two calls at once may both pass; the limit bounds work, and need not be exact.
            if int(str(await tx.value(_SQL["count_background"], params))) >= most:
                raise OverBudget(
                    f"you have {most} answers in the background on their way; wait for one, or cancel it",
                    limit="background",
                    retry_after_s=5.0,
                )
            row = {"id": answer_id, "key": key.wrapped, "body": key.seal(body, name=_BODY), "labels": str(labels)}
            times = {"alive_until": now + _ALIVE, "expires_at": now + self._keeps}
            await tx.execute(_SQL["begin_background"], {**params, **row, **times})

    async def write(
        self,
        answer_id: str,
        events: Events | None,
        *,
        state: BackgroundState,
        labels: Labels,
        principal: Principal,
        body: bytes | None = None,
    ) -> bool:
        """Note how far an answer came."""
        tenant, now = principal.tenant, self._clock.now()
        async with self._database.transaction(tenant=tenant) as tx:
            row = await self._row(tx, answer_id, principal)
            if row is None:
                return False
            key = self._key(row, principal)
            params = {
                **{"tenant": tenant, "id": answer_id, "owner": principal.id, "state": state, "labels": str(labels)},
                "body": None if body is None else key.seal(body, name=_BODY),
                "alive_until": now + _ALIVE,
                "expires_at": now + (_AFTERWARDS if state == "completed" else self._keeps),
            }
            if not await tx.execute(_SQL["move_background"], params):
                return False
            if events is not None:
                sealed = key.seal(events.frames, name=f"events/{events.first}")
                values = {"answer": answer_id, "first": events.first, "last": events.last, "body": sealed}
                await tx.execute(_SQL["add_background_events"], {"tenant": tenant, **values})
        return True

    async def find(self, answer_id: str, *, principal: Principal) -> BackgroundAnswer | None:
        """Return an answer, or None."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            row = await self._row(tx, answer_id, principal)
        if row is None:
            return None
        body = self._key(row, principal).open(row.body, name=_BODY)
        is_lost = row.state in ("queued", "in_progress") and row.alive_until <= self._clock.now()
        return BackgroundAnswer(row.id, body, row.state, parse_labels(row.labels), is_lost=is_lost)

    async def events(self, answer_id: str, *, after: int, principal: Principal) -> Sequence[Events]:
        """Return some of the events with a number above `after`."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            row = await self._row(tx, answer_id, principal)
            if row is None:
                return ()
            params = {"tenant": principal.tenant, "answer": answer_id, "after": after, "limit": _READ}
            rows = await tx.rows(_SQL["background_events"], params, of=_EventsRow)
        key = self._key(row, principal)
        return [Events(one.first, one.last, key.open(one.body, name=f"events/{one.first}")) for one in rows]

    async def cancel(self, answer_id: str, *, principal: Principal) -> None:
        """Have an answer stop, if it is on its way."""
        async with self._database.transaction(tenant=principal.tenant) as tx:
            row = await self._row(tx, answer_id, principal)
            if row is None:
                return
            now = self._clock.now()
            params = {"tenant": principal.tenant, "id": answer_id, "owner": principal.id, "labels": row.labels}
            times = {"alive_until": now, "expires_at": now + self._keeps}
            await tx.execute(_SQL["move_background"], {**params, "state": "cancelled", "body": None, **times})

    async def forget(self, answer_id: str, *, principal: Principal) -> bool:
        """Delete an answer, which stops it."""
        params = {"tenant": principal.tenant, "id": answer_id, "owner": principal.id}
        async with self._database.transaction(tenant=principal.tenant) as tx:
            return await tx.execute(_SQL["forget_background"], params) > 0

    async def sweep_forever(self, _: Pipeline) -> None:
        """Delete expired answers once an hour; nobody can read them before that either."""
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self) -> None:
        """Delete the answers that have expired."""
        for tenant in self._tenants():
            async with self._database.transaction(tenant=tenant) as tx:
                await tx.execute(_SQL["forget_old_background"], {"tenant": tenant, "now": self._clock.now()})

    async def erase_before(self, moment: datetime, *, tenant: TenantId) -> int:
        """Delete the answers to calls before a time, of everybody."""
        async with self._database.transaction(tenant=tenant) as tx:
            return await tx.execute(_SQL["erase_background"], {"tenant": tenant, "before": moment})

    async def _row(self, tx: Transaction, answer_id: str, principal: Principal) -> _Row | None:
        params = {"tenant": principal.tenant, "id": answer_id, "owner": principal.id, "now": self._clock.now()}
        return await tx.row(_SQL["find_background"], params, of=_Row)

    def _key(self, row: _Row, principal: Principal) -> ConversationKey:
        return self._keys.unwrap(row.key, tenant=principal.tenant, person=principal.id, conversation=row.id)
