"""Reads records: lists, one record with its children and its content, and the feed for other features."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import msgspec

from headgate.kernel.errors import Corrupt, HeadgateError, Invalid, NotFound
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.ports import FiguresPage, RecordPage
from headgate.kernel.record import Fact, Outcome
from headgate.ledger import store
from headgate.ledger.counting import Counts, Grid
from headgate.ledger.filters import BUILT_IN, RecordFilters, alternatives, query_of, ulid_floor
from headgate.ledger.leaves import Leaf, LeafLabels, LeafRule, PartDigest, decode_leaf, kernel_labels, read_figures
from headgate.ledger.marks import marks_of
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.seal import PartAddress, Sealer
from headgate.substrate.database import Database, Transaction

MAX_PAGE = 500
MAX_CHILDREN = 500

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A stored record. While it is open, `outcome` and the other fields of the closing are None.

    Args:
        principal: a pseudonym.
        parts: digests and sizes of the sealed parts.
        is_cut: the leaf was too large for the log, and its labels are incomplete.
        leaf_index: index in its tenant's log; None before the sequencer appended it.
        leaf: the canonical bytes for the log.
    """

    id: str
    tenant: str
    opened_at: datetime
    closed_at: datetime | None
    verb: str
    principal: str
    use_case: str
    resource: str
    effect: str
    would: str
    rules: tuple[LeafRule, ...]
    policy_version: str
    labels: LeafLabels
    output_labels: LeafLabels | None
    parent: str | None
    root: str | None
    key_id: str | None
    log: str
    outcome: Outcome | None
    error: str | None
    duration_us: int | None
    facts: Mapping[str, Fact]
    parts: Mapping[str, PartDigest]
    is_cut: bool
    leaf_index: int | None
    leaf: bytes = field(repr=False)

    @classmethod
    def of(cls, stored: store.StoredLeaf) -> StoredRecord:
        """Decode a stored leaf. Raises Corrupt."""
        leaf = decode_leaf(stored.leaf)
        return cls(
            id=leaf.id,
            tenant=leaf.tenant,
            opened_at=datetime.fromisoformat(leaf.opened_at),
            closed_at=None if leaf.closed_at is None else datetime.fromisoformat(leaf.closed_at),
            verb=leaf.verb,
            principal=leaf.principal,
            use_case=leaf.use_case,
            resource=leaf.resource,
            effect=leaf.effect,
            would=leaf.would,
            rules=leaf.rules,
            policy_version=leaf.policy_version,
            labels=leaf.labels,
            output_labels=leaf.output_labels,
            parent=leaf.parent,
            root=leaf.root,
            key_id=leaf.key_id,
            log=leaf.log,
            outcome=leaf.outcome,
            error=leaf.error,
            duration_us=None if leaf.outcome is None else leaf.duration_us,
            facts={**leaf.facts, **leaf.closing_facts},
            parts=leaf.parts,
            is_cut=leaf.cut is not None,
            leaf_index=stored.leaf_index,
            leaf=stored.leaf,
        )

    def labels_of(self, part: str) -> Labels:
        """Return the labels of a part: the output labels for an answer, and the input labels for any other part.

        Incomplete labels get a category and an access list that only readers with full clearance have.
        """
        labels = self.output_labels if part == "answer" else self.labels
        known = kernel_labels(self.labels if labels is None else labels)
        if labels is None or self.is_cut:
            return known.join(_UNKNOWN)
        return known


_UNKNOWN = Labels(categories=frozenset({"unknown"}), readers=frozenset({"unknown"}))


