"""What a call costs, and what it may cost at most."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.pricing import cost_micros, estimate_micros
from headgate.kernel.content import PlainText
from headgate.kernel.labels import Clearance
from headgate.testing.gate import PRICE
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import Capability, Deployment, ModelCall, Price, PriceTier, Usage

TOKENS = st.integers(0, 10_000_000)
CALL = ModelCall("w", PlainText(("x" * 300,)), "chat")


def priced(price: Price | None) -> Deployment:
    return Deployment("d", "p", "m", Clearance(), price=price)


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (Usage(1, 1), None),
        (Usage(None, 1), PRICE),
        (Usage(1, None), PRICE),
        (Usage(1, 1), replace(PRICE, input_micros=None)),
        (Usage(9, 1, cache_write_tokens=1), replace(PRICE, input_micros=None)),
    ],
)
def test_a_cost_is_unknown_where_a_price_or_a_count_that_it_needs_is(usage: Usage, price: Price | None) -> None:
    assert cost_micros(usage, price) is None


def test_a_price_that_is_not_needed_may_be_unknown() -> None:
    assert cost_micros(Usage(10, 0), replace(PRICE, output_micros=None)) == 10


@pytest.mark.parametrize(
    ("usage", "rates", "cost"),
    [
        (Usage(100, 0, cache_read_tokens=60), {}, 100),
        (Usage(100, 0, cache_write_tokens=60), {}, 100),
        (Usage(100, 0, cache_write_1h_tokens=60), {}, 100),
        (Usage(100, 0, cache_write_1h_tokens=60), {"cache_write_micros": 2_000_000}, 160),
        (Usage(100, 0, cache_read_tokens=60), {"cache_read_micros": 0}, 40),
    ],
)
def test_cached_tokens_without_a_price_of_their_own_cost_what_other_input_costs(
    usage: Usage, rates: dict[str, int], cost: int
) -> None:
    price = replace(Price("USD", input_micros=1_000_000, output_micros=2_000_000), **rates)
    assert cost_micros(usage, price) == cost


@pytest.mark.parametrize(
    ("input_tokens", "cost"),
    [(200_000, 200_000 + 20), (200_001, 2 * 200_001 + 30), (500_000, 2 * 500_000 + 30), (500_001, 4 * 500_001 + 30)],
)
def test_a_longer_prompt_raises_the_price_of_the_whole_call(input_tokens: int, cost: int) -> None:
    longer = replace(PRICE, input_micros=2_000_000, output_micros=3_000_000)
    longest = replace(longer, input_micros=4_000_000)
    price = replace(PRICE, tiers=(PriceTier(200_000, longer), PriceTier(500_000, longest)))
    assert cost_micros(Usage(input_tokens, 10), price) == cost


def test_an_estimate_of_a_long_prompt_is_at_the_price_of_long_prompts() -> None:
    price = replace(PRICE, tiers=(PriceTier(100, replace(PRICE, input_micros=5_000_000)),))
    assert estimate_micros(replace(CALL, output_limit=0), [priced(price)], currency="USD") == 505
    short = replace(CALL, content=PlainText(("x" * 290,)), output_limit=0)
    assert estimate_micros(short, [priced(price)], currency="USD") == 97


@given(TOKENS, TOKENS, TOKENS)
def test_cached_tokens_are_part_of_the_input_and_never_charged_twice(fresh: int, cached: int, written: int) -> None:
    cost = cost_micros(Usage(fresh + cached, written, cache_read_tokens=cached), PRICE)
    assert cost == -(-(fresh * 1_000_000 + written * 2_000_000 + cached * 100_000) // 1_000_000)


def test_parts_of_a_micro_are_rounded_up() -> None:
    assert cost_micros(Usage(1, 0), replace(PRICE, input_micros=1)) == 1


def test_an_estimate_is_that_of_the_dearest_candidate_and_unknown_where_one_is() -> None:
    dear = replace(PRICE, output_micros=50_000_000)
    assert estimate_micros(CALL, [priced(PRICE), priced(dear)], currency="USD") == 101 + 2000 * 50
    assert estimate_micros(replace(CALL, output_limit=10), [priced(dear)], currency="USD") == 101 + 10 * 50
    assert estimate_micros(CALL, [priced(dear), priced(None)], currency="USD") is None
    assert estimate_micros(CALL, [priced(dear)], currency="EUR") is None
    assert estimate_micros(CALL, [], currency="USD") == 0


def test_an_estimate_expects_no_more_output_than_a_deployment_writes_and_none_of_embeddings() -> None:
    bounded = replace(priced(PRICE), capability=Capability(output_tokens=100))
    assert estimate_micros(replace(CALL, output_limit=9_999), [bounded], currency="USD") == 101 + 100 * 2
    unknown = priced(replace(PRICE, output_micros=None))
    assert estimate_micros(replace(CALL, operation="embed"), [unknown], currency="USD") == 101


BASE64 = "iVBORw0KGgo" + "A" * 3_000_000
PARTS: dict[str, tuple[Any, int, int]] = {
    "an image": ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}}, 1_600, 1_600),
    "an image elsewhere": ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, 1_600, 1_600),
    "an image of the other wire": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BASE64}},
        1_600,
        1_600,
    ),
    "an image in a short form": ({"type": "input_image", "image_url": f"data:image/png;base64,{BASE64}"}, 1_600, 1_600),
    "sound": ({"type": "input_audio", "input_audio": {"format": "mp3", "data": BASE64}}, 5_000, 15_000),
    "a document": ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{BASE64}"}}, 100_000, 400_000),
    "a document in a short form": ({"type": "input_file", "file_data": BASE64}, 100_000, 400_000),
    "a small document": ({"type": "document", "source": {"type": "base64", "data": "JVBERi0x"}}, 1_600, 1_600),
    "a document elsewhere": ({"type": "file", "file": {"file_id": "file-1"}}, 10_000, 10_000),
    "a document of text": ({"type": "document", "source": {"type": "text", "data": "x" * 3_000}}, 1_000, 1_000),
}


@pytest.mark.parametrize("name", PARTS)
def test_media_count_by_what_providers_make_of_them_and_text_by_its_length(name: str) -> None:
    part, least, most = PARTS[name]
    text = {"type": "text", "text": "y" * 300}
    for content in ([text, part], [{"type": "tool_result", "content": [text, part]}]):
        body = {"model": "chat", "messages": [{"role": "user", "content": content}], "n": [1]}
        call = replace(CALL, content=JsonDocument.parse(json.dumps(body).encode()), output_limit=0)
        found = estimate_micros(call, [priced(PRICE)], currency="USD")
        assert found is not None
        assert least + 100 <= found <= most + 250


def test_counting_tokens_is_estimated_at_nothing_also_where_a_price_is_unknown() -> None:
    counting = replace(CALL, operation="count_tokens")
    assert estimate_micros(counting, [priced(PRICE), priced(None)], currency="USD") == 0
