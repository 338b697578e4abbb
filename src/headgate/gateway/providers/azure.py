"""Azure OpenAI and Azure AI Foundry, by the API `v1`, whose requests name the deployment in the body.

The key is one of the resource's keys, or the secret of an application in Entra ID if the options
`tenant_id` and `client_id` are set.

Source: Azure OpenAI REST API reference, "v1"; Microsoft identity platform, "client credentials flow".
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import msgspec

from headgate.kernel.errors import Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import Endpoint, Headers, Option, Options, Provider, Token, TokenRequest


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


_ANSWER: Final = msgspec.json.Decoder(_Answer, strict=False)

OPTIONS: Final = {
    "resource": Option("the name of the Azure resource, before .openai.azure.com", example="contoso-eu"),
    "tenant_id": Option(
        "the id of the Entra tenant; with client_id, the key is the application's secret",
        example="11111111-2222-3333-4444-555555555555",
    ),
    "client_id": Option("the id of the application in Entra ID", example="66666666-7777-8888-9999-000000000000"),
    "authority": Option(
        "the address of Entra ID, for sovereign clouds",
        default="https://login.microsoftonline.com",
        pattern=re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,200}"),
        example="https://login.microsoftonline.us",
    ),
    "scope": Option(
        "the scope of Entra tokens, for sovereign clouds",
        default="https://cognitiveservices.azure.com/.default",
        pattern=re.compile(r"[A-Za-z0-9:/._-]{1,200}"),
        example="https://cognitiveservices.azure.us/.default",
    ),
}
"""The options of both of Azure's providers."""


class EntraTokens:
    """Buys tokens with an application's secret. Implements `TokenSource`."""

    def ask(self, secret: str, *, options: Options, now: datetime) -> TokenRequest | None:
        """Return the request for a token; None without an application."""
        if "tenant_id" not in options or "client_id" not in options:
            return None
        form = {
            "grant_type": "client_credentials",
            "client_id": options["client_id"],
            "client_secret": secret,
            "scope": options["scope"],
        }
        return TokenRequest(
            f"{options['authority']}/{options['tenant_id']}/oauth2/v2.0/token",
            (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")),
            urlencode(form).encode(),
        )

    def read(self, body: bytes) -> Token:
        """Return the token in the answer."""
        try:
            answer = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Upstream("the answer of Entra ID has no token") from error
        return Token(answer.access_token, answer.expires_in)


def api_key(secret: str | None) -> Headers:
    """Return the secret as an `api-key` header; no header without a secret."""
    return (("api-key", secret),) if secret else ()


provider = Provider(
    manifest=Manifest(kind="providers", name="azure", summary="Azure OpenAI and Azure AI Foundry, API v1."),
    vendor="Microsoft Azure",
    base_url="https://{resource}.openai.azure.com",
    endpoints={
        "chat": Endpoint("openai_chat", "/openai/v1/chat/completions"),
        "embed": Endpoint("openai_embeddings", "/openai/v1/embeddings"),
        "image": Endpoint("openai_images", "/openai/v1/images/generations"),
        "image_edit": Endpoint("openai_images", "/openai/v1/images/edits"),
        "speech": Endpoint("openai_speech", "/openai/v1/audio/speech", accept="*/*", framing="bytes"),
        "transcribe": Endpoint("openai_transcriptions", "/openai/v1/audio/transcriptions", accept="*/*"),
        "translate": Endpoint("openai_transcriptions", "/openai/v1/audio/translations", accept="*/*"),
    },
    options=OPTIONS,
    credential=api_key,
    tokens=EntraTokens(),
    home_quirks=frozenset({"newer_limit_name", "system_turns", "text_parts"}),
    capability=Capability(
        operations=frozenset({"chat", "embed", "image", "image_edit", "speech", "transcribe", "translate"}), images=True
    ),
)
