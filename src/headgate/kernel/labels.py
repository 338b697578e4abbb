"""The lattice: labels of content (`Labels`), clearances of places (`Clearance`), the flow check.

`join` is associative, commutative and idempotent, with `BOTTOM` as its neutral element.
`flows_to` is monotone: lower labels flow at least as far.
Anything unknown fails closed.

Source: D. Denning, "A lattice model of secure information flow", CACM 19(5), 1976.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import TypeVar, cast

from headgate.kernel.errors import Invalid
from headgate.kernel.hashing import HashedOnce, hashed_once, interned

_E = TypeVar("_E", bound=IntEnum)


class Confidentiality(IntEnum):
    """How secret content is; the join is the higher level."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3


class Custody(IntEnum):
    """Whose machines may hold content; the join is the stricter value."""

    ANY = 0
    ORGANISATION = 1


class Integrity(IntEnum):
    """Whether the content comes from a trusted author; the join is the lower, `UNTRUSTED`."""

    TRUSTED = 0
    UNTRUSTED = 1


EMPTY: frozenset[str] = frozenset()

# Masked data is pseudonymous, not anonymous: it keeps a category of its own (GDPR 4(5)).
PSEUDONYMOUS = {
    "pii": "pii_pseudonymous",
    "phi": "phi_pseudonymous",
    "pci": "pci_pseudonymous",
    "secret": "secret_masked",
}


UNSCANNED = "unscanned"
"""The category of content that no scan can read, such as token ids: it may hold anything."""


def pseudonymous(category: str) -> str:
    """Return the category that masking turns `category` into."""
    return PSEUDONYMOUS.get(category, f"{category}_pseudonymous")


@hashed_once
@dataclass(frozen=True, slots=True)
class Labels(HashedOnce):
    """The labels of a piece of content. The default is `BOTTOM`: public and trusted.

    `purposes` and `regions` are None for "any". Content with an empty set of regions flows nowhere.
    """

    tenant: str | None = None
    confidentiality: Confidentiality = Confidentiality.PUBLIC
    categories: frozenset[str] = EMPTY
    readers: frozenset[str] = EMPTY
    purposes: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    custody: Custody = Custody.ANY
    integrity: Integrity = Integrity.TRUSTED
    as_of: datetime | None = None

    def join(self, other: Labels) -> Labels:
        """Return the labels of content that combines both.

        Raises:
            Invalid: the two belong to different tenants.
        """
        if self is other or other is BOTTOM:
            return self
        return other if self is BOTTOM else _joined(self, other)

    def flows_to(self, clearance: Clearance) -> bool:
        """Tell whether content with these labels may flow to a place with this clearance."""
        return not self.obstacles(clearance)

    def obstacles(self, clearance: Clearance) -> tuple[str, ...]:
        """Return the reasons against the flow, in plain words; empty when the content may flow."""
        return _obstacles(self, clearance)

    def masked(self, categories: frozenset[str]) -> Labels:
        """Return the labels after pseudonyms replaced every value of `categories`."""
        hit = self.categories & categories
        if not hit:
            return self
        return _having(self, (self.categories - hit) | {pseudonymous(category) for category in hit})

    def with_categories(self, categories: frozenset[str]) -> Labels:
        """Return the labels raised by `categories`."""
        return self if categories <= self.categories else _having(self, self.categories | categories)

    def __str__(self) -> str:
        """Return the labels in the format of the `x-headgate-labels` header."""
        return _written(self)


@hashed_once
@dataclass(frozen=True, slots=True)
class Clearance(HashedOnce):
    """The clearance of a place: a deployment, a person, a tool's sink, a store.

    None means "everything" for `tenant`, `categories` and `access`. For `regions` and `purposes` it
    means that the place does no processing by itself, such as a person or a place inside Headgate,
    so content of any region and purpose may flow there. The default clears only public content
    without categories, so an undeclared place receives nothing of value.
    """

    tenant: str | None = None
    level: Confidentiality = Confidentiality.PUBLIC
    categories: frozenset[str] | None = EMPTY
    access: frozenset[str] | None = EMPTY
    purposes: frozenset[str] | None = EMPTY
    regions: frozenset[str] | None = EMPTY
    custody: Custody = Custody.ANY
    least_integrity: Integrity = Integrity.UNTRUSTED
    not_before: datetime | None = field(default=None)

    def __str__(self) -> str:
        """Return the clearance in a stable format, so that it can be part of a digest."""
        names = (one.name for one in fields(self))
        return "; ".join(f"{name}={_words(getattr(self, name))}" for name in names)


BOTTOM = interned(Labels())

_ANSWERS_KEPT = 4096
"""The size of each cache. Calls repeat a few labels and clearances."""


@lru_cache(maxsize=_ANSWERS_KEPT)
def _written(labels: Labels) -> str:
    parts = [f"confidentiality={labels.confidentiality.name.lower()}"]
    if labels.categories:
        parts.append("categories=" + ",".join(sorted(labels.categories)))
    if labels.readers:
        parts.append("readers=" + ",".join(sorted(labels.readers)))
    if labels.purposes is not None:
        parts.append("purposes=" + ",".join(sorted(labels.purposes)))
    if labels.regions is not None:
        parts.append("regions=" + ",".join(sorted(labels.regions)))
    if labels.custody is not Custody.ANY:
        parts.append("custody=" + labels.custody.name.lower())
    if labels.integrity is not Integrity.TRUSTED:
        parts.append("integrity=" + labels.integrity.name.lower())
    return "; ".join(parts)


