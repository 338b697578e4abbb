"""The files of vector stores on OpenAI's wire, one by one and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

from headgate.admin.commands import Facts, digest_of
from headgate.admin.wire_bodies import decoded, limit_of, page_view, told
from headgate.admin.wire_operations import WireAnswer, WireOperation, WireRequest
from headgate.kernel.errors import Invalid, TooLarge
from headgate.kernel.labels import BOTTOM, Labels, parse_labels
from headgate.kernel.pipeline import refuse_release
from headgate.knowledge import verbs
from headgate.knowledge.service import Knowledge
from headgate.knowledge.vector_store_bodies import (
    ChangeFile,
    CreateBatch,
    CreateFile,
    batch_view,
    content_view,
    file_view,
)
from headgate.knowledge.vector_store_rows import BatchRow, FileState, Page
from headgate.knowledge.vector_stores import NewFile, SeenFile, SeenStore, refuse_expired
from headgate.wire.openai_plane import OPENAI

_BODY_BYTES = 1 << 20
_MOST = 100
_MOST_BATCH_BYTES = 256 << 20


async def owned_files(knowledge: Knowledge, request: WireRequest, given: Sequence[CreateFile]) -> list[NewFile]:
    """Return the files that a client names, each one of its own.

    Raises:
        NotFound: it has no such file.
        TooLarge: they are too large together.
    """
    new = [NewFile(await knowledge.stores.own(one.file_id, request.principal), one.attributes) for one in given]
    if sum(one.file.size_bytes for one in new) > _MOST_BATCH_BYTES:
        raise TooLarge(f"these files have more than {_MOST_BATCH_BYTES >> 20} MiB; add fewer at once", param="file_ids")
    return new


async def add_files(knowledge: Knowledge, request: WireRequest, seen: SeenStore, new: Sequence[NewFile]) -> BatchRow:
    """Add files to a store together, as one action."""
    refuse_expired(seen, knowledge.stores.clock.now())

    async def do(facts: Facts) -> BatchRow:
        batch = await knowledge.stores.add_batch(seen, new, request.principal, floor=request.floor)
        facts["batch"] = batch.id
        return batch

    done = await request.perform(
        verbs.ADD,
        verbs.collection_resource(seen.collection, is_reader=seen.is_reader),
        do,
        arguments=digest_of(seen.id, [(one.file.id, one.attributes) for one in new]),
        summary={"files": len(new)},
        floor=_labels(new),
    )
    return cast("BatchRow", done.result)


async def add_file(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/vector_stores/{store}/files`. The file is read in the background."""
    asked = decoded(await request.read_body(_BODY_BYTES), CreateFile)
    seen = await _store(knowledge, request)
    refuse_expired(seen, knowledge.stores.clock.now())
    (new,) = await owned_files(knowledge, request, [asked])

    async def do(facts: Facts) -> None:
        await knowledge.stores.add(seen, new, request.principal, floor=request.floor)
        facts.update({"file": new.file.id, "size_bytes": new.file.size_bytes})

    await request.perform(
        verbs.ADD,
        verbs.collection_resource(seen.collection, is_reader=seen.is_reader),
        do,
        arguments=digest_of(seen.id, new.file.id, asked.attributes),
        floor=new.file.labels,
    )
    file = await knowledge.stores.find_file(seen, new.file.id, request.principal)
    return told(file_view(file, seen.id))


