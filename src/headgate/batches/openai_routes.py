"""`/v1/files` and `/v1/batches` of OpenAI's wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, cast, get_args

import msgspec

from headgate.admin.commands import Facts as RecordFacts
from headgate.admin.commands import digest_of
from headgate.admin.wire_bodies import Metadata, decoded, digest_of_text, limit_of, page_view, told
from headgate.admin.wire_operations import WireAnswer, WireOperation, WireRequest
from headgate.batches.files import MOST_FILE_BYTES, NewFile
from headgate.batches.openai_views import batch_view, file_view
from headgate.batches.service import Batches, Facts, NewBatch
from headgate.batches.store import BatchRow, FileRow
from headgate.batches.verbs import (
    BATCH_CANCEL,
    BATCH_CREATE,
    BATCH_LIST,
    FILE_DELETE,
    FILE_LIST,
    FILE_READ,
    FILE_UPLOAD,
    batch_resource,
    file_resource,
)
from headgate.kernel.errors import Invalid
from headgate.kernel.labels import parse_labels
from headgate.kernel.pipeline import refuse_release
from headgate.wire.multipart import Form, parse_form
from headgate.wire.openai_plane import OPENAI

_FORM_BYTES = 64 << 10
_BODY_BYTES = 1 << 20
_MOST_PARTS = 16
_MOST_FILES = 1_000
_MOST_BATCHES = 100
_MOST_NAME_CHARS = 255

Purpose = Literal["batch", "user_data", "assistants"]


class _Create(msgspec.Struct):
    input_file_id: str
    endpoint: str
    completion_window: Literal["24h"] = "24h"
    metadata: Metadata | None = None


async def upload(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/files`."""
    with batches.receiving(request.principal):
        return await _upload(batches, request)


async def _upload(batches: Batches, request: WireRequest) -> WireAnswer:
    body = await request.read_body(MOST_FILE_BYTES + _FORM_BYTES)
    form = parse_form(body, request.headers.get("content-type", ""), max_parts=_MOST_PARTS)
    purpose, file = form.text("purpose") or "", form.file("file")
    if purpose not in get_args(Purpose):
        served = " and ".join((", ".join(get_args(Purpose)[:-1]), get_args(Purpose)[-1]))
        raise Invalid(f"purpose is {purpose[:50]!r}; this Headgate keeps files for {served}", param="purpose")
    labels = request.floor.join(request.use_case.floor)
    new = NewFile((file.filename or "")[:_MOST_NAME_CHARS], purpose, file.data, labels, keeps=_keeps(form))
    del body, form, file

    async def do(facts: RecordFacts) -> FileRow:
        row = await batches.files.add(new, principal=request.principal)
        facts["file"] = row.id
        return row

    done = await request.perform(
        FILE_UPLOAD,
        file_resource("new", owner=request.principal.id),
        do,
        arguments=digest_of(new.name, new.purpose, await digest_of_text(new.text)),
        summary={"purpose": new.purpose, "size_bytes": len(new.text)},
        floor=labels,
    )
    return told(_file(batches, request, cast("FileRow", done.result)))


