"""The cost of a call. With an unknown price the cost is unknown, never zero."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.wire.model_call import Deployment, ModelCall, Operation, Price, Usage
from headgate.wire.prompt_size import prompt_tokens

FREE: frozenset[Operation] = frozenset({"count_tokens"})
"""Free operations: they cost nothing, even if a deployment's price is unknown."""

_MILLION = 1_000_000
_BYTES_PER_TOKEN = 3
_ASSUMED_OUTPUT_TOKENS = 2_000


def cost_micros(usage: Usage, price: Price | None) -> int | None:
    """Return the cost in micro-units of the price's currency, rounded up.

    None if token counts or a necessary price are unknown. `usage.input_tokens` includes cached
    tokens. These are subtracted first and charged at their own rate, or else at the input rate.
    """
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    if price.tiers:
        price = price.at(usage.input_tokens)
    read, written, written_1h = usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
    cached = read + written + written_1h
    if not cached:
        return _plain_micros(usage.input_tokens, usage.output_tokens, price)
    write_micros = _first(price.cache_write_micros, price.input_micros)
    charges = (
        (max(0, usage.input_tokens - cached), price.input_micros),
        (usage.output_tokens, price.output_micros),
        (read, _first(price.cache_read_micros, price.input_micros)),
        (written, write_micros),
        (written_1h, _first(price.cache_write_1h_micros, write_micros)),
    )
    total = 0
    for tokens, micros in charges:
        if tokens and micros is None:
            return None
        total += tokens * (micros or 0)
    return -(-total // _MILLION)


def estimate_micros(call: ModelCall, candidates: Iterable[Deployment], *, currency: str) -> int | None:
    """Return the price of the most expensive candidate for a call of this size.

    Zero for a free operation; None if a price is unknown or in another currency. Input counts as
    one token for three bytes, which is more tokens than common tokenizers produce. Output counts as
    the smaller limit of client and deployment; a client without a limit gets an assumed one.
    """
    if call.operation in FREE:
        return 0
    input_tokens = prompt_tokens(call.content, bytes_per_token=_BYTES_PER_TOKEN)
    dearest = 0
    for deployment in candidates:
        price = deployment.price
        if price is None or price.currency != currency:
            return None
        cost = _plain_micros(input_tokens, _output_tokens(call, deployment), price.at(input_tokens))
        if cost is None:
            return None
        dearest = max(dearest, cost)
    return dearest


def _output_tokens(call: ModelCall, deployment: Deployment) -> int:
    """Return the maximum number of output tokens."""
    if call.operation == "embed":
        return 0
    asked = call.output_limit if call.output_limit is not None else _ASSUMED_OUTPUT_TOKENS
    most = deployment.capability.output_tokens
    return asked if most is None else min(asked, most)


def _first(micros: int | None, otherwise: int | None) -> int | None:
    return otherwise if micros is None else micros


def _plain_micros(input_tokens: int, output_tokens: int, price: Price) -> int | None:
    """Return the cost of tokens without cached ones."""
    if (input_tokens and price.input_micros is None) or (output_tokens and price.output_micros is None):
        return None
    return -(-(input_tokens * (price.input_micros or 0) + output_tokens * (price.output_micros or 0)) // _MILLION)
