"""A JSON body as content: parsed once and strictly, scanned string by string, edited in place.

`JsonDocument.parse` refuses input on which parsers disagree or fail: duplicate keys, invalid
UTF-8, lone surrogates, NaN and Infinity, integers beyond Python's limit, a byte order mark, and
excessive nesting or size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, cast

import msgspec

from headgate.kernel.content import Run, Segment, Signed
from headgate.kernel.errors import Invalid, TooLarge
from headgate.wire.embedded_text import encode_text
from headgate.wire.json_edits import (
    COLON,
    STRING,
    Path,
    Splice,
    append_field,
    edit_fields,
    replace_first,
    replace_text,
    splice,
)
from headgate.wire.json_runs import may_join_turns
from headgate.wire.json_strings import (
    PLAIN,
    Layout,
    Strings,
    number_text,
    signed_texts,
    spelled_at,
    spoken_texts,
    strings_of,
)
from headgate.wire.tool_inputs import tool_input_strings

__all__ = ["MAX_BODY_BYTES", "MAX_DEPTH", "PLAIN", "JsonDocument", "Layout", "Path"]

MAX_DEPTH = 128
MAX_BODY_BYTES = 32 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_ESCAPED_ASCII = rb"\u00"
_SHOWN_KEY_CHARS = 40
_BESIDE = b'"\x1c"'
_INNER_QUOTE = b"\x1d"
"""Replaces an escaped quote during the search for strings; JSON has no raw control character."""

_LONG_NUMBER = re.compile(rb"[0-9][0-9.]{11}|[0-9][eE]")
"""Matches the beginning of a number that may be long."""

_DATA = b'"data:'
_TEXT = b'"text"'
_TEXT_KEY = re.compile(rb'"text"[ \t\r\n]*+:')
_WALKED_ESCAPES = (rb"\\", rb"\u", rb"\b", rb"\f")
_SIMPLE_ESCAPES = ((rb"\n", b"\n"), (_INNER_QUOTE, b'"'), (rb"\t", b"\t"), (rb"\r", b"\r"), (rb"\/", b"/"))
"""Simple escapes; unambiguous in text without an escaped backslash."""

_NOT_DECODED = object()
_STRING_OR_NUMBER = re.compile(STRING.pattern + rb"|-?[0-9][0-9.eE+-]*+", re.DOTALL)
_QUOTE = b'"'[0]


class JsonDocument:
    """An immutable JSON body; implements the kernel's `Content`.

    Segments and edits count strings in document order, so their indices agree without offsets.
    """

    __slots__ = ("_found", "_is_opaque", "_segments", "_value", "layout", "raw")

    def __init__(
        self, raw: bytes, *, value: Any = _NOT_DECODED, layout: Layout = PLAIN, is_opaque: bool = False
    ) -> None:
        """Wrap strict JSON text without a check; use `parse` for text from outside."""
        self.raw = raw
        self.layout = layout
        self._is_opaque = is_opaque
        self._value = value
        self._found: Strings | None = None
        self._segments: tuple[Segment, ...] | None = None

    @classmethod
    def parse(
        cls,
        body: bytes,
        *,
        layout: Layout = PLAIN,
        max_bytes: int = MAX_BODY_BYTES,
        max_depth: int = MAX_DEPTH,
        name: str = "the request body",
    ) -> JsonDocument:
        """Decode a body from outside. Linear in its size.

        Args:
            name: the name of the body in error messages.

        Raises:
            TooLarge: the body has more than `max_bytes`, or is nested deeper than `max_depth`.
            Invalid: the body is not strict JSON; the message names the fault and its place.
        """
        if len(body) > max_bytes:
            raise TooLarge(f"{name} has {len(body)} bytes; at most {max_bytes} are accepted")
        return cls(body, value=_decode(body, max_depth=max_depth, name=name), layout=layout)

    @property
    def value(self) -> Any:
        """The decoded value; do not change it."""
        if self._value is _NOT_DECODED:
            self._value = _decode(self.raw, max_depth=MAX_DEPTH, name="the edited document")
        return self._value

    def fields(self) -> Mapping[str, Any]:
        """Return the decoded object.

        Raises:
            Invalid: the document is not an object.
        """
        if not isinstance(self.value, dict):
            raise Invalid(f"the body must be a JSON object, not {_kind(self.value)}")
        return cast("dict[str, Any]", self.value)

    def segments(self) -> Sequence[Segment]:
        """Return the caller's strings and keys, and all long numbers, in document order."""
        if self._segments is None:
            self._segments = tuple([found for found in self._strings().found if found is not None])
        return self._segments

    def surface(self) -> bytes | None:
        """Return all string tokens, joined, with their simple escapes resolved.

        Returns None for a body that needs a walk. Such a body may hold media, a tool's text, a
        numeric escape, a message in parts, consecutive messages of one author, or a long number.
        """
        raw = self.raw
        for word in self.layout.walked_for:
            if word in raw:
                return None
        has_escapes = b"\\" in raw
        if has_escapes:
            for escape in _WALKED_ESCAPES:
                if escape in raw:
                    return None
            raw = raw.replace(rb"\"", _INNER_QUOTE)
        pieces = raw.split(b'"')  # strings alternate with the bytes between them
        strings, between = pieces[1::2], b" ".join(pieces[::2])
        if _LONG_NUMBER.search(between) is not None or may_join_turns(strings, between, self.layout):
            return None
        text = b'"%b"' % _BESIDE.join(strings)
        if _DATA in text.lower() or (text.count(_TEXT) > 1 and len(_TEXT_KEY.findall(raw)) > 1):
            return None
        if has_escapes:
            for escape, char in _SIMPLE_ESCAPES:
                text = text.replace(escape, char)
        return text

    def may_hold_tool_text(self) -> bool:
        """Whether the text may hold a tool's string; an escape may hide a word of the layout."""
        raw = self.raw
        for word in self.layout.tool_words:
            if word in raw:
                return True
        return _ESCAPED_ASCII in raw and bool(self.layout.tool_words)

    @property
    def is_opaque(self) -> bool:
        """Whether the body holds content outside its segments: tokens, or media no scan reads."""
        if self._is_opaque:
            return True
        raw = self.raw
        for word in self.layout.media_words:
            if word in raw:
                break
        else:
            if rb"\u" not in raw and _DATA not in raw.lower():
                return False
        return bool(self._strings().unread)

    def runs(self) -> Sequence[Run]:
        """Return the runs: texts of a message in parts or of consecutive messages of an author."""
        strings = self._strings()
        if not strings.runs:
            return ()
        counts = list(accumulate((found is not None for found in strings.found), initial=0))
        return [Run([counts[position] for position in run], is_one_text) for run, is_one_text in strings.runs]

    def numbers(self) -> frozenset[int]:
        """Return the indices of the segments that are bare numbers."""
        strings = self._strings()
        if not strings.numbers:
            return frozenset()
        counts = list(accumulate((found is not None for found in strings.found), initial=0))
        return frozenset([counts[position] for position in strings.numbers])

    def with_numbers(self, number_of: Callable[[str], str | None]) -> JsonDocument:
        """Return the document with numbers in tool input restored.

        A string in the input of a tool call becomes a bare number if `number_of` returns one.
        """
        found = {path: number_of(text) for path, text in tool_input_strings(self.value)}
        return self.edit_fields({path: number.encode() for path, number in found.items() if number is not None})

    def spoken(self) -> Sequence[str]:
        """Return the texts of the assistant's turns, or of an answer."""
        raw, layout = self.raw, self.layout
        if layout.answers or _ESCAPED_ASCII in raw:
            return spoken_texts(self.value, layout)
        for word in layout.spoken_for:
            if word in raw:
                return spoken_texts(self.value, layout)
        return ()

    def edit(self, texts: Mapping[int, str]) -> JsonDocument:
        """Return the document with these segments replaced; all other bytes stay unchanged.

        A string replaces a number.

        Raises:
            Invalid: two keys of one object are equal after the edit.
            IndexError: the document has no such segment.
        """
        if not texts:
            return self
        if max(texts) >= len(self.segments()) or min(texts) < 0:
            raise IndexError(f"the document has {len(self.segments())} segments")
        raw, strings = self.raw, self._strings()
        splices: list[Splice] = []
        has_edited_key = False
        index = -1
        for position, token in enumerate(_tokens(raw) if strings.numbers else STRING.finditer(raw)):
            if strings.found[position] is None:
                continue
            index += 1
            text = texts.get(index)
            if text is None:
                continue
            embedding = strings.embeddings.get(position)
            new = text if embedding is None else encode_text(text, embedding)
            splices.append(Splice(token.start(), token.end(), msgspec.json.encode(new)))
            has_edited_key = has_edited_key or COLON.match(raw, token.end()) is not None
        edited = self._with_raw(splice(raw, splices))
        if has_edited_key:
            edited.value  # noqa: B018 - decodes now, and so refuses keys that have become equal
        return edited

    def signed(self) -> Sequence[Signed]:
        """Return the signed texts of the assistant's turns, or of an answer."""
        key = self.layout.signed
        if key is None or (b'"%b"' % key.encode() not in self.raw and _ESCAPED_ASCII not in self.raw):
            return ()
        pairs = signed_texts(self.value, self.layout)
        if not pairs:
            return ()
        places = {id(segment.text): index for index, segment in enumerate(self.segments())}
        found = [(places.get(id(text)), places.get(id(signature))) for text, signature in pairs]
        return [Signed(text, signature) for text, signature in found if text is not None and signature is not None]

    def without_spelling(self) -> JsonDocument:
        """Return the document with null in place of the values under `Layout.spelling` keys."""
        spelled = tuple(spelled_at(self.value, self.layout.spelling)) if self.layout.spelling else ()
        return self._with_raw(edit_fields(self.raw, dict.fromkeys(spelled, b"null"))) if spelled else self

    def edit_fields(self, edits: Mapping[Path, bytes | None]) -> JsonDocument:
        """Return the document with the values at paths replaced by JSON text.

        An edit inserts an absent value. None removes a value.

        Raises:
            KeyError: a parent of a path is absent.
        """
        if not edits:
            return self
        if any(len(path) != 1 for path in edits) or not isinstance(self.value, dict):
            return self._with_raw(edit_fields(self.raw, edits))
        raw = self.raw
        present = {path: new for path, new in edits.items() if path[0] in self.value}
        if len(present) == 1 and next(iter(present.values())) is not None:
            (path, new) = next(iter(present.items()))
            old = cast("dict[str | int, object]", self.value)[path[0]]
            if isinstance(old, str) and _ESCAPED_ASCII not in raw:  # an escape could hide the key
                raw = replace_text(raw, path, old=old, new=new or b"")
            else:
                raw = replace_first(raw, str(path[0]), new or b"")
        elif present:
            raw = edit_fields(raw, present)
        for path, new in edits.items():
            if new is not None and path not in present:
                raw = append_field(raw, str(path[0]), new)
        return self._with_raw(raw)

    def replace(self, path: Path, new_value_json: bytes) -> JsonDocument:
        """Return the document with one value replaced, or inserted at the end of its object."""
        return self.edit_fields({path: new_value_json})

    def insert(self, path: Path, key: str, value_json: bytes) -> JsonDocument:
        """Return the document with a field set in the object at `path`."""
        return self.edit_fields({(*path, key): value_json})

    def remove(self, path: Path) -> JsonDocument:
        """Return the document without one field; unchanged if the field is absent."""
        return self.edit_fields({path: None})

    def to_bytes(self) -> bytes:
        """Return the text; without edits, byte for byte the original."""
        return self.raw

    def opaque(self) -> JsonDocument:
        """Return the document, marked as opaque."""
        return JsonDocument(self.raw, value=self._value, layout=self.layout, is_opaque=True)

    def _with_raw(self, raw: bytes) -> JsonDocument:
        return JsonDocument(raw, layout=self.layout, is_opaque=self._is_opaque)

    def _strings(self) -> Strings:
        if self._found is None:
            self._found = strings_of(self.value, self.layout)
        return self._found


