"""Kept answers of OpenAI's Responses wire: `previous_response_id`, items by their ids, and what `GET` returns.

An exchange is `{"input": [items], "response": {...}}`. The items have ids, as the API gives them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Invalid, NotFound, TooLarge
from headgate.wire.dialect import Match
from headgate.wire.json_document import MAX_BODY_BYTES
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import ModelCall
from headgate.wire.openai_compaction import asking, is_sealed, opened
from headgate.wire.openai_responses_calls import conversation_in, items_in, read_responses_call
from headgate.wire.openai_responses_words import REQUEST, is_reference, item_id
from headgate.wire.openai_words import document_of
from headgate.wire.stateful import Asked, Earlier, Item, State

_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}
_PREVIOUS: Final = "previous_response_id"
_CONVERSATION: Final = "conversation"
_TAKEN_OUT: Final = (_PREVIOUS, _CONVERSATION, "background")
_OURS: Final = re.compile(r"[a-z]{2,8}_([0-9a-z]{26})i?[0-9]{2,6}")
"""The ids that we give to items: of the answer, and the place in it."""

_MAX_ID_CHARS: Final = 128
_MOST_LISTED: Final = 100
_LISTED: Final = 20


class Exchange(msgspec.Struct):
    """A kept exchange; its items and its answer stay in their own bytes."""

    input: list[msgspec.Raw]
    response: msgspec.Raw


class _Answer(msgspec.Struct):
    output: list[msgspec.Raw]


class _Item(msgspec.Struct):
    id: str = ""


_EXCHANGE: Final = msgspec.json.Decoder(Exchange)
_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ITEM: Final = msgspec.json.Decoder(_Item)


def state_of(call: ModelCall) -> State:
    """Return what a call wants of kept state; answers are kept unless the client says no."""
    fields = document_of(call.content, REQUEST).fields()
    return State(
        previous=fields.get(_PREVIOUS),
        conversation=conversation_in(fields),
        items=[item.get("id", "") for item in items_in(fields) if is_reference(item)],
        sealed=[item["encrypted_content"] for item in items_in(fields) if is_sealed(item)],
        is_kept=fields.get("store") is not False,
        begins=bool(fields.get("background")),
        is_background=bool(fields.get("background")),
    )


def answers_of(items: Sequence[str]) -> list[str]:
    """Return the ids of the answers whose items these may be: ids that we gave tell."""
    return [f"resp_{found[1]}" for item in items if (found := _OURS.fullmatch(item))]


def after(call: ModelCall, earlier: Earlier) -> ModelCall:
    """Return the call with earlier items before its own.

    The instructions of earlier calls do not come along.
    """
    document = document_of(call.content, REQUEST)
    fields = document.fields()
    before = _before(earlier)
    size_bytes = len(document.raw) + sum(map(len, before))
    if size_bytes > MAX_BODY_BYTES:
        raise TooLarge(
            f"the conversation has {size_bytes} bytes; at most {MAX_BODY_BYTES} are accepted",
            param=_CONVERSATION if fields.get(_PREVIOUS) is None else _PREVIOUS,
        )
    edits: dict[Path, bytes | None] = {(name,): None for name in _TAKEN_OUT if name in fields}
    edits["input",] = msgspec.json.encode([*before, *_own_items(fields)])
    return _edited(call, edits)


def summarising(call: ModelCall) -> ModelCall:
    """Return a request for compaction as a request for a summary."""
    fields = document_of(call.content, REQUEST).fields()
    edits: dict[Path, bytes | None] = {("stream",): None} if "stream" in fields else {}
    return _edited(call, edits | asking(_own_items(fields)))


def resolved(call: ModelCall, earlier: Earlier) -> ModelCall:
    """Return the call with its own items only, each that it refers to in its place."""
    own = _own_items(document_of(call.content, REQUEST).fields())
    items = [opened(item, earlier.opened[item["encrypted_content"]]) if is_sealed(item) else item for item in own]
    if any(map(is_reference, items)):
        return _edited(call, {("input",): msgspec.json.encode(_with_named(items, _before(earlier), earlier.named))})
    return _edited(call, {("input",): msgspec.json.encode(items)})


def _before(earlier: Earlier) -> list[msgspec.Raw]:
    items = [item for one in map(_EXCHANGE.decode, earlier.exchanges) for item in _items_of(one)]
    return [*items, *map(msgspec.Raw, earlier.items)]


def _edited(call: ModelCall, edits: Mapping[Path, bytes | None]) -> ModelCall:
    document = document_of(call.content, REQUEST).edit_fields(edits)
    whole = read_responses_call(document.raw, headers={}, match=Match(call.operation))
    return replace(whole, headers=call.headers)


def _with_named(
    own: Sequence[Mapping[str, Any]], before: Sequence[msgspec.Raw], named: Sequence[bytes]
) -> list[Mapping[str, Any] | msgspec.Raw]:
    """Return items with the items that they refer to; an item that comes before them already is not repeated.

    Raises:
        NotFound: no item has that id.
    """
    known = {_ITEM.decode(item).id for item in before}
    found = {_ITEM.decode(item).id: item for one in map(_EXCHANGE.decode, named) for item in _items_of(one)}
    items: list[Mapping[str, Any] | msgspec.Raw] = []
    for item in own:
        name = str(item.get("id"))
        if not is_reference(item):
            items.append(item)
        elif name in found:
            items += [] if name in known else [found[name]]
        elif name not in known:
            raise NotFound(f"Item with id {name[:_MAX_ID_CHARS]!r} not found.", param="input")
    return items


def named(body: bytes, *, call: ModelCall, answer: str) -> bytes:
    """Return a whole answer under its id here, with the id of the answer or conversation that it continues."""
    fields = document_of(call.content, REQUEST).fields()
    edits: dict[Path, bytes | None] = {("id",): msgspec.json.encode(answer)}
    edits[_PREVIOUS,] = msgspec.json.encode(fields.get(_PREVIOUS))
    if (conversation := conversation_in(fields)) is not None:
        edits[_CONVERSATION,] = msgspec.json.encode({"id": conversation})
    return edit_fields(body, edits)


def exchange(call: ModelCall, body: bytes) -> bytes:
    """Return the exchange of a call and its answer; items without an id get one."""
    answer = _ITEM.decode(body).id
    items = _own_items(document_of(call.content, REQUEST).fields())
    kept = [{**item, "id": item.get("id") or _new_item_id(item, answer, at)} for at, item in enumerate(items)]
    return msgspec.json.encode({"input": kept, "response": msgspec.Raw(body)})


def items_of(exchange: bytes) -> list[Item]:
    """Return the items of a call and its answer, as a conversation keeps them."""
    one = _EXCHANGE.decode(exchange)
    given = [whole_item(msgspec.json.decode(item)) for item in one.input]
    written = [Item(_ITEM.decode(item).id, bytes(item)) for item in _ANSWER.decode(one.response).output]
    return [item for item in (*given, *written) if item.id]


def told_items(exchange: bytes) -> list[str]:
    """Return the ids of an answer's items."""
    output = _ANSWER.decode(_EXCHANGE.decode(exchange).response).output
    return [name for name in dict.fromkeys(_ITEM.decode(item).id for item in output) if name]


