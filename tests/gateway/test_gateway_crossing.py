"""What crosses from one wire to another, what is named as left out, and what is refused rather than lost."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from headgate.kernel.errors import Invalid
from headgate.testing.gate import Gate, gate
from headgate.testing.simulator import Script, Simulator, ToolCall
from headgate.testing.simulator.server import Received

PARAMETERS: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL: dict[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
CUSTOM_TOOL: dict[str, Any] = {"type": "custom", "custom": {"name": "grammar"}}
ANTHROPIC_TOOL = {"name": "weather", "input_schema": PARAMETERS}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}
SHELL = {"type": "bash_20250124", "name": "bash"}
MESSAGE_FIELDS = ["messages[0].cut", "messages[0].name"]
SERVED = {"allowed_callers": ["code_execution_20260120"]}
OTHER = {"openai": "anthropic", "anthropic": "openai"}


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


async def sent(gateway: Gate, upstream: Simulator, wire: str, body: dict[str, Any], **how: Any) -> dict[str, Any]:
    """Ask a deployment of the other wire; return the request that it got, with `dropped` as the client is told it."""
    if not gateway.deployments:
        gateway.add("d1", upstream, provider=OTHER[wire], **how)
    done = await gateway.ask(wire=wire, body=body)
    dropped = str(done.run.facts.get("dropped", ""))
    return {**upstream.requests[-1].json, "dropped": dropped.split(",") if dropped else []}


def user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


@pytest.mark.parametrize(
    ("wire", "body", "param"),
    [
        ("anthropic", {"container": "container_1"}, "container"),
        ("anthropic", {"mcp_servers": [{"type": "url", "url": "https://m", "name": "m"}]}, "mcp_servers"),
        ("anthropic", {"compaction": {"type": "enabled"}}, "compaction"),
        ("anthropic", {"inference_geo": "eu"}, "inference_geo"),
        ("anthropic", {"user_profile_id": "u"}, "user_profile_id"),
        ("anthropic", {"tools": [SEARCH]}, "tools"),
        ("anthropic", {"tools": [SEARCH, ANTHROPIC_TOOL], "tool_choice": {"type": "tool", "name": "web_search"}}, None),
        ("anthropic", {"tools": [SHELL], "tool_choice": {"type": "any"}}, "tools"),
        ("anthropic", {"tools": [{**ANTHROPIC_TOOL, **SERVED}]}, "tools"),
        ("anthropic", {"messages": user({"type": "container_upload", "file_id": "f"})}, "messages.0.content.0"),
        ("anthropic", {"messages": user({"type": "tool_removal", "tool": {"name": "x"}})}, "messages.0.content.0"),
        (
            "anthropic",
            {"messages": user({"type": "compaction", "content": "s", "tool_changes": [{"type": "tool_removal"}]})},
            "messages.0.content.0",
        ),
        ("openai", {"previous_response_id": "resp_1"}, "previous_response_id"),
        ("openai", {"store": True}, "store"),
        ("openai", {"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ("openai", {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, "modalities"),
        ("openai", {"audio": {"voice": "a", "format": "wav"}}, "audio"),
        ("openai", {"moderation": {"model": "m"}}, "moderation"),
        ("openai", {"tools": [CUSTOM_TOOL]}, "tools"),
        (
            "openai",
            {
                "tools": [CUSTOM_TOOL, OPENAI_TOOL],
                "tool_choice": {"type": "custom", "custom": {"name": "grammar"}},
            },
            "tool_choice",
        ),
        (
            "openai",
            {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}, *user({"type": "text", "text": "x"})]},
            "messages[0].audio",
        ),
    ],
)
async def test_what_carries_state_or_authority_and_cannot_cross_is_refused(
    gateway: Gate, upstream: Simulator, wire: str, body: dict[str, Any], param: str | None
) -> None:
    gateway.add("d1", upstream, provider=OTHER[wire])
    with pytest.raises(Invalid) as caught:
        await gateway.ask(wire=wire, body=body)
    assert caught.value.param == (param or "tool_choice")
    assert not upstream.requests
    gateway.add("d2", upstream, provider=wire)
    await gateway.ask(wire=wire, body=body)
    assert upstream.requests[0].json["model"] == "d2-model", "a deployment of the client's own wire takes it"


@pytest.mark.parametrize(
    ("wire", "body", "dropped"),
    [
        ("anthropic", {"tools": [SEARCH, ANTHROPIC_TOOL]}, ["tools.web_search_20260318"]),
        ("anthropic", {"tools": [SEARCH], "tool_choice": {"type": "none"}}, ["tools.web_search_20260318"]),
        (
            "anthropic",
            {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
            ["context_management"],
        ),
        ("anthropic", {"context_management": {"edits": ()}, "fallbacks": (), "service_tier": "auto"}, []),
        ("anthropic", {"inference_geo": "global", "container": None, "mcp_servers": (), "thread": None}, []),
        ("anthropic", {"thinking": {"type": "adaptive", "display": "omitted"}}, ["thinking.display"]),
        (
            "anthropic",
            {"output_config": {"task_budget": {"type": "tokens", "total": 9}}},
            ["output_config.task_budget"],
        ),
        ("openai", {"messages": [{"role": "user", "content": "x", "name": "a", "cut": 1}]}, MESSAGE_FIELDS),
        ("openai", {"messages": [{"role": "user", "content": "x", "annotations": (), "id": None}]}, []),
        ("openai", {"tools": [CUSTOM_TOOL, OPENAI_TOOL]}, ["tools[0].custom"]),
        ("openai", {"prediction": {"type": "content", "content": "x"}, "n": 2}, ["n", "prediction"]),
        ("openai", {"store": False, "modalities": ["text"], "n": 1, "logprobs": None, "metadata": {}}, []),
    ],
)
async def test_what_is_harmless_and_cannot_cross_is_left_out_and_named(
    gateway: Gate, upstream: Simulator, wire: str, body: dict[str, Any], dropped: list[str]
) -> None:
    said = await sent(gateway, upstream, wire, body)
    assert sorted(said.pop("dropped")) == dropped
    assert not set(said) & (set(body) - {"tools", "tool_choice", "messages"})


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
async def test_a_thread_is_refused_whatever_the_deployment_speaks(
    gateway: Gate, upstream: Simulator, provider: str, thread: dict[str, str]
) -> None:
    gateway.add("d1", upstream, provider=provider)
    with pytest.raises(Invalid) as caught:
        await gateway.ask(wire="anthropic", body={"thread": thread})
    assert (caught.value.code, caught.value.param) == ("thread_unsupported_request", "thread")


async def test_references_and_marks_cross_and_citations_are_named(gateway: Gate, upstream: Simulator) -> None:
    found = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "tool_reference", "tool_name": "clock"}]}
    page = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    call: dict[str, Any] = {"type": "tool_use", "id": "c", "name": "weather", "input": {}}
    asked = user(found, {**page, "citations": {"enabled": True}})
    body: dict[str, Any] = {"messages": [{"role": "assistant", "content": [call]}, *asked], "tools": [ANTHROPIC_TOOL]}
    said = await sent(gateway, upstream, "anthropic", body)
    assert said["messages"][1]["content"] == "clock"
    assert said["dropped"] == ["citations"]
    gateway.deployments.clear()
    marked = {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    said = await sent(gateway, upstream, "openai", {"messages": user(marked)})
    assert said["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


async def test_a_choice_of_an_absent_function_is_refused(gateway: Gate, upstream: Simulator) -> None:
    with pytest.raises(Invalid, match="not offered"):
        await sent(gateway, upstream, "openai", {"functions": [{"name": "f"}], "function_call": {"name": "g"}})


async def test_a_call_with_an_unknown_reason_to_stop_is_a_call(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream, provider="anthropic")
    call: dict[str, Any] = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    upstream.script(Script(body=json.dumps({"type": "message", "content": [call], "stop_reason": "cosmic"}).encode()))
    assert (await gateway.answer())["choices"][0]["finish_reason"] == "tool_calls"


async def test_the_summary_of_a_compacted_conversation_crosses(gateway: Gate, upstream: Simulator) -> None:
    compacted = {"role": "assistant", "content": [{"type": "compaction", "content": "We spoke of Rome."}]}
    said = await sent(gateway, upstream, "anthropic", {"messages": [compacted, {"role": "user", "content": "And?"}]})
    assert said["messages"][0] == {"role": "assistant", "content": "We spoke of Rome."}


@pytest.mark.parametrize(("mode", "kind"), [("auto", "auto"), ("required", "any")])
async def test_allowed_tools_become_the_only_tools(gateway: Gate, upstream: Simulator, mode: str, kind: str) -> None:
    other = {"type": "function", "function": {"name": "clock"}}
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "weather"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    said = await sent(gateway, upstream, "openai", {"tools": [OPENAI_TOOL, other], "tool_choice": choice})
    assert ([tool["name"] for tool in said["tools"]], said["tool_choice"]) == (["weather"], {"type": kind})
    wrongs: tuple[dict[str, Any], ...] = (
        {"mode": mode, "tools": []},
        {**allowed, "mode": "none"},
        {"mode": mode, "tools": [CUSTOM_TOOL]},
    )
    for wrong in wrongs:
        with pytest.raises(Invalid):
            body = {"tools": [OPENAI_TOOL, CUSTOM_TOOL], "tool_choice": {**choice, "allowed_tools": wrong}}
            await sent(gateway, upstream, "openai", body)


# ---- Answers of servers that deviate from their wire


def chunk(delta: dict[str, Any], finish: str | None = None, **choice: Any) -> dict[str, Any]:
    said = {"index": 0, "delta": delta, "finish_reason": finish, **choice}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [said]}


def called(index: int, arguments: Any, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}
    return {"index": index, "type": "function", "function": function, **more}


def stream_of(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def heard(frames: bytes, wire: str) -> dict[str, Any]:
    """What a client of that wire makes of a stream: its text, reasoning, calls and reason to stop."""
    events = [json.loads(line[6:]) for line in frames.decode().splitlines() if line[:7] == "data: {"]
    said: dict[str, Any] = {"text": "", "reasoning": "", "calls": {}}
    for event in events:
        if wire == "anthropic":
            block, delta = event.get("content_block", {}), event.get("delta", {})
            if block.get("type") == "tool_use":
                said["calls"][event["index"]] = [block["id"], block["name"], ""]
            said["text"] += delta.get("text", "")
            said["reasoning"] += delta.get("thinking", "")
            if "partial_json" in delta:
                said["calls"][event["index"]][2] += delta["partial_json"]
            if "stop_reason" in delta:
                said["stop"] = (delta["stop_reason"], delta.get("stop_sequence"))
            continue
        for choice in event["choices"]:
            delta = choice["delta"]
            said["text"] += delta.get("content") or ""
            said["reasoning"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                found = said["calls"].setdefault(call["index"], [call.get("id"), call["function"].get("name"), ""])
                found[2] += call["function"].get("arguments") or ""
            if choice["finish_reason"]:
                said["stop"] = (choice["finish_reason"], None)
    said["calls"] = list(said["calls"].values())
    return said


WEATHER = called(0, '{"city":', name="weather", id="call_1")
STREAMS: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "two pieces of one call in one chunk": (
        (chunk({"tool_calls": [WEATHER, called(0, '"Rome"}')]}), chunk({}, "tool_calls")),
        {"calls": [["call_1", "weather", '{"city":"Rome"}']], "stop": "tool_use"},
    ),
    "two pieces of one choice in one chunk": (
        ({**chunk({}), "choices": [*chunk({"content": "a"})["choices"], *chunk({"content": "b"})["choices"]]},),
        {"text": "ab", "stop": "end_turn"},
    ),
    "arguments as an object": (
        (chunk({"tool_calls": [called(0, {"city": "Rome"}, name="weather", id="call_1")]}), chunk({}, "tool_calls")),
        {"calls": [["call_1", "weather", '{"city":"Rome"}']], "stop": "tool_use"},
    ),
    "a list of parts": (
        (
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]}),
            chunk({"content": [{"type": "text", "text": "Ro"}, {"type": "reference", "reference_ids": [1]}]}),
            chunk({"content": "me"}, "stop"),
        ),
        {"reasoning": "Hm", "text": "Rome", "stop": "end_turn"},
    ),
    "half a character at the end of a chunk": (
        (chunk({"content": "a\ud83d"}), chunk({"content": "\ude00b\ud83d"}), chunk({}, "stop")),
        {"text": "a😀b\ufffd", "stop": "end_turn"},
    ),
    "half a character in reasoning and in arguments": (
        (
            chunk({"reasoning_content": "\ud83d"}),
            chunk({"reasoning_content": "\ude00"}),
            chunk({"tool_calls": [called(0, '{"city":"\ud83d', name="weather", id="call_1")]}),
            chunk({"tool_calls": [called(0, '\ude00"}')]}, "tool_calls"),
        ),
        {"reasoning": "😀", "calls": [["call_1", "weather", '{"city":"😀"}']], "stop": "tool_use"},
    ),
    "a stop sequence as vLLM tells it": (
        (chunk({"content": "a"}, "stop", stop_reason="END"),),
        {"text": "a", "stop": "stop_sequence"},
    ),
    "a stop sequence as SGLang tells it": (
        (chunk({"content": "a"}, "stop", matched_stop="END"),),
        {"text": "a", "stop": "stop_sequence"},
    ),
    "no reason": ((chunk({"content": "a"}),), {"text": "a", "stop": "end_turn"}),
    "empty reasons": (
        (chunk({"content": "a"}, ""), chunk({"content": "b"}, "stop")),
        {"text": "ab", "stop": "end_turn"},
    ),
    "no reason after a call": ((chunk({"tool_calls": [called(0, "{}", name="f", id="c")]}),), {"stop": "tool_use"}),
    "an unknown reason after a call": (
        (chunk({"tool_calls": [called(0, "{}", name="f", id="c")]}), chunk({}, "cosmic_ray")),
        {"stop": "tool_use"},
    ),
    "another server's word": ((chunk({"content": "a"}, "model_length"),), {"stop": "max_tokens"}),
    "one id for two calls": (
        (
            chunk({"tool_calls": [called(0, "", name="f", id="c"), called(1, "", name="g", id="c")]}),
            chunk({"tool_calls": [called(0, "{}", id="c"), called(1, '{"n":1}', id="c")]}),
            chunk({"tool_calls": [called(2, "{}", name="h", id="")]}),
            chunk({}, "tool_calls"),
        ),
        {"stop": "tool_use"},
    ),
    "half a character beside a call without arguments": (
        (
            {**chunk({"content": "a\ud83d", "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]})},
            {**chunk({}), "choices": [{"index": 0, "finish_reason": "tool_calls"}]},
        ),
        {"text": "a\ufffd", "stop": "tool_use"},
    ),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_streams_that_deviate_from_openais_wire_reach_an_anthropic_client(
    gateway: Gate, upstream: Simulator, name: str
) -> None:
    events, expected = STREAMS[name]
    gateway.add("d1", upstream)
    upstream.script(Script(body=stream_of(*events), content_type="text/event-stream"))
    said = heard(await gateway.frames(wire="anthropic"), "anthropic")
    stop, sequence = said.pop("stop")
    assert {key: said[key] for key in expected if key != "stop"} == {k: v for k, v in expected.items() if k != "stop"}
    assert stop == expected["stop"]
    assert sequence == ("END" if stop == "stop_sequence" else None)
    assert len({call[0] for call in said["calls"]}) == len(said["calls"])


@pytest.mark.parametrize("name", [name for name in STREAMS if "reason" not in name])
async def test_streams_that_deviate_from_openais_wire_reach_an_openai_client(
    gateway: Gate, upstream: Simulator, name: str
) -> None:
    events, expected = STREAMS[name]
    gateway.add("d1", upstream)
    upstream.script(Script(body=stream_of(*events), content_type="text/event-stream"))
    said = heard(await gateway.frames(wire="openai"), "openai")
    assert {key: said[key] for key in expected if key != "stop"} == {k: v for k, v in expected.items() if k != "stop"}


@pytest.mark.parametrize("client", ["openai", "anthropic"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/plain", ""])
async def test_a_stream_is_known_by_its_start_and_a_whole_answer_becomes_one(
    gateway: Gate, upstream: Simulator, client: str, provider: str, kind: str
) -> None:
    tools = (ToolCall("weather", '{"city":"Rome"}', "call_1"),)
    script = Script(text="Hello", reasoning=("Hm",), tool_calls=tools, content_type=kind)
    gateway.add("d1", upstream, provider=provider)
    upstream.script(script)
    streamed = heard(await gateway.frames(wire=client), client)
    path, headers = "/v1/chat/completions", dict[str, str]()
    if provider == "anthropic":
        path, headers = "/v1/messages", {"anthropic-version": "2023-06-01"}
    request = {key: value for key, value in upstream.requests[0].json.items() if not key.startswith("stream")}
    upstream.script(script)
    async with httpx2.AsyncClient() as asked:
        whole = await asked.post(upstream.base_url + path, json=request, headers=headers)
    upstream.script(Script(body=whole.content, content_type=None if kind == "text/event-stream" else kind))
    assert heard(await gateway.frames(wire=client), client) == streamed
    upstream.script(Script(text="Hello", tokens=None), Script(body=b'{"error":{"message":"busy"}}', content_type=kind))
    assert heard(await gateway.frames(wire=client), client)["text"] == streamed["text"] == "Hello"
    assert [call[1:] for call in streamed["calls"]] == [["weather", '{"city":"Rome"}']]


async def test_a_whole_answer_of_nothing_but_text_becomes_a_stream(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream)
    message = {"role": "assistant", "content": "Hello"}
    upstream.script(Script(body=json.dumps({"id": "c", "choices": [{"index": 0, "message": message}]}).encode()))
    said = heard(await gateway.frames(wire="anthropic"), "anthropic")
    assert (said["text"], said["stop"]) == ("Hello", ("end_turn", None))


async def test_what_the_provider_itself_runs_is_no_call_of_the_clients(gateway: Gate, upstream: Simulator) -> None:
    def block(index: int, begun: dict[str, Any], *pieces: str) -> list[dict[str, Any]]:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        told = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        start = {"type": "content_block_start", "index": index, "content_block": begun}
        return [start, *told, {"type": "content_block_stop", "index": index}]

    search: dict[str, Any] = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    weather: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1}}},
        *block(0, search, '{"query":', '"rain"}'),
        *block(1, weather, '{"city":', '"Rome"}'),
        *block(2, search, '{"query":"sun"}'),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    gateway.add("d1", upstream, provider="anthropic")
    upstream.script(Script(body=stream_of(*events), content_type="text/event-stream"))
    said = heard(await gateway.frames(wire="openai"), "openai")
    assert said["calls"] == [["toolu_1", "weather", '{"city":"Rome"}']]


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_half_a_character_in_a_whole_answer_is_no_failure(
    gateway: Gate, upstream: Simulator, provider: str, wire: str
) -> None:
    gateway.add("d1", upstream, provider=provider)
    texts = {
        "openai": {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "a\ud83d"}}]},
        "anthropic": {"id": "m", "type": "message", "content": [{"type": "text", "text": "a\ud83d"}]},
    }
    upstream.script(Script(body=json.dumps(texts[provider]).encode()))
    assert "a\ufffd" in json.dumps(await gateway.answer(wire=wire), ensure_ascii=False)


async def test_halves_of_characters_in_an_anthropic_stream_are_joined(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream, provider="anthropic")
    pieces = [{"type": "text_delta", "text": text} for text in ("a\ud83d", "\ude00b")]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "\ud83d"}},
        *({"type": "content_block_delta", "index": 0, "delta": piece} for piece in pieces),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    for wire in ("openai", "anthropic"):
        upstream.script(Script(body=stream_of(*events), content_type="text/event-stream"))
        assert heard(await gateway.frames(wire=wire), wire)["text"] == "\ufffda😀b"


async def test_ids_of_calls_are_made_unique_alike_in_call_and_result(gateway: Gate, upstream: Simulator) -> None:
    ids = ["call_0", "call_0", "functions.f:0", "", "x" * 70]
    messages: list[dict[str, Any]] = []
    for number, call_id in enumerate(ids):
        function = {"name": "f", "arguments": json.dumps({"n": number})}
        messages.append(
            {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}
        )
        messages.append({"role": "tool", "tool_call_id": call_id, "content": str(number)})
    twice = [
        {"id": "t", "type": "function", "function": {"name": "f", "arguments": json.dumps({"n": n})}} for n in (5, 6)
    ]
    messages += [{"role": "assistant", "tool_calls": twice}]
    messages += [{"role": "tool", "tool_call_id": "t", "content": str(n)} for n in (5, 6)]
    pair = [{"id": f"p{n}", "type": "function", "function": {"name": "f", "arguments": f'{{"n":{n}}}'}} for n in (7, 8)]
    messages += [{"role": "assistant", "tool_calls": pair}]
    messages += [{"role": "tool", "tool_call_id": f"p{n}", "content": str(n)} for n in (8, 7)]
    messages += [{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"n":9}'}}]
    messages += [{"role": "function", "name": "f", "content": "9"}]
    said = await sent(gateway, upstream, "openai", {"messages": messages, "tools": [OPENAI_TOOL]})
    blocks = [block for message in said["messages"] for block in message["content"]]
    calls = {block["id"]: block["input"]["n"] for block in blocks if block["type"] == "tool_use"}
    results = {block["tool_use_id"]: block["content"][0]["text"] for block in blocks if block["type"] == "tool_result"}
    assert list(calls.values()) == list(range(10))
    assert results == {call_id: str(number) for call_id, number in calls.items()}
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call_id) for call_id in calls)


@pytest.mark.parametrize("stream", [False, True])
async def test_functions_of_the_form_before_tools_cross_and_are_answered_in_kind(
    gateway: Gate, upstream: Simulator, stream: bool
) -> None:
    gateway.add("d1", upstream, provider="anthropic")
    upstream.script(Script(text="", tool_calls=(ToolCall("weather", '{"city":"Rome"}'),)))
    body: dict[str, Any] = {"functions": [OPENAI_TOOL["function"]], "function_call": {"name": "weather"}}
    if stream:
        lines = (await gateway.frames(body=body)).decode().splitlines()
        choices = [json.loads(line[6:])["choices"][0] for line in lines if line[:7] == "data: {"]
        pieces = [choice["delta"].get("function_call", {}) for choice in choices]
        name, arguments = ("".join(piece.get(key, "") for piece in pieces) for key in ("name", "arguments"))
        finish = choices[-1]["finish_reason"]
    else:
        (choice,) = (await gateway.answer(body=body))["choices"]
        name, arguments = choice["message"]["function_call"]["name"], choice["message"]["function_call"]["arguments"]
        finish = choice["finish_reason"]
    assert (name, json.loads(arguments), finish) == ("weather", {"city": "Rome"}, "function_call")
    said = upstream.requests[0].json
    assert said["tool_choice"] == {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_that_cross_tell_when_they_were_made(gateway: Gate, upstream: Simulator, stream: bool) -> None:
    gateway.add("d1", upstream, provider="anthropic")
    now = int(gateway.bench.clock.now().timestamp())
    if stream:
        lines = (await gateway.frames()).decode().splitlines()
        times = {json.loads(line[6:])["created"] for line in lines if line[:7] == "data: {"}
    else:
        times = {(await gateway.answer())["created"]}
    assert times == {now}


# ---- Requests of Anthropic's clients for models of OpenAI's wire


async def test_system_text_is_one_string_at_the_start_unless_the_server_takes_more(
    gateway: Gate, upstream: Simulator
) -> None:
    body = {
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
        "messages": [
            *user({"type": "text", "text": "a"}, {"type": "text", "text": "b"}),
            {"role": "system", "content": "Now in French."},
            {"role": "user", "content": "c"},
        ],
    }
    said = await sent(gateway, upstream, "anthropic", body)
    assert said["messages"] == [
        {"role": "system", "content": "Be brief.\n\nBe kind.\n\nNow in French."},
        {"role": "user", "content": "a\nb"},
        {"role": "user", "content": "c"},
    ]
    assert said["dropped"] == ["system_position"]
    gateway.deployments["d1"] = replace(
        gateway.deployments["d1"], quirks=frozenset({"system_turns", "text_parts", "cache_breakpoints"})
    )
    body["system"] = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    said = await sent(gateway, upstream, "anthropic", body)
    assert [message["role"] for message in said["messages"]] == ["system", "user", "system", "user"]
    assert said["messages"][0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert [part["text"] for part in said["messages"][1]["content"]] == ["a", "b"]
    assert said["dropped"] == []


NAMES = ("weather", "mcp.files/read:all", "größe", "a" * 64, "a" * 65, "b" * 200, "mcp files/read:all")


@pytest.mark.parametrize(("client", "provider"), [("anthropic", "openai"), ("openai", "anthropic")])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NAMES)
async def test_names_of_tools_are_sent_as_the_wire_takes_them_and_come_back_as_they_were(
    gateway: Gate, upstream: Simulator, client: str, provider: str, stream: bool, name: str
) -> None:
    def answer(received: Received) -> Script:
        tool = received.json["tools"][-1]
        return Script(tool_calls=(ToolCall(tool.get("function", tool)["name"], '{"city":"Rome"}', "call_2"),))

    gateway.add("d1", upstream, provider=provider)
    upstream.script(answer)
    if client == "anthropic":
        call: dict[str, Any] = {"type": "tool_use", "id": "call_1", "name": name, "input": {}}
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": "sun"}
        turns: list[dict[str, Any]] = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        choice: dict[str, Any] = {"type": "tool", "name": name}
        tools = [{**ANTHROPIC_TOOL, "name": other} for other in (*NAMES, name)]
    else:
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
        turns = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
        ]
        choice = {"type": "function", "function": {"name": name}}
        tools = [
            {"type": "function", "function": {**OPENAI_TOOL["function"], "name": other}} for other in (*NAMES, name)
        ]
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": "x"}, *turns],
        "tools": tools,
        "tool_choice": choice,
    }
    if stream:
        (found,) = heard(await gateway.frames(wire=client, body=body), client)["calls"]
        assert found[1:] == [name, '{"city":"Rome"}']
    else:
        assert json.dumps(name) in json.dumps(await gateway.answer(wire=client, body=body))
    said = upstream.requests[0].json
    sent_names = [tool.get("function", tool)["name"] for tool in said["tools"]]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in sent_names)
    assert len(set(sent_names)) == len(NAMES)
    assert json.dumps(said["messages"]).count(json.dumps(sent_names[-1])) == 1
    assert said["tool_choice"].get("function", said["tool_choice"])["name"] == sent_names[-1]


async def test_documents_images_and_users_reach_an_openai_model(gateway: Gate, upstream: Simulator) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Rome is old."}}
    blocks = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "So is Athens."}]}}
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
    calls: list[dict[str, Any]] = [{"type": "tool_use", "id": f"call_{n}", "name": "shot", "input": {}} for n in (1, 2)]
    results = [
        {"type": "tool_result", "tool_use_id": "call_1", "content": [image, {"type": "text", "text": "one"}]},
        {"type": "tool_result", "tool_use_id": "call_2", "content": [{**plain, "title": "Notes"}, image]},
    ]
    messages: list[dict[str, Any]] = [
        *user(plain, blocks, pdf),
        {"role": "assistant", "content": calls},
        {"role": "user", "content": [*results, {"type": "text", "text": "And?"}]},
    ]
    tools = [{"name": "shot", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}]
    body: dict[str, Any] = {"messages": messages, "tools": tools, "metadata": {"user_id": "user_" * 20}}
    said = await sent(gateway, upstream, "anthropic", body)
    first, _, one, two, last = said["messages"]
    assert [part["type"] for part in first["content"]] == ["text", "text", "file"]
    assert [part["text"] for part in first["content"][:2]] == ["Rome is old.", "So is Athens."]
    assert (one["content"], two["content"]) == ("one", "Notes\n\nRome is old.")
    assert [part.get("text") for part in last["content"]] == [
        *("From the result of tool call call_1 of shot:", None, "From the result of tool call call_2 of shot:", None),
        "And?",
    ]
    assert said["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert len(said["user"]) == 64
    assert sorted(said["dropped"]) == ["cache_control", "user"]


OPEN: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**OPEN, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        (OPEN, False),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "properties": {"a": OPEN}}, False),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}}, True),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": OPEN}}}, False),
        ({**CLOSED, "properties": {"a": {"const": OPEN}}}, True),
        ({**CLOSED, "properties": {"a": {"not": {}}}}, False),
        ({"type": "array", "items": CLOSED}, False),
    ],
)
async def test_openai_is_asked_to_enforce_only_schemas_that_it_can(
    gateway: Gate, upstream: Simulator, schema: dict[str, Any], strict: bool
) -> None:
    tool = {"name": "f", "input_schema": schema, "strict": True}
    output = {"format": {"type": "json_schema", "schema": schema}}
    said = await sent(gateway, upstream, "anthropic", {"tools": [tool], "output_config": output})
    assert said["tools"][0]["function"]["strict"] is strict
    assert said["response_format"]["json_schema"]["strict"] is strict
    assert said["response_format"]["json_schema"]["schema"] == schema
    assert said["dropped"] == ([] if strict else ["tools.strict", "output.strict"])


# ---- Requests of OpenAI's clients for models of Anthropic's wire


async def test_schemas_lose_what_anthropic_refuses_and_nothing_that_merely_looks_like_it(
    gateway: Gate, upstream: Simulator
) -> None:
    lookalike = {"type": "object", "properties": {"minimum": 1}, "minLength": 3}
    schema = {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer", "minimum": 1, "description": "A number"},
            "kind": {"const": lookalike},
            "default": {"type": "object", "properties": {}, "default": lookalike, "examples": [lookalike]},
            "choice": {"oneOf": [{"enum": [lookalike]}, {"type": "array", "items": OPEN, "minItems": 2}]},
            "open": {**OPEN, "additionalProperties": {"type": "string", "format": "iban"}},
        },
        "$defs": {"name": {"type": "string", "maxLength": 5}},
    }
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    said = await sent(gateway, upstream, "openai", {"response_format": asked})
    found = said["output_config"]["format"]["schema"]
    inner = found["properties"]
    assert inner["minimum"] == {"type": "integer", "description": "A number (minimum: 1)"}
    assert inner["kind"] == {"const": lookalike}
    assert (inner["default"]["default"], inner["default"]["examples"]) == (lookalike, [lookalike])
    assert inner["choice"]["anyOf"][0] == {"enum": [lookalike]}
    assert inner["choice"]["anyOf"][1]["items"] == {**OPEN, "additionalProperties": False}
    assert found["$defs"]["name"] == {"type": "string", "description": "(maxLength: 5)"}
    assert [part["additionalProperties"] for part in (found, inner["default"], inner["open"])] == [False] * 3
    names = ("minimum", "oneOf", "minItems", "additionalProperties", "format", "maxLength")
    assert set(said["dropped"]) == {f"output.{name}" for name in names}


async def test_tools_with_a_choice_at_the_top_of_their_schema_become_plain_objects(
    gateway: Gate, upstream: Simulator
) -> None:
    variants = [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]
    tools = [{"type": "function", "function": {"name": k, "parameters": {k: variants}}} for k in ("anyOf", "allOf")]
    said = await sent(gateway, upstream, "openai", {"tools": tools})
    both = {"a": {"type": "string"}, "b": {"type": "string"}}
    plain = {"type": "object", "properties": both}
    assert [tool["input_schema"] for tool in said["tools"]] == [plain, {**plain, "required": ["b"]}]
    assert said["dropped"] == ["tools.anyOf", "tools.allOf"]
    gateway.deployments.clear()
    mine = [{"name": k, "input_schema": {k: variants}} for k in ("oneOf", "allOf")]
    said = await sent(gateway, upstream, "anthropic", {"tools": mine})
    assert [tool["function"]["parameters"] for tool in said["tools"]] == [plain, {**plain, "required": ["b"]}]
    assert said["dropped"] == ["tools.oneOf", "tools.allOf"]


async def test_a_json_object_is_asked_for_in_words(gateway: Gate, upstream: Simulator) -> None:
    said = await sent(gateway, upstream, "openai", {"response_format": {"type": "json_object"}})
    assert "JSON object" in said["system"][-1]["text"]
    assert said["messages"][0]["content"] == [{"type": "text", "text": "Good day"}]
    assert said["dropped"] == ["output"]


@pytest.mark.parametrize(
    ("body", "expected", "dropped"),
    [
        ({"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3}, ["top_p"]),
        ({"top_p": 0.5}, {"top_p": 0.5}, []),
        (
            {"temperature": 0.3, "top_k": 4, "reasoning_effort": "high"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            ["temperature", "top_k"],
        ),
        ({"top_p": 0.5, "reasoning_effort": "xhigh"}, {"output_config": {"effort": "xhigh"}}, ["top_p"]),
        ({"top_p": 0.97, "reasoning_effort": "low"}, {"top_p": 0.97}, []),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}, ["reasoning_effort"]),
        ({"reasoning_effort": "none", "temperature": 0.3}, {"thinking": {"type": "disabled"}, "temperature": 0.3}, []),
    ],
)
async def test_sampling_and_effort_become_what_the_model_takes(
    gateway: Gate, upstream: Simulator, body: dict[str, Any], expected: dict[str, Any], dropped: list[str]
) -> None:
    gateway.add("d1", upstream, provider="anthropic")
    gateway.deployments["d1"] = replace(gateway.deployments["d1"], quirks=frozenset({"sampling"}))
    said = await sent(gateway, upstream, "openai", body)
    assert {key: said.get(key) for key in expected} == expected
    assert not {"temperature", "top_p", "top_k"} & set(dropped) & set(said)
    assert said["dropped"] == dropped


ODD: list[Any] = [None, 5, "x", [], [5], {}, {"a": 5}, [{"properties": [1], "required": [{}]}]]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "keyword",
    ["properties", "required", "items", "anyOf", "allOf", "format", "minItems", "description", "additionalProperties"],
)
async def test_schemas_that_are_none_fail_nowhere_in_the_gate(
    gateway: Gate, upstream: Simulator, keyword: str, value: Any
) -> None:
    """What such a schema means is the provider's to judge."""
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string", keyword: value}}, keyword: value}
    function = {"name": "f", "parameters": schema, "strict": True}
    output = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    tools = [{"type": "function", "function": function}]
    assert (await sent(gateway, upstream, "openai", {"tools": tools, "response_format": output}))["tools"]
    gateway.deployments.clear()
    mine = [{"name": "f", "input_schema": schema, "strict": True}]
    config = {"format": {"type": "json_schema", "schema": schema}}
    assert (await sent(gateway, upstream, "anthropic", {"tools": mine, "output_config": config}))["tools"]


async def test_functions_beside_tools_are_named(gateway: Gate, upstream: Simulator) -> None:
    body = {"tools": [OPENAI_TOOL], "functions": [OPENAI_TOOL["function"]], "function_call": "auto"}
    assert (await sent(gateway, upstream, "openai", body))["dropped"] == ["functions", "function_call"]


@pytest.mark.parametrize("block", [{"type": "video"}, {"type": "web_search_tool_result", "tool_use_id": "s"}])
async def test_a_block_that_nobody_knows_is_refused_in_a_question_and_named_in_an_answer(
    gateway: Gate, upstream: Simulator, block: dict[str, Any]
) -> None:
    answered = [
        {"role": "assistant", "content": [block, {"type": "text", "text": "y"}]},
        {"role": "user", "content": "z"},
    ]
    said = await sent(gateway, upstream, "anthropic", {"messages": answered})
    assert said["dropped"] == [f"content.{block['type']}"]
    result = {"type": "tool_result", "tool_use_id": "c", "content": [block]}
    for asked in (user(block, {"type": "text", "text": "x"}), user(result)):
        with pytest.raises(Invalid, match="cannot be sent"):
            await gateway.ask(wire="anthropic", body={"messages": asked})
