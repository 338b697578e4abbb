"""Hugging Face's Text Generation Inference on this machine.

Source: documentation of TGI, "Messages API"."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="tgi", summary="Text Generation Inference, on this machine."),
    base_url="http://127.0.0.1:3000/v1",
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
    },
    models_path="/models",
    credential=bearer,
    quirks=frozenset({"max_tokens"}),
    capability=Capability(operations=frozenset({"chat"})),
    custody=Custody.ORGANISATION,
)