@lru_cache(maxsize=_ANSWERS_KEPT)
def _having(labels: Labels, categories: frozenset[str]) -> Labels:
    return replace(labels, categories=categories)


@lru_cache(maxsize=_ANSWERS_KEPT)
def _joined(one: Labels, other: Labels) -> Labels:
    if one.tenant is not None and other.tenant is not None and one.tenant != other.tenant:
        raise Invalid("content of two tenants cannot be joined")
    return Labels(
        tenant=one.tenant if one.tenant is not None else other.tenant,
        confidentiality=max(one.confidentiality, other.confidentiality),
        categories=one.categories | other.categories,
        readers=one.readers | other.readers,
        purposes=_meet(one.purposes, other.purposes),
        regions=_meet(one.regions, other.regions),
        custody=max(one.custody, other.custody),
        integrity=max(one.integrity, other.integrity),
        as_of=_oldest(one.as_of, other.as_of),
    )


@lru_cache(maxsize=_ANSWERS_KEPT)
def _obstacles(labels: Labels, clearance: Clearance) -> tuple[str, ...]:
    found: list[str] = []
    if clearance.tenant is not None and labels.tenant not in (None, clearance.tenant):
        found.append("it belongs to another tenant")
    if labels.confidentiality > clearance.level:
        found.append(f"it is {labels.confidentiality.name.lower()}, the clearance is {clearance.level.name.lower()}")
    if clearance.categories is not None and not labels.categories <= clearance.categories:
        found.append("not cleared for " + ", ".join(map(_named, sorted(labels.categories - clearance.categories))))
    if clearance.access is not None and not labels.readers <= clearance.access:
        found.append("not on access list " + ", ".join(sorted(labels.readers - clearance.access)))
    if not _within(clearance.purposes, labels.purposes):
        found.append("it may not be used for that purpose")
    if not _within(clearance.regions, labels.regions):
        found.append("it may not be processed in that region")
    if labels.custody > clearance.custody:
        found.append("it must stay on the organisation's own machines")
    if labels.integrity > clearance.least_integrity:
        found.append("it comes from an untrusted source")
    if clearance.not_before is not None and labels.as_of is not None and labels.as_of < clearance.not_before:
        found.append("its evidence is too old")
    return tuple(found)


EVERYTHING = Clearance(
    level=Confidentiality.RESTRICTED,
    categories=None,
    access=None,
    custody=Custody.ORGANISATION,
    least_integrity=Integrity.UNTRUSTED,
    purposes=None,
    regions=None,
)
"""The clearance of a place inside Headgate that forwards nothing by itself, such as an alias.

Content with an empty set of regions or purposes may not flow there either.
"""


def parse_labels(text: str) -> Labels:
    """Read labels in the format of `str(labels)`. The tenant is never read from outside.

    Raises:
        Invalid: the text has an unknown key or value, is too long, or is not printable ASCII. The
            message lists the known keys or values.
    """
    given: dict[str, frozenset[str]] = {}
    if len(text) > 4096:
        raise Invalid("labels are longer than 4096 characters", param="x-headgate-labels")
    if not (text.isascii() and text.isprintable()):
        # The labels go into response headers, where a line end would start another header.
        raise Invalid("labels hold a character that is not printable ASCII", param="x-headgate-labels")
    for part in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in _KEYS or key in given:
            raise Invalid(
                f"label {key!r} is unknown or given twice; known: {', '.join(_KEYS)}", param="x-headgate-labels"
            )
        given[key] = frozenset(word.strip() for word in value.split(",") if word.strip())
    return Labels(
        confidentiality=_one(Confidentiality, given.get("confidentiality"), "confidentiality"),
        categories=given.get("categories", EMPTY),
        readers=given.get("readers", EMPTY),
        purposes=given.get("purposes"),
        regions=given.get("regions"),
        custody=_one(Custody, given.get("custody"), "custody"),
        integrity=_one(Integrity, given.get("integrity"), "integrity"),
    )


_KEYS = ("confidentiality", "categories", "readers", "purposes", "regions", "custody", "integrity")


def _one(kind: type[_E], words: frozenset[str] | None, key: str) -> _E:
    if words is None:
        return kind(0)
    names = {member.name.lower(): member for member in kind}
    if len(words) != 1 or not words <= names.keys():
        raise Invalid(f"label {key} takes one of: {', '.join(names)}", param="x-headgate-labels")
    return names[next(iter(words))]


def _words(value: object) -> str:
    match value:
        case None:
            return "any"
        case frozenset():
            return ",".join(sorted(str(word) for word in cast("frozenset[str]", value)))
        case Confidentiality() | Custody() | Integrity():
            return value.name.lower()
        case _:
            return str(value)


def _named(category: str) -> str:
    return "unscanned (tokens and media cannot be looked at; send text)" if category == UNSCANNED else category


def _within(place: frozenset[str] | None, allowed: frozenset[str] | None) -> bool:
    """Whether all regions (or purposes) of a place are allowed. An empty set fails closed."""
    if allowed is None:
        return True
    if not allowed:
        return False
    return place is None or (bool(place) and place <= allowed)


def _meet(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None:
        return other
    return one if other is None else one & other


def _oldest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None:
        return other
    return one if other is None else min(one, other)
