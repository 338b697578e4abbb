"""Writes the list of models that a caller may name, in Gemini's form.

An entry states the capabilities of the deployment that answers first.

Source: Google's reference of the Generative Language API, "Models".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.kernel.errors import Invalid
from headgate.wire.plane import ModelCard

_USUAL_SIZE: Final = "50"
_MOST: Final = 1000
_METHODS: Final = {
    "chat": ["generateContent", "countTokens"],
    "embed": ["embedContent", "batchEmbedContents"],
    "count_tokens": ["countTokens"],
}


def gemini_page(cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
    """Return the page of `GET /v1beta/models` for a query; a page token is the last model's id.

    Raises:
        Invalid: the query's page size is not a whole number from 1 to 1000.
    """
    size = query.get("pageSize") or _USUAL_SIZE
    if not size.isdecimal() or not 1 <= int(size[:6]) <= _MOST:
        raise Invalid(f"pageSize is a whole number from 1 to {_MOST}", param="pageSize")
    ids = [card.id for card in cards]
    token = query.get("pageToken", "")
    start = ids.index(token) + 1 if token in ids else 0
    page = cards[start : start + int(size)]
    said: dict[str, Any] = {"models": [_gemini(card) for card in page]}
    if start + len(page) < len(cards):
        said["nextPageToken"] = page[-1].id
    return msgspec.json.encode(said)


def gemini_model(card: ModelCard) -> bytes:
    """Return the answer to `GET /v1beta/models/{alias}`."""
    return msgspec.json.encode(_gemini(card))


def _gemini(card: ModelCard) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": f"models/{card.id}",
        "version": "1",
        "displayName": card.id,
        "description": card.description,
        "supportedGenerationMethods": _METHODS.get(card.operation, []),
    }
    capability = card.capability
    if capability is not None and capability.context_tokens is not None:
        told["inputTokenLimit"] = capability.context_tokens
    if capability is not None and capability.output_tokens is not None:
        told["outputTokenLimit"] = capability.output_tokens
    return told
