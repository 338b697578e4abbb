"""Recall and precision by kind, with intervals that say how little a small sample tells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.detection.cases import KINDS, Case, Span


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Source: Wilson 1927."""
    if not total:
        return (0.0, 1.0)
    z, share = 1.959964, hits / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    whole = 1 + z * z / total
    return ((middle - half) / whole, (middle + half) / whole)


def score(cases: Sequence[Case], found: Iterable[Sequence[Span]]) -> dict[str, Any]:
    """Return counts by kind, and over the characters of all kinds.

    A value counts as found when a finding of its kind covers at least half of it; a finding counts as right when it
    overlaps a value of its kind.
    """
    counts = {kind: dict.fromkeys(("values", "found", "findings", "right"), 0) for kind in KINDS.values()}
    characters = dict.fromkeys(("true", "found", "both"), 0)
    for case, findings in zip(cases, found, strict=True):
        known = [span for span in findings if span.kind in counts]
        for span in case.spans:
            counts[span.kind]["values"] += 1
            covered = _covered(span, [one for one in known if one.kind == span.kind])
            counts[span.kind]["found"] += covered * 2 >= span.end - span.start
        for one in known:
            counts[one.kind]["findings"] += 1
            counts[one.kind]["right"] += any(one.kind == span.kind and _overlap(one, span) for span in case.spans)
        true, mine = _characters(case.spans), _characters(known)
        characters["true"] += len(true)
        characters["found"] += len(mine)
        characters["both"] += len(true & mine)
    both = characters["both"]
    f1 = 2 * both / ((characters["true"] + characters["found"]) or 1)
    return {"kinds": {kind: _shares(one) for kind, one in counts.items()}, "character_f1": round(f1, 4)}


def _shares(counts: dict[str, int]) -> dict[str, Any]:
    return {
        **counts,
        "recall": round(counts["found"] / counts["values"], 4) if counts["values"] else None,
        "recall_95": [round(bound, 4) for bound in wilson(counts["found"], counts["values"])],
        "precision": round(counts["right"] / counts["findings"], 4) if counts["findings"] else None,
        "precision_95": [round(bound, 4) for bound in wilson(counts["right"], counts["findings"])],
    }


def _overlap(one: Span, other: Span) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _covered(span: Span, findings: Iterable[Span]) -> int:
    return len(_characters([span]) & _characters(findings))


def _characters(spans: Iterable[Span]) -> set[int]:
    return {at for span in spans for at in range(span.start, span.end)}
