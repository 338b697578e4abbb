"""Cohere's platform, by its compatibility API.

Reranking is beside it.

Source: Cohere's documentation, "Using Cohere models via the OpenAI SDK", and "Rerank"."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="cohere", summary="Cohere's platform, compatibility API."),
    vendor="Cohere",
    base_url="https://api.cohere.ai/compatibility/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
        "rerank": Endpoint("cohere_rerank", "/v2/rerank", beside="/compatibility/v1"),
    },
    credential=bearer,
    quirks=frozenset({"max_tokens"}),
    capability=Capability(operations=frozenset({"chat", "embed", "rerank"})),
)
