"""Batches of programs: made, found, listed, cancelled and deleted, and their results read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from headgate.admin.files import FileCopies
from headgate.batches import store
from headgate.batches.files import HIDDEN, Files, NewFile
from headgate.batches.lines import ENDPOINTS, FORMS, MESSAGES, Fault
from headgate.batches.store import BatchRow, FileRow
from headgate.kernel.errors import Conflict, Invalid, NotFound, OverBudget
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import Labels, parse_labels
from headgate.kernel.pipeline import Pipeline
from headgate.substrate.durable import Durable
from headgate.substrate.item_keys import ItemKey
from headgate.wire.anthropic_plane import ANTHROPIC
from headgate.wire.dialect import ClientDialect, Match
from headgate.wire.dialects import Dialects

QUEUE = "batches"
WINDOW = timedelta(hours=24)
"""How long a batch may take. Lines that have not run by then do not run."""

MOST_OPEN = 50
"""The limit of a principal's batches that have not ended."""

MOST_RECEIVED = 2
"""The limit of uploads of one principal on their way to one worker."""

_PAGE_LINES = 200
_SWEEP_S = 3_600.0


class Facts(msgspec.Struct, frozen=True):
    """What a batch keeps of its maker's words.

    Args:
        headers: of the client that each line's dialect reads.
    """

    metadata: dict[str, str] | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to begin.

    Args:
        wire: the plane of its client.
        input: the file of its lines.
        floor: labels that its maker raised.
        total: the number of its lines, or 0 if it is not known yet.
    """

    wire: str
    endpoint: str
    input: FileRow
    floor: Labels
    facts: Facts
    total: int = 0


class Batches:
    """The service of the feature.

    Args:
        is_secure: whether clients reach Headgate by HTTPS.
        copies: returns the features that keep copies of files.
    """

    def __init__(
        self,
        *,
        files: Files,
        durable: Durable,
        dialects: Dialects,
        tenants: Callable[[], Collection[TenantId]],
        is_secure: bool,
        copies: Callable[[], Sequence[FileCopies]] = tuple,
    ) -> None:
        self.files = files
        self._copies = copies
        self.database = files.database
        self.clock = files.clock
        self._durable = durable
        self._tenants = tenants
        self._doors = _doors(dialects)
        self._receiving = Counter[tuple[TenantId, str]]()
        self._scheme = "https" if is_secure else "http"

    @contextmanager
    def receiving(self, principal: Principal) -> Generator[None]:
        """Receive and keep a large body in this block. One principal's bodies are bounded in memory.

        Raises:
            OverBudget: this worker receives the most bodies of the principal that it may.
        """
        whose = (principal.tenant, principal.id)
        if self._receiving[whose] >= MOST_RECEIVED:
            raise OverBudget(f"{MOST_RECEIVED} uploads of yours are on their way; wait for one", retry_after_s=5)
        self._receiving[whose] += 1
        try:
            yield
        finally:
            self._receiving[whose] -= 1
            if not self._receiving[whose]:
                del self._receiving[whose]

    def base_url(self, headers: Mapping[str, str]) -> str:
        """Return the address at which a client reached Headgate."""
        return f"{self._scheme}://{headers.get('host', '')}"

    def door(self, wire: str, endpoint: str) -> tuple[ClientDialect, Match]:
        """Return the dialect that serves the lines of an endpoint.

        Raises:
            Invalid: batches of this wire have no such endpoint.
        """
        offered = (MESSAGES,) if wire == ANTHROPIC.name else ENDPOINTS
        found = self._doors.get(endpoint)
        if found is None or endpoint not in offered:
            served = ", ".join(path for path in offered if path in self._doors)
            raise Invalid(f"endpoint: {endpoint[:100]!r} is not offered in batches; choose {served}", param="endpoint")
        return found

    async def create(self, new: NewBatch, *, principal: Principal, use_case: UseCase) -> BatchRow:
        """Begin a batch; its lines run when a worker has room.

        Raises:
            Invalid: the endpoint is not offered, or the principal has no key.
            OverBudget: the principal has too many batches that have not ended.
        """
        self.door(new.wire, new.endpoint)
        if principal.key_id is None:
            raise Invalid("a batch needs an API key, under which its lines run")
        tenant, now = principal.tenant, self.clock.now()
        unique = self.files.ids.ulid().lower()
        batch_id = f"msgbatch_{unique}" if new.wire == ANTHROPIC.name else f"batch_{unique}"
        key = self.files.keys.new(tenant=tenant, owner=principal.id, item=batch_id)
        labels = new.floor.join(parse_labels(new.input.labels))
        row = BatchRow(
            id=batch_id,
            owner=principal.id,
            wire=new.wire,
            endpoint=new.endpoint,
            use_case=use_case.id,
            api_key=principal.key_id,
            input=new.input.id,
            key=key.wrapped,
            facts=key.seal(msgspec.json.encode(new.facts), name="facts"),
            floor=str(labels),
            labels=str(labels),
            state="validating",
            total=new.total,
            created_at=now,
            expires_at=now + WINDOW,
            keeps_until=now + max(self.files.keeps, WINDOW),
        )
        async with self.database.transaction(tenant=tenant) as tx:
            if await store.count_open(tx, tenant=tenant, owner=principal.id) >= MOST_OPEN:
                raise OverBudget(f"{MOST_OPEN} batches of yours have not ended; wait for one", retry_after_s=60)
            await store.add_batch(tx, row, tenant=tenant)
            await self._durable.submit(tx, queue=QUEUE, run=batch_id, of={}, tenant=tenant)
        return row

    async def find(self, batch_id: str, *, principal: Principal, wire: str) -> BatchRow:
        """Return a batch of its principal.

        Raises:
            NotFound: this principal has no such batch on this wire.
        """
        row = await self.find_any(batch_id, tenant=principal.tenant)
        if row.owner != principal.id or row.wire != wire or row.keeps_until <= self.clock.now():
            raise _unknown(batch_id)
        return row

    async def find_any(self, batch_id: str, *, tenant: TenantId) -> BatchRow:
        """Return a batch of anybody.

        Raises:
            NotFound: there is none.
        """
        async with self.database.transaction(tenant=tenant) as tx:
            row = await store.batch(tx, batch_id, tenant=tenant)
        if row is None:
            raise _unknown(batch_id)
        return row

    async def page(
        self,
        *,
        tenant: TenantId,
        owner: str | None,
        wire: str | None = None,
        limit: int,
        before: str | None = None,
        after: str | None = None,
    ) -> list[BatchRow]:
        """Return the batches that are older than `before`, or newer than `after`; the newest first."""
        async with self.database.transaction(tenant=tenant) as tx:
            return await store.batches(
                tx,
                tenant=tenant,
                owner=owner,
                wire=wire,
                now=self.clock.now(),
                limit=limit,
                before=before,
                after=after,
            )

    async def cancel(self, batch_id: str, *, tenant: TenantId) -> None:
        """Ask a batch to end. Lines on their way still finish, and the others do not run.

        Raises:
            Conflict: it has ended.
        """
        async with self.database.transaction(tenant=tenant) as tx:
            asked = await store.cancel_batch(tx, batch_id, tenant=tenant, now=self.clock.now())
            await self._durable.cancel(tx, batch_id, tenant=tenant)
        if not asked and (await self.find_any(batch_id, tenant=tenant)).ended_at is not None:
            raise Conflict(f"the batch {batch_id} has ended; there is nothing to cancel")

    async def delete(self, row: BatchRow, *, tenant: TenantId) -> None:
        """Delete a batch that has ended, with its results.

        Raises:
            Conflict: it has not ended.
        """
        if row.ended_at is None:
            raise Conflict(f"the batch {row.id} has not ended; cancel it first, and delete it once it has")
        async with self.database.transaction(tenant=tenant) as tx:
            await store.delete_batch(tx, row.id, tenant=tenant)
            await store.delete_file(tx, row.input, tenant=tenant, owner=row.owner)
            await self._durable.forget(tx, row.id, tenant=tenant)

    def key_of(self, row: BatchRow, *, tenant: TenantId) -> ItemKey:
        """Return the key of a stored batch."""
        return self.files.keys.unwrap(row.key, tenant=tenant, owner=row.owner, item=row.id)

    def facts_of(self, row: BatchRow, *, tenant: TenantId) -> Facts:
        """Return what a batch keeps of its maker's words."""
        return msgspec.json.decode(self.key_of(row, tenant=tenant).open(row.facts, name="facts"), type=Facts)

    def sealed_faults(self, row: BatchRow, faults: Sequence[Fault], *, tenant: TenantId) -> bytes:
        """Seal the faults of a batch's file: they repeat words of it."""
        return self.key_of(row, tenant=tenant).seal(msgspec.json.encode(faults), name="faults")

    def faults_of(self, row: BatchRow, *, tenant: TenantId) -> list[Fault]:
        """Return the faults for which a batch failed as a whole."""
        if row.faults is None:
            return [Fault("invalid_batch", row.fault)] if row.fault else []
        return msgspec.json.decode(self.key_of(row, tenant=tenant).open(row.faults, name="faults"), type=list[Fault])

    async def results(self, row: BatchRow, *, tenant: TenantId, is_output: bool | None = None) -> AsyncIterator[bytes]:
        """Yield the results of a batch by number, one a line: the answers, the others, or all."""
        key, after = self.key_of(row, tenant=tenant), 0
        while True:
            async with self.database.transaction(tenant=tenant) as tx:
                found = await store.lines(
                    tx, row.id, tenant=tenant, after=after, limit=_PAGE_LINES, is_output=is_output
                )
            if not found:
                return
            yield await asyncio.to_thread(_opened, key, found)
            after = found[-1].number

    async def sweep_forever(self, _: Pipeline) -> None:
        """Delete once an hour what has expired. Nobody can read it from that moment on, also before it is deleted."""
        while True:
            for tenant in self._tenants():
                await self.files.sweep(tenant, now=self.clock.now())
            await asyncio.sleep(_SWEEP_S)

    async def erase_before(self, moment: datetime, *, tenant: TenantId) -> int:
        """As the port `Copies`: delete files and ended batches from before a time; return their number."""
        async with self.database.transaction(tenant=tenant) as tx:
            return await store.delete_before(tx, tenant=tenant, moment=moment)

    async def forget_copies(self, file_id: str, *, principal: Principal) -> int:
        """Delete the copies of a deleted file that go with it; return their number."""
        return sum([await one.forget_file(file_id, principal=principal) for one in self._copies()])

    async def keep_requests(self, text: bytes, *, labels: Labels, principal: Principal) -> FileRow:
        """Keep the requests of a message batch, in a file that its principal does not see."""
        return await self.files.add(NewFile("requests", HIDDEN, text, labels), principal=principal)


def _opened(key: ItemKey, rows: list[store.LineRow]) -> bytes:
    return b"".join(key.open(row.body, name=f"line/{row.number}") + b"\n" for row in rows)


def _doors(dialects: Dialects) -> Mapping[str, tuple[ClientDialect, Match]]:
    offered = (*ENDPOINTS, MESSAGES)
    return {
        route.path: (dialect, Match(route.operation, None, route.stream))
        for dialect in dialects.clients.values()
        for route in dialect.routes
        if route.path in offered and dialect.plane.name in FORMS
    }


def _unknown(batch_id: str) -> NotFound:
    return NotFound(f"No batch found with id {batch_id[:128]!r}.", param="batch_id")
