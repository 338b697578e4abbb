from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel.errors import Invalid
from headgate.wire.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    OutputSchema,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import Outgoing
from headgate.wire.openai_chat import dialect
from headgate.wire.openai_encoding import unsaid

GOLDEN = Path(__file__).parent / "golden" / "openai"
PNG = "iVBORw0KGgoAAAANSUhEUg=="
CLOSED = {"required": ["city"], "additionalProperties": False}
WEATHER = Tool(
    "weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}, **CLOSED}, strict=True
)


def typed(body: Any) -> Conversation:
    fields = {"model": "m", "messages": [{"role": "user", "content": "x"}], **body}
    return dialect.to_conversation(dialect.read_call(json.dumps(fields).encode(), headers={}).content)


def said(conversation: Conversation, *quirks: str, cap: int | None = None) -> dict[str, Any]:
    return json.loads(dialect.from_conversation(conversation, Outgoing("gpt-real", frozenset(quirks), cap)))


def turns(*parts: Part, role: Any = "user", quirks: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return said(Conversation((Message(role, parts),)), *quirks)["messages"]


def test_a_whole_call_reads_into_the_typed_form() -> None:
    """Traps 4, 5, 6, 7 and 12."""
    call = dialect.read_call((GOLDEN / "tools.client.json").read_bytes(), headers={})
    assert dialect.to_conversation(call.content) == Conversation(
        messages=(
            Message("system", (Text("Answer briefly."),)),
            Message("user", (Text("Weather in Zürich?"),)),
            Message("assistant", (ToolUse("call_1", "weather", '{"city":"Zürich"}'),)),
            Message("user", (ToolResult("call_1", (Text("11 °C"),)),)),
        ),
        tools=(
            Tool(
                "weather",
                "The current weather",
                {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                strict=True,
            ),
        ),
        tool_choice=ToolChoice("auto"),
        parallel_tools=False,
        max_tokens=1000,
        temperature=1.0,
        stream=True,
    )


def test_images_and_files_read_as_parts() -> None:
    """Trap 14."""
    vision = json.loads((GOLDEN / "vision.client.json").read_bytes())
    (message,) = typed({"messages": [{"role": "user", "content": vision["messages"][0]["content"][:3]}]}).messages
    assert message.parts == (
        Text("What is <this> & that?"),
        Image(PNG, "image/png", None, "low"),
        Image(None, None, "https://example.org/a.png", None),
    )
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
    (message,) = typed({"messages": [{"role": "user", "content": [file]}]}).messages
    assert message.parts == (Document("JVBERi0=", "application/pdf", None, "a.pdf"),)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url"},
    ],
)
@pytest.mark.parametrize("turn", [{"role": "user"}, {"role": "system"}, {"role": "tool", "tool_call_id": "t"}])
def test_parts_that_cannot_be_carried_are_refused_by_name(turn: dict[str, Any], part: dict[str, Any]) -> None:
    """Trap 14: an answer to less than what was asked would look like one to all of it."""
    with pytest.raises(Invalid, match=part["type"]) as caught:
        typed({"messages": [{**turn, "content": [{"type": "text", "text": "x"}, part]}]})
    assert caught.value.param == "messages[0].content[1]"


def test_parallel_tool_results_become_one_turn() -> None:
    """Traps 7 and 23."""
    messages = [
        {"role": "user", "content": "a"},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "y"}]},
        {"role": "system", "content": "now"},
        {"role": "tool", "tool_call_id": "3", "content": None},
    ]
    assert typed({"messages": messages}).messages[1:] == (
        Message("user", (ToolResult("1", (Text("x"),)), ToolResult("2", (Text("y"),)))),
        Message("system", (Text("now"),)),
        Message("user", (ToolResult("3", ()),)),
    )


def test_an_assistants_turn_keeps_reasoning_refusal_and_calls() -> None:
    """Traps 8, 11 and 12."""
    message = {"role": "assistant", "reasoning_content": "hm", "content": "a", "refusal": "no"}
    conversation = typed({"messages": [message]})
    assert conversation.messages == (Message("assistant", (Reasoning("hm"), Text("a"), Refusal("no"))),)
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    listed = [thinking, {"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}, {"type": "reference"}]
    conversation = typed({"messages": [{"role": "assistant", "content": listed, "function_call": {"name": "f"}}]})
    parts = (Reasoning("hm"), Text("a"), Refusal("no"), ToolUse("f", "f", "{}"))
    assert conversation.messages == (Message("assistant", parts),)
    assert conversation.dropped == ("messages[0].content[3].reference",)


def test_marks_of_cached_prefixes_are_read() -> None:
    parts = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "c", "cache_control": {"type": "forever"}},
        {"type": "image_url", "image_url": "data:,x"},
    ]
    (message,) = typed({"messages": [{"role": "system", "content": parts}]}).messages
    assert message.parts == (Text("a", "5m"), Text("b", "1h"), Text("c"), Image(url="data:,x"))


