"""vLLM's server on this machine.

Source: vLLM's documentation, "OpenAI-Compatible Server"."""

from __future__ import annotations

from headgate.gateway.providers.openai import COMPLETIONS
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="vllm", summary="vLLM, on this machine."),
    base_url="http://127.0.0.1:8000/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions", alternatives=(COMPLETIONS,)),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
        "rerank": Endpoint("rerank", "/rerank"),
        "transcribe": Endpoint("openai_transcriptions", "/audio/transcriptions", accept="*/*"),
        "translate": Endpoint("openai_transcriptions", "/audio/translations", accept="*/*"),
    },
    models_path="/models",
    credential=bearer,
    quirks=frozenset({"completions_upstream", "top_k", "reasoning", "reasoning_effort"}),
    capability=Capability(operations=frozenset({"chat", "embed", "rerank", "transcribe", "translate"}), images=True),
    custody=Custody.ORGANISATION,
)
