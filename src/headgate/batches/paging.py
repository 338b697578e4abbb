"""Pages and bodies of both wires: numbers of queries, and JSON bodies of a declared form."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from headgate.admin.wire_operations import WireAnswer
from headgate.kernel.errors import Invalid

S = TypeVar("S")


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