def _tokens(raw: bytes) -> Iterator[re.Match[bytes]]:
    """Yield the tokens that `Strings` lists: strings and long numbers."""
    for token in _STRING_OR_NUMBER.finditer(raw):
        if raw[token.start()] == _QUOTE or number_text(json.loads(token.group())) is not None:
            yield token


def _decode(body: bytes, *, max_depth: int, name: str) -> Any:
    if body.startswith(_BOM):
        raise Invalid(f"{name} starts with a byte order mark; send plain UTF-8")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"{name} is not UTF-8: byte {error.start} cannot be decoded") from None
    try:
        value = _DECODER.decode(text)
    except _Refused as refused:
        raise Invalid(f"{name} {refused}") from None
    except json.JSONDecodeError as error:
        raise Invalid(
            f"{name} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        ) from None
    except RecursionError:
        raise TooLarge(f"{name} is nested deeper than {max_depth} levels") from None
    except ValueError:  # the interpreter's limit on the digits of integers
        raise Invalid(f"{name} holds an integer of too many digits") from None
    if _has_more_brackets(body, max_depth) and _is_deeper(value, max_depth):
        raise TooLarge(f"{name} is nested deeper than {max_depth} levels")
    if b"\\u" in body and (b"\\ud" in body or b"\\uD" in body) and not _is_encodable(value):
        raise Invalid(f"{name} holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no character")
    return value


class TooDeep(Exception):
    """JSON text inside a string of a body is nested deeper than a body may be.

    The caller turns it into an error of the client or of the provider.
    """


def decoded_inside(text: str) -> object:
    """Return the value of JSON text from a string of a body; None if the text is not JSON.

    Raises:
        TooDeep: the text is nested deeper than `MAX_DEPTH`.
    """
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    except RecursionError as error:
        raise TooDeep from error
    if _has_more_brackets(text.encode(), MAX_DEPTH) and _is_deeper(value, MAX_DEPTH):
        raise TooDeep
    return value


class _Refused(Exception):
    """A fault found by our decoder hooks; a ValueError would look like the decoder's own."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(
                    f"repeats the key {key[:_SHOWN_KEY_CHARS]!a} in one object; parsers disagree on which counts"
                )
            seen.add(key)
    return value


def _constant(name: str) -> Any:
    raise _Refused(f"holds {name}, which is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _has_more_brackets(body: bytes, count: int) -> bool:
    """Whether the body has more than `count` opening brackets; a bounded split is fastest."""
    objects, lists = len(body.split(b"{", count + 1)) - 1, len(body.split(b"[", count + 1)) - 1
    return objects + lists > count


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether containers are nested deeper than `levels`; visits each once, layer by layer."""
    layer: list[Any] = [value]
    for _ in range(levels):
        layer = [
            item
            for container in layer
            for item in (container.values() if container.__class__ is dict else container)
            if item.__class__ is dict or item.__class__ is list
        ]
        if not layer:
            return False
    return True


def _is_encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    """Return JSON's name for the type of a decoded value."""
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return "null" if value is None else "a number"


_KINDS = ((str, "a string"), (list, "a list"), (dict, "an object"), (bool, "a boolean"))
