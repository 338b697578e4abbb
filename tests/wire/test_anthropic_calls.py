"""Requests of Anthropic's wire: checked, forwarded byte for byte, and turned into the typed form and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import pytest
from anthropic.types import AnthropicBetaParam
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.content import Content, Segment
from headgate.kernel.errors import Invalid, TooLarge
from headgate.wire.anthropic_encoding import unsaid
from headgate.wire.anthropic_messages import dialect
from headgate.wire.anthropic_words import anthropic_tool_id
from headgate.wire.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    OutputSchema,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import Match, Outgoing

COUNT = Match("count_tokens")
TO = Outgoing("claude-opus-5")


class PlainBody(Content):
    """Content that is bytes and nothing more, as another part of the house may hand in."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def segments(self) -> Sequence[Segment]:
        return ()

    def edit(self, texts: Mapping[int, str]) -> PlainBody:
        raise AssertionError(f"nothing edits this: {texts}")

    def to_bytes(self) -> bytes:
        return self._raw


WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
HELLO = Message("user", (Text("Hello"),))


def body(**fields: Any) -> bytes:
    said = {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **fields}
    return json.dumps({key: value for key, value in said.items() if value is not None}).encode()


def read(**fields: Any) -> Conversation:
    return dialect.to_conversation(dialect.read_call(body(**fields), headers={}).content)


def write(conversation: Conversation, outgoing: Outgoing = TO) -> dict[str, Any]:
    return json.loads(dialect.from_conversation(conversation, outgoing))


def talk(*messages: Message, **fields: Any) -> Conversation:
    return Conversation(messages=messages or (HELLO,), **fields)


def test_a_request_is_read_with_its_alias_its_stream_flag_and_the_headers_that_are_forwarded():
    """Trap 25: of the beta flags, those of the caller's own credential and second doors are dropped."""
    flags = "interleaved-thinking-2025-05-14, oauth-2025-04-20,mcp-client-2025-04-04,b@d,context-1m-2025-08-07"
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": flags, "x-api-key": "secret"}
    call = dialect.read_call(body(stream=True), headers=headers)
    assert (call.wire, call.model, call.stream, call.operation) == ("anthropic_messages", "claude", True, "chat")
    assert call.headers == (
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "interleaved-thinking-2025-05-14,context-1m-2025-08-07"),
    )


def forwarded_betas(*flags: str) -> list[str]:
    headers = dialect.read_call(body(), headers={"anthropic-beta": ",".join(flags)}).headers
    return dict(headers).get("anthropic-beta", "").split(",")


@pytest.mark.parametrize(
    "flag",
    [
        *("4111111111111111", "078-05-1120", "a-4111111111111111-2025-08-07", "a4111111111111111-2025-08-07"),
        *("078-05-1120-2025-08-07", "ada@example.org", "ada-example-org", "context-1m-2025", "2025-08-07"),
        *("a--b-2025-08-07", "A-2025-08-07", "a_b-2025-08-07", "a.b-2025-08-07", "a-2025-08-07-", "a-1925-08-07"),
        *("x" * 54 + "-2025-08-07", "a-2025-08-07\nb", "a-2025-08-0\u0667", "a-202508", ""),
    ],
)
def test_what_is_not_named_as_betas_are_is_not_forwarded(flag: str):
    """Trap 25: the header is not scanned, so it carries names of betas and no values."""
    assert forwarded_betas(flag) == [""]
    assert forwarded_betas(flag, "skills-2025-10-02") == ["skills-2025-10-02"]


def test_every_beta_that_the_sdk_knows_is_forwarded_except_those_that_are_closed():
    """Trap 25, the other way round: a name may be long, and its date in either form."""
    listed = [word for one in get_args(AnthropicBetaParam) for word in get_args(one)]
    closed = ("oauth-", "mcp-client-", "mcp-tunnels-", "managed-agents-", "message-threads-", "agent-memory-")
    wanted = [flag for flag in listed if not flag.startswith(closed)]
    assert len(wanted) > 10
    for flag in (*wanted, "claude-code-20250219", "x" * 53 + "-2025-08-07"):
        assert forwarded_betas(flag) == [flag]


