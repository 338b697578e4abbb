"""A bare number of JSON that left as a token comes back as the number, and a string as the string."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.guard.test_guard_exchange import CARD, call, clearance, exchange, sent, streamed, whole
from tests.guard.test_guard_streams import BLOCKS, anthropic_given, block, cuts, joined

from headgate.guard import Engine
from headgate.guard.exchange import GuardExchange
from headgate.guard.pseudonyms import TOKEN
from headgate.wire import anthropic_messages, openai_chat
from headgate.wire.model_call import ModelReply

NUMBER = 4111111111111111
GIVEN = (
    {"card": NUMBER},
    {"n": [NUMBER, 1], "m": {"card": NUMBER}},
    {"card": str(NUMBER), "text": f"card {NUMBER}"},
    {"card": NUMBER, "text": f"card {NUMBER}", "same": str(NUMBER)},
    {"card": float(NUMBER)},
    {"card": -NUMBER, "to": "jane.doe@example.org"},
)


def masked_of(made: GuardExchange) -> Any:
    return json.loads(sent(made)[0])


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("layout", [{}, {"indent": 1}, {"separators": (",", ":")}])
def test_numbers_come_back_as_numbers_and_strings_as_strings(
    fast_engine: Engine, given: dict[str, Any], layout: dict[str, Any]
) -> None:
    asked = call(json.dumps(given))
    masked = masked_of(exchange(fast_engine, asked))
    assert str(NUMBER) not in json.dumps(masked)
    said = json.dumps(masked, **layout)
    for pieces in cuts(said):
        for channel in ("tool/0/0", "content/0"):
            restored = streamed(exchange(fast_engine, asked), pieces, channel)
            assert restored == json.dumps(given, **layout), pieces
    made = exchange(fast_engine, asked)
    assert whole(made, said) == json.dumps(given, **layout)


@pytest.mark.parametrize(
    "template",
    [
        '{"%s": 1}',
        '{"a": 1, "%s" : 1}',
        '{"a": "card %s"}',
        '{"a": "%s "}',
        '{"a": "\\"%s\\""}',
        '{"a": ["%s!"]}',
    ],
)
def test_a_number_that_is_not_the_whole_of_a_string_value_is_text(fast_engine: Engine, template: str) -> None:
    asked = call(json.dumps({"card": NUMBER}))
    token = masked_of(exchange(fast_engine, asked))["card"]
    for pieces in cuts(template % token):
        assert streamed(exchange(fast_engine, asked), pieces, "tool/0/0") == template % NUMBER, pieces
    assert streamed(exchange(fast_engine, asked), list(f'It is "{token}".')) == f'It is "{NUMBER}".'


def test_a_number_that_its_receiver_may_not_see_stays_a_token(fast_engine: Engine) -> None:
    asked = call(json.dumps({"card": NUMBER}))
    made = exchange(fast_engine, asked, receiver=clearance("pci_pseudonymous"))
    said = sent(made)[0]
    for pieces in cuts(said):
        made = exchange(fast_engine, asked, receiver=clearance("pci_pseudonymous"))
        assert streamed(made, pieces, "tool/0/0") == said
        assert made.closing_facts() == {"withheld.payment_card": 1}


def asked_with_input(value: Any) -> Any:
    use = {"type": "tool_use", "id": "t", "name": "charge", "input": {"card": value, "note": "x"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "ok"}
    messages = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    body = {"model": "m", "max_tokens": 9, "messages": messages}
    return anthropic_messages.dialect.read_call(json.dumps(body).encode(), headers={})


@pytest.mark.parametrize("value", [NUMBER, str(NUMBER), CARD])
@pytest.mark.parametrize("is_cleared", [True, False])
def test_input_that_is_json_of_its_own_keeps_its_types(fast_engine: Engine, value: Any, is_cleared: bool) -> None:
    receiver = clearance("pci" if is_cleared else "pii", "pci_pseudonymous")
    asked = asked_with_input(value)
    made = exchange(fast_engine, asked, receiver=receiver)
    token = json.loads(made.payload.content.to_bytes())["messages"][0]["content"][0]["input"]["card"]
    assert TOKEN.fullmatch(token)
    content = [
        {"type": "text", "text": token},
        {
            "type": "tool_use",
            "id": "t",
            "name": "charge",
            "input": {"card": token, "deep": [{"n": token}], "s": f"a {token}"},
        },
    ]
    body = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content}
    reply = anthropic_messages.dialect.read_reply(
        json.dumps({**body, "stop_reason": "tool_use", "usage": {}}).encode(), headers={}
    )
    text, use = json.loads(made.result(reply).content.to_bytes())["content"]
    back = value if is_cleared else token
    assert text["text"] == str(back)
    assert use["input"] == {"card": back, "deep": [{"n": back}], "s": f"a {back}"}
    assert made.closing_facts() == {f"{'restored' if is_cleared else 'withheld'}.payment_card": 4}
    made = exchange(fast_engine, asked, receiver=receiver)
    opening: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "charge", "input": {}}
    delta = BLOCKS["MCP tool"][1]
    said = json.dumps({"card": token})
    given = anthropic_given(made, block(0, opening, map(delta, said)))
    assert json.loads("".join(joined(event, {"delta": delta("?")}) for event in given)) == {"card": back}


def test_a_number_in_the_arguments_of_a_whole_answer_comes_back_as_one(fast_engine: Engine) -> None:
    asked = call(json.dumps({"card": NUMBER}))
    made = exchange(fast_engine, asked)
    said = {"tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": sent(made)[0]}}]}
    body = {"choices": [{"index": 0, "finish_reason": "tool_calls", "message": said}]}
    reply: ModelReply = openai_chat.dialect.read_reply(json.dumps(body).encode(), headers={})
    (choice,) = json.loads(made.result(reply).content.to_bytes())["choices"]
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"card": NUMBER}
