"""Compaction on OpenAI's Responses wire: a model writes a summary, which stands for a conversation in later calls.

`POST /v1/responses/compact` becomes a call that asks for the summary. Its answer has the user's messages
and one item with the sealed summary.

Source: OpenAI's published API document, schemas `CompactResource` and `CompactionBody`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Upstream
from headgate.wire.json_edits import Path
from headgate.wire.openai_responses_words import item_id
from headgate.wire.token_counts import object_of

VARIANT: Final = "compact"
SEALED: Final = "hgc1-"
"""Begins a summary that was sealed here."""

_ASKS: Final = (
    "Write a summary of the conversation so far. Another assistant goes on with it and sees nothing else of the"
    " conversation. Keep what was asked, decided and done, with all names, numbers and files, and what is still to do."
    " Write only the summary."
)
_HEAD: Final = "Summary of the conversation so far:\n\n"


def asking(items: Sequence[Mapping[str, Any]]) -> dict[Path, bytes | None]:
    """Return the edits that make a request for compaction a request for a summary."""
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": _ASKS}]}
    return {("input",): msgspec.json.encode([*items, asked]), ("store",): b"false"}


def summary_in(body: bytes) -> str:
    """Return the summary in a whole answer.

    Raises:
        Upstream: there is none.
    """
    output = cast("list[Any]", msgspec.json.decode(body).get("output") or [])
    parts = [part for item in output for part in cast("list[Any]", object_of(item).get("content") or [])]
    text = "".join(str(part.get("text", "")) for part in map(object_of, parts) if part.get("type") == "output_text")
    if not text:
        raise Upstream("the model wrote no summary of the conversation")
    return text


def compacted(body: bytes, items: Sequence[Mapping[str, Any]], *, answer: str, sealed: str) -> bytes:
    """Return the answer to a request for compaction.

    Args:
        body: the whole answer with the summary.
        items: of the whole conversation, with the request for the summary at the end.
    """
    told = msgspec.json.decode(body)
    users = [
        {"id": item_id("msg", f"{answer}i", at), "status": "completed", **item, "content": _parts(item.get("content"))}
        for at, item in enumerate(items[:-1])
        if item.get("type", "message") == "message" and item.get("role") == "user"
    ]
    compaction = {"id": item_id("cmp", answer, 0), "type": "compaction", "encrypted_content": f"{SEALED}{sealed}"}
    return msgspec.json.encode(
        {
            "id": answer,
            "object": "response.compaction",
            "created_at": told.get("created_at"),
            "output": [*users, compaction],
            "usage": told.get("usage"),
        }
    )


def is_sealed(item: Mapping[str, Any]) -> bool:
    """Whether an item is a summary that was sealed here."""
    return item.get("type") == "compaction" and str(item.get("encrypted_content")).startswith(SEALED)


def opened(item: Mapping[str, Any], summary: str) -> dict[str, Any]:
    """Return the message that stands for a sealed summary."""
    part: dict[str, Any] = {"type": "output_text", "text": f"{_HEAD}{summary}", "annotations": []}
    named = {"id": item["id"]} if isinstance(item.get("id"), str) else {}
    return {"type": "message", **named, "role": "assistant", "status": "completed", "content": [part]}


def _parts(content: Any) -> Any:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content