def test_what_the_typed_form_cannot_carry_is_named_and_what_means_nothing_is_not() -> None:
    """Trap 13."""
    conversation = typed(
        {
            **{"n": 2, "logprobs": True, "store": False, "prediction": {"x": 1}, "x-new": 1, "service_tier": "flex"},
            **{"frequency_penalty": 0, "metadata": {}, "verbosity": None, "presence_penalty": 1},
            "tools": [{"type": "custom", "custom": {"name": "c"}}, {"type": "function", "function": {"name": "f"}}],
            "messages": [{"role": "user", "name": "anna", "content": "x"}],
            "functions": [],
            "response_format": {"type": "grammar"},
        }
    )
    assert conversation.dropped == (
        "messages[0].name",
        "tools[0].custom",
        "response_format",
        *("n", "logprobs", "prediction", "x-new", "service_tier", "presence_penalty"),
    )
    assert typed({"n": 1, "logprobs": False}).dropped == ()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, OutputSchema("answer", None)),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": WEATHER.schema, "strict": True}},
            OutputSchema("a", WEATHER.schema, strict=True),
        ),
    ],
)
def test_output_schemas_read_and_write(given: dict[str, Any], read: OutputSchema | None) -> None:
    """Trap 10."""
    conversation = typed({"response_format": given})
    assert conversation.output == read
    assert said(conversation).get("response_format") == (None if read is None else given)


@pytest.mark.parametrize(
    "choice",
    ["auto", "none", "required", {"type": "function", "function": {"name": "weather"}}],
)
def test_tool_choices_read_and_write(choice: Any) -> None:
    """Traps 4 and 5."""
    tool: dict[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    conversation = typed({"tools": [tool], "tool_choice": choice, "parallel_tool_calls": False})
    written = said(conversation)
    assert (written["tool_choice"], written["parallel_tool_calls"]) == (choice, False)


def test_a_choice_of_a_dropped_tool_is_refused_in_both_directions() -> None:
    """Trap 5."""
    custom = {"tools": [{"type": "custom", "custom": {"name": "c"}}]}
    with pytest.raises(Invalid) as caught:
        typed({**custom, "tool_choice": {"type": "custom", "custom": {"name": "c"}}})
    assert caught.value.param == "tool_choice"
    with pytest.raises(Invalid) as caught:
        said(Conversation((), tools=(WEATHER,), tool_choice=ToolChoice("named", "gone")))
    assert caught.value.param == "tool_choice"
    with pytest.raises(Invalid):
        typed({"tool_choice": "sometimes"})
    with pytest.raises(Invalid, match=r"tools\[0\].function.name"):
        typed({"tools": [{"function": {"description": "nameless"}}]})


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "robot", "content": "x"}],
        [{"role": "tool", "content": "x"}],
        [{"role": "tool", "tool_call_id": 5, "content": "x"}],
    ],
)
def test_messages_that_make_no_sense_are_refused_by_name(messages: list[Any]) -> None:
    with pytest.raises(Invalid, match=r"messages\[0\]"):
        typed({"messages": messages})


def test_sampling_reads_in_full() -> None:
    conversation = typed(
        {
            **{"temperature": 0.1, "top_p": 0.2, "top_k": 3, "seed": 4, "stop": "END", "reasoning_effort": "low"},
            **{"max_tokens": 9, "max_completion_tokens": 8, "user": "u", "safety_identifier": "s", "stream": True},
            "stream_options": {"include_usage": True},
        }
    )
    assert conversation == Conversation(
        (Message("user", (Text("x"),)),),
        temperature=0.1,
        top_p=0.2,
        top_k=3,
        seed=4,
        stop=("END",),
        reasoning_effort="low",
        max_tokens=8,
        user="s",
        stream=True,
        include_usage=True,
        dropped=("user",),
    )


