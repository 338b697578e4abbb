"""Decodes encoded text inside JSON strings, so that a scan also finds secrets in it.

Two kinds of string may hold media: `data:` URIs anywhere, and base64 under keys that a wire names,
such as `file_data`. The decoded bytes decide, not the declared type:

- A scan reads valid UTF-8 as text, and an edit encodes the new text again.
- A scan reads bytes of a declared text type that are not valid UTF-8 with replacement characters.
- A scan skips bytes with the signature of a known image, sound, video, PDF or archive format.
- A scan reads any other string unchanged.

Content other than pure text counts as unread. No scan here reads pixels, samples or compressed
pages, and a more lenient decoder may read other text from the rest. Unread content may hold
anything, and policy treats it so.
"""

from __future__ import annotations

import base64
import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote_to_bytes

_DATA = "data:"
_PREFIX = re.compile(r"data:(?:[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,80})?(?:;charset=[a-z0-9-]{1,20})?(?:;base64)?,", re.I)
_LONG_NUMBER = re.compile(r"\d{7}")
_MIN_BARE_CHARS = 24
_HEAD_CHARS = 64
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-ndjson", "application/yaml", "message/")
_SIGNATURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",
    b"MM\x00*",
    b"RIFF",
    b"ID3",
    b"OggS",
    b"fLaC",
    b"\x1aE\xdf\xa3",
    b"%PDF-",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
)
_SHORT_SIGNATURES = (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1")
"""Signatures of sound formats; too short to identify a format by themselves."""
_LOOSE = str.maketrans({"-": "+", "_": "/", " ": None, "\t": None, "\r": None, "\n": None})


class Embedding(NamedTuple):
    """The form of embedded text: `prefix`, then the text in `coding`."""

    prefix: str
    coding: Literal["base64", "percent"]


class Embedded(NamedTuple):
    """The content of a string.

    Args:
        text: the text to scan, or None for binary content.
        embedding: the form of the text in the string; None if the string itself is the text.
        is_read: whether the string has no content besides the text.
    """

    text: str | None
    embedding: Embedding | None
    is_read: bool


def embedded_text(value: str, *, is_media: bool, may_be_media: bool) -> Embedded | None:
    """Return the embedded content of a string, or None for an ordinary string.

    Linear in the length of the string.

    Args:
        is_media: whether the string's place in its wire always holds base64.
        may_be_media: whether the string's key holds base64 in some places and other values in
            others.
    """
    if value[:5].lower() == _DATA:
        return _of_uri(value)
    if is_media or (may_be_media and len(value) >= _MIN_BARE_CHARS):
        found = _decoded(value, Embedding("", "base64"), is_loose=is_media)
        return found or (Embedded(value, None, is_read=False) if is_media else None)
    return None


def _of_uri(value: str) -> Embedded | None:
    """Return the content of a `data:` URI, or None for other text that begins with `data:`.

    A scan reads a URI with unusual parameters as it is, because those may hold any text.
    """
    start = _PREFIX.match(value)
    if start is None or _LONG_NUMBER.search(start.group()):
        named = value.partition(",")[0]
        is_uri = ("/" in named or ";" in named) and not any(map(str.isspace, named))
        return Embedded(value, None, is_read=False) if is_uri else None
    prefix = start.group()
    coding = "base64" if prefix.lower().endswith(";base64,") else "percent"
    found = _decoded(value[start.end() :], Embedding(prefix, coding), is_loose=True)
    return found or Embedded(value, None, is_read=False)


def encode_text(text: str, embedding: Embedding) -> str:
    """Return the string that embeds `text` in this form."""
    if embedding.coding == "percent":
        return embedding.prefix + quote(text)
    return embedding.prefix + base64.b64encode(text.encode()).decode()


def is_declared_text(media_type: str) -> bool:
    """Whether a media type is a text type; a URL without a type has `text/plain`."""
    return not media_type or media_type.lower().startswith((*_TEXT_TYPES, "image/svg+xml"))


def is_known_binary(head: bytes) -> bool:
    """Whether bytes begin with the signature of a known image, sound, video or file format."""
    return head.startswith(_SIGNATURES) or head[4:8] == b"ftyp"


def _decoded(payload: str, embedding: Embedding, *, is_loose: bool) -> Embedded | None:
    prefix = embedding.prefix.lower()
    declares_text = bool(prefix) and prefix.startswith((*_TEXT_TYPES, ";", ","), len(_DATA))
    if not declares_text and embedding.coding == "base64" and _is_binary(payload):
        return Embedded(None, embedding, is_read=False)
    data = unquote_to_bytes(payload) if embedding.coding == "percent" else _from_base64(payload, is_loose=is_loose)
    if not data:
        return None
    try:
        return Embedded(data.decode(), embedding, is_read=b"\0" not in data)  # zeros mean UTF-16
    except UnicodeDecodeError:
        return Embedded(data.decode(errors="replace"), embedding, is_read=False) if declares_text else None


def _is_binary(payload: str) -> bool:
    """Whether the payload is base64 throughout and starts with the signature of a binary format.

    Such a payload holds no readable text.
    """
    head = _from_base64(payload[:_HEAD_CHARS], is_loose=True) or b""
    if not is_known_binary(head) and not head.startswith(_SHORT_SIGNATURES):
        return False
    return payload.isascii() and not payload.encode().translate(None, _ALPHABET)


def _from_base64(payload: str, *, is_loose: bool) -> bytes | None:
    """Decode base64; `is_loose` also accepts the forms that lenient decoders accept."""
    try:
        return base64.b64decode(payload, validate=True)
    except ValueError:
        if not is_loose:
            return None
    try:
        return base64.b64decode(payload.translate(_LOOSE).rstrip("=") + "==")
    except ValueError:
        return None
