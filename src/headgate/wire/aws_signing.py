"""Signs requests to AWS with Signature Version 4. Pure functions.

Source: AWS, "Create a signed AWS API request"; `botocore/auth.py`, class `SigV4Auth`, which the tests compare with.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from headgate.kernel.errors import Invalid
from headgate.wire.provider import Headers, Unsigned

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_PORTS: Final = {"http": 80, "https": 443}
_UNSIGNED: Final = frozenset(
    {"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id", "connection", "traceparent"}
)
"""Headers that proxies change."""


class AwsKey(NamedTuple):
    """An access key, and the session token of a temporary one."""

    id: str
    secret: str
    session: str | None = None

    @classmethod
    def parse(cls, text: str) -> AwsKey:
        """Read `ACCESS_KEY_ID:SECRET` or `ACCESS_KEY_ID:SECRET:SESSION_TOKEN`.

        Raises:
            Invalid: the text has another form. The message does not repeat it.
        """
        parts = [part.strip() for part in text.split(":")]
        if len(parts) not in (2, 3) or not all(parts) or any(" " in part for part in parts):
            raise Invalid(
                "the credential has to be ACCESS_KEY_ID:SECRET_ACCESS_KEY or"
                " ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN",
                param="key",
            )
        return cls(*parts)


def sigv4_headers(key: AwsKey, request: Unsigned, *, region: str, service: str, now: datetime) -> Headers:
    """Return the headers that sign a request: its time, the session token, and the signature."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [("x-amz-date", stamp)]
    if key.session is not None:
        added.append(("x-amz-security-token", key.session))
    signed = _signed_headers(request, added)
    names = ";".join(signed)
    canonical = "\n".join(
        (
            request.method,
            _canonical_path(request.url),
            _canonical_query(request.url),
            *(f"{name}:{value}" for name, value in signed.items()),
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signing_key = f"AWS4{key.secret}".encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    signature = hmac.digest(signing_key, to_sign.encode(), "sha256").hex()
    said = f"{_ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return (*added, ("authorization", said))


def _signed_headers(request: Unsigned, added: list[tuple[str, str]]) -> dict[str, str]:
    """Return the headers to sign in order of their names, with the Host header that the client writes."""
    parts = urlsplit(request.url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    has_usual_port = parts.port is None or parts.port == _PORTS.get(parts.scheme)
    found: dict[str, list[str]] = {"host": [host if has_usual_port else f"{host}:{parts.port}"]}
    for name, value in (*request.headers, *added):
        lowered = name.lower()
        if lowered not in _UNSIGNED:
            found.setdefault(lowered, []).append(" ".join(value.split()))
    return {name: ",".join(found[name]) for name in sorted(found)}


def _canonical_path(url: str) -> str:
    """Return the path, normalised, and encoded once more, as every service but S3 expects it."""
    path = urlsplit(url).path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    normal = "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
    return quote(normal, safe="/~")


def _canonical_query(url: str) -> str:
    query = urlsplit(url).query
    pairs = sorted(part.partition("=")[::2] for part in query.split("&")) if query else []
    return "&".join(f"{name}={value}" for name, value in pairs)
