"""The price table: which price counts at a date, and what the providers' own bills say of real answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from headgate.gateway.price_table import PriceTable, list_prices, overlaps, price_at
from headgate.gateway.pricing import cost_micros
from headgate.gateway.specs import PriceRowSpec, PriceSpec
from headgate.kernel.errors import Invalid
from headgate.kernel.labels import Clearance, Custody
from headgate.testing.gate import DIALECTS
from headgate.wire.model_call import Deployment, Price, Usage

CLOUD = Deployment("d", "openai", "gpt-4o", Clearance())


def row(id: str, model: str, since: str, price: float, *, provider: str = "openai") -> PriceRowSpec:  # noqa: A002 - as in the spec
    rate = Decimal(str(price))
    return PriceRowSpec(id, provider, model, date.fromisoformat(since), PriceSpec(input=rate, output=rate))


def dated(table: PriceTable, day: str, *, deployment: Deployment = CLOUD, is_at_home: bool = True) -> Price | None:
    return price_at(table.history(deployment, is_at_home=is_at_home), date.fromisoformat(day))


def test_the_organisations_price_counts_from_its_date_on_and_the_list_price_before() -> None:
    table = PriceTable([row("a", "gpt-4o", "2026-07-01", 1.5), row("b", "gpt-4o", "2026-09-01", 1.25)])
    found = [dated(table, day) for day in ("2026-06-30", "2026-07-01", "2026-08-31", "2026-09-01")]
    assert [one and one.input_micros for one in found] == [2_500_000, 1_500_000, 1_500_000, 1_250_000]
    versions = [one.version.split("@")[0] for one in found if one]
    assert versions[0].startswith("list ")
    assert versions[1:] == ["row a", "row a", "row b"]


def test_the_row_that_names_a_model_most_closely_counts() -> None:
    table = PriceTable([
        row("exact", "gpt-4o", "2026-07-01", 3),
        row("near", "gpt-4*", "2026-08-01", 2),
        row("far", "g*", "2026-01-01", 1),
        row("other", "gpt-4o-mini", "2026-01-01", 9),
        row("elsewhere", "gpt-4o", "2026-01-01", 9, provider="anthropic"),
    ])  # fmt: skip
    for day, micros in (("2026-06-30", 1_000_000), ("2026-07-01", 3_000_000), ("2026-08-02", 3_000_000)):
        assert (found := dated(table, day)) and found.input_micros == micros
    near = dated(table, "2026-08-02", deployment=replace(CLOUD, model="gpt-4.1"))
    assert near and near.input_micros == 2_000_000


def test_a_list_price_is_for_the_providers_own_servers_and_models_with_a_name() -> None:
    table = PriceTable()
    ours = replace(CLOUD, clearance=Clearance(custody=Custody.ORGANISATION))
    assert dated(table, "2026-11-01") is not None
    assert dated(table, "2026-11-01", is_at_home=False) is None
    assert dated(table, "2026-11-01", deployment=ours) is None
    assert dated(table, "2026-11-01", deployment=replace(CLOUD, model="*")) is None
    assert dated(table, "2026-11-01", deployment=replace(CLOUD, model="my-own-model")) is None
    assert dated(table, "2026-11-01", deployment=replace(CLOUD, provider="azure")) is None


def test_a_list_price_has_a_history() -> None:
    """Long prompts of Claude Sonnet 4.6 were dearer until 13 March 2026."""
    history = list(list_prices("anthropic", "claude-sonnet-4-6"))
    assert [(one.since, bool(one.price and one.price.tiers)) for one in history] == [
        (date.min, True),
        (date(2026, 3, 13), False),
    ]


def test_two_rows_of_one_name_and_day_are_named() -> None:
    rows = [row("a", "gpt-*", "2026-07-01", 1), row("b", "gpt-4*", "2026-07-01", 1), row("c", "gpt-*", "2026-07-01", 2)]
    assert [(one.id, other.id) for one, other in overlaps(rows)] == [("a", "c")]
    with pytest.raises(Invalid, match="one \\*"):
        PriceTable([row("a", "*gpt*", "2026-07-01", 1)])


OPENAI: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {
        "prompt_tokens": 10_000,
        "completion_tokens": 100,
        "total_tokens": 10_100,
        "prompt_tokens_details": {"cached_tokens": 9_000},
    },
}
ANTHROPIC: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 1_000,
        "output_tokens": 100,
        "cache_read_input_tokens": 9_000,
        "cache_creation_input_tokens": 3_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 1_000},
    },
}
LONG = {**ANTHROPIC, "usage": {"input_tokens": 1_000, "output_tokens": 100, "cache_read_input_tokens": 200_000}}


@pytest.mark.parametrize(
    ("provider", "model", "dialect", "reply", "cost"),
    [
        # 1,000 fresh at 2.50, 9,000 cached at 1.25, 100 out at 10 for a million. Counted twice it were 37,250.
        ("openai", "gpt-4o", "openai_chat", OPENAI, 2_500 + 11_250 + 1_000),
        # 1,000 at 3, 9,000 at 0.30, 2,000 written for 5 minutes at 3.75, 1,000 for an hour at 6, 100 out at 15.
        ("anthropic", "claude-sonnet-4-5", "anthropic_messages", ANTHROPIC, 3_000 + 2_700 + 7_500 + 6_000 + 1_500),
        # 201,000 tokens of input are more than 200,000: 1,000 at 6, 200,000 at 0.60 and 100 out at 22.50.
        ("anthropic", "claude-sonnet-4-5", "anthropic_messages", LONG, 6_000 + 120_000 + 2_250),
    ],
    ids=["cached tokens of OpenAI are part of the prompt", "writes for 5 minutes and an hour", "a long prompt"],
)
def test_an_answer_costs_what_the_provider_bills(
    provider: str, model: str, dialect: str, reply: dict[str, Any], cost: int
) -> None:
    usage = DIALECTS.providers[dialect].read_reply(json.dumps(reply).encode(), headers={}).usage
    price = price_at(list(list_prices(provider, model)), date(2026, 11, 29))
    assert cost_micros(usage, price) == cost


def test_a_missing_price_is_unknown_and_never_nothing() -> None:
    assert cost_micros(Usage(10, 10), price_at(list(list_prices("openai", "gpt-9")), date(2026, 11, 29))) is None
