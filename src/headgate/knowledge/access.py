"""What somebody can find, and why: collections and documents, by readers and by labels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from headgate.kernel.errors import NotFound
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import parse_labels
from headgate.knowledge import question_store, store
from headgate.knowledge.bodies import AccessView, ReachView
from headgate.knowledge.service import Knowledge
from headgate.knowledge.specs import EVERYONE, GROUP, Collection


@dataclass(slots=True)
class _Reach:
    documents: int = 0
    readable: int = 0
    closed_by_labels: int = 0
    obstacles: dict[str, None] = field(default_factory=dict[str, None])


async def access_of(knowledge: Knowledge, person: str, *, tenant: TenantId) -> AccessView:
    """Return what a registered person or program finds in each collection.

    Raises:
        NotFound: nobody of this id is registered.
    """
    registered = knowledge.register.everybody(tenant).get(person)
    if registered is None:
        raise NotFound(f"nobody is registered as {person[:128]!r}", param="person")
    principal = Principal(
        registered.id, tenant, kind=registered.kind, roles=registered.roles, clearance=registered.clearance
    )
    reader = knowledge.reader(principal)
    async with knowledge.database.transaction(tenant=tenant) as tx:
        every = await store.collections(tx, tenant=tenant)
        rows = await question_store.readable(tx, reader.entries, tenant=tenant)
    reaches: defaultdict[str, _Reach] = defaultdict(_Reach)
    for row in rows:
        reach = reaches[row.collection]
        reach.documents += row.documents
        obstacles = parse_labels(row.labels).obstacles(principal.clearance)
        if obstacles:
            reach.closed_by_labels += row.readable
            reach.obstacles.update(dict.fromkeys(obstacles))
        else:
            reach.readable += row.readable
    return AccessView(
        person=registered.id,
        name=registered.title,
        entries=sorted(reader.entries),
        collections=[_view(one, reaches[one.id], _because(one, reader.entries)) for one in every],
    )


def _view(collection: Collection, reach: _Reach, because: list[str]) -> ReachView:
    is_open = bool(because)
    return ReachView(
        collection=collection.id,
        title=collection.name,
        because=because,
        documents=reach.documents,
        readable=reach.readable if is_open else 0,
        closed_by_readers=reach.documents - (reach.readable + reach.closed_by_labels if is_open else 0),
        closed_by_labels=reach.closed_by_labels if is_open else 0,
        obstacles=list(reach.obstacles) if is_open else [],
    )


def _because(collection: Collection, entries: frozenset[str]) -> list[str]:
    """Return what makes somebody with these entries a reader, in words."""
    found: list[str] = []
    for one in collection.readers:
        if one in entries:
            if one == EVERYONE:
                found.append("everybody reads it")
            elif one.startswith(GROUP):
                found.append(f"a member of {one.removeprefix(GROUP)}")
            else:
                found.append("named as a reader")
    if collection.owner in entries:
        found.append("its owner")
    if not entries.isdisjoint(collection.experts):
        found.append("one of its experts")
    return found
