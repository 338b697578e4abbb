"""OpenAI's wire: chat completions, embeddings, models and their errors.

Source: OpenAI's published API document and the source of its SDK.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Sequence
from typing import Any, cast

from headgate.testing.simulator.answer import Answer, Event, Refused, dump
from headgate.testing.simulator.script import Failure, Script, Tokens, pieces, turns

CREATED = 1_760_000_000
"""The time of every answer."""

FINISH = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_use": "tool_calls",
    "refusal": "stop",
    "pause": "stop",
}
"""The finish reasons of the reasons in scripts."""

_ERRORS = {
    400: ("invalid_request_error", None, "The request is malformed."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-***."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Country not supported."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}

_MOST_DIMENSIONS = 3072


def chat(request: dict[str, Any], script: Script, *, number: int) -> Answer:
    """Return the answer to a chat completion."""
    demand(request, "model", "messages")
    is_stream = bool(request.get("stream"))
    if request.get("stream_options") is not None and not is_stream:
        raise Refused(
            Failure(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", code=None)
        )
    head = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion.chunk" if is_stream else "chat.completion",
        "created": CREATED,
        "model": request["model"],
        "system_fingerprint": "fp_simulator",
    }
    if not is_stream:
        return Answer(body=dump(_whole(head, script)))
    options: dict[str, Any] = request.get("stream_options") or {}
    wants_usage = bool(options.get("include_usage"))
    return Answer(events=tuple(Event(data) for data in _stream(head, script, wants_usage=wants_usage)))


def embeddings(request: dict[str, Any], script: Script) -> Answer:
    """Return the answer to an embedding request. Its vectors depend only on the text."""
    demand(request, "model", "input")
    if "encoding_format" in request and request["encoding_format"] not in ("float", "base64"):
        raise Refused(Failure(400, "'encoding_format' must be 'float' or 'base64'."))
    given: Any = request["input"]
    inputs = cast("list[Any]", given) if isinstance(given, list) else [given]
    if isinstance(inputs[0], int):
        inputs = [inputs]
    size: Any = request.get("dimensions") or 8
    if not isinstance(size, int) or not 0 < size <= _MOST_DIMENSIONS:
        raise Refused(Failure(400, f"'dimensions' must be a whole number of at most {_MOST_DIMENSIONS}."))
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _encoded(vector(str(one), size), request.get("encoding_format", "float")),
        }
        for index, one in enumerate(inputs)
    ]
    body: dict[str, Any] = {"object": "list", "data": data, "model": request["model"]}
    if script.tokens is not None:
        body["usage"] = {"prompt_tokens": script.tokens.prompt, "total_tokens": script.tokens.prompt}
    return Answer(body=dump(body))


def models(names: Sequence[str]) -> Answer:
    """Return the list of models."""
    return Answer(body=dump({"object": "list", "data": [_model(name) for name in names]}))


def model(name: str) -> Answer:
    """Return one model."""
    return Answer(body=dump(_model(name)))


def failed(failure: Failure) -> Answer:
    """Return an error answer."""
    headers: list[tuple[str, str]] = []
    if failure.retry_after_s is not None:
        headers.append(("retry-after", f"{failure.retry_after_s:g}"))
    if failure.status == 429:
        headers += [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", f"{failure.retry_after_s or 1:g}s"),
        ]
    return Answer(failure.status, tuple(headers), dump(_error(failure)))


def broken(failure: Failure) -> Event:
    """Return an error event of a stream."""
    return Event(dump(_error(failure)))


def vector(text: str, size: int) -> list[float]:
    """Return a vector of length 1 that depends only on the text."""
    seed = hashlib.shake_256(text.encode()).digest(size * 2)
    raw = [int.from_bytes(seed[place : place + 2], "big") / 32768 - 1 for place in range(0, size * 2, 2)]
    length = sum(value * value for value in raw) ** 0.5 or 1.0
    return [value / length for value in raw]


def _whole(head: dict[str, Any], script: Script) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if script.refusal is not None or (script.tool_calls and not script.whole) else script.whole,
        "refusal": script.refusal,
        "annotations": [],
    }
    if script.reasoning:
        message["reasoning_content"] = "".join(script.reasoning)
    if script.tool_calls:
        message["tool_calls"] = [
            {"id": _id(script, place), "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for place, one in enumerate(script.tool_calls)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[script.ending]}
    reply = {**head, "choices": [choice], "service_tier": "default"}
    return reply if script.tokens is None else {**reply, "usage": usage_of(script.tokens)}


def _stream(head: dict[str, Any], script: Script, *, wants_usage: bool) -> list[bytes]:
    usage = {"usage": None} if wants_usage else {}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return dump({**head, "choices": [choice], **usage})

    events = [chunk({"role": "assistant", "content": "", "refusal": None})]
    events += [chunk({"reasoning_content": text}) for text in script.reasoning]
    if script.refusal is not None:
        events += [chunk({"refusal": text}) for text in pieces(script.refusal, script.chunk_chars)]
    elif not script.tool_calls or script.whole != Script().whole:
        events += [chunk({"content": text}) for text in script.chunks]
    calls = [[chunk({"tool_calls": [delta]}) for delta in _call_deltas(script, place)] for place in _places(script)]
    events += turns(calls, interleaved=script.interleaved)
    if script.breaks is not None:
        return [*events, dump(_error(script.breaks))]
    events.append(chunk({}, FINISH[script.ending]))
    if wants_usage and script.tokens is not None:
        events.append(dump({**head, "choices": [], "usage": usage_of(script.tokens)}))
    return [*events, b"[DONE]"]


def _call_deltas(script: Script, place: int) -> list[dict[str, Any]]:
    one = script.tool_calls[place]
    first = {
        "index": place,
        "id": _id(script, place),
        "type": "function",
        "function": {"name": one.name, "arguments": ""},
    }
    return [first] + [
        {"index": place, "function": {"arguments": text}} for text in pieces(one.arguments, script.chunk_chars)
    ]


def _places(script: Script) -> range:
    return range(len(script.tool_calls))


def _id(script: Script, place: int) -> str:
    return script.tool_calls[place].id or f"call_{place + 1}"


def usage_of(tokens: Tokens) -> dict[str, Any]:
    """Return the `usage` object of token counts."""
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _error(failure: Failure) -> dict[str, Any]:
    if failure.limit_tokens is not None:
        message = (
            f"This model's maximum context length is {failure.limit_tokens} tokens. However, your messages resulted in"
            f" {failure.used_tokens} tokens. Please reduce the length of the messages."
        )
        return _envelope(message, "invalid_request_error", "context_length_exceeded", param="messages")
    kind, code, message = _ERRORS.get(failure.status, _ERRORS[500 if failure.status >= 500 else 400])
    return _envelope(failure.message or message, kind, failure.code or code)


def _envelope(message: str, kind: str, code: str | None, *, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}


def _encoded(values: list[float], form: str) -> list[float] | str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode() if form == "base64" else values


def demand(request: dict[str, Any], *names: str) -> None:
    """Refuse a request that lacks a field."""
    for name in names:
        if request.get(name) in (None, "", []):
            raise Refused(Failure(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter"))
