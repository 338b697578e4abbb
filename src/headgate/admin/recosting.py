"""What recorded tokens would cost at another model's price. The gateway knows prices; finops knows the tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from headgate.admin.offers import Port
from headgate.kernel.identity import TenantId


@dataclass(frozen=True, slots=True)
class TokenSum:
    """The tokens of some calls. `input_tokens` includes `cached_tokens`."""

    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int


class Priced(NamedTuple):
    """A model whose price today is known.

    Args:
        cost: returns the cost of tokens in micro-units of `currency`; None if a necessary price is unknown.
    """

    currency: str
    version: str
    cost: Callable[[TokenSum], int | None]


RECOSTING: Port[Callable[[TenantId, str], Priced]] = Port("prices of models")
"""Returns the price of a deployment, or of `provider/model` from the list prices.

Raises:
    NotFound: no such model has a known price.
"""
