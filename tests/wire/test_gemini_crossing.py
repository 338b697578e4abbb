"""Calls that cross to and from Gemini's wire, and whole answers on their way back."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import pytest
from google.genai import types
from tests.wire.gemini_sdk import call_of, sdk_answer

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire import anthropic_messages, openai_chat
from headgate.wire.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    OutputSchema,
    Reasoning,
    Refusal,
    Reply,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import Outgoing, WholeDialect
from headgate.wire.dialects import load_dialects
from headgate.wire.gemini import dialect
from headgate.wire.gemini_calls import FOREIGN_SIGNATURE
from headgate.wire.gemini_schemas import json_schema_of, openapi_schema_of
from headgate.wire.model_call import Usage
from headgate.wire.transcript import read_answer, read_messages

ANTHROPIC: Final[WholeDialect] = anthropic_messages.dialect
OPENAI: Final[WholeDialect] = openai_chat.dialect
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\xff\xfe\xfd").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
REQUEST: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "Where is this?"},
                {"inlineData": {"mimeType": "image/png", "data": PNG.replace("/", "_").replace("+", "-").rstrip("=")}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://images.test/b.jpg"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "Two cities.", "thought": True, "thoughtSignature": "c2ln"},
                {"text": "Let me "},
                {"text": "look."},
                {"functionCall": {"name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "bG9uZyBzaWc="},
                {"functionCall": {"name": "weather", "args": {"city": "Oslo", "n": 1.0}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"result": "sun"}}},
                {"functionResponse": {"name": "weather", "response": {"error": "no such city"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "And tomorrow?"}]},
    ],
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Tells it.",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {"city": {"type": "STRING"}},
                        "required": ["city"],
                        "propertyOrdering": ["city"],
                    },
                }
            ]
        }
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    "generationConfig": {
        "maxOutputTokens": 500,
        "temperature": 0.2,
        "topP": 0.9,
        "topK": 40.0,
        "seed": 7,
        "stopSequences": ["END"],
        "thinkingConfig": {"thinkingBudget": 2048},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
}


def talk_of(**fields: Any) -> Conversation:
    """The typed form of a request."""
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **fields}
    return dialect.to_conversation(call_of(json.dumps(body).encode()).content)


def user(*parts: Any) -> Any:
    """A turn of the user."""
    return [{"role": "user", "parts": list(parts)}]


def sent(talk: Conversation, *quirks: str, cap: int | None = None) -> Any:
    """What a provider of this wire gets."""
    return json.loads(dialect.from_conversation(talk, Outgoing("up", frozenset(quirks), cap)))


def said(*parts: Any, role: Any = "user", **fields: Any) -> Conversation:
    """A conversation of one message."""
    return Conversation((Message(role, parts),), **fields)


def test_a_whole_request_becomes_openais() -> None:
    """Traps 7, 10, 14 and 23."""
    body = json.loads(OPENAI.from_conversation(talk_of(**REQUEST), Outgoing("gpt", frozenset({"reasoning_effort"}))))
    messages = body["messages"]
    assert [one["role"] for one in messages] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert messages[1]["content"][1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    assert messages[1]["content"][2]["image_url"]["url"] == "https://images.test/b.jpg"
    assert messages[2]["content"] == "Let me look."
    calls = messages[2]["tool_calls"]
    assert [(one["id"], one["function"]["arguments"]) for one in calls] == [
        ("call_0", '{"city": "Rome"}'),
        ("call_1", '{"city": "Oslo", "n": 1.0}'),
    ]
    assert [(one["tool_call_id"], one["content"]) for one in messages[3:5]] == [
        ("call_0", "sun"),
        ("call_1", "no such city"),
    ]
    assert body["tools"][0]["function"]["parameters"] == SCHEMA
    assert (body["tool_choice"], body["max_tokens"], body["stop"], body["seed"]) == ("required", 500, ["END"], 7)
    assert body["reasoning_effort"] == "low"
    assert "bG9uZyBzaWc=" not in json.dumps(body)
    assert talk_of(**REQUEST).dropped == ("safetySettings",)


def test_a_whole_request_becomes_anthropics() -> None:
    body = json.loads(ANTHROPIC.from_conversation(talk_of(**REQUEST), Outgoing("claude", frozenset({"sampling"}))))
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    results = body["messages"][2]["content"]
    assert [(one["type"], one.get("is_error")) for one in results] == [
        ("tool_result", None),
        ("tool_result", True),
        ("text", None),
    ]
    assert body["tool_choice"] == {"type": "any"}


def test_a_whole_request_comes_back_as_it_was() -> None:
    body = sent(talk_of(**REQUEST))
    assert body["systemInstruction"] == REQUEST["systemInstruction"]
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][0]["parts"][1:] == [
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://images.test/b.jpg"}},
    ]
    assert body["contents"][2]["parts"][:2] == [
        {"functionResponse": {"name": "weather", "response": {"output": "sun"}}},
        {"functionResponse": {"name": "weather", "response": {"error": "no such city"}}},
    ]
    assert body["toolConfig"] == REQUEST["toolConfig"]
    assert body["generationConfig"] == {
        **REQUEST["generationConfig"],
        "topK": 40,
        "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True},
    }
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == SCHEMA


@pytest.mark.parametrize("client", [OPENAI, ANTHROPIC])
def test_a_request_of_another_wire_becomes_geminis(client: WholeDialect) -> None:
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}).encode()
    talk = client.to_conversation(client.read_call(body, headers={}).content)
    assert sent(talk, cap=5) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 5},
    }


def test_results_follow_the_order_of_their_calls() -> None:
    """Trap 23: the wire pairs calls and results of one function by order."""
    talk = Conversation(
        (
            Message("user", (Text("x"),)),
            Message("assistant", (ToolUse("a", "my.f", "{}"), ToolUse("b", "g", '{"k":1}'), Reasoning("", "sig"))),
            Message(
                "user",
                (Text("and"), ToolResult("b", (Text('{"ok":true}'),)), ToolResult("a", (Image(PNG, "image/png"),))),
            ),
        )
    )
    body = sent(talk, "signed_calls")
    calls, results = body["contents"][1]["parts"], body["contents"][2]["parts"]
    names = [part["functionResponse"]["name"] for part in results if "functionResponse" in part]
    assert names == [part["functionCall"]["name"] for part in calls]
    assert names[0].startswith("my_f_")
    assert [part.get("thoughtSignature") for part in calls] == [FOREIGN_SIGNATURE, None]
    assert results[2]["functionResponse"]["response"] == {"ok": True}
    assert results[1] == {"inlineData": {"mimeType": "image/png", "data": PNG}}
    assert results[-1] == {"text": "and"}
    assert dialect.unsaid(talk, Outgoing("up")) == ("reasoning",)
    with pytest.raises(Invalid, match="does not follow a turn"):
        sent(said(ToolResult("gone", ())))


def test_system_text_alone_is_a_turn_and_other_places_are_noted() -> None:
    """Trap 7."""
    assert sent(said(Text("Be brief."), role="system"))["contents"] == user({"text": "Be brief."})
    talk = Conversation((Message("user", (Text("x"),)), Message("system", (Text("s"),)), Message("user", (Text(""),))))
    assert sent(talk) == {"contents": user({"text": "x"}), "systemInstruction": {"parts": [{"text": "s"}]}}
    assert dialect.unsaid(talk, Outgoing("up")) == ("system_position",)
    with pytest.raises(Invalid, match="at least one message"):
        sent(said(Text("")))


def test_media_of_other_wires() -> None:
    parts = (
        Image(url="https://a.test/b.webp?x=1", detail="high"),
        Image(url="https://a.test/b"),
        Document(PDF),
        Document(url="https://a.test/c.pdf"),
        Document(PDF, "text/plain"),
        Refusal("No."),
        Refusal(""),
    )
    assert sent(said(*parts))["contents"][0]["parts"] == [
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://a.test/b.webp?x=1"}},
        {"fileData": {"fileUri": "https://a.test/b"}},
        {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a.test/c.pdf"}},
        {"inlineData": {"mimeType": "text/plain", "data": PDF}},
        {"text": "No."},
    ]
    assert dialect.unsaid(said(*parts), Outgoing("up")) == ("image_detail",)


def test_fields_that_this_wire_lacks_are_named() -> None:
    talk = said(
        Text("x", cache="5m"),
        user="u",
        parallel_tools=False,
        stop=tuple("abcdef"),
        seed=2**40,
        reasoning_effort="odd",
        tools=(Tool("f", None, SCHEMA, strict=True),),
        tool_choice=ToolChoice("named", "f"),
    )
    body = sent(talk)
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["f"]}
    assert body["generationConfig"] == {"stopSequences": list("abcde")}
    assert set(dialect.unsaid(talk, Outgoing("up"))) == {
        *("cache", "user", "parallel_tools", "stop", "seed", "reasoning_effort", "tools.strict")
    }


@pytest.mark.parametrize(("mode", "config"), [("none", {"mode": "NONE"}), ("auto", {"mode": "AUTO"})])
def test_the_choice_of_a_tool(mode: Any, config: Any) -> None:
    """Trap 5."""
    tools = (Tool("f", "d", SCHEMA),)
    body = sent(said(Text("x"), tools=tools, tool_choice=ToolChoice(mode)))
    assert body["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in sent(said(Text("x"), tool_choice=ToolChoice(mode)))
    with pytest.raises(Invalid, match="not in tools"):
        sent(said(Text("x"), tools=tools, tool_choice=ToolChoice("named", "gone")))


def test_a_limit_of_zero_is_refused() -> None:
    with pytest.raises(Invalid, match="at least 1"):
        sent(said(Text("x"), max_tokens=0))


@pytest.mark.parametrize(
    ("fields", "quirks", "config"),
    [
        ({"reasoning_effort": "none"}, (), {"thinkingBudget": 0, "includeThoughts": False}),
        ({"reasoning_effort": "high"}, (), {"thinkingBudget": 24576, "includeThoughts": True}),
        ({"reasoning_tokens": 77}, (), {"thinkingBudget": 77, "includeThoughts": True}),
        ({"reasoning_effort": "none"}, ("thinking_level",), {"thinkingLevel": "minimal", "includeThoughts": False}),
        ({"reasoning_effort": "max"}, ("thinking_level",), {"thinkingLevel": "high", "includeThoughts": True}),
        ({"reasoning_tokens": 5000}, ("thinking_level",), {"thinkingLevel": "medium", "includeThoughts": True}),
        ({"reasoning_tokens": 50_000}, ("thinking_level",), {"thinkingLevel": "high", "includeThoughts": True}),
        ({"reasoning_effort": "odd"}, ("thinking_level",), None),
    ],
)
def test_the_effort_of_thinking(fields: dict[str, Any], quirks: tuple[str, ...], config: Any) -> None:
    body = sent(said(Text("x"), **fields), *quirks)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config


@pytest.mark.parametrize(
    ("thinking", "effort", "tokens"),
    [
        ({"thinkingBudget": 0}, "none", None),
        ({"thinkingBudget": -1}, None, None),
        ({"thinkingBudget": 9}, None, 9),
        ({"thinkingLevel": "HIGH"}, "high", None),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, None, None),
    ],
)
def test_the_thinking_that_a_client_asks_for(thinking: Any, effort: str | None, tokens: int | None) -> None:
    talk = talk_of(generationConfig={"thinkingConfig": {**thinking, "includeThoughts": True, "new": 1}})
    assert (talk.reasoning_effort, talk.reasoning_tokens) == (effort, tokens)
    assert talk.dropped == ("generationConfig.thinkingConfig.new",)


def test_the_output_that_a_client_asks_for() -> None:
    """Trap 10."""
    json_type, enum = {"responseMimeType": "application/json"}, {"responseMimeType": "text/x.enum"}
    assert talk_of(generationConfig=json_type).output == OutputSchema("answer", None)
    openapi = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}
    plain = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert talk_of(generationConfig={**json_type, "responseSchema": openapi}).output == OutputSchema(
        "answer", plain, strict=True
    )
    assert talk_of(generationConfig={"responseJsonSchema": SCHEMA}).output == OutputSchema(
        "answer", SCHEMA, strict=True
    )
    talk = talk_of(generationConfig={**enum, "responseSchema": {"type": "STRING", "enum": ["a"]}})
    assert (talk.output, talk.dropped) == (None, ("generationConfig.responseMimeType",))
    made = said(Text("x"), output=OutputSchema("o", SCHEMA))
    assert sent(made)["generationConfig"] == {**json_type, "responseJsonSchema": SCHEMA}
    assert sent(said(Text("x"), output=OutputSchema("o", None)))["generationConfig"] == json_type
    capitals = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
    assert sent(made, "openapi_schemas")["generationConfig"] == {**json_type, "responseSchema": capitals}


def test_schemas_for_deployments_without_json_schema() -> None:
    tools = (Tool("f", None, {**SCHEMA, "unevaluatedItems": False}), Tool("g", None, {"type": "object"}))
    talk = said(Text("x"), tools=tools)
    declared = sent(talk, "openapi_schemas")["tools"][0]["functionDeclarations"]
    assert declared[0]["parameters"]["type"] == "OBJECT"
    assert declared[1] == {"name": "g"}
    assert dialect.unsaid(talk, Outgoing("up", frozenset({"openapi_schemas"}))) == ("tools.unevaluatedItems",)


def test_openapi_schemas_become_json_schemas_and_back() -> None:
    openapi: Any = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["a", "b"], "example": "a"},
            "list": {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "2"},
            "any": {"anyOf": [{"type": "STRING"}], "nullable": True},
            "free": {"type": "TYPE_UNSPECIFIED", "nullable": True},
        },
        "propertyOrdering": ["type"],
    }
    assert json_schema_of(openapi) == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["a", "b", None], "examples": ["a"]},
            "list": {"type": "array", "items": {"type": "number"}, "minItems": 2},
            "any": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "free": {},
        },
    }
    removed: list[str] = []
    schema: Any = {
        "$schema": "x",
        "$defs": {"P": {"type": "object", "properties": {"next": {"$ref": "#/$defs/P"}}}},
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "p": {"$ref": "#/$defs/P", "description": "d"},
            "q": {"$ref": "#/$defs/gone"},
            "n": {"type": ["string", "null"], "enum": ["a", None]},
            "m": {"type": ["string", "integer"]},
            "o": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "c": {"const": 1},
            "e": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            "l": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "z": {"type": []},
        },
    }
    said_openapi = openapi_schema_of(schema, removed)
    fields = said_openapi["properties"]
    assert fields["p"]["type"] == "OBJECT"
    assert fields["p"]["description"] == "d"
    assert fields["n"] == {"type": "STRING", "nullable": True, "enum": ["a"]}
    assert fields["m"] == {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}
    assert fields["o"] == {"type": "STRING", "nullable": True}
    assert fields["c"] == {"enum": ["1"]}
    assert fields["e"] == {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}
    assert fields["l"] == {"type": "ARRAY", "items": {"type": "STRING"}}
    assert fields["z"] == {}
    assert "$ref" in removed and "uniqueItems" in removed


UNPORTABLE: list[tuple[Any, str]] = [
    (
        {"contents": user({"inlineData": {"mimeType": "audio/wav", "data": "UklG"}})},
        "contents[0].parts[0].inlineData",
    ),
    ({"contents": user({"inlineData": {"mimeType": 7}})}, "contents[0].parts[0].inlineData"),
    ({"contents": user({"fileData": {"fileUri": "gs://b/c"}})}, "contents[0].parts[0].fileData.fileUri"),
    (
        {"contents": user({"fileData": {"fileUri": "https://video.test/a", "mimeType": "video/mp4"}})},
        "contents[0].parts[0].fileData",
    ),
    ({"contents": user({"executableCode": {"code": "x"}})}, "contents[0].parts[0]"),
    ({"contents": user({"functionResponse": {"name": "gone"}})}, "contents[0].parts[0]"),
    ({"contents": user({"functionCall": {}})}, "contents[0].parts[0].functionCall"),
    ({"cachedContent": "cachedContents/1"}, "cachedContent"),
    ({"generationConfig": {"responseModalities": ["AUDIO"]}}, "responseModalities"),
    ({"tools": [{"googleSearch": {}}]}, "tools"),
]


@pytest.mark.parametrize(("fields", "param"), UNPORTABLE)
def test_what_no_other_model_can_use_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as caught:
        talk_of(**fields)
    assert caught.value.param == param


def test_what_another_model_does_not_need_is_dropped_and_named() -> None:
    declared = {"name": "f", "behavior": "BLOCKING", "parametersJsonSchema": SCHEMA}
    talk = talk_of(
        contents=[
            *user({"text": "x", "videoMetadata": {"fps": 1}}, {"thoughtSignature": "c2ln"}),
            {"role": "model", "parts": [{"codeExecutionResult": {"output": "1"}}]},
        ],
        tools=[{"functionDeclarations": [declared], "codeExecution": {}}],
        generationConfig={"candidateCount": 2, "mediaResolution": "LOW", "responseModalities": ["TEXT"]},
        labels={"a": "b"},
    )
    assert talk.dropped == (
        "parts.videoMetadata",
        "parts.codeExecutionResult",
        "tools.codeExecution",
        "tools.behavior",
        "labels",
        "generationConfig.candidateCount",
        "generationConfig.mediaResolution",
    )
    assert [message.role for message in talk.messages] == ["user"]
    assert talk_of(generationConfig={"candidateCount": 1}).dropped == ()


@pytest.mark.parametrize(
    ("config", "choice", "names"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto"), ["f", "g"]),
        ({"mode": "NONE"}, ToolChoice("none"), ["f", "g"]),
        ({"mode": "ANY"}, ToolChoice("required"), ["f", "g"]),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, ToolChoice("named", "g"), ["g"]),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["g"]}, ToolChoice("auto"), ["g"]),
        ({"mode": "MODE_UNSPECIFIED"}, None, ["f", "g"]),
    ],
)
def test_the_choice_of_a_client(config: Any, choice: ToolChoice | None, names: list[str]) -> None:
    """Trap 5."""
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]
    talk = talk_of(tools=tools, toolConfig={"functionCallingConfig": config})
    assert talk.tool_choice == choice
    assert [tool.name for tool in talk.tools] == names
    assert talk.tools[0].schema == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"output": "sun"}, "sun"),
        ({"result": {"a": 1.0}}, '{"a": 1.0}'),
        ({"a": 1, "b": 2}, '{"a": 1, "b": 2}'),
        ({}, None),
        (None, None),
    ],
)
def test_the_result_of_a_function(response: Any, text: str | None) -> None:
    answer = {"functionResponse": {"id": "own", "name": "f", "response": response}}
    if response is None:
        answer["functionResponse"]["response"] = {}
    file = {"inlineData": {"mimeType": "application/pdf", "data": PDF, "displayName": "a.pdf"}}
    answer["functionResponse"]["parts"] = [file]
    calls = [{"functionCall": {"name": "f", "args": None}}, {"functionCall": {"id": "own", "name": "f"}}]
    talk = talk_of(contents=[{"role": "model", "parts": calls}, {"role": "function", "parts": [answer]}])
    (result,) = talk.messages[1].parts
    document = Document(PDF, "application/pdf", name="a.pdf")
    assert result == ToolResult("own", (*((Text(text),) if text else ()), document))
    assert talk.messages[0].parts[0] == ToolUse("call_0", "f", "{}")


# ---- whole answers


def reply_of(candidate: Any, **fields: Any) -> Any:
    """An answer with one candidate."""
    body = {"candidates": [candidate], "modelVersion": "gem", "responseId": "r1", **fields}
    return dialect.read_reply(json.dumps(body).encode(), headers={"x-request-id": "q", "date": "d"})


def test_an_answer_in_typed_form() -> None:
    parts = [
        {"text": "Hm.", "thought": True},
        {"text": ""},
        {"text": "Yes."},
        {"functionCall": {"name": "f"}},
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
        {"executableCode": {"code": "x"}},
    ]
    reply = reply_of({"content": {"parts": parts}, "finishReason": "STOP"})
    assert reply.headers == (("x-request-id", "q"),)
    assert dialect.to_reply(reply) == Reply(
        id="r1",
        model="gem",
        parts=(Reasoning("Hm."), Text("Yes."), ToolUse("call_r1_0", "f", "{}"), Image(PNG, "image/png")),
        stop_reason="tool_use",
    )
    assert reply.content.spoken() == ["", "Yes.", "Yes."]
    renamed = dialect.rename_tools(reply, {"f": "my.f"})
    assert b'"my.f"' in renamed.content.to_bytes()
    assert b'"our-alias"' in dialect.write_reply(reply, model="our-alias")
    bare = dialect.read_reply(b'{"candidates":[{"finishReason":"STOP"}]}', headers={})
    assert dialect.write_reply(bare, model="x") == b'{"candidates":[{"finishReason":"STOP"}]}'


@pytest.mark.parametrize(
    ("metadata", "usage"),
    [
        (
            {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "totalTokenCount": 16},
            Usage(9, 7, reasoning_tokens=3),
        ),
        (
            {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "totalTokenCount": 13},
            Usage(9, 4, reasoning_tokens=3),
        ),
        (
            {"promptTokenCount": 9, "cachedContentTokenCount": 5, "toolUsePromptTokenCount": 2},
            Usage(11, None, cache_read_tokens=5),
        ),
        ({"candidatesTokenCount": 4, "totalTokenCount": 13}, Usage(9, 4)),
        ({"thoughtsTokenCount": 3, "promptTokenCount": 1}, Usage(1, 3, reasoning_tokens=3)),
        ("odd", Usage()),
    ],
)
def test_the_arithmetic_of_tokens(metadata: Any, usage: Usage) -> None:
    """Trap 19: the prompt includes cached tokens, and thoughts are apart from the candidates."""
    assert reply_of({"finishReason": "STOP"}, usageMetadata=metadata).usage == usage


def test_a_blocked_prompt_is_an_answer() -> None:
    body = b'{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"Blocked."}}'
    reply = dialect.read_reply(body, headers={})
    assert dialect.to_reply(reply).parts == (Refusal("Blocked."),)
    assert json.loads(OPENAI.from_reply(dialect.to_reply(reply), model="x"))["choices"][0]["finish_reason"] == (
        "content_filter"
    )
    assert reply.content.spoken() == []


@pytest.mark.parametrize("body", [b"[]", b"no", b"{}", b'{"candidates":[]}', b'{"error":{"code":500}}'])
def test_an_answer_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(Upstream):
        dialect.read_reply(body, headers={})


def test_an_answer_with_a_part_of_another_form_is_refused() -> None:
    reply = reply_of({"content": {"parts": [{"functionCall": {"name": 7}}]}})
    with pytest.raises(Upstream, match="Gemini's form"):
        dialect.to_reply(reply)


def test_empty_turns_are_left_out_and_system_turns_stay_in_place() -> None:
    contents = [
        *user(),
        {"role": "model", "parts": [{"text": "Hi"}]},
        {"role": "system", "parts": [{"text": "s"}]},
        *user({"fileData": {"fileUri": "https://files.test/a.pdf", "mimeType": "application/pdf"}}),
    ]
    talk = talk_of(contents=contents, systemInstruction={"parts": [{"text": ""}]})
    assert [message.role for message in talk.messages] == ["assistant", "system", "user"]
    assert talk.messages[2].parts == (Document(media_type="application/pdf", url="https://files.test/a.pdf"),)


def test_a_result_that_is_nested_too_deep_stays_a_text() -> None:
    deep = '{"a":' * 200 + "1" + "}" * 200
    talk = Conversation(
        (Message("assistant", (ToolUse("a", "f", ""),)), Message("user", (ToolResult("a", (Text(deep),)),)))
    )
    assert sent(talk)["contents"][1]["parts"][0]["functionResponse"]["response"] == {"output": deep}
    with pytest.raises(Invalid, match="nested deeper"):
        sent(Conversation((Message("assistant", (ToolUse("a", "f", deep),)),)))
    refused = Reply("r", "m", (ToolUse("a", "f", deep), Document(PDF)), "tool_use")
    with pytest.raises(Upstream, match="nested deeper"):
        dialect.from_reply(refused, model="x")
    assert b"parts" not in dialect.from_reply(Reply("r", "m", (Document(PDF),), "stop"), model="x")


def test_an_answer_of_another_wire_for_the_sdk() -> None:
    thinking = call_of(b'{"contents":[{"parts":[]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}')
    reply = Reply(
        "r1",
        "m",
        (Reasoning("Hm.", "sig"), Text("Yes."), Text(""), ToolUse("a", "f", '{"n":1.0}'), Image(PNG, "image/png")),
        "length",
        usage=Usage(9, 7, cache_read_tokens=5, reasoning_tokens=3),
    )
    answer: Any = sdk_answer(dialect.from_reply(reply, model="our-alias", call=thinking))
    parts = answer.candidates[0].content.parts
    assert [bool(part.thought) for part in parts] == [True, False, False, False]
    assert (parts[2].function_call.id, parts[2].function_call.args) == ("a", {"n": 1.0})
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (9, 4, 3)
    assert (usage.cached_content_token_count, usage.total_token_count) == (5, 16)
    plain: Any = sdk_answer(dialect.from_reply(reply, model="our-alias"))
    assert plain.candidates[0].content.parts[0].text == "Yes."


def test_a_refusal_of_another_wire_and_an_empty_answer() -> None:
    """Traps 8 and 9."""
    refused = json.loads(dialect.from_reply(Reply("r", "m", (Refusal("No."),), "stop"), model="x"))["candidates"][0]
    assert (refused["finishReason"], refused["finishMessage"]) == ("SAFETY", "No.")
    empty = json.loads(dialect.from_reply(Reply("r", "m", (), "unknown"), model="x"))["candidates"][0]
    assert empty == {"finishReason": "OTHER", "index": 0}


def test_counts_cross_wires() -> None:
    """Trap 24."""
    both = load_dialects().counts
    gemini, claude = both["gemini"], both["anthropic_messages"]
    talk = talk_of(**REQUEST)
    assert set(json.loads(claude.write_count(talk, Outgoing("c")))) == {
        *("model", "messages", "system", "tools", "tool_choice", "output_config")
    }
    wrapped = json.loads(gemini.write_count(talk, Outgoing("g")))["generateContentRequest"]
    assert wrapped["model"] == "models/g"
    counted = dialect.read_reply(gemini.count_reply(7), headers={})
    assert (gemini.count_in(counted), counted.usage) == (7, Usage(0, 0))
    assert json.loads(claude.count_reply(gemini.count_in(counted))) == {"input_tokens": 7}
    assert claude.count_in(ANTHROPIC.read_reply(b'{"input_tokens":5}', headers={})) == 5


def test_a_stored_call_and_its_answer_are_read_back() -> None:
    """A record keeps the bytes of a call without its wire."""
    call = call_of(json.dumps(REQUEST).encode())
    messages = read_messages(call.content.to_bytes(), load_dialects())
    assert messages is not None
    assert messages[-1].parts == (Text("And tomorrow?"),)
    answer = read_answer(
        b'{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}', load_dialects()
    )
    assert answer is not None
    assert answer.parts == (Text("Hi"),)
