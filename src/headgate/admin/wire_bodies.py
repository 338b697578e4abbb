"""Bodies of operations on the wires of clients: JSON of a declared form, numbers of queries, and pages of lists."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from headgate.admin.wire_operations import WireAnswer
from headgate.kernel.errors import Invalid

S = TypeVar("S")

Metadata = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]],
    msgspec.Meta(max_length=16),
]
"""Notes of a client on an object that it makes, as OpenAI limits them."""


def limit_of(query: Mapping[str, str], *, default: int, most: int) -> int:
    """Return the parameter `limit`, at most `most`.

    Raises:
        Invalid: it is not a positive number.
    """
    text = query.get("limit", str(default))
    if not text.isascii() or not text.isdigit() or not int(text[:9]) > 0:
        raise Invalid(f"limit is {text[:20]!r}; send a number from 1 to {most}", param="limit")
    return min(int(text[:9]), most)


def decoded(body: bytes, kind: type[S]) -> S:
    """Decode a JSON body; fields that we do not know are ignored.

    Raises:
        Invalid: it is not of this form.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is not valid: {error}") from error


async def digest_of_text(text: bytes) -> str:
    """Return the SHA-256 of a text, in hex, so that an approval covers exactly this text."""
    return await asyncio.to_thread(lambda: hashlib.sha256(text).hexdigest())


def told(view: Any) -> WireAnswer:
    """Return an object as an answer."""
    return WireAnswer(msgspec.json.encode(view))


def page_view(views: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Return a page of a list in OpenAI's form."""
    first, last = (views[0]["id"], views[-1]["id"]) if views else (None, None)
    return {"object": "list", "data": views, "first_id": first, "last_id": last, "has_more": has_more}
