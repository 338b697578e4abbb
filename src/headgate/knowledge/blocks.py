"""What a reader of a format makes of a file: blocks of text in reading order, each with its place.

Plain data, because readers run in processes of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

BlockKind = Literal["heading", "text", "list", "table", "code"]


class Box(msgspec.Struct, frozen=True, array_like=True):
    """A rectangle on a page.

    Args:
        page: from 1.
        left, top, right, bottom: parts of the page's width and height from its top left corner, 0 to 1.
    """

    page: int
    left: float
    top: float
    right: float
    bottom: float


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A paragraph, heading, list, table or piece of code.

    Args:
        level: of a heading, from 1; else 0.
        boxes: its rectangles in a format with pages, in reading order.
        part: a name of its place in a format without pages, such as a sheet or a slide.
    """

    kind: BlockKind
    text: str
    level: int = 0
    boxes: tuple[Box, ...] = ()
    part: str = ""


class ReadFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that was read.

    Args:
        media_type: as found in its bytes, not as its name says.
        title: its own, or empty.
        authors: as the file names them.
        written_at: when its text was last changed, as the file says, with a time zone; None if it does not.
        pages: None in a format without pages.
        language: two letters of ISO 639-1, or empty where unknown.
    """

    media_type: str
    blocks: list[Block]
    title: str = ""
    authors: list[str] = []
    written_at: datetime | None = None
    pages: int | None = None
    language: str = ""
