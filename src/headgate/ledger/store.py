"""The tables of the schema `ledger`. Callers open the transaction, with a tenant except for the shipper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Literal, cast

import msgspec

from headgate.ledger.leaves import ClosedLeaf, JournalEntry, Leaf, decode_leaf, read_closed
from headgate.ledger.marks import WITHIN_RULE, marks_of_closed, within_call
from headgate.ledger.merkle import EMPTY_ROOT, Frontier
from headgate.substrate.database import Statement, Transaction, load_queries

_SQL = load_queries("headgate.ledger")
Kind = Literal["calls", "administration"]

_COUNTING_MS = 1000
"""The longest time of a count."""


@dataclass(frozen=True, slots=True)
class LogState:
    """A log's state in the database, with the epoch of its last holder."""

    origin: str
    size: int
    root: bytes
    frontier: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class Move:
    """A move of the head from `old_size` to `frontier`, under an epoch."""

    tenant: str
    epoch: int
    old_size: int
    frontier: Frontier


@dataclass(frozen=True, slots=True)
class LogHead:
    """The head of a log."""

    origin: str
    size: int
    root: bytes
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch from the queue.

    Args:
        count: number of removed queue rows.
        leaves: records without a leaf index, by id, in order.
    """

    count: int
    leaves: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A leaf with its index, which is None before it is in the log."""

    leaf: bytes
    leaf_index: int | None


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A sealed part with the partition of its key."""

    name: str
    seal: str
    envelope: bytes


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Filters of a list; None filters nothing.

    Args:
        before: only ids below this one, the end of the previous page.
        since: only ids from this one on; `until`: only ids below it. Prefixes of ULIDs work too.
        mark: one that the records have, such as `rule:<id>` or `category:<name>`; `also`: further ones.
        is_first: only records without a parent. A rule that matched one of their attempts counts as theirs.
        kind: `calls`, or `administration` with Headgate's own jobs; both without attempts.
    """

    before: str | None = None
    since: str | None = None
    until: str | None = None
    verb: str | None = None
    outcome: str | None = None
    use_case: str | None = None
    resource: str | None = None
    principal: str | None = None
    parent: str | None = None
    root: str | None = None
    mark: str | None = None
    is_first: bool = False
    key_id: str | None = None
    kind: Kind | None = None
    also: tuple[str, ...] = ()

    @property
    def marks(self) -> tuple[str, ...]:
        """Every mark that the records have."""
        return self.also if self.mark is None else (self.mark, *self.also)

    def parameters(self, *, tenant: str, limit: int) -> dict[str, object]:
        """Return the parameters of the list queries."""
        values = {name: getattr(self, name) for name in RecordQuery.__slots__}
        if self.is_first or self.kind is not None:
            within = list(map(within_call, self.marks))
            values |= {"mark": within[0] if within else None, "also": within[1:]}
        return {**values, "also": list(values["also"]), "tenant": tenant, "limit": limit}


@dataclass(frozen=True, slots=True)
class Buckets:
    """Spans of time to count, as prefixes of ULIDs, and the most records to count in each."""

    starts: list[str]
    stops: list[str]
    most: int


@dataclass(frozen=True, slots=True)
class Counted:
    """The counted records of one outcome in one bucket; `place` begins at 1, `first` is the oldest counted id.

    An empty outcome stands for records with the mark that other filters leave out.
    """

    place: int
    outcome: str
    count: int
    first: str


@dataclass(frozen=True, slots=True)
class StoredPartOf:
    """A sealed part of one of several records."""

    record: str
    name: str
    seal: str
    envelope: bytes

    @property
    def part(self) -> StoredPart:
        """The part alone."""
        return StoredPart(self.name, self.seal, self.envelope)


@dataclass(frozen=True, slots=True)
class StoredView:
    """A saved view: the filters of a list under a name."""

    owner: str
    name: str
    filters: dict[str, Any]
    is_shared: bool
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class _Tenant:
    tenant: str


@dataclass(frozen=True, slots=True)
class _Bytes:
    leaf: bytes


@dataclass(frozen=True, slots=True)
class _Taken:
    """All rows as one row of arrays, because sending many small rows would take most of the time."""

    count: int
    arrivals: list[int]
    ids: list[str]
    sizes: list[int]
    blob: bytes


