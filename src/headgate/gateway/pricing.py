"""What a call cost. A price that is not known makes the cost unknown, never zero."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.kernel.model_call import Deployment, ModelCall, Operation, Price, Usage

FREE: frozenset[Operation] = frozenset({"count_tokens"})
"""Operations that nobody charges for: they cost nothing also where a deployment's price is not known."""

_MILLION = 1_000_000
_BYTES_PER_TOKEN = 3
_ASSUMED_OUTPUT_TOKENS = 2_000


def cost_micros(usage: Usage, price: Price | None) -> int | None:
    """Return the cost in micro-units of the price's currency, rounded up.

    None where tokens or a price that is needed are unknown. `usage.input_tokens` includes cached tokens, which are
    charged at their own rates and subtracted first.
    """
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = usage.cache_read_tokens + usage.cache_write_tokens + usage.cache_write_1h_tokens
    if not cached:
        return _plain_micros(usage.input_tokens, usage.output_tokens, price)
    charges = (
        (max(0, usage.input_tokens - cached), price.input_micros),
        (usage.output_tokens, price.output_micros),
        (usage.cache_read_tokens, price.cache_read_micros),
        (usage.cache_write_tokens, price.cache_write_micros),
        (usage.cache_write_1h_tokens, price.cache_write_1h_micros),
    )
    total = 0
    for tokens, micros in charges:
        if tokens and micros is None:
            return None
        total += tokens * (micros or 0)
    return -(-total // _MILLION)


def estimate_micros(call: ModelCall, candidates: Iterable[Deployment], *, currency: str) -> int | None:
    """Return what the dearest candidate would charge for a call of this size.

    Zero where the operation is free; None where a price is unknown or in another currency. Three bytes a token is more
    than any common tokenizer makes of text; the output is what the client allows at most, or an assumption where it
    does not say.
    """
    if call.operation in FREE:
        return 0
    input_tokens = len(call.content.to_bytes()) // _BYTES_PER_TOKEN + 1
    output_tokens = call.output_limit if call.output_limit is not None else _ASSUMED_OUTPUT_TOKENS
    dearest = 0
    for deployment in candidates:
        price = deployment.price
        if price is None or price.currency != currency:
            return None
        cost = _plain_micros(input_tokens, output_tokens, price)
        if cost is None:
            return None
        dearest = max(dearest, cost)
    return dearest


def _plain_micros(input_tokens: int, output_tokens: int, price: Price) -> int | None:
    """Return the cost of tokens of which none are cached."""
    if (input_tokens and price.input_micros is None) or (output_tokens and price.output_micros is None):
        return None
    return -(-(input_tokens * (price.input_micros or 0) + output_tokens * (price.output_micros or 0)) // _MILLION)
