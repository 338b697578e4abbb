"""Embedded text and media: `data:` URLs and long runs of base64.

Only the decoded bytes count, not the declared type. Valid UTF-8 is text and is scanned. Other bytes
are media if they are in a `data:` URL or begin like a known format. All other runs are ignored,
because many words look like base64. Media cannot be scanned and may hold anything.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from headgate.wire.embedded_text import is_declared_text, is_known_binary

PREFILTER = r"[A-Za-z0-9+/_\-]{22}|data:[ \t\r\n]{0,4}(?:[A-Za-z0-9.+\-]{1,40}/|;)"
"""Text without a match of this, in any letter case, embeds nothing."""

_LEAST_CHARS = 22
_HEAD_CHARS = 64
_URL = re.compile(
    r"data:\s{0,4}(?P<type>[a-z0-9.+\-]{1,40}/[a-z0-9.+\-*]{1,80})?"
    r"(?:\s{0,4};\s{0,4}(?:[^\s,;\"'<>()]{1,100}|[a-z0-9_\-]{1,40}=\"[^\"\r\n]{0,100}\")){0,8}?(?P<base64>\s{0,4};\s{0,4}base64)?\s{0,4},\s{0,4}",
    re.IGNORECASE,
)
_SCHEME = re.compile("data:", re.IGNORECASE)
_LINE = re.compile(r"[A-Za-z0-9+/_\-]+={0,2}")
_RUN = re.compile(rf"[A-Za-z0-9+/_\-]{{{_LEAST_CHARS},}}={{0,2}}")
_PATH_PART = re.compile(rf"(?<=/)[A-Za-z0-9+_\-]{{{_LEAST_CHARS},}}={{0,2}}")
_BEFORE_LINE_END = frozenset(" \t\r\n")
_LINE_END = re.compile(r"[ \t]{0,4}\r?\n[ \t]{0,16}")
_PERCENT_CODED = re.compile(r"[^\s\"'<>()\\`]*+")
_SPACED = re.compile(r"[A-Za-z0-9+/_\-=\s]*")
_LOOSE = str.maketrans("-_", "+/", " \t\r\n\v\f")
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


class _Line(NamedTuple):
    start: int
    end: int


class Embedded(NamedTuple):
    """Characters `start` to `end` of a text, and the encoded text; None for media."""

    start: int
    end: int
    text: str | None


def embedded_in(text: str) -> Iterator[Embedded]:
    """Yield the embedded texts and media, in order. Linear in the text's length."""
    at = 0
    for scheme in _SCHEME.finditer(text):
        url = _URL.match(text, scheme.start()) if scheme.start() >= at else None
        if url is None or not (url["type"] or url["base64"]):
            continue
        yield from _runs(text, at, url.start())
        found = _payload(text, url)
        at = url.end() if found is None else found.end
        if found is not None:
            yield found
    yield from _runs(text, at, len(text))


def _payload(text: str, url: re.Match[str]) -> Embedded | None:
    """Return the content of a `data:` URL; None if it is empty or plain text."""
    start = url.end()
    if url["base64"]:
        lines = list(_lines(text, start, len(text)))
        if not lines or (text[start - 1].isspace() and lines[0].end - start < _LEAST_CHARS and not _opens(text, start)):
            return None  # words about a URL
        block = _block(text, lines)
        if block is None or not (is_declared_text(url["type"] or "") or _goes_on_as_text(text, start)):
            return Embedded(start, lines[-1].end, None)
        return block
    match = _PERCENT_CODED.match(text, start)
    end = start if match is None else match.end()
    data = unquote_to_bytes(text[start:end])
    return Embedded(start, end, None) if data and _text(data) is None else None


def _opens(text: str, start: int) -> bool:
    """Tell whether base64 with white space begins like a known media format."""
    spaced = _SPACED.match(text, start, start + _HEAD_CHARS)
    return spaced is not None and is_known_binary(_bytes(spaced.group().partition("=")[0]))


