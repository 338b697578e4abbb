"""The cost of a call. With an unknown price the cost is unknown, never zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from headgate.wire.model_call import Deployment, ModelCall, Operation, Price, Usage
from headgate.wire.prompt_size import prompt_tokens

FREE: frozenset[Operation] = frozenset({"count_tokens", "moderate"})
"""Free operations: they cost nothing, even if a deployment's price is unknown."""

TOKEN_KINDS: frozenset[Operation] = frozenset({"chat", "embed"})
"""Operations whose missing token counts are estimated."""

_MILLION = 1_000_000
_DIVISORS = {"audio_seconds": 60, "characters": _MILLION}
"""The amount that the price of a unit is for; 1 for every other unit."""
_TOKENS_OF_IMAGE = 6_500
"""More tokens than an image of the highest quality has at OpenAI."""
_TOKENS_OF_SECOND = 40
_OUTPUT_TOKENS = {"images": _TOKENS_OF_IMAGE, "characters": 3, "audio_seconds": 10}
"""The most output tokens of a unit, for prices by token."""
_BYTES_PER_TOKEN = 3
_ASSUMED_OUTPUT_TOKENS = 2_000


def cost_micros(usage: Usage, price: Price | None) -> int | None:
    """Return the cost in micro-units of the price's currency, rounded up.

    None if token counts or a necessary price are unknown. `usage.input_tokens` includes cached
    tokens. These are subtracted first and charged at their own rate, or else at the input rate.
    """
    if price is None:
        return None
    if price.unit_micros or usage.counts:
        return _with_units(usage, price)
    return _token_micros(usage, price)


def _token_micros(usage: Usage, price: Price) -> int | None:
    """Return the cost of the tokens."""
    if usage.input_tokens is None or usage.output_tokens is None:
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


def _with_units(usage: Usage, price: Price) -> int | None:
    """Return the cost of a call whose price has other units than tokens, or that has them itself.

    Tokens without a price are free beside a unit with one. None if nothing of the call has a price.
    """
    rates = dict(price.unit_micros)
    charges = [
        -(-count * micros // _DIVISORS.get(unit, 1))
        for unit, count in (*usage.counts, ("requests", 1))
        if (micros := _unit_rate(rates, unit, usage.variant)) is not None
    ]
    has_tokens = usage.input_tokens is not None or usage.output_tokens is not None
    known = replace(usage, input_tokens=usage.input_tokens or 0, output_tokens=usage.output_tokens or 0)
    if has_tokens and (tokens := _token_micros(known, price)) is not None:
        charges.append(tokens)
    return sum(charges) if charges else None


def _unit_rate(rates: Mapping[str, int], unit: str, variant: str) -> int | None:
    """Return the price of a unit; that of images by quality and size, by size, or of any image."""
    size = variant.rpartition("/")[2]
    return next((rates[name] for name in (f"{unit} {variant}", f"{unit} {size}", unit) if name in rates), None)


def estimate_micros(call: ModelCall, candidates: Iterable[Deployment], *, currency: str) -> int | None:
    """Return the price of the most expensive candidate for a call of this size.

    Zero for a free operation; None if a price is unknown or in another currency. A price of zero is
    zero in every currency. Input counts as
    one token for three bytes, which is more tokens than common tokenizers produce. Output counts as
    the smaller limit of client and deployment; a client without a limit gets an assumed one.
    """
    if call.operation in FREE:
        return 0
    input_tokens = _input_tokens(call)
    dearest = 0
    for deployment in candidates:
        price = deployment.price
        if price is None or (price.currency != currency and not price.is_free):
            return None
        cost = _likely_micros(call, deployment, price, input_tokens)
        if cost is None:
            return None
        dearest = max(dearest, cost)
    return dearest


def likely_micros(call: ModelCall, deployment: Deployment) -> int | None:
    """Return the likely cost of a call, to compare deployments; None if the price is unknown."""
    price = deployment.price
    if price is None:
        return None
    return _likely_micros(call, deployment, price, _input_tokens(call))


def _likely_micros(call: ModelCall, deployment: Deployment, price: Price, input_tokens: int) -> int | None:
    output_tokens = _output_tokens(call, deployment)
    if call.counts or price.unit_micros:
        return _with_units(Usage(input_tokens, output_tokens, counts=call.counts, variant=call.variant), price)
    return _plain_micros(input_tokens, output_tokens, price.at(input_tokens))


def estimate_tokens(call: ModelCall, candidates: Iterable[Deployment]) -> int:
    """Return the largest number of tokens that a call of this size may use at a candidate, input and output."""
    if call.operation in FREE:
        return 0
    most = max((_output_tokens(call, deployment) for deployment in candidates), default=0)
    return _input_tokens(call) + most


def _input_tokens(call: ModelCall) -> int:
    """Return the estimated number of input tokens; that of sound by its length, not by its bytes."""
    seconds = next((count for unit, count in call.counts if unit == "audio_seconds"), None)
    if seconds is not None:
        return seconds * _TOKENS_OF_SECOND
    return prompt_tokens(call.content, bytes_per_token=_BYTES_PER_TOKEN)


def _output_tokens(call: ModelCall, deployment: Deployment) -> int:
    """Return the maximum number of output tokens."""
    if call.operation in ("embed", "rerank"):
        return 0
    for unit, count in call.counts:
        if unit in _OUTPUT_TOKENS:
            return count * _OUTPUT_TOKENS[unit]
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
