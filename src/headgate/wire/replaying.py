"""Converts whole answers to streams, for upstreams that do not stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec

from headgate.wire.sse import frame

_Json = dict[str, Any]
_PARTS: Final = {
    "content": ("content_part", "content_index"),
    "summary": ("reasoning_summary_part", "summary_index"),
}
_INPUTS: Final = ("arguments", "input")
_UNTOLD: Final = ("choices", "usage", "object")


def openai_stream_of(completion: _Json) -> bytes:
    """Return a chat completion as chunks; a separate last chunk reports the usage."""
    shared = {name: value for name, value in completion.items() if name not in _UNTOLD}
    shared = {**shared, "object": "chat.completion.chunk"}
    chunks: list[_Json] = [
        {**shared, "choices": [_streamed_choice(choice)]} for choice in cast("list[_Json]", completion["choices"])
    ]
    if completion.get("usage"):
        chunks.append({**shared, "choices": [], "usage": completion["usage"]})
    return b"".join([*(frame(msgspec.json.encode(chunk)) for chunk in chunks), frame(b"[DONE]")])


def anthropic_stream_of(message: _Json) -> bytes:
    """Return a message as stream events: its start, each content block, and its end."""
    return b"".join(frame(msgspec.json.encode(event), event["type"]) for event in _events(message))


def responses_stream_of(response: _Json) -> bytes:
    """Return a response as stream events: its start, each output item with its parts, and its end."""
    status = str(response.get("status") or "completed")
    begun: _Json = {**response, "status": "in_progress", "output": [], "usage": None}
    events: list[_Json] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(cast("list[_Json]", response["output"])):
        events += _item_events(index, item)
    events.append({"type": f"response.{status}", "response": response})
    return b"".join(
        frame(msgspec.json.encode({**event, "sequence_number": number}), event["type"])
        for number, event in enumerate(events)
    )


def _item_events(index: int, item: _Json) -> Iterator[_Json]:
    place: _Json = {"output_index": index, "item_id": item.get("id")}
    emptied: _Json = {name: [] if name in _PARTS else "" if name in _INPUTS else item[name] for name in item}
    yield {"type": "response.output_item.added", "output_index": index, "item": emptied}
    for name, (event, at) in _PARTS.items():
        for number, part in enumerate(cast("list[_Json]", item.get(name) or [])):
            empty = {key: "" if key in ("text", "refusal") else value for key, value in part.items()}
            yield {"type": f"response.{event}.added", **place, at: number, "part": empty}
            yield {"type": f"response.{event}.done", **place, at: number, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _streamed_choice(choice: _Json) -> _Json:
    message = cast("_Json", choice["message"])
    calls = cast("list[_Json]", message.get("tool_calls") or [])
    delta = {**message, "tool_calls": [{"index": index, **call} for index, call in enumerate(calls)]}
    if not calls:
        del delta["tool_calls"]
    rest = {name: value for name, value in choice.items() if name != "message"}
    return {**rest, "delta": delta, "finish_reason": choice.get("finish_reason") or "stop"}


def _events(message: _Json) -> Iterator[_Json]:
    ending = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")}
    begun: _Json = {**message, **dict.fromkeys(ending), "content": []}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(cast("list[_Json]", message.get("content") or [])):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": ending, "usage": message.get("usage") or {}}
    yield {"type": "message_stop"}
