"""Erasure of the content of records: by administrators, and after its retention.

The content of a tenant's records of one UTC day is sealed under one key. Destroying the key erases it. The records
themselves stay in the log, which still verifies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import structlog

from headgate.admin.commands import Command, Facts, digest_of
from headgate.admin.features import JobAction
from headgate.admin.records import Copies
from headgate.kernel.action import Resource
from headgate.kernel.errors import HeadgateError, Invalid
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock
from headgate.ledger.keys import DestructionReceipt, FileKeyRing
from headgate.ledger.verbs import RECORD_ERASE

log = structlog.get_logger(__name__)

_EVERY_S = 3600.0
_OPEN_DAYS = 1
"""A call that began yesterday may still be running, and its content is sealed under yesterday's key."""


class Erased(NamedTuple):
    """The result of an erasure: a receipt for each day, and the number of deleted copies."""

    receipts: Sequence[DestructionReceipt]
    copies: int


def _no_copies() -> Sequence[Copies]:
    return ()


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases the content of past days.

    Args:
        copies: returns the keepers of copies of content.
    """

    ring: FileKeyRing
    clock: Clock
    copies: Callable[[], Sequence[Copies]] = _no_copies

    def command(self, tenant: TenantId, before: date) -> Command:
        """Return the command that erases the content of every day before `before`. Its result is `Erased`.

        Raises:
            Invalid: content of such a day may still be sealed.
        """
        latest = self.clock.now().date() - timedelta(days=_OPEN_DAYS)
        if before > latest:
            raise Invalid(f"calls of these days may still be running; write {latest} or an earlier day", param="before")

        async def do(facts: Facts) -> Erased:
            # Copies first: without keys the next erasure would not look for them.
            copies = await self._erase_copies(tenant, before)
            receipts = await asyncio.to_thread(self._destroy, tenant, before)
            # Another erasure may have destroyed some of the keys meanwhile.
            destroyed = [receipt for receipt in receipts if receipt.had_key]
            facts["days"], facts["copies"] = len(destroyed), copies
            return Erased(destroyed, copies)

        return Command(summary={"before": str(before)}, arguments=digest_of(str(before)), do=do)

    def days(self, tenant: TenantId, before: date) -> list[str]:
        """Return the partitions of the days before `before` that still have a key, oldest first."""
        prefix = f"{tenant}."
        named = (one for one in self.ring.partitions() if one.startswith(prefix))
        return [one for one in named if _day(one.removeprefix(prefix)) < before]

    async def _erase_copies(self, tenant: TenantId, before: date) -> int:
        moment = datetime.combine(before, time(), UTC)
        return sum([await keeper.erase_before(moment, tenant=tenant) for keeper in self.copies()])

    def _destroy(self, tenant: TenantId, before: date) -> list[DestructionReceipt]:
        return [self.ring.destroy(partition, at=self.clock.now()) for partition in self.days(tenant, before)]

    async def run_forever(
        self, pipeline: Pipeline, *, action: JobAction, tenants: Callable[[], Collection[TenantId]], content_days: int
    ) -> None:
        """Erase the content of records after `content_days` days, at the start and then each hour."""
        while True:
            for tenant in tenants():
                try:
                    await self.erase_old(tenant, pipeline, action=action, content_days=content_days)
                except HeadgateError as error:
                    log.warning("old_content_kept", tenant=tenant, code=error.code)
            await asyncio.sleep(_EVERY_S)

    async def erase_old(self, tenant: TenantId, pipeline: Pipeline, *, action: JobAction, content_days: int) -> None:
        """Erase the tenant's content that is older than `content_days` days. Leaves a record only if there is some.

        Raises:
            HeadgateError: policy refused the erasure, or it failed.
        """
        before = self.clock.now().date() - timedelta(days=content_days)
        if await asyncio.to_thread(self.days, tenant, before):
            erasing = action(tenant, RECORD_ERASE, Resource("ledger", tenant), self.command(tenant, before))
            await pipeline.run(erasing)


def _day(text: str) -> date:
    """Return the day in a partition's name; a name of another form counts as the last day, and is never erased."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.max
