"""CORS headers for browsers and desktop applications of other origins that call models.

Only origins listed in the settings get these headers. A model call needs a key; cookies never count.
Source: the Fetch standard, "CORS protocol"; the draft "Private Network Access" for pages that call a machine at home.
"""

from __future__ import annotations

from collections.abc import Iterable

from headgate.server.asgi import Pairs, Scope
from headgate.wire.plane import Plane

_OURS = (
    *("x-headgate-record", "x-headgate-labels", "x-headgate-deployment", "x-headgate-dropped", "x-headgate-approval"),
    *("x-headgate-cost", "x-headgate-cache", "age"),
)
_RETRIES = ("retry-after", "retry-after-ms", "x-should-retry")
_MAX_REQUESTED_CHARS = 4096
_LASTS_S = 600


def is_preflight(scope: Scope, headers: dict[str, str]) -> bool:
    """Tell whether a request is a CORS preflight."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def preflight_headers(origin: str, headers: dict[str, str]) -> Pairs:
    """Return the headers that answer a preflight of a listed origin: all requested headers are allowed."""
    asked = headers.get("access-control-request-headers", "")[:_MAX_REQUESTED_CHARS]
    answer = [
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", "GET, HEAD, POST"),
        ("access-control-allow-headers", asked or "authorization, content-type"),
        ("access-control-max-age", str(_LASTS_S)),
        ("vary", "origin, access-control-request-headers, access-control-request-private-network"),
    ]
    if headers.get("access-control-request-private-network") == "true":
        answer.append(("access-control-allow-private-network", "true"))
    return answer


def exposed_headers(planes: Iterable[Plane]) -> bytes:
    """Return the names of the response headers that a page of another origin may read."""
    known = list(planes)
    ids = sorted({plane.request_id_header for plane in known})
    limits = dict.fromkeys(name for plane in known for name in plane.rate_limit_headers)
    return ", ".join((*_OURS, *ids, *_RETRIES, *limits)).encode("latin-1")


def readable_by(origin: str, *, exposed: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that let a page of `origin` read an answer and its `exposed` headers."""
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", exposed),
        (b"vary", b"origin"),
    )