def test_a_bounded_number_of_betas_is_forwarded():
    flags = [f"beta-{number}-2025-08-07" for number in range(100)]
    assert forwarded_betas(*flags) == flags[:32]


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": 3}, "model"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0.type"),
    ({"temperature": 1.5}, "temperature"),
    ({"stop_sequences": "x"}, "stop_sequences"),
    ({"tool_choice": {"type": "tool", "name": "gone"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "tool"}, "tools": [{"name": "a", "input_schema": {}}]}, "tool_choice.name"),
]


@pytest.mark.parametrize(("fields", "param"), MALFORMED)
def test_a_malformed_request_is_refused_with_the_field_at_fault(fields: dict[str, Any], param: str):
    """Trap 5 among others: a choice that names an absent tool is a 400."""
    said = {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **fields}
    with pytest.raises(Invalid) as caught:
        dialect.read_call(
            json.dumps({key: value for key, value in said.items() if value is not None}).encode(), headers={}
        )
    assert caught.value.param == param
    assert caught.value.message.startswith(param)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"model":"a","model":"b"}', b'{"model":"\xff"}'])
def test_what_is_not_strict_json_of_an_object_is_refused(raw: bytes):
    with pytest.raises(Invalid):
        dialect.read_call(raw, headers={})


def test_a_request_nested_too_deep_is_refused():
    with pytest.raises(TooLarge):
        dialect.read_call(b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", headers={})


def test_a_version_that_is_no_date_is_refused():
    with pytest.raises(Invalid) as caught:
        dialect.read_call(body(), headers={"anthropic-version": "latest\r\nx: y"})
    assert caught.value.param == "anthropic-version"


def test_a_count_needs_no_max_tokens_and_never_streams():
    """Trap 24."""
    call = dialect.read_call(body(max_tokens=None, stream=True), headers={}, match=COUNT)
    assert (call.operation, call.stream) == ("count_tokens", False)
    assert json.loads(dialect.write_call(call, Outgoing("m", cap_output_tokens=5))) == json.loads(
        body(max_tokens=None, stream=True, model="m")
    )


def test_a_count_that_no_upstream_gives_is_estimated_over_text_tools_and_images():
    """Trap 24: what is left out of a count breaks the client's compaction."""
    plain = dialect.read_call(body(), headers={}, match=COUNT)
    weather: dict[str, Any] = {"name": "weather", "description": "x" * 400, "input_schema": {}}
    tools = dialect.read_call(body(tools=[weather]), headers={}, match=COUNT)
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}}
    image = dialect.read_call(body(messages=[{"role": "user", "content": [picture]}]), headers={}, match=COUNT)
    replies = [dialect.estimated_count(call) for call in (plain, tools, image)]
    few, more, most = (json.loads(reply.content.to_bytes())["input_tokens"] for reply in replies)
    assert few < 20 < more < 200
    assert most > 1000


STRANGE = (
    b'{ "messages" : [{"role":"user","content":"caf\\u00e9 <b>&amp;</b>"}],\n"max_tokens":1e2, "future_field":{"b":1.0,'
    b'"a":-0.0,"z":[1E400, 12345678901234567890]}, "model" : "claude" ,"stream":false}'
)


def test_a_request_for_the_same_wire_leaves_with_the_clients_bytes_but_for_the_model():
    """Trap 22: key order, white space, escapes and number formats survive. Trap 13: so do unknown fields."""
    raw = STRANGE.replace(b"1E400", b"1E4").replace(b"1e2", b"100")
    call = dialect.read_call(raw, headers={})
    assert dialect.write_call(call, Outgoing("opus")) == raw.replace(b'"claude"', b'"opus"')
    assert dialect.write_call(call, Outgoing("claude")) == raw
    assert dialect.write_call(call, Outgoing("claude", cap_output_tokens=100)) == raw


def test_a_cap_lowers_max_tokens_and_the_thinking_budget_that_must_lie_below_it():
    call = dialect.read_call(body(max_tokens=9000, thinking={"type": "enabled", "budget_tokens": 8000}), headers={})
    said = json.loads(dialect.write_call(call, Outgoing("claude", cap_output_tokens=4000)))
    assert (said["max_tokens"], said["thinking"]["budget_tokens"]) == (4000, 3999)


