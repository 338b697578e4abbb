"""Anthropic's Messages API and compatible servers."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.wire.anthropic_batch_api import AnthropicBatchApi
from headgate.wire.model_call import Capability
from headgate.wire.provider import BATCH, BATCH_OPTION, Endpoint, Headers, Provider


def _api_key(secret: str | None) -> Headers:
    return (("x-api-key", secret),) if secret else ()


WHOLE_OUTPUT_TOKENS = 21_333
"""The largest answer without streaming: ten minutes at 128,000 tokens an hour.

The API demands a stream for an answer that may take longer.

Source: docs of the Messages API, "Long requests"; `_calculate_nonstreaming_timeout` of the `anthropic` SDK 2.x.
"""

provider = Provider(
    manifest=Manifest(kind="providers", name="anthropic", summary="Anthropic and servers that speak its wire."),
    vendor="Anthropic",
    base_url="https://api.anthropic.com",
    endpoints={
        "chat": Endpoint("anthropic_messages", "/v1/messages"),
        "count_tokens": Endpoint("anthropic_messages", "/v1/messages/count_tokens"),
    },
    batches=AnthropicBatchApi(),
    models_path="/v1/models",
    options={BATCH: BATCH_OPTION},
    credential=_api_key,
    headers=(("anthropic-version", "2023-06-01"),),
    forwards=frozenset({"anthropic-version", "anthropic-beta"}),
    capability=Capability(
        operations=frozenset({"chat", "count_tokens"}), images=True, whole_output_tokens=WHOLE_OUTPUT_TOKENS
    ),
)
