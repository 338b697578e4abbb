"""Joins surrogate pairs that a server split over two pieces of a stream.

Servers that split text by UTF-16 units send one half at the end of a piece and the other half at
the start of the next. A single half becomes U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final

from headgate.kernel.errors import Invalid
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_strings import Layout

_LONE: Final = re.compile(rb"(?<!\\)((?:\\\\)*+)(?:(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..)")
_FIRST, _LAST = "\ud800", "\udbff"
"""The bounds of the first halves."""


class Halves:
    """Joins the halves of characters in the texts of one stream.

    Pieces of the same text share a `place`.

    Attributes:
        held: the halves that wait for their other half, by place.
    """

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: dict[Hashable, str] = {}

    def joined(self, place: Hashable, text: str, *, is_last: bool = False) -> str:
        """Return a piece of text after the held half; hold a half at its end for the next one."""
        text = self.held.pop(place, "") + text
        if text and _FIRST <= text[-1] <= _LAST and not is_last:
            self.held[place] = text[-1]
            text = text[:-1]
        return whole_characters(text)


def whole_characters(text: str) -> str:
    """Return the text with adjacent halves joined, and every other half as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def has_halves(body: bytes) -> bool:
    """Whether JSON text may contain a half as an escape."""
    return b"\\u" in body and (b"\\ud" in body or b"\\uD" in body)


def parse_answer(body: bytes, layout: Layout) -> JsonDocument:
    """Decode a provider's answer; halves of characters in it become U+FFFD.

    Raises:
        Invalid: as `JsonDocument.parse`.
    """
    name = "the provider's answer"
    try:
        return JsonDocument.parse(body, layout=layout, name=name)
    except Invalid:
        mended = _LONE.sub(lambda found: found[0] if found[2] else found[1] + b"\\ufffd", body)
        if mended == body:
            raise
        return JsonDocument.parse(mended, layout=layout, name=name)