def test_thinking_that_another_wire_left_unsigned_is_taken_out_before_it_reaches_this_one():
    """Trap 20: signed blocks stay byte for byte, unsigned ones came from elsewhere and would be refused."""
    signed = {"type": "thinking", "thinking": "I know.", "signature": "c2lnbmVk"}
    unsigned = {"type": "thinking", "thinking": "I guess.", "signature": ""}
    turn = {"role": "assistant", "content": [unsigned, {"type": "text", "text": "Yes"}]}
    own = {"role": "assistant", "content": [signed, {"type": "text", "text": "No"}]}
    call = dialect.read_call(body(messages=[{"role": "user", "content": "?"}, own, turn]), headers={})
    messages = json.loads(dialect.write_call(call, Outgoing("claude")))["messages"]
    assert messages[1] == own
    assert messages[2]["content"] == [{"type": "text", "text": "Yes"}]


def test_system_text_comes_as_a_string_as_blocks_and_in_the_middle():
    """Trap 7."""
    assert read(system="Be kind").messages[0] == Message("system", (Text("Be kind"),))
    blocks = [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert read(system=blocks).messages[0] == Message("system", (Text("A", cache="1h"),))
    turns = [{"role": "user", "content": "x"}, {"role": "system", "content": "Now be brief"}]
    assert [message.role for message in read(messages=turns).messages] == ["user", "system"]


def test_system_text_in_the_middle_joins_the_top_unless_the_model_takes_it_there():
    """Trap 7: its authority is kept, its place only where the model allows."""
    conversation = talk(Message("system", (Text("A"),)), HELLO, Message("system", (Text("B"),)), HELLO)
    said = write(conversation)
    assert [block["text"] for block in said["system"]] == ["A", "B"]
    assert [turn["role"] for turn in said["messages"]] == ["user"]
    assert unsaid(conversation, TO) == ("system_position",)
    in_place = write(conversation, Outgoing("m", quirks=frozenset({"system_turns"})))
    assert [turn["role"] for turn in in_place["messages"]] == ["user", "system", "user"]


def test_a_prompt_of_system_text_alone_becomes_the_users():
    """Trap 7."""
    said = write(talk(Message("system", (Text("Tell a joke"),))))
    assert said["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Tell a joke"}]}]
    assert "system" not in said


@pytest.mark.parametrize(
    ("choice", "parallel", "said"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), True, {"type": "auto", "disable_parallel_tool_use": False}),
        (ToolChoice("required"), None, {"type": "any"}),
        (ToolChoice("named", "weather"), False, {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
    ],
)
def test_tool_choices_and_parallel_calls_map_both_ways(
    choice: ToolChoice | None, parallel: bool | None, said: dict[str, Any] | None
):
    """Traps 4 and 5."""
    written = write(talk(tools=(WEATHER,), tool_choice=choice, parallel_tools=parallel))
    assert written.get("tool_choice") == said
    again = read(tools=written["tools"], tool_choice=written.get("tool_choice"))
    if said is not None and said["type"] != "none":
        assert (again.tool_choice, again.parallel_tools) == (choice or ToolChoice("auto"), parallel)


@pytest.mark.parametrize(
    ("choice", "tools"),
    [(ToolChoice("named", "gone"), (WEATHER,)), (ToolChoice("named", "weather"), ()), (ToolChoice("required"), ())],
)
def test_a_choice_without_its_tool_is_refused(choice: ToolChoice, tools: tuple[Tool, ...]):
    """Trap 5."""
    with pytest.raises(Invalid) as caught:
        write(talk(tools=tools, tool_choice=choice))
    assert caught.value.param == "tool_choice"


def test_max_tokens_is_always_said_and_capped():
    """Trap 6."""
    assert write(talk())["max_tokens"] == 4096
    assert write(talk(), Outgoing("m", default_output_tokens=7))["max_tokens"] == 7
    assert write(talk(max_tokens=9000), Outgoing("m", cap_output_tokens=50))["max_tokens"] == 50


def test_sampling_is_left_out_and_disclosed_unless_the_model_takes_it():
    """Traps 6 and 13: models since Opus 4.7 answer 400 to any temperature; others take 0 to 1."""
    conversation = talk(temperature=1.7, top_p=0.5, top_k=3, stop=("END", "  "), seed=1, user="u" * 300)
    said = write(conversation)
    assert {"temperature", "top_p", "top_k"}.isdisjoint(said)
    assert len(said["metadata"]["user_id"]) == 64
    assert said["stop_sequences"] == ["END"]
    assert unsaid(conversation, TO) == ("temperature", "top_p", "top_k", "stop", "user", "seed")
    said = write(conversation, Outgoing("m", quirks=frozenset({"sampling"})))
    assert (said["temperature"], said["top_k"]) == (1.0, 3)
    assert "top_p" not in said, "models take one of the two"