async def list_files(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/vector_stores/{store}/files`."""
    seen = await _store(knowledge, request)
    _authorise(request, seen)
    return await _page(knowledge, request, seen)


async def show_file(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/vector_stores/{store}/files/{file}`."""
    seen, file = await _file(knowledge, request)
    _authorise(request, seen)
    return told(file_view(file, seen.id))


async def change_file(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/vector_stores/{store}/files/{file}`."""
    asked = decoded(await request.read_body(_BODY_BYTES), ChangeFile)
    seen, file = await _file(knowledge, request)

    async def do(_: Facts) -> None:
        await knowledge.stores.describe(file, asked.attributes, tenant=request.tenant)

    resource = verbs.collection_resource(seen.collection, is_reader=seen.is_reader)
    await request.perform(verbs.ADD, resource, do, arguments=digest_of(seen.id, file.file.id, asked.attributes))
    return told(file_view(await knowledge.stores.find_file(seen, file.file.id, request.principal), seen.id))


async def delete_file(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `DELETE /v1/vector_stores/{store}/files/{file}`. The uploaded file stays."""
    seen, file = await _file(knowledge, request)

    async def do(_: Facts) -> None:
        await knowledge.stores.remove(file, tenant=request.tenant)

    resource = verbs.document_resource(file.row.id, seen.collection, is_reader=seen.is_reader)
    await request.perform(verbs.DELETE, resource, do, arguments=digest_of(file.row.id))
    return told({"id": file.file.id, "object": "vector_store.file.deleted", "deleted": True})


async def read_file(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/vector_stores/{store}/files/{file}/content`."""
    seen, file = await _file(knowledge, request)
    labels = parse_labels(file.row.labels)

    async def do(facts: Facts) -> list[str]:
        refuse_release(labels, request.principal)
        facts["collection"] = seen.id
        return [one.text for _, one in await knowledge.passages(file.row, tenant=request.tenant)]

    is_reader = knowledge.stores.is_reader(seen, file, request.principal)
    resource = verbs.document_resource(file.row.id, seen.collection, is_reader=is_reader)
    done = await request.perform(verbs.READ, resource, do, arguments=digest_of(file.row.id), floor=labels)
    return told(content_view(cast("list[str]", done.result)))


async def create_batch(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/vector_stores/{store}/file_batches`."""
    asked = decoded(await request.read_body(_BODY_BYTES), CreateBatch)
    if not asked.every:
        raise Invalid("file_ids or files must name at least one file", param="file_ids")
    seen = await _store(knowledge, request)
    new = await owned_files(knowledge, request, asked.every)
    batch = await add_files(knowledge, request, seen, new)
    return told(batch_view(*await knowledge.stores.find_batch(seen, batch.id, request.principal)))


async def show_batch(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/vector_stores/{store}/file_batches/{batch}`."""
    seen = await _store(knowledge, request)
    _authorise(request, seen)
    return told(batch_view(*await knowledge.stores.find_batch(seen, request.path["batch"], request.principal)))


async def cancel_batch(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/vector_stores/{store}/file_batches/{batch}/cancel`. Files that were read stay."""
    seen = await _store(knowledge, request)
    batch, _ = await knowledge.stores.find_batch(seen, request.path["batch"], request.principal)

    async def do(_: Facts) -> None:
        await knowledge.stores.cancel_batch(seen, batch.id, tenant=request.tenant)

    resource = verbs.collection_resource(seen.collection, is_reader=seen.is_reader)
    await request.perform(verbs.ADD, resource, do, arguments=digest_of(seen.id, batch.id, "cancel"))
    return told(batch_view(*await knowledge.stores.find_batch(seen, batch.id, request.principal)))


async def list_batch(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/vector_stores/{store}/file_batches/{batch}/files`."""
    seen = await _store(knowledge, request)
    _authorise(request, seen)
    batch, _ = await knowledge.stores.find_batch(seen, request.path["batch"], request.principal)
    return await _page(knowledge, request, seen, batch=batch.id)


async def _page(knowledge: Knowledge, request: WireRequest, seen: SeenStore, *, batch: str | None = None) -> WireAnswer:
    limit, state = limit_of(request.query, default=20, most=_MOST), request.query.get("filter")
    if state is not None and state not in get_args(FileState):
        raise Invalid(f"filter must be one of {', '.join(get_args(FileState))}", param="filter")
    is_oldest_first = request.query.get("order") == "asc"
    # Ids of documents grow with time, so that "after" the newest ones come older ones.
    after, before = [await _place(knowledge, request, seen, name) for name in ("after", "before")]
    page = Page(
        limit=limit + 1,
        batch=batch,
        state=cast("FileState | None", state),
        before=before if is_oldest_first else after,
        after=after if is_oldest_first else before,
        is_oldest_first=is_oldest_first,
    )
    found = await knowledge.stores.page(seen, page, request.principal)
    views = [file_view(one, seen.id) for one in found[:limit]]
    return told(page_view(views, has_more=len(found) > limit))


async def _place(knowledge: Knowledge, request: WireRequest, seen: SeenStore, name: str) -> str | None:
    """Return the document of the file that a parameter of the query names."""
    given = request.query.get(name)
    return None if given is None else (await knowledge.stores.find_file(seen, given, request.principal)).row.id


async def _store(knowledge: Knowledge, request: WireRequest) -> SeenStore:
    return await knowledge.stores.find(request.path["store"], request.principal)


async def _file(knowledge: Knowledge, request: WireRequest) -> tuple[SeenStore, SeenFile]:
    seen = await _store(knowledge, request)
    return seen, await knowledge.stores.find_file(seen, request.path["file"], request.principal)


def _authorise(request: WireRequest, seen: SeenStore) -> None:
    request.authorise(verbs.LIST, verbs.collection_resource(seen.collection, is_reader=seen.is_reader))


def _labels(new: Sequence[NewFile]) -> Labels:
    labels = BOTTOM
    for one in new:
        labels = labels.join(one.file.labels)
    return labels


_FILES = "/v1/vector_stores/{store}/files"
_BATCHES = "/v1/vector_stores/{store}/file_batches"

OPERATIONS = (
    WireOperation("POST", _FILES, OPENAI, add_file),
    WireOperation("GET", _FILES, OPENAI, list_files),
    WireOperation("GET", f"{_FILES}/{{file}}", OPENAI, show_file),
    WireOperation("POST", f"{_FILES}/{{file}}", OPENAI, change_file),
    WireOperation("DELETE", f"{_FILES}/{{file}}", OPENAI, delete_file),
    WireOperation("GET", f"{_FILES}/{{file}}/content", OPENAI, read_file),
    WireOperation("POST", _BATCHES, OPENAI, create_batch),
    WireOperation("GET", f"{_BATCHES}/{{batch}}", OPENAI, show_batch),
    WireOperation("POST", f"{_BATCHES}/{{batch}}/cancel", OPENAI, cancel_batch),
    WireOperation("GET", f"{_BATCHES}/{{batch}}/files", OPENAI, list_batch),
)
