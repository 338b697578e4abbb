"""Amazon Bedrock's wire: Converse, ConverseStream, and Anthropic's models by InvokeModel.

Source: API reference of Amazon Bedrock Runtime.
"""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any, cast

from headgate.testing.simulator import anthropic_wire
from headgate.testing.simulator.answer import Answer, Event, Refused, dump
from headgate.testing.simulator.script import Failure, Script, Tokens, pieces

_STOP = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_use": "tool_use",
    "refusal": "content_filtered",
    "pause": "end_turn",
}
_ERRORS = {
    400: ("ValidationException", "The provided request is not valid"),
    403: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    404: ("ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier."),
    408: ("ModelTimeoutException", "Model has timed out in processing the request."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}
_HEADERS = (("x-amzn-requestid", "11112222-3333-4444-5555-666677778888"),)
_SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I="


def converse(request: dict[str, Any], script: Script, *, streams: bool) -> Answer:
    """Return the answer to a call of Converse or ConverseStream."""
    _check(request)
    if streams:
        return Answer(headers=_HEADERS, events=tuple(_stream(script)), is_binary=True)
    reply: dict[str, Any] = {
        "metrics": {"latencyMs": 12},
        "output": {"message": {"role": "assistant", "content": _blocks(script)}},
        "stopReason": _STOP[script.ending],
    }
    if script.tokens is not None:
        reply["usage"] = _usage(script.tokens)
    return Answer(headers=_HEADERS, body=dump(reply))


def invoke(request: dict[str, Any], script: Script, *, model: str, number: int, streams: bool) -> Answer:
    """Return the answer to a call of InvokeModel for a model of Anthropic."""
    if request.get("anthropic_version") != "bedrock-2023-05-31":
        raise Refused(Failure(400, "anthropic_version: Field required"))
    if "model" in request or "stream" in request:
        raise Refused(Failure(400, "model: Extra inputs are not permitted"))
    answer = anthropic_wire.messages({**request, "model": model, "stream": streams}, script, number=number)
    if answer.events is None:
        return Answer(headers=_HEADERS, body=answer.body)
    chunks = [Event(dump({"bytes": base64.b64encode(one.data).decode(), "p": "abc"}), "chunk") for one in answer.events]
    return Answer(headers=_HEADERS, events=tuple(chunks), is_binary=True)


def failed(failure: Failure) -> Answer:
    """Return an error answer."""
    kind, message = _error(failure)
    headers = (*_HEADERS, ("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"))
    if failure.retry_after_s is not None:
        headers += (("retry-after", f"{failure.retry_after_s:g}"),)
    status = 403 if failure.status == 401 else failure.status
    return Answer(status, headers, dump({"message": message}))


def _error(failure: Failure) -> tuple[str, str]:
    status = 403 if failure.status == 401 else failure.status
    kind, message = _ERRORS.get(status, _ERRORS[500 if status >= 500 else 400])
    if failure.limit_tokens is not None:
        message = (
            "The model returned the following errors: prompt is too long:"
            f" {failure.used_tokens} tokens > {failure.limit_tokens} maximum"
        )
    return failure.code or kind, failure.message or message


def _stream(script: Script) -> list[Event]:
    events = [_event("messageStart", role="assistant")]
    for index, block in enumerate(_blocks(script)):
        events += _block_events(index, block, script)
    if script.breaks is not None:
        kind, message = _error(script.breaks)
        return [*events, Event(dump({"message": message}), kind[:1].lower() + kind[1:], is_error=True)]
    events.append(_event("messageStop", stopReason=_STOP[script.ending]))
    usage = {} if script.tokens is None else {"usage": _usage(script.tokens)}
    return [*events, _event("metadata", **usage, metrics={"latencyMs": 12})]


def _blocks(script: Script) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if script.reasoning:
        text = {"text": "".join(script.reasoning), "signature": _SIGNATURE}
        blocks.append({"reasoningContent": {"reasoningText": text}})
    if script.refusal is not None:
        blocks.append({"text": script.refusal})
    elif script.whole and (not script.tool_calls or script.whole != Script().whole):
        blocks.append({"text": script.whole})
    for place, one in enumerate(script.tool_calls):
        call = {"toolUseId": one.id or f"tooluse_{place + 1}", "name": one.name, "input": json.loads(one.arguments)}
        blocks.append({"toolUse": call})
    return blocks


def _block_events(index: int, block: dict[str, Any], script: Script) -> list[Event]:
    events: list[Event] = []
    deltas: list[dict[str, Any]]
    if "toolUse" in block:
        call = cast("dict[str, Any]", block["toolUse"])
        start = {"toolUseId": call["toolUseId"], "name": call["name"]}
        events.append(_event("contentBlockStart", contentBlockIndex=index, start={"toolUse": start}))
        texts = pieces(json.dumps(call["input"], ensure_ascii=False), script.chunk_chars)
        deltas = [{"toolUse": {"input": text}} for text in texts] if call["input"] else []
    elif "reasoningContent" in block:
        deltas = [{"reasoningContent": {"text": text}} for text in script.reasoning]
        deltas.append({"reasoningContent": {"signature": _SIGNATURE}})
    else:
        texts = script.chunks if script.refusal is None else pieces(script.refusal, script.chunk_chars)
        deltas = [{"text": text} for text in texts]
    events += [_event("contentBlockDelta", contentBlockIndex=index, delta=delta) for delta in deltas]
    return [*events, _event("contentBlockStop", contentBlockIndex=index)]


def _event(name: str, **fields: Any) -> Event:
    return Event(dump({**fields, "p": "abcdefghijkl"}), name)


def _usage(tokens: Tokens) -> dict[str, Any]:
    written = tokens.cache_write + tokens.cache_write_1h
    said: dict[str, Any] = {
        "inputTokens": tokens.input,
        "outputTokens": tokens.output,
        "totalTokens": tokens.prompt + tokens.output,
        "cacheReadInputTokens": tokens.cache_read,
        "cacheWriteInputTokens": written,
    }
    if tokens.cache_write_1h:
        said["cacheDetails"] = [{"ttl": "1h", "inputTokens": tokens.cache_write_1h}]
    return said


def _check(request: dict[str, Any]) -> None:
    """Refuse a request that Bedrock refuses: turns out of order, and calls without their results."""
    turns: list[dict[str, Any]] = request.get("messages") or []
    if not turns or turns[0]["role"] != "user":
        raise Refused(Failure(400, "A conversation must start with a user message."))
    for before, turn in pairwise(turns):
        if before["role"] == turn["role"]:
            raise Refused(Failure(400, "A conversation must alternate between user and assistant roles."))
        calls = [block["toolUse"]["toolUseId"] for block in before["content"] if "toolUse" in block]
        results = [block["toolResult"]["toolUseId"] for block in turn["content"] if "toolResult" in block]
        if sorted(calls) != sorted(results):
            raise Refused(Failure(400, "Expected toolResult blocks at messages for the previous toolUse blocks."))
    uses_tools = any("toolUse" in block for turn in turns for block in turn["content"])
    if uses_tools and not request.get("toolConfig"):
        raise Refused(Failure(400, "The toolConfig field must be defined when using toolUse and toolResult blocks."))
