"""Source code and configuration: pieces that begin at the left margin, with their lines."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.knowledge.blocks import Block, ReadFile
from headgate.knowledge.readers.raw_file import RawFile, collected
from headgate.knowledge.readers.text import decoded

_GROUP_CHARS = 600


def read(raw: RawFile) -> ReadFile:
    """Read code. A piece ends at an empty line before a line without indentation."""
    return ReadFile(media_type=raw.media_type, blocks=collected(_groups(decoded(raw.data)), raw.limits))


def _groups(text: str) -> Iterator[Block]:
    """Yield small pieces together, with `part` as `lines 10-34`."""
    lines: list[str] = []
    first, size = 1, 0
    for number, piece in _pieces(text):
        more = sum(len(line) + 1 for line in piece)
        if lines and size + more > _GROUP_CHARS:
            yield from _block(lines, first)
            lines, size = [], 0
        first = first if lines else number
        lines += piece
        size += more
    yield from _block(lines, first)


def _pieces(text: str) -> Iterator[tuple[int, list[str]]]:
    piece: list[str] = []
    first, was_empty = 1, False
    for number, line in enumerate(text.split("\n"), 1):
        begins = was_empty and line[:1].strip() and line[0] not in ")]}"
        if begins and piece:
            yield first, piece
            piece, first = [], number
        piece.append(line)
        was_empty = not line.strip()
    yield first, piece


def _block(lines: list[str], first: int) -> Iterator[Block]:
    while lines and not lines[-1].strip():
        lines.pop()
    if any(line.strip() for line in lines):
        part = f"line {first}" if len(lines) == 1 else f"lines {first}-{first + len(lines) - 1}"
        yield Block(kind="code", text="\n".join(line.rstrip() for line in lines).strip("\n"), part=part)
