"""What a performer reports of an action: what was used and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input_tokens` *includes* cached ones; None where the provider did not say.

    `cache_write_tokens` counts the five-minute writes, `cache_write_1h_tokens` the one-hour ones; both are part of
    `input_tokens`. `reasoning_tokens` are part of `output_tokens`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    is_estimate: bool = False

    def updated(self, later: Usage) -> Usage:
        """Return what both reports of one stream say together. They are cumulative: a later zero was not said."""
        said = {name: value for name in _COUNTS if not getattr(later, name) and (value := getattr(self, name))}
        return replace(later, **said) if said else later


_COUNTS = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("reasoning_tokens", "is_estimate"),
)

NO_USAGE = Usage()
"""Of a call whose provider did not say."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a performer reports of a call, for record, settlement and metrics; money in micro-units of `currency`."""

    usage: Usage = NO_USAGE
    cost_micros: int | None = None
    currency: str | None = None
    first_item_us: int | None = None
    facts: Mapping[str, str | int | float | bool | None] = field(
        default_factory=dict[str, str | int | float | bool | None]
    )


NO_MEASURES = Measures()
"""Of what was not performed, or has not told yet."""
