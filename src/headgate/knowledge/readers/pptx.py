"""PPTX: each slide with its title, texts, tables and notes, in the order of the show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from xml.etree.ElementTree import Element

from headgate.knowledge.blocks import Block, ReadFile
from headgate.knowledge.readers.package import Package
from headgate.knowledge.readers.raw_file import RawFile, collected
from headgate.knowledge.readers.text import one_line
from headgate.knowledge.readers.xml_elements import elements, outermost

_SHOW = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
_NOT_SHOWN = ("sldNum", "dt", "ftr", "hdr", "sldImg")


def read(raw: RawFile) -> ReadFile:
    """Read a presentation. Hidden slides are left out."""
    package = Package.opened(raw)
    own = package.properties()
    parts = package.related(_SHOW)
    names = [parts.get(each.get("r:id", ""), "") for each in elements(package.needed(_SHOW), ("sldId",))]
    slides = (_slide(package, name, f"Slide {number}") for number, name in enumerate(names, 1))
    blocks = collected(chain.from_iterable(slides), raw.limits)
    return ReadFile(
        media_type=raw.media_type,
        blocks=blocks,
        title=own.title or next((block.text for block in blocks if block.kind == "heading"), ""),
        authors=own.authors,
        written_at=own.written_at,
    )


def _slide(package: Package, name: str, part: str) -> Iterator[Block]:
    slide = next(elements(package.part(name) or b"", ("sld",)), None)
    if slide is None or slide.get("show") in ("0", "false"):
        return
    blocks = list(_shapes(slide, part))
    yield from sorted(blocks, key=lambda block: block.kind != "heading")  # stable: the title first
    for notes in package.related(name).values():
        if "notesSlide" in notes:
            for element in elements(package.part(notes) or b"", ("notes",)):
                yield from _shapes(element, f"{part}, notes")


def _shapes(slide: Element, part: str) -> Iterator[Block]:
    for shape in outermost(slide, ("sp", "tbl")):
        if shape.tag == "sp":
            placed = shape.find("nvSpPr/nvPr/ph")
            kind = "" if placed is None else placed.get("type", "")
            text = _text(shape.find("txBody"))
            if not text or kind in _NOT_SHOWN:
                continue
            if kind in _TITLES:
                yield Block(kind="heading", text=one_line(text), level=1, part=part)
            else:
                yield Block(kind="list" if "\n" in text else "text", text=text, part=part)
        else:
            rows = [" | ".join(_cells(row)) for row in outermost(shape, ("tr",))]
            if text := "\n".join(row for row in rows if row.strip(" |")):
                yield Block(kind="table", text=text, part=part)


def _cells(row: Element) -> Iterator[str]:
    return (one_line(_text(cell)) for cell in outermost(row, ("tc",)))


def _text(body: Element | None) -> str:
    """Return the paragraphs of a shape or cell, a line each."""
    if body is None:
        return ""
    lines = (
        "".join("\n" if each.tag == "br" else each.text or "" for each in paragraph.iter() if each.tag in ("t", "br"))
        for paragraph in outermost(body, ("p",))
    )
    return "\n".join(line.strip() for line in lines if line.strip())
