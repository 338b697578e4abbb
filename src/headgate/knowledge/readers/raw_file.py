"""The input of a reader: the bytes of a file, and the limits of its reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from headgate.kernel.errors import TooLarge
from headgate.knowledge.blocks import Block, ReadFile

MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may take.

    Args:
        file_bytes: of the file.
        unpacked_bytes: of all parts of a packed format that are read.
        pages: of a PDF.
        text_chars: of all text that is read.
        blocks: of a file.
        memory_bytes: of the reading process, as address space.
        cpu_s: of the reading process, for one file.
        wall_s: for one file.
    """

    file_bytes: int = 64 * MIB
    unpacked_bytes: int = 256 * MIB
    pages: int = 2_000
    text_chars: int = 24_000_000
    blocks: int = 200_000
    memory_bytes: int = 1024 * MIB
    cpu_s: int = 30
    wall_s: float = 60.0


class RawFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to read.

    Args:
        media_type: as `detect` found it.
        name: the file's name, which decides only where the bytes do not.
    """

    data: bytes
    media_type: str
    name: str = ""
    limits: Limits = Limits()


Reader = Callable[[RawFile], ReadFile]


def collected(blocks: Iterable[Block], limits: Limits) -> list[Block]:
    """Return the blocks as a list.

    Raises:
        TooLarge: their number or their text exceeds the limit. No more of them are read.
    """
    found: list[Block] = []
    chars = 0
    for block in blocks:
        chars += len(block.text)
        if chars > limits.text_chars:
            raise TooLarge(
                f"The file has more than {limits.text_chars / 1e6:,.0f} million characters of text."
                " Split it into smaller files."
            )
        if len(found) == limits.blocks:
            raise TooLarge(
                f"The file has more than {limits.blocks:,} paragraphs and tables. Split it into smaller files."
            )
        found.append(block)
    return found
