"""Operations on knowledge: collections, documents, searches and questions."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from headgate.admin.commands import Command, CommandVerb, Facts, digest_of
from headgate.admin.operations import CURSOR, LIMIT, Operation, Parameter
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import PlainText
from headgate.kernel.errors import Invalid, NotFound
from headgate.kernel.labels import parse_labels
from headgate.kernel.pipeline import Done
from headgate.knowledge import store, verbs
from headgate.knowledge.bodies import (
    AskAnswer,
    AskRequest,
    CollectionList,
    CollectionView,
    DocumentDetail,
    DocumentList,
    DocumentView,
    NewDocument,
    PassageView,
    SearchAnswer,
    SearchRequest,
)
from headgate.knowledge.documents import NewText
from headgate.knowledge.payloads import Question
from headgate.knowledge.sections import COLLECTION
from headgate.knowledge.service import Knowledge, OpenDocument, SeenCollection
from headgate.knowledge.specs import Collection
from headgate.knowledge.store import DocumentRow
from headgate.knowledge.views import ask_answer, collection_view, document_view, passage_view, search_answer

_STATE = Parameter("state", "Only documents in this state: waiting, reading, ready or failed.")
_WIDTH = Parameter("width", "The width of the image in pixels, 200 to 2000; 1000 by default.", "integer")
_ASKED = 10
_MOST_SENT_BYTES = 32 << 20
"""Of a file in base64 with its name; larger files come by a source."""

R = TypeVar("R")


async def list_collections(knowledge: Knowledge, request: Request) -> CollectionList:
    """List the collections that the caller reads or keeps."""
    request.authorise(verbs.LIST, _of_all(request))
    found = await knowledge.collections(request.by.principal)
    return CollectionList(
        collections=[_view(knowledge, request, one) for one in found],
        can_make=request.allows(CONFIG_APPLY, Resource(COLLECTION, "new")),
    )


async def get_collection(knowledge: Knowledge, request: Request) -> CollectionView:
    """Show a collection."""
    request.authorise(verbs.LIST, _of_all(request))
    return _view(knowledge, request, await _seen(knowledge, request))


async def list_documents(knowledge: Knowledge, request: Request) -> DocumentList:
    """List the documents of a collection that the caller may see, newest first."""
    request.authorise(verbs.LIST, _of_all(request))
    seen, limit = await _seen(knowledge, request), max(1, min(200, request.number("limit", 50)))
    rows = await knowledge.page(
        seen, request.by.principal, limit=limit, before=request.text("cursor"), state=request.text("state")
    )
    now = knowledge.documents.clock.now()
    return DocumentList(
        documents=[document_view(row, facts, seen.collection, now=now) for row, facts in rows],
        next=rows[-1][0].id if len(rows) == limit else None,
    )


async def add_document(knowledge: Knowledge, request: Request) -> DocumentView:
    """Add a file to a collection. It is read in the background."""
    body, seen, by = request.body_as(NewDocument), await _seen(knowledge, request), request.by.principal
    new = NewText(ref=body.name, name=body.name, data=body.data, by=by.id, floor=request.by.floor)

    async def do(facts: Facts) -> DocumentRow:
        async with knowledge.database.transaction(tenant=request.tenant) as tx:
            row, is_new = await knowledge.documents.put(tx, new, seen.collection, tenant=request.tenant)
        facts.update({"document": row.id, "size_bytes": row.size_bytes, "is_new": is_new})
        return row

    resource = verbs.collection_resource(seen.collection, is_reader=seen.is_reader)
    done = await request.perform(verbs.ADD, resource, do, arguments=digest_of(seen.collection.id, body))
    row: DocumentRow = done.result
    facts = knowledge.documents.facts(row, tenant=request.tenant)
    return document_view(row, facts, seen.collection, now=knowledge.documents.clock.now())


async def get_document(knowledge: Knowledge, request: Request) -> DocumentDetail:
    """Open a document: its passages in order. Its labels must flow to the caller."""
    opened = await _document(knowledge, request)
    if not opened.is_reader:
        request.authorise(verbs.RETRY, _resource(opened))
        return _detail(knowledge, request, opened, [])
    await _opening(request, opened)
    passages = await knowledge.passages(opened.row, tenant=request.tenant)
    return _detail(knowledge, request, opened, [passage_view(number, one) for number, one in passages])


async def get_file(knowledge: Knowledge, request: Request) -> None:
    """Download a document as it was added."""
    opened = await _document(knowledge, request)
    await _opening(request, opened)
    async with knowledge.database.transaction(tenant=request.tenant) as tx:
        data = await knowledge.documents.data(tx, opened.row, tenant=request.tenant)
    async with request.download() as download:
        name = opened.facts.name.rpartition("/")[2] or "document"
        await download.begin(media_type="application/octet-stream", file_name=name)
        await download.send(data)


async def get_page(knowledge: Knowledge, request: Request) -> None:
    """Show a page of a document as an image."""
    opened = await _document(knowledge, request)
    if opened.row.pages is None:
        raise Invalid("this document has no pages; read its text", param="page")
    page = request.path["page"]
    if not page.isdecimal() or not 1 <= int(page) <= opened.row.pages:
        raise NotFound(f"the document has pages 1 to {opened.row.pages}", param="page")
    await _opening(request, opened)
    async with knowledge.database.transaction(tenant=request.tenant) as tx:
        data = await knowledge.documents.data(tx, opened.row, tenant=request.tenant)
    width = max(200, min(2_000, request.number("width", 1_000)))
    image = await knowledge.reading.page_image(data, page=int(page), width=width)
    async with request.download() as download:
        await download.begin(media_type="image/png", file_name=f"page-{page}.png")
        await download.send(image)


async def retry_document(knowledge: Knowledge, request: Request) -> DocumentView:
    """Read a document again, such as one that failed."""
    opened = await _document(knowledge, request)

    async def do(facts: Facts) -> DocumentRow:
        async with knowledge.database.transaction(tenant=request.tenant) as tx:
            row = await store.document(tx, opened.row.id, tenant=request.tenant, is_locked=True)
            if row is None:
                raise NotFound("the document was deleted", param="document")
            return await knowledge.documents.retry(tx, row, tenant=request.tenant)

    done = await request.perform(verbs.RETRY, _resource(opened), do, arguments=digest_of(opened.row.id))
    return document_view(done.result, opened.facts, opened.collection, now=knowledge.documents.clock.now())


async def delete_document(knowledge: Knowledge, request: Request) -> None:
    """Delete a document with its key. Nobody finds it from then on."""
    opened = await _document(knowledge, request)

    async def do(facts: Facts) -> None:
        async with knowledge.database.transaction(tenant=request.tenant) as tx:
            await store.delete_document(tx, opened.row.id, tenant=request.tenant)

    await request.perform(verbs.DELETE, _resource(opened), do, arguments=digest_of(opened.row.id))


async def search(knowledge: Knowledge, request: Request) -> SearchAnswer:
    """Find passages that the caller may read."""
    body = request.body_as(SearchRequest)
    collections = await knowledge.readable(request.by.principal, body.collections)
    question = Question(PlainText((body.question,)), collections, limit=body.limit)
    done = await _asked(request, verbs.SEARCH, question, body.use_case)
    found = await _collections(knowledge, request)
    now = knowledge.documents.clock.now()
    return search_answer(done.result, found, now=now, record=done.run.record_id)


async def ask(knowledge: Knowledge, request: Request) -> AskAnswer:
    """Answer a question from documents that the caller may read, with citations."""
    body = request.body_as(AskRequest)
    collections = await knowledge.readable(request.by.principal, body.collections)
    question = Question(PlainText((body.question,)), collections, limit=_ASKED, model=body.model)
    done = await _asked(request, verbs.ANSWER, question, body.use_case)
    found = await _collections(knowledge, request)
    return ask_answer(
        done.result,
        found,
        now=knowledge.documents.clock.now(),
        record=done.run.record_id,
        labels=done.run.labelled.labels.join(done.run.output_labels),
    )


async def _asked(
    request: Request, verb: Verb[Question, object, R], question: Question, use_case: str | None
) -> Done[Question, object, R]:
    """Run a question as an action of the caller under a use case of theirs."""
    caller = request.by
    context = Context(
        use_case=caller.use_case(use_case), floor=caller.floor, grant=caller.grant, attributes=caller.attributes
    )
    resource = verbs.knowledge_resource(request.tenant, question.collections)
    done = await request.host.pipeline.run(Action(verb, caller.principal, resource, question, context))
    request.decided.add(verb.name)
    request.reply_headers.append(("x-headgate-record", done.run.record_id))
    return done


async def _collections(knowledge: Knowledge, request: Request) -> dict[str, Collection]:
    return {one.collection.id: one.collection for one in await knowledge.collections(request.by.principal)}


async def _seen(knowledge: Knowledge, request: Request) -> SeenCollection:
    return await knowledge.collection(request.path["collection"], request.by.principal)


async def _document(knowledge: Knowledge, request: Request) -> OpenDocument:
    return await knowledge.document(request.path["document"], request.by.principal)


async def _opening(request: Request, opened: OpenDocument) -> None:
    """Run the action of opening a document. Its labels must flow to the caller's clearance."""

    async def do(facts: Facts) -> None:
        facts["collection"] = opened.row.collection

    command = Command(summary={}, arguments=digest_of(opened.row.id), do=do)
    action = request.by.action(verbs.READ, _resource(opened), command)
    await request.run(replace(action, context=replace(action.context, floor=parse_labels(opened.row.labels))))


