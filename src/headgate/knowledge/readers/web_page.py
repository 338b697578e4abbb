"""HTML: its visible text by blocks, in one pass over the tags.

Scripts, styles, navigation and hidden elements are left out. If the page marks its content with
`<main>` or `<article>`, the rest is left out too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from headgate.knowledge.blocks import Block, BlockKind, ReadFile
from headgate.knowledge.readers.dates import parsed_date
from headgate.knowledge.readers.html_tags import Text, tags
from headgate.knowledge.readers.raw_file import RawFile
from headgate.knowledge.readers.text import decoded, one_line

_SKIPPED = frozenset(
    re.findall(
        r"\w+",
        "script style noscript template svg math iframe object select button nav head footer aside dialog",
    )
)
_VOID = frozenset(  # Source: the HTML standard, 13.1.2
    re.findall(r"\w+", "area base br col embed hr img input link meta source track wbr")
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BREAKS = frozenset(
    re.findall(
        r"\w+",
        "address article blockquote body caption center dd details div dl dt fieldset figcaption figure footer form"
        " header hr html main ol p section summary table tbody tfoot thead ul",
    )
)
_MAIN = frozenset(("main", "article"))
_MOST_DEPTH = 400
_DATES = frozenset(("article:modified_time", "article:published_time", "last-modified", "dcterms.modified", "date"))


def read(raw: RawFile) -> ReadFile:
    """Read a web page."""
    return html_file(decoded(raw.data), media_type=raw.media_type)


def html_file(text: str, *, media_type: str) -> ReadFile:
    """Read the text of a web page."""
    page = _Page()
    for each in tags(text):
        if isinstance(each, Text):
            page.add(each.text)
        elif each.is_end:
            page.close(each.name)
        else:
            page.open(each.name, each.attributes)
    page.end_block()
    date = next((date for date in map(parsed_date, page.dates) if date), None)
    return ReadFile(
        media_type=media_type,
        blocks=page.main_blocks or page.blocks,
        title=one_line(page.title),
        authors=page.authors,
        written_at=date,
        language=page.language,
    )


class _Page:
    """Collects the blocks of a page.

    Attributes:
        blocks: of the whole page.
        main_blocks: those within `<main>` or `<article>`.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.main_blocks: list[Block] = []
        self.title = self.language = ""
        self.authors: list[str] = []
        self.dates: list[str] = []
        self._open: list[str] = []
        self._skipping: list[int] = []  # the depths of the skipped elements
        self._text: list[str] = []
        self._rows: list[list[str]] = []
        self._items: list[str] = []
        self._mains = self._lists = self._tables = self._codes = 0
        self._in_title = False

    def open(self, tag: str, given: Mapping[str, str]) -> None:
        """Open an element, and end the block before it."""
        if tag == "meta":
            self._meta(given)
        if tag == "html":
            self.language = given.get("lang", "")[:2].lower()
        self._in_title = tag == "title" and not self.title
        if tag == "br":
            self._text.append("\n")
        if tag in _VOID or len(self._open) >= _MOST_DEPTH:
            return
        if not self._skipping:
            self._begin(tag)
        self._open.append(tag)
        if tag in _SKIPPED or _is_hidden(given):
            self._skipping.append(len(self._open))

    def close(self, tag: str) -> None:
        """Close an element, and those within it that have no end of their own."""
        self._in_title = False
        if tag not in self._open:
            return
        while self._open:
            closed = self._open.pop()
            if self._skipping and self._skipping[-1] > len(self._open):
                self._skipping.pop()
            if not self._skipping:
                self._end(closed)
            if closed == tag:
                return

    def add(self, data: str) -> None:
        """Add text."""
        if self._in_title:
            self.title += data
        elif not self._skipping:
            self._text.append(data if self._codes else data.replace("\n", " "))

    def end_block(self) -> None:
        """End the block, with whatever was not closed."""
        self._end_text("text")
        self._end_list()
        self._end_table()

    def _begin(self, tag: str) -> None:
        if tag in _HEADINGS or tag == "pre":
            self.end_block()
        elif tag == "li" or tag in ("ul", "ol"):
            self._end_item()
        elif tag in ("td", "th", "tr"):
            self._begin_cell(tag)
        elif tag in _BREAKS:
            self._break()
        self._mains += tag in _MAIN
        self._lists += tag in ("ul", "ol")
        self._tables += tag == "table"
        self._codes += tag == "pre"

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._end_text("heading", level=_HEADINGS[tag])
        elif tag == "pre":
            self._end_text("code")
        elif tag == "li":
            self._end_item()
        elif tag in ("td", "th"):
            self._end_cell()
        elif tag in _BREAKS:
            self._break()
        self._lists -= tag in ("ul", "ol")
        self._tables -= tag == "table"
        self._codes -= tag == "pre"
        if not self._lists:
            self._end_list()
        if not self._tables:
            self._end_table()
        self._mains -= tag in _MAIN

    def _break(self) -> None:
        if self._tables and self._rows:
            self._text.append(" ")
        elif self._lists:
            self._text.append("\n")
        else:
            self._end_text("text")

    def _begin_cell(self, tag: str) -> None:
        if not self._tables:
            return
        self._end_cell()
        if tag == "tr":
            self._rows.append([])

    def _end_cell(self) -> None:
        text = one_line("".join(self._text))
        if self._rows and (text or self._rows[-1]):
            self._text.clear()
            self._rows[-1].append(text)

    def _end_table(self) -> None:
        if self._rows:
            self._end_cell()
            rows = [" | ".join(row).rstrip(" |") for row in self._rows]
            self._rows = []
            self._add(Block(kind="table", text="\n".join(row for row in rows if row)))

    def _end_item(self) -> None:
        if not self._lists:
            return self._end_text("text")
        lines = [one_line(line) for line in "".join(self._text).split("\n")]
        self._text.clear()
        if text := " ".join(filter(None, lines)):
            self._items.append(f"{'  ' * min(self._lists - 1, 8)}- {text}")
        return None

    def _end_list(self) -> None:
        if self._items:
            items, self._items = self._items, []
            self._add(Block(kind="list", text="\n".join(items)))

    def _end_text(self, kind: BlockKind, *, level: int = 0) -> None:
        text = "".join(self._text)
        self._text.clear()
        if kind == "code":
            text = text.strip("\n").rstrip()
        elif kind == "heading":
            text = one_line(text)
        else:
            text = "\n".join(filter(None, map(one_line, text.split("\n"))))
        if text.strip():
            self._add(Block(kind=kind, text=text, level=level))

    def _add(self, block: Block) -> None:
        if block.text:
            self.blocks.append(block)
            if self._mains:
                self.main_blocks.append(block)

    def _meta(self, given: Mapping[str, str]) -> None:
        name = (given.get("name") or given.get("property") or given.get("http-equiv", "")).lower()
        content = one_line(given.get("content", ""))
        if name == "author" and content:
            self.authors.append(content)
        if name in _DATES:
            self.dates.append(content)


def _is_hidden(given: Mapping[str, str]) -> bool:
    style = given.get("style", "").replace(" ", "").lower()
    return "hidden" in given or "display:none" in style or "visibility:hidden" in style
