"""Google's Gemini API."""

from __future__ import annotations

from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Headers, Provider


def _api_key(secret: str | None) -> Headers:
    return (("x-goog-api-key", secret),) if secret else ()


provider = Provider(
    manifest=Manifest(kind="providers", name="gemini", summary="Google's Gemini API and servers that speak its wire."),
    vendor="Google",
    base_url="https://generativelanguage.googleapis.com",
    endpoints={
        "chat": Endpoint(
            "gemini",
            "/v1beta/models/{model}:generateContent",
            stream_path="/v1beta/models/{model}:streamGenerateContent?alt=sse",
        ),
        "count_tokens": Endpoint("gemini", "/v1beta/models/{model}:countTokens"),
        "embed": Endpoint("gemini_embeddings", "/v1beta/models/{model}:batchEmbedContents"),
    },
    models_path="/v1beta/models?pageSize=1000",
    credential=_api_key,
    home_quirks=frozenset({"signed_calls"}),
    capability=Capability(operations=frozenset({"chat", "count_tokens", "embed"}), images=True),
)
