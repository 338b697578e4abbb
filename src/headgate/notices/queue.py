"""The queue: sends due notices as actions, and tries failed ones again, less and less often, for a day."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import structlog

from headgate.admin.features import JobAction
from headgate.admin.notices import Notice
from headgate.kernel.action import Resource
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Clearance, Confidentiality, Labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock, Ids
from headgate.notices import store
from headgate.notices.destinations import Destination
from headgate.notices.verbs import NOTICE_SEND, Delivery
from headgate.substrate.database import Database, Transaction

log = structlog.get_logger(__name__)

CHANNEL = "headgate_notices"
"""The PostgreSQL channel that wakes the workers."""

NOTICES = Labels(confidentiality=Confidentiality.INTERNAL)
"""The labels of notices. They hold names and a title, and no content."""

RECIPIENTS = Clearance(level=Confidentiality.INTERNAL)
"""The clearance of a destination that an administrator configured."""

_POLL_S = 10.0
_BATCH = 20
_LEASE = timedelta(minutes=5)
_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=4)
_GIVES_UP_AFTER = timedelta(hours=24)
_KEEPS = timedelta(days=30)


class NoticeQueue:
    """The queue of every tenant.

    Args:
        link_base: the console's address, for destinations without one of their own.
    """

    def __init__(self, database: Database, *, clock: Clock, ids: Ids, job_action: JobAction, link_base: str) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._job_action = job_action
        self._link_base = link_base

    async def notify(self, transaction: Transaction, notice: Notice, *, tenant: TenantId) -> None:
        """Queue a notice in the caller's transaction, and wake the workers at its commit."""
        added = await store.enqueue(transaction, notice, tenant=tenant, id=self._ids.ulid(), now=self._clock.now())
        if added:
            await transaction.notify(CHANNEL)

    async def run_forever(self, pipeline: Pipeline, *, tenants: Callable[[], Collection[TenantId]]) -> None:
        """Send due notices after each wake, until cancelled."""
        async with self._database.listen(CHANNEL, poll_s=_POLL_S) as wakes:
            async for _ in wakes:
                for tenant in tenants():
                    await self.send_due(pipeline, tenant=tenant, now=self._clock.now())

    async def send_due(self, pipeline: Pipeline, *, tenant: TenantId, now: datetime) -> None:
        """Send a tenant's due notices, one after the other, and delete old ones that ended.

        Each is sent at least once. A worker that ends meanwhile leaves its notices to be tried again.
        """
        while True:
            async with self._database.transaction(tenant=tenant) as tx:
                await store.forget_ended(tx, tenant=tenant, before=now - _KEEPS)
                claimed = await store.claim_due(tx, tenant=tenant, now=now, again_at=now + _LEASE, limit=_BATCH)
                known = {one.id: one for one in await store.destinations(tx, tenant=tenant)} if claimed else {}
            for one in claimed:
                await self._try(pipeline, one, known.get(one.destination), tenant=tenant, now=now)
            if len(claimed) < _BATCH:
                return

    async def send_now(
        self, pipeline: Pipeline, destination: Destination, notice: Notice, *, tenant: TenantId, delivery: str
    ) -> int:
        """Send one notice as an action of Headgate, without the queue. Return the status of the answer.

        Raises:
            HeadgateError: it was refused or failed.
        """
        base = (destination.console or self._link_base).rstrip("/")
        payload = Delivery(delivery, destination, notice, base + notice.path)
        resource = Resource("notification", destination.id, clearance=RECIPIENTS)
        done = await pipeline.run(self._job_action(tenant, NOTICE_SEND, resource, payload, floor=NOTICES))
        return done.result

    async def _try(
        self,
        pipeline: Pipeline,
        claimed: store.Claimed,
        destination: Destination | None,
        *,
        tenant: TenantId,
        now: datetime,
    ) -> None:
        if destination is None:
            await self._give_up(claimed, "the notification was removed", tenant=tenant, now=now)
            return
        try:
            await self.send_now(pipeline, destination, claimed.read_notice(), tenant=tenant, delivery=claimed.id)
        except HeadgateError as error:
            await self._failed(claimed, error, tenant=tenant, now=now)
        else:
            async with self._database.transaction(tenant=tenant) as tx:
                await store.end(tx, claimed.id, "sent", tenant=tenant, now=now)

    async def _failed(self, claimed: store.Claimed, error: HeadgateError, *, tenant: TenantId, now: datetime) -> None:
        pause = min(_FIRST_PAUSE * 4 ** (claimed.attempts - 1), _LONGEST_PAUSE)
        if now + pause > claimed.raised_at + _GIVES_UP_AFTER:
            await self._give_up(claimed, error.message, tenant=tenant, now=now)
            return
        if not isinstance(error, Unavailable) or claimed.attempts > 1:
            log.warning("notice_not_sent", destination=claimed.destination, reason=error.message)
        async with self._database.transaction(tenant=tenant) as tx:
            await store.postpone(tx, claimed.id, tenant=tenant, due_at=now + pause, error=error.message)

    async def _give_up(self, claimed: store.Claimed, why: str, *, tenant: TenantId, now: datetime) -> None:
        log.error("notice_given_up", destination=claimed.destination, reason=why)
        async with self._database.transaction(tenant=tenant) as tx:
            await store.end(tx, claimed.id, "given_up", tenant=tenant, now=now, error=why)
