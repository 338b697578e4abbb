"""Google's Gemini models on Vertex AI.

The key is the JSON of a service account's key, or an access token, as for `vertex`.

Source: Vertex AI documentation, "Generate content with the Gemini API".
"""

from __future__ import annotations

from typing import Final

from headgate.gateway.providers.vertex import OPTIONS, ServiceAccountTokens, address
from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Provider, bearer

_MODEL: Final = "/projects/{project}/locations/{location}/publishers/google/models/{model}"

provider = Provider(
    manifest=Manifest(kind="providers", name="vertex_gemini", summary="Gemini models on Google's Vertex AI."),
    vendor="Google Cloud",
    base_url="https://{location}-aiplatform.googleapis.com/v1",
    base_url_of=address,
    endpoints={
        "chat": Endpoint("gemini", _MODEL + ":generateContent", stream_path=_MODEL + ":streamGenerateContent?alt=sse"),
        "count_tokens": Endpoint("gemini", _MODEL + ":countTokens"),
    },
    options=OPTIONS,
    credential=bearer,
    tokens=ServiceAccountTokens(),
    home_quirks=frozenset({"signed_calls", "plain_counts"}),
    capability=Capability(operations=frozenset({"chat", "count_tokens"}), images=True),
)
