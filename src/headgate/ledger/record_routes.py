"""Operations on records: list, show, prove and erase; and the state of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from headgate.admin.bodies import PartView
from headgate.admin.checks import page_size
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import CURSOR, LIMIT, Operation, Parameter
from headgate.admin.records import RECORD_REVEAL, Reveal
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import Denied, NotFound
from headgate.kernel.identity import TenantId
from headgate.ledger.checkpoint import VerifiedCheckpoint, VerifierKey, verify_checkpoint
from headgate.ledger.clearing import NOT_ALLOWED, withheld_parts
from headgate.ledger.conversations import RecordConversation, conversation_of
from headgate.ledger.erasure import Erased
from headgate.ledger.filter_parameters import FILTERS, filters_of
from headgate.ledger.log_keys import read_verifier, verifier_path
from headgate.ledger.names import names_for
from headgate.ledger.parts import Ledger
from headgate.ledger.prove import Bundle, prove
from headgate.ledger.reader import RecordFamily, StoredRecord
from headgate.ledger.tiles import read_checkpoint
from headgate.ledger.verbs import RECORD_ERASE, RECORD_EXPORT, RECORD_LIST, RECORD_READ, RECORD_VERIFY
from headgate.ledger.views import (
    EraseRequest,
    Erasure,
    LedgerView,
    ProofView,
    RecordDetail,
    RecordFeed,
    RecordList,
    labels_text,
    record_view,
    shown_parts,
)
from headgate.ledger.watching import watch_records


async def list_records(ledger: Ledger, request: Request) -> RecordList:
    """List records, newest first."""
    caller = request.by
    request.authorise(RECORD_LIST, Resource("ledger", caller.tenant_id))
    limit = page_size(request.number("limit", 50), "records")
    names = names_for(request, ledger.directory)
    filters = filters_of(request, names, now=ledger.clock.now())
    page = await ledger.reader.list_records(
        filters, tenant=caller.tenant_id, cursor=request.text("cursor"), limit=limit
    )
    return RecordList(records=[record_view(one, names) for one in page.records], next=page.cursor)


async def follow_records(ledger: Ledger, request: Request) -> RecordFeed:
    """Return the records that entered the log after an entry, oldest first."""
    request.authorise(RECORD_LIST, Resource("ledger", request.tenant))
    after = request.number("after", -1) if "after" in request.query else None
    names = names_for(request, ledger.directory)
    filters = filters_of(request, names, now=ledger.clock.now())
    page = await ledger.reader.follow(filters, tenant=request.tenant, after=after)
    return RecordFeed(records=[record_view(one, names) for one in page.records], after=page.after)


async def get_record(ledger: Ledger, request: Request) -> RecordDetail:
    """Show one record with its content. Opening the content leaves a record."""
    caller, record_id = request.by, request.path["record"]
    resource = Resource("record", record_id)
    request.authorise(RECORD_READ, resource)
    family = await ledger.reader.get_record(record_id, tenant=caller.tenant_id)
    names = names_for(request, ledger.directory)
    withheld = withheld_parts(request, family.record)
    opened = await _opened(request, family.record, withheld)
    parts = shown_parts(family.record, opened, withheld=withheld)
    return RecordDetail(
        record=record_view(family.record, names),
        output_labels=labels_text(family.record.output_labels),
        children=[record_view(child, names) for child in family.children],
        parts=parts,
        conversation=await _conversation(ledger, request, family, parts),
    )


async def _opened(request: Request, record: StoredRecord, withheld: dict[str, str]) -> Sequence[PartView]:
    """Open the parts of a record that the reader may see, as an action. Adds the reasons of policy to `withheld`."""
    cleared = record.parts.keys() - withheld.keys()
    if not cleared:
        return ()
    try:
        resource = Resource("record", record.id)
        done = await request.act(RECORD_REVEAL, resource, Reveal(record.id, frozenset(cleared)))
    except Denied:
        withheld.update(dict.fromkeys(cleared, NOT_ALLOWED))
        return ()
    opened: Sequence[PartView] = done.result
    return opened


async def _conversation(
    ledger: Ledger, request: Request, family: RecordFamily, parts: Sequence[PartView]
) -> RecordConversation | None:
    """Return the conversation of a call; of a call with several attempts, that of its last one with content."""
    record = family.record
    if not parts:
        tried = [child for child in family.children if child.parts]
        if not tried:
            return None
        record = tried[-1]
        withheld = withheld_parts(request, record)
        parts = shown_parts(record, await _opened(request, record, withheld), withheld=withheld)
    return await asyncio.to_thread(conversation_of, record.id, parts, dialects=ledger.dialects)


async def prove_record(ledger: Ledger, request: Request) -> ProofView:
    """Return a record's proof of inclusion. This is an export, so it leaves a record."""
    caller, record_id = request.by, request.path["record"]

    async def do(facts: Facts) -> Bundle:
        family = await ledger.reader.get_record(record_id, tenant=caller.tenant_id)
        index = family.record.leaf_index
        if index is None:
            raise NotFound("this record is not in the log yet; try again in a second", param="record")
        facts["leaf_index"] = index
        return await asyncio.to_thread(_prove, ledger.folder, caller.tenant_id, index)

    told = {"record": record_id[:64]}
    resource = Resource("record", record_id)
    done = await request.perform(RECORD_EXPORT, resource, do, arguments=digest_of(record_id), summary=told)
    return ProofView(bundle=msgspec.to_builtins(done.result))


