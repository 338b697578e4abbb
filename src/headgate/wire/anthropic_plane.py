"""Anthropic's plane: the base URL has no path, and a header names the API version."""

from __future__ import annotations

from typing import Final

from headgate.wire.anthropic_errors import write_http_error
from headgate.wire.anthropic_models import anthropic_model, anthropic_page
from headgate.wire.plane import ModelLists, Plane

ANTHROPIC: Final = Plane(
    name="anthropic",
    base_path="",
    write_error=write_http_error,
    request_id_header="request-id",
    key_headers=("x-api-key",),
    known_by=frozenset({"anthropic-version"}),
    rate_limit_headers=tuple(
        f"anthropic-ratelimit-{what}-{state}"
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
        for state in ("limit", "remaining", "reset")
    ),
    path_parts=("/messages",),
    models=ModelLists(anthropic_page, anthropic_model),
)
