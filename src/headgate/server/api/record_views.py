"""Records as the admin API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from headgate.ledger.models import Leaf, LeafLabels, decode_leaf
from headgate.ledger.reader import OpenedPart, StoredRecord
from headgate.server.api import schemas


def record_view(record: StoredRecord) -> schemas.RecordView:
    """Return a stored record's view."""
    return leaf_view(decode_leaf(record.leaf), record.leaf_index)


def leaf_view(leaf: Leaf, leaf_index: int | None) -> schemas.RecordView:
    """Return the view of a leaf."""
    return schemas.RecordView(
        id=leaf.id,
        parent=leaf.parent,
        root=leaf.root,
        verb=leaf.verb,
        principal=leaf.principal,
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
        rules=[schemas.RuleHitView(id=one.id, does=one.does, mode=one.mode, reason=one.reason) for one in leaf.rules],
        facts={**leaf.facts, **leaf.closing_facts},
        leaf_index=leaf_index,
    )


def labels_text(labels: LeafLabels | None) -> str:
    """Write labels as the `x-headgate-labels` header has them; empty where there are none."""
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


def part_views(
    record: StoredRecord, opened: Sequence[OpenedPart], *, withheld: Mapping[str, str]
) -> list[schemas.PartView]:
    """Return every part that the record names; one that was not opened for this reader has no text.

    Args:
        withheld: why, by the names of parts.
    """
    by_name = {part.name: part for part in opened}
    views: list[schemas.PartView] = []
    for name, digest in sorted(record.parts.items()):
        part = by_name.get(name)
        views.append(
            schemas.PartView(
                name=name,
                text=None if part is None else _text(part.text),
                size_bytes=digest.size_bytes,
                digest=digest.sha256,
                erased=part is not None and part.state in ("erased", "missing"),
                withheld=withheld.get(name),
            )
        )
    return views


def _text(data: bytes | None) -> str | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return None