def test_a_conversation_of_another_wire_becomes_a_request() -> None:
    """Traps 1, 4, 6, 7 and 12."""
    conversation = Conversation(
        (
            Message("system", (Text("be kind", cache="1h"),)),
            Message("user", (Text("hi"), Image(PNG, "image/png"), Document("JVBERi0=", None, None, "a.pdf"))),
            Message("assistant", (Reasoning("hm", signature="s"), ToolUse("t" * 50, "weather", '{"city": 1}'))),
            Message("user", (ToolResult("t" * 50, (Text("11"), Image(url="https://x/y")), is_error=True), Text("so?"))),
        ),
        tools=(WEATHER,),
        tool_choice=ToolChoice("required"),
        parallel_tools=True,
        max_tokens=100,
        temperature=0.5,
        top_k=5,
        stop=("a", "b", "c", "d", "e"),
        reasoning_tokens=4000,
        user="u",
        stream=True,
    )
    body = said(conversation, cap=50)
    call_id = body["messages"][2]["tool_calls"][0]["id"]
    assert len(call_id) <= 40
    function = {"name": "weather", "arguments": '{"city": 1}'}
    assert body == {
        "model": "gpt-real",
        "messages": [
            {"role": "system", "content": "be kind"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "hi"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call_id, "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": call_id, "content": "11"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": f"From the result of tool call {call_id} of weather:"},
                    {"type": "image_url", "image_url": {"url": "https://x/y"}},
                    {"type": "text", "text": "so?"},
                ],
            },
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "parameters": dict(WEATHER.schema),
                    "description": "The weather",
                    "strict": True,
                },
            }
        ],
        "tool_choice": "required",
        "parallel_tool_calls": True,
        "max_tokens": 50,
        "temperature": 0.5,
        "stop": ["a", "b", "c", "d"],
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    left_out = unsaid(conversation, Outgoing("gpt-real"))
    assert left_out == ("cache", "reasoning", "tool_result.is_error", "top_k", "stop", "reasoning_effort")


def test_quirks_change_what_is_written() -> None:
    """Traps 6, 7 and 11."""
    conversation = Conversation(
        (Message("system", (Text("s"),)), Message("assistant", (Reasoning("hm"), Text("a")))),
        max_tokens=9,
        temperature=0.5,
        top_p=0.5,
        top_k=2,
        reasoning_tokens=20_000,
        stream=True,
    )
    quirks = ("max_completion_tokens", "fixed_sampling", "no_stream_options", "developer_role", "reasoning")
    assert "strict" not in said(Conversation((), output=OutputSchema("o", {})))["response_format"]["json_schema"]
    body = said(conversation, *quirks, "reasoning_effort", "top_k")
    assert body == {
        "model": "gpt-real",
        "messages": [
            {"role": "developer", "content": "s"},
            {"role": "assistant", "content": "a", "reasoning": "hm"},
        ],
        "max_completion_tokens": 9,
        "top_k": 2,
        "reasoning_effort": "high",
        "stream": True,
    }
    assert unsaid(conversation, Outgoing("m", frozenset(quirks))) == (
        *("temperature", "top_p", "top_k", "reasoning_effort"),
    )


def test_odd_turns_are_written_as_servers_want_them() -> None:
    """Trap 12."""
    assert turns() == []
    assert turns(Text("a"), Text(""), Text("b"))[0]["content"] == "a\nb"
    assert turns(Text("a"), Text(""), Text("b"), quirks=("text_parts",))[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    assert turns(role="assistant") == [{"role": "assistant", "content": ""}]
    assert turns(Refusal("no"), role="assistant") == [{"role": "assistant", "content": None, "refusal": "no"}]
    assert turns(ToolResult("t", ())) == [{"role": "tool", "tool_call_id": "t", "content": ""}]
    image = turns(Image(url="https://x", detail="low"))[0]["content"][0]
    assert image == {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}}


def test_documents_by_address_and_parts_out_of_place_are_refused_rather_than_lost() -> None:
    """Trap 14."""
    with pytest.raises(Invalid, match="by address"):
        turns(Document(url="https://example.org/a.pdf"))
    with pytest.raises(Invalid, match="base64"):
        turns(Document("!", "text/plain"))
    with pytest.raises(Invalid, match="tooluse"):
        turns(ToolUse("a", "b", "c"))


def test_reading_what_was_written_gives_the_same_conversation() -> None:
    conversation = Conversation(
        (
            Message("system", (Text("s"),)),
            Message("user", (Text("a"), Image(PNG, "image/png", None, "high"))),
            Message("assistant", (Reasoning("hm"), Text("b"), ToolUse("1", "weather", "{}"))),
            Message("user", (ToolResult("1", (Text("c"),)),)),
        ),
        tools=(WEATHER,),
        tool_choice=ToolChoice("named", "weather"),
        parallel_tools=False,
        max_tokens=5,
        temperature=0.5,
        top_p=0.5,
        stop=("x",),
        seed=1,
        output=OutputSchema("o", {"type": "object"}, strict=False),
        user="u",
        stream=True,
        include_usage=True,
    )
    raw = dialect.from_conversation(conversation, Outgoing("m", frozenset({"reasoning_content"})))
    assert dialect.to_conversation(dialect.read_call(raw, headers={}).content) == conversation
