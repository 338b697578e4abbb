"""Plain text: its encoding and its paragraphs."""

from __future__ import annotations

import codecs
import re

from headgate.knowledge.blocks import Block, ReadFile
from headgate.knowledge.readers.raw_file import RawFile, collected

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins the same
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ITEM = re.compile(r"\s{0,8}(?:[-*+•–·]|\d{1,3}[.)])\s+\S")
_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, 0xFEFF, 0xFFFE), " ")


def decoded(data: bytes) -> str:
    """Return the text of the bytes: by its byte order mark, as UTF-8, or as Windows-1252.

    Line ends become `\\n`, and control characters become spaces.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def read(raw: RawFile) -> ReadFile:
    """Read plain text. Empty lines separate paragraphs."""
    return ReadFile(media_type=raw.media_type, blocks=collected(paragraphs(decoded(raw.data)), raw.limits))


def paragraphs(text: str, *, part: str = "") -> list[Block]:
    """Return the paragraphs of a text, and runs of items as lists."""
    blocks: list[Block] = []
    lines: list[str] = []
    for line in (*text.split("\n"), ""):
        if line.strip():
            lines.append(line.rstrip())
        elif lines:
            kind = "list" if all(_ITEM.match(line) for line in lines) else "text"
            blocks.append(Block(kind=kind, text="\n".join(lines).strip(), part=part))
            lines = []
    return blocks


def one_line(text: str) -> str:
    """Return the text with each run of white space as one space."""
    return " ".join(text.split())
