"""The embedded models: SmolLM2 and MiniLM in Headgate's own model process, on loopback."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

provider = Provider(
    manifest=Manifest(kind="providers", name="local", summary="The embedded open-weight models, on this machine."),
    endpoints={
        "chat": Endpoint("openai_chat", "/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/embeddings"),
    },
    credential=bearer,
    capability=Capability(operations=frozenset({"chat", "embed"}), tools=False),
    custody=Custody.ORGANISATION,
    quirks=frozenset({"top_k"}),
    caller_header="x-headgate-caller",
    dropped_header="x-headgate-dropped",
)
