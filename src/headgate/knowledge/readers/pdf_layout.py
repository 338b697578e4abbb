"""From the lines of a PDF to headings, paragraphs, lists and tables.

A PDF has letters at places, and no structure. Sizes, weights, gaps and indents are guesses at it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from headgate.knowledge.blocks import Block, Box
from headgate.knowledge.readers.pdf_lines import Line

_ITEM: Final = re.compile(r"(?:[-*•–·▪◦‣●○■]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+\S")
_DIGITS: Final = re.compile(r"\d+")
_SENTENCE_END: Final = (".", "!", "?", ":", "。", "！", "？", "”", '"')
_LEADERS: Final = re.compile(r"(?:[.…·_] ?){4,}")
_NUMBER: Final = re.compile(
    r"(?:[-–] ?)?(?:page |seite )?(?:\d{1,4}|[ivxlc]{1,7})(?: ?[-–]| ?(?:/|of|von) ?\d{1,4})?", re.I
)
_REPEATED: Final = 3
_LARGER: Final = 1.12
_MOST_HEADING_CHARS: Final = 200
_MOST_BOLD_CHARS: Final = 120
_MARGIN: Final = 0.1
_MOST_LEVELS: Final = 5


class _Shape(NamedTuple):
    """How the document is set.

    Args:
        size: of most of its text, in points.
        is_bold: whether most of its text is bold.
        sizes: of headings, the largest first.
    """

    size: float
    is_bold: bool
    sizes: list[float]

    def level(self, line: Line) -> int:
        """Return the level of a line that is set as a heading, or 0."""
        if not any(map(str.isalpha, line.text)) or _LEADERS.search(line.text):
            return 0
        if line.size >= self.size * _LARGER and len(line.text) <= _MOST_HEADING_CHARS:
            return 1 + self.sizes.index(_rounded(line.size)) if _rounded(line.size) in self.sizes else _MOST_LEVELS
        ends = line.text.endswith((".", ",", ";"))
        if line.is_bold and not self.is_bold and not ends and len(line.text) <= _MOST_BOLD_CHARS:
            return min(len(self.sizes) + 1, _MOST_LEVELS)
        return 0


def blocks_of(lines: Sequence[Line]) -> Iterator[Block]:
    """Yield the blocks of a document, in the order of its lines."""
    rows = list(_rows(_without_margins(lines)))
    shape = _shape(rows)
    held: Block | None = None
    for block in _grouped(rows, shape):
        if held is not None and (joint := _joint(held, block)) is not None:
            text = held.text + joint + block.text if joint else _joined((held.text, block.text))
            held = Block(kind=block.kind, text=text, boxes=held.boxes + block.boxes)
            continue
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held


def _without_margins(lines: Sequence[Line]) -> list[Line]:
    """Leave out the numbers of pages, and lines at the margins that repeat but for their numbers."""
    seen = Counter(key for line in lines if (key := _margin_key(line)))
    return [
        line
        for line in lines
        if not (key := _margin_key(line)) or not (seen[key] >= _REPEATED or _NUMBER.fullmatch(line.text))
    ]


def _margin_key(line: Line) -> tuple[str, int] | None:
    if line.box.top > _MARGIN and line.box.bottom < 1 - _MARGIN:
        return None
    return _DIGITS.sub("0", line.text), round(line.box.top * 50)


def _rows(lines: Iterable[Line]) -> Iterator[Line]:
    """Join lines beside each other into one, with the cells of both."""
    held: Line | None = None
    for line in lines:
        if held is not None and _is_beside(held, line):
            held = held._replace(
                text=f"{held.text} {line.text}", box=_around(held.box, line.box), cells=(*held.cells, *line.cells)
            )
            continue
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield held


def _is_beside(left: Line, right: Line) -> bool:
    one, other = left.box, right.box
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    lower = min(one.bottom - one.top, other.bottom - other.top)
    return one.page == other.page and shared > 0.5 * lower and other.left >= one.right


def _around(one: Box, other: Box) -> Box:
    return Box(
        one.page,
        min(one.left, other.left),
        min(one.top, other.top),
        max(one.right, other.right),
        max(one.bottom, other.bottom),
    )


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _shape(lines: Sequence[Line]) -> _Shape:
    chars = Counter[tuple[float, bool]]()
    for line in lines:
        chars[_rounded(line.size), line.is_bold] += len(line.text)
    (size, is_bold), _ = max(chars.items(), key=lambda item: item[1])
    larger = {each for each, _ in chars if each >= size * _LARGER}
    return _Shape(size, is_bold, sorted(larger, reverse=True)[: _MOST_LEVELS - 1])


def _grouped(lines: Sequence[Line], shape: _Shape) -> Iterator[Block]:
    for is_table, run in groupby(_with_tables(lines), key=lambda pair: pair[0]):
        group = [line for _, line in run]
        if is_table:
            text = "\n".join(" | ".join(line.cells) for line in group)
            yield Block(kind="table", text=text, boxes=tuple(line.box for line in group))
        else:
            yield from _paragraphs(group, shape)


def _with_tables(lines: Sequence[Line]) -> Iterator[tuple[bool, Line]]:
    """Yield each line, and whether it and a neighbour on its page have cells."""
    for at, line in enumerate(lines):
        around = (*lines[max(at - 1, 0) : at], *lines[at + 1 : at + 2])
        has_neighbour = any(_is_row(each) and each.box.page == line.box.page for each in around)
        yield (_is_row(line) and has_neighbour) or _is_head_of_table(lines, at), line


def _is_row(line: Line) -> bool:
    return len(line.cells) > 1 and not _LEADERS.search(line.text)


def _is_head_of_table(lines: Sequence[Line], at: int) -> bool:
    """Whether a bold line stands directly above rows, so that its narrow columns name theirs."""
    if not lines[at].is_bold or len(lines) < at + 3:
        return False
    line, row, other = lines[at : at + 3]
    gap = row.box.top - line.box.bottom
    is_near = row.box.page == line.box.page and 0 <= gap < 0.5 * (line.box.bottom - line.box.top)
    return is_near and _is_row(row) and _is_row(other) and abs(line.size - row.size) < 0.5


def _paragraphs(lines: Sequence[Line], shape: _Shape) -> Iterator[Block]:
    group: list[Line] = []
    for line in lines:
        if group and _begins_anew(group, line, shape):
            yield _block(group, shape)
            group = []
        group.append(line)
    if group:
        yield _block(group, shape)


def _begins_anew(group: Sequence[Line], line: Line, shape: _Shape) -> bool:
    """Whether a line begins a new block after the lines before it."""
    last = group[-1]
    height = max(last.box.bottom - last.box.top, 0.001)
    gap = line.box.top - last.box.bottom
    if last.box.page != line.box.page or gap > 0.6 * height or gap < -0.8 * height:
        return True
    if shape.level(last) != shape.level(line) or abs(last.size - line.size) > 0.08 * last.size:
        return True
    if _ITEM.match(group[0].text):  # a list: its items and their further lines
        return line.box.left < group[0].box.left - 0.01
    if _ITEM.match(line.text) and not shape.level(line):
        return True
    is_indented = line.box.left > last.box.left + 0.012 and last.box.left <= group[0].box.left + 0.005
    widest = max(each.box.right for each in group)
    is_short = last.box.right < widest - 0.12 and last.text.endswith(_SENTENCE_END)
    return (is_indented and len(group) > 1 and last.text.endswith(_SENTENCE_END)) or is_short


def _block(group: Sequence[Line], shape: _Shape) -> Block:
    boxes = tuple(line.box for line in group)
    level = shape.level(group[0])
    text = _joined(line.text for line in group)
    if level and len(text) <= _MOST_HEADING_CHARS and len(group) <= 4:
        return Block(kind="heading", text=text, level=level, boxes=boxes)
    if _ITEM.match(group[0].text):
        return Block(kind="list", text="\n".join(_items(group)), boxes=boxes)
    return Block(kind="text", text=text, boxes=boxes)


def _items(group: Sequence[Line]) -> Iterator[str]:
    item: list[str] = []
    for line in group:
        if item and _ITEM.match(line.text):
            yield _joined(item)
            item = []
        item.append(line.text)
    yield _joined(item)


def _joined(lines: Iterable[str]) -> str:
    """Join lines into a paragraph, and the halves of divided words."""
    parts: list[str] = []
    for line in lines:
        if parts and parts[-1].endswith("\xad"):
            parts[-1] = parts[-1].rstrip("\xad")
        elif parts and not (parts[-1].endswith("-") and parts[-1][-2:-1].isalpha()):
            parts.append(" ")
        parts.append(line)
    return _LEADERS.sub("… ", "".join(parts).replace("\xad", ""))


def _joint(held: Block, block: Block) -> str | None:
    """Return the text between two blocks that are one: items of a list, or halves of a paragraph; else None."""
    if held.kind == block.kind == "list":
        return "\n"
    is_next = held.boxes[-1].page != block.boxes[0].page or block.boxes[0].top < held.boxes[-1].top
    goes_on = not held.text.endswith(_SENTENCE_END) and block.text[:1].islower()
    return "" if held.kind == block.kind == "text" and is_next and goes_on else None