@dataclass(frozen=True, slots=True)
class _Found:
    """All rows as one row of arrays, as in `_Taken`."""

    places: list[int]
    sizes: list[int]
    blob: bytes


@dataclass(frozen=True, slots=True)
class _Matches:
    mark: str
    counts: list[int]


async def rule_matches(
    tx: Transaction, *, tenant: str, bounds: Sequence[str], most: int
) -> Mapping[str, Sequence[int]]:
    """Return the number of calls that each rule matched in each period.

    Args:
        bounds: the ids between which the periods lie, oldest first; one more than periods.
        most: counting stops at this number for each rule and period.
    """
    prefix = WITHIN_RULE
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)  # the first text after all that begin with the prefix
    periods = {"starts": list(bounds[:-1]), "ends": list(bounds[1:])}
    params = {"tenant": tenant, "most": most, "prefix": prefix, "end": end, **periods}
    rows = await tx.rows(_SQL["rule_matches"], params, of=_Matches)
    return {row.mark.removeprefix(prefix): row.counts for row in rows}


async def prepare_months(tx: Transaction) -> None:
    """Create the partitions of this month and the next two."""
    await tx.execute(_SQL["prepare_months"])


async def ship(tx: Transaction, entries: Sequence[JournalEntry], *, worker: str, may_be_there: bool) -> None:
    """Insert openings and closings in the order of their journal. Eight round trips.

    A record that is opened and closed within the batch never enters the table of open records.

    Args:
        may_be_there: some entries may already be stored; they are skipped. The check costs 10 % more.

    Raises:
        Conflict: an entry is already stored, and `may_be_there` is false. Roll back and retry with it.
        Corrupt: a closing has an open leaf.
    """
    closings = [entry for entry in entries if entry.is_closing]
    closed_keys = {(entry.tenant, entry.id) for entry in closings}
    opened = [entry for entry in entries if not entry.is_closing and (entry.tenant, entry.id) not in closed_keys]
    if opened:
        leaves = _bytes_columns([entry.leaf for entry in opened])
        await tx.execute(_SQL["add_openings"], {**_keys(opened), **leaves, "worker": worker})
    await _add_parts(tx, entries, may_be_there=may_be_there)
    if closings:
        await close(tx, [entry.leaf for entry in closings], may_be_there=may_be_there)


async def close(tx: Transaction, leaves: Sequence[bytes], *, may_be_there: bool) -> None:
    """Insert closed records and queue them for their logs, in this order; see `ship`.

    A repeated record is queued again. The sequencer skips records that are already in the log.
    """
    closed = list(map(read_closed, leaves))
    columns = _record_columns(closed)
    keys = {"tenants": columns["tenants"], "ids": columns["ids"]}
    await tx.execute(_adding("records", may_be_there=may_be_there), {**columns, **_bytes_columns(leaves)})
    await tx.execute(_SQL["remove_openings"], keys)
    await _add_marks(tx, closed, may_be_there=may_be_there)
    await tx.execute(_SQL["add_pending"], keys)


async def openings_of(tx: Transaction, *, worker: str, limit: int) -> list[Leaf]:
    """Return a worker's open records, oldest first."""
    rows = await tx.rows(_SQL["openings_of_worker"], {"worker": worker, "limit": limit}, of=_Bytes)
    return [decode_leaf(row.leaf) for row in rows]


async def hold_sequencer_lock(tx: Transaction) -> bool:
    """Take the sequencer's lock of this database until the transaction ends. Return False if another has it."""
    return bool(await tx.value(_SQL["hold_lock"]))


async def pending_tenants(tx: Transaction) -> list[str]:
    """Return the tenants with queued records."""
    return [row.tenant for row in await tx.rows(_SQL["pending_tenants"], of=_Tenant)]


async def log_tenants(tx: Transaction) -> list[str]:
    """Return the tenants with a log."""
    return [row.tenant for row in await tx.rows(_SQL["log_tenants"], of=_Tenant)]


