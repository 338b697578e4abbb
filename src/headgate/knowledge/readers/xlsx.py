"""XLSX: each visible sheet, its rows as text with the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from headgate.knowledge.blocks import Block, ReadFile
from headgate.knowledge.readers.package import Package
from headgate.knowledge.readers.raw_file import RawFile, collected
from headgate.knowledge.readers.rows import row_blocks
from headgate.knowledge.readers.xml_elements import elements, text_of

_BOOK = "xl/workbook.xml"
_DATE_FORMATS = frozenset((*range(14, 23), *range(45, 48)))  # Source: ECMA-376 part 1, 18.8.30
_DATE_LETTERS = re.compile(r"[dmyhs]", re.I)
_LITERALS = re.compile(r"\"[^\"]*\"|\[[^\]]*\]|\\.")
_MOST_COLUMNS = 1_000
_MOST_SERIAL = 2_958_465  # 31 December 9999


def read(raw: RawFile) -> ReadFile:
    """Read a workbook. Hidden sheets are left out."""
    package = Package.opened(raw)
    own, book = package.properties(), package.needed(_BOOK)
    return ReadFile(
        media_type=raw.media_type,
        blocks=collected(_sheets(package, book), raw.limits),
        title=own.title,
        authors=own.authors,
        written_at=own.written_at,
    )


def _sheets(package: Package, book: bytes) -> Iterator[Block]:
    parts, strings = package.related(_BOOK), _shared_strings(package)
    is_1904 = any(each.get("date1904") in ("1", "true") for each in elements(book, ("workbookPr",)))
    dates = _Dates(package, is_1904=is_1904)
    for sheet in elements(book, ("sheet",)):
        data = package.part(parts.get(sheet.get("r:id", ""), ""))
        if data is None or sheet.get("state", "visible") != "visible":
            continue
        name = sheet.get("name", "")
        rows = row_blocks(_rows(data, strings, dates), place=name)
        for at, block in enumerate(rows):
            if at == 0:
                yield Block(kind="heading", text=name, level=1, part=name)
            yield block


def _shared_strings(package: Package) -> list[str]:
    found: list[str] = []
    for item in elements(package.part("xl/sharedStrings.xml") or b"", ("si",)):
        for reading in item.findall("rPh"):  # how Japanese is pronounced
            item.remove(reading)
        found.append(text_of(item))
    return found


class _Dates:
    """The cell styles that show a number as a date."""

    def __init__(self, package: Package, *, is_1904: bool) -> None:
        self._epoch = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - of no time zone
        own: dict[str, str] = {}
        self._styles: list[bool] = []
        for each in elements(package.part("xl/styles.xml") or b"", ("numFmt", "cellXfs")):
            if each.tag == "numFmt":
                own[each.get("numFmtId", "")] = _LITERALS.sub("", each.get("formatCode", ""))
            else:
                ids = [style.get("numFmtId", "0") for style in each.findall("xf")]
                self._styles = [_is_date(each, own.get(each)) for each in ids]

    def shown(self, value: str, style: str | None) -> str:
        """Return a number as its style shows it: a date, or the number itself."""
        try:
            number = float(value)
        except ValueError:
            return value
        at = int(style) if style and style.isdecimal() else 0
        if not (at < len(self._styles) and self._styles[at]) or not 0 <= number < _MOST_SERIAL:
            return f"{number:.15g}"
        moment = self._epoch + timedelta(seconds=round(number * 86_400))
        if number < 1:
            return moment.strftime("%H:%M")
        return moment.strftime("%Y-%m-%d" if number == int(number) else "%Y-%m-%d %H:%M")


def _is_date(number: str, code: str | None) -> bool:
    if code is not None:
        return bool(_DATE_LETTERS.search(code)) and code != "General"
    return number.isdecimal() and int(number) in _DATE_FORMATS


def _rows(data: bytes, strings: list[str], dates: _Dates) -> Iterator[tuple[int, list[str]]]:
    number = 0
    for row in elements(data, ("row",)):
        given = row.get("r", "")
        number = int(given) if given.isdecimal() and len(given) < 8 else number + 1
        cells: dict[int, str] = {}
        for cell in row.findall("c"):
            named = _column(cell.get("r", ""))
            column = len(cells) if named is None else named
            if column < _MOST_COLUMNS and (text := _cell(cell, strings, dates)):
                cells[column] = text
        yield number, [cells.get(column, "") for column in range(max(cells) + 1)] if cells else []


def _cell(cell: Element, strings: list[str], dates: _Dates) -> str:
    value, kind = cell.findtext("v") or "", cell.get("t", "n")
    match kind:
        case "s":
            return strings[int(value)] if value.isdecimal() and int(value) < len(strings) else ""
        case "inlineStr":
            inline = cell.find("is")
            return "" if inline is None else text_of(inline)
        case "b":
            return "yes" if value == "1" else "no"
        case "n":
            return dates.shown(value, cell.get("s")) if value else ""
        case _:
            return value


def _column(reference: str) -> int | None:
    """Return the column of a cell such as `AB12`, from 0."""
    letters = reference.rstrip("0123456789")
    if not letters or len(letters) > 3:
        return None
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1
