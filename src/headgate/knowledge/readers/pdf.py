"""PDF: its text in the order of the page, its properties, and pictures of its pages."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, cast

import pypdfium2

from headgate.kernel.errors import Invalid, NotFound, TooLarge
from headgate.knowledge.blocks import Block, ReadFile
from headgate.knowledge.readers.dates import pdf_date
from headgate.knowledge.readers.pdf_layout import blocks_of
from headgate.knowledge.readers.pdf_lines import Line, lines_of
from headgate.knowledge.readers.raw_file import Limits, RawFile, collected
from headgate.knowledge.readers.text import one_line

_PASSWORD: Final = 4  # Source: FPDF_ERR_PASSWORD of fpdfview.h
_NO_TITLE: Final = re.compile(r"(?:microsoft (?:word|powerpoint|excel) - |untitled|document\d*$|\S+\.\w{2,4}$)", re.I)
_MOST_PIXELS: Final = 8_000_000
_MOST_WIDTH: Final = 2_000


def read(raw: RawFile) -> ReadFile:
    """Read a PDF.

    Raises:
        Invalid: it is encrypted, damaged or without text.
        TooLarge: it has too many pages, or too much text.
    """
    with _opened(raw.data) as document:
        count = len(document)
        if count > raw.limits.pages:
            raise TooLarge(f"The PDF has {count:,} pages, more than {raw.limits.pages:,}. Split it into smaller files.")
        lines = list(_lines(document, raw.limits))
        if not lines:
            raise Invalid(
                "The PDF has no text, only pictures of it. Text recognition is not available yet;"
                " add a PDF with a text layer."
            )
        own = cast("dict[str, str]", document.get_metadata_dict(skip_empty=True))
        blocks = collected(blocks_of(lines), raw.limits)
    return ReadFile(
        media_type=raw.media_type,
        blocks=blocks,
        title=_title(own, blocks),
        authors=[name for name in map(one_line, own.get("Author", "").split(";")) if name],
        written_at=pdf_date(own.get("ModDate", "")) or pdf_date(own.get("CreationDate", "")),
        pages=count,
    )


def page_image(data: bytes, *, page: int, width: int) -> bytes:
    """Return a page, from 1, as a PNG of that many pixels of width.

    A very long page gets a narrower picture, so that a picture has at most eight million pixels.

    Raises:
        NotFound: there is no such page.
        Invalid: the file is no PDF that opens.
    """
    with _opened(data) as document:
        if not 1 <= page <= len(document):
            raise NotFound(f"The PDF has no page {page}; it has {len(document)}.")
        with closing(document[page - 1]) as opened:
            across, down = cast("tuple[float, float]", opened.get_size())
            pixels = max(1, min(width, _MOST_WIDTH))
            scale = min(pixels / across, (_MOST_PIXELS / (across * down)) ** 0.5)
            with closing(opened.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)) as bitmap:
                return _png(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride)


@contextmanager
def _opened(data: bytes) -> Generator[Any]:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as exc:
        if getattr(exc, "err_code", None) == _PASSWORD:
            raise Invalid("The PDF is encrypted. Save it without a password, and add it again.") from exc
        raise Invalid("The PDF is damaged: it cannot be opened. Save or print it as PDF once more.") from exc
    with closing(document):
        yield document


def _lines(document: Any, limits: Limits) -> Iterator[Line]:
    chars = damaged = 0
    for number in range(len(document)):
        try:
            page = document[number]
        except pypdfium2.PdfiumError as exc:
            damaged += 1
            if damaged == len(document):
                raise Invalid("The PDF is damaged: none of its pages can be read. Print it as PDF once more.") from exc
            continue
        with closing(page):
            for line in lines_of(page, number + 1):
                yield line
                chars += len(line.text)
        if chars > limits.text_chars:
            raise TooLarge(
                f"The PDF has more than {limits.text_chars / 1e6:,.0f} million characters of text."
                " Split it into smaller files."
            )


def _title(own: dict[str, str], blocks: list[Block]) -> str:
    """Return the title of the properties, unless it is a file's name, or else the first heading."""
    title = one_line(own.get("Title", ""))
    if title and not _NO_TITLE.match(title):
        return title
    headings = [block for block in blocks if block.kind == "heading" and block.boxes[0].page == 1]
    return min(headings, key=lambda block: block.level).text if headings else ""


def _png(pixels: bytes, width: int, height: int, stride: int) -> bytes:
    """Return RGB rows of `stride` bytes as a PNG. Source: the PNG specification, third edition."""
    rows = b"".join(b"\0" + pixels[row * stride : row * stride + width * 3] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 3)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
