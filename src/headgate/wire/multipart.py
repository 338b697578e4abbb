"""Forms with files: `multipart/form-data`, parsed within bounds and written again.

    form = parse_form(body, headers["content-type"])     bytes -> Form
    form.text("model"), form.files()                     its fields and files
    form.with_texts({"model": "whisper-1"}).to_bytes()   the same form with other texts

The parser works on a whole body whose size the server has already bounded. It refuses everything on
which parsers disagree: a preamble, a part without a name, a repeated header or parameter, a body
without its last boundary, and text after it. Linear in the size of the body.

Source: RFC 7578; RFC 2046, section 5.1; WHATWG HTML, "Multipart form data".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from headgate.kernel.errors import Invalid, TooLarge

FORM: Final = "multipart/form-data"
"""The media type of a form with files."""

MAX_PARTS: Final = 256
"""The most parts of a form."""

_MAX_HEADER_BYTES: Final = 4096
_BOUNDARY: Final = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")
_PARAMETER: Final = re.compile(r';[ \t]*([A-Za-z0-9_*-]+)[ \t]*=[ \t]*(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;",]+))[ \t]*')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_PLAIN_ENCODINGS: Final = frozenset({"", "7bit", "8bit", "binary"})
_EXTENDED: Final = "utf-8''"
_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:;[ -~]*)?")


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file of a form.

    Args:
        data: the bytes of the value.
        filename: the name of a file, without any check; None for a field.
        content_type: the media type that the sender declared, or None.
    """

    name: str
    data: bytes
    filename: str | None = None
    content_type: str | None = None

    def text(self) -> str:
        """Return a field's value.

        Raises:
            Invalid: the value is not UTF-8.
        """
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise Invalid(f"{self.name} is not UTF-8", param=self.name) from error


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a form in order, and the boundary between them."""

    parts: tuple[Part, ...]
    boundary: str

    @property
    def content_type(self) -> str:
        """The content type of the form's bytes."""
        return f'{FORM}; boundary="{self.boundary}"'

    def files(self) -> Sequence[Part]:
        """Return the files."""
        return [part for part in self.parts if part.filename is not None]

    def fields(self) -> Sequence[Part]:
        """Return the fields, which are no files."""
        return [part for part in self.parts if part.filename is None]

    def text(self, name: str) -> str | None:
        """Return the value of a field; None if the form has none of that name.

        Raises:
            Invalid: the form has several, or the value is not UTF-8.
        """
        found = [part for part in self.parts if part.name == name]
        if len(found) > 1:
            raise Invalid(f"{name} was sent {len(found)} times; send it once", param=name)
        if not found:
            return None
        if found[0].filename is not None:
            raise Invalid(f"{name} must be a field, not a file", param=name)
        return found[0].text()

    def file(self, name: str) -> Part:
        """Return the only file of a name.

        Raises:
            Invalid: the form has none, or several.
        """
        found = [part for part in self.parts if part.name == name and part.filename is not None]
        if len(found) != 1:
            raise Invalid(f"{name} must be one file, and the form has {len(found)}", param=name)
        return found[0]

    def with_texts(self, texts: Mapping[str, str]) -> Form:
        """Return the form with these fields set; a field that it lacks is added."""
        parts = [
            replace(part, data=texts[part.name].encode()) if part.filename is None and part.name in texts else part
            for part in self.parts
        ]
        present = {part.name for part in parts}
        added = [Part(name, text.encode()) for name, text in texts.items() if name not in present]
        return replace(self, parts=(*parts, *added))

    def with_edits(self, texts: Mapping[int, str]) -> Form:
        """Return the form with the texts of fields and the names of files replaced, by their places."""
        parts = list(self.parts)
        for place, text in texts.items():
            part = parts[place]
            parts[place] = replace(part, data=text.encode()) if part.filename is None else replace(part, filename=text)
        return replace(self, parts=tuple(parts))

    def to_bytes(self) -> bytes:
        """Return the form as a body of `content_type`.

        Raises:
            Invalid: a part has the boundary in it.
        """
        delimiter = b"--" + self.boundary.encode("latin-1")
        pieces: list[bytes] = []
        for part in self.parts:
            if delimiter in part.data:
                raise Invalid(f"{part.name} has the boundary of the form in it; send another boundary", param=part.name)
            pieces += (delimiter, b"\r\n", _head(part), b"\r\n\r\n", part.data, b"\r\n")
        return b"".join((*pieces, delimiter, b"--\r\n"))


