"""Which of several findings in the same place are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headgate.kernel.content import Finding


def resolved(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings in order of segment and place, each value once. O(n log n).

    A finding that lies inside a surer one of another category is a coincidence (a phone number inside a card number)
    and is dropped; where they merely cross, both are kept, so that nothing of either escapes masking. Overlapping
    findings of one category become one that covers both, named after the surer, then the longer one.
    """
    if len(findings) < 2:
        return tuple(findings)
    ordered = sorted(findings, key=lambda each: (each.segment, each.start, -each.end, -each.confidence))
    return tuple(_merged(_without_coincidences(ordered)))


def _without_coincidences(ordered: Iterable[Finding]) -> list[Finding]:
    """Drop what a surer finding of another category contains; whatever contains a finding comes before it."""
    kept: list[Finding] = []
    reaching: list[Finding] = []
    for finding in ordered:
        reaching = [other for other in reaching if other.segment == finding.segment and other.end > finding.start]
        if not any(_explains(other, finding) for other in reaching):
            kept.append(finding)
            reaching.append(finding)
    return kept


def _explains(other: Finding, finding: Finding) -> bool:
    return other.category != finding.category and other.end >= finding.end and other.confidence > finding.confidence


def _merged(ordered: Iterable[Finding]) -> list[Finding]:
    last: dict[str, int] = {}
    kept: list[Finding] = []
    for finding in ordered:
        index = last.get(finding.category)
        if index is not None and kept[index].segment == finding.segment and finding.start < kept[index].end:
            kept[index] = _union(kept[index], finding)
        else:
            last[finding.category] = len(kept)
            kept.append(finding)
    return kept


def _union(one: Finding, other: Finding) -> Finding:
    named = max(one, other, key=lambda each: (each.confidence, each.end - each.start))
    return named._replace(start=min(one.start, other.start), end=max(one.end, other.end))
