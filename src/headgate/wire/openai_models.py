"""The list of models that a caller may name, as clients of either wire expect it.

What a model can do is told of the deployment that answers first. OpenAI's own form has no fields for it, so those are
added under the names that its clients read: `context_length` and `context_window` as OpenRouter and Groq write them,
`max_model_len` as vLLM does.

Source: schemas `ListModelsResponse` and `Model` of OpenAI's API document; `model_info.py`, `model_capabilities.py` and
`page.py` of the `anthropic` SDK 2.x. A client of Anthropic's wire is known by its `anthropic-version` header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headgate.kernel.labels import EMPTY
from headgate.wire.model_call import Capability, Operation

_EPOCH = "1970-01-01T00:00:00Z"
_OWNER = "headgate"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the list tells of one model.

    Args:
        id: the name to call it by.
        capability: of the deployment that answers first, or None where there is none.
        quirks: of that deployment.
        speaks_anthropic: whether it speaks Anthropic's wire itself, so that what only that wire has reaches it.
    """

    id: str
    operation: Operation = "chat"
    description: str = ""
    capability: Capability | None = None
    quirks: frozenset[str] = EMPTY
    speaks_anthropic: bool = False


def openai_list(cards: Sequence[ModelCard]) -> bytes:
    """Return `GET /v1/models` for OpenAI's clients; aliases have no age, so `created` is 0."""
    return msgspec.json.encode({"object": "list", "data": [_openai(card) for card in cards]})


def openai_model(card: ModelCard) -> bytes:
    """Return `GET /v1/models/{alias}`; aliases may hold slashes."""
    return msgspec.json.encode(_openai(card))


def anthropic_list(
    cards: Sequence[ModelCard], *, limit: int = 20, after: str | None = None, before: str | None = None
) -> bytes:
    """Return a page of `GET /v1/models` for Anthropic's clients; `after` and `before` are ids at a page's ends."""
    ids = [card.id for card in cards]
    found = list(cards)
    if after in ids:
        found = found[ids.index(after) + 1 :]
    elif before in ids:
        found = found[max(0, ids.index(before) - limit) : ids.index(before)]
    page = found[: max(1, limit)]
    has_more = len(found) > len(page) or (before in ids and bool(page) and page[0].id != ids[0])
    return msgspec.json.encode(
        {
            "data": [_anthropic(card) for card in page],
            "has_more": has_more,
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }
    )


def anthropic_model(card: ModelCard) -> bytes:
    """Return `GET /v1/models/{alias}` for Anthropic's clients."""
    return msgspec.json.encode(_anthropic(card))


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


def _anthropic(card: ModelCard) -> dict[str, Any]:
    capability = card.capability
    return {
        "type": "model",
        "id": card.id,
        "display_name": card.id,
        "created_at": _EPOCH,
        "lifecycle": "active",
        "max_input_tokens": None if capability is None else capability.context_tokens,
        "max_tokens": None if capability is None else capability.output_tokens,
        "capabilities": None if capability is None or card.operation != "chat" else _capabilities(card, capability),
    }


def _capabilities(card: ModelCard, capability: Capability) -> dict[str, Any]:
    """Return what reaches the model: what only Anthropic's wire has goes to deployments that speak it."""
    native = card.speaks_anthropic
    has_effort = native or "reasoning_effort" in card.quirks
    has_budget = "thinking_budget" in card.quirks
    return {
        "batch": _supported(False),
        "citations": _supported(native),
        "code_execution": _supported(native),
        "context_management": _supported(native),
        "effort": _supported(has_effort)
        | {level: _supported(has_effort) for level in ("low", "medium", "high")}
        | {"max": _supported(native)},
        "image_input": _supported(capability.images),
        "pdf_input": _supported(native and capability.images),
        "server_tools": _supported(native) | {"code_execution": _supported(native), "web_search": _supported(native)},
        "structured_outputs": _supported(capability.json_schema),
        "thinking": _supported(has_effort)
        | {
            "types": {
                "adaptive": _supported(has_effort and not has_budget),
                "between_tools": _supported(False),
                "disabled": _supported(True),
                "enabled": _supported(has_effort and has_budget),
            }
        },
    }


def _supported(is_supported: bool) -> dict[str, Any]:
    return {"supported": is_supported}
