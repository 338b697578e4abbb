"""Records: listed, shown with their content, proved."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, cast, get_args

import msgspec

from headgate.kernel.action import Resource
from headgate.kernel.administration import (
    RECORD_EXPORT,
    RECORD_LIST,
    RECORD_READ,
    RECORD_REVEAL,
    RECORD_VERIFY,
    Command,
    Facts,
)
from headgate.kernel.errors import Denied, Invalid, NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Clearance
from headgate.kernel.record import Outcome
from headgate.ledger.checkpoint import VerifiedCheckpoint, VerifierKey, verify_checkpoint
from headgate.ledger.log_keys import read_verifier, verifier_path
from headgate.ledger.prove import Bundle, prove
from headgate.ledger.reader import OpenedPart, RecordFilters, StoredRecord
from headgate.ledger.tiles import read_checkpoint
from headgate.server.administration import digest_of, perform
from headgate.server.api import schemas
from headgate.server.api.parts import AdminParts
from headgate.server.api.record_views import labels_text, part_views, record_view
from headgate.server.api.requests import Request

_OPEN = "open"
_MAX_LIMIT = 200
_NOT_ALLOWED = "policy lets you see the record, not its content"


async def list_records(parts: AdminParts, request: Request) -> schemas.RecordList:
    """List records, newest first."""
    caller, query = request.by, request.query
    parts.gate.authorise(caller, RECORD_LIST, Resource("ledger", caller.tenant_id))
    limit = int(query.get("limit", 50))
    if not 1 <= limit <= _MAX_LIMIT:
        raise Invalid(f"a page holds 1 to {_MAX_LIMIT} records", param="limit")
    page = await parts.records.list_records(
        _filters(request), tenant=caller.tenant_id, cursor=request.text("cursor"), limit=limit
    )
    return schemas.RecordList(records=[record_view(one) for one in page.records], next=page.cursor)


async def get_record(parts: AdminParts, request: Request) -> schemas.RecordDetail:
    """Show one record whole; opening its content is an act of its own, with a record of its own."""
    caller, record_id = request.by, request.path["record"]
    resource = Resource("record", record_id)
    parts.gate.authorise(caller, RECORD_READ, resource)
    family = await parts.records.get_record(record_id, tenant=caller.tenant_id)
    withheld = _withheld(family.record, caller.principal.clearance)
    cleared = family.record.parts.keys() - withheld.keys()
    opened: Sequence[OpenedPart] = ()
    if cleared:
        opened = await reveal(parts, request, family.record, names=cleared, resource=resource)
        if not opened:
            withheld.update(dict.fromkeys(cleared, _NOT_ALLOWED))
    return schemas.RecordDetail(
        record=record_view(family.record),
        output_labels=labels_text(family.record.output_labels),
        children=[record_view(child) for child in family.children],
        parts=part_views(family.record, opened, withheld=withheld),
    )


async def prove_record(parts: AdminParts, request: Request) -> schemas.ProofView:
    """Hand out a record's proof of inclusion, which leaves the house and so is recorded."""
    caller, record_id = request.by, request.path["record"]

    async def do(facts: Facts) -> Bundle:
        family = await parts.records.get_record(record_id, tenant=caller.tenant_id)
        index = family.record.leaf_index
        if index is None:
            raise NotFound("this record has no place in the log yet: try again in a second", param="record")
        facts["leaf_index"] = index
        return await asyncio.to_thread(_prove, parts.ledger, caller.tenant_id, index)

    command = Command(summary={"record": record_id[:64]}, arguments=digest_of(record_id), do=do)
    done = await perform(parts.pipeline, caller, RECORD_EXPORT, resource=Resource("record", record_id), command=command)
    request.reply_headers.append(("x-headgate-record", done.record))
    return schemas.ProofView(bundle=msgspec.to_builtins(done.result))


