"""The format of records: leaves of the log, and entries of the journal.

A leaf is canonical JSON: UTF-8, no whitespace, sorted keys, defaults left out. The worker encodes it once. The journal,
the database and the log store the same bytes and never encode them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, TypeVar, cast

import msgspec

from headgate.kernel.decision import Mode, RuleHit
from headgate.kernel.errors import Corrupt, Invalid
from headgate.kernel.labels import Confidentiality, Custody, Integrity, Labels
from headgate.kernel.ports import RuleSet
from headgate.kernel.record import Fact, Outcome

LEAF_VERSION: Final = 1
MAX_LEAF_BYTES: Final = 65_535

Does = Literal["deny", "ask", "allow", "duty"]

_MAX_FACTS = 64
_MAX_RULES = 64
_MAX_TEXT_CHARS = 512
_MAX_REDUCED_CHARS = 128
_INT64 = 1 << 63


class PartDigest(msgspec.Struct, frozen=True, array_like=True):
    """A sealed part in a leaf: SHA-256 of the envelope, in hex, and the envelope's size."""

    sha256: str
    size_bytes: int


class LeafRule(msgspec.Struct, frozen=True, array_like=True):
    """A rule that matched, as in `kernel.decision.RuleHit`."""

    id: str
    does: str
    mode: str
    reason: str = ""


class LeafLabels(msgspec.Struct, frozen=True, omit_defaults=True):
    """Labels of content. Missing fields have their lowest value. `purposes` and `regions` are None for "any"."""

    confidentiality: str = "public"
    categories: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    purposes: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    custody: str = "any"
    integrity: str = "trusted"
    as_of: str | None = None


