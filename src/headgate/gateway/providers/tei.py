"""Hugging Face's Text Embeddings Inference on this machine: embeddings and reranking.

Source: documentation of Text Embeddings Inference, "Quick Tour"."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="tei", summary="Text Embeddings Inference, on this machine."),
    base_url="http://127.0.0.1:8081",
    endpoints={
        "embed": Endpoint("openai_embeddings", "/v1/embeddings"),
        "rerank": Endpoint("tei_rerank", "/rerank"),
    },
    credential=bearer,
    capability=Capability(operations=frozenset({"embed", "rerank"})),
    custody=Custody.ORGANISATION,
)
