"""Forms with files, and bodies of no wire, as content that guard scans and edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.kernel.content import Content, Segment
from headgate.kernel.errors import Invalid
from headgate.wire.json_document import MAX_BODY_BYTES, JsonDocument, Layout
from headgate.wire.multipart import Form, is_form, parse_form

ANY_JSON = Layout(media_keys=dict.fromkeys(("file_data", "b64_json", "bytesBase64Encoded"), None))
"""The origins of the strings in JSON of no particular wire: every string and key is a `parameter`."""

_JSON_ENDINGS = ("/json", "+json")
_TEXTS = frozenset({"application/x-ndjson", "application/jsonl", "application/xml", "application/yaml"})


class FormContent(Content):
    """A form: the names of its parts, its fields and the names of its files are segments. Its files are opaque."""

    __slots__ = ("_raw", "form")

    def __init__(self, form: Form, raw: bytes | None = None) -> None:
        """Wrap a form; `raw` are its bytes, if they are at hand."""
        self.form = form
        self._raw = raw

    def segments(self) -> Sequence[Segment]:
        """Return the name of each part, and after it the text of a field or the name of a file."""
        found: list[Segment] = []
        for part in self.form.parts:
            found.append(Segment(part.name, "parameter"))
            is_field = part.filename is None
            found.append(Segment(part.text(), "user") if is_field else Segment(part.filename or "", "parameter"))
        return found

    def edit(self, texts: Mapping[int, str]) -> FormContent:
        """Return the form with these fields and names of files replaced.

        Raises:
            Invalid: the name of a part has a text that a rule masks.
        """
        if not texts:
            return self
        if any(index % 2 == 0 for index in texts):
            raise Invalid("the name of a part of the form has data that a rule masks; send it as the value of a field")
        return FormContent(self.form.with_edits({index // 2: text for index, text in texts.items()}))

    def to_bytes(self) -> bytes:
        """Return the body."""
        if self._raw is None:
            self._raw = self.form.to_bytes()
        return self._raw

    @property
    def is_opaque(self) -> bool:
        """Whether the form has a file."""
        return any(part.filename is not None for part in self.form.parts)


class TextContent(Content):
    """A body that is plain text; its origin is that of a request or an answer."""

    __slots__ = ("is_answer", "text")

    def __init__(self, text: str, *, is_answer: bool) -> None:
        self.text = text
        self.is_answer = is_answer

    def segments(self) -> Sequence[Segment]:
        """Return the text."""
        return (Segment(self.text, "assistant" if self.is_answer else "user"),)

    def surface(self) -> bytes:
        """Return the text."""
        return self.text.encode("utf-8", "replace")

    def edit(self, texts: Mapping[int, str]) -> TextContent:
        """Return the text replaced."""
        return TextContent(texts[0], is_answer=self.is_answer) if texts else self

    def to_bytes(self) -> bytes:
        """Return the text as UTF-8."""
        return self.text.encode("utf-8", "replace")


class OpaqueContent(Content):
    """Bytes that no scan reads, such as an image or sound."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def segments(self) -> tuple[()]:
        """Return nothing."""
        return ()

    def surface(self) -> bytes:
        """Return nothing."""
        return b""

    def edit(self, texts: Mapping[int, str]) -> OpaqueContent:
        """Return the bytes unchanged."""
        return self

    def to_bytes(self) -> bytes:
        """Return the bytes."""
        return self.raw

    @property
    def is_opaque(self) -> bool:
        """Whether there is anything."""
        return bool(self.raw)


def form_of(body: bytes, headers: Mapping[str, str]) -> FormContent:
    """Return the form of a request.

    Raises:
        Invalid: the body is no form, or a field is not UTF-8.
    """
    content = FormContent(parse_form(body, headers.get("content-type", "")), body)
    content.segments()
    return content


def is_json(media_type: str) -> bool:
    """Whether a content type is JSON."""
    return media_type.partition(";")[0].strip().lower().endswith(_JSON_ENDINGS)


def content_of(body: bytes, media_type: str, *, is_answer: bool = False, layout: Layout = ANY_JSON) -> Content:
    """Return a body of any media type as content: JSON, a form, text, or opaque bytes.

    Raises:
        Invalid: the body is not of the form that its media type names.
        TooLarge: the body is larger or deeper than allowed.
    """
    if not body:
        return OpaqueContent(body)
    if is_json(media_type):
        return JsonDocument.parse(body, layout=layout, max_bytes=2 * MAX_BODY_BYTES)
    if is_form(media_type):
        # Without the client's bytes, since other headers of a part would pass unscanned.
        return FormContent(parse_form(body, media_type))
    if not _is_text(media_type):
        return OpaqueContent(body)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if is_answer:
            return OpaqueContent(body)
        raise Invalid(f"the body is not UTF-8, and content-type is {media_type[:80]!r}") from error
    return TextContent(text, is_answer=is_answer)


def _is_text(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS
