"""Which rectangles of a block a part of its text lies in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate

from headgate.knowledge.blocks import Block, Box

_SLACK = 0.2  # of a line; letters differ in their widths


class Places:
    """Finds the rectangles of parts of a block.

    Where each line of the text has its rectangle, the lines decide.
    Elsewhere the lines of a paragraph were joined, and a rectangle has as much text as it is wide.
    """

    def __init__(self, block: Block) -> None:
        self._boxes = block.boxes
        lines = block.text.split("\n")
        if len(lines) == len(block.boxes):
            sizes = [float(len(line) + 1) for line in lines]
        else:
            widths = [max(box.right - box.left, 0.001) for box in block.boxes]
            sizes = [width * len(block.text) / sum(widths) for width in widths]
        self._starts = [0.0, *accumulate(sizes)][:-1] if sizes else []
        self._slack = 0.0 if len(lines) == len(block.boxes) else _SLACK * len(block.text) / max(len(sizes), 1)

    def between(self, start: int, end: int) -> tuple[Box, ...]:
        """Return the rectangles of the text from `start` to `end`."""
        first = max(bisect_right(self._starts, start - self._slack) - 1, 0)
        return self._boxes[first : bisect_left(self._starts, end + self._slack)]


def united(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """Return the boxes with the lines of each column as one rectangle."""
    found: list[Box] = []
    for box in boxes:
        if found and _is_below(found[-1], box):
            last = found[-1]
            found[-1] = Box(
                box.page, min(last.left, box.left), last.top, max(last.right, box.right), max(last.bottom, box.bottom)
            )
        else:
            found.append(box)
    return tuple(found)


def _is_below(one: Box, other: Box) -> bool:
    """Whether a line follows directly below a rectangle, in its column."""
    height = other.bottom - other.top
    is_near = -0.5 * height < other.top - one.bottom < 1.0 * height
    return one.page == other.page and is_near and min(one.right, other.right) > max(one.left, other.left)
