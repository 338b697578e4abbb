"""Normalises chunks of servers that deviate from OpenAI's chat format.

- Mistral's servers send `content` as a list of parts, some of type `thinking`. Parts of types
  other than `thinking` and `text`, such as references, move to `content_parts`.
- Some servers send the arguments of a tool call as an object.
- Some servers send two pieces of one tool call, or of one choice, in one chunk. The chunk then
  becomes several.
- Some servers cut a character in two; see `surrogates`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from headgate.wire.openai_decoding import thinking_text
from headgate.wire.surrogates import Halves, has_halves, whole_characters
from headgate.wire.token_counts import leniently_decoded

_Json = dict[str, Any]
_TEXTS: Final = ("content", "reasoning_content", "reasoning", "refusal")


class Piece(NamedTuple):
    """One chunk: its JSON and the decoded value."""

    data: bytes
    value: Any


def pieces_of(data: bytes, halves: Halves) -> Sequence[Piece]:
    """Return the normalised chunks of one chunk; a regular chunk keeps its bytes.

    Raises:
        ValueError, msgspec.DecodeError: the chunk is not JSON.
    """
    is_cut = bool(halves.held)
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        # The chunk may end within a character, or its usage may hold a number out of range.
        value, is_cut = leniently_decoded(data), is_cut or has_halves(data)
    is_changed = is_cut
    choices = _objects(value.get("choices")) if isinstance(value, dict) else []
    for choice in choices:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            is_changed = _flatten(cast("_Json", delta)) or is_changed
    if is_cut:
        value = _with_whole_characters(value, halves)
        choices = _objects(value.get("choices")) if isinstance(value, dict) else []
    parts = list(_parts(choices))
    if len(parts) == len(choices) == len({str(choice.get("index", 0)) for choice in choices}):
        return (Piece(msgspec.json.encode(value) if is_changed else data, value),)
    shared = cast("_Json", value)
    values: list[_Json] = [{**shared, "choices": [part]} for part in parts]
    for earlier in values[:-1]:
        earlier.pop("usage", None)
    return [Piece(msgspec.json.encode(one), one) for one in values]


def has_twins(indices: Sequence[tuple[int | None, str | None]]) -> bool:
    """Whether two of these pieces, as pairs of index and id, belong to one tool call."""
    for place, (index, call_id) in enumerate(indices):
        for other, other_id in indices[:place]:
            if index == other and (not call_id or call_id == other_id):
                return True
    return False


def _flatten(delta: _Json) -> bool:
    """Turn parts into text and argument objects into JSON text; return whether any changed."""
    is_changed = False
    content = delta.get("content")
    if isinstance(content, list):
        parts = _objects(cast("list[Any]", content))
        thought = "".join(thinking_text(part) for part in parts if part.get("type") == "thinking")
        delta["content"] = "".join(str(part.get("text") or "") for part in parts if part.get("type") == "text") or None
        if thought:
            delta["reasoning_content"] = str(delta.get("reasoning_content") or "") + thought
        others = [part for part in parts if part.get("type") not in ("text", "thinking")]
        if others:
            delta["content_parts"] = others
        is_changed = True
    for call in _objects(delta.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict) and isinstance(cast("_Json", function).get("arguments"), (dict, list)):
            said_as_object = cast("_Json", function)
            said_as_object["arguments"] = msgspec.json.encode(said_as_object["arguments"]).decode()
            is_changed = True
    return is_changed


def _parts(choices: Sequence[_Json]) -> Iterator[_Json]:
    """Yield the choices; split a choice that holds several pieces of one tool call.

    Only the last piece of a split choice carries the finish reason.
    """
    for choice in choices:
        said = choice.get("delta")
        delta: _Json = cast("_Json", said) if isinstance(said, dict) else {}
        calls = _objects(delta.get("tool_calls"))
        if not has_twins([(call.get("index"), call.get("id")) for call in calls]):
            yield choice
            continue
        rest = {key: value for key, value in delta.items() if key != "tool_calls"}
        for place, call in enumerate(calls):
            piece: _Json = {**choice, "delta": {**(rest if place == 0 else {}), "tool_calls": [call]}}
            if place < len(calls) - 1:
                piece["finish_reason"] = None
            yield piece


def _with_whole_characters(value: Any, halves: Halves) -> Any:
    """Return the chunk without half characters; a half at the end waits for the next chunk."""
    for choice in _objects(value.get("choices")) if isinstance(value, dict) else ():
        index, is_last = str(choice.get("index", 0)), bool(choice.get("finish_reason"))
        delta = choice.get("delta")
        said = choice["delta"] = cast("_Json", delta) if isinstance(delta, dict) else {}
        for key in _TEXTS:
            old = said.get(key)
            text = halves.joined((index, key), old if isinstance(old, str) else "", is_last=is_last)
            if text or isinstance(old, str):
                said[key] = text
        for place, call in enumerate(_objects(said.get("tool_calls"))):
            function = call.get("function")
            if isinstance(function, dict) and isinstance(cast("_Json", function).get("arguments"), str):
                tool = (index, "tool", str(call.get("index", place)))
                inner = cast("_Json", function)
                inner["arguments"] = halves.joined(tool, inner["arguments"], is_last=is_last)
    return json.loads(whole_characters(json.dumps(value, ensure_ascii=False)))


def _objects(value: Any) -> list[_Json]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("_Json", item) for item in items if isinstance(item, dict)]
