"""The background job of sources: begins due passes, and keeps documents in line with a changed configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import msgspec

from headgate.admin.requests import CONFIGURATION_CHANNEL
from headgate.kernel.errors import Conflict
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import parse_labels
from headgate.kernel.pipeline import Pipeline
from headgate.knowledge import specs, store
from headgate.knowledge.store import FloorRow
from headgate.knowledge.syncing import Syncing, spec_of

_POLL_S = 15.0
_TIDIES_S = 3_600.0


@dataclass(slots=True)
class Scheduling:
    """Looks after the sources of all tenants. It runs in every worker, and one of them begins each pass."""

    syncing: Syncing
    tenants: Callable[[], Collection[TenantId]]
    _tidied: dict[TenantId, tuple[bytes, float]] = field(
        default_factory=dict[TenantId, tuple[bytes, float]], init=False
    )

    async def run_forever(self, pipeline: Pipeline) -> None:
        """Look at each change of the configuration, and every few seconds."""
        async with self.syncing.database.listen(CONFIGURATION_CHANNEL, poll_s=_POLL_S) as wakes:
            async for _ in wakes:
                for tenant in self.tenants():
                    await self.look(tenant)

    async def look(self, tenant: TenantId) -> None:
        """Begin the passes that are due, and tidy after a change of the configuration and once an hour."""
        async with self.syncing.database.transaction(tenant=tenant) as tx:
            await store.lock_sources(tx, tenant=tenant)
            sources = {one.id: one for one in await store.sources(tx, tenant=tenant)}
            collections = {one.id: one for one in await store.collections(tx, tenant=tenant)}
            syncs = await store.syncs(tx, tenant=tenant)
            now = self.syncing.documents.clock.now()
            for source in sources.values():
                sync = syncs.get(source.id)
                if source.collection not in collections:
                    continue
                if sync is None or sync.spec != spec_of(source):
                    await self.syncing.begin(tx, source, sync, tenant=tenant, is_full=True)
                elif sync.ended_at is not None and sync.due_at <= now:
                    await self.syncing.begin(tx, source, sync, tenant=tenant)
            for sync in syncs.values():
                if sync.source not in sources and sync.spec:
                    await self.syncing.end(tx, sync.source, sync.round, tenant=tenant)
        declared = msgspec.json.encode([list(sources.values()), list(collections.values())])
        digest, now_s = hashlib.sha256(declared).digest(), self.syncing.documents.clock.monotonic()
        tidied = self._tidied.get(tenant)
        if tidied is None or tidied[0] != digest or now_s - tidied[1] > _TIDIES_S:
            await self._tidy(collections, tenant=tenant)
            self._tidied[tenant] = (digest, now_s)

    async def _tidy(self, collections: dict[str, specs.Collection], *, tenant: TenantId) -> None:
        """Delete documents of collections and sources that are gone, and give the others their floors."""
        database, is_over = self.syncing.database, False
        while not is_over:
            async with database.transaction(tenant=tenant) as tx:
                is_over = not await store.delete_orphans(tx, tenant=tenant)
        async with database.transaction(tenant=tenant) as tx:
            floors = await store.floors(tx, tenant=tenant)
        for one in floors:
            collection = collections.get(one.collection)
            if collection is not None and one.floor != str(collection.floor.join(parse_labels(one.given))):
                await self._give_floor(one, collection, tenant=tenant)
        try:
            async with database.transaction(tenant=tenant) as tx:
                await self.syncing.placing.index.forget_unused_scopes(tx, tenant=tenant)
        except Conflict:
            return  # one of them is used again; the next time is early enough

    async def _give_floor(self, old: FloorRow, collection: specs.Collection, *, tenant: TenantId) -> None:
        """Give the documents of a floor the one that their collection has now."""
        placing, database = self.syncing.placing, self.syncing.database
        while True:
            async with database.transaction(tenant=tenant) as tx:
                found = await store.with_floor(tx, old, tenant=tenant)
            for document in found:
                async with database.transaction(tenant=tenant) as tx:
                    row = await store.document(tx, document, tenant=tenant, is_locked=True)
                    if row is not None:
                        given = parse_labels(row.given)
                        await placing.give(tx, row, collection, readers=row.readers, given=given, tenant=tenant)
            if not found:
                return