@dataclass(frozen=True, slots=True)
class RecordList:
    """A page of records, newest first, and the cursor of the next page or None."""

    records: tuple[StoredRecord, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class FollowedRecords:
    """Records in the order of the log, and the index of the last entry that was looked at."""

    records: tuple[StoredRecord, ...]
    after: int


@dataclass(frozen=True, slots=True)
class RecordFamily:
    """A record and its children, oldest first, at most 500."""

    record: StoredRecord
    children: tuple[StoredRecord, ...]


@dataclass(frozen=True, slots=True)
class OpenedPart:
    """An opened part: its `text`, or the reason why there is none.

    Args:
        state: `erased` if its key was destroyed; `missing` if it is not in the database; `damaged` if it does not match
            the digest in the leaf.
        text: the content as sent or received.
    """

    name: str
    state: Literal["open", "erased", "missing", "damaged"]
    text: bytes | None = field(default=None, repr=False)


class LedgerReader:
    """Reads one installation's records; implements the kernel's `Records`.

    Args:
        database: connects as the role `headgate_app`.
        sealer: opens parts. Callers decide who may see them.
        kinds: kinds of resources, for a search by the name of a thing.
    """

    def __init__(
        self, database: Database, *, sealer: Sealer, pseudonyms: Pseudonymiser, kinds: Sequence[str] = ()
    ) -> None:
        self._kinds = kinds
        self._database = database
        self._sealer = sealer
        self._pseudonyms = pseudonyms

    async def list_records(
        self, filters: RecordFilters | None = None, *, tenant: TenantId, cursor: str | None = None, limit: int = 50
    ) -> RecordList:
        """Return open and closed records, newest first. A list with a single filter reads an index.

        Args:
            cursor: from the previous page.
            limit: 1 to 500.

        Raises:
            Invalid: the cursor is malformed, or the limit is out of range.
        """
        filters = filters or RecordFilters()
        if not 1 <= limit <= MAX_PAGE:
            raise Invalid(f"limit must be from 1 to {MAX_PAGE} records; {limit} is not.", param="limit")
        if cursor is not None and not _ULID.fullmatch(cursor):
            raise Invalid("The cursor is not valid; begin without one.", param="cursor")
        query = self._query(filters, tenant=tenant, cursor=cursor)
        async with self._database.transaction(tenant=tenant) as tx:
            # Open records first, so that a record that closes in between appears twice and is not missed.
            opened = await self._opened(tx, filters, query, tenant=tenant, limit=limit)
            closed = await self._closed(tx, filters, query, tenant=tenant, limit=limit)
        found = {record.id: record for record in [*opened, *closed]}
        records = [found[record_id] for record_id in sorted(found, reverse=True)]
        more = len(records) > limit
        return RecordList(tuple(records[:limit]), records[limit - 1].id if more else None)

    async def follow(
        self, filters: RecordFilters, *, tenant: TenantId, after: int | None, limit: int = MAX_PAGE
    ) -> FollowedRecords:
        """Return closed records after an entry of the log, in the log's order; without `after`, the log's end.

        It reads `limit` entries and returns those that match, so a page may be empty before the end.
        """
        if after is None:
            head = await self.log_head(tenant=tenant)
            return FollowedRecords((), head.size - 1 if head is not None else -1)
        queries = alternatives(self._query(filters, tenant=tenant, cursor=None), filters, kinds=self._kinds)
        async with self._database.transaction(tenant=tenant) as tx:
            rows = await store.records_after(tx, after, tenant=tenant, limit=limit)
        leaves = ((row, decode_leaf(row.leaf)) for row in rows)
        found = tuple(StoredRecord.of(row) for row, leaf in leaves if any(_matches(leaf, one) for one in queries))
        return FollowedRecords(found, (rows[-1].leaf_index or 0) if rows else after)

    async def rule_matches(
        self, *, tenant: TenantId, moments: Sequence[datetime], most: int
    ) -> Mapping[str, Sequence[int]]:
        """Return how many calls each rule matched between each two moments, at most `most` for each rule and period."""
        bounds = [ulid_floor(moment) for moment in moments]
        async with self._database.transaction(tenant=tenant) as tx:
            return await store.rule_matches(tx, tenant=tenant, bounds=bounds, most=most)

    async def pages(
        self, filters: RecordFilters, *, tenant: TenantId, page_size: int, most: int
    ) -> AsyncGenerator[RecordList]:
        """Yield the pages of a list, newest first, until it ends or holds `most` records."""
        cursor: str | None = None
        while most > 0:
            page = await self.list_records(filters, tenant=tenant, cursor=cursor, limit=min(most, page_size))
            yield page
            most, cursor = most - len(page.records), page.cursor
            if cursor is None:
                return

    async def count_records(self, filters: RecordFilters, grid: Grid, *, tenant: TenantId, now: datetime) -> Counts:
        """Count closed records by bucket and outcome, with a bound on the work.

        Raises:
            Invalid: there is a text, whose alternatives would count records twice.
            Unavailable: it takes too long, because filters that are common alone seldom meet.
        """
        if filters.text is not None:
            raise Invalid("A search has no counts; leave out `text`.", param="text")
        query = self._query(filters, tenant=tenant, cursor=None)
        counts = Counts(grid)
        async with self._database.transaction(tenant=tenant) as tx:
            for one in () if filters.is_open else alternatives(query, filters, kinds=self._kinds):
                buckets = grid.buckets()
                counted = await store.count_records(tx, one, tenant=tenant, buckets=buckets)
                if full := grid.full(counted):
                    buckets = grid.rest(full, counted)
                    again = await store.count_records(tx, one, tenant=tenant, buckets=buckets)
                    counted = [row for row in counted if row.place not in full]
                    counted += [replace(row, place=full[row.place - 1]) for row in again]
                counts.add(counted, now=now, most=buckets.most)
        return counts

    async def open_batch(self, records: Sequence[StoredRecord], *, tenant: TenantId) -> dict[str, list[OpenedPart]]:
        """Open the parts of several records, by record. Bound their number and sizes before."""
        async with self._database.transaction(tenant=tenant) as tx:
            stored = await store.parts_of_records(tx, [record.id for record in records], tenant=tenant)
        parts: dict[str, dict[str, store.StoredPart]] = {}
        for one in stored:
            parts.setdefault(one.record, {})[one.name] = one.part
        return {
            record.id: [self._open(record, name, parts.get(record.id, {}).get(name)) for name in sorted(record.parts)]
            for record in records
        }

    async def get_record(self, record_id: str, *, tenant: TenantId) -> RecordFamily:
        """Return a record with its children.

        Raises:
            NotFound: the tenant has no such record.
        """
        query = store.RecordQuery(parent=record_id)
        async with self._database.transaction(tenant=tenant) as tx:
            record = await self._record(tx, record_id, tenant=tenant)
            opened = await store.list_openings(tx, query, tenant=tenant, limit=MAX_CHILDREN)
            closed = await store.list_records(tx, query, tenant=tenant, limit=MAX_CHILDREN)
        children = {child.id: child for child in map(StoredRecord.of, [*opened, *closed])}
        return RecordFamily(record, tuple(children[child] for child in sorted(children)))

    async def open_parts(self, record_id: str, *, tenant: TenantId) -> tuple[OpenedPart, ...]:
        """Open the parts of a record and check them against the digests in its leaf.

        Raises:
            NotFound: the tenant has no such record.
        """
        async with self._database.transaction(tenant=tenant) as tx:
            record = await self._record(tx, record_id, tenant=tenant)
            stored = {part.name: part for part in await store.parts_of(tx, record_id, tenant=tenant)}
        return tuple(self._open(record, name, stored.get(name)) for name in sorted(record.parts))

    async def after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> RecordPage:
        """Return closed records in the order of the log; see the port `Records`. The cursor is a leaf index."""
        start = _place(cursor)
        async with self._database.transaction(tenant=tenant) as tx:
            rows = await store.records_after(tx, start, tenant=tenant, limit=min(max(limit, 1), MAX_PAGE))
        last = rows[-1].leaf_index if rows else None
        return RecordPage(tuple(map(_mapping, rows)), None if last is None else str(last))

    async def figures_after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> FiguresPage:
        """Return the figures of closed records in the order of the log; see the port `Records`."""
        start = _place(cursor)
        async with self._database.transaction(tenant=tenant) as tx:
            leaves = await store.leaves_after(tx, start, tenant=tenant, limit=limit)
        last = str(next(reversed(leaves))) if leaves else None
        return FiguresPage(map(read_figures, leaves.values()), len(leaves), last)

    async def get(self, record: RecordId, *, tenant: TenantId) -> Mapping[str, Any]:
        """Return one record as a mapping of its leaf's fields and `leaf_index`; see the port `Records`."""
        async with self._database.transaction(tenant=tenant) as tx:
            found = await store.get_record(tx, record, tenant=tenant)
        if found is None:
            raise _unknown(record)
        return _mapping(found)

    async def log_head(self, *, tenant: TenantId) -> store.LogHead | None:
        """Return the head of the tenant's log, or None before its first record."""
        async with self._database.transaction(tenant=tenant) as tx:
            return await store.log_head(tx, tenant=tenant)

    async def _record(self, tx: Transaction, record_id: str, *, tenant: str) -> StoredRecord:
        found = await store.get_record(tx, record_id, tenant=tenant)
        if found is None:
            raise _unknown(record_id)
        return StoredRecord.of(found)

    async def _opened(
        self, tx: Transaction, filters: RecordFilters, query: store.RecordQuery, *, tenant: str, limit: int
    ) -> Sequence[StoredRecord]:
        if filters.outcome is not None or filters.outcomes is not None or filters.text is not None:
            return ()
        rows = await store.list_openings(tx, query, tenant=tenant, limit=limit + 1)
        found = [StoredRecord.of(row) for row in rows if _is_marked(row, query.marks)]
        return [
            one
            for one in found
            if (filters.people is None or one.principal in filters.people)
            and (filters.verbs is None or one.verb in filters.verbs)
        ]

    async def _closed(
        self, tx: Transaction, filters: RecordFilters, query: store.RecordQuery, *, tenant: str, limit: int
    ) -> Sequence[StoredRecord]:
        if filters.is_open:
            return ()
        rows: list[store.StoredLeaf] = []
        for one in alternatives(query, filters, kinds=self._kinds):
            rows += await store.list_records(tx, one, tenant=tenant, limit=limit + 1)
        return [StoredRecord.of(row) for row in rows]

    def _query(self, filters: RecordFilters, *, tenant: str, cursor: str | None) -> store.RecordQuery:
        return query_of(filters, cursor=cursor, pseudonym=lambda principal: self._pseudonyms(tenant, principal))

    def _open(self, record: StoredRecord, name: str, part: store.StoredPart | None) -> OpenedPart:
        if part is None:
            return OpenedPart(name, "missing")
        place = PartAddress(record.tenant, record.id, name, part.seal)
        try:
            digest = bytes.fromhex(record.parts[name].sha256)
            return OpenedPart(name, "open", self._sealer.open(part.envelope, place=place, digest=digest))
        except NotFound:
            return OpenedPart(name, "erased")
        except (Corrupt, ValueError):
            return OpenedPart(name, "damaged")


def _place(cursor: str | None) -> int:
    """Return the leaf index that a cursor of the feed names; -1 for the beginning."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise Invalid("The cursor of the feed is not valid; begin without one.", param="cursor")
    return -1 if cursor is None else int(cursor)


def _matches(leaf: Leaf, query: store.RecordQuery) -> bool:
    """Tell whether a closed record matches a query for lists."""
    places = (leaf.resource, leaf.facts.get("destination"))
    return (
        all(wanted in (None, getattr(leaf, name)) for name, wanted in _exact(query).items())
        and (query.resource is None or query.resource in places)
        and set(query.marks) <= set(marks_of(leaf))
        and (query.since is None or leaf.id >= query.since)
        and (query.until is None or leaf.id < query.until)
        and not ((query.is_first or query.kind is not None) and leaf.parent is not None)
        and (query.kind is None or (query.kind == "administration") == (leaf.use_case in BUILT_IN))
    )


def _exact(query: store.RecordQuery) -> dict[str, str | None]:
    return {
        name: getattr(query, name) for name in ("verb", "outcome", "use_case", "principal", "parent", "root", "key_id")
    }


def _is_marked(row: store.StoredLeaf, marks: Sequence[str]) -> bool:
    return set(marks) <= set(marks_of(decode_leaf(row.leaf)))


def _mapping(row: store.StoredLeaf) -> Mapping[str, Any]:
    leaf: Leaf = decode_leaf(row.leaf)
    plain: dict[str, Any] = msgspec.to_builtins(leaf)
    return {**plain, "leaf_index": row.leaf_index}


def _unknown(record_id: str) -> HeadgateError:
    return NotFound(f"There is no record {record_id[:26]}; records appear within a second of their opening.")
