"""Who reads what: the entries of a principal, the collections open to it, and the check of a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headgate.admin.register import Register, Registration
from headgate.kernel.identity import Principal
from headgate.kernel.labels import parse_labels
from headgate.knowledge.specs import EVERYONE, GROUP, Collection, Source
from headgate.knowledge.store import DocumentRow, SyncRow


@dataclass(frozen=True, slots=True)
class Reader:
    """A principal with what opens documents to it.

    Args:
        entries: its id, its groups as `group:NAME`, and `*`.
    """

    principal: Principal
    entries: frozenset[str]

    def reads(self, collection: Collection) -> bool:
        """Return whether the collection is open to the reader."""
        return collection.has_reader(self.entries)

    def collections(self, every: Iterable[Collection]) -> dict[str, Collection]:
        """Return the collections that are open to the reader, by id."""
        return {one.id: one for one in every if self.reads(one)}

    def may_open(self, row: DocumentRow, collection: Collection) -> bool:
        """Return whether the reader may open a document, by its readers and by its labels."""
        return self.reads(collection) and not self.entries.isdisjoint(row.readers) and self.is_cleared_for(row.labels)

    def closed_sources(self, sources: Iterable[Source], syncs: Mapping[str, SyncRow]) -> frozenset[str]:
        """Return the sources whose documents are closed to the reader until they can be read again.

        While a source cannot be read, a change of its entry does not reach the documents. So its entry counts by
        itself: its documents are open only to readers that it names, and at its confidentiality.
        """
        found: set[str] = set()
        for one in sources:
            sync = syncs.get(one.id)
            if sync is None or sync.ended_at is not None or not sync.fault:
                continue
            if self.entries.isdisjoint(one.readers) or not one.given.flows_to(self.principal.clearance):
                found.add(one.id)
        return frozenset(found)

    def is_cleared_for(self, labels: str) -> bool:
        """Return whether text with these labels may flow to the reader."""
        return parse_labels(labels).flows_to(self.principal.clearance)


def reader_of(principal: Principal, register: Register) -> Reader:
    """Return a principal as a reader, with its groups as registered now.

    One that acts for others has only the entries that all of them have.
    """
    everybody = register.everybody(principal.tenant)
    entries = _entries(principal.id, everybody)
    for other in principal.on_behalf_of:
        entries &= _entries(other, everybody)
    return Reader(principal, entries)


def _entries(principal: str, everybody: Mapping[str, Registration]) -> frozenset[str]:
    registered = everybody.get(principal)
    groups = registered.groups if registered is not None else ()
    # An id that looks like a group opens nothing of that group.
    own = () if principal.startswith(GROUP) or principal == EVERYONE else (principal,)
    return frozenset((EVERYONE, *own, *(GROUP + group for group in groups)))
