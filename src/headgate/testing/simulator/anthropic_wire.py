"""Anthropic's wire: messages, token counts, models and their errors.

Source: Anthropic's API documentation and the source of its SDK.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from headgate.testing.simulator.answer import Answer, Event, Refused, dump
from headgate.testing.simulator.script import Failure, Script, Tokens, pieces

_STOP = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
}
_ERRORS = {
    400: ("invalid_request_error", "The request is malformed."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: does not exist"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}
_SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I="
_CREATED_AT = "2026-01-05T00:00:00Z"


def messages(request: dict[str, Any], script: Script, *, number: int) -> Answer:
    """Return the answer to a message."""
    _demand(request, "model", "messages", "max_tokens")
    _refuse_empty_text(request["messages"])
    head: dict[str, Any] = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
    }
    if request.get("stream"):
        return Answer(events=tuple(_stream(head, script)))
    reply = {**head, "content": _blocks(script), **_ending(script)}
    return Answer(body=dump(reply if script.tokens is None else {**reply, "usage": _usage(script.tokens)}))


def count_tokens(request: dict[str, Any], script: Script) -> Answer:
    """Return a token count."""
    _demand(request, "model", "messages")
    return Answer(body=dump({"input_tokens": script.tokens.prompt if script.tokens else 0}))


def models(names: Sequence[str]) -> Answer:
    """Return the list of models."""
    data = [_model(name) for name in names]
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    return Answer(body=dump({"data": data, "has_more": False, **ends}))


def model(name: str) -> Answer:
    """Return one model."""
    return Answer(body=dump(_model(name)))


def failed(failure: Failure) -> Answer:
    """Return an error answer."""
    headers = [("request-id", "req_simulator")]
    if failure.retry_after_s is not None:
        headers.append(("retry-after", f"{failure.retry_after_s:g}"))
    if failure.status == 429:
        headers += [
            ("anthropic-ratelimit-requests-limit", "60"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-01-05T09:00:01Z"),
        ]
    return Answer(failure.status, tuple(headers), dump({**_error(failure), "request_id": "req_simulator"}))


def _stream(head: dict[str, Any], script: Script) -> list[Event]:
    tokens = script.tokens
    start: dict[str, Any] = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
    if tokens is not None:
        start["usage"] = {**_usage(tokens), "output_tokens": 1}
    events = [_event("message_start", message=start)]
    for index, block in enumerate(_blocks(script)):
        events += _block_events(index, block, script)
        if index == 0:
            events.insert(2, _event("ping"))
    if script.breaks is not None:
        return [*events, Event(dump(_error(script.breaks)), "error")]
    delta = {"delta": _ending(script)}
    events.append(
        _event("message_delta", **delta, usage={"output_tokens": tokens.output})
        if tokens is not None
        else _event("message_delta", **delta)
    )
    return [*events, _event("message_stop")]


def _blocks(script: Script) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if script.reasoning:
        blocks.append({"type": "thinking", "thinking": "".join(script.reasoning), "signature": _SIGNATURE})
    if script.refusal is not None:
        blocks.append({"type": "text", "text": script.refusal})
    elif script.whole and (not script.tool_calls or script.whole != Script().whole):
        blocks.append({"type": "text", "text": script.whole})
    for place, one in enumerate(script.tool_calls):
        block_id = one.id or f"toolu_{place + 1}"
        blocks.append({"type": "tool_use", "id": block_id, "name": one.name, "input": json.loads(one.arguments)})
    return blocks


def _block_events(index: int, block: dict[str, Any], script: Script) -> list[Event]:
    match block["type"]:
        case "thinking":
            empty: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": text} for text in script.reasoning]
            deltas.append({"type": "signature_delta", "signature": _SIGNATURE})
        case "text":
            empty = {"type": "text", "text": ""}
            texts = script.chunks if script.refusal is None else pieces(script.refusal, script.chunk_chars)
            deltas = [{"type": "text_delta", "text": text} for text in texts]
        case _:
            empty = {**block, "input": {}}
            place = next(at for at, one in enumerate(script.tool_calls) if (one.id or f"toolu_{at + 1}") == block["id"])
            texts = ("", *pieces(script.tool_calls[place].arguments, script.chunk_chars))
            deltas = [{"type": "input_json_delta", "partial_json": text} for text in texts]
    return [
        _event("content_block_start", index=index, content_block=empty),
        *(_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        _event("content_block_stop", index=index),
    ]


def _event(name: str, **fields: Any) -> Event:
    return Event(dump({"type": name, **fields}), name)


def _ending(script: Script) -> dict[str, Any]:
    return {"stop_reason": _STOP[script.ending], "stop_sequence": script.stop_sequence}


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write + tokens.cache_write_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": tokens.output,
        "service_tier": "standard",
    }


def _error(failure: Failure) -> dict[str, Any]:
    if failure.limit_tokens is not None:
        message = f"prompt is too long: {failure.used_tokens} tokens > {failure.limit_tokens} maximum"
        return _envelope("invalid_request_error", message)
    kind, message = _ERRORS.get(failure.status, _ERRORS[500 if failure.status >= 500 else 400])
    return _envelope(failure.code or kind, failure.message or message)


def _envelope(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": _CREATED_AT,
        "lifecycle": "active",
    }


def _demand(request: dict[str, Any], *names: str) -> None:
    for name in names:
        if request.get(name) in (None, "", []):
            raise Refused(Failure(400, f"{name}: Field required"))


def _refuse_empty_text(given: list[dict[str, Any]]) -> None:
    for place, message in enumerate(given):
        content: Any = message.get("content")
        if isinstance(content, list):
            for part, block in enumerate(cast("list[dict[str, Any]]", content)):
                if block.get("type") == "text" and not block.get("text"):
                    where = f"messages.{place}.content.{part}"
                    raise Refused(Failure(400, f"{where}: text content blocks must be non-empty"))
