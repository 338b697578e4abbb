"""DOCX: headings by their styles, paragraphs, lists, tables and footnotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from headgate.kernel.errors import Invalid
from headgate.knowledge.blocks import Block, BlockKind, ReadFile
from headgate.knowledge.readers.package import Package
from headgate.knowledge.readers.raw_file import RawFile, collected
from headgate.knowledge.readers.text import one_line
from headgate.knowledge.readers.xml_elements import elements, outermost

_DOCUMENT = "word/document.xml"
_HEADING_NAME = re.compile(r"heading (\d)$", re.I)
_MOST_TABLES = 20  # in one another
_MOST_STYLES = 20  # in a chain of styles that rest on each other


def read(raw: RawFile) -> ReadFile:
    """Read a document of Word."""
    package = Package.opened(raw)
    styles = _Styles.of(package)
    blocks = collected(_joined(_blocks(package.needed(_DOCUMENT), styles)), raw.limits)
    for block in _blocks(package.part("word/footnotes.xml") or b"", styles):
        blocks.append(Block(kind="text", text=block.text, part="Footnotes"))
    own = package.properties()
    titles = [block.text for block in blocks if block.kind == "heading" and block.level == 1]
    return ReadFile(
        media_type=raw.media_type,
        blocks=blocks,
        title=own.title or (titles[0] if titles and blocks[0].kind == "heading" else ""),
        authors=own.authors,
        written_at=own.written_at,
    )


class _Style(NamedTuple):
    level: int | None
    is_list: bool
    parent: str


class _Styles:
    """The heading levels and lists of the document's styles."""

    def __init__(self, styles: dict[str, _Style]) -> None:
        self._styles = styles

    @classmethod
    def of(cls, package: Package) -> _Styles:
        found: dict[str, _Style] = {}
        for style in elements(package.part("word/styles.xml") or b"", ("style",)):
            name = _value(style.find("name")) or ""
            heading = _HEADING_NAME.match(name)
            outline = _value(style.find("pPr/outlineLvl"))
            level = int(heading[1]) if heading else 1 if name.lower() == "title" else _outline_level(outline)
            is_list = style.find("pPr/numPr") is not None and level is None
            found[style.get("styleId", "")] = _Style(level, is_list, _value(style.find("basedOn")) or "")
        return cls(found)

    def level(self, paragraph: Element) -> int | None:
        """Return the heading level of a paragraph, or None."""
        own = _outline_level(_value(paragraph.find("pPr/outlineLvl")))
        return own or next((style.level for style in self._chain(paragraph) if style.level), None)

    def is_item(self, paragraph: Element) -> bool:
        """Whether a paragraph is an item of a list."""
        number = paragraph.find("pPr/numPr/numId")
        if number is not None:
            return number.get("val") != "0"
        return any(style.is_list for style in self._chain(paragraph))

    def _chain(self, paragraph: Element) -> Iterator[_Style]:
        name = _value(paragraph.find("pPr/pStyle"))
        for _ in range(_MOST_STYLES):
            style = self._styles.get(name or "")
            if style is None:
                return
            yield style
            name = style.parent


def _outline_level(value: str | None) -> int | None:
    """Return the level of an outline: 0 is the first, 9 is body text."""
    return int(value) + 1 if value is not None and value.isdecimal() and int(value) < 9 else None


def _value(element: Element | None) -> str | None:
    return None if element is None else element.get("val")


def _blocks(data: bytes, styles: _Styles) -> Iterator[Block]:
    for element in elements(data, ("p", "tbl")):
        if element.tag == "tbl":
            rows = [" | ".join(_cells(row)) for row in outermost(element, ("tr",), closed=("tbl",))]
            yield from _block("table", "\n".join(row for row in rows if row.strip(" |")))
            continue
        text, level = _text(element).strip(), styles.level(element)
        if level:
            yield from _block("heading", one_line(text), level=min(level, 6))
        elif styles.is_item(element):
            yield from _block("list", f"- {one_line(text)}" if text else "")
        else:
            yield from _block("text", text)


def _cells(row: Element) -> Iterator[str]:
    """Yield the text of each cell, with that of the tables in it."""
    return (one_line(_text(cell)) for cell in outermost(row, ("tc",), closed=("tbl",)))


def _block(kind: BlockKind, text: str, *, level: int = 0) -> Iterator[Block]:
    if text:
        yield Block(kind=kind, text=text, level=level)


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Join the items of a list, each of which is a paragraph, into one block."""
    items: list[str] = []
    for block in blocks:
        if block.kind == "list":
            items.append(block.text)
            continue
        if items:
            yield Block(kind="list", text="\n".join(items))
            items = []
        yield block
    if items:
        yield Block(kind="list", text="\n".join(items))


def _text(element: Element) -> str:
    """Return the text of a paragraph or cell: without deleted text, and each drawing once.

    Raises:
        Invalid: tables nest too deeply in it.
    """
    parts: list[str] = []
    waiting = [(element, 0)]
    while waiting:
        each, tables = waiting.pop()
        tables += each.tag == "tbl"
        if tables > _MOST_TABLES:
            raise Invalid(f"The file nests tables over {_MOST_TABLES} levels deep. Take the inner ones out.")
        match each.tag:
            case "t":
                parts.append(each.text or "")
            case "tab":
                parts.append("\t" if each.get("val") is None else "")  # with a value it is a tab stop
            case "br" | "cr":
                parts.append("\n")
            case "noBreakHyphen":
                parts.append("-")
            case "del" | "moveFrom" | "Fallback" | "instrText":
                continue
            case "p" if parts and each is not element:
                parts.append("\n")
            case _:
                pass
        waiting.extend((below, tables) for below in reversed(each))
    return "".join(parts)
