"""OpenAI's conversations: `/v1/conversations`, with their items.

Source: OpenAI's published API document, schemas `Conversation` and `ConversationItem`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid
from headgate.wire.json_document import JsonDocument
from headgate.wire.openai_responses_calls import check_item, is_metadata, is_objects
from headgate.wire.openai_responses_state import named_item, page_of
from headgate.wire.openai_responses_words import BODY, is_reference
from headgate.wire.openai_words import document_of
from headgate.wire.stateful import Item

_MOST_ITEMS: Final = 20
"""The limit of items in one request, which is that of the API."""


class OpenAiConversations:
    """Implements `ConversationWire`."""

    __slots__ = ()

    path = "/v1/conversations"

    def new_id(self, unique: str) -> str:
        """Return the id of a new conversation."""
        return f"conv_{unique}"

    def read_body(self, body: bytes, *, is_new: bool) -> JsonDocument:
        """Decode and check the body that makes or changes a conversation."""
        document = JsonDocument.parse(body or b"{}", layout=BODY)
        fields = document.fields()
        if (metadata := fields.get("metadata")) is not None and not is_metadata(metadata):
            raise Invalid("metadata must be an object of at most 16 strings", param="metadata")
        if is_new and fields.get("items") is not None:
            _check_items(fields)
        return document

    def read_items(self, body: bytes) -> JsonDocument:
        """Decode and check the body that adds items."""
        document = JsonDocument.parse(body, layout=BODY)
        _check_items(document.fields())
        return document

    def metadata_in(self, content: Content) -> bytes:
        """Return the metadata of a body as JSON."""
        return msgspec.json.encode(document_of(content, BODY).fields().get("metadata") or {})

    def items_in(self, content: Content, *, unique: str) -> Sequence[Item]:
        """Return the items of a body; those without an id get one."""
        items = cast("list[dict[str, Any]]", document_of(content, BODY).fields().get("items") or [])
        return [named_item(item, unique, at) for at, item in enumerate(items)]

    def whole(self, conversation: str, *, created: int, metadata: bytes) -> bytes:
        """Return the body that shows a conversation."""
        shown = {"id": conversation, "object": "conversation", "created_at": created}
        return msgspec.json.encode({**shown, "metadata": msgspec.Raw(metadata)})

    def page(self, items: Sequence[bytes], query: Mapping[str, str]) -> bytes:
        """Return a page of items; the newest come first unless the query asks otherwise."""
        return page_of(list(map(msgspec.Raw, items)), query)

    def deleted(self, conversation: str) -> bytes:
        """Return the body for a deleted conversation."""
        return msgspec.json.encode({"id": conversation, "object": "conversation.deleted", "deleted": True})


def _check_items(fields: Mapping[str, Any]) -> None:
    items = fields.get("items")
    if not is_objects(items):
        raise Invalid("items must be a list of objects", param="items")
    found = cast("list[dict[str, Any]]", items)
    if len(found) > _MOST_ITEMS:
        raise Invalid(f"items must have at most {_MOST_ITEMS} items", param="items")
    for index, item in enumerate(found):
        where = f"items[{index}]"
        check_item(item, where)
        if is_reference(item):
            raise Invalid(f"{where}: an item of a conversation is whole; send the item itself", param=where)
        if not isinstance(item.get("id", ""), str):
            raise Invalid(f"{where}.id must be a string", param=f"{where}.id")
