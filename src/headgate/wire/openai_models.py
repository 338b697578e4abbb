"""The list of models that a caller may name, as clients of either wire expect it.

Source: schemas `ListModelsResponse` and `Model` of OpenAI's API document; `model_info.py` and `page.py` of the
`anthropic` SDK 2.x. A client of Anthropic's wire is known by its `anthropic-version` header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headgate.kernel.errors import NotFound

_EPOCH = "1970-01-01T00:00:00Z"
_OWNER = "headgate"


def openai_list(aliases: Sequence[str]) -> bytes:
    """Return `GET /v1/models` for OpenAI's clients; aliases have no age, so `created` is 0."""
    return msgspec.json.encode({"object": "list", "data": [_openai(alias) for alias in aliases]})


def openai_model(alias: str, *, aliases: Sequence[str]) -> bytes:
    """Return `GET /v1/models/{alias}`; aliases may hold slashes.

    Raises:
        NotFound: this caller may not name it.
    """
    return msgspec.json.encode(_openai(_known(alias, aliases)))


def anthropic_list(
    aliases: Sequence[str], *, limit: int = 20, after: str | None = None, before: str | None = None
) -> bytes:
    """Return a page of `GET /v1/models` for Anthropic's clients; `after` and `before` are ids at a page's ends."""
    found = list(aliases)
    if after in found:
        found = found[found.index(after) + 1 :]
    elif before in found:
        found = found[max(0, found.index(before) - limit) : found.index(before)]
    page = found[: max(1, limit)]
    has_more = len(found) > len(page) or (before in aliases and bool(page) and page[0] != aliases[0])
    return msgspec.json.encode(
        {
            "data": [_anthropic(alias) for alias in page],
            "has_more": has_more,
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
    )


def anthropic_model(alias: str, *, aliases: Sequence[str]) -> bytes:
    """Return `GET /v1/models/{alias}` for Anthropic's clients.

    Raises:
        NotFound: this caller may not name it.
    """
    return msgspec.json.encode(_anthropic(_known(alias, aliases)))


def _known(alias: str, aliases: Sequence[str]) -> str:
    if alias not in aliases:
        raise NotFound(
            "there is no such model, or not for this key; GET /v1/models lists those that are", param="model"
        )
    return alias


def _openai(alias: str) -> dict[str, Any]:
    return {"id": alias, "object": "model", "created": 0, "owned_by": _OWNER}


def _anthropic(alias: str) -> dict[str, Any]:
    return {"type": "model", "id": alias, "display_name": alias, "created_at": _EPOCH}