async def get_ledger(parts: AdminParts, request: Request) -> schemas.LedgerView:
    """Show the log's last signed head; size 0 and no texts before its first record."""
    caller = request.by
    parts.gate.authorise(caller, RECORD_VERIFY, Resource("ledger", caller.tenant_id))
    published = await asyncio.to_thread(_published, parts.ledger, caller.tenant_id)
    if published is None:
        return schemas.LedgerView(origin="", size=0, root_hash="", vkey="", checkpoint="")
    head = published.verified.checkpoint
    return schemas.LedgerView(
        origin=head.origin,
        size=head.size,
        root_hash=head.root.hex(),
        vkey=published.key.encode(),
        checkpoint=published.note.decode(),
    )


async def reveal(
    parts: AdminParts, request: Request, record: StoredRecord, *, names: Collection[str], resource: Resource
) -> Sequence[OpenedPart]:
    """Open parts; nothing where policy lets the caller see the record but not its content.

    Args:
        names: of the parts whose labels may flow to the caller, which is for whoever calls this to ask.
        resource: as what it is looked at: the record itself, or the approval that it waits for.
    """
    caller = request.by

    async def do(facts: Facts) -> Sequence[OpenedPart]:
        every = await parts.records.open_parts(record.id, tenant=caller.tenant_id)
        opened = [part for part in every if part.name in names]
        facts["parts"] = len(opened)
        return opened

    command = Command(summary={"record": record.id}, arguments=digest_of(record.id), do=do)
    try:
        done = await perform(parts.pipeline, caller, RECORD_REVEAL, resource=resource, command=command)
    except Denied:
        return ()
    request.reply_headers.append(("x-headgate-record", done.record))
    return cast("Sequence[OpenedPart]", done.result)


def _withheld(record: StoredRecord, clearance: Clearance) -> dict[str, str]:
    """Say of each part whose labels may not flow to a reader what keeps it from there."""
    obstacles = {name: record.labels_of(name).obstacles(clearance) for name in record.parts}
    return {name: "; ".join(found) for name, found in obstacles.items() if found}


def _filters(request: Request) -> RecordFilters:
    outcome = request.text("outcome")
    if outcome is not None and outcome != _OPEN and outcome not in get_args(Outcome):
        known = ", ".join((*get_args(Outcome), _OPEN))
        raise Invalid(f"an outcome is one of: {known}", param="outcome")
    filters = RecordFilters(
        verb=request.text("verb"),
        use_case=request.text("use_case"),
        resource=request.text("resource"),
        principal=request.text("principal"),
        rule=request.text("rule"),
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        is_open=outcome == _OPEN,
        is_first=request.query.get("roots") is True,
    )
    return filters if outcome in (None, _OPEN) else replace(filters, outcome=cast("Outcome", outcome))


def _moment(request: Request, name: str) -> datetime | None:
    text = request.text(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        # A time without its zone is as good as none; the comparison below would guess.
        if moment.tzinfo is None or moment.year < 1970:
            raise ValueError
        moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise Invalid("write the time as RFC 3339 has it, such as 2027-03-01T09:00:00Z", param=name) from error
    return moment


class _Published(NamedTuple):
    note: bytes
    key: VerifierKey
    verified: VerifiedCheckpoint


def _published(ledger: Path, tenant: TenantId) -> _Published | None:
    """Read the log's head and check its signature; None where nothing was published yet."""
    try:
        key = read_verifier(verifier_path(ledger, tenant))
        note = read_checkpoint(ledger / tenant)
    except FileNotFoundError:
        return None
    return _Published(note, key, verify_checkpoint(note, keys=[key]))


def _prove(ledger: Path, tenant: TenantId, index: int) -> Bundle:
    published = _published(ledger, tenant)
    if published is None or index >= published.verified.checkpoint.size:
        raise NotFound("the log has not published this record yet: try again in a second", param="record")
    return prove(ledger / tenant, index, keys=[published.key])
