"""The wires as the conformance tests see them: how a client asks and reads, and how a provider was asked.

Nothing here uses the gateway's codecs, so that a mistake of theirs cannot hide itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PIXEL = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d49484452")).decode()
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Call(NamedTuple):
    """A tool call, with its arguments as a value."""

    name: str
    arguments: Any


@dataclass(frozen=True)
class Question:
    """What a client asks, before it is in any wire's words.

    Args:
        tools: the names of functions with the parameters `SCHEMA`.
        choice: `auto`, `none`, `required`, or the name of a tool.
        results: whether the conversation goes on after two calls, whose results are `sunny` and `12:00`.
        thoughts: whether the client wants the model's thoughts, on wires where it has to say so.
    """

    text: str = "Good day"
    system: str | None = None
    tools: tuple[str, ...] = ()
    choice: str | None = None
    is_parallel: bool | None = None
    limit: int | None = None
    stop: str | None = None
    image: bool = False
    schema: bool = False
    results: bool = False
    thoughts: bool = False


@dataclass
class Seen:
    """What a client made of an answer."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    stop: str = ""
    usage: tuple[int, int, int] = (0, 0, 0)
    """All tokens of the prompt, those of them from a cache, and the tokens of the answer."""


@dataclass
class Asked:
    """What a provider was asked."""

    system: str = ""
    texts: list[str] = field(default_factory=list[str])
    tools: list[str] = field(default_factory=list[str])
    choice: str | None = None
    is_parallel: bool | None = None
    limit: int | None = None
    stop: list[str] = field(default_factory=list[str])
    images: int = 0
    schema: Any = None
    calls: list[tuple[str, Call]] = field(default_factory=list[tuple[str, Call]])
    results: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


CALLS = (("call_1", Call("weather", {"city": "Rome"})), ("call_2", Call("clock", {"city": "Rome"})))
RESULTS = (("call_1", "sunny"), ("call_2", "12:00"))


# ---- Clients


def _openai_body(asked: Question) -> dict[str, Any]:
    user: Any = asked.text
    if asked.image:
        url = {"url": f"data:image/png;base64,{PIXEL}"}
        user = [{"type": "text", "text": asked.text}, {"type": "image_url", "image_url": url}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": user}]
    if asked.system:
        messages.insert(0, {"role": "system", "content": asked.system})
    if asked.results:
        calls = [
            {"id": i, "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
            for i, c in CALLS
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": i, "content": text} for i, text in RESULTS]
    body: dict[str, Any] = {"messages": messages}
    if asked.tools:
        body["tools"] = [{"type": "function", "function": {"name": n, "parameters": SCHEMA}} for n in asked.tools]
    if asked.choice:
        named = {"type": "function", "function": {"name": asked.choice}}
        body["tool_choice"] = asked.choice if asked.choice in ("auto", "none", "required") else named
    if asked.is_parallel is not None:
        body["parallel_tool_calls"] = asked.is_parallel
    if asked.limit:
        body["max_completion_tokens"] = asked.limit
    if asked.stop:
        body["stop"] = [asked.stop]
    if asked.schema:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "city", "strict": True, "schema": SCHEMA},
        }
    return body


def _responses_body(asked: Question) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "input_text", "text": asked.text}]
    if asked.image:
        parts.append({"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PIXEL}"})
    items: list[dict[str, Any]] = [{"role": "user", "content": parts}]
    if asked.results:
        items += [
            {"type": "function_call", "call_id": i, "name": c.name, "arguments": json.dumps(c.arguments)}
            for i, c in CALLS
        ]
        items += [{"type": "function_call_output", "call_id": i, "output": text} for i, text in RESULTS]
    body: dict[str, Any] = {"input": items}
    if asked.system:
        body["instructions"] = asked.system
    if asked.tools:
        body["tools"] = [{"type": "function", "name": n, "parameters": SCHEMA, "strict": False} for n in asked.tools]
    if asked.choice:
        named = {"type": "function", "name": asked.choice}
        body["tool_choice"] = asked.choice if asked.choice in ("auto", "none", "required") else named
    if asked.is_parallel is not None:
        body["parallel_tool_calls"] = asked.is_parallel
    if asked.limit:
        body["max_output_tokens"] = asked.limit
    if asked.schema:
        body["text"] = {"format": {"type": "json_schema", "name": "city", "strict": True, "schema": SCHEMA}}
    return body


