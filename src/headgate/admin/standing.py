"""What is left of a principal's keys: their limits, from policy, and the use of these, from the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from headgate.kernel.identity import TenantId


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """An active key with its limits; None is no limit. Money is in micro-units of `currency`, by the UTC day."""

    id: str
    name: str
    prefix: str
    use_case: str
    expires_at: datetime | None
    requests_per_minute: int | None
    cost_micros_per_day: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a key's limits is used: requests of this minute, and money of this UTC day.

    Includes the reserved amounts of calls in flight. Counts of keys without the limit are 0.
    """

    requests: int = 0
    cost_micros: int = 0


KeysOf = Callable[[TenantId, str], Sequence[KeyTerms]]
"""Returns the active keys of a principal."""

LimitsUsed = Callable[[TenantId, Collection[str]], Awaitable[Mapping[str, LimitUse]]]
"""Returns the use of limits by id of the key."""