def test_effort_becomes_adaptive_thinking_and_budgets_are_kept_for_models_that_take_them():
    """Trap 10: `output_config` and `thinking` of today's API."""
    said = write(talk(reasoning_effort="high"))
    assert (said["thinking"], said["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})
    assert write(talk(reasoning_effort="minimal"))["output_config"] == {"effort": "low"}
    assert write(talk(reasoning_effort="none"))["thinking"] == {"type": "disabled"}
    assert write(talk(reasoning_tokens=5000))["output_config"] == {"effort": "medium"}
    assert unsaid(talk(reasoning_effort="cosmic"), TO) == ("reasoning_effort",)
    forced = talk(reasoning_effort="low", tools=(WEATHER,), tool_choice=ToolChoice("required"))
    assert "thinking" not in write(forced)
    old = Outgoing("m", quirks=frozenset({"thinking_budget", "sampling"}))
    said = write(talk(reasoning_effort="medium", max_tokens=20_000, temperature=0.2), old)
    assert said["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert "temperature" not in said
    assert write(talk(reasoning_tokens=5000, max_tokens=3000), old)["thinking"]["budget_tokens"] == 2999
    assert unsaid(talk(reasoning_tokens=5000, max_tokens=500), old) == ("reasoning_tokens",)


def test_thinking_settings_are_read_into_effort_and_budget():
    assert read(thinking={"type": "enabled", "budget_tokens": 2048}).reasoning_tokens == 2048
    assert read(thinking={"type": "disabled"}).reasoning_effort == "none"
    assert read(thinking={"type": "adaptive"}, output_config={"effort": "max"}).reasoning_effort == "max"


def test_an_output_schema_goes_to_output_config_with_its_objects_closed():
    """Trap 10."""
    inner = {"type": "object", "properties": {"b": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#/$defs/i"}]}}, "$defs": {"i": inner}}
    form = write(talk(output=OutputSchema("answer", schema)))["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["$defs"]["i"]["additionalProperties"] is False
    assert read(output_config={"format": form}).output == OutputSchema("answer", form["schema"], strict=True)
    assert unsaid(talk(output=OutputSchema("x", None)), TO) == ("output",)


def test_empty_text_and_null_content_leave_no_blocks():
    """Trap 12."""
    said = write(
        talk(
            HELLO,
            Message("assistant", (Text(""), ToolUse("t1", "weather", ""))),
            Message("user", (ToolResult("t1", (Text(""),)), Text("\n "))),
            Message("assistant", ()),
            Message("assistant", (Text("Well: \n"),)),
            tools=(WEATHER,),
        )
    )
    assert said["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Well:"}]},
    ]
    with pytest.raises(Invalid):
        write(talk(Message("user", (Text(" "),))))


def test_parallel_tool_results_merge_into_one_user_turn_before_its_text():
    """Trap 23."""
    said = write(
        talk(
            HELLO,
            Message("assistant", (ToolUse("a", "weather", '{"city":"Rome"}'), ToolUse("b", "weather", "{}"))),
            Message("user", (ToolResult("a", (Text("sun"),)),)),
            Message("user", (Text("Go on"),)),
            Message("user", (ToolResult("b", (Text("rain"),), is_error=True),)),
            tools=(WEATHER,),
        )
    )
    turn = said["messages"][2]
    assert [block["type"] for block in turn["content"]] == ["tool_result", "tool_result", "text"]
    assert [block.get("is_error") for block in turn["content"]] == [None, True, None]
    assert len(said["messages"]) == 3


@pytest.mark.parametrize(
    "messages",
    [
        (HELLO, Message("user", (ToolResult("a", ()),))),
        (HELLO, Message("assistant", (ToolUse("a", "weather", "{}"),)), HELLO),
        (HELLO, Message("assistant", (ToolUse("a", "weather", "{}"),)), HELLO, Message("assistant", (Text("x"),))),
    ],
)
def test_calls_and_results_that_do_not_pair_are_refused(messages: tuple[Message, ...]):
    """Trap 23."""
    with pytest.raises(Invalid) as caught:
        write(talk(*messages, tools=(WEATHER,)))
    assert caught.value.param == "messages"


def test_tools_that_only_the_past_knows_are_declared_and_forbidden():
    """Trap 23: turns with tool calls are refused without definitions."""
    past = (HELLO, Message("assistant", (ToolUse("a", "f", "{}"),)), Message("user", (ToolResult("a", ()),)))
    said = write(talk(*past))
    assert [tool["name"] for tool in said["tools"]] == ["f"]
    assert said["tool_choice"] == {"type": "none"}


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_tool_id_maps_to_one_that_the_wire_accepts_and_always_the_same(tool_id: str):
    """Trap 23: `^[a-zA-Z0-9_-]+$`."""
    mapped = anthropic_tool_id(tool_id)
    assert mapped.isascii()
    assert mapped.replace("_", "a").replace("-", "a").isalnum()
    assert len(mapped) <= 64
    assert mapped == anthropic_tool_id(tool_id) == anthropic_tool_id(mapped)


def test_tool_arguments_cross_number_for_number_and_broken_ones_are_wrapped():
    """Trap 22 in the crossing: `1.0` stays `1.0`, big numbers keep their digits."""
    exact = '{"n":1.0,"big":12345678901234567890,"html":"<b>"}'
    calls = (ToolUse("a", "f", exact), ToolUse("b", "f", '{"cut'), ToolUse("c", "f", "[1]"))
    results = tuple(ToolResult(call.id, ()) for call in calls)
    raw = dialect.from_conversation(talk(HELLO, Message("assistant", calls), Message("user", results)), TO)
    assert exact.encode() in raw
    inputs = [block["input"] for block in json.loads(raw)["messages"][1]["content"]]
    assert inputs[1:] == [{"arguments": '{"cut'}, {"arguments": "[1]"}]


def test_images_cross_by_url_and_inline_and_other_media_types_are_refused():
    """Trap 14."""
    images = (Image(url="https://example.test/a.png", detail="high"), Image(data="aGk=", media_type="image/png"))
    said = write(talk(Message("user", images)))
    assert [block["source"] for block in said["messages"][0]["content"]] == [
        {"type": "url", "url": "https://example.test/a.png"},
        {"type": "base64", "media_type": "image/png", "data": "aGk="},
    ]
    (turn,) = write(talk(Message("user", (Image(data="aGk=", media_type="image/jpg"),))))["messages"]
    assert turn["content"][0]["source"]["media_type"] == "image/jpeg"
    assert unsaid(talk(Message("user", images)), TO) == ("image_detail",)
    with pytest.raises(Invalid):
        write(talk(Message("user", (Image(data="aGk=", media_type="image/tiff"),))))


def test_documents_cross_as_pdf_as_text_and_by_url():
    """Trap 14."""
    text = base64.b64encode("Grüße".encode()).decode()
    files = (
        Document(data="JVBERi0=", media_type="application/pdf", name="a.pdf"),
        Document(data=text, media_type="text/plain"),
        Document(url="https://example.test/a.pdf"),
    )
    said = write(talk(Message("user", files)))
    assert said["messages"][0]["content"][1]["source"] == {"type": "text", "media_type": "text/plain", "data": "Grüße"}
    assert read(messages=said["messages"]).messages[0].parts == files
    for bad in (Document(data="x", media_type="audio/wav"), Document(data="%", media_type="text/plain")):
        with pytest.raises(Invalid):
            write(talk(Message("user", (bad,))))


def test_search_results_cross_as_text_that_says_where_it_is_from():
    """Trap 23: it is what the tool answered; its `source` is a string, unlike those of images and documents."""
    texts = [{"type": "text", "text": "Rain"}, {"type": "text", "text": "until noon"}]
    found = {"type": "search_result", "source": "https://w.test", "title": "Weather", "content": texts}
    held = {"type": "search_result", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [found, held]}
    text = Text("Weather\nhttps://w.test\nRain\nuntil noon")
    conversation = read(messages=[{"role": "user", "content": [result, found]}])
    assert conversation.messages[0].parts == (ToolResult("t", (text, Image(url="u"))), text)
    assert conversation.dropped == ()


def test_what_a_document_says_of_itself_crosses_before_it():
    """Trap 14."""
    source = {"type": "text", "media_type": "text/plain", "data": "hi"}
    document = {"type": "document", "title": "T", "context": "A letter.", "source": source}
    parts = read(messages=[{"role": "user", "content": [document]}]).messages[0].parts
    assert parts == (Text("A letter."), Document("aGk=", "text/plain", None, "T"))


@pytest.mark.parametrize("kind", ["image", "document"])
def test_a_file_that_only_its_provider_holds_cannot_cross(kind: str):
    """Trap 14: leaving it out would change what is asked."""
    block = {"type": kind, "source": {"type": "file", "file_id": "file_1"}}
    with pytest.raises(Invalid) as caught:
        read(messages=[{"role": "user", "content": [block]}])
    assert caught.value.param == "messages.0.content.0.source"


def test_what_has_no_typed_form_is_listed_as_dropped():
    """Traps 13, 21 and 27."""
    ephemeral = {"type": "ephemeral"}
    conversation = read(
        service_tier="standard_only",
        speed="standard",
        tools=[
            {"type": "web_search_20250305", "name": "web_search"},
            {"name": "g", "input_schema": {"type": "object"}, "allowed_callers": ["code_execution_20260120"]},
            {"name": "f", "input_schema": {"type": "object"}, "cache_control": ephemeral, "defer_loading": True},
        ],
        messages=[
            {
                "role": "assistant",
                "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}],
            },
            {"role": "user", "content": [{"type": "text", "text": "", "cache_control": ephemeral}]},
        ],
    )
    assert conversation.dropped == (
        "service_tier",
        "tools.web_search_20250305",
        "tools.custom",
        "tools.defer_loading",
        "cache_control",
        "content.server_tool_use",
    )


def test_cache_breakpoints_survive_on_text_and_number_at_most_four():
    """Trap 21."""
    parts = tuple(Text(f"part {n}", cache="1h" if n == 5 else "5m") for n in range(6))
    blocks = write(talk(Message("system", parts[:2]), Message("user", parts[2:])))
    marked = [block.get("cache_control") for block in (*blocks["system"], *blocks["messages"][0]["content"])]
    assert marked == [None, None, *[{"type": "ephemeral"}] * 3, {"type": "ephemeral", "ttl": "1h"}]


def test_reasoning_does_not_cross_and_refusals_cross_as_text():
    """Traps 8, 11 and 20: a signature is worth nothing away from its origin."""
    said = talk(HELLO, Message("assistant", (Reasoning("hm", signature="s"), Refusal("I won't"))), HELLO)
    assert write(said)["messages"][1]["content"] == [{"type": "text", "text": "I won't"}]
    assert unsaid(said, TO) == ("reasoning",)


def test_tool_results_are_read_from_strings_blocks_and_nothing():
    turns = [
        {"type": "tool_result", "tool_use_id": "a", "content": "sun"},
        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "x"}], "is_error": True},
        {"type": "tool_result", "tool_use_id": "c"},
    ]
    parts = read(messages=[{"role": "user", "content": turns}]).messages[0].parts
    assert parts == (
        ToolResult("a", (Text("sun"),)),
        ToolResult("b", (Text("x"),), is_error=True),
        ToolResult("c", ()),
    )


