"""Resolves overlapping findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headgate.kernel.content import Finding


def resolved(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings in order of segment and place, each value once. O(n log n).

    A finding inside a more confident one of another category is a coincidence, such as a phone
    number inside a card number, and is dropped. Findings that only cross are both kept, so that no
    part escapes masking. Overlapping findings of one category are merged; the merged finding has
    the kind of the more confident one, then of the longer one.
    """
    if len(findings) < 2:
        return tuple(findings)
    ordered = sorted(findings, key=lambda each: (each.segment, each.start, -each.end, -each.confidence))
    return tuple(_merged(_without_coincidences(ordered)))


def _without_coincidences(ordered: Iterable[Finding]) -> list[Finding]:
    """Drop findings inside a more confident one of another category, which comes before them."""
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
