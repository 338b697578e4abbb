"""What a request of either chat wire needs of a model beyond writing text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.wire.dialect import Match
from headgate.wire.dialects import load_dialects

IMAGE: Any = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}
TOOL: Any = {"name": "clock", "input_schema": {}}
FUNCTION: Any = {"type": "function", "function": {"name": "clock"}}


def said(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("wire", "body", "needs"),
    [
        ("openai_chat", {}, set[str]()),
        ("openai_chat", {"tools": []}, set[str]()),
        ("openai_chat", {"tools": [FUNCTION]}, {"tools"}),
        ("openai_chat", {"tools": [FUNCTION], "tool_choice": "auto"}, {"tools"}),
        ("openai_chat", {"tools": [FUNCTION], "tool_choice": "none"}, set[str]()),
        ("openai_chat", {"tools": [FUNCTION], "tool_choice": FUNCTION}, {"tools"}),
        ("openai_chat", {"functions": [{"name": "clock"}]}, {"tools"}),
        ("openai_chat", {"functions": [{"name": "clock"}], "function_call": "none"}, set[str]()),
        ("openai_chat", said([{"type": "text", "text": "x"}]), set[str]()),
        ("openai_chat", said([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {}}]), {"images"}),
        ("openai_chat", {"response_format": {"type": "json_object"}}, set[str]()),
        ("openai_chat", {"response_format": {"type": "json_schema"}}, {"json_schema"}),
        ("anthropic_messages", {}, set[str]()),
        ("anthropic_messages", {"tools": [TOOL], "tool_choice": {"type": "none"}}, set[str]()),
        ("anthropic_messages", {"tools": [TOOL], "tool_choice": {"type": "any"}}, {"tools"}),
        ("anthropic_messages", said([IMAGE]), {"images"}),
        ("anthropic_messages", said([{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}]), {"images"}),
        ("anthropic_messages", said([{"type": "tool_result", "tool_use_id": "t", "content": [7]}]), set[str]()),
        ("anthropic_messages", {"output_config": {"effort": "low"}}, set[str]()),
        ("anthropic_messages", {"output_config": {"format": {"type": "json_schema"}}}, {"json_schema"}),
        (
            "anthropic_messages",
            {"tools": [TOOL], "output_config": {"format": {"type": "json_schema"}}, **said([IMAGE])},
            {"tools", "images", "json_schema"},
        ),
    ],
    ids=str,
)
def test_a_request_says_what_it_needs(wire: str, body: dict[str, Any], needs: set[str]) -> None:
    request = {"model": "chat", "max_tokens": 9, **said("x"), **body}
    sent = json.dumps(request).encode()
    assert load_dialects().client(wire).read_call(sent, headers={}, match=Match("chat")).needs == needs
