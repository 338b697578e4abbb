"""Rows of a table as text that is understood alone: `header: value; header: value`.

A passage then names its columns, wherever the table is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from headgate.knowledge.blocks import Block
from headgate.knowledge.readers.text import one_line

_GROUP_CHARS = 600
_HEADER_CHARS = 60


def row_blocks(rows: Iterable[tuple[int, Sequence[str]]], *, place: str = "") -> Iterator[Block]:
    """Yield lists of rows, with `part` as `place, rows 2-14`. The first row may be the header.

    Args:
        rows: the number of each row, and its cells.
        place: a name of the table, such as that of a sheet.
    """
    header: Sequence[str] | None = None
    group: list[str] = []
    first = last = size = 0
    for number, row in rows:
        cells = [one_line(cell) for cell in row]
        if not any(cells):
            continue
        if header is None:
            header = cells if _is_header(cells) else ()
            if header:
                continue
        line = _line(cells, header)
        if group and size + len(line) > _GROUP_CHARS:
            yield _group(group, first, last, place)
            group, size = [], 0
        first = first if group else number
        group.append(line)
        last, size = number, size + len(line)
    if not group and header:  # the header is all there is
        group, first, last = [" | ".join(header)], 1, 1
    if group:
        yield _group(group, first, last, place)


def _group(lines: Sequence[str], first: int, last: int, place: str) -> Block:
    rows = f"row {first}" if first == last else f"rows {first}-{last}"
    return Block(kind="list", text="\n".join(lines), part=f"{place}, {rows}" if place else rows)


def _line(cells: Sequence[str], header: Sequence[str]) -> str:
    if not header:
        return " | ".join(cell for cell in cells if cell)
    names = (*header, *("" for _ in cells[len(header) :]))
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False) if cell)


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the row names columns: short words in each cell, none twice, no numbers."""
    words = [cell for cell in cells if cell]
    return (
        len(words) * 2 > len(cells)
        and len(words) > 1
        and len(set(words)) == len(words)
        and all(len(word) <= _HEADER_CHARS and any(map(str.isalpha, word)) for word in words)
        and not any(word[0].isdigit() and word[-1].isdigit() for word in words)
    )
