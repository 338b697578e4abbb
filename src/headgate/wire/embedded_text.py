"""Text that hides in an encoding inside JSON strings, so that encoding a secret does not carry it past a scan.

Two kinds of string may hold media: `data:` URIs anywhere, and base64 under keys that a wire names, as `file_data`.
What such a string decodes to decides, not what it claims to be:

- valid UTF-8 is scanned as that text, and an edit encodes the new text again;
- a declared text type that is not valid UTF-8 is scanned with replacement characters;
- what opens with the signature of a known image, sound, video, PDF or archive format is binary and skipped. Its pixels,
  samples and compressed pages are out of reach here: policy decides on media as such;
- anything else is scanned as the characters that stand there.
"""

from __future__ import annotations

import base64
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote_to_bytes

_DATA = "data:"
_MAX_PREFIX = 256
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
    b"\xff\xfb",
    b"\xff\xf3",
    b"\xff\xf2",
    b"\xff\xf1",
    b"OggS",
    b"fLaC",
    b"\x1aE\xdf\xa3",
    b"%PDF-",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
)
_LOOSE = str.maketrans({"-": "+", "_": "/", " ": None, "\t": None, "\r": None, "\n": None})


class Embedding(NamedTuple):
    """How text is embedded: after `prefix`, in `coding`."""

    prefix: str
    coding: Literal["base64", "percent"]


class Embedded(NamedTuple):
    """What a string holds: the decoded `text`, or None for binary that no scan can read."""

    text: str | None
    embedding: Embedding


def embedded_text(value: str, *, is_media_key: bool) -> Embedded | None:
    """Return what is embedded in a string, or None when it is an ordinary string. Linear in its length."""
    if value[:5].lower() == _DATA:
        comma = value.find(",", 0, _MAX_PREFIX) + 1
        prefix = value[:comma]
        if not comma:
            return None
        coding = "base64" if prefix.lower().endswith(";base64,") else "percent"
        return _decoded(value[comma:], Embedding(prefix, coding))
    if is_media_key and len(value) >= _MIN_BARE_CHARS:
        return _decoded(value, Embedding("", "base64"))
    return None


def encode_text(text: str, embedding: Embedding) -> str:
    """Return the string that embeds `text` in the same way."""
    if embedding.coding == "percent":
        return embedding.prefix + quote(text)
    return embedding.prefix + base64.b64encode(text.encode()).decode()


def _decoded(payload: str, embedding: Embedding) -> Embedded | None:
    is_uri = bool(embedding.prefix)
    declares_text = is_uri and embedding.prefix.lower().startswith((*_TEXT_TYPES, ";", ","), len(_DATA))
    if not declares_text and embedding.coding == "base64" and _is_binary(payload):
        return Embedded(None, embedding)
    data = unquote_to_bytes(payload) if embedding.coding == "percent" else _from_base64(payload, is_loose=is_uri)
    if not data:
        return None
    try:
        return Embedded(data.decode(), embedding)
    except UnicodeDecodeError:
        return Embedded(data.decode(errors="replace"), embedding) if declares_text else None


def _is_binary(payload: str) -> bool:
    """Whether this is base64 to its end, so that nothing readable stands in it, and opens as a known binary format."""
    head = _from_base64(payload[:_HEAD_CHARS], is_loose=True) or b""
    if not head.startswith(_SIGNATURES) and head[4:8] != b"ftyp":
        return False
    return payload.isascii() and not payload.encode().translate(None, _ALPHABET)


def _from_base64(payload: str, *, is_loose: bool) -> bytes | None:
    """Decode; loosely as lenient decoders do where the string says that it is base64."""
    try:
        return base64.b64decode(payload, validate=True)
    except ValueError:
        if not is_loose:
            return None
    try:
        return base64.b64decode(payload.translate(_LOOSE).rstrip("=") + "==")
    except ValueError:
        return None