async def erase_content(ledger: Ledger, request: Request) -> Erasure:
    """Erase the content of past days permanently. The records stay, and the log still verifies."""
    tenant = request.by.tenant_id
    body = request.body_as(EraseRequest)
    command = ledger.eraser.command(tenant, body.before)
    done = await request.act(RECORD_ERASE, Resource("ledger", tenant), command)
    erased: Erased = done.result
    return Erasure(
        days=[receipt.partition.removeprefix(f"{tenant}.") for receipt in erased.receipts],
        covers=erased.receipts[0].covers if erased.receipts else "",
        answers=erased.copies,
    )


async def get_ledger(ledger: Ledger, request: Request) -> LedgerView:
    """Show the log's last signed head. Before the first record the size is 0 and the texts are empty."""
    caller = request.by
    request.authorise(RECORD_VERIFY, Resource("ledger", caller.tenant_id))
    published = await asyncio.to_thread(_published, ledger.folder, caller.tenant_id)
    if published is None:
        return LedgerView(origin="", size=0, root_hash="", vkey="", checkpoint="")
    head = published.verified.checkpoint
    return LedgerView(
        origin=head.origin,
        size=head.size,
        root_hash=head.root.hex(),
        vkey=published.key.encode(),
        checkpoint=published.note.decode(),
    )


class _Published(NamedTuple):
    note: bytes
    key: VerifierKey
    verified: VerifiedCheckpoint


def _published(ledger: Path, tenant: TenantId) -> _Published | None:
    """Read the log's head and check its signature; None before the first publication."""
    try:
        key = read_verifier(verifier_path(ledger, tenant))
        note = read_checkpoint(ledger / tenant)
    except FileNotFoundError:
        return None
    return _Published(note, key, verify_checkpoint(note, keys=[key]))


def _prove(ledger: Path, tenant: TenantId, index: int) -> Bundle:
    published = _published(ledger, tenant)
    if published is None or index >= published.verified.checkpoint.size:
        raise NotFound("the log has not published this record yet; try again in a second", param="record")
    return prove(ledger / tenant, index, keys=[published.key])


OPERATIONS = (
    Operation(
        "listRecords",
        "GET",
        "/api/records",
        "Records, newest first.",
        list_records,
        answer=RecordList,
        verb=RECORD_LIST,
        parameters=(CURSOR, LIMIT, *FILTERS),
    ),
    Operation(
        "followRecords",
        "GET",
        "/api/records/feed",
        "Closed records in the order of the log.",
        follow_records,
        answer=RecordFeed,
        verb=RECORD_LIST,
        parameters=(
            Parameter("after", "Only after this entry of the log; without it, only the log's end.", "integer"),
            *FILTERS,
        ),
    ),
    Operation(
        "watchRecords",
        "GET",
        "/api/records/live",
        "Records as they arrive (event `record`).",
        watch_records,
        answer=str,
        verb=RECORD_LIST,
    ),
    Operation(
        "getRecord",
        "GET",
        "/api/records/{record}",
        "One record with its content.",
        get_record,
        answer=RecordDetail,
        verb=RECORD_READ,
    ),
    Operation(
        "proveRecord",
        "GET",
        "/api/records/{record}/proof",
        "A record's proof of inclusion.",
        prove_record,
        answer=ProofView,
        verb=RECORD_EXPORT,
    ),
    Operation(
        "eraseContent",
        "POST",
        "/api/records/erase",
        "Erase the content of past days; the records stay.",
        erase_content,
        body=EraseRequest,
        answer=Erasure,
        verb=RECORD_ERASE,
    ),
    Operation(
        "getLedger", "GET", "/api/ledger", "The state of the log.", get_ledger, answer=LedgerView, verb=RECORD_VERIFY
    ),
)