async def take_log(tx: Transaction, *, tenant: str, origin: str) -> LogState:
    """Begin a new epoch of the tenant's log, so that no earlier holder can move its head. Creates a missing log."""
    empty = {"root": EMPTY_ROOT, "frontier": Frontier().to_bytes()}
    await tx.execute(_SQL["begin_log"], {"tenant": tenant, "origin": origin, **empty})
    state = await tx.row(_SQL["take_log"], {"tenant": tenant}, of=LogState)
    assert state is not None, "it is made above"
    return state


async def take_pending(tx: Transaction, *, tenant: str, limit: int, may_be_there: bool) -> Taken:
    """Remove the oldest records from the queue, in order of arrival. A rollback restores them.

    Args:
        may_be_there: skip records that are already in the log. Otherwise `advance` raises Conflict for them.
    """
    values = {"tenant": tenant, "limit": limit, "may_be_there": may_be_there}
    taken = await tx.row(_SQL["take_pending"], values, of=_Taken, is_binary=True)
    assert taken is not None, "it counts"
    stops = list(accumulate(taken.sizes))
    leaves = [taken.blob[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]
    rows = sorted(zip(taken.arrivals, taken.ids, leaves, strict=True))
    return Taken(taken.count, {record: leaf for _, record, leaf in rows})


async def advance(tx: Transaction, ids: Sequence[str], move: Move) -> bool:
    """Assign leaf indices and move the head. Return False if another sequencer took the log; roll back then.

    Raises:
        Conflict: a record is already in the log; roll back then.
    """
    await tx.execute(_SQL["add_leaves"], {"tenant": move.tenant, "first": move.old_size, "ids": _array(ids)})
    head = move.frontier.head()
    columns = {"size": head.size, "root": head.root, "frontier": move.frontier.to_bytes()}
    fence = {"tenant": move.tenant, "epoch": move.epoch, "old_size": move.old_size}
    return await tx.execute(_SQL["advance_log"], {**fence, **columns}) == 1


async def leaves_between(tx: Transaction, *, tenant: str, start: int, stop: int) -> list[bytes]:
    """Return the leaves from `start` up to `stop`, in order."""
    rows = await tx.rows(_SQL["leaves_between"], {"tenant": tenant, "start": start, "stop": stop}, of=_Bytes)
    return [row.leaf for row in rows]


async def list_records(tx: Transaction, query: RecordQuery, *, tenant: str, limit: int) -> list[StoredLeaf]:
    """Return closed records, newest first."""
    await tx.execute(_SQL["plan_for_these_values"])
    values = query.parameters(tenant=tenant, limit=limit)
    if not query.also:
        name = "list_records" if query.mark is None else "list_marked_records"
        return await tx.rows(_SQL[name], values, of=StoredLeaf)
    marks = list(dict.fromkeys((values["mark"], *cast("list[str]", values["also"]))))
    first, *others = cast("list[str]", await tx.value(_SQL["rarest_first"], {**values, "marks": marks}))
    return await tx.rows(_SQL["list_records_of_marks"], {**values, "mark": first, "also": others}, of=StoredLeaf)


async def count_records(tx: Transaction, query: RecordQuery, *, tenant: str, buckets: Buckets) -> list[Counted]:
    """Count the closed records of each bucket by outcome, at most `buckets.most` of each bucket.

    Raises:
        Unavailable: it takes longer than a second, because filters that are common alone seldom meet.
    """
    await tx.execute(_SQL["plan_for_these_values"])
    await tx.execute(_SQL["bound_the_count"], {"ms": str(_COUNTING_MS)})
    name = "count_records" if query.mark is None else "count_marked_records"
    values = query.parameters(tenant=tenant, limit=buckets.most)
    return await tx.rows(_SQL[name], {**values, "starts": buckets.starts, "stops": buckets.stops}, of=Counted)


async def list_openings(tx: Transaction, query: RecordQuery, *, tenant: str, limit: int) -> list[StoredLeaf]:
    """Return open records, newest first. Ignores `mark` and `outcome`."""
    return await tx.rows(_SQL["list_openings"], query.parameters(tenant=tenant, limit=limit), of=StoredLeaf)


async def get_record(tx: Transaction, record_id: str, *, tenant: str) -> StoredLeaf | None:
    """Return a closed or open record by id."""
    values = {"tenant": tenant, "id": record_id}
    for query in ("get_record", "get_opening", "get_record"):  # it may close between the first two
        if (found := await tx.row(_SQL[query], values, of=StoredLeaf)) is not None:
            return found
    return None


async def parts_of(tx: Transaction, record_id: str, *, tenant: str) -> list[StoredPart]:
    """Return the sealed parts of a record, by name."""
    return await tx.rows(_SQL["parts_of_record"], {"tenant": tenant, "id": record_id}, of=StoredPart)


async def parts_of_records(tx: Transaction, records: Sequence[str], *, tenant: str) -> list[StoredPartOf]:
    """Return the sealed parts of several records, newest record first. Bound their number and sizes before."""
    return await tx.rows(_SQL["parts_of_records"], {"tenant": tenant, "records": list(records)}, of=StoredPartOf)


async def views_of(tx: Transaction, *, tenant: str, owner: str) -> list[StoredView]:
    """Return a person's saved views and those that others share, at most 500."""
    return await tx.rows(_SQL["views_of"], {"tenant": tenant, "owner": owner, "limit": 500}, of=StoredView)


async def count_other_views(tx: Transaction, *, tenant: str, owner: str, name: str) -> int:
    """Return the number of a person's saved views with another name."""
    return int(str(await tx.value(_SQL["count_other_views"], {"tenant": tenant, "owner": owner, "name": name})))


async def save_view(tx: Transaction, view: StoredView, *, tenant: str) -> None:
    """Save a view in place of the person's view of the same name."""
    values = {"owner": view.owner, "name": view.name, "is_shared": view.is_shared, "saved_at": view.saved_at}
    await tx.execute(
        _SQL["save_view"], {**values, "tenant": tenant, "filters": msgspec.json.encode(view.filters).decode()}
    )


async def delete_view(tx: Transaction, *, tenant: str, owner: str, name: str) -> bool:
    """Delete a person's view. Return whether there was one."""
    return await tx.execute(_SQL["delete_view"], {"tenant": tenant, "owner": owner, "name": name}) == 1


async def records_after(tx: Transaction, after: int, *, tenant: str, limit: int) -> list[StoredLeaf]:
    """Return the leaves after an index, in the order of the log."""
    return await tx.rows(_SQL["records_after"], {"tenant": tenant, "after": after, "limit": limit}, of=StoredLeaf)


async def leaves_after(tx: Transaction, after: int, *, tenant: str, limit: int) -> dict[int, bytes]:
    """Return the leaves after an index, by index and in the order of the log; faster than `records_after`."""
    values = {"tenant": tenant, "after": after, "limit": limit}
    found = await tx.row(_SQL["leaves_after"], values, of=_Found, is_binary=True)
    assert found is not None, "it has one row"
    stops = list(accumulate(found.sizes))
    leaves = [found.blob[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]
    return dict(sorted(zip(found.places, leaves, strict=True)))


async def log_head(tx: Transaction, *, tenant: str) -> LogHead | None:
    """Return the head of the tenant's log, or None before its first record."""
    return await tx.row(_SQL["log_state"], {"tenant": tenant}, of=LogHead)


def _array(texts: Sequence[str]) -> str:
    """Format an array literal, because psycopg takes a microsecond for each of a record's fifteen values."""
    joined = '","'.join(texts)
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
        joined = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return f'{{"{joined}"}}'


def _bytes_columns(values: Sequence[bytes]) -> dict[str, object]:
    """Join binary values to one, with the start (from 1) and length of each, for `substr`."""
    sizes = [len(value) for value in values]
    starts = accumulate(sizes[:-1], initial=1)
    return {
        "blob": b"".join(values),
        "starts": "{" + ",".join(map(str, starts)) + "}",
        "sizes": "{" + ",".join(map(str, sizes)) + "}",
    }


def _keys(records: Sequence[JournalEntry]) -> dict[str, object]:
    return {"tenants": _array([record.tenant for record in records]), "ids": _array([record.id for record in records])}


def _record_columns(closed: Sequence[ClosedLeaf]) -> dict[str, object]:
    return {
        "tenants": _array([leaf.tenant for leaf in closed]),
        "ids": _array([leaf.id for leaf in closed]),
        "opened_ats": _array([leaf.opened_at for leaf in closed]),
        "closed_ats": _array([leaf.closed_at for leaf in closed]),
        "verbs": _array([leaf.verb for leaf in closed]),
        "outcomes": _array([leaf.outcome for leaf in closed]),
        "use_cases": _array([leaf.use_case for leaf in closed]),
        "resources": _array([leaf.resource for leaf in closed]),
        "principals": _array([leaf.principal for leaf in closed]),
        "parents": _array([leaf.parent for leaf in closed]),
        "roots": _array([leaf.root for leaf in closed]),
        "key_ids": _array([leaf.key_id for leaf in closed]),
    }


def _adding(table: str, *, may_be_there: bool) -> Statement:
    """Return the statement that inserts rows into a table. With `may_be_there` it skips existing rows."""
    statement = _SQL[f"add_{table}"]
    return Statement(f"{statement}\nON CONFLICT DO NOTHING") if may_be_there else statement


async def forget(tx: Transaction, records: Sequence[str], *, tenant: str, principal: str) -> int:
    """Delete the parts of one principal's records, now and when they arrive. Returns the number of deleted parts.

    Args:
        principal: its pseudonym.
    """
    params = {"tenant": tenant, "principal": principal, "records": list(records)}
    return cast("int", await tx.value(_SQL["forget"], params))


async def _kept(tx: Transaction, entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    """Return the entries with parts, without those whose own principal has asked to forget them.

    Holds a lock until the end of the transaction: whoever forgets a record meanwhile waits, and then finds its parts.
    """
    await tx.execute(_SQL["hold_parts"])
    leaves = [(entry, decode_leaf(entry.leaf)) for entry in entries if entry.parts]
    named = {(leaf.tenant, name) for _, leaf in leaves for name in (leaf.id, leaf.root) if name is not None}
    params = {"tenants": [tenant for tenant, _ in named], "records": [name for _, name in named]}
    rows = await tx.rows(_SQL["forgotten_among"], params, of=_Forgotten)
    if not rows:
        return [entry for entry, _ in leaves]
    forgotten = {(row.tenant, row.record, row.principal) for row in rows}
    return [
        entry
        for entry, leaf in leaves
        if forgotten.isdisjoint((leaf.tenant, name or "", leaf.principal) for name in (leaf.id, leaf.root))
    ]


@dataclass(frozen=True, slots=True)
class _Forgotten:
    tenant: str
    record: str
    principal: str


async def _add_parts(tx: Transaction, entries: Sequence[JournalEntry], *, may_be_there: bool) -> None:
    if not any(entry.parts for entry in entries):
        return
    kept = await _kept(tx, entries)
    parts = [(entry, name, envelope) for entry in kept for name, envelope in entry.parts.items()]
    if not parts:
        return
    await tx.execute(
        _adding("parts", may_be_there=may_be_there),
        {
            "tenants": _array([entry.tenant for entry, _, _ in parts]),
            "records": _array([entry.id for entry, _, _ in parts]),
            "names": _array([name for _, name, _ in parts]),
            "seals": _array([entry.seal for entry, _, _ in parts]),
            **_bytes_columns([envelope for _, _, envelope in parts]),
        },
    )


async def _add_marks(tx: Transaction, closed: Sequence[ClosedLeaf], *, may_be_there: bool) -> None:
    marked = [(leaf, marks_of_closed(leaf)) for leaf in closed]
    own = [(leaf.tenant, mark, leaf.id) for leaf, marks in marked for mark in marks]
    await _add_rows_of_marks(tx, own, may_be_there=may_be_there)
    # Calls are looked for by the rules that they or their attempts met, and only one mark gives the order of a list. (A
    # call has its attempts' categories: labels are joined on the way out.)
    within = {
        (leaf.tenant, within_call(mark), leaf.root or leaf.id)
        for leaf, marks in marked
        for mark in marks
        if within_call(mark) != mark
    }
    await _add_rows_of_marks(tx, list(within), may_be_there=True)  # other attempts have met it before


async def _add_rows_of_marks(tx: Transaction, rows: Sequence[tuple[str, str, str]], *, may_be_there: bool) -> None:
    if rows:
        await tx.execute(
            _adding("marks", may_be_there=may_be_there),
            {
                "tenants": _array([tenant for tenant, _, _ in rows]),
                "marks": _array([mark for _, mark, _ in rows]),
                "records": _array([record for _, _, record in rows]),
            },
        )
