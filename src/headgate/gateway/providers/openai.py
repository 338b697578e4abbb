"""OpenAI and compatible servers: vLLM, Ollama, llama.cpp, Mistral and others, by `base_url`."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="openai", summary="OpenAI and servers that speak its wire."),
    base_url="https://api.openai.com/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
    },
    models_path="/models",
    credential=bearer,
    forwards=frozenset({"openai-organization", "openai-project", "idempotency-key"}),
    home_quirks=frozenset({"newer_limit_name", "system_turns", "text_parts"}),
    capability=Capability(operations=frozenset({"chat", "embed"}), images=True),
)
