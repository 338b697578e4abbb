from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.conversation import Conversation, Reply
from headgate.wire.dialect import Outgoing
from headgate.wire.model_call import Usage
from headgate.wire.openai_embeddings import dialect

OUT = Outgoing("embed-real")


def written(body: str) -> str:
    return dialect.write_call(dialect.read_call(body.encode(), headers={}), OUT).decode()


def test_an_encoding_that_was_left_out_stays_out_and_null_is_left_out() -> None:
    """Trap 15: omitted is not null, and servers reject null."""
    assert written('{"input": "a", "model": "m"}') == '{"input": "a", "model":"embed-real"}'.replace(
        '"model":"embed', '"model": "embed'
    )
    assert written('{"model":"m","encoding_format":null,"input":"a"}') == '{"model":"embed-real","input":"a"}'
    base64 = '{"model":"embed-real","input":["a"],"encoding_format":"base64","dimensions":5,"x":1.0}'
    assert written(base64) == base64


@pytest.mark.parametrize("value", ["a", ["a", "b"], [1, 2], [[1], [2, 3]], ""])
def test_strings_are_scanned_and_token_arrays_pass_as_they_are(value: Any) -> None:
    """Trap 15."""
    call = dialect.read_call(json.dumps({"model": "m", "input": value}).encode(), headers={})
    strings: list[str] = [value] if isinstance(value, str) else [item for item in value if isinstance(item, str)]
    assert [(item.text, item.origin) for item in call.content.segments()] == [
        ("m", "parameter"),
        *((text, "user") for text in strings),
    ]
    assert json.loads(dialect.write_call(call, OUT))["input"] == value
    assert (call.operation, call.stream) == ("embed", False)


MISFITS: tuple[Any, ...] = (None, [], ["a", 1], [[]], [[1.5]], [True], {"a": 1}, ["a"] * 2049)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        *(({"input": misfit}, "input") for misfit in MISFITS),
        ({"model": 1}, "model"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "5"}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_a_field_of_the_wrong_form_is_refused_by_its_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as caught:
        dialect.read_call(json.dumps({"model": "m", "input": "a", **change}).encode(), headers={})
    assert caught.value.param == param


def test_an_answer_keeps_its_bytes_but_for_the_alias() -> None:
    """Traps 15 and 42."""
    raw = b'{"data":[{"embedding":"AAAA/w==","index":0}],"model": "embed-real","usage":{"prompt_tokens":3}}'
    reply = dialect.read_reply(raw, headers={})
    assert dialect.write_reply(reply, model="alias") == raw.replace(b"embed-real", b"alias")
    assert reply.usage == Usage(input_tokens=3, output_tokens=0)
    assert reply.content.segments() == ()
    assert reply.content.edit({}) is reply.content
    with pytest.raises(IndexError):
        reply.content.edit({0: "x"})
    nameless = dialect.read_reply(b'{"data":[]}', headers={})
    assert dialect.write_reply(nameless, model="alias") == b'{"data":[],"model":"alias"}'


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"data":1}', b'{"data":[]', b"[" * 20_000])
def test_what_is_no_answer_is_the_upstreams_failure(body: bytes) -> None:
    with pytest.raises(Upstream):
        dialect.read_reply(body, headers={})


def test_errors_are_those_of_the_chat_wire() -> None:
    """Trap 33."""
    error = dialect.read_error(400, headers={}, body=b'{"error":{"message":"too long"}}')
    assert json.loads(dialect.plane.write_error(error, request_id="r").body)["error"]["message"] == "too long"


def test_embeddings_neither_stream_nor_cross() -> None:
    call = dialect.read_call(b'{"model":"m","input":"a"}', headers={})
    reply = dialect.read_reply(b'{"data":[]}', headers={})
    for refused in (
        dialect.read_events,
        lambda: dialect.write_events(call),
        lambda: dialect.replay(b"{}"),
        lambda: dialect.to_conversation(call.content),
        lambda: dialect.from_conversation(Conversation(()), OUT),
        lambda: dialect.rename_tools(reply, {}),
        lambda: dialect.to_reply(reply),
        lambda: dialect.from_reply(Reply("", "", (), "stop"), model="m"),
    ):
        with pytest.raises(Invalid, match="neither streamed"):
            refused()
