"""Anthropic's models on Google's Vertex AI.

The key is the JSON of a service account's key, or an access token.

Source: Vertex AI documentation, "Claude models"; `lib/vertex` of the `anthropic` SDK 2.x; Google Identity,
"Using OAuth 2.0 for server to server applications".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headgate.gateway.providers.anthropic import WHOLE_OUTPUT_TOKENS
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.model_call import Capability
from headgate.wire.provider import BETAS, BETAS_OPTION, Endpoint, Option, Options, Provider, Token, TokenRequest, bearer

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
_LASTS_S: Final = 3600
_FORM: Final = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
_VERSION: Final = b'"vertex-2023-10-16"'
OPTIONS: Final[Mapping[str, Option]] = {
    "project": Option("the id of the Google Cloud project", is_required=True, example="my-project"),
    "location": Option("the region, or global", default="global", example="europe-west1"),
}
_PUBLISHER: Final = "/projects/{project}/locations/{location}/publishers/anthropic/models"


class _Account(msgspec.Struct):
    """The used fields of a service account's key file."""

    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = _AUDIENCE


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float = _LASTS_S


_ACCOUNT: Final = msgspec.json.Decoder(_Account)
_ANSWER: Final = msgspec.json.Decoder(_Answer, strict=False)


class ServiceAccountTokens:
    """Buys tokens with a service account's key. Implements `TokenSource`."""

    def ask(self, secret: str, *, options: Options, now: datetime) -> TokenRequest | None:
        """Return the request for a token; None if the secret is no JSON, and so an access token itself."""
        if not secret.lstrip().startswith("{"):
            return None
        try:
            account = _ACCOUNT.decode(secret)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise Invalid("the credential is not the JSON key of a service account", param="key") from error
        return TokenRequest(
            account.token_uri,
            (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")),
            f"{_FORM}{_assertion(account, now)}".encode(),
        )

    def read(self, body: bytes) -> Token:
        """Return the token in the answer."""
        try:
            answer = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Upstream("Google's answer has no token") from error
        return Token(answer.access_token, answer.expires_in)


def _assertion(account: _Account, now: datetime) -> str:
    """Return the signed JWT that stands for a service account. Source: RFC 7523."""
    try:
        key = load_pem_private_key(account.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid("the private key of the service account cannot be read", param="key") from error
    if not isinstance(key, RSAPrivateKey):
        raise Invalid("the private key of the service account is no RSA key", param="key")
    issued_at = int(now.timestamp())
    head = {"typ": "JWT", "alg": "RS256", "kid": account.private_key_id}
    claims = {
        "iat": issued_at,
        "exp": issued_at + _LASTS_S,
        "iss": account.client_email,
        "aud": _AUDIENCE,
        "scope": _SCOPE,
    }
    text = f"{_part(head)}.{_part(claims)}"
    signature = key.sign(text.encode(), PKCS1v15(), SHA256())
    return f"{text}.{_encoded(signature)}"


def _part(value: dict[str, Any]) -> str:
    return _encoded(msgspec.json.encode(value))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def address(options: Options) -> str:
    """Return the address of a location: a region, a group of regions, or `global`."""
    match options.get("location", "{location}"):
        case "global":
            return "https://aiplatform.googleapis.com/v1"
        case ("us" | "eu") as group:
            return f"https://aiplatform.{group}.rep.googleapis.com/v1"
        case location:
            return f"https://{location}-aiplatform.googleapis.com/v1"


provider = Provider(
    manifest=Manifest(kind="providers", name="vertex", summary="Anthropic's models on Google's Vertex AI."),
    vendor="Google Cloud",
    base_url="https://{location}-aiplatform.googleapis.com/v1",
    base_url_of=address,
    endpoints={
        "chat": Endpoint(
            "anthropic_messages",
            _PUBLISHER + "/{model}:rawPredict",
            stream_path=_PUBLISHER + "/{model}:streamRawPredict",
            fields={"model": None, "anthropic_version": _VERSION},
        ),
        "count_tokens": Endpoint(
            "anthropic_messages",
            _PUBLISHER + "/count-tokens:rawPredict",
            fields={"anthropic_version": _VERSION},
        ),
    },
    options={**OPTIONS, BETAS: BETAS_OPTION},
    betas_in="header",
    credential=bearer,
    tokens=ServiceAccountTokens(),
    capability=Capability(
        operations=frozenset({"chat", "count_tokens"}), images=True, whole_output_tokens=WHOLE_OUTPUT_TOKENS
    ),
)
