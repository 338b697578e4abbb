"""Finds the cells of a table column (CSV, TSV, Markdown) by the column's heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from headgate.kernel.detection import Candidate, Pattern

_DELIMITERS = "\t|;,"
_LONGEST_LINE = 4000
_AROUND = " \t\"'`*"
_NO_HEADING = re.compile(r"[()=\[\]{}<>]|\bimport\b|: ")
_RULE = re.compile(r"[\s|:\-+=]+")


class Cell(NamedTuple):
    """Characters `start` to `end` of the text: a value without quotation marks and spaces."""

    start: int
    end: int


class Column:
    """A table column with a known heading.

    Args:
        headings: a case-insensitive ASCII regular expression, valid in RE2 and in Python.
    """

    def __init__(self, headings: str) -> None:
        self.headings = headings
        self._heading = re.compile(headings, re.IGNORECASE)

    def cells(self, candidate: Candidate) -> Iterator[Cell]:
        """Yield the cells below all matching headings in the candidate's line.

        Only the candidate at the first matching heading of a line yields cells. The table ends at
        a line with another number of cells or with the heading again. O(characters of the table).
        """
        text = candidate.text
        begin = max(text.rfind("\n", 0, candidate.start) + 1, candidate.start - _LONGEST_LINE)
        stop = _line_end(text, candidate.start)
        delimiter = _delimiter(text, begin, stop)
        if delimiter is None:
            return
        headings = _cells(text, begin, stop, delimiter)
        if sum(cell.end > cell.start for cell in headings) < 2 or _NO_HEADING.search(text, begin, stop):
            return
        columns = [at for at, cell in enumerate(headings) if self._is_heading(text, cell)]
        if not columns or headings[columns[0]].start > candidate.start or candidate.start > headings[columns[0]].end:
            return
        while stop < len(text):
            begin, stop = stop + 1, _line_end(text, stop + 1)
            row = _cells(text, begin, stop, delimiter)
            if len(row) != len(headings):
                return
            if _RULE.fullmatch(text, begin, stop):
                continue
            for at in columns:
                if self._is_heading(text, row[at]):
                    return
                yield row[at]

    def _is_heading(self, text: str, cell: Cell) -> bool:
        return self._heading.fullmatch(text, cell.start, cell.end) is not None


def column_pattern(name: str, column: Column) -> Pattern:
    """Return the pattern of a column's heading."""
    return Pattern(name, rf"\b(?:{column.headings})[\"'`*]{{0,2}}[ ]{{0,20}}[\t|;,\r\n]", is_caseless=True)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _delimiter(text: str, begin: int, stop: int) -> str | None:
    counts = {delimiter: text.count(delimiter, begin, stop) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: counts[delimiter])
    return best if counts[best] and stop - begin <= _LONGEST_LINE else None


def _cells(text: str, begin: int, stop: int, delimiter: str) -> list[Cell]:
    """Return the cells of a line; a delimiter between quotation marks is part of a value."""
    cells: list[Cell] = []
    stop = min(stop, begin + _LONGEST_LINE)
    line = text[begin:stop]
    at = 0
    while True:
        end = line.find(delimiter, at)
        if line[at : at + 1] == '"' and (closing := line.find('"', at + 1)) >= 0:
            end = line.find(delimiter, closing)
        whole = line[at:] if end < 0 else line[at:end]
        value = whole.strip(_AROUND + "\r")
        start = begin + at + (len(whole) - len(whole.lstrip(_AROUND)) if value else 0)
        cells.append(Cell(start, start + len(value)))
        if end < 0:
            return cells
        at = end + 1
