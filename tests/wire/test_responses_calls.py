"""Requests of Responses clients: what is checked, what is scanned, and what goes upstream."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from headgate.kernel.errors import Invalid
from headgate.wire import openai_responses
from headgate.wire.dialect import Outgoing, WholeDialect
from headgate.wire.model_call import ModelCall

DIALECT: Final[WholeDialect] = openai_responses.dialect
TOOL: dict[str, Any] = {"type": "function", "name": "f", "parameters": {}}


def read(**fields: Any) -> ModelCall:
    return DIALECT.read_call(json.dumps({"model": "m", "input": "x", **fields}).encode(), headers={})


def item(**fields: Any) -> dict[str, Any]:
    return {"input": [fields]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": 1}, "input"),
        ({"input": ["x"]}, "input"),
        ({"input": [{"role": "user", "content": "x"}] * 50_001}, "input"),
        (item(role="robot", content="x"), "input[0].role"),
        (item(role="user", content=1), "input[0].content"),
        (item(type=1), "input[0].type"),
        (item(type="function_call", name="f", arguments="{}"), "input[0].call_id"),
        (item(type="custom_tool_call", name="f", call_id="c"), "input[0].input"),
        (item(type="function_call_output", call_id="c", output=1), "input[0].output"),
        (item(type="item_reference", id=1), "input[0].id"),
        (item(name="x"), "input[0].id"),
        ({"conversation": {"id": 1}}, "conversation"),
        ({"conversation": "conv_1", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": "yes"}, "background"),
        ({"background": True, "store": False}, "background"),
        ({"stream": 1}, "stream"),
        ({"store": "no"}, "store"),
        ({"temperature": True}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"instructions": []}, "instructions"),
        ({"previous_response_id": 1}, "previous_response_id"),
        ({"conversation": 1}, "conversation"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [TOOL], "tool_choice": {"type": "custom", "name": "f"}}, "tool_choice"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"text": "json"}, "text"),
        ({"include": [1]}, "include"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_an_invalid_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(**fields)
    assert caught.value.param == param


def test_a_request_keeps_its_bytes_except_for_the_edits() -> None:
    body = b'{"model": "alias",  "input": "caf\\u00e9", "stream": true, "vendor": {"a": 1.0}, "store": true}'
    call = DIALECT.read_call(body, headers={"openai-organization": "org-1", "cookie": "x"})
    sent = DIALECT.write_call(call, Outgoing("real"))
    assert sent == body.replace(b'"alias"', b'"real"').replace(b'"store": true', b'"store": false')
    assert (call.stream, call.headers) == (True, (("openai-organization", "org-1"),))


def test_edits_follow_the_deployment() -> None:
    call = read(temperature=1, max_output_tokens=900, stream=False)
    quirks = frozenset({"fixed_sampling"})
    assert json.loads(DIALECT.write_call(call, Outgoing("m", quirks=quirks, cap_output_tokens=50))) == {
        **{"model": "m", "input": "x", "max_output_tokens": 50, "stream": False, "store": False},
    }
    assert json.loads(DIALECT.write_call(read(), Outgoing("m", cap_output_tokens=50)))["max_output_tokens"] == 50
    kept = json.loads(DIALECT.write_call(read(max_output_tokens=9), Outgoing("m", cap_output_tokens=50)))
    assert kept["max_output_tokens"] == 9


def test_reasoning_that_only_its_provider_holds_stays_behind() -> None:
    held: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": []}
    items: list[dict[str, Any]] = [{"role": "user", "content": "x"}, held, {**held, "encrypted_content": "e"}]
    assert json.loads(DIALECT.write_call(read(input=items), Outgoing("m")))["input"] == [items[0], items[2]]


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"background": True},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"id": "msg_1"}]},
    ],
)
def test_what_the_provider_would_look_up_never_leaves(fields: dict[str, Any]) -> None:
    call = read(**fields)
    with pytest.raises(Invalid):
        DIALECT.write_call(call, Outgoing("m"))
    with pytest.raises(Invalid):
        DIALECT.to_conversation(call.content)


def test_every_string_is_scanned_under_its_author() -> None:
    call = read(
        instructions="system",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "question"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":"argument"}'},
            {"type": "function_call_output", "call_id": "c", "output": "result"},
            {"role": "assistant", "content": "answer"},
        ],
        tools=[TOOL],
        unknown={"key": "value"},
    )
    found = {segment.text: segment.origin for segment in call.content.segments()}
    assert {name: found[name] for name in ("system", "question", '{"a":"argument"}', "result", "answer", "value")} == {
        **{"system": "system", "question": "user", '{"a":"argument"}': "assistant", "result": "tool"},
        **{"answer": "assistant", "value": "parameter"},
    }
    assert {"unknown", "key"} <= found.keys()
    assert call.content.spoken() == ["answer"]


def test_instructions_join_the_system_messages() -> None:
    """A number in both is one number for a wire that joins them."""
    turns = [{"role": "developer", "content": "1111 1111"}, {"role": "user", "content": "x"}]
    body = {"model": "m", "instructions": "4111 1111", "input": turns}
    call = DIALECT.read_call(json.dumps(body).encode(), headers={})
    assert call.content.surface() is None
    (run,) = call.content.runs()
    assert [call.content.segments()[at].text for at in run.segments] == ["4111 1111", "1111 1111"]


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, set[str]()),
        ({"tools": [TOOL]}, {"tools"}),
        ({"tools": [TOOL], "tool_choice": "none"}, set[str]()),
        (item(role="user", content=[{"type": "input_image", "image_url": "https://a.test"}]), {"images"}),
        (
            item(
                type="function_call_output",
                call_id="c",
                output=[{"type": "input_image", "image_url": "https://a.test"}],
            ),
            {"images"},
        ),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}}, {"json_schema"}),
        ({"text": {"format": {"type": "text"}}}, set[str]()),
    ],
)
def test_needs_are_known(fields: dict[str, Any], needs: set[str]) -> None:
    assert read(**fields).needs == needs
