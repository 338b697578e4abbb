"""Refreshing the snapshot."""

from __future__ import annotations

import asyncio

import structlog

from headgate.policy import store
from headgate.policy.baseline import Baseline
from headgate.policy.snapshot import Snapshot, SnapshotHolder, Unreadable, build_snapshot
from headgate.substrate.database import Database

log = structlog.get_logger(__name__)


async def load_snapshot(database: Database, baseline: Baseline, *, previous: Snapshot | None = None) -> Snapshot:
    """Read and compile every tenant, each in its own transaction.

    Reads the version first, so that a change during the load triggers another load.

    Raises:
        Unavailable: the database is away.
    """
    async with database.transaction(tenant=None) as tx:
        version = await store.config_version(tx)
        tenants = await store.tenants(tx)
    contents: list[store.TenantContents] = []
    for tenant in tenants:
        async with database.transaction(tenant=tenant) as tx:
            contents.append(await store.contents(tx, tenant=tenant))
    return await asyncio.to_thread(build_snapshot, contents, baseline=baseline, version=version, previous=previous)


async def refresh(holder: SnapshotHolder, *, database: Database, baseline: Baseline) -> bool:
    """Refresh the holder; one round trip if nothing changed. Return whether the snapshot was replaced.

    Raises:
        Unavailable: the database is away; the holder is unchanged.
    """
    asked_s = holder.now_s()
    async with database.transaction(tenant=None) as tx:
        version = await store.config_version(tx)
    if holder.latest is not None and version == holder.latest.version:
        holder.confirm(asked_s)
        return False
    previous = holder.latest
    loaded = await load_snapshot(database, baseline, previous=previous)
    known = set[Unreadable]()
    if previous is not None:
        known.update(one for tenant in previous.tenants.values() for one in tenant.unreadable)
    for tenant in loaded.tenants.values():
        for one in set(tenant.unreadable) - known:
            log.warning("entry_left_out", tenant=tenant.id, kind=one.kind, id=one.id, why=one.why)
    holder.swap(loaded, asked_s=asked_s)
    return True
