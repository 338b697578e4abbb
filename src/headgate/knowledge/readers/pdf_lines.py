"""The lines of a page of a PDF, with their places, sizes and weights, from PDFium's text page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from ctypes import byref, c_double, c_int, create_string_buffer
from math import hypot
from typing import Any, Final, NamedTuple, cast

import pypdfium2.raw

from headgate.knowledge.blocks import Box

_c: Final = cast(Any, pypdfium2.raw)  # generated from C headers, without types
_GRID: Final = 1_000_000
_LINE: Final = re.compile(r"[^\r\n]+")
_GAP: Final = re.compile(r"\s+")
_CELL_GAP: Final = 1.0  # in font sizes; the spaces of justified text are smaller
_BOLD: Final = re.compile(rb"bold|black|heavy|semibold|cmbx", re.I)
_SOFT_HYPHENS: Final = str.maketrans({"\x02": "\xad", "\ufffe": "\xad"})  # PDFium's marks of a divided word
_MOST_FONT_NAME: Final = 128


class Line(NamedTuple):
    """A line of text.

    Args:
        size: of most of its letters, in points.
        cells: its parts that wide gaps separate.
    """

    text: str
    box: Box
    size: float
    is_bold: bool
    cells: tuple[str, ...]


class _Rectangle(NamedTuple):
    left: float
    right: float
    bottom: float
    top: float


def lines_of(page: Any, number: int) -> Iterator[Line]:
    """Yield the lines of a page in the order in which the file writes them.

    Args:
        page: an open page of pypdfium2.
        number: from 1.
    """
    with closing(page.get_textpage()) as opened:
        text = cast(str, opened.get_text_range()).translate(_SOFT_HYPHENS)
        placed = _placing(page, number)
        letters = _Letters(opened)
        for found in _LINE.finditer(text):
            line = found[0]
            start = found.start() + len(line) - len(line.lstrip())
            end = found.start() + len(line.rstrip())
            if start < end:
                yield _line(text, start, end, letters, placed)


def _line(text: str, start: int, end: int, letters: _Letters, placed: Callable[[_Rectangle], Box]) -> Line:
    first, last = letters.at(start), letters.at(end - 1)
    one, other = letters.loose_box(first), letters.loose_box(last)
    size = sorted(map(letters.size, (first, letters.at((start + end) // 2), last)))[1]  # bullets are larger
    around = _Rectangle(
        min(one.left, other.left), max(one.right, other.right), min(one.bottom, other.bottom), max(one.top, other.top)
    )
    line = " ".join(text[start:end].split())
    return Line(
        text=line,
        box=placed(around),
        size=size,
        is_bold=letters.is_bold(first) and letters.is_bold(last),
        cells=tuple(_cells(text[start:end], first, letters, size) if last - first == end - 1 - start else (line,)),
    )


def _cells(text: str, first: int, letters: _Letters, size: float) -> Iterator[str]:
    """Yield the cells of a line whose first letter has the place `first`."""
    begun = 0
    for gap in _GAP.finditer(text):
        if not letters.is_generated(first + gap.start()):
            continue  # a written space is no wider than a word space
        left, right = letters.box(first + gap.start() - 1), letters.box(first + gap.end())
        if right.left - left.right > _CELL_GAP * size:
            yield " ".join(text[begun : gap.start()].split())
            begun = gap.end()
    yield " ".join(text[begun:].split())


class _Letters:
    """The letters of a text page, by the places of PDFium."""

    def __init__(self, textpage: Any) -> None:
        self._page = textpage.raw
        self._numbers = (c_double(), c_double(), c_double(), c_double())
        self._rectangle, self._matrix = _c.FS_RECTF(), _c.FS_MATRIX()
        self._name, self._flags = create_string_buffer(_MOST_FONT_NAME), c_int()

    def at(self, index: int) -> int:
        """Return the letter's place from its index in the text, which lacks some letters."""
        return max(cast(int, _c.FPDFText_GetCharIndexFromTextIndex(self._page, index)), 0)

    def is_generated(self, place: int) -> bool:
        """Whether PDFium put the letter in, such as a space for a gap."""
        return _c.FPDFText_IsGenerated(self._page, place) == 1

    def box(self, place: int) -> _Rectangle:
        """Return the rectangle of the drawn letter, in points from the bottom left."""
        left, right, bottom, top = self._numbers
        _c.FPDFText_GetCharBox(self._page, place, byref(left), byref(right), byref(bottom), byref(top))
        return _Rectangle(left.value, right.value, bottom.value, top.value)

    def loose_box(self, place: int) -> _Rectangle:
        """Return the rectangle with the height of the font."""
        found = self._rectangle
        _c.FPDFText_GetLooseCharBox(self._page, place, byref(found))
        return _Rectangle(found.left, found.right, found.bottom, found.top)

    def size(self, place: int) -> float:
        """Return the size of the font on the page: the file may scale a font of size 1."""
        size = cast(float, _c.FPDFText_GetFontSize(self._page, place))
        if _c.FPDFText_GetMatrix(self._page, place, byref(self._matrix)):
            size *= hypot(self._matrix.c, self._matrix.d)
        return size or 1.0

    def is_bold(self, place: int) -> bool:
        """Whether the font's name says that it is bold."""
        length = _c.FPDFText_GetFontInfo(self._page, place, self._name, _MOST_FONT_NAME, byref(self._flags))
        return 0 < length <= _MOST_FONT_NAME and _BOLD.search(self._name.value) is not None


def _placing(page: Any, number: int) -> Callable[[_Rectangle], Box]:
    """Return the function from points of the page to parts of it as it is shown.

    PDFium knows the crop and the rotation. Its mapping is linear, so three points give all.
    """
    x, y = c_int(), c_int()

    def mapped(across: float, up: float) -> tuple[float, float]:
        _c.FPDF_PageToDevice(page.raw, 0, 0, _GRID, _GRID, 0, across, up, byref(x), byref(y))
        return x.value / _GRID, y.value / _GRID

    zero, right, above = mapped(0, 0), mapped(1000, 0), mapped(0, 1000)
    xx, yx = (right[0] - zero[0]) / 1000, (right[1] - zero[1]) / 1000
    xy, yy = (above[0] - zero[0]) / 1000, (above[1] - zero[1]) / 1000

    def placed(given: _Rectangle) -> Box:
        corners = [(given.left, given.bottom), (given.right, given.top)]
        across = sorted(_part(zero[0] + xx * a + xy * b) for a, b in corners)
        down = sorted(_part(zero[1] + yx * a + yy * b) for a, b in corners)
        return Box(number, across[0], down[0], across[1], down[1])

    return placed


def _part(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)
