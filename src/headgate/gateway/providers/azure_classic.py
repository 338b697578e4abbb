"""Azure OpenAI by its dated API, whose addresses name the deployment and the version of the API.

Source: Azure OpenAI REST API reference, data plane, "2024-10-21".
"""

from __future__ import annotations

import re

from headgate.gateway.providers.azure import OPTIONS, EntraTokens, api_key
from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Option, Provider

_PATH = "/openai/deployments/{model}"

provider = Provider(
    manifest=Manifest(
        kind="providers", name="azure_classic", summary="Azure OpenAI, dated API with the deployment in the address."
    ),
    vendor="Microsoft Azure",
    base_url="https://{resource}.openai.azure.com",
    endpoints={
        "chat": Endpoint("openai_chat", _PATH + "/chat/completions?api-version={api_version}"),
        "embed": Endpoint("openai_embeddings", _PATH + "/embeddings?api-version={api_version}"),
        "image": Endpoint("openai_images", _PATH + "/images/generations?api-version={api_version}"),
        "image_edit": Endpoint("openai_images", _PATH + "/images/edits?api-version={api_version}"),
        "speech": Endpoint(
            "openai_speech", _PATH + "/audio/speech?api-version={api_version}", accept="*/*", framing="bytes"
        ),
        "transcribe": Endpoint(
            "openai_transcriptions", _PATH + "/audio/transcriptions?api-version={api_version}", accept="*/*"
        ),
        "translate": Endpoint(
            "openai_transcriptions", _PATH + "/audio/translations?api-version={api_version}", accept="*/*"
        ),
    },
    options={
        **OPTIONS,
        "api_version": Option(
            "the version of the API",
            default="2024-10-21",
            pattern=re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:-preview)?"),
            example="2024-10-21",
        ),
    },
    credential=api_key,
    tokens=EntraTokens(),
    home_quirks=frozenset({"system_turns", "text_parts"}),
    capability=Capability(
        operations=frozenset({"chat", "embed", "image", "image_edit", "speech", "transcribe", "translate"}), images=True
    ),
)
