"""The admin API's bodies for records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from headgate.admin.bodies import Body, PartView, RuleHitView
from headgate.kernel.decision import CHECKS
from headgate.ledger.conversations import RecordConversation
from headgate.ledger.leaves import Leaf, LeafLabels, PartDigest, decode_leaf
from headgate.ledger.names import NO_NAMES, KeyRef, Names, Who
from headgate.ledger.reader import OpenedPart, StoredRecord
from headgate.ledger.sentences import outcome_words


class EraseRequest(Body, frozen=True, kw_only=True):
    """A request to erase the content of every record opened before a UTC day."""

    before: date


class Erasure(Body, frozen=True, kw_only=True):
    """The UTC days with erased content, oldest first.

    `covers` says what the erasure covers; empty without a day. `answers` counts the erased answers that programs
    could have continued.
    """

    days: list[str]
    covers: str
    answers: int


class RecordView(Body, frozen=True, kw_only=True):
    """One record in a list.

    `principal` is a pseudonym; `who` and `key` name the person and the key to a reader who may know them. `told` says
    in short words why the action ended as it did.
    """

    id: str
    parent: str | None
    root: str | None
    verb: str
    principal: str
    who: Who | None
    key: KeyRef | None
    told: str
    use_case: str
    resource: str
    effect: str
    would: str
    outcome: str | None
    error: str | None
    opened_at: datetime
    closed_at: datetime | None
    duration_us: int | None
    labels: str
    policy_version: str
    rules: list[RuleHitView]
    facts: dict[str, Any]
    leaf_index: int | None


class RecordList(Body, frozen=True, kw_only=True):
    """A page of records, newest first; `next` is the cursor of the following page."""

    records: list[RecordView]
    next: str | None


class RecordFeed(Body, frozen=True, kw_only=True):
    """Records in the order of the log; `after` is the cursor of the following page."""

    records: list[RecordView]
    after: int


class RecordDetail(Body, frozen=True, kw_only=True):
    """One record with its child actions, its parts, and the conversation in them if it is a model call."""

    record: RecordView
    output_labels: str
    children: list[RecordView]
    parts: list[PartView]
    conversation: RecordConversation | None


class ProofView(Body, frozen=True, kw_only=True):
    """A proof bundle for an offline check of a record; see `headgate ledger prove`."""

    bundle: dict[str, Any]


class LedgerView(Body, frozen=True, kw_only=True):
    """The state of the tenant's log."""

    origin: str
    size: int
    root_hash: str
    vkey: str
    checkpoint: str


def record_view(record: StoredRecord, names: Names = NO_NAMES) -> RecordView:
    """Return a stored record's view with the names that its reader may know."""
    return leaf_view(decode_leaf(record.leaf), record.leaf_index, names)


def leaf_view(leaf: Leaf, leaf_index: int | None, names: Names = NO_NAMES) -> RecordView:
    """Return the view of a leaf."""
    return RecordView(
        id=leaf.id,
        parent=leaf.parent,
        root=leaf.root,
        verb=leaf.verb,
        principal=leaf.principal,
        who=names.who(leaf.principal),
        key=names.key(leaf.key_id),
        told=outcome_words(leaf),
        use_case=leaf.use_case,
        resource=leaf.resource,
        effect=leaf.effect,
        would=leaf.would,
        outcome=leaf.outcome,
        error=leaf.error,
        opened_at=datetime.fromisoformat(leaf.opened_at),
        closed_at=None if leaf.closed_at is None else datetime.fromisoformat(leaf.closed_at),
        duration_us=None if leaf.outcome is None else leaf.duration_us,
        labels=labels_text(leaf.labels),
        policy_version=leaf.policy_version,
        rules=_rules(leaf),
        facts={**leaf.facts, **leaf.closing_facts},
        leaf_index=leaf_index,
    )


def _rules(leaf: Leaf) -> list[RuleHitView]:
    """Return the rules that matched, after the checks of the code that refused."""
    refusing = str(leaf.closing_facts.get("refused_by") or "").split(",")
    checks = [RuleHitView(id=one, does="deny", mode="enforce", reason=CHECKS[one]) for one in refusing if one in CHECKS]
    return [*checks, *(RuleHitView(id=one.id, does=one.does, mode=one.mode, reason=one.reason) for one in leaf.rules)]


def labels_text(labels: LeafLabels | None) -> str:
    """Format labels like the header `x-headgate-labels`; empty without labels."""
    if labels is None:
        return ""
    parts = [f"confidentiality={labels.confidentiality}"]
    sets: Sequence[tuple[str, Sequence[str] | None]] = (
        ("categories", labels.categories or None),
        ("readers", labels.readers or None),
        ("purposes", labels.purposes),
        ("regions", labels.regions),
    )
    parts += [f"{name}={','.join(words)}" for name, words in sets if words is not None]
    if labels.custody != "any":
        parts.append(f"custody={labels.custody}")
    if labels.integrity != "trusted":
        parts.append(f"integrity={labels.integrity}")
    return "; ".join(parts)


def part_views(record: StoredRecord, opened: Sequence[OpenedPart]) -> list[PartView]:
    """Return every part of the record. Unopened parts have no text."""
    by_name = {part.name: part for part in opened}
    return [_part(name, digest, by_name.get(name), withheld=None) for name, digest in sorted(record.parts.items())]


def shown_parts(record: StoredRecord, opened: Sequence[PartView], *, withheld: Mapping[str, str]) -> list[PartView]:
    """Return every part for a reader, opened or with the reason for withholding it.

    Args:
        withheld: reasons by name of the part.
    """
    by_name = {part.name: part for part in opened if part.name not in withheld}
    return [
        by_name.get(name) or _part(name, digest, None, withheld=withheld.get(name))
        for name, digest in sorted(record.parts.items())
    ]


def _part(name: str, digest: PartDigest, opened: OpenedPart | None, *, withheld: str | None) -> PartView:
    return PartView(
        name=name,
        text=None if opened is None else _text(opened.text),
        size_bytes=digest.size_bytes,
        digest=digest.sha256,
        erased=opened is not None and opened.state in ("erased", "missing"),
        withheld=withheld,
    )


def _text(data: bytes | None) -> str | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return None