async def list_files(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/files`."""
    request.authorise(FILE_LIST, file_resource("*", owner=request.principal.id))
    limit = limit_of(request.query, default=_MOST_FILES, most=_MOST_FILES)
    rows = await batches.files.of_owner(
        principal=request.principal,
        limit=limit + 1,
        purpose=request.query.get("purpose"),
        after=request.query.get("after"),
        is_oldest_first=request.query.get("order") == "asc",
    )
    views = [_file(batches, request, row) for row in rows[:limit]]
    return told(page_view(views, has_more=len(rows) > limit))


async def show_file(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/files/{file}`."""
    row = await batches.files.find(request.path["file"], principal=request.principal)
    request.authorise(FILE_LIST, file_resource(row.id, owner=row.owner))
    return told(_file(batches, request, row))


async def read_file(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/files/{file}/content`."""
    row = await batches.files.find(request.path["file"], principal=request.principal)
    labels = parse_labels(row.labels)

    async def do(facts: RecordFacts) -> BatchRow | None:
        refuse_release(labels, request.principal)
        facts["size_bytes"] = row.size_bytes
        return None if row.batch is None else await batches.find_any(row.batch, tenant=request.tenant)

    resource = file_resource(row.id, owner=row.owner)
    done = await request.perform(FILE_READ, resource, do, arguments=digest_of(row.id), floor=labels)
    batch: BatchRow | None = done.result
    if batch is None:
        text = batches.files.pieces(row, tenant=request.tenant)
    else:
        text = batches.results(batch, tenant=request.tenant, is_output=batch.output == row.id)
    return WireAnswer(text, kind="application/octet-stream")


async def delete_file(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `DELETE /v1/files/{file}`."""
    row = await batches.files.find(request.path["file"], principal=request.principal)

    async def do(facts: RecordFacts) -> None:
        await batches.files.delete(row.id, principal=request.principal)
        if copies := await batches.forget_copies(row.id, principal=request.principal):
            facts["copies"] = copies

    resource = file_resource(row.id, owner=row.owner)
    await request.perform(FILE_DELETE, resource, do, arguments=digest_of(row.id))
    return told({"id": row.id, "object": "file", "deleted": True})


async def create(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/batches`."""
    asked = decoded(await request.read_body(_BODY_BYTES), _Create)
    batches.door(OPENAI.name, asked.endpoint)
    source = await batches.files.find(asked.input_file_id, principal=request.principal)
    if source.purpose != "batch":
        raise Invalid(
            f"the file {source.id} has the purpose {source.purpose}; upload it for batch", param="input_file_id"
        )
    new = NewBatch(OPENAI.name, asked.endpoint, source, request.floor, Facts(metadata=asked.metadata))

    async def do(facts: RecordFacts) -> BatchRow:
        row = await batches.create(new, principal=request.principal, use_case=request.use_case)
        facts["batch"] = row.id
        return row

    done = await request.perform(
        BATCH_CREATE,
        batch_resource("new", owner=request.principal.id),
        do,
        arguments=digest_of(source.id, asked.endpoint, asked.metadata),
        summary={"endpoint": asked.endpoint, "file": source.id},
        floor=parse_labels(source.labels),
    )
    return told(_batch(batches, request, cast("BatchRow", done.result)))


async def list_batches(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/batches`."""
    owner = request.principal.id
    request.authorise(BATCH_LIST, batch_resource("*", owner=owner))
    limit = limit_of(request.query, default=20, most=_MOST_BATCHES)
    rows = await batches.page(
        tenant=request.tenant, owner=owner, wire=OPENAI.name, limit=limit + 1, before=request.query.get("after")
    )
    views = [_batch(batches, request, row) for row in rows[:limit]]
    return told(page_view(views, has_more=len(rows) > limit))


async def show(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/batches/{batch}`."""
    return told(_batch(batches, request, await _found(batches, request)))


async def cancel(batches: Batches, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/batches/{batch}/cancel`."""
    row = await _found(batches, request)

    async def do(_: RecordFacts) -> BatchRow:
        await batches.cancel(row.id, tenant=request.tenant)
        return await batches.find_any(row.id, tenant=request.tenant)

    resource = batch_resource(row.id, owner=row.owner)
    done = await request.perform(BATCH_CANCEL, resource, do, arguments=digest_of(row.id))
    return told(_batch(batches, request, cast("BatchRow", done.result)))


async def _found(batches: Batches, request: WireRequest) -> BatchRow:
    row = await batches.find(request.path["batch"], principal=request.principal, wire=OPENAI.name)
    request.authorise(BATCH_LIST, batch_resource(row.id, owner=row.owner))
    return row


def _file(batches: Batches, request: WireRequest, row: FileRow) -> dict[str, Any]:
    return file_view(row, name=batches.files.name_of(row, tenant=request.tenant))


def _batch(batches: Batches, request: WireRequest, row: BatchRow) -> dict[str, Any]:
    facts, faults = batches.facts_of(row, tenant=request.tenant), batches.faults_of(row, tenant=request.tenant)
    return batch_view(row, facts, faults)


def _keeps(form: Form) -> timedelta | None:
    """Return how long the client wants its file kept."""
    text = form.text("expires_after[seconds]")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 3_600 <= int(text[:9]) <= 2_592_000:
        raise Invalid("expires_after: send 3600 to 2592000 seconds", param="expires_after")
    return timedelta(seconds=int(text[:9]))


OPERATIONS = (
    WireOperation("POST", "/v1/files", OPENAI, upload),
    WireOperation("GET", "/v1/files", OPENAI, list_files),
    WireOperation("GET", "/v1/files/{file}", OPENAI, show_file),
    WireOperation("DELETE", "/v1/files/{file}", OPENAI, delete_file),
    WireOperation("GET", "/v1/files/{file}/content", OPENAI, read_file),
    WireOperation("POST", "/v1/batches", OPENAI, create),
    WireOperation("GET", "/v1/batches", OPENAI, list_batches),
    WireOperation("GET", "/v1/batches/{batch}", OPENAI, show),
    WireOperation("POST", "/v1/batches/{batch}/cancel", OPENAI, cancel),
)
