"""Ollama on this machine. It passes calls of its cloud models on to Ollama's own machines.

Source: Ollama's documentation, "OpenAI compatibility" and "Cloud"."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="ollama", summary="Ollama, on this machine."),
    base_url="http://127.0.0.1:11434/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
    },
    models_path="/models",
    credential=bearer,
    quirks=frozenset({"max_tokens"}),
    capability=Capability(operations=frozenset({"chat", "embed"}), images=True),
    custody=Custody.ORGANISATION,
    relayed=(":cloud", "-cloud"),
)
