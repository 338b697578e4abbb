"""Operations on sources."""

from __future__ import annotations

from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import NotFound
from headgate.knowledge import store, verbs
from headgate.knowledge.bodies import SourceList, SourceView
from headgate.knowledge.service import Knowledge
from headgate.knowledge.views import source_view


async def list_sources(knowledge: Knowledge, request: Request) -> SourceList:
    """List the sources of the collections that the caller reads or keeps."""
    everything = Resource("collection", "*", attributes={"owner": request.by.principal.id, "is_reader": True})
    request.authorise(verbs.LIST, everything)
    found = await knowledge.collections(request.by.principal)
    return SourceList(
        sources=[source_view(source, sync, is_kept=one.is_kept) for one in found for source, sync in one.sources]
    )


async def sync_source(knowledge: Knowledge, request: Request) -> SourceView:
    """Read a source now, in the background. A pass that waits after a failure goes on at once."""
    source_id, tenant = request.path["source"], request.tenant
    for seen in await knowledge.collections(request.by.principal):
        source = next((one for one, _ in seen.sources if one.id == source_id), None)
        if source is not None:
            break
    else:
        raise NotFound(f"there is no source {source_id[:128]!r} that you may read", param="source")

    async def do(facts: Facts) -> SourceView:
        facts["source"] = source.id
        async with knowledge.database.transaction(tenant=tenant) as tx:
            await knowledge.syncing.start(tx, source, tenant=tenant)
            return source_view(source, (await store.syncs(tx, tenant=tenant)).get(source.id), is_kept=True)

    resource = verbs.collection_resource(seen.collection, is_reader=seen.is_reader)
    done = await request.perform(verbs.SYNC, resource, do, arguments=digest_of(source.id))
    view: SourceView = done.result
    return view


OPERATIONS = (
    Operation(
        "listSources",
        "GET",
        "/api/knowledge/sources",
        "The sources of the collections that the caller reads or keeps, and how their reading stands.",
        list_sources,
        answer=SourceList,
        verb=verbs.LIST,
    ),
    Operation(
        "syncSource",
        "POST",
        "/api/knowledge/sources/{source}/sync",
        "Read a source now, in the background.",
        sync_source,
        answer=SourceView,
        verb=verbs.SYNC,
    ),
)
