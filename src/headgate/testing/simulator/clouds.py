"""The clouds around the wires: Azure's and Vertex AI's paths, Bedrock's signatures, and the issuers of tokens."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from headgate.testing.simulator.answer import Answer, Refused, dump
from headgate.testing.simulator.script import Failure
from headgate.wire.aws_signing import AwsKey, sigv4_headers
from headgate.wire.provider import Unsigned

Does = Literal["chat", "embeddings", "messages", "count_tokens", "converse", "invoke"]

_VERTEX = "/v1/projects/[^/]+/locations/[^/]+/publishers/anthropic/models"
_PATHS: tuple[tuple[re.Pattern[str], Does, bool], ...] = (
    (re.compile(r"/openai/deployments/([^/]+)/chat/completions"), "chat", False),
    (re.compile(r"/openai/deployments/([^/]+)/embeddings"), "embeddings", False),
    (re.compile(r"/openai/v1/chat/completions()"), "chat", False),
    (re.compile(r"/openai/v1/embeddings()"), "embeddings", False),
    (re.compile(_VERTEX + r"/(count-tokens):rawPredict"), "count_tokens", False),
    (re.compile(_VERTEX + r"/([^/]+):rawPredict"), "messages", False),
    (re.compile(_VERTEX + r"/([^/]+):streamRawPredict"), "messages", True),
    (re.compile(r"/model/([^/]+)/converse"), "converse", False),
    (re.compile(r"/model/([^/]+)/converse-stream"), "converse", True),
    (re.compile(r"/model/([^/]+)/invoke"), "invoke", False),
    (re.compile(r"/model/([^/]+)/invoke-with-response-stream"), "invoke", True),
)
_SIGNED_IN = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), "
)


class CloudPath(NamedTuple):
    """The meaning of a path of one of the clouds."""

    does: Does
    model: str
    streams: bool


def cloud_path(path: str) -> CloudPath | None:
    """Return the meaning of a path without its query; None for a path of no cloud."""
    for pattern, does, streams in _PATHS:
        if (found := pattern.fullmatch(path)) is not None:
            return CloudPath(does, unquote(found[1]), streams)
    return None


@dataclass
class Issuer:
    """Issues tokens to Entra applications and to service accounts, and checks AWS's signatures.

    Args:
        client_secret: the secret of the Entra application; None refuses every application.
        aws_key: the access key that signs requests to Bedrock; None accepts any request.
    """

    client_secret: str | None = None
    aws_key: AwsKey | None = None
    lasts_s: int = 3600
    issued: list[str] = field(default_factory=list[str])

    @cached_property
    def private_key(self) -> RSAPrivateKey:
        """The private key of the service account."""
        return generate_private_key(public_exponent=65537, key_size=2048)

    def service_account(self, base_url: str) -> str:
        """Return the JSON of the service account's key, with an address for tokens below `base_url`."""
        pem = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {
            "type": "service_account",
            "project_id": "sim-project",
            "private_key_id": "key-of-the-simulator",
            "private_key": pem,
            "client_email": "gate@sim-project.iam.gserviceaccount.com",
            "token_uri": f"{base_url}/token",
        }
        return json.dumps(account)

    def token(self, path: str, body: bytes) -> Answer | None:
        """Return the answer to a request for a token; None for another path."""
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()} if body else {}
        if path.endswith("/oauth2/v2.0/token"):
            good = self.client_secret is not None and form.get("client_secret") == self.client_secret
        elif path == "/token":
            good = self._is_signed(form.get("assertion", ""))
        else:
            return None
        if not good:
            return Answer(401, body=dump({"error": "invalid_client", "error_description": "the credential is wrong"}))
        self.issued.append(f"token-{len(self.issued) + 1}")
        return Answer(body=dump({"access_token": self.issued[-1], "expires_in": self.lasts_s, "token_type": "Bearer"}))

    def check_aws(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        """Refuse a request whose signature is wrong."""
        if self.aws_key is None:
            return
        said = _SIGNED_IN.match(headers.get("authorization", ""))
        if said is None or said[1] != self.aws_key.id:
            raise Refused(Failure(403))
        names = [name for name in said[4].split(";") if name not in ("host", "x-amz-date", "x-amz-security-token")]
        request = Unsigned(method, url, tuple((name, headers[name]) for name in names), body)
        now = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        wanted = dict(sigv4_headers(self.aws_key, request, region=said[2], service=said[3], now=now))
        if wanted["authorization"] != headers["authorization"]:
            raise Refused(
                Failure(403, "The request signature we calculated does not match", "InvalidSignatureException")
            )

    def _is_signed(self, assertion: str) -> bool:
        head, _, rest = assertion.partition(".")
        claims, _, signature = rest.partition(".")
        try:
            said: Any = json.loads(_decoded(claims))
            self.private_key.public_key().verify(_decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return bool(said["iss"] == "gate@sim-project.iam.gserviceaccount.com" and said["exp"] - said["iat"] <= 3600)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
