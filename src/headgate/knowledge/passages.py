"""Passages: parts of a document that are found, read and cited as one."""

from __future__ import annotations

import msgspec

from headgate.knowledge.blocks import Box


class Passage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a document.

    Args:
        text: its words, as they are shown.
        headings: the titles above it, the outermost first.
        boxes: its rectangles in a format with pages.
        part: a name of its place in a format without pages, such as a sheet or a slide.
    """

    text: str
    headings: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    part: str = ""

    def in_context(self, *, title: str) -> str:
        """Return the text under the title and headings, as it is indexed."""
        head = self.head(title=title)
        return f"{head}\n{self.text}" if head else self.text

    def head(self, *, title: str) -> str:
        """Return the title and the headings above the passage. A first heading that repeats the title is left out."""
        headings = self.headings[1:] if self.headings[:1] == (title,) else self.headings
        return " › ".join(part for part in (title, *headings) if part)
