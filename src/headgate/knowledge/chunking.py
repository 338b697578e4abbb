"""From a file that was read to passages of a size that the embedder takes.

A passage keeps within its section, carries the headings above it, and breaks where a reader would pause.
The time is linear in the text, whatever the text is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from headgate.knowledge.blocks import Block, Box, ReadFile
from headgate.knowledge.passages import Passage
from headgate.knowledge.places import Places, united
from headgate.knowledge.splitting import parts_of
from headgate.knowledge.token_estimate import is_english, tokens

MOST_TOKENS: Final = 250
"""Of the 254 that MiniLM takes."""
_MOST_HEADING_TOKENS: Final = 40
_MOST_HEADINGS: Final = 3
_FEWEST_TOKENS: Final = 60  # for the text of a passage, below any headings
_FIRM_LEVEL: Final = 2
_SMALL: Final = 0.3
"""A passage that is less full takes the next section of level 3 or deeper with it."""


class _Piece(NamedTuple):
    """A block, or a part of one, that fits into a passage.

    Args:
        firm: the number of its section of level 1 or 2.
        is_prose: whether an empty line sets it off.
    """

    text: str
    tokens: float
    headings: tuple[str, ...]
    boxes: tuple[Box, ...]
    part: str
    firm: int
    is_prose: bool


def passages_of(file: ReadFile, *, title: str = "", most_tokens: int = MOST_TOKENS) -> list[Passage]:
    """Return the passages of a file, in its order.

    `passage.in_context(title=context_title(title))` has at most `most_tokens`.

    Args:
        title: of the document, if it is not the file's own.
        most_tokens: by an estimate that is rather too high; at least 200.
    """
    chunker = _Chunker(file, most_tokens - tokens(context_title(title or file.title)))
    return list(chunker.passages(file.blocks))


def context_title(title: str) -> str:
    """Return a title as it is indexed with each passage: shortened where it is very long."""
    return _shortened(title, english=False)


class _Chunker:
    """Makes the passages of one file.

    Args:
        room: the tokens of a passage with its headings.
    """

    def __init__(self, file: ReadFile, room: int) -> None:
        self._room = room
        self._english = is_english("\n".join(block.text[:200] for block in file.blocks[:20]))

    def passages(self, blocks: Iterable[Block]) -> Iterator[Passage]:
        """Yield the passages: pieces are joined while they belong together and fit."""
        group: list[_Piece] = []
        size = 0.0
        for piece in self._pieces(blocks):
            more = piece.tokens + (self._head(piece) if group and piece.headings != group[-1].headings else 0)
            if group and not self._is_joined(group, size, piece, more):
                yield _passage(group)
                group = []
            if not group:
                size, more = self._head(piece), piece.tokens
            group.append(piece)
            size += more
        if group:
            yield _passage(group)

    def _is_joined(self, group: Sequence[_Piece], size: float, piece: _Piece, more: float) -> bool:
        last = group[-1]
        if (piece.firm, piece.part) != (last.firm, last.part) or size + more > self._room:
            return False
        return piece.headings == last.headings or size < _SMALL * self._room

    def _pieces(self, blocks: Iterable[Block]) -> Iterator[_Piece]:
        path: list[Block] = []
        alone: Block | None = None  # a heading without text so far
        firm = 0
        for block in blocks:
            if block.kind != "heading":
                alone = None
                yield from self._split(block, path, firm)
                continue
            if alone is not None and block.level <= alone.level:
                yield from self._split(alone, path[:-1], firm)
            path = [*(each for each in path if each.level < block.level), block][-_MOST_HEADINGS:]
            firm += block.level <= _FIRM_LEVEL
            alone = block
        if alone is not None:
            yield from self._split(alone, path[:-1], firm)

    def _split(self, block: Block, path: Sequence[Block], firm: int) -> Iterator[_Piece]:
        headings = tuple(_shortened(heading.text, english=self._english) for heading in path)
        room = max(self._room - self._head_of(headings), _FEWEST_TOKENS)
        header = _header(block) if block.kind == "table" else ""
        header_tokens = tokens(header, english=self._english)
        if header_tokens * 3 > room:
            header, header_tokens = "", 0
        places = Places(block)
        is_prose = block.kind in ("text", "heading")
        body = block.text[len(header) :]
        for part in parts_of(body, room=room - header_tokens, english=self._english, by_lines=not is_prose):
            text = (header + body[part.start : part.end]).strip("\n").rstrip()
            if text:
                boxes = places.between(part.start and part.start + len(header), part.end + len(header))
                yield _Piece(text, part.tokens + header_tokens, headings, boxes, block.part, firm, is_prose)

    def _head(self, piece: _Piece) -> int:
        return self._head_of(piece.headings)

    def _head_of(self, headings: Sequence[str]) -> int:
        return sum(tokens(heading, english=self._english) + 1 for heading in headings)


def _header(table: Block) -> str:
    """Return the first row of a table with its end, or nothing where it is the only one."""
    row, end, rest = table.text.partition("\n")
    return row + end if rest else ""


def _passage(group: Sequence[_Piece]) -> Passage:
    """Join pieces. Headings that not all of them have stand in the text."""
    common = _common([piece.headings for piece in group])
    parts: list[str] = []
    shown = group[0].headings[:common]
    for at, piece in enumerate(group):
        if at:
            parts.append("\n\n" if piece.is_prose or group[at - 1].is_prose else "\n")
        own = piece.headings[common:]
        if own and piece.headings != shown:
            parts.append(" › ".join(own) + "\n")
        shown = piece.headings
        parts.append(piece.text)
    boxes = united(box for piece in group for box in piece.boxes)
    return Passage(text="".join(parts), headings=group[0].headings[:common], boxes=boxes, part=group[0].part)


def _common(paths: Sequence[tuple[str, ...]]) -> int:
    """Return how many first headings all paths share."""
    count = 0
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        count += 1
    return count


def _shortened(text: str, *, english: bool) -> str:
    line = " ".join(text[:2_000].split())
    first = next(parts_of(line, room=_MOST_HEADING_TOKENS, english=english, by_lines=False))
    return line if first.end == len(line) else line[: first.end].rstrip() + "…"
