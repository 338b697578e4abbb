"""The verbs of knowledge. Rules may ask for the collection, for its owner, and whether the principal reads it."""

from __future__ import annotations

from headgate.admin.commands import AUDIT, Command, CommandVerb, command_verb
from headgate.kernel.action import Resource, Verb, VerbEffect
from headgate.knowledge.payloads import Answer, Found, Question, ReadPassages, Said
from headgate.knowledge.specs import Collection
from headgate.wire.model_call import USE_MODELS

KEEP = "keep-collection"
"""The group of the verbs of a collection's owner."""

OWN_STORE = "own-vector-store"
"""The group of the verbs of principals on their private stores."""

_ATTRIBUTES = {"owner": str, "is_reader": bool}


def _verb(name: str, effect: VerbEffect, title: str, *groups: str, on: str = "collection") -> CommandVerb:
    return Verb(name, Command, object, object, effect=effect, title=title, on=on, groups=groups, attributes=_ATTRIBUTES)


def _store_verb(name: str, title: str) -> CommandVerb:
    groups, attributes = (USE_MODELS, OWN_STORE), {"owner": str}
    return Verb(
        name,
        Command,
        object,
        object,
        effect="write",
        title=title,
        on="vector_store",
        groups=groups,
        attributes=attributes,
    )


SEARCH: Verb[Question, object, Found] = Verb(
    "knowledge.search",
    Question,
    object,
    Found,
    effect="read",
    title="Search documents",
    on="knowledge",
    groups=(USE_MODELS,),
    attributes={"collections": frozenset[str]},
)
"""Finds passages that the principal may read. A search is a use of a model, the embedder."""

ANSWER: Verb[Question, object, Answer] = Verb(
    "knowledge.answer",
    Question,
    object,
    Answer,
    effect="read",
    title="Ask documents",
    on="knowledge",
    groups=(USE_MODELS,),
    attributes={"collections": frozenset[str]},
)
"""Answers a question from passages that it searches, with citations."""

INDEX: Verb[ReadPassages, object, object] = Verb(
    "knowledge.index", ReadPassages, object, object, effect="write", title="Index a document", on="document"
)
"""Labels, embeds and indexes the passages of a document."""

LIST = _verb("knowledge.list", "read", "List collections and their documents")
READ = _verb("knowledge.read", "read", "Open a document", on="document")
ADD = _verb("knowledge.add", "write", "Add a document", KEEP)
RETRY = _verb("knowledge.retry", "write", "Read a document again", KEEP, on="document")
DELETE = _verb("knowledge.delete", "write", "Delete a document", KEEP, on="document")
SYNC = _verb("knowledge.sync", "write", "Read a source now", KEEP)
STORE_CREATE = _store_verb("vector_store.create", "Make a vector store")
STORE_CHANGE = _store_verb("vector_store.change", "Change an own vector store")
STORE_DELETE = _store_verb("vector_store.delete", "Delete an own vector store")
FETCH: CommandVerb = Verb(
    "connector.fetch", Command, object, object, effect="read", title="Read from a source", on="source"
)
"""Lists or fetches documents at their source."""

RATE = _verb("knowledge.rate", "write", "Rate an answer from documents", on="knowledge")
QUALITY = _verb("knowledge.quality", "read", "See the quality of a collection")
ACCESS = command_verb("knowledge.access", "read", "See what somebody can find, and why", AUDIT, on="person")


def _words_verb(name: str, title: str) -> Verb[Said, object, object]:
    return Verb(name, Said, object, object, effect="write", title=title, on="collection", attributes=_ATTRIBUTES)


QUESTION_ASK = _words_verb("question.ask", "Hand a question to experts")
QUESTION_REPLY = _words_verb("question.reply", "Answer a question for a collection")
QUESTION_CLOSE = _verb("question.close", "write", "Close a question")

VERBS = (
    RATE,
    QUALITY,
    ACCESS,
    QUESTION_ASK,
    QUESTION_REPLY,
    QUESTION_CLOSE,
    SEARCH,
    ANSWER,
    INDEX,
    LIST,
    READ,
    ADD,
    RETRY,
    DELETE,
    SYNC,
    FETCH,
    STORE_CREATE,
    STORE_CHANGE,
    STORE_DELETE,
)


def collection_resource(collection: Collection, *, is_reader: bool) -> Resource:
    """Return a collection as the resource of an action."""
    return Resource("collection", collection.id, attributes={"owner": collection.owner, "is_reader": is_reader})


def store_resource(store: str, *, owner: str) -> Resource:
    """Return a private vector store as the resource of an action."""
    return Resource("vector_store", store, attributes={"owner": owner})


def document_resource(document: str, collection: Collection, *, is_reader: bool) -> Resource:
    """Return a document as the resource of an action."""
    return Resource("document", document, attributes={"owner": collection.owner, "is_reader": is_reader})


def knowledge_resource(tenant: str, collections: tuple[str, ...]) -> Resource:
    """Return the documents of collections as the resource of a search."""
    return Resource("knowledge", tenant, attributes={"collections": frozenset(collections)})
