"""Passes over sources: begun, gone on with after a failure or a killed worker, and given up. A durable run for each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog

from headgate.admin.features import JobAction
from headgate.kernel.connector import CursorExpired, Outside
from headgate.kernel.errors import HeadgateError
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.knowledge import store
from headgate.knowledge.connecting import Connectors
from headgate.knowledge.documents import Documents
from headgate.knowledge.placing import Placing
from headgate.knowledge.source_pass import PassReplaced, SourcePass
from headgate.knowledge.specs import Source
from headgate.knowledge.store import SyncRow
from headgate.substrate.database import Database, Transaction
from headgate.substrate.durable import DurableRun, Later, LeaseLost

log = structlog.get_logger(__name__)

QUEUE = "sources"

_PAUSES_S = (2.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Syncing:
    """Begins passes over sources, and does the work of their queue."""

    database: Database
    documents: Documents
    placing: Placing
    connectors: Connectors
    outside: Callable[[TenantId], Outside]
    job_action: JobAction

    async def begin(
        self, tx: Transaction, source: Source, sync: SyncRow | None, *, tenant: TenantId, is_full: bool = False
    ) -> None:
        """Begin a pass over a source; one that runs ends.

        Args:
            sync: how far the reading of the source is.
            is_full: whether to begin with a full listing, and not where the pass before ended.
        """
        now, spec, durable = self.documents.clock.now(), spec_of(source), self.documents.durable
        if sync is not None:
            await durable.cancel(tx, _run_id(source.id, sync.round), tenant=tenant)
        begun = await store.begin_sync(tx, source.id, tenant=tenant, now=now, spec=spec, is_full=is_full)
        of = {"source": source.id, "round": begun.round, "is_full": begun.is_full}
        await durable.submit(tx, queue=QUEUE, run=_run_id(source.id, begun.round), of=of, tenant=tenant)

    async def start(self, tx: Transaction, source: Source, *, tenant: TenantId) -> None:
        """Begin a pass over a source now. One that runs goes on, without its pause."""
        await store.lock_sources(tx, tenant=tenant)
        sync = (await store.syncs(tx, tenant=tenant)).get(source.id)
        is_known = sync is not None and sync.spec == spec_of(source)
        if sync is not None and is_known and sync.ended_at is None:
            await store.note_sync(tx, source.id, sync.round, tenant=tenant)
            await self.documents.durable.wake(tx, _run_id(source.id, sync.round), tenant=tenant)
        else:
            await self.begin(tx, source, sync, tenant=tenant, is_full=not is_known)

    async def end(self, tx: Transaction, source: str, round_: int, *, tenant: TenantId) -> None:
        """End the passes over a source that is gone."""
        await self.documents.durable.cancel(tx, _run_id(source, round_), tenant=tenant)
        await store.forget_sync(tx, source, tenant=tenant)

    async def work(self, run: DurableRun, pipeline: Pipeline) -> None:
        """Go on with a pass. After a failure of the whole source, the run waits and goes on at its cursor."""
        try:
            await (await self._opened(run, pipeline)).go_on()
        except PassReplaced:
            return
        except CursorExpired:
            await self._begin_anew(run)
        except LeaseLost:
            raise
        except HeadgateError as error:
            raise await self._paused(run, error) from error

    async def give_up(self, run: DurableRun, why: str) -> None:
        """End a pass that fails by a mistake of ours. The next one begins with a full listing."""
        source, round_, tenant = str(run.input["source"]), int(run.input["round"]), run.tenant
        now, fault = self.documents.clock.now(), f"the pass was given up: {why}; Headgate's log has its cause"
        async with self.database.transaction(tenant=tenant) as tx:
            await run.hold(tx)
            await store.note_sync(tx, source, round_, tenant=tenant, cursor="")
            due_at = now + timedelta(seconds=_PAUSES_S[-1])
            await store.end_sync(tx, source, round_, tenant=tenant, now=now, due_at=due_at, fault=fault)

    async def _opened(self, run: DurableRun, pipeline: Pipeline) -> SourcePass:
        """Return the pass of a run.

        Raises:
            PassReplaced: it has ended, another one has begun, or the source is gone.
        """
        source_id, round_, tenant = str(run.input["source"]), int(run.input["round"]), run.tenant
        async with self.database.transaction(tenant=tenant) as tx:
            sources = {one.id: one for one in await store.sources(tx, tenant=tenant)}
            collections = {one.id: one for one in await store.collections(tx, tenant=tenant)}
            sync = (await store.syncs(tx, tenant=tenant)).get(source_id)
        source = sources.get(source_id)
        collection = collections.get(source.collection) if source is not None else None
        if source is None or collection is None or sync is None:
            raise PassReplaced
        if sync.round != round_ or sync.ended_at is not None or sync.spec != spec_of(source):
            raise PassReplaced
        return SourcePass(
            database=self.database,
            documents=self.documents,
            placing=self.placing,
            job_action=self.job_action,
            run=run,
            pipeline=pipeline,
            source=source,
            collection=collection,
            opened=self.connectors.open(source, self.outside(tenant)),
            at_once=self.connectors.of(source).at_once,
        )

    async def _begin_anew(self, run: DurableRun) -> None:
        """Begin another pass, with a full listing, in place of this one."""
        source_id, round_, tenant = str(run.input["source"]), int(run.input["round"]), run.tenant
        async with self.database.transaction(tenant=tenant) as tx:
            await store.lock_sources(tx, tenant=tenant)
            await run.hold(tx)
            sync = (await store.syncs(tx, tenant=tenant)).get(source_id)
            for source in await store.sources(tx, tenant=tenant):
                if source.id == source_id and sync is not None and sync.round == round_:
                    await self.begin(tx, source, sync, tenant=tenant, is_full=True)

    async def _paused(self, run: DurableRun, error: HeadgateError) -> Later:
        """Note why a pass waits, and return for how long."""
        source, round_ = str(run.input["source"]), int(run.input["round"])
        pause_s = error.retry_after_s
        if pause_s is None:
            failures = int(run.progress.get("failures", 0)) + 1
            pause_s = _PAUSES_S[min(failures, len(_PAUSES_S)) - 1]
            await run.report(failures=failures)
        log.warning("source_pass_waits", source=source, code=error.code, pause_s=pause_s)
        async with self.database.transaction(tenant=run.tenant) as tx:
            await run.hold(tx)
            await store.note_sync(tx, source, round_, tenant=run.tenant, fault=error.message)
        return Later(pause_s)


def spec_of(source: Source) -> str:
    """Return the digest of a source's entry. A cursor of another entry is of no use."""
    return hashlib.sha256(msgspec.json.encode(source, order="sorted")).hexdigest()


def _run_id(source: str, round_: int) -> str:
    return f"source.{source}.{round_}"
