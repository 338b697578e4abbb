"""Estimates the number of tokens of a request before a provider counts them.

Text counts by its bytes. Media count by their size at the provider, never by the length of their
base64: a provider scales an image down to a bounded size, turns the pages of a document into text
and images, and cuts sound into pieces of equal time.

Source: the guides to vision, PDF and audio input of OpenAI, Anthropic and Google.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from headgate.kernel.content import Content
from headgate.wire.json_document import JsonDocument
from headgate.wire.token_counts import object_of

_IMAGES: Final = ("image", "image_url", "input_image")
_SOUNDS: Final = ("input_audio",)
_DOCUMENTS: Final = ("document", "file", "input_file")
_KINDS: Final = frozenset({*_IMAGES, *_SOUNDS, *_DOCUMENTS})
_MEDIA: Final = re.compile(
    rb'"type"[ \t\r\n]*+:[ \t\r\n]*+"(?:image|image_url|input_image|document|file|input_file|input_audio)"'
    rb'|"(?:inlineData|fileData)"'
)
_BLOBS: Final = ("inlineData", "fileData")
_IMAGE_TOKENS: Final = 1_600
_UNSEEN_TOKENS: Final = 10_000
"""The estimate for a document that the request refers to by address or id."""
_DOCUMENT_BYTES_PER_TOKEN: Final = 8
_SOUND_BYTES_PER_TOKEN: Final = 256


class _Medium(NamedTuple):
    tokens: int
    chars: int


def prompt_tokens(content: Content, *, bytes_per_token: int) -> int:
    """Return the estimated tokens of a request of any wire; linear in size, fast without media."""
    if not isinstance(content, JsonDocument) and content.is_opaque:
        text_bytes = sum(len(segment.text.encode("utf-8", "replace")) for segment in content.segments())
        return text_bytes // bytes_per_token + 1 + _IMAGE_TOKENS
    raw = content.to_bytes()
    if not isinstance(content, JsonDocument) or _MEDIA.search(raw) is None:
        return len(raw) // bytes_per_token + 1
    media = [_measured(part) for part in _parts(content.value)]
    text_bytes = len(raw) - sum(medium.chars for medium in media)
    return max(0, text_bytes) // bytes_per_token + 1 + sum(medium.tokens for medium in media)


def _parts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object of the request that holds media: by its `type`, or by Gemini's keys."""
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _parts(item)
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        kind = fields.get("type")
        if isinstance(kind, str) and kind in _KINDS:
            yield fields
        for key in _BLOBS:
            if isinstance(fields.get(key), dict):
                yield {"type": _kind_of(object_of(fields[key])), key: fields[key]}
        for item in fields.values():
            if isinstance(item, (dict, list)):
                yield from _parts(item)


def _kind_of(blob: Mapping[str, Any]) -> str:
    """Return the kind of one of Gemini's media, by its media type."""
    named = str(blob.get("mimeType")).partition("/")[0]
    return "image" if named == "image" else "input_audio" if named == "audio" else "document"


def _measured(part: Mapping[str, Any]) -> _Medium:
    chars = len(_payload(part))
    size_bytes = chars * 3 // 4
    if part["type"] in _IMAGES:
        return _Medium(_IMAGE_TOKENS, chars)
    if part["type"] in _SOUNDS:
        return _Medium(size_bytes // _SOUND_BYTES_PER_TOKEN + 1, chars)
    if not chars:
        return _Medium(0 if object_of(part.get("source")).get("type") in ("text", "content") else _UNSEEN_TOKENS, 0)
    return _Medium(max(_IMAGE_TOKENS, size_bytes // _DOCUMENT_BYTES_PER_TOKEN), chars)


def _payload(part: Mapping[str, Any]) -> str:
    """Return the base64 of a medium, or an empty string for text or for media elsewhere."""
    source, image = object_of(part.get("source")), part.get("image_url")
    candidates = (
        source.get("data") if source.get("type") == "base64" else None,
        _inline(object_of(image).get("url") if isinstance(image, dict) else image),
        object_of(part.get("file")).get("file_data"),
        part.get("file_data"),
        object_of(part.get("input_audio")).get("data"),
        object_of(part.get("inlineData")).get("data"),
    )
    return next((payload for payload in candidates if isinstance(payload, str)), "")


def _inline(url: Any) -> str | None:
    return url if isinstance(url, str) and url[:5].lower() == "data:" else None
