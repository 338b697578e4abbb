"""The use of keys' limits, for features that show what is left. The gateway counts it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from headgate.admin.offers import Port
from headgate.kernel.identity import TenantId


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a key's limits is used: requests of this minute, and money of this UTC day.

    Includes the reserved amounts of calls in flight. Counts of keys without the limit are 0.
    """

    requests: int = 0
    cost_micros: int = 0


LimitsUsed = Callable[[TenantId, Collection[str]], Awaitable[Mapping[str, LimitUse]]]
"""Returns the use of limits by id of the key."""

LIMITS_USED: Port[LimitsUsed] = Port("use of limits")
