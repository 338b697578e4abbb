"""The feature knowledge: an organisation's documents, searched under the rights of the asker, with cited answers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import lru_cache, partial

from headgate.admin.features import CheckContext, Feature, OfflineParts, Opened, Platform
from headgate.admin.file_search import FILE_SEARCHES
from headgate.admin.files import FILE_COPIES, OWN_FILES
from headgate.admin.networks import NETWORKS
from headgate.admin.notices import NOTIFY, Notify, notify_nobody
from headgate.admin.register import REGISTER
from headgate.kernel.identity import TenantId
from headgate.kernel.offload import Offloader
from headgate.knowledge import question_routes, source_routes, vector_store_routes
from headgate.knowledge.answering import Answerer
from headgate.knowledge.asking_experts import Keeper
from headgate.knowledge.commands import COMMANDS
from headgate.knowledge.connecting import Connectors
from headgate.knowledge.documents import QUEUE, Documents
from headgate.knowledge.embedding import Embedding
from headgate.knowledge.file_search import StoreSearches
from headgate.knowledge.ingest import Indexer, Ingest
from headgate.knowledge.networks import SourceNetworks
from headgate.knowledge.placing import Placing
from headgate.knowledge.postgres_index import PostgresIndex
from headgate.knowledge.quoting import Quoting
from headgate.knowledge.reading import Reading
from headgate.knowledge.routes import OPERATIONS
from headgate.knowledge.scheduling import Scheduling
from headgate.knowledge.searching import Searcher
from headgate.knowledge.sections import sections
from headgate.knowledge.service import Knowledge
from headgate.knowledge.syncing import QUEUE as SOURCES
from headgate.knowledge.syncing import Syncing
from headgate.knowledge.terms import Terms
from headgate.knowledge.vector_stores import VectorStores
from headgate.knowledge.verbs import ANSWER, INDEX, QUESTION_ASK, QUESTION_REPLY, SEARCH, VERBS
from headgate.knowledge.words import Words
from headgate.substrate.clock import RandomPool
from headgate.substrate.durable import Queue
from headgate.substrate.folders import LocalFolders
from headgate.substrate.item_keys import ItemKeys
from headgate.substrate.outside import LocalOutside
from headgate.wire.dialects import load_dialects

_AT_ONCE = 2
"""The limit of documents of a tenant that are read at the same time: the embedder is slower than one reader."""

_SOURCES_AT_ONCE = 2
"""The limit of sources of a tenant that are read at the same time."""

_ADDED_AT_ONCE = 2
"""The limit of uploaded files that a worker holds in memory on their way into documents."""


async def open_knowledge(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open collections, and offer the reading of documents to the durable runs."""
    base = platform.base
    keys = ItemKeys(base.secret("knowledge"), room="knowledge", random_bytes=RandomPool())
    documents = Documents(keys=keys, clock=base.clock, ids=base.ids, durable=platform.durable)
    offloader = Offloader()
    index, reading = PostgresIndex(offloader), Reading()
    connectors = Connectors.installed()
    folders = LocalFolders(base.settings.document_folders, base.settings.data)
    networks = SourceNetworks(platform.egress, platform.offers.ask(NETWORKS))

    def outside(tenant: TenantId) -> LocalOutside:
        profile_of = partial(networks.profile_of, tenant=tenant)
        return LocalOutside(folders, platform.egress, platform.secrets, profile_of, offloader)

    # A check sends nothing, so it needs no tenant's networks.
    here = sections(lambda source: connectors.refuse(source, outside(TenantId(""))))
    if platform.purpose == "command":
        return Opened(sections=here)
    stack.push_async_callback(reading.close)
    stores = VectorStores(
        database=platform.database,
        documents=documents,
        register=platform.offers.ask(REGISTER),
        files=platform.offers.ask(OWN_FILES),
        clock=base.clock,
        ids=base.ids,
        adding=asyncio.Semaphore(_ADDED_AT_ONCE),
    )
    register, embedding, words = platform.offers.ask(REGISTER), Embedding(load_dialects()), Words()

    def notify() -> Notify:
        return platform.offers.find(NOTIFY) or notify_nobody

    @lru_cache(maxsize=64)
    def terms(tenant: TenantId) -> Terms:
        return Terms(keys.derived("terms", tenant=tenant, owner=""))

    ingest = Ingest(platform.database, documents, reading, platform.job_action)
    platform.durable.add(Queue(QUEUE, ingest.work, at_once=_AT_ONCE, give_up=ingest.give_up))
    placing = Placing(documents, index)
    syncing = Syncing(platform.database, documents, placing, connectors, outside, platform.job_action)
    platform.durable.add(Queue(SOURCES, syncing.work, at_once=_SOURCES_AT_ONCE, give_up=syncing.give_up))
    return Opened(
        service=Knowledge(platform.database, documents, index, reading, register, notify, syncing, stores),
        performers={
            INDEX.name: Indexer(platform.database, documents, embedding, index, terms),
            SEARCH.name: Searcher(platform.database, documents, embedding, index, terms, register),
            ANSWER.name: Answerer(load_dialects(), Quoting(embedding, words), words),
            QUESTION_ASK.name: Keeper(),
            QUESTION_REPLY.name: Keeper(),
        },
        sections=here,
        jobs={
            "sources": Scheduling(syncing, platform.tenants).run_forever,
            "vector-stores": lambda _: stores.sweep_forever(platform.tenants),
        },
        offers=[FILE_COPIES.by(stores), FILE_SEARCHES.by(StoreSearches(stores))],
    )


def offline_knowledge(_: CheckContext) -> OfflineParts:
    """Return the sections of collections and sources."""
    return OfflineParts(sections=sections())


FEATURE = Feature(
    name="knowledge",
    summary="Documents of an organisation: searched under the rights of the asker, with cited answers.",
    package="headgate.knowledge",
    verbs=VERBS,
    operations=(*OPERATIONS, *question_routes.OPERATIONS, *source_routes.OPERATIONS),
    wire_operations=vector_store_routes.OPERATIONS,
    commands=COMMANDS,
    open=open_knowledge,
    offline=offline_knowledge,
)
