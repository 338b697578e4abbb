"""Stored calls and answers of any wire, read as a conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.wire.conversation import Document, Image, Reasoning, Refusal, Text, ToolResult, ToolUse
from headgate.wire.dialects import load_dialects
from headgate.wire.transcript import Answer, plain_text, read_answer, read_messages

DIALECTS = load_dialects()


def encoded(*events: dict[str, Any]) -> bytes:
    """Return events as a record stores them: one a line."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


OPENAI: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "blue"},
    ],
}
ANTHROPIC: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "system": "Be brief.",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "blue"}]},
    ],
}


@pytest.mark.parametrize("sent", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_a_call_of_either_wire_reads_the_same(sent: dict[str, Any]):
    messages = read_messages(json.dumps(sent).encode(), DIALECTS)
    assert messages is not None
    assert [(message.role, message.parts) for message in messages] == [
        ("system", (Text("Be brief."),)),
        ("user", (Text("Look"), Image(data="AAAA", media_type="image/png"))),
        ("assistant", (ToolUse("c", "look", "{}"),)),
        ("user", (ToolResult("c", (Text("blue"),)),)),
    ]
    assert [plain_text(message.parts) for message in messages] == ["Be brief.", "Look\n[image]", "look({})", "blue"]


def test_what_is_no_chat_is_not_read_as_one():
    for sent in (b"", b"[]", b"plain text", b'{"model":"m","input":1}', b"\xff"):
        assert read_messages(sent, DIALECTS) is None
        assert read_answer(sent, DIALECTS) is None


OPENAI_STREAM = (
    chunk(role="assistant", content="Let me "),
    chunk(content="look."),
    chunk(
        tool_calls=[{"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at":'}}]
    ),
    chunk("tool_calls", tool_calls=[{"index": 0, "function": {"arguments": '"sky"}'}}]),
)
ANTHROPIC_STREAM: tuple[dict[str, Any], ...] = (
    {
        "type": "message_start",
        "message": {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "c",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "look."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "c", "name": "look", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"at":"sky"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
)


@pytest.mark.parametrize("events", [OPENAI_STREAM, ANTHROPIC_STREAM], ids=["openai", "anthropic"])
def test_a_stored_stream_of_either_wire_is_put_together(events: tuple[dict[str, Any], ...]):
    whole = (Text("Let me look."), ToolUse("c", "look", '{"at":"sky"}'))
    assert read_answer(encoded(*events), DIALECTS) == Answer(whole, is_whole=True)
    assert read_answer(encoded(*events[:-1])[:-1], DIALECTS) is not None
    broken = read_answer(encoded(*events[:3]) + b'{"id":', DIALECTS)
    assert broken is not None
    assert (broken.parts[0], broken.is_whole) == (Text("Let me look." if events is OPENAI_STREAM else "Let me "), False)


def test_reasoning_and_refusals_are_parts_of_their_own():
    events = (
        chunk(role="assistant", reasoning_content="Hm"),
        chunk(reasoning_content="m."),
        chunk("stop", refusal="No."),
    )
    assert read_answer(encoded(*events), DIALECTS) == Answer((Reasoning("Hmm."), Refusal("No.")), is_whole=True)


def test_a_whole_answer_is_read_as_it_is():
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    assert read_answer(json.dumps(body, indent=1).encode(), DIALECTS) == Answer((Text("Hello"),), is_whole=True)


def test_a_masked_stream_is_read_by_its_channels():
    channels = {
        "reasoning/0": "Hm.",
        "content/0": "To HGX_EMAIL_X",
        "refusal/0": "No.",
        "tool_name/0/0": "look",
        "tool/0/0": "{}",
        "tool/0/x": "not a number",
        "other/whatever": "x",
    }
    parts = (Reasoning("Hm."), Text("To HGX_EMAIL_X"), Refusal("No."), ToolUse("", "look", "{}"))
    assert read_answer(json.dumps(channels).encode(), DIALECTS) == Answer(parts, is_whole=True)
    assert read_answer(b'{"other/x": "y"}', DIALECTS) is None


def test_files_and_results_are_named_in_plain_text():
    parts = (
        Document(name="a.pdf"),
        Document(),
        ToolResult("c", (Text("blue"),)),
        Reasoning("Hm."),
        Refusal("No."),
        Text(""),
    )
    assert plain_text(parts) == "[a.pdf]\n[file]\nblue\nHm.\nNo."
