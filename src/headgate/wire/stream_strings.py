"""Finds the strings of a stream event outside its wire's own fields, and the channel of each.

A provider may split any string over several events. The channel of a string is therefore its
place: the keys of its path, with list items named by their own `index` or `id` if they have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, cast

from headgate.wire.embedded_text import embedded_text
from headgate.wire.json_edits import Path

_STRUCTURE: Final = frozenset(
    {"id", "object", "model", "role", "type", "finish_reason", "native_finish_reason", "system_fingerprint"}
    | {"service_tier", "obfuscation", "provider", "format", "signature", "encrypted_content", "encrypted_index"}
    | {"tool_use_id", "tool_call_id", "stop_reason", "call_id", "status", "category"}
    | {"thoughtSignature", "finishReason", "blockReason", "responseId", "modelVersion", "mimeType", "modality"}
    | {"probability", "createTime"}
)
"""Keys whose strings are identifiers, enumerations and ciphertext; no scan reads them."""

_OBJECTS: Final = frozenset({"annotations", "citations", "citation"})
"""Keys whose objects are complete in their event; clients use them only as a whole."""

_WHOLE: Final = _OBJECTS | {
    *("name", "data", "message", "logprobs", "error", "search_results", "images", "image_url", "url", "stop_sequence")
}
"""Keys whose strings are complete in their event; no client joins them with later strings."""

WHOLE_CHANNEL: Final = "other/whole/"
"""The prefix of channels with one complete string each, such as a name, a mark or a link."""

_KEPT: Final = ("index", "type")


class Form(NamedTuple):
    """An event with the path of a channel's text, as a template for more text of the channel."""

    data: Any
    path: Path


def strings_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every string that may hold text, with its path. Linear."""
    if isinstance(value, str):
        if value and path[-1] not in _STRUCTURE and not _is_binary(value, path[-1]):
            yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from strings_in(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from strings_in(item, (*path, key))


def is_whole(path: Path) -> bool:
    """Whether the string at a path is complete in its event."""
    return not _WHOLE.isdisjoint(path)


def is_object(path: Path) -> bool:
    """Whether the string at a path belongs to an object that is complete in its event."""
    return not _OBJECTS.isdisjoint(path)


def place_of(value: Any, path: Path) -> str:
    """Return the name of a string's place; it is the same in every event with more of its text."""
    steps: list[str] = []
    for step in path:
        value = value[step]
        steps.append(step if isinstance(step, str) else str(_own_name(value, step)))
    return ".".join(steps)


def form_with(form: Form, text: str) -> tuple[Any, Path]:
    """Return an event that carries only the text at its place, and the path of the text in it."""
    return _reduced(form.data, form.path, text), tuple(0 if isinstance(step, int) else step for step in form.path)


def _own_name(item: Any, at: int) -> int | str:
    if isinstance(item, dict):
        for key in ("index", "id"):
            name: Any = cast("dict[str, Any]", item).get(key)
            if isinstance(name, (int, str)):
                return name
    return at


def _reduced(value: Any, path: Path, text: str) -> Any:
    if not path:
        return text
    step = path[0]
    if isinstance(step, int):
        item = value[step]
        reduced = _reduced(item, path[1:], text)
        is_named = isinstance(item, dict) and "index" not in item and isinstance(_own_name(item, 0), str)
        return [{"id": _own_name(item, 0), **reduced} if is_named else reduced]
    kept = {key: value[key] for key in _KEPT if key in value and key != step}
    return {**kept, step: _reduced(value[step], path[1:], text)}


def _is_binary(text: str, key: str | int) -> bool:
    if key != "data":
        return False
    embedded = embedded_text(text, is_media=False, may_be_media=True)
    return embedded is not None and embedded.text is None