def is_form(content_type: str) -> bool:
    """Whether a content type is that of a form."""
    return content_type.partition(";")[0].strip().lower() == FORM


def parse_form(body: bytes, content_type: str, *, max_parts: int = MAX_PARTS) -> Form:
    """Return the parts of a form.

    Args:
        content_type: the request's header, with the boundary.

    Raises:
        Invalid: the content type is not a form's, or the body is malformed.
        TooLarge: the form has too many parts.
    """
    boundary = _boundary(content_type)
    delimiter = b"--" + boundary.encode("latin-1")
    if not body.startswith(delimiter):
        raise Invalid("the form does not begin with its boundary")
    parts = tuple(_parts(body, delimiter, max_parts=max_parts))
    return Form(parts, boundary)


def _parts(body: bytes, delimiter: bytes, *, max_parts: int) -> Iterator[Part]:
    between, place, count = b"\r\n" + delimiter, len(delimiter), 0
    while True:
        after = body[place : place + 2]
        if after == b"--":
            if body[place + 2 :].strip(b"\r\n"):
                raise Invalid("the form goes on after its last boundary")
            return
        if after != b"\r\n":
            raise Invalid("a boundary of the form has no line of its own")
        count += 1
        if count > max_parts:
            raise TooLarge(f"the form has more than {max_parts} parts")
        begin, end = place + 2, body.find(between, place)
        if end < 0:
            raise Invalid("the form ends before its last boundary")
        split = body.find(b"\r\n\r\n", begin, min(end, begin + _MAX_HEADER_BYTES))
        if split < 0:
            raise Invalid(f"a part of the form has no headers, or more than {_MAX_HEADER_BYTES} bytes of them")
        yield _part(body[begin:split], body[split + 4 : end])
        place = end + len(between)


def _part(head: bytes, data: bytes) -> Part:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or name.strip().lower() in headers:
            raise Invalid("a part of the form has a header that is malformed or repeated")
        headers[name.strip().lower()] = value.strip()
    kind, parameters = _parameters(headers.get("content-disposition", ""))
    if kind != "form-data" or not parameters.get("name"):
        raise Invalid("a part of the form has no content-disposition with a name")
    if headers.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
        raise Invalid("a part of the form has a content-transfer-encoding; send it without one")
    filename = parameters.get("filename")
    extended = parameters.get("filename*")
    if extended is not None:
        if extended[: len(_EXTENDED)].lower() != _EXTENDED:
            raise Invalid("the name of a file in the form is not UTF-8")
        filename = unquote(extended[len(_EXTENDED) :])
    return Part(parameters["name"], data, filename, headers.get("content-type"))


def _parameters(header: str) -> tuple[str, dict[str, str]]:
    """Return the first word of a header in lower case, and its parameters.

    Raises:
        Invalid: a parameter is malformed or repeated.
    """
    kind, semicolon, rest = header.partition(";")
    rest = semicolon + rest
    found: dict[str, str] = {}
    place = 0
    while place < len(rest):
        match = _PARAMETER.match(rest, place)
        if match is None or match[1].lower() in found:
            raise Invalid("a header of the form has a parameter that is malformed or repeated")
        quoted, plain = match[2], match[3]
        found[match[1].lower()] = plain if quoted is None else _unquoted(quoted)
        place = match.end()
    return kind.strip().lower(), found


def _unquoted(text: str) -> str:
    """Return a quoted value: browsers write `%22`, and other clients a backslash before the quote."""
    return _ESCAPED.sub(r"\1", text).replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _boundary(content_type: str) -> str:
    kind, parameters = _parameters(content_type.rstrip("; \t"))
    if kind != FORM:
        raise Invalid(f"content-type is {kind or 'missing'!r}; send {FORM}", param="content-type")
    boundary = parameters.get("boundary", "")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise Invalid("the content-type of the form has no boundary of 1 to 70 characters", param="content-type")
    return boundary


def _head(part: Part) -> bytes:
    """Return the headers of a part; names are written as browsers do."""
    head = f'content-disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename is not None:
        head += f'; filename="{_quoted(part.filename)}"'
    if part.content_type is not None and _TYPE.fullmatch(part.content_type):
        head += f"\r\ncontent-type: {part.content_type}"
    return head.encode("utf-8", "replace")


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
