"""OpenAI's plane: the base URL ends in `/v1`, and clients send keys as bearer tokens."""

from __future__ import annotations

from typing import Final

from headgate.wire.openai_errors import write_http_error
from headgate.wire.openai_models import openai_list, openai_model
from headgate.wire.plane import ModelLists, Plane

OPENAI_MODELS: Final = ModelLists(openai_list, openai_model)
"""The list of models for OpenAI's clients, and for every plane without a list of its own."""

OPENAI: Final = Plane(
    name="openai",
    base_path="/v1",
    write_error=write_http_error,
    request_id_header="x-request-id",
    key_headers=("api-key",),  # Azure's clients of this wire
    rate_limit_headers=tuple(
        f"x-ratelimit-{state}-{what}" for state in ("limit", "remaining", "reset") for what in ("requests", "tokens")
    ),
    path_parts=("/threads/",),
    models=OPENAI_MODELS,
)
