"""Writes the list of models that a caller may name, in OpenAI's form.

An entry states the capabilities of the deployment that answers first. OpenAI's own form has no
fields for capabilities. The entry therefore uses the names that its clients read: `context_length`
(OpenRouter), `context_window` (Groq) and `max_model_len` (vLLM).

Source: schemas `ListModelsResponse` and `Model` of OpenAI's API document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from headgate.wire.plane import ModelCard

_OWNER = "headgate"
_NO_QUERY: Mapping[str, str] = MappingProxyType({})


def openai_list(cards: Sequence[ModelCard], query: Mapping[str, str] = _NO_QUERY) -> bytes:
    """Return the answer to `GET /v1/models`: every model, regardless of the query.

    `created` is 0, because aliases have no time of creation.
    """
    return msgspec.json.encode({"object": "list", "data": [_openai(card) for card in cards]})


def openai_model(card: ModelCard) -> bytes:
    """Return the answer to `GET /v1/models/{alias}`; an alias may contain slashes."""
    return msgspec.json.encode(_openai(card))


def _openai(card: ModelCard) -> dict[str, Any]:
    told: dict[str, Any] = {"id": card.id, "object": "model", "created": 0, "owned_by": _OWNER}
    if card.description:
        told["description"] = card.description
    capability = card.capability
    if capability is None:
        return told
    if capability.context_tokens is not None:
        told |= dict.fromkeys(("context_length", "context_window", "max_model_len"), capability.context_tokens)
    if capability.output_tokens is not None:
        told["max_output_tokens"] = capability.output_tokens
    is_chat = card.operation == "chat"
    told["capabilities"] = {
        "chat": is_chat,
        "embeddings": card.operation == "embed",
        "streaming": is_chat and capability.streaming,
        "tools": is_chat and capability.tools,
        "vision": is_chat and capability.images,
        "structured_outputs": is_chat and capability.json_schema,
    }
    return told
