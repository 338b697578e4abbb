"""Histograms of durations: log-spaced slots, and percentiles of them.

A slot is a twentieth of a decade, so its ends differ by 12.2 %. A percentile is the geometric middle of its slot,
which is at most 6 % from the exact duration.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log10

SLOTS_PER_DECADE = 20


def slot_of(duration_us: int) -> int:
    """Return the slot of a duration. All durations below 2 microseconds share slot 0."""
    return 0 if duration_us <= 1 else int(log10(duration_us) * SLOTS_PER_DECADE)


def percentile_us(counts: Mapping[int, int], share: float) -> int | None:
    """Return the duration that this share of the calls did not exceed; None without calls.

    Args:
        counts: number of calls by slot.
        share: such as 0.95.
    """
    rank = share * sum(counts.values())
    seen = 0
    for slot in sorted(counts):
        seen += counts[slot]
        if seen >= rank and counts[slot]:
            return round(10 ** ((slot + 0.5) / SLOTS_PER_DECADE))
    return None
