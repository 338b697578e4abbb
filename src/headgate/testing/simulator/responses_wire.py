"""OpenAI's Responses wire. Its errors are those of `openai_wire`.

Source: OpenAI's published API document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headgate.testing.simulator.answer import Answer, Event, Refused, dump
from headgate.testing.simulator.script import Failure, Script, Tokens, pieces, turns

_CREATED = 1_760_000_000
_ECHOED = ("instructions", "metadata", "tools", "tool_choice", "temperature", "top_p", "text", "reasoning", "store")


def responses(request: dict[str, Any], script: Script, *, number: int) -> Answer:
    """Return the answer to a request for a response."""
    for name in ("model", "input"):
        if request.get(name) in (None, "", []):
            raise Refused(Failure(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter"))
    head: dict[str, Any] = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": _CREATED,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": f"{request['model']}-2026",
        "output": [],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "usage": None,
        **{name: request.get(name) for name in _ECHOED},
    }
    whole = _ended(head, script)
    if not request.get("stream"):
        return Answer(body=dump(whole))
    return Answer(events=tuple(_numbered(_stream(head, whole, script))))


def _ended(head: dict[str, Any], script: Script) -> dict[str, Any]:
    is_short = script.ending == "length"
    usage = None if script.tokens is None else _usage(script.tokens)
    return {
        **head,
        "status": "incomplete" if is_short else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_short else None,
        "output": _items(script),
        "usage": usage,
    }


def _items(script: Script) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if script.reasoning:
        summary = [{"type": "summary_text", "text": "".join(script.reasoning)}]
        items.append({"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": "c2VhbGVk"})
    text = _text(script)
    if text is not None:
        part: dict[str, Any] = (
            {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            if script.refusal is None
            else {"type": "refusal", "refusal": text}
        )
        items.append({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]})
    for place, call in enumerate(script.tool_calls):
        ids = {"id": f"fc_{place + 1}", "call_id": call.id or f"call_{place + 1}"}
        told = {"name": call.name, "arguments": call.arguments}
        items.append({"type": "function_call", "status": "completed", **ids, **told})
    return items


def _text(script: Script) -> str | None:
    if script.refusal is not None:
        return script.refusal
    is_silent = script.tool_calls and script.whole in ("", Script().whole)
    return None if is_silent else script.whole


def _stream(head: dict[str, Any], whole: dict[str, Any], script: Script) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": head}
    yield {"type": "response.in_progress", "response": head}
    calls: list[list[dict[str, Any]]] = []
    for index, item in enumerate(whole["output"]):
        match item["type"]:
            case "message":
                yield from _message(index, item, script)
            case "reasoning":
                yield from _reasoning(index, item, script)
            case _:
                calls.append(list(_call(index, item, script)))
    encoded = turns([[dump(event) for event in call] for call in calls], interleaved=script.interleaved)
    by_bytes = {dump(event): event for call in calls for event in call}
    yield from (by_bytes[data] for data in encoded)
    if script.breaks is not None:
        fault = {"code": script.breaks.code or "server_error", "message": script.breaks.message or "It broke."}
        yield {"type": "response.failed", "response": {**head, "status": "failed", "error": fault}}
        return
    yield {"type": f"response.{whole['status']}", "response": whole}


def _message(index: int, item: dict[str, Any], script: Script) -> Iterator[dict[str, Any]]:
    part = item["content"][0]
    name = "text" if part["type"] == "output_text" else "refusal"
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    extra: dict[str, Any] = {"logprobs": []} if name == "text" else {}
    texts: Sequence[str] = script.chunks if name == "text" else pieces(part[name], script.chunk_chars)
    yield _added(index, {**item, "status": "in_progress", "content": []})
    yield {"type": "response.content_part.added", **place, "part": {**part, name: ""}}
    for text in texts:
        yield {"type": f"response.{part['type']}.delta", **place, "delta": text, **extra}
    yield {"type": f"response.{part['type']}.done", **place, name: part[name], **extra}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _reasoning(index: int, item: dict[str, Any], script: Script) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    yield _added(index, {**item, "summary": []})
    yield {"type": "response.reasoning_summary_part.added", **place, "part": {"type": "summary_text", "text": ""}}
    for text in script.reasoning:
        yield {"type": "response.reasoning_summary_text.delta", **place, "delta": text}
    yield {"type": "response.reasoning_summary_text.done", **place, "text": "".join(script.reasoning)}
    yield {"type": "response.reasoning_summary_part.done", **place, "part": item["summary"][0]}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _call(index: int, item: dict[str, Any], script: Script) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": index}
    yield _added(index, {**item, "status": "in_progress", "arguments": ""})
    for number, text in enumerate(pieces(item["arguments"], script.chunk_chars)):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": text, "obfuscation": "x" * number}
    done = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": "response.function_call_arguments.done", **place, **done}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _numbered(events: Iterator[dict[str, Any]]) -> Iterator[Event]:
    for number, event in enumerate(events):
        yield Event(dump({**event, "sequence_number": number}), event["type"])


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.output,
    }