def _anthropic_body(asked: Question) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": asked.text}]
    if asked.image:
        content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}})
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if asked.results:
        uses = [{"type": "tool_use", "id": i, "name": c.name, "input": c.arguments} for i, c in CALLS]
        results = [{"type": "tool_result", "tool_use_id": i, "content": text} for i, text in RESULTS]
        messages += [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]
    body: dict[str, Any] = {"messages": messages, "max_tokens": asked.limit or 64}
    if asked.system:
        body["system"] = asked.system
    if asked.tools:
        body["tools"] = [{"name": n, "input_schema": SCHEMA} for n in asked.tools]
    kinds = {"auto": "auto", "none": "none", "required": "any"}
    if asked.choice:
        kind = kinds.get(asked.choice)
        body["tool_choice"] = {"type": kind} if kind else {"type": "tool", "name": asked.choice}
    if asked.is_parallel is not None:
        body.setdefault("tool_choice", {"type": "auto"})["disable_parallel_tool_use"] = not asked.is_parallel
    if asked.stop:
        body["stop_sequences"] = [asked.stop]
    if asked.schema:
        body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
    return body


def _gemini_body(asked: Question) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": asked.text}]
    if asked.image:
        parts.append({"inlineData": {"mimeType": "image/png", "data": PIXEL}})
    contents: list[dict[str, Any]] = [{"role": "user", "parts": parts}]
    if asked.results:
        calls = [{"functionCall": {"id": i, "name": c.name, "args": c.arguments}} for i, c in CALLS]
        names = {i: c.name for i, c in CALLS}
        said = [{"functionResponse": {"id": i, "name": names[i], "response": {"result": t}}} for i, t in RESULTS]
        contents += [{"role": "model", "parts": calls}, {"role": "user", "parts": said}]
    config: dict[str, Any] = {}
    body: dict[str, Any] = {"contents": contents}
    if asked.system:
        body["systemInstruction"] = {"parts": [{"text": asked.system}]}
    if asked.tools:
        declared = [{"name": n, "parametersJsonSchema": SCHEMA} for n in asked.tools]
        body["tools"] = [{"functionDeclarations": declared}]
    if asked.choice:
        mode = {"auto": "AUTO", "none": "NONE"}.get(asked.choice, "ANY")
        named = {"allowedFunctionNames": [asked.choice]} if asked.choice not in ("auto", "none", "required") else {}
        body["toolConfig"] = {"functionCallingConfig": {"mode": mode, **named}}
    if asked.limit:
        config["maxOutputTokens"] = asked.limit
    if asked.stop:
        config["stopSequences"] = [asked.stop]
    if asked.thoughts:
        config["thinkingConfig"] = {"includeThoughts": True}
    if asked.schema:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    return {**body, **({"generationConfig": config} if config else {})}


def _openai_seen(answer: dict[str, Any]) -> Seen:
    choice = answer["choices"][0]
    message = choice["message"]
    usage = answer["usage"]
    calls = [one["function"] for one in message.get("tool_calls") or ()]
    return Seen(
        text=message.get("content") or "",
        reasoning=message.get("reasoning_content") or "",
        refusal=message.get("refusal") or "",
        calls=[Call(one["name"], json.loads(one["arguments"])) for one in calls],
        stop={"stop": "end", "length": "limit", "tool_calls": "tools", "content_filter": "refusal"}[
            choice["finish_reason"]
        ],
        usage=(
            usage["prompt_tokens"],
            _object(usage.get("prompt_tokens_details")).get("cached_tokens", 0),
            usage["completion_tokens"],
        ),
    )


def _openai_heard(frames: bytes) -> Seen:
    """Put a stream together; demand its order, and that it ends as OpenAI's streams do."""
    lines = [line for line in frames.decode().splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "refusal": ""}
    calls: dict[int, dict[str, str]] = {}
    finish, usage = "", {}
    for line in lines[:-1]:
        chunk = json.loads(line.removeprefix("data: "))
        assert chunk["object"] == "chat.completion.chunk"
        if chunk.get("usage"):
            assert chunk["choices"] == [], "the chunk with the usage has no choices"
            usage = chunk["usage"]
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for name in message:
                message[name] += delta.get(name) or ""
            for call in delta.get("tool_calls") or ():
                if call["index"] not in calls:
                    assert call["id"], "the first piece of a call has its id"
                    calls[call["index"]] = {"name": call["function"]["name"], "arguments": ""}
                calls[call["index"]]["arguments"] += call["function"].get("arguments") or ""
            finish = choice["finish_reason"] or finish
    assert sorted(calls) == list(range(len(calls)))
    message["tool_calls"] = [{"function": one} for one in calls.values()]
    return _openai_seen({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})