def whole_item(item: Mapping[str, Any]) -> Item:
    """Return a client's item, with the id that it has, as this wire shows it."""
    shown = {"type": "message", "status": "completed", **item}
    if isinstance(content := shown.get("content"), str):
        part: dict[str, Any] = {"type": "input_text", "text": content}
        if shown.get("role") == "assistant":
            part = {"type": "output_text", "text": content, "annotations": []}
        shown["content"] = [part]
    return Item(str(shown["id"]), msgspec.json.encode(shown))


def named_item(item: Mapping[str, Any], unique: str, at: int) -> Item:
    """Return a client's item as this wire shows it; an item without an id gets one from its place."""
    typed = {"type": "message", **item}
    return whole_item({**typed, "id": typed.get("id") or _new_item_id(typed, unique, at)})


def read_kept(asked: Asked, exchanges: Sequence[bytes], query: Mapping[str, str]) -> bytes:
    """Return the last answer, or the items of all calls and answers that led to it."""
    last = _EXCHANGE.decode(exchanges[-1])
    if not asked.part:
        return bytes(last.response)
    if asked.part != "input_items":
        raise NotFound(f"a response has no {asked.part[:40]}; it has input_items")
    earlier = [item for one in map(_EXCHANGE.decode, exchanges[:-1]) for item in _items_of(one)]
    return page_of([*earlier, *last.input], query)


def forgotten(answer: str) -> bytes:
    """Return the body for a deleted answer."""
    return msgspec.json.encode({"id": answer, "object": "response", "deleted": True})


def _items_of(one: Exchange) -> list[msgspec.Raw]:
    """Return the items of a call and of its answer."""
    return [*one.input, *_ANSWER.decode(one.response).output]


def _own_items(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = fields.get("input")
    if given is None:
        return []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    items = cast("list[dict[str, Any]]", given)
    return [{"type": "item_reference" if is_reference(item) else "message", **item} for item in items]


def _new_item_id(item: Mapping[str, Any], answer: str, at: int) -> str:
    return item_id(_PREFIXES.get(str(item["type"]), "item"), f"{answer}i", at)


def page_of(items: list[msgspec.Raw], query: Mapping[str, str]) -> bytes:
    """Return a page of items; the newest come first unless the query asks otherwise."""
    limit, order, start = query.get("limit", str(_LISTED)), query.get("order", "desc"), query.get("after")
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST_LISTED:
        raise Invalid(f"limit must be a whole number from 1 to {_MOST_LISTED}", param="limit")
    if order not in ("asc", "desc"):
        raise Invalid("order must be asc or desc", param="order")
    if order == "desc":
        items.reverse()
    ids = [_ITEM.decode(item).id for item in items]
    if start is not None and start not in ids:
        raise Invalid("after must be the id of an item in this list", param="after")
    begin = 0 if start is None else ids.index(start) + 1
    end = begin + int(limit)
    page = ids[begin:end]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": items[begin:end],
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
            "has_more": end < len(items),
        }
    )