def _goes_on_as_text(text: str, start: int) -> bool:
    """Tell whether base64 is text to a decoder that skips white space: `R0lG` is text, `R0lG ODlh` is none."""
    spaced = _SPACED.match(text, start)
    return spaced is not None and _decoded(spaced.group()) is not None


def _runs(text: str, begin: int, end: int) -> Iterator[Embedded]:
    """Yield the runs of base64 that are text, or media by their first bytes."""
    at = begin
    while (run := _RUN.search(text, at, end)) is not None:
        start, at = run.span()
        lines = list(_lines(text, start, end)) if text[at : at + 1] in _BEFORE_LINE_END else [_Line(start, at)]
        block = _block(text, lines)
        if block is not None:
            yield block
            at = block.end
            continue
        at = lines[-1].end
        if _is_media(text[start : lines[0].end]):
            yield Embedded(start, at, None)
            continue
        for line in lines:
            yield from _parts(text, line, is_whole=line.end == at and line.start == start)


def _block(text: str, lines: Sequence[_Line]) -> Embedded | None:
    """Return the text of a block of base64 lines; the last line may be an unrelated word."""
    for last in (lines[-1], lines[-2]) if len(lines) > 1 else lines:
        decoded = _decoded(text[lines[0].start : last.end])
        if decoded is not None:
            return Embedded(lines[0].start, last.end, decoded)
    return None


def _parts(text: str, line: _Line, *, is_whole: bool) -> Iterator[Embedded]:
    """Yield the content of a line, or of the parts of a path, which has the same characters."""
    decoded = None if is_whole or line.end - line.start < _LEAST_CHARS else _decoded(text[line.start : line.end])
    if decoded is not None:
        yield Embedded(line.start, line.end, decoded)
        return
    for part in _PATH_PART.finditer(text, line.start, line.end) if "/" in text[line.start : line.end] else ():
        decoded = _decoded(part.group())
        if decoded is not None:
            yield Embedded(part.start(), part.end(), decoded)


def _lines(text: str, begin: int, end: int) -> Iterator[_Line]:
    """Yield the lines of a base64 block: all as long as the first, only the last may be shorter."""
    line = _LINE.match(text, begin, end)
    size = 0 if line is None else line.end() - begin
    while line is not None:
        yield _Line(*line.span())
        if line.end() - line.start() < size:
            return
        line_end = _LINE_END.match(text, line.end(), end)
        line = None if line_end is None else _LINE.match(text, line_end.end(), end)
        if line is not None and line.end() - line.start() > size:
            return


def _is_media(run: str) -> bool:
    """Tell whether a run of base64 begins like a known image, sound, document or archive format."""
    return len(run) >= _HEAD_CHARS and is_known_binary(_bytes(run[:_HEAD_CHARS]))


def _decoded(run: str) -> str | None:
    """Return the text of a run of base64, or None. For long runs the head decides."""
    if len(run) <= 2 * _HEAD_CHARS:
        return _text(_bytes(run))
    head = _bytes(run[:_HEAD_CHARS])
    if not head.startswith(_MARKS):
        try:
            codecs.utf_8_decode(head, "strict", False)
        except UnicodeDecodeError:
            return None
    return _text(_bytes(run))


def _bytes(run: str) -> bytes:
    """Decode as lenient decoders do: in both alphabets, over white space, without padding and up to its last group."""
    chars = run.translate(_LOOSE).rstrip("=")
    size = len(chars)
    return binascii.a2b_base64(chars[: size - (size % 4 == 1)] + "==="[: -size % 4])


def _text(data: bytes) -> str | None:
    """Return valid UTF-8 text, or UTF-16 text of mostly ASCII characters; else None."""
    coding = "utf-8"
    if b"\0" in data:
        coding = "utf-16-le" if 2 * data[1::2].count(0) > len(data) // 2 else "utf-16-be"
    try:
        text = data.decode(coding)
    except UnicodeDecodeError:
        return None
    return None if not text or _CONTROL.search(text) else text
