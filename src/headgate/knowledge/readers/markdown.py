"""Markdown: headings, lists, tables, code and front matter. A reader by lines, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from headgate.knowledge.blocks import Block, BlockKind, ReadFile
from headgate.knowledge.readers.dates import parsed_date
from headgate.knowledge.readers.raw_file import RawFile, collected
from headgate.knowledge.readers.text import decoded, one_line

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_RULE = re.compile(r" {0,3}(?:[-*_][ \t]*){3,}$")
_DIVIDER = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*$")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\](?:\([^()\s]{0,2000}(?:[ \t]+\"[^\"\n]{0,300}\")?\)|\[[^\[\]\n]{0,100}\])")
_STRONG = re.compile(r"(\*\*|__)(?=\S)([^*_\n]{1,300})\1")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_KEY = re.compile(r"(title|date|updated|lastmod|modified|author|authors|lang|language)[ \t]*[:=][ \t]*(.*)$", re.I)
_FRONT_CHARS = 20_000


def read(raw: RawFile) -> ReadFile:
    """Read Markdown. The title is that of the front matter, or else a single first-level heading."""
    front, text = _front_matter(decoded(raw.data))
    blocks = collected(_blocks(text), raw.limits)
    first = [block.text for block in blocks if block.kind == "heading" and block.level == 1]
    author = front.get("author") or front.get("authors") or ""
    return ReadFile(
        media_type=raw.media_type,
        blocks=blocks,
        title=front.get("title") or (first[0] if len(first) == 1 else ""),
        authors=[name.strip(" \"'") for name in author.strip("[]").split(",") if name.strip(" \"'")],
        written_at=_date(front),
        language=(front.get("lang") or front.get("language") or "")[:2].lower(),
    )


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    mark = text[:4]
    if mark not in ("---\n", "+++\n"):
        return {}, text
    end = text.find(f"\n{mark[:3]}", 3, _FRONT_CHARS)
    if end < 0:
        return {}, text
    found = (_KEY.match(line) for line in text[4:end].split("\n"))
    values = {match[1].lower(): match[2].strip().strip("\"'") for match in found if match}
    return values, text[end + 4 :].partition("\n")[2]


def _date(front: dict[str, str]) -> datetime | None:
    given = (front.get(key) for key in ("updated", "lastmod", "modified", "date"))
    return next((date for date in map(parsed_date, filter(None, given)) if date), None)


def _blocks(text: str) -> Iterator[Block]:
    lines = _COMMENT.sub("", text).split("\n") if "-->" in text else text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip() or _RULE.match(line):
            at += 1
        elif fence := _FENCE.match(line):
            end = _end_of_fence(lines, at + 1, fence[1])
            yield from _block("code", "\n".join(lines[at + 1 : end]))
            at = end + 1
        elif heading := _HEADING.match(line):
            yield from _heading(heading[2] or "", len(heading[1]))
            at += 1
        else:
            end = _end_of_run(lines, at)
            yield from _run(lines[at:end])
            at = end


def _end_of_fence(lines: list[str], at: int, fence: str) -> int:
    while at < len(lines) and not ((found := _FENCE.match(lines[at])) and found[1].startswith(fence)):
        at += 1
    return at


def _end_of_run(lines: list[str], at: int) -> int:
    """Return the end of the lines that belong together: up to an empty line, heading or fence."""
    end = at + 1
    while end < len(lines) and lines[end].strip() and not (_FENCE.match(lines[end]) or _HEADING.match(lines[end])):
        end += 1
        if _UNDERLINE.match(lines[end - 1]) and not _is_table(lines[at:end]) and not _ITEM.match(lines[at]):
            break
    return end


def _run(lines: list[str]) -> Iterator[Block]:
    underline = _UNDERLINE.match(lines[-1]) if len(lines) > 1 else None
    if _is_table(lines):
        rows = (lines[0], *lines[2:])
        yield from _block("table", "\n".join(_row(row) for row in rows))
    elif underline and not _ITEM.match(lines[0]):
        yield from _heading(" ".join(lines[:-1]), 1 if underline[1][0] == "=" else 2)
    elif _ITEM.match(lines[0]):
        yield from _block("list", _plain("\n".join(lines)))
    elif all(line.startswith(("    ", "\t")) for line in lines):
        yield from _block("code", "\n".join(lines))
    else:
        yield from _block("text", _plain("\n".join(line.lstrip().removeprefix(">").strip() for line in lines)))


def _is_table(lines: list[str]) -> bool:
    return len(lines) > 1 and "|" in lines[0] and "-" in lines[1] and _DIVIDER.match(lines[1]) is not None


def _row(line: str) -> str:
    cells = line.strip().strip("|").replace("\\|", "¦").split("|")
    return " | ".join(_plain(cell.strip()) for cell in cells)


def _heading(text: str, level: int) -> Iterator[Block]:
    words = one_line(_plain(re.sub(r"[ \t]#+[ \t]*$", "", text)))
    if words:
        yield Block(kind="heading", text=words, level=level)


def _block(kind: BlockKind, text: str) -> Iterator[Block]:
    if text.strip():
        yield Block(kind=kind, text=text.strip("\n").rstrip())


def _plain(text: str) -> str:
    """Return the text without the marks of links, images, strong words and code."""
    if "[" in text:
        text = _LINK.sub(r"\1", text)
    if "**" in text or "__" in text:
        text = _STRONG.sub(r"\2", text)
    return text.replace("`", "")
