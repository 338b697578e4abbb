"""What a performer reports of an action: what it counted and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Measures:
    """What a performer reports, for the record, settlement and metrics.

    Args:
        amounts: how much was used, by unit. The verb declares its units.
        is_estimate: whether some of `amounts` were estimated.
        cost_micros: the cost in micro-units of `currency`; None where it is not known.
        first_item_us: the time until the first item or answer came; None where none came.
        facts: further facts for the record.
    """

    amounts: Mapping[str, int] = field(default_factory=dict[str, int])
    is_estimate: bool = False
    cost_micros: int | None = None
    currency: str | None = None
    first_item_us: int | None = None
    facts: Mapping[str, str | int | float | bool | None] = field(
        default_factory=dict[str, str | int | float | bool | None]
    )


NO_MEASURES = Measures()
"""Of what was not performed, or has not told yet."""
