"""Requests of Converse: each is valid by the service model of botocore, and says what the conversation says."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore import loaders
from botocore import model as models

from headgate.kernel.errors import Invalid
from headgate.wire.bedrock_converse import dialect
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

BOTO: Any = loaders
MODEL: Any = cast("Any", models).ServiceModel(BOTO.Loader().load_service_model("bedrock-runtime", "service-2"))
DATA = base64.b64encode(b"data").decode()
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string", "minLength": 2}}}
WEATHER = Tool("weather", "Tells the weather.", SCHEMA, strict=True)
PLAIN = frozenset[str]()
EVERYTHING = frozenset({"claude", "prompt_caching", "json_schema"})


def check(value: Any, shape: Any, place: str = "") -> None:
    """Check a value against a shape of the service model."""
    match shape.type_name:
        case "structure" if getattr(shape, "is_document_type", False):
            assert isinstance(value, dict | list | str), place
        case "structure":
            assert isinstance(value, dict), place
            fields = cast("dict[str, Any]", value)
            assert set(fields) <= set(shape.members), (place, set(fields) - set(shape.members))
            assert set(shape.required_members) <= set(fields), (place, shape.required_members)
            assert not getattr(shape, "is_tagged_union", False) or len(fields) == 1, (place, fields)
            for name, one in fields.items():
                check(one, shape.members[name], f"{place}.{name}")
        case "list":
            assert len(value) >= shape.metadata.get("min", 0), place
            for at, one in enumerate(value):
                check(one, shape.member, f"{place}[{at}]")
        case "string":
            assert isinstance(value, str), place
            assert not shape.enum or value in shape.enum, (place, value)
            assert len(value) >= shape.metadata.get("min", 0), place
            assert len(value) <= shape.metadata.get("max", 10**9), place
            pattern = shape.metadata.get("pattern")
            assert pattern is None or re.fullmatch(pattern, value), (place, value)
        case "integer" | "float":
            assert shape.metadata.get("min", value) <= value <= shape.metadata.get("max", value), (place, value)
        case "blob":
            base64.b64decode(value, validate=True)
        case _:
            pass


def written(conversation: Conversation, *, quirks: frozenset[str] = PLAIN, cap: int | None = None) -> Any:
    body = dialect.from_conversation(conversation, Outgoing("m", quirks, cap_output_tokens=cap))
    said = json.loads(body)
    shape: Any = MODEL.shape_for("ConverseRequest")
    check({**said, "modelId": "m"}, shape)
    return said


def unsaid(conversation: Conversation, *, quirks: frozenset[str] = PLAIN) -> tuple[str, ...]:
    return dialect.unsaid(conversation, Outgoing("m", quirks))


def talk(*messages: Message, **more: Any) -> Conversation:
    return replace(Conversation(messages), **more)


def user(*parts: Part) -> Message:
    return Message("user", parts)


def assistant(*parts: Part) -> Message:
    return Message("assistant", parts)


HELLO = user(Text("Hello"))
USE = ToolUse("call_1", "weather", '{"city":"Bonn"}')
RESULT = ToolResult("call_1", (Text("rain"), Image(DATA, "image/png")), is_error=True)


def test_a_whole_conversation_is_valid() -> None:
    conversation = talk(
        Message("system", (Text("Be brief.", cache="1h"),)),
        user(
            Text("Look.", cache="5m"),
            Image(DATA, "image/jpg", detail="high"),
            Image(url="s3://bucket/a.webp"),
            Document(DATA, "application/pdf", name="Q3/2026: report.pdf"),
            Document(DATA, "text/x-python; charset=utf-8", name="Q3/2026: report.pdf"),
            Document(url="s3://bucket/b"),
        ),
        assistant(Reasoning("hm", signature="sig"), Reasoning("", redacted=DATA), Text("I call."), USE),
        user(Text("Go on"), RESULT),
        user(Text("  "), Refusal("no")),
        tools=(WEATHER,),
        tool_choice=ToolChoice("auto"),
        max_tokens=900,
        temperature=1.5,
        top_p=0.5,
        top_k=7,
        stop=("END",),
        seed=1,
        user="u",
        parallel_tools=False,
        output=OutputSchema("answer", SCHEMA),
        reasoning_effort="high",
    )
    said = written(conversation, quirks=EVERYTHING, cap=800)
    assert said["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert said["inferenceConfig"] == {"maxTokens": 800, "temperature": 1.0, "topP": 0.5, "stopSequences": ["END"]}
    assert said["additionalModelRequestFields"] == {"top_k": 7}
    assert [one["role"] for one in said["messages"]] == ["user", "assistant", "user"]
    first, second, third = (one["content"] for one in said["messages"])
    assert first[1] == {"cachePoint": {"type": "default"}}
    assert first[3] == {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}}
    names = [one["document"]["name"] for one in first if "document" in one]
    assert names == ["Q3-2026- report-pdf", "Q3-2026- report-pdf 2", "Document"]
    assert [one["document"]["format"] for one in first if "document" in one] == ["pdf", "txt", "pdf"]
    assert second[0] == {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}}
    assert second[1] == {"reasoningContent": {"redactedContent": DATA}}
    assert third[0]["toolResult"]["status"] == "error", "results come first in their turn"
    assert [one.get("text") for one in third[1:]] == ["Go on", "no"]
    spec = said["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["strict"] is True
    assert spec["inputSchema"]["json"]["additionalProperties"] is False
    structure = said["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(structure["schema"])["additionalProperties"] is False
    told = unsaid(conversation, quirks=EVERYTHING)
    assert {"temperature", "seed", "user", "parallel_tools", "image_detail", "tools.minLength"} <= set(told)
    assert "reasoning_effort" in told, "the limit leaves no room for thinking"


def test_a_model_without_quirks_gets_what_every_model_takes() -> None:
    conversation = talk(
        Message("system", (Text("Be brief.", cache="5m"),)),
        HELLO,
        Message("system", (Text("Late."),)),
        assistant(Reasoning("hm", signature="sig"), Text("Hi")),
        HELLO,
        tools=(WEATHER,),
        top_k=3,
        reasoning_tokens=2000,
        reasoning_effort="low",
        output=OutputSchema("answer", SCHEMA),
    )
    said = written(conversation)
    assert "additionalModelRequestFields" not in said
    assert [one["text"] for one in said["system"]][:2] == ["Be brief.", "Late."]
    assert '"minLength":2' in said["system"][2]["text"]
    told = {"reasoning", "cache_control", "system_position", "top_k", "reasoning_tokens", "reasoning_effort", "output"}
    assert told <= set(unsaid(conversation))
    assert "tools.strict" in unsaid(conversation)
    assert "one JSON object" in written(talk(HELLO, output=OutputSchema("o", None)))["system"][0]["text"]


def test_thinking_takes_its_budget_from_the_limit_and_excludes_sampling() -> None:
    thinking = talk(HELLO, reasoning_effort="medium", max_tokens=10_000, temperature=0.5, top_p=0.9, top_k=4)
    said = written(thinking, quirks=EVERYTHING)
    assert said["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 8192}}
    assert said["inferenceConfig"] == {"maxTokens": 10_000}
    assert {"temperature", "top_p", "top_k"} <= set(unsaid(thinking, quirks=EVERYTHING))
    asked = talk(HELLO, reasoning_tokens=20_000, tools=(WEATHER,))
    assert written(asked, quirks=EVERYTHING)["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 4095
    forced = replace(asked, tool_choice=ToolChoice("named", "weather"))
    assert "additionalModelRequestFields" not in written(forced, quirks=EVERYTHING)
    assert "reasoning_tokens" in unsaid(forced, quirks=EVERYTHING)
    going_on = replace(asked, messages=(HELLO, assistant(USE), user(RESULT)))
    assert "reasoning_tokens" in unsaid(going_on, quirks=EVERYTHING), "no signed reasoning precedes the call"
    signed = replace(asked, messages=(HELLO, assistant(Reasoning("hm", signature="s"), USE), user(RESULT)))
    assert "reasoning_tokens" not in unsaid(signed, quirks=EVERYTHING)
    assert "additionalModelRequestFields" not in written(talk(HELLO), quirks=EVERYTHING)


def test_tools_are_declared_chosen_and_named_as_the_wire_takes_them() -> None:
    long = Tool("get weather/now", None, {"anyOf": [{"type": "object"}]})
    said = written(talk(HELLO, tools=(long,), tool_choice=ToolChoice("required")))["toolConfig"]
    assert said["toolChoice"] == {"any": {}}
    assert "description" not in said["tools"][0]["toolSpec"]
    named = talk(HELLO, tools=(WEATHER,), tool_choice=ToolChoice("named", "weather"))
    assert written(named)["toolConfig"]["toolChoice"] == {"tool": {"name": "weather"}}
    assert "toolChoice" not in written(named, quirks=frozenset({"no_tool_choice"}))["toolConfig"]
    assert "tool_choice" in unsaid(named, quirks=frozenset({"no_tool_choice"}))
    none = talk(HELLO, tools=(WEATHER,), tool_choice=ToolChoice("none"))
    assert "toolConfig" not in written(none)
    past = replace(none, messages=(HELLO, assistant(USE), user(RESULT)))
    assert [one["toolSpec"]["name"] for one in written(past)["toolConfig"]["tools"]] == ["weather"]
    assert "tool_choice" in unsaid(past)
    forgotten = replace(past, tools=(), tool_choice=None)
    assert [one["toolSpec"]["name"] for one in written(forgotten)["toolConfig"]["tools"]] == ["weather"]


def test_calls_with_the_same_id_are_told_apart() -> None:
    twice = assistant(USE, ToolUse("call_1", "weather", ""))
    said = written(talk(HELLO, twice, user(RESULT, ToolResult("call_1", ()))))
    calls = [one["toolUse"]["toolUseId"] for one in said["messages"][1]["content"]]
    results = [one["toolResult"]["toolUseId"] for one in said["messages"][2]["content"]]
    assert calls == results
    assert len(set(calls)) == 2


def test_a_system_prompt_joins_the_first_message_where_the_model_takes_none() -> None:
    system = Message("system", (Text("Be brief."),))
    said = written(talk(system, HELLO), quirks=frozenset({"no_system"}))
    assert said == {"messages": [{"role": "user", "content": [{"text": "Be brief."}, {"text": "Hello"}]}]}
    assert written(talk(system))["messages"][0]["content"] == [{"text": "Be brief."}]
    begun = written(talk(system, assistant(Text("Hi")), HELLO), quirks=frozenset({"no_system"}))
    assert [one["role"] for one in begun["messages"]] == ["user", "assistant", "user"]


def test_only_the_last_four_cache_points_stay() -> None:
    texts = [Text(str(at), cache="5m") for at in range(6)]
    said = written(talk(Message("system", (texts[0],)), user(*texts[1:])), quirks=EVERYTHING)
    assert "cachePoint" not in str(said["system"])
    assert str(said["messages"]).count("cachePoint") == 4


@pytest.mark.parametrize(
    ("conversation", "words"),
    [
        (talk(), "at least one message"),
        (talk(user(Text(" "))), "at least one message"),
        (talk(user(Image(url="https://example.org/a.png"))), "send its content as base64"),
        (talk(user(Document(url=None))), "send its content as base64"),
        (talk(user(Image("!", "image/png"))), "not valid base64"),
        (talk(user(Image(DATA, "image/tiff"))), "an image of type 'image/tiff'"),
        (talk(user(Document(DATA, "application/zip"))), "a file of type 'application/zip'"),
        (talk(user(Document(DATA, None))), "a file of type 'unknown'"),
        (talk(HELLO, tool_choice=ToolChoice("required")), "there are no tools"),
        (talk(HELLO, tools=(WEATHER,), tool_choice=ToolChoice("named", "clock")), "'clock', which is absent"),
        (talk(HELLO, assistant(USE), HELLO), "'call_1' has no result"),
        (talk(HELLO, assistant(USE), HELLO, assistant(Text("x"))), "'call_1' has no result"),
        (talk(HELLO, user(RESULT)), "does not follow a turn that makes this call"),
    ],
)
def test_what_the_wire_cannot_express_is_refused(conversation: Conversation, words: str) -> None:
    with pytest.raises(Invalid, match=re.escape(words)):
        dialect.from_conversation(conversation, Outgoing("m"))
