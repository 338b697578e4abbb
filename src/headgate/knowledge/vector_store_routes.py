"""`/v1/vector_stores` of OpenAI's wire: stores and their search. `vector_store_file_routes` has their files."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import msgspec

from headgate.admin.commands import Facts, digest_of
from headgate.admin.wire_bodies import decoded, limit_of, page_view, told
from headgate.admin.wire_operations import WireAnswer, WireOperation, WireRequest
from headgate.kernel.action import Resource
from headgate.kernel.content import PlainText
from headgate.kernel.errors import Invalid, NotFound
from headgate.knowledge import vector_store_file_routes, verbs
from headgate.knowledge.attribute_filters import read_filter
from headgate.knowledge.payloads import Found, Question
from headgate.knowledge.service import Knowledge
from headgate.knowledge.vector_store_bodies import (
    ChangeStore,
    CreateFile,
    CreateStore,
    ScoredPassage,
    SearchBody,
    scored,
    search_view,
    store_view,
)
from headgate.knowledge.vector_store_file_routes import add_files, owned_files
from headgate.knowledge.vector_stores import SeenStore, StoreFacts, refuse_expired
from headgate.wire.openai_plane import OPENAI

_BODY_BYTES = 1 << 20
_MOST = 100


async def create(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/vector_stores`."""
    asked = decoded(await request.read_body(_BODY_BYTES), CreateStore)
    new = await owned_files(knowledge, request, [CreateFile(one) for one in dict.fromkeys(asked.file_ids)])
    floor = request.floor.join(request.use_case.floor)
    facts = StoreFacts(asked.name or "", asked.description or "", asked.metadata or {})
    days = None if asked.expires_after is None else asked.expires_after.days

    async def do(noted: Facts) -> SeenStore:
        made = await knowledge.stores.create(facts, request.principal, floor=floor, days=days)
        noted["store"] = made.id
        return made

    resource = verbs.store_resource("new", owner=request.principal.id)
    done = await request.perform(verbs.STORE_CREATE, resource, do, arguments=digest_of(facts, days))
    made = cast("SeenStore", done.result)
    if new:
        await add_files(knowledge, request, made, new)
        made = await knowledge.stores.find(made.id, request.principal)
    return _shown(knowledge, made)