def _resource(opened: OpenDocument) -> Resource:
    return verbs.document_resource(opened.row.id, opened.collection, is_reader=opened.is_reader)


def _of_all(request: Request) -> Resource:
    return Resource("collection", "*", attributes={"owner": request.by.principal.id, "is_reader": True})


def _view(knowledge: Knowledge, request: Request, seen: SeenCollection) -> CollectionView:
    resource = verbs.collection_resource(seen.collection, is_reader=seen.is_reader)
    return collection_view(
        seen, register=knowledge.register, tenant=request.tenant, can_keep=_may(request, verbs.ADD, resource)
    )


def _detail(
    knowledge: Knowledge, request: Request, opened: OpenDocument, passages: list[PassageView]
) -> DocumentDetail:
    now = knowledge.documents.clock.now()
    return DocumentDetail(
        document=document_view(opened.row, opened.facts, opened.collection, now=now),
        passages=passages,
        can_keep=_may(request, verbs.DELETE, _resource(opened)),
        is_reader=opened.is_reader,
    )


def _may(request: Request, verb: CommandVerb, resource: Resource) -> bool:
    return request.allows(verb, resource)


OPERATIONS = (
    Operation(
        "listCollections",
        "GET",
        "/api/knowledge/collections",
        "The collections that the caller reads or keeps.",
        list_collections,
        answer=CollectionList,
        verb=verbs.LIST,
    ),
    Operation(
        "getCollection",
        "GET",
        "/api/knowledge/collections/{collection}",
        "A collection, and how its documents and sources stand.",
        get_collection,
        answer=CollectionView,
        verb=verbs.LIST,
    ),
    Operation(
        "listDocuments",
        "GET",
        "/api/knowledge/collections/{collection}/documents",
        "The documents of a collection that the caller may see, newest first.",
        list_documents,
        answer=DocumentList,
        verb=verbs.LIST,
        parameters=(_STATE, CURSOR, LIMIT),
    ),
    Operation(
        "addDocument",
        "POST",
        "/api/knowledge/collections/{collection}/documents",
        "Add a file to a collection, or replace the upload with its name.",
        add_document,
        body=NewDocument,
        body_bytes=_MOST_SENT_BYTES,
        answer=DocumentView,
        verb=verbs.ADD,
    ),
    Operation(
        "getDocument",
        "GET",
        "/api/knowledge/documents/{document}",
        "A document with its passages.",
        get_document,
        answer=DocumentDetail,
        verb=verbs.READ,
        instead=verbs.RETRY,
    ),
    Operation(
        "getDocumentFile",
        "GET",
        "/api/knowledge/documents/{document}/file",
        "A document as it was added.",
        get_file,
        answer=bytes,
        files=("application/octet-stream",),
        verb=verbs.READ,
    ),
    Operation(
        "getDocumentPage",
        "GET",
        "/api/knowledge/documents/{document}/pages/{page}",
        "A page of a document as an image.",
        get_page,
        answer=bytes,
        files=("image/png",),
        verb=verbs.READ,
        parameters=(_WIDTH,),
    ),
    Operation(
        "retryDocument",
        "POST",
        "/api/knowledge/documents/{document}/retry",
        "Read a document again.",
        retry_document,
        answer=DocumentView,
        verb=verbs.RETRY,
    ),
    Operation(
        "deleteDocument",
        "DELETE",
        "/api/knowledge/documents/{document}",
        "Delete a document for good.",
        delete_document,
        verb=verbs.DELETE,
    ),
    Operation(
        "searchKnowledge",
        "POST",
        "/api/knowledge/search",
        "Find passages of documents that the caller may read.",
        search,
        body=SearchRequest,
        answer=SearchAnswer,
        verb=verbs.SEARCH,
    ),
    Operation(
        "askKnowledge",
        "POST",
        "/api/knowledge/ask",
        "Answer a question from documents that the caller may read, with citations.",
        ask,
        body=AskRequest,
        answer=AskAnswer,
        verb=verbs.ANSWER,
    ),
)