def test_segments_know_who_wrote_them():
    call = dialect.read_call(
        body(
            system="S",
            tools=[{"name": "f", "description": "D", "input_schema": {"type": "object"}}],
            messages=[
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "R"}]},
                {"role": "assistant", "content": "A"},
            ],
        ),
        headers={},
    )
    origins = {segment.text: segment.origin for segment in call.content.segments()}
    assert [origins[text] for text in "SDRA"] == ["system", "schema", "tool", "assistant"]


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text != ""
)
IDS = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
LIVES: list[Literal["5m", "1h"] | None] = [None, None, "5m", "1h"]
CACHE = st.sampled_from(LIVES)
TEXTS = st.builds(Text, WORDS, cache=st.none())
USER_PARTS = st.lists(
    st.one_of(
        TEXTS,
        st.builds(Image, url=WORDS),
        st.builds(Image, data=st.just("aGk="), media_type=st.just("image/png")),
        st.builds(Document, url=WORDS, name=st.none() | WORDS),
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message("system", (Text(draw(WORDS), cache=draw(CACHE)),)))
    messages.append(Message("user", tuple(draw(USER_PARTS))))
    for turn in range(draw(st.integers(0, 2))):
        ids = [f"{turn}{tool_id}"[:64] for tool_id in draw(st.lists(IDS, unique=True, max_size=3))]
        calls = tuple(ToolUse(tool_id, "weather", '{"city":1.0}') for tool_id in ids)
        messages.append(Message("assistant", (Text(draw(WORDS)), *calls)))
        results = tuple(ToolResult(tool_id, (Text(draw(WORDS)),), is_error=draw(st.booleans())) for tool_id in ids)
        messages.append(Message("user", (*results, *draw(USER_PARTS))))
    return Conversation(
        messages=tuple(messages),
        tools=(WEATHER,),
        tool_choice=draw(st.sampled_from([ToolChoice("auto"), ToolChoice("named", "weather"), ToolChoice("none")])),
        max_tokens=draw(st.integers(1, 9999)),
        stop=tuple(draw(st.lists(WORDS, max_size=2))),
        output=draw(st.none() | st.just(OutputSchema("answer", {"type": "string"}, strict=True))),
        reasoning_effort=draw(st.none() | st.sampled_from(["low", "max"])),
        user=draw(st.none() | WORDS),
        stream=draw(st.booleans()),
        include_usage=True,
    )


@given(conversations())
@settings(max_examples=60, deadline=None)
def test_a_conversation_that_the_wire_can_say_survives_the_way_there_and_back(conversation: Conversation):
    raw = dialect.from_conversation(conversation, TO)
    call = dialect.read_call(raw, headers={})
    assert dialect.to_conversation(call.content) == conversation
    assert dialect.from_conversation(dialect.to_conversation(call.content), TO) == raw
    assert unsaid(conversation, TO) == ()


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "robot", "content": "x"}], "messages.0.role"),
        ([{"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]}], "messages.0.content.0.id"),
        (
            [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}],
            "messages.0.content.0.source.url",
        ),
        ([{"role": "user", "content": [{"type": "text", "text": 3}]}], "messages.0.content.0.text"),
        ([{"role": "user", "content": [{"type": "image", "source": "u"}]}], "messages.0.content.0.source"),
        ([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": 3}]}], None),
    ],
)
def test_a_malformed_turn_is_refused_with_its_place_when_it_is_to_cross(
    messages: list[dict[str, Any]], param: str | None
):
    with pytest.raises(Invalid) as caught:
        dialect.to_conversation(PlainBody(body(messages=messages)))
    assert caught.value.param == param


def test_a_choice_of_an_unknown_kind_and_a_body_that_is_no_json_do_not_cross():
    for raw in (body(tool_choice={"type": "whim"}), b"{"):
        with pytest.raises(Invalid):
            dialect.to_conversation(PlainBody(raw))


def test_a_document_made_of_blocks_crosses_as_its_parts():
    """Traps 14 and 21."""
    parts = [{"type": "text", "text": "A"}, {"type": "image", "source": {"type": "url", "url": "u"}}]
    document = {
        "type": "document",
        "source": {"type": "content", "content": parts},
        "cache_control": {"type": "ephemeral"},
    }
    empty = {"type": "tool_result", "tool_use_id": "t", "content": ""}
    conversation = read(messages=[{"role": "user", "content": [document, empty]}])
    assert conversation.messages[0].parts == (Text("A"), Image(url="u"), ToolResult("t", ()))
    assert conversation.dropped == ("cache_control",)


def test_a_body_of_another_content_is_edited_too_and_both_operations_are_known():
    call = dialect.read_call(body(), headers={})
    assert dialect.write_call(call.with_content(PlainBody(body())), Outgoing("claude")) == body()
    assert {route.operation for route in dialect.routes} == {"chat", "count_tokens"}
    assert dialect.name == call.wire


def test_a_cap_leaves_a_budget_below_it_and_turns_that_hold_nothing_else_alone():
    thinking = {"type": "thinking", "thinking": "x", "signature": ""}
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": [thinking]}]
    call = dialect.read_call(
        body(max_tokens=9000, thinking={"type": "enabled", "budget_tokens": 2000}, messages=turns), headers={}
    )
    said = json.loads(dialect.write_call(call, Outgoing("claude", cap_output_tokens=4000)))
    assert (said["max_tokens"], said["thinking"]["budget_tokens"]) == (4000, 2000)
    assert said["messages"] == turns


def test_tools_without_a_description_or_a_type_and_old_models_without_effort_are_written_plainly():
    bare = Tool("f", None, {"properties": {"a": {}}}, strict=True)
    said = write(talk(Message("assistant", (Refusal(""), Text("Sure"))), tools=(bare,)), Outgoing("m"))
    schema: Any = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    assert said["tools"] == [{"name": "f", "input_schema": schema, "strict": True}]
    assert "thinking" not in write(talk(), Outgoing("m", quirks=frozenset({"thinking_budget"})))