class Leaf(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A record. Times are RFC 3339 with microseconds, UTC; `outcome` is None while it is open.

    Args:
        v: version of the format.
        principal: a pseudonym, see `ledger.pseudonyms`.
        facts: of the opening; `closing_facts` of the closing.
        parts: the sealed parts of both.
        seal: the partition of the sealing key.
        cut: SHA-256 of the leaf before it was truncated to the size limit of a log entry, or None.
    """

    v: int
    id: str
    tenant: str
    parent: str | None = None
    root: str | None = None
    opened_at: str
    closed_at: str | None = None
    verb: str
    principal: str
    key_id: str | None = None
    use_case: str
    resource: str
    effect: str
    would: str
    rules: tuple[LeafRule, ...] = ()
    policy_version: str = ""
    labels: LeafLabels = LeafLabels()
    output_labels: LeafLabels | None = None
    log: str = "full"
    outcome: Outcome | None = None
    error: str | None = None
    duration_us: int = 0
    facts: dict[str, Fact] = {}
    closing_facts: dict[str, Fact] = {}
    parts: dict[str, PartDigest] = {}
    seal: str = ""
    cut: str | None = None


L = TypeVar("L", Leaf, "ClosedLeaf", "LeafFigures")


class JournalEntry(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One append to the journal: half of a record.

    Args:
        v: version of the format.
        seal: the partition of the sealing key.
        leaf: the canonical leaf, without an outcome in an opening.
        parts: the sealed envelopes of this half.
    """

    v: int = 1
    tenant: str
    id: str
    is_closing: bool
    seal: str
    leaf: bytes
    parts: dict[str, bytes]


_leaf_encoder = msgspec.json.Encoder(order="sorted")
_leaf_decoder = msgspec.json.Decoder(Leaf)
_entry_encoder = msgspec.msgpack.Encoder()
_entry_decoder = msgspec.msgpack.Decoder(JournalEntry)


def encode_leaf(leaf: Leaf) -> bytes:
    """Encode a leaf in at most 65,535 bytes. Truncates a longer leaf and puts the digest of the whole in `cut`."""
    data = _leaf_encoder.encode(leaf)
    if len(data) <= MAX_LEAF_BYTES:
        return data
    return _leaf_encoder.encode(_reduced(leaf, sha256(data).hexdigest()))


def decode_leaf(data: bytes) -> Leaf:
    """Decode a leaf.

    Raises:
        Corrupt: it is malformed, or of an unknown version.
    """
    return _of_known_version(_leaf_decoder, data, where="log")


def _of_known_version(decoder: msgspec.json.Decoder[L], data: bytes, *, where: str) -> L:
    try:
        leaf = decoder.decode(data)
    except msgspec.MsgspecError as problem:
        raise Corrupt(f"An entry of the {where} is not a record: {problem}.") from problem
    if leaf.v != LEAF_VERSION:
        raise Corrupt(f"An entry of the {where} is a record of version {leaf.v}; this program knows {LEAF_VERSION}.")
    return leaf


def encode_entry(entry: JournalEntry) -> bytes:
    """Encode a journal entry."""
    return _entry_encoder.encode(entry)


def decode_entry(data: bytes) -> JournalEntry:
    """Decode a journal entry.

    Raises:
        Corrupt: it is malformed, or of an unknown version.
    """
    try:
        entry = _entry_decoder.decode(data)
    except msgspec.MsgspecError as problem:
        raise Corrupt(f"A frame of the journal is not a record: {problem}.") from problem
    if entry.v != 1:
        raise Corrupt(f"A frame of the journal is of version {entry.v}; run the version of Headgate that wrote it.")
    return entry


@lru_cache(maxsize=1024)
def leaf_labels(labels: Labels) -> LeafLabels:
    """Convert labels for a leaf, with a cache. Leaves out the tenant, which the leaf has."""
    return LeafLabels(
        confidentiality=labels.confidentiality.name.lower(),
        categories=_words(labels.categories) or (),
        readers=_words(labels.readers) or (),
        purposes=_words(labels.purposes),
        regions=_words(labels.regions),
        custody="any" if labels.custody is Custody.ANY else "organisation",
        integrity="trusted" if labels.integrity is Integrity.TRUSTED else "untrusted",
        as_of=None if labels.as_of is None else labels.as_of.isoformat(timespec="microseconds"),
    )


def kernel_labels(labels: LeafLabels) -> Labels:
    """Convert a leaf's labels to the kernel's. They have no tenant, because readers belong to the leaf's tenant.

    Raises:
        Corrupt: a label has an unknown value.
    """
    try:
        return Labels(
            confidentiality=Confidentiality[labels.confidentiality.upper()],
            categories=frozenset(labels.categories),
            readers=frozenset(labels.readers),
            purposes=None if labels.purposes is None else frozenset(labels.purposes),
            regions=None if labels.regions is None else frozenset(labels.regions),
            custody=Custody[labels.custody.upper()],
            integrity=Integrity[labels.integrity.upper()],
            as_of=None if labels.as_of is None else datetime.fromisoformat(labels.as_of),
        )
    except (KeyError, ValueError) as problem:
        raise Corrupt(f"A record has invalid labels: {problem}.") from problem


def bounded_facts(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return at most 64 facts, with texts of at most 512 characters and numbers within 64 bits."""
    if not facts:
        return {}
    names = _clean_names(tuple(facts))
    kept = dict(facts) if names is None else dict(zip(names, facts.values(), strict=True))
    for name, value in kept.items():
        if value.__class__ is int:
            if -_INT64 <= value < _INT64:  # pyright: ignore[reportOperatorIssue] - it is an int
                continue
        elif isinstance(value, str) and len(value) <= _MAX_TEXT_CHARS and value.isascii() and "\x00" not in value:
            continue
        kept[name] = _bounded_fact(value)
    if len(kept) > _MAX_FACTS:
        kept = {name: kept[name] for name in sorted(kept)[:_MAX_FACTS]}
        kept["facts_left_out"] = len(facts) - _MAX_FACTS
    return kept


def bounded_rules(rules: tuple[RuleHit, ...]) -> tuple[LeafRule, ...]:
    """Return at most 64 rules, with refusing rules first."""
    if len(rules) > _MAX_RULES:
        rules = tuple(sorted(rules, key=lambda rule: rule.does not in ("deny", "ask")))[:_MAX_RULES]
    return tuple(map(_leaf_rule, rules))


@lru_cache(maxsize=4096)
def _leaf_rule(rule: RuleHit) -> LeafRule:
    return LeafRule(clean(rule.id), rule.does, rule.mode, clean(rule.reason))


def clean(text: str, limit: int = _MAX_TEXT_CHARS) -> str:
    """Return text for the database: no NUL, no lone surrogates, at most `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


@lru_cache(maxsize=8192)
def clean_word(text: str) -> str:
    """Return a cleaned name of at most 128 characters, with a cache."""
    return clean(text, _MAX_REDUCED_CHARS)


@lru_cache(maxsize=1024)
def _clean_names(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return cleaned names of facts, or None if all are clean."""
    cleaned = tuple(clean(name, _MAX_REDUCED_CHARS) for name in names)
    return None if cleaned == names else cleaned


def _bounded_fact(value: Fact) -> Fact:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return clean(hex(value))
    return value


def _words(words: frozenset[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(sorted(map(clean, words)))


def _reduced(leaf: Leaf, digest: str) -> Leaf:
    """Return a reduced leaf that always fits: 12 short texts, 64 ids of rules, and the digests of 64 parts."""
    texts = ("verb", "use_case", "resource", "policy_version", "error", "key_id", "parent", "root", "id")
    short = {name: clean(text, _MAX_REDUCED_CHARS) for name in texts if (text := getattr(leaf, name)) is not None}
    return msgspec.structs.replace(
        leaf,
        **short,
        rules=tuple(LeafRule(clean(rule.id, _MAX_REDUCED_CHARS // 2), rule.does, rule.mode) for rule in leaf.rules),
        labels=_reduced_labels(leaf.labels),
        output_labels=None if leaf.output_labels is None else _reduced_labels(leaf.output_labels),
        facts={},
        closing_facts={},
        cut=digest,
    )


def _reduced_labels(labels: LeafLabels) -> LeafLabels:
    return msgspec.structs.replace(labels, categories=(), readers=(), purposes=None, regions=None)


class ClosedLeaf(msgspec.Struct):
    """The columns of a closed record's leaf: texts, empty for None, and raw JSON for rules and labels."""

    v: int
    id: str
    tenant: str
    opened_at: str
    verb: str
    principal: str
    use_case: str
    resource: str
    parent: str = ""
    root: str = ""
    closed_at: str = ""
    outcome: str = ""
    rules: msgspec.Raw = msgspec.Raw(b"[]")
    labels: msgspec.Raw = msgspec.Raw(b"{}")
    output_labels: msgspec.Raw = msgspec.Raw(b"{}")
    key_id: str = ""
    error: str = ""
    facts: dict[str, Any] = {}
    closing_facts: dict[str, Any] = {}


_closed_decoder = msgspec.json.Decoder(ClosedLeaf)


def read_closed(data: bytes) -> ClosedLeaf:
    """Decode the leaf of a closed record, in half the time of `decode_leaf`.

    Raises:
        Corrupt: it is open, malformed, or of an unknown version.
    """
    leaf = _of_known_version(_closed_decoder, data, where="journal")
    if not leaf.outcome or not leaf.closed_at:
        raise Corrupt(f"The record {leaf.id} is closed in the journal, but open in its leaf.")
    return leaf


class LeafFigures(msgspec.Struct, gc=False):
    """The fields of a leaf that usage is counted from; see `kernel.ports.Figures`."""

    v: int
    opened_at: str
    verb: str
    principal: str
    use_case: str
    resource: str
    key_id: str = ""
    outcome: str = ""
    error: str = ""
    duration_us: int = 0
    raw_rules: msgspec.Raw = msgspec.field(name="rules", default=msgspec.Raw(b"[]"))
    opening_facts: dict[str, Fact] = msgspec.field(name="facts", default_factory=dict[str, Fact])
    closing_facts: dict[str, Fact] = {}

    @property
    def rules(self) -> RuleSet:
        """The rules that matched."""
        return _rule_set(bytes(self.raw_rules))

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The facts of both halves."""
        return {**self.opening_facts, **self.closing_facts} if self.opening_facts else self.closing_facts


_figures_decoder = msgspec.json.Decoder(LeafFigures)
_rules_decoder = msgspec.json.Decoder(tuple[LeafRule, ...])


def read_figures(data: bytes) -> LeafFigures:
    """Decode the figures of a leaf, in a fraction of the time of `decode_leaf`.

    Raises:
        Corrupt: it is malformed, or of an unknown version.
    """
    return _of_known_version(_figures_decoder, data, where="log")


@lru_cache(maxsize=4096)
def _rule_set(rules: bytes) -> RuleSet:
    try:
        found = _rules_decoder.decode(rules)
    except msgspec.MsgspecError as problem:
        raise Corrupt(f"A record has invalid rules: {problem}.") from problem
    return RuleSet(tuple(RuleHit(one.id, cast("Does", one.does), cast("Mode", one.mode), one.reason) for one in found))


def check_parts(names: Mapping[str, bytes]) -> None:
    """Refuse too many parts.

    Raises:
        Invalid: more than 16, or a name over 64 characters.
    """
    if len(names) > 16 or any(len(name) > 64 or not name.isascii() for name in names):
        raise Invalid("A record has at most 16 parts in each half, with ASCII names of at most 64 characters.")
