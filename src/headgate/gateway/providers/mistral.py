"""Mistral's platform. Its API refuses fields that it does not know.

Source: Mistral's API reference, "Chat Completion" and "Embeddings"."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="mistral", summary="Mistral's platform."),
    vendor="Mistral AI",
    base_url="https://api.mistral.ai/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
        "moderate": Endpoint("openai_moderations", "/moderations"),
        "transcribe": Endpoint("openai_transcriptions", "/audio/transcriptions", accept="*/*"),
    },
    models_path="/models",
    credential=bearer,
    quirks=frozenset({"max_tokens", "no_stream_options", "text_parts"}),
    capability=Capability(operations=frozenset({"chat", "embed", "moderate", "transcribe"}), images=True),
)
