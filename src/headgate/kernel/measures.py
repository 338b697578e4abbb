"""A performer's report about an action: amounts and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Measures:
    """Usage and cost of one action, for the record, settlement and metrics.

    Args:
        amounts: usage by unit. The verb declares its units.
        is_estimate: whether some of `amounts` are estimates.
        cost_micros: the cost in micro-units of `currency`; None where it is not known.
        sent_us: the time until the action left for its destination; None if it did not.
        first_item_us: the time until the first item or answer came; None where none came.
        facts: further facts for the record.
    """

    amounts: Mapping[str, int] = field(default_factory=dict[str, int])
    is_estimate: bool = False
    cost_micros: int | None = None
    currency: str | None = None
    first_item_us: int | None = None
    sent_us: int | None = None
    facts: Mapping[str, str | int | float | bool | None] = field(
        default_factory=dict[str, str | int | float | bool | None]
    )


NO_MEASURES = Measures()
"""The measures of an action that did not run or has not reported yet."""
