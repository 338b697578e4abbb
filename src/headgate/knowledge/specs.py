"""Collections and sources: the entries of `[[collection]]` and `[[source]]`, checked.

[[collection]]
id = "handbook"
title = "Employee handbook"
owner = "grace@example.com"         # manages it
purpose = "Rules for everybody"
readers = ["*"]                     # ids, group:NAME, or * for everyone
experts = ["maria@example.com"]     # answer questions that the documents do not
confidentiality = "internal"        # at least, for every document
trusted = false                     # whether its texts may steer a model
shelf_life_days = 365               # absent: its documents do not go stale
model = "smart"                     # the alias that writes answers; absent: answers are quotations

[[source]]
id = "handbook-files"
collection = "handbook"
kind = "folder"
every_minutes = 60
readers = ["group:staff"]           # who may read its documents, where the source does not say; absent: every reader
options = { path = "/srv/handbook" }
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

from headgate.admin.bodies import Level, Name, PrincipalName
from headgate.kernel.errors import Invalid
from headgate.kernel.labels import EMPTY, Confidentiality, Integrity, Labels

EVERYONE = "*"
GROUP = "group:"
PRIVATE = "vs_"
"""The beginning of the ids of private vector stores, which are collections outside the configuration."""

_MOST_READERS = 2_000
_MOST_CHARS = 200

Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
Minutes = Annotated[int, msgspec.Meta(ge=1, le=44_640)]
Short = Annotated[str, msgspec.Meta(max_length=200)]
Purpose = Annotated[str, msgspec.Meta(max_length=2_000)]


class Collection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A set of documents with an owner, a purpose and readers."""

    id: Name
    owner: PrincipalName
    title: Short = ""
    purpose: Purpose = ""
    readers: list[str] = []
    experts: list[PrincipalName] = []
    confidentiality: Level = "internal"
    categories: list[str] = []
    trusted: bool = False
    shelf_life_days: Days | None = None
    model: Name | None = None

    @property
    def name(self) -> str:
        """Its title, or its id without one."""
        return self.title or self.id

    @property
    def floor(self) -> Labels:
        """The labels of every document in it, at least."""
        return Labels(
            confidentiality=_level(self.confidentiality),
            categories=frozenset(self.categories) or EMPTY,
            integrity=Integrity.TRUSTED if self.trusted else Integrity.UNTRUSTED,
        )

    def has_reader(self, entries: frozenset[str]) -> bool:
        """Return whether somebody with these entries may read its documents."""
        return not entries.isdisjoint((*self.readers, self.owner, *self.experts))


class Source(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A place outside Headgate whose documents a collection holds.

    Args:
        options: of its kind of connector.
    """

    id: Name
    collection: Name
    kind: Name
    every_minutes: Minutes = 60
    readers: list[str] = msgspec.field(default_factory=lambda: [EVERYONE])
    confidentiality: Level | None = None
    options: dict[str, Any] = {}

    @property
    def given(self) -> Labels:
        """The labels that it gives its documents."""
        return Labels() if self.confidentiality is None else Labels(confidentiality=_level(self.confidentiality))


def _level(name: Level) -> Confidentiality:
    return Confidentiality[name.upper()]


def refuse_collection(collection: Collection) -> None:
    """Raise Invalid if a collection is malformed; `param` is the field."""
    if collection.id.startswith(PRIVATE):
        raise Invalid(f"ids that begin with {PRIVATE} are those of private vector stores; choose another", param="id")
    refuse_readers(collection.readers, param="readers")


def refuse_readers(readers: Sequence[str], *, param: str) -> None:
    """Raise Invalid if a reader is malformed, or there are too many."""
    if len(readers) > _MOST_READERS:
        raise Invalid(f"{len(readers):,} readers are too many; use groups, at most {_MOST_READERS:,}", param=param)
    for one in readers:
        name = one.removeprefix(GROUP)
        if not name.strip() or len(one) > _MOST_CHARS or (EVERYONE in name and one != EVERYONE):
            raise Invalid(f"{one!r} is not a reader; write an id, {GROUP}NAME, or {EVERYONE} for everyone", param=param)


def sorted_readers(readers: Iterable[str]) -> list[str]:
    """Return readers in the one form in which they are stored: everyone alone, or each once in order."""
    found = sorted(set(readers))
    return [EVERYONE] if EVERYONE in found else found
