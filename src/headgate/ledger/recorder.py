"""The recorder: converts openings and closings to journal entries, with sealed content.

It keeps an opening in memory until its closing, so that the closing's entry has the whole leaf and the shipper needs no
lookup. Nothing here waits; an action waits for its ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from headgate.kernel.decision import LogLevel
from headgate.kernel.errors import Conflict, HeadgateError, Unavailable
from headgate.kernel.record import Closing, Fact, Opening
from headgate.ledger.leaves import (
    LEAF_VERSION,
    JournalEntry,
    Leaf,
    PartDigest,
    bounded_facts,
    bounded_rules,
    check_parts,
    clean,
    clean_word,
    encode_entry,
    encode_leaf,
    leaf_labels,
)
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.seal import PartAddress, Sealer
from headgate.substrate.journal import Journal, JournalTicket

MAX_CLOSING_PART_BYTES = 2 << 20
"""Half of the journal's reserve for closings on a full disk. A larger answer is dropped, and the record's facts name
it, because the journal must always accept a closing."""

_LEVELS = {LogLevel.FULL: "full", LogLevel.MASKED: "masked", LogLevel.NONE: "none"}


class _Parts(NamedTuple):
    envelopes: dict[str, bytes]
    digests: dict[str, PartDigest]


class JournalRecorder:
    """Appends records to one worker's journal; see the port `Recorder`. Belongs to the journal's event loop.

    Args:
        sealer: with keys that are created at their first use (`KeysOnDemand`).
    """

    def __init__(self, journal: Journal, *, sealer: Sealer, pseudonyms: Pseudonymiser) -> None:
        self._journal = journal
        self._sealer = sealer
        self._pseudonyms = pseudonyms
        self._open: dict[tuple[str, str], Leaf] = {}

    @property
    def open_count(self) -> int:
        """Number of open records of this process."""
        return len(self._open)

    def open(self, opening: Opening) -> JournalTicket:
        """Append an opening.

        Raises:
            Unavailable: the journal is over its limit or cannot be written. Nothing was appended.
            Conflict: a record with this id is already open.
        """
        key = (opening.tenant, opening.id)
        if key in self._open:
            raise Conflict(f"The record {opening.id} is already open; every action needs a new id.")
        leaf = self._leaf(opening)
        envelopes: dict[str, bytes] = {}
        if opening.parts and opening.log is not LogLevel.NONE:
            check_parts(opening.parts)
            try:
                envelopes, leaf.parts = self._seal(leaf, opening.parts)
            except HeadgateError as problem:
                raise Unavailable(f"The content of a record could not be sealed: {problem.message}") from problem
        ticket = self._journal.append(_entry(leaf, envelopes, is_closing=False))
        self._open[key] = leaf
        return ticket

    def close(self, closing: Closing) -> JournalTicket:
        """Append a closing. Drops content that is too large, and names it in the facts.

        Raises:
            Conflict: this process has no open record with this id.
            Unavailable: the disk refuses even the reserve for closings.
        """
        leaf = self._open.pop((closing.tenant, closing.id), None)
        if leaf is None:
            raise Conflict(f"The record {closing.id} is not open; it was already closed, or never opened.")
        facts: Mapping[str, Fact] = closing.facts
        envelopes: dict[str, bytes] = {}
        if closing.parts and leaf.log != "none":
            parts, left_out = _keepable(closing.parts)
            try:
                envelopes, digests = self._seal(leaf, parts)
                leaf.parts = {**leaf.parts, **digests}
            except HeadgateError as problem:
                left_out = dict.fromkeys((f"left_out.{name}" for name in closing.parts), problem.code)
            facts = {**facts, **left_out} if left_out else facts
        if closing.within is not None:
            leaf.parent, leaf.root, verb, resource = closing.within
            leaf.verb, leaf.resource = clean_word(verb), clean(resource)
        leaf.closed_at = utc_text(closing.closed_at)
        leaf.outcome = closing.outcome
        leaf.error = None if closing.error is None else clean(closing.error)
        leaf.duration_us = min(max(closing.duration_us, 0), (1 << 63) - 1)
        leaf.output_labels = leaf_labels(closing.labels)
        leaf.closing_facts = bounded_facts(facts)
        ticket = self._journal.append(_entry(leaf, envelopes, is_closing=True), is_closing=True)
        if leaf.parent is None:
            # The caller gets its answer next, and a reported success must survive a crash.
            self._journal.flush()
        return ticket

    def _leaf(self, opening: Opening) -> Leaf:
        opened_at = utc_text(opening.opened_at)
        return Leaf(
            v=LEAF_VERSION,
            id=opening.id,
            tenant=opening.tenant,
            parent=opening.parent,
            root=opening.root,
            opened_at=opened_at,
            verb=clean_word(opening.verb),
            principal=self._pseudonyms(opening.tenant, opening.principal),
            key_id=opening.key_id,
            use_case=clean_word(opening.use_case),
            resource=clean(opening.resource),
            effect=opening.effect,
            would=opening.would,
            rules=bounded_rules(opening.rules) if opening.rules else (),
            policy_version=clean_word(opening.policy_version),
            labels=leaf_labels(opening.labels),
            log=_LEVELS[opening.log],
            facts=bounded_facts(opening.facts),
            seal=f"{opening.tenant}.{opened_at[:10]}",
        )

    def _seal(self, leaf: Leaf, parts: Mapping[str, bytes]) -> _Parts:
        """Seal parts under the key of the tenant and the UTC day of the record's opening.

        Destroying a key erases its content. With one key per day, content outlives its retention by at most a day. A
        key is a file of 32 bytes.
        """
        envelopes: dict[str, bytes] = {}
        digests: dict[str, PartDigest] = {}
        for name, text in parts.items():
            sealed = self._sealer.seal(text, place=PartAddress(leaf.tenant, leaf.id, name, leaf.seal))
            envelopes[name] = sealed.envelope
            digests[name] = PartDigest(sealed.digest.hex(), len(sealed.envelope))
        return _Parts(envelopes, digests)


def _entry(leaf: Leaf, parts: dict[str, bytes], *, is_closing: bool) -> bytes:
    return encode_entry(
        JournalEntry(
            tenant=leaf.tenant, id=leaf.id, is_closing=is_closing, seal=leaf.seal, leaf=encode_leaf(leaf), parts=parts
        )
    )


def interrupted(opening: Leaf, *, at: datetime) -> Leaf:
    """Return the leaf of a record whose worker died before closing it. `at` is the time of the discovery."""
    return msgspec.structs.replace(opening, closed_at=utc_text(at), outcome="interrupted", error="worker_died")


def utc_text(at: datetime) -> str:
    """Format an aware UTC time as RFC 3339 with microseconds and `Z`. Always 27 characters, so texts sort by time."""
    minute = _minute_text(at.year, at.month, at.day, at.hour, at.minute)
    return f"{minute}:{at.second:02d}.{at.microsecond:06d}Z"


@lru_cache(maxsize=8)
def _minute_text(year: int, month: int, day: int, hour: int, minute: int) -> str:
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}"


def _keepable(parts: Mapping[str, bytes]) -> tuple[Mapping[str, bytes], dict[str, Fact]]:
    if len(parts) <= 16 and max(map(len, parts.values())) <= MAX_CLOSING_PART_BYTES:
        return parts, {}
    kept = dict(list(parts.items())[:16])
    large = {name for name, part in kept.items() if len(part) > MAX_CLOSING_PART_BYTES}
    left_out = (large | parts.keys()) - (kept.keys() - large)
    facts: dict[str, Fact] = {f"left_out.{name}": len(parts[name]) for name in sorted(left_out)}
    return {name: part for name, part in kept.items() if name not in large}, facts