def _responses_seen(answer: dict[str, Any]) -> Seen:
    seen = Seen(stop="limit" if _object(answer["incomplete_details"]).get("reason") == "max_output_tokens" else "end")
    if _object(answer["incomplete_details"]).get("reason") == "content_filter":
        seen.stop = "refusal"
    for item in answer["output"]:
        match item["type"]:
            case "message":
                for part in item["content"]:
                    seen.text += part.get("text", "")
                    seen.refusal += part.get("refusal", "")
            case "reasoning":
                seen.reasoning += "".join(part["text"] for part in (item.get("content") or item["summary"]))
            case "function_call":
                seen.calls.append(Call(item["name"], json.loads(item["arguments"])))
                seen.stop = "tools"
            case other:
                raise AssertionError(other)
    usage = answer["usage"]
    seen.usage = (usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"], usage["output_tokens"])
    return seen


def _responses_heard(frames: bytes) -> Seen:
    """Read the last event, and demand that the deltas before it say the same."""
    events = [json.loads(line[6:]) for line in frames.decode().splitlines() if line.startswith("data: ")]
    assert [one["sequence_number"] for one in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    assert events[-1]["type"] in ("response.completed", "response.incomplete")
    seen = _responses_seen(events[-1]["response"])
    told = {kind: "".join(one["delta"] for one in events if one["type"] == f"response.{kind}.delta") for kind in _TOLD}
    assert told["output_text"] == seen.text
    assert told["refusal"] == seen.refusal
    assert told["reasoning_text"] + told["reasoning_summary_text"] == seen.reasoning
    assert json.dumps([one.arguments for one in seen.calls]) == json.dumps(
        [json.loads(one["arguments"]) for one in events if one["type"] == "response.function_call_arguments.done"]
    )
    return seen


_TOLD = ("output_text", "refusal", "reasoning_text", "reasoning_summary_text")


def _anthropic_seen(answer: dict[str, Any]) -> Seen:
    reasons = {"end_turn": "end", "max_tokens": "limit", "tool_use": "tools", "refusal": "refusal"}
    seen = Seen(stop=reasons[answer["stop_reason"]])
    for block in answer["content"]:
        match block["type"]:
            case "text":
                seen.text += block["text"]
            case "thinking":
                seen.reasoning += block["thinking"]
            case "tool_use":
                seen.calls.append(Call(block["name"], block["input"]))
            case other:
                raise AssertionError(other)
    if seen.stop == "refusal":
        seen.refusal = _object(answer.get("stop_details")).get("explanation") or ""
    usage = answer["usage"]
    cached = usage.get("cache_read_input_tokens") or 0
    prompt = usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0)
    seen.usage = (prompt, cached, usage["output_tokens"])
    return seen


def _anthropic_heard(frames: bytes) -> Seen:
    """Put a stream together; demand the order of its events, and their names."""
    answer: dict[str, Any] = {"content": [], "stop_reason": None, "usage": {}}
    opened: int | None = None
    kinds: list[str] = []
    arguments = ""
    for frame in frames.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        kinds.append(event["type"])
        match event["type"]:
            case "message_start":
                answer["usage"] |= event["message"]["usage"]
            case "content_block_start":
                assert opened is None, "one block is open at a time"
                assert event["index"] == len(answer["content"])
                opened, arguments = event["index"], ""
                answer["content"].append(event["content_block"])
            case "content_block_delta":
                assert event["index"] == opened
                arguments += event["delta"].get("partial_json", "")
                for key in ("text", "thinking"):
                    if key in event["delta"]:
                        answer["content"][-1][key] += event["delta"][key]
            case "content_block_stop":
                assert event["index"] == opened
                opened = None
                if answer["content"][-1]["type"] == "tool_use":
                    answer["content"][-1]["input"] = json.loads(arguments or "{}")
            case "message_delta":
                answer |= event["delta"]
                answer["usage"] |= event["usage"]
            case _:
                pass
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    return _anthropic_seen(answer)


def _gemini_seen(answer: dict[str, Any]) -> Seen:
    candidate = answer["candidates"][0]
    reasons = {"STOP": "end", "MAX_TOKENS": "limit", "SAFETY": "refusal", "PROHIBITED_CONTENT": "refusal"}
    seen = Seen(stop=reasons[candidate["finishReason"]])
    for part in candidate.get("content", {}).get("parts", ()):
        if "functionCall" in part:
            seen.calls.append(Call(part["functionCall"]["name"], part["functionCall"]["args"]))
            seen.stop = "tools"
        elif part.get("thought"):
            seen.reasoning += part["text"]
        else:
            seen.text += part["text"]
    seen.refusal = candidate.get("finishMessage", "")
    usage = answer["usageMetadata"]
    output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    seen.usage = (usage["promptTokenCount"], usage.get("cachedContentTokenCount", 0), output)
    return seen


def _gemini_heard(frames: bytes) -> Seen:
    chunks = [json.loads(line[6:]) for line in frames.decode().splitlines() if line.startswith("data: ")]
    parts = [part for chunk in chunks for part in chunk["candidates"][0].get("content", {}).get("parts", ())]
    last = chunks[-1]
    assert all("finishReason" not in chunk["candidates"][0] for chunk in chunks[:-1])
    whole = {**last["candidates"][0], "content": {"parts": parts}}
    return _gemini_seen({**last, "candidates": [whole]})


class Client(NamedTuple):
    """A client's wire: how it asks, how it reads an answer, and how it reads a stream."""

    body: Callable[[Question], dict[str, Any]]
    seen: Callable[[dict[str, Any]], Seen]
    heard: Callable[[bytes], Seen]


CLIENTS = {
    "openai": Client(_openai_body, _openai_seen, _openai_heard),
    "responses": Client(_responses_body, _responses_seen, _responses_heard),
    "anthropic": Client(_anthropic_body, _anthropic_seen, _anthropic_heard),
    "gemini": Client(_gemini_body, _gemini_seen, _gemini_heard),
}


# ---- Providers


def _object(value: Any) -> dict[str, Any]:
    """Return an object, or an empty one where there is none."""
    return value or {}


def _words(content: Any) -> str:
    """Return the text of a string or of a list of parts."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())


def _openai_asked(body: dict[str, Any]) -> Asked:
    asked = Asked(limit=body.get("max_completion_tokens") or body.get("max_tokens"))
    for message in body["messages"]:
        match message["role"]:
            case "system" | "developer":
                asked.system += _words(message["content"])
            case "user":
                asked.texts.append(_words(message["content"]))
                if not isinstance(message["content"], str):
                    asked.images += sum(part["type"] == "image_url" for part in message["content"])
            case "tool":
                asked.results.append((message["tool_call_id"], _words(message["content"])))
            case _:
                calls = [(one["id"], one["function"]) for one in message.get("tool_calls") or ()]
                asked.calls += [(i, Call(one["name"], json.loads(one["arguments"]))) for i, one in calls]
    asked.tools = [one["function"]["name"] for one in body.get("tools", ())]
    choice = body.get("tool_choice")
    asked.choice = choice["function"]["name"] if isinstance(choice, dict) else choice
    asked.is_parallel = body.get("parallel_tool_calls")
    asked.stop = body.get("stop", [])
    asked.schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return asked


def _responses_asked(body: dict[str, Any]) -> Asked:
    asked = Asked(limit=body.get("max_output_tokens"), system=body.get("instructions") or "")
    given = body["input"]
    items: list[dict[str, Any]] = [{"content": given}] if isinstance(given, str) else given
    for item in items:
        match item.get("type", "message"), item.get("role", "user"):
            case "message", "system" | "developer":
                asked.system += _words(item["content"])
            case "message", "user":
                asked.texts.append(_words(item["content"]))
                if not isinstance(item["content"], str):
                    asked.images += sum(part["type"] == "input_image" for part in item["content"])
            case "function_call", _:
                asked.calls.append((item["call_id"], Call(item["name"], json.loads(item["arguments"]))))
            case "function_call_output", _:
                asked.results.append((item["call_id"], _words(item["output"])))
            case _:
                pass
    asked.tools = [one["name"] for one in body.get("tools", ())]
    choice = body.get("tool_choice")
    asked.choice = choice["name"] if isinstance(choice, dict) else choice
    asked.is_parallel = body.get("parallel_tool_calls")
    asked.schema = body.get("text", {}).get("format", {}).get("schema")
    return asked


def _anthropic_asked(body: dict[str, Any]) -> Asked:
    asked = Asked(limit=body["max_tokens"], system=_words(body.get("system")), stop=body.get("stop_sequences", []))
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] == "user" and any(one["type"] == "text" for one in blocks):
            asked.texts.append(_words([one for one in blocks if one["type"] == "text"]))
        for block in blocks:
            match block["type"]:
                case "image":
                    asked.images += 1
                case "tool_use":
                    asked.calls.append((block["id"], Call(block["name"], block["input"])))
                case "tool_result":
                    asked.results.append((block["tool_use_id"], _words(block["content"])))
                case _:
                    pass
    asked.tools = [one["name"] for one in body.get("tools", ())]
    choice = body.get("tool_choice", {})
    asked.choice = {"any": "required", "tool": choice.get("name")}.get(choice.get("type", ""), choice.get("type"))
    if "disable_parallel_tool_use" in choice:
        asked.is_parallel = not choice["disable_parallel_tool_use"]
    asked.schema = body.get("output_config", {}).get("format", {}).get("schema")
    return asked


def _gemini_asked(body: dict[str, Any]) -> Asked:
    config = body.get("generationConfig", {})
    asked = Asked(limit=config.get("maxOutputTokens"), stop=config.get("stopSequences", []))
    asked.system = _words(body.get("systemInstruction", {}).get("parts"))
    for turn in body["contents"]:
        texts = [part["text"] for part in turn["parts"] if "text" in part]
        if turn.get("role", "user") == "user" and texts:
            asked.texts.append("".join(texts))
        for part in turn["parts"]:
            asked.images += "inlineData" in part
            if "functionCall" in part:
                call = part["functionCall"]
                asked.calls.append((call.get("id") or call["name"], Call(call["name"], call["args"])))
            if "functionResponse" in part:
                said = part["functionResponse"]
                words = "".join(_leaves(said["response"]))
                asked.results.append((said.get("id") or said["name"], words))
    declared = [one for tool in body.get("tools", ()) for one in tool["functionDeclarations"]]
    asked.tools = [one["name"] for one in declared]
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    names = calling.get("allowedFunctionNames")
    asked.choice = names[0] if names else {"ANY": "required"}.get(calling.get("mode"), calling.get("mode", "").lower())
    asked.schema = config.get("responseJsonSchema") or config.get("responseSchema")
    return asked


def _converse_asked(body: dict[str, Any]) -> Asked:
    config = body.get("inferenceConfig", {})
    asked = Asked(
        limit=config.get("maxTokens"), stop=config.get("stopSequences", []), system=_words(body.get("system"))
    )
    for message in body["messages"]:
        texts = [one["text"] for one in message["content"] if "text" in one]
        if message["role"] == "user" and texts:
            asked.texts.append("".join(texts))
        for block in message["content"]:
            asked.images += "image" in block
            if "toolUse" in block:
                use = block["toolUse"]
                asked.calls.append((use["toolUseId"], Call(use["name"], use["input"])))
            if "toolResult" in block:
                said = block["toolResult"]
                asked.results.append((said["toolUseId"], "".join(_leaves(said["content"]))))
    tools = body.get("toolConfig", {})
    asked.tools = [one["toolSpec"]["name"] for one in tools.get("tools", ()) if "toolSpec" in one]
    choice = tools.get("toolChoice", {})
    asked.choice = (
        choice["tool"]["name"] if "tool" in choice else {"any": "required"}.get(*list(choice) * 2 or ["", ""])
    )
    return asked


def _leaves(value: Any) -> Iterable[str]:
    match value:
        case str():
            yield value
        case list():
            for one in value:  # pyright: ignore[reportUnknownVariableType] - any JSON
                yield from _leaves(one)
        case dict():
            for one in value.values():  # pyright: ignore[reportUnknownVariableType] - any JSON
                yield from _leaves(one)
        case _:
            pass


PROVIDERS: dict[str, Callable[[dict[str, Any]], Asked]] = {
    "openai": _openai_asked,
    "responses": _responses_asked,
    "anthropic": _anthropic_asked,
    "gemini": _gemini_asked,
    "bedrock": _converse_asked,
}
