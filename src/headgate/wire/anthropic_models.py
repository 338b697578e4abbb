"""Writes the list of models that a caller may name, in Anthropic's form.

An entry states the capabilities of the deployment that answers first.

Source: `model_info.py`, `model_capabilities.py` and `page.py` of the `anthropic` SDK 2.x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate.kernel.errors import Invalid
from headgate.wire.anthropic_words import NAME
from headgate.wire.model_call import Capability
from headgate.wire.plane import ModelCard

_EPOCH = "1970-01-01T00:00:00Z"
_USUAL_LIMIT = "20"
_MOST = 1000


def anthropic_page(cards: Sequence[ModelCard], query: Mapping[str, str]) -> bytes:
    """Return the page of `GET /v1/models` for a query.

    Raises:
        Invalid: the query's limit is not a whole number from 1 to 1000.
    """
    limit = query.get("limit", _USUAL_LIMIT)
    if not limit.isdecimal() or not 1 <= int(limit[:6]) <= _MOST:
        raise Invalid(f"limit is a whole number from 1 to {_MOST}", param="limit")
    return anthropic_list(cards, limit=int(limit), after=query.get("after_id"), before=query.get("before_id"))


def anthropic_list(
    cards: Sequence[ModelCard], *, limit: int = 20, after: str | None = None, before: str | None = None
) -> bytes:
    """Return a page of `GET /v1/models` for Anthropic's clients.

    Args:
        limit: the maximum number of models.
        after: the id of the last model of the page before.
        before: the id of the first model of the page after.
    """
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
    """Return the answer to `GET /v1/models/{alias}` for Anthropic's clients."""
    return msgspec.json.encode(_anthropic(card))


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
    """Return the capabilities of a model.

    Features that only Anthropic's wire has reach only deployments that speak it.
    """
    native = card.dialect == NAME
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