async def list_stores(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/vector_stores`."""
    request.authorise(verbs.LIST, Resource("collection", "*", attributes=_own(request)))
    limit = limit_of(request.query, default=20, most=_MOST)
    every = await knowledge.stores.all(request.principal)
    if request.query.get("order") == "asc":
        every.reverse()
    ids = [one.id for one in every]
    begin, end = 0, len(every)
    if (after := request.query.get("after")) is not None:
        begin = _place(ids, after, "after") + 1
    if (before := request.query.get("before")) is not None:
        end = _place(ids, before, "before")
        begin = max(begin, end - limit)
    page = every[begin:end][:limit]
    now = knowledge.stores.clock.now()
    return told(page_view([store_view(one, now) for one in page], has_more=begin + limit < end))


async def show(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `GET /v1/vector_stores/{store}`."""
    seen = await knowledge.stores.find(request.path["store"], request.principal)
    request.authorise(verbs.LIST, verbs.collection_resource(seen.collection, is_reader=seen.is_reader))
    return _shown(knowledge, seen)


async def change(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/vector_stores/{store}`."""
    asked = decoded(await request.read_body(_BODY_BYTES), ChangeStore)
    seen = await _private(knowledge, request)
    assert seen.row is not None
    facts, days = seen.facts, seen.row.expires_days
    if asked.name is not msgspec.UNSET:
        facts = msgspec.structs.replace(facts, name=asked.name or "")
    if asked.metadata is not msgspec.UNSET:
        facts = msgspec.structs.replace(facts, metadata=asked.metadata or {})
    if asked.expires_after is not msgspec.UNSET:
        days = None if asked.expires_after is None else asked.expires_after.days

    async def do(_: Facts) -> SeenStore:
        return await knowledge.stores.change(seen, facts, days=days, tenant=request.tenant)

    resource = verbs.store_resource(seen.id, owner=seen.collection.owner)
    done = await request.perform(verbs.STORE_CHANGE, resource, do, arguments=digest_of(seen.id, facts, days))
    return _shown(knowledge, cast("SeenStore", done.result))


async def delete(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `DELETE /v1/vector_stores/{store}`."""
    seen = await _private(knowledge, request)

    async def do(facts: Facts) -> None:
        facts["documents"] = seen.counts.total
        await knowledge.stores.delete(seen, tenant=request.tenant)

    resource = verbs.store_resource(seen.id, owner=seen.collection.owner)
    await request.perform(verbs.STORE_DELETE, resource, do, arguments=digest_of(seen.id))
    return told({"id": seen.id, "object": "vector_store.deleted", "deleted": True})


async def search(knowledge: Knowledge, request: WireRequest) -> WireAnswer:
    """Answer `POST /v1/vector_stores/{store}/search`. Each query is an action of its own."""
    asked = decoded(await request.read_body(_BODY_BYTES), SearchBody)
    question = Question(PlainText(()), (), asked.max_num_results)
    if asked.filters is not None:
        question = replace(question, filter=read_filter(asked.filters))
    seen = await knowledge.stores.find(request.path["store"], request.principal)
    refuse_expired(seen, knowledge.stores.clock.now())
    if not seen.is_reader:
        raise NotFound(f"you may not read the vector store {seen.id}; ask its owner", param="vector_store_id")
    best: dict[tuple[str, int], ScoredPassage] = {}
    for query in asked.queries:
        one = replace(question, content=PlainText((query,)), collections=(seen.id,))
        for place, passage in (await _found(knowledge, request, one)).items():
            if place not in best or best[place].score < passage.score:
                best[place] = passage
    threshold = asked.ranking_options.score_threshold if asked.ranking_options is not None else 0.0
    ranked = sorted((one for one in best.values() if one.score >= threshold), key=lambda one: -one.score)
    return told(search_view(asked.queries, ranked[: asked.max_num_results]))


async def _found(
    knowledge: Knowledge, request: WireRequest, question: Question
) -> dict[tuple[str, int], ScoredPassage]:
    """Return the passages of one search by document and number, the best first."""
    resource = verbs.knowledge_resource(request.tenant, question.collections)
    found = cast("Found", (await request.act(verbs.SEARCH, resource, question)).result)
    documents = list({one.document for one in found.passages})
    files = await knowledge.stores.behind(documents, question.collections, tenant=request.tenant)
    best = max((one.score for one in found.passages), default=0.0)
    return {
        (one.document, one.number): scored(one, files[one.document], best=best)
        for one in found.passages
        if one.document in files
    }


async def _private(knowledge: Knowledge, request: WireRequest) -> SeenStore:
    """Return the private store of a path.

    Raises:
        Invalid: it is a collection of the organisation.
    """
    seen = await knowledge.stores.find(request.path["store"], request.principal)
    if seen.row is None:
        raise Invalid(
            f"{seen.id} is a collection of the organisation; change it in the console or in headgate.toml",
            param="vector_store_id",
        )
    return seen


def _shown(knowledge: Knowledge, seen: SeenStore) -> WireAnswer:
    return told(store_view(seen, knowledge.stores.clock.now()))


def _own(request: WireRequest) -> dict[str, str | bool]:
    return {"owner": request.principal.id, "is_reader": True}


def _place(ids: list[str], one: str, param: str) -> int:
    if one not in ids:
        raise Invalid(f"{param} must be the id of a vector store in this list", param=param)
    return ids.index(one)


OPERATIONS = (
    WireOperation("POST", "/v1/vector_stores", OPENAI, create),
    WireOperation("GET", "/v1/vector_stores", OPENAI, list_stores),
    WireOperation("GET", "/v1/vector_stores/{store}", OPENAI, show),
    WireOperation("POST", "/v1/vector_stores/{store}", OPENAI, change),
    WireOperation("DELETE", "/v1/vector_stores/{store}", OPENAI, delete),
    WireOperation("POST", "/v1/vector_stores/{store}/search", OPENAI, search),
    *vector_store_file_routes.OPERATIONS,
)
