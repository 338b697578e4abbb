"""Binds encrypted reasoning to the deployment that issued it.

Only the provider's account that issued encrypted reasoning can read it; another one refuses the
call. On its way to the client the content gets the mark of its deployment. A call to that
deployment carries the content without the mark, and a call to another one does without the item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Invalid
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import ModelReply
from headgate.wire.openai_responses_event import ResponsesEvent
from headgate.wire.openai_responses_words import REPLY, is_reference
from headgate.wire.openai_words import document_of
from headgate.wire.token_counts import object_of
from headgate.wire.tool_names import objects_in

_FIELD: Final = "encrypted_content"
_IN_DATA: Final = b'"encrypted_content"'
_MARK: Final = "hg1-"
_TAG_CHARS: Final = 16
_OWN_SEARCH: Final = re.compile(r"fs_[0-9a-z]{26}[0-9]{2}")


def bound_to(items: Sequence[Mapping[str, Any]]) -> str:
    """Return the tag of the deployment that issued the last encrypted content of a call, or ""."""
    for item in reversed(items):
        content = item.get(_FIELD)
        if isinstance(content, str) and content.startswith(_MARK):
            return content[len(_MARK) :][:_TAG_CHARS]
    return ""


def sent_items(items: Sequence[Any], tag: str) -> Mapping[Path, bytes]:
    """Return the edits of a call's input for the deployment with a tag.

    Raises:
        Invalid: an item is a reference, which could name the item of another caller of the provider.
    """
    edits: dict[Path, bytes] = {}
    kept: list[Any] = []
    for index, item in enumerate(items):
        fields = object_of(item)
        if is_reference(fields):
            raise Invalid("input: an item that is named by its id is not at this provider; send it", param="input")
        content = fields.get(_FIELD)
        if not content:
            if fields.get("type") == "reasoning":  # only the provider of its answer holds it
                continue
            if fields.get("type") == "file_search_call" and _OWN_SEARCH.fullmatch(str(fields.get("id"))):
                continue  # the search was ours
        elif isinstance(content, str) and content.startswith(_MARK):
            own = content.removeprefix(f"{_MARK}{tag}.")
            if own == content:
                continue
            edits["input", index, _FIELD] = msgspec.json.encode(own)
            item = {**fields, _FIELD: own}
        kept.append(item)
    return edits if len(kept) == len(items) else {("input",): msgspec.json.encode(kept)}


def bound_reply(reply: ModelReply, tag: str) -> ModelReply:
    """Return a whole answer with the mark in its encrypted content."""
    document = document_of(reply.content, REPLY)
    if _IN_DATA not in document.raw:
        return reply
    found = [(("output", place), item) for place, item in objects_in(document.fields().get("output"))]
    return reply.with_content(document.edit_fields(dict(_marked(found, tag))))


def bound_event(event: ResponsesEvent, tag: str) -> ResponsesEvent:
    """Return an event of a stream with the mark in its encrypted content."""
    if _IN_DATA not in event.data:
        return event
    value = cast("dict[str, Any]", msgspec.json.decode(event.data))
    found: list[tuple[Path, Mapping[str, Any]]] = [(("item",), object_of(value.get("item")))]
    output = object_of(value.get("response")).get("output")
    found += [(("response", "output", place), item) for place, item in objects_in(output)]
    edits: dict[Path, bytes | None] = dict(_marked(found, tag))
    return msgspec.structs.replace(event, data=edit_fields(event.data, edits)) if edits else event


def _marked(found: Sequence[tuple[Path, Mapping[str, Any]]], tag: str) -> Iterator[tuple[Path, bytes]]:
    for path, item in found:
        content = item.get(_FIELD)
        if isinstance(content, str) and content:
            yield (*path, _FIELD), msgspec.json.encode(f"{_MARK}{tag}.{content}")
