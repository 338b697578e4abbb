"""Gemini's wire: answers, token counts, embeddings, models and their errors.

Source: Google's reference of the Generative Language API and the source of its SDK.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from headgate.testing.simulator.answer import Answer, Event, Refused, dump
from headgate.testing.simulator.openai_wire import vector
from headgate.testing.simulator.script import Failure, Script, Tokens

_FINISH = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "tool_use": "STOP",
    "refusal": "SAFETY",
    "pause": "OTHER",
}
_ERRORS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "Method doesn't allow unregistered callers."),
    404: ("NOT_FOUND", "The model is not found for API version v1beta."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
}
_SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I="
_INPUT_TOKEN_LIMIT = 1_048_576


def answer(method: str, model: str, request: dict[str, Any], script: Script, *, number: int) -> Answer:
    """Return the answer to a method of a model, such as `generateContent`."""
    match method:
        case "generateContent":
            return Answer(
                body=dump(
                    _whole(model, request, script, number=number),
                )
            )
        case "streamGenerateContent":
            chunks = _stream(model, request, script, number=number)
            return Answer(events=tuple(Event(dump(chunk)) for chunk in chunks))
        case "countTokens":
            return _count(request, script)
        case "embedContent":
            return Answer(body=dump({"embedding": _embedding(request)}))
        case "batchEmbedContents":
            return Answer(body=dump({"embeddings": [_embedding(one) for one in request.get("requests", [])]}))
        case _:
            raise Refused(Failure(404))


def models(names: Sequence[str]) -> Answer:
    """Return the list of models."""
    return Answer(body=dump({"models": [_model(name) for name in names]}))


def model(name: str) -> Answer:
    """Return one model."""
    return Answer(body=dump(_model(name)))


def failed(failure: Failure) -> Answer:
    """Return an error answer."""
    headers = [("retry-after", f"{failure.retry_after_s:g}")] if failure.retry_after_s is not None else []
    return Answer(failure.status, tuple(headers), dump(_error(failure)))


def last_user_text(request: dict[str, Any]) -> str:
    """Return the text of the user's last turn."""
    for turn in reversed(request.get("contents", [])):
        if turn.get("role", "user") == "user":
            return "".join(part.get("text", "") for part in turn.get("parts", []))
    return ""


def _whole(model: str, request: dict[str, Any], script: Script, *, number: int) -> dict[str, Any]:
    _check(request)
    parts = _parts(script)
    return _chunk(model, number, parts, script, is_last=True)


def _stream(model: str, request: dict[str, Any], script: Script, *, number: int) -> list[dict[str, Any]]:
    _check(request)
    pieces: list[list[dict[str, Any]]] = [[{"text": text, "thought": True}] for text in script.reasoning]
    if script.refusal is None and (not script.tool_calls or script.whole != Script().whole):
        pieces += [[{"text": text}] for text in script.chunks]
    if script.tool_calls:
        pieces.append(_calls(script))
    chunks = [_chunk(model, number, parts, script, is_last=False) for parts in pieces]
    if script.breaks is not None:
        return [*chunks, _error(script.breaks)]
    return [*chunks, _chunk(model, number, [{"text": ""}], script, is_last=True)]


def _chunk(model: str, number: int, parts: list[dict[str, Any]], script: Script, *, is_last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if is_last:
        candidate["finishReason"] = _FINISH[script.ending]
        if script.refusal is not None:
            candidate["finishMessage"] = script.refusal
    chunk: dict[str, Any] = {"candidates": [candidate]}
    if script.tokens is not None:
        chunk["usageMetadata"] = _usage(script.tokens, is_last=is_last)
    return {**chunk, "modelVersion": model, "responseId": f"gem{number}"}


def _parts(script: Script) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if script.reasoning:
        parts.append({"text": "".join(script.reasoning), "thought": True})
    if script.refusal is None and script.whole and (not script.tool_calls or script.whole != Script().whole):
        parts.append({"text": script.whole})
    return [*parts, *_calls(script)]


def _calls(script: Script) -> list[dict[str, Any]]:
    """Return the function calls; only the first of parallel ones has a signature."""
    calls: list[dict[str, Any]] = []
    for place, one in enumerate(script.tool_calls):
        call: dict[str, Any] = {"name": one.name, "args": json.loads(one.arguments)}
        if one.id is not None:
            call["id"] = one.id
        calls.append({"functionCall": call, **({"thoughtSignature": _SIGNATURE} if place == 0 else {})})
    return calls


def _count(request: dict[str, Any], script: Script) -> Answer:
    inner = request.get("generateContentRequest")
    if inner is not None and not inner.get("model", "").startswith("models/"):
        raise Refused(Failure(400, "* GenerateContentRequest.model: unexpected model name format"))
    _check(inner if inner is not None else request)
    if inner is None and set(request) - {"contents"}:
        raise Refused(Failure(400, "Invalid JSON payload received. Unknown name in the request."))
    return Answer(body=dump({"totalTokens": script.tokens.prompt if script.tokens else 0}))


def _embedding(request: dict[str, Any]) -> dict[str, Any]:
    content = request.get("content")
    if not isinstance(content, dict):
        raise Refused(Failure(400, "* EmbedContentRequest.content: must not be empty"))
    parts = cast("dict[str, Any]", content).get("parts", [])
    text = "".join(part.get("text", "") for part in parts)
    return {"values": vector(text, int(request.get("outputDimensionality") or 8))}


def _usage(tokens: Tokens, *, is_last: bool) -> dict[str, Any]:
    thoughts = tokens.reasoning
    usage: dict[str, Any] = {"promptTokenCount": tokens.prompt, "totalTokenCount": tokens.prompt}
    if tokens.cache_read:
        usage["cachedContentTokenCount"] = tokens.cache_read
    if is_last:
        usage["candidatesTokenCount"] = tokens.output - thoughts
        usage["totalTokenCount"] += tokens.output
        if thoughts:
            usage["thoughtsTokenCount"] = thoughts
    return usage


def _error(failure: Failure) -> dict[str, Any]:
    status, message = _ERRORS.get(failure.status, _ERRORS[500 if failure.status >= 500 else 400])
    if failure.limit_tokens is not None:
        message = (
            f"The input token count ({failure.used_tokens}) exceeds the maximum number of tokens allowed"
            f" ({failure.limit_tokens})."
        )
    error: dict[str, Any] = {
        "code": failure.status,
        "message": failure.message or message,
        "status": failure.code or status,
    }
    if failure.retry_after_s is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        error["details"] = [{"@type": kind, "retryDelay": f"{failure.retry_after_s:g}s"}]
    return {"error": error}


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "inputTokenLimit": _INPUT_TOKEN_LIMIT,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _check(request: dict[str, Any]) -> None:
    """Refuse what Google's servers refuse."""
    contents = request.get("contents")
    if not contents:
        raise Refused(Failure(400, "* GenerateContentRequest.contents: contents is not specified"))
    for place, turn in enumerate(contents):
        if turn.get("role") not in (None, "user", "model", "function"):
            raise Refused(Failure(400, "Please use a valid role: user, model."))
        if not turn.get("parts"):
            raise Refused(
                Failure(400, f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty.")
            )
    if "model" in request and not str(request["model"]).startswith("models/"):
        raise Refused(Failure(400, "unexpected model name format"))
