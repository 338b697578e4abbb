"""LM Studio's server on this machine.

Source: LM Studio's documentation, "OpenAI compatibility endpoints"."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="lmstudio", summary="LM Studio, on this machine."),
    base_url="http://127.0.0.1:1234/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
    },
    models_path="/models",
    credential=bearer,
    quirks=frozenset({"top_k"}),
    capability=Capability(operations=frozenset({"chat", "embed"}), images=True),
    custody=Custody.ORGANISATION,
)
