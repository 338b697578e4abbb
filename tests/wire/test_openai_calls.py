from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel.content import Segment
from headgate.kernel.errors import Invalid
from headgate.wire.dialect import Outgoing
from headgate.wire.openai_chat import dialect

GOLDEN = Path(__file__).parent / "golden" / "openai"
HELLO = '"messages":[{"role":"user","content":"hello"}]'


def written(body: str | bytes, *quirks: str, model: str = "gpt-real", cap: int | None = None) -> bytes:
    raw = body if isinstance(body, bytes) else body.encode()
    call = dialect.read_call(raw, headers={})
    return dialect.write_call(call, Outgoing(model, frozenset(quirks), cap))


def refused(body: Any) -> Invalid:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Invalid) as caught:
        dialect.read_call(raw, headers={})
    return caught.value


@pytest.mark.parametrize("name", ["tools", "vision", "odd"])
def test_a_call_leaves_byte_for_byte_but_for_what_has_to_change(name: str) -> None:
    """Traps 13 and 22: golden files, each the client's bytes and the upstream's."""
    client = (GOLDEN / f"{name}.client.json").read_bytes()
    assert written(client, cap=500) == (GOLDEN / f"{name}.upstream.json").read_bytes()


def test_the_larger_of_two_limits_counts() -> None:
    """A server may know only one of the names."""
    for one, other in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
        body = f'{{"model":"a",{HELLO},"n":2,"{one}":1,"{other}":1000}}'
        assert dialect.read_call(body.encode(), headers={}).output_limit == 2000


def test_unknown_fields_pass_through_untouched() -> None:
    """Traps 13 and 47."""
    body = f'{{"model":"gpt-real",{HELLO},"n":2,"seed":-1,"chat_template_kwargs":{{"x":[1.0,null]}},"store":null}}'
    assert written(body) == body.encode()


def test_usage_is_asked_of_the_upstream_for_every_stream() -> None:
    """Trap 1."""
    start = f'{{"model":"gpt-real",{HELLO},"stream":true'
    assert written(start + "}") == (start + ',"stream_options":{"include_usage":true}}').encode()
    asked = start + ',"stream_options":{"include_usage":true}}'
    assert written(asked) == asked.encode()
    other = written(start + ',"stream_options":{"include_obfuscation":false}}')
    assert other == (start + ',"stream_options":{"include_obfuscation":false,"include_usage":true}}').encode()
    denied = written(start + ',"stream_options":{"include_usage":false}}')
    assert denied == (start + ',"stream_options":{"include_usage":true}}').encode()
    null = written(start + ',"stream_options":null}')
    assert null == (start + ',"stream_options":{"include_usage":true}}').encode()


def test_usage_is_not_asked_of_an_upstream_that_rejects_the_field() -> None:
    """Trap 1."""
    body = f'{{"model":"gpt-real",{HELLO},"stream":true,"stream_options":{{"include_usage":true}}}}'
    assert written(body, "no_stream_options") == f'{{"model":"gpt-real",{HELLO},"stream":true}}'.encode()
    plain = f'{{"model":"gpt-real",{HELLO}}}'
    assert written(plain) == plain.encode()


@pytest.mark.parametrize(
    ("given", "quirks", "cap", "sent"),
    [
        ({"max_tokens": 50}, (), None, {"max_tokens": 50}),
        ({"max_tokens": 50}, (), 20, {"max_tokens": 20}),
        ({"max_tokens": 50}, (), 90, {"max_tokens": 50}),
        ({"max_completion_tokens": 50}, (), 20, {"max_completion_tokens": 20}),
        ({"max_tokens": 50, "max_completion_tokens": 60}, (), 55, {"max_tokens": 50, "max_completion_tokens": 55}),
        ({}, (), 20, {"max_tokens": 20}),
        ({"max_tokens": None}, (), 20, {"max_tokens": 20}),
        ({}, ("max_completion_tokens",), 20, {"max_completion_tokens": 20}),
        ({}, ("newer_limit_name",), 20, {"max_completion_tokens": 20}),
        ({}, ("newer_limit_name", "max_tokens"), 20, {"max_tokens": 20}),
        ({"max_tokens": 50}, ("newer_limit_name",), None, {"max_tokens": 50}),
        ({"max_tokens": 50}, ("max_completion_tokens",), None, {"max_completion_tokens": 50}),
        ({"max_completion_tokens": 50}, ("max_tokens",), 20, {"max_tokens": 20}),
        ({"temperature": 0.5, "top_p": 1}, ("fixed_sampling",), None, {}),
        ({"temperature": 0.5}, (), None, {"temperature": 0.5}),
    ],
)
def test_limits_take_the_name_that_the_deployment_knows_and_stay_under_the_cap(
    given: dict[str, Any], quirks: tuple[str, ...], cap: int | None, sent: dict[str, Any]
) -> None:
    """Trap 6."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], **given})
    fields = json.loads(written(body, *quirks, cap=cap))
    assert {name: value for name, value in fields.items() if name not in ("model", "messages")} == sent


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": ["a"]}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "a"}, {"content": "b"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "tool_calls": "x"}]}, "messages[0].tool_calls"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": "9"}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"stop": [1]}, "stop"),
        ({"stop": 1}, "stop"),
        ({"seed": "x"}, "seed"),
        ({"stream_options": []}, "stream_options"),
        ({"response_format": "json"}, "response_format"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
def test_a_field_of_the_wrong_form_is_refused_by_its_name(change: dict[str, Any], param: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **change}
    assert refused(body).param == param


def test_infinite_numbers_and_bodies_that_are_no_objects_are_refused() -> None:
    assert refused(f'{{"model":"m",{HELLO},"temperature":1e999}}'.encode()).param == "temperature"
    assert "JSON object" in refused(b"[]").message


@pytest.mark.parametrize("name", ["gone", ["gone"], None])
def test_a_choice_of_a_tool_that_is_not_there_is_refused(name: Any) -> None:
    """Trap 5."""
    body: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "there"}}, {"type": "odd"}],
        "tool_choice": {"type": "function", "function": {"name": name}},
    }
    assert refused(body).param == "tool_choice"
    body["tool_choice"]["function"]["name"] = "there"
    assert dialect.read_call(json.dumps(body).encode(), headers={}).model == "m"


def test_null_means_absent() -> None:
    """Traps 12 and 41: a message of tool calls has no content; only headers that are the wire's own go on."""
    call = dialect.read_call(
        b'{"model":"m","stream":null,"n":null,"messages":[{"role":"assistant","content":null,"tool_calls":[]}]}',
        headers={"idempotency-key": "k", "authorization": "Bearer secret", "cookie": "y"},
    )
    assert not call.stream
    assert call.headers == (("idempotency-key", "k"),)


def test_every_string_of_a_call_is_a_segment_with_whoever_wrote_it() -> None:
    """Trap 7: developer and system are the same voice."""
    call = dialect.read_call((GOLDEN / "tools.client.json").read_bytes(), headers={})
    found = call.content.segments()
    assert Segment("Answer briefly.", "system") in found
    assert Segment("Weather in Zürich?", "user") in found
    assert Segment('{"city":"Zürich"}', "assistant") in found
    assert Segment("11 °C", "tool") in found
    assert Segment("The current weather", "schema") in found
    assert Segment("city", "schema") in found
    assert Segment("alias/chat", "parameter") in found
    assert Segment("role", "user") not in found
