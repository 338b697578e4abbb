"""What a call costs, and what it may cost at most."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.pricing import cost_micros, estimate_micros
from headgate.kernel.labels import Clearance
from headgate.kernel.model_call import Deployment, ModelCall, Price, Usage
from headgate.testing.gate import PRICE
from headgate.testing.notes import PlainContent

TOKENS = st.integers(0, 10_000_000)
CALL = ModelCall("w", PlainContent(("x" * 300,)), "chat")


def priced(price: Price | None) -> Deployment:
    return Deployment("d", "p", "m", Clearance(), price=price)


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (Usage(1, 1), None),
        (Usage(None, 1), PRICE),
        (Usage(1, None), PRICE),
        (Usage(1, 1), replace(PRICE, input_micros=None)),
        (Usage(9, 1, cache_write_tokens=1), PRICE),
    ],
)
def test_a_cost_is_unknown_where_a_price_or_a_count_that_it_needs_is(usage: Usage, price: Price | None) -> None:
    assert cost_micros(usage, price) is None


def test_a_price_that_is_not_needed_may_be_unknown() -> None:
    assert cost_micros(Usage(10, 0), replace(PRICE, output_micros=None)) == 10


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


def test_counting_tokens_is_estimated_at_nothing_also_where_a_price_is_unknown() -> None:
    counting = replace(CALL, operation="count_tokens")
    assert estimate_micros(counting, [priced(PRICE), priced(None)], currency="USD") == 0
