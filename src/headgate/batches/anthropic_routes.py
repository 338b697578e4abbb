"""`/v1/messages/batches` of Anthropic's wire. Source: Anthropic's API reference, "Message Batches"."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, cast

from headgate.admin.commands import Facts as RecordFacts
from headgate.admin.commands import digest_of
from headgate.admin.wire_bodies import digest_of_text, limit_of, told
from headgate.admin.wire_operations import WireAnswer, WireOperation, WireRequest
from headgate.batches.files import MOST_FILE_BYTES
from headgate.batches.lines import MESSAGES, count_lines, file_of_requests
from headgate.batches.service import Batches, Facts, NewBatch
from headgate.batches.store import BatchRow
from headgate.batches.verbs import BATCH_CANCEL, BATCH_CREATE, BATCH_DELETE, BATCH_LIST, BATCH_READ, batch_resource
from headgate.kernel.errors import Invalid
from headgate.kernel.labels import parse_labels
from headgate.kernel.pipeline import refuse_release
from headgate.wire.anthropic_plane import ANTHROPIC

_HEADERS = ("anthropic-version", "anthropic-beta")
"""The headers of the request that the dialect of each line reads."""

_MOST_BATCHES = 100


async def create(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/messages/batches`."""
    with batches.receiving(request.principal):
        return await _create(batches, request)


async def _create(batches: Batches, request: WireRequest) -> WireAnswer:
    body = await request.read_body(MOST_FILE_BYTES)
    text = await asyncio.to_thread(file_of_requests, body)
    total = await asyncio.to_thread(count_lines, text)
    del body
    headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    labels = request.floor.join(request.use_case.floor)

    async def do(facts: RecordFacts) -> BatchRow:
        source = await batches.keep_requests(text, labels=labels, principal=request.principal)
        new = NewBatch(ANTHROPIC.name, MESSAGES, source, request.floor, Facts(headers=headers), total)
        row = await batches.create(new, principal=request.principal, use_case=request.use_case)
        facts["batch"] = row.id
        return row

    done = await request.perform(
        BATCH_CREATE,
        batch_resource("new", owner=request.principal.id),
        do,
        arguments=digest_of(headers, await digest_of_text(text)),
        summary={"endpoint": MESSAGES, "requests": total},
        floor=labels,
    )
    return told(_view(batches, request, cast("BatchRow", done.result)))


async def list_batches(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/messages/batches`. The newest comes first, so a page after an id has older ones."""
    owner, query = request.principal.id, request.query
    request.authorise(BATCH_LIST, batch_resource("*", owner=owner))
    limit = limit_of(query, default=20, most=_MOST_BATCHES)
    rows = await batches.page(
        tenant=request.tenant,
        owner=owner,
        wire=ANTHROPIC.name,
        limit=limit + 1,
        before=query.get("after_id"),
        after=query.get("before_id"),
    )
    kept = rows[-limit:] if "before_id" in query else rows[:limit]
    views = [_view(batches, request, row) for row in kept]
    first, last = (views[0]["id"], views[-1]["id"]) if views else (None, None)
    return told({"data": views, "first_id": first, "last_id": last, "has_more": len(rows) > limit})


async def show(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/messages/batches/{batch}`."""
    return told(_view(batches, request, await _found(batches, request)))


async def cancel(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/messages/batches/{batch}/cancel`."""
    row = await _found(batches, request)

    async def do(_: RecordFacts) -> BatchRow:
        await batches.cancel(row.id, tenant=request.tenant)
        return await batches.find_any(row.id, tenant=request.tenant)

    resource = batch_resource(row.id, owner=row.owner)
    done = await request.perform(BATCH_CANCEL, resource, do, arguments=digest_of(row.id))
    return told(_view(batches, request, cast("BatchRow", done.result)))


async def delete(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `DELETE /v1/messages/batches/{batch}`."""
    row = await _found(batches, request)

    async def do(_: RecordFacts) -> None:
        await batches.delete(row, tenant=request.tenant)

    resource = batch_resource(row.id, owner=row.owner)
    await request.perform(BATCH_DELETE, resource, do, arguments=digest_of(row.id))
    return told({"id": row.id, "type": "message_batch_deleted"})


async def results(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/messages/batches/{batch}/results`."""
    row = await _found(batches, request)
    if row.ended_at is None:
        raise Invalid(f"the batch {row.id} has not ended; its results come when processing_status is ended")
    labels = parse_labels(row.labels)

    async def do(facts: RecordFacts) -> None:
        refuse_release(labels, request.principal)
        facts["requests"] = row.total

    resource = batch_resource(row.id, owner=row.owner)
    await request.perform(BATCH_READ, resource, do, arguments=digest_of(row.id), floor=labels)
    return WireAnswer(batches.results(row, tenant=request.tenant), kind="application/x-jsonl")


async def _found(batches: Batches, request: WireRequest) -> BatchRow:
    row = await batches.find(request.path["batch"], principal=request.principal, wire=ANTHROPIC.name)
    request.authorise(BATCH_LIST, batch_resource(row.id, owner=row.owner))
    return row


def _view(batches: Batches, request: WireRequest, row: BatchRow) -> dict[str, Any]:
    """Return a batch for its owner."""
    status = "in_progress" if row.cancelled_at is None else "canceling"
    url = f"{batches.base_url(request.headers)}{MESSAGES}/batches/{row.id}/results"
    return {
        "id": row.id,
        "type": "message_batch",
        "processing_status": status if row.ended_at is None else "ended",
        "request_counts": {
            "processing": row.total - row.ended if row.ended_at is None else 0,
            "succeeded": row.succeeded,
            "errored": row.errored,
            "canceled": row.canceled,
            "expired": row.expired,
        },
        "created_at": _iso(row.created_at),
        "expires_at": _iso(row.expires_at),
        "ended_at": _iso(row.ended_at),
        "cancel_initiated_at": _iso(row.cancelled_at),
        "archived_at": None,
        "results_url": None if row.ended_at is None else url,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


_PATH = "/v1/messages/batches"

OPERATIONS = (
    WireOperation("POST", _PATH, ANTHROPIC, create),
    WireOperation("GET", _PATH, ANTHROPIC, list_batches),
    WireOperation("GET", f"{_PATH}/{{batch}}", ANTHROPIC, show),
    WireOperation("DELETE", f"{_PATH}/{{batch}}", ANTHROPIC, delete),
    WireOperation("POST", f"{_PATH}/{{batch}}/cancel", ANTHROPIC, cancel),
    WireOperation("GET", f"{_PATH}/{{batch}}/results", ANTHROPIC, results),
)
