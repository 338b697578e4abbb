"""What calls cost to the micro-dollar, where gateways are known to be wrong, for every wire of providers.

Other units have their exact costs in `test_gateway_kinds.py`: images by quality and size, minutes of sound,
characters of speech, and searches of a reranker. Odd types of counts are in `test_gateway_usage.py`, and a line of
a batch is in `e2e/test_batches.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from headgate.testing.gate import Gate, gate
from headgate.testing.simulator import Script, Simulator, Tokens
from headgate.wire.model_call import Price, PriceTier

RATES = Price(
    "USD",
    input_micros=3_000_000,
    output_micros=15_000_000,
    cache_read_micros=300_000,
    cache_write_micros=3_750_000,
    cache_write_1h_micros=6_000_000,
)
"""Micro-dollars per token: 3 for input, 15 for output, 0.3 for reads, 3.75 for writes, and 6 for writes of an hour."""

LONG = Price(
    "USD",
    input_micros=6_000_000,
    output_micros=22_500_000,
    cache_read_micros=600_000,
    cache_write_micros=7_500_000,
    cache_write_1h_micros=12_000_000,
)
PRICE = replace(RATES, tiers=(PriceTier(200_000, LONG),))
EVERY = ("openai", "responses", "anthropic", "gemini", "bedrock")

COSTS: dict[str, tuple[Tokens, int, tuple[str, ...]]] = {
    "plain": (Tokens(input=1000, output=200), 6_000, EVERY),
    "reasoning is output": (Tokens(input=1000, output=200, reasoning=150), 6_000, EVERY),
    "cached once": (Tokens(input=100, output=200, cache_read=900), 300 + 270 + 3_000, EVERY),
    "rounded up": (Tokens(input=1, output=1, cache_read=1), 19, EVERY),
    "written": (
        Tokens(input=100, output=200, cache_write=500),
        300 + 1_875 + 3_000,
        ("responses", "anthropic", "bedrock"),
    ),
    "written for an hour": (
        Tokens(input=100, output=200, cache_write=500, cache_write_1h=400),
        300 + 1_875 + 2_400 + 3_000,
        ("anthropic", "bedrock"),
    ),
    "at the bound": (Tokens(input=50_000, output=200, cache_read=150_000), 150_000 + 45_000 + 3_000, EVERY),
    "above the bound": (Tokens(input=50_001, output=200, cache_read=150_000), 300_006 + 90_000 + 4_500, EVERY),
}
"""Tokens, their cost, and the providers that tell them apart. A cached prefix counts for the bound of long prompts."""

CASES = [
    pytest.param(provider, tokens, cost, id=f"{provider}-{name}")
    for name, (tokens, cost, providers) in COSTS.items()
    for provider in providers
]


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


def add(gateway: Gate, upstream: Simulator, provider: str, price: Price | None) -> None:
    more: dict[str, dict[str, Any]] = {
        "responses": {"provider": "openai", "quirks": ["responses_only"]},
        "bedrock": {"provider": "bedrock", "key": "AKID:secret", "options": {"region": "eu-central-1"}},
    }
    gateway.add("d1", upstream, price=price, **more.get(provider, {"provider": provider}))


async def facts_of(gateway: Gate, *, stream: bool, client: str = "openai") -> Any:
    """Make a call and return what its record says."""
    if stream:
        await gateway.frames(wire=client)
    else:
        await gateway.answer(wire=client)
    return gateway.bench.recorder.closings[-1].facts


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("provider", "tokens", "cost"), CASES)
async def test_a_call_costs_what_its_tokens_cost_each_once(
    gateway: Gate, upstream: Simulator, provider: str, tokens: Tokens, cost: int, stream: bool
) -> None:
    """Traps 18 and 19. The cost is that of the provider's counts, for clients of its wire and of another one."""
    add(gateway, upstream, provider, PRICE)
    for client in ("openai", "anthropic"):
        upstream.script(Script(tokens=tokens))
        facts = await facts_of(gateway, stream=stream, client=client)
        assert (facts["cost_micros"], facts["input_tokens"]) == (cost, tokens.prompt)
        assert facts["output_tokens"] == tokens.output


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", EVERY)
async def test_without_counts_the_cost_is_estimated_and_without_a_price_unknown_but_never_nothing(
    gateway: Gate, upstream: Simulator, provider: str, stream: bool
) -> None:
    add(gateway, upstream, provider, PRICE)
    upstream.script(Script(tokens=None))
    facts = await facts_of(gateway, stream=stream)
    assert facts["usage_is_estimate"] is True
    assert facts["cost_micros"] == 3 * facts["input_tokens"] + 15 * facts["output_tokens"]
    assert facts["input_tokens"] > 0 and facts["output_tokens"] > 0
    add(gateway, upstream, provider, None)
    upstream.script(Script())
    unpriced = await facts_of(gateway, stream=stream)
    assert (unpriced.get("cost_micros"), unpriced["input_tokens"]) == (None, 12)
