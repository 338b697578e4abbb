"""The server of llama.cpp on this machine. Its usual port is also Headgate's, so start one of them on another.

Source: `tools/server/README.md` of llama.cpp."""

from __future__ import annotations

from headgate.gateway.providers.openai import COMPLETIONS
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="llamacpp", summary="llama.cpp, on this machine."),
    base_url="http://127.0.0.1:8080/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions", alternatives=(COMPLETIONS,)),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
        "rerank": Endpoint("rerank", "/rerank"),
    },
    models_path="/models",
    credential=bearer,
    quirks=frozenset({"completions_upstream", "top_k", "reasoning_content"}),
    capability=Capability(operations=frozenset({"chat", "embed", "rerank"}), images=True),
    custody=Custody.ORGANISATION,
)
