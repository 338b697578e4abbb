"""What browsers and desktop applications are told when a page of another origin calls models (CORS).

Only origins that the settings list get these headers. Cookies never count here: a call of a model needs a key.
Source: the Fetch standard, "CORS protocol"; the draft "Private Network Access" for pages that call a machine at home.
"""

from __future__ import annotations

from collections.abc import Iterable

from headgate.server.asgi import Pairs, Scope
from headgate.wire.plane import Plane

_OURS = ("x-headgate-record", "x-headgate-labels", "x-headgate-deployment", "x-headgate-dropped", "x-headgate-approval")
_RETRIES = ("retry-after", "retry-after-ms", "x-should-retry")
_MAX_REQUESTED_CHARS = 4096
_LASTS_S = 600


def is_preflight(scope: Scope, headers: dict[str, str]) -> bool:
    """Tell whether a browser asks if it may send a request."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def preflight_headers(origin: str, headers: dict[str, str]) -> Pairs:
    """Return what a preflight is answered: the listed origin may send what it asks for."""
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
    """Return the names of the headers of answers that a page of another origin may read."""
    known = list(planes)
    ids = sorted({plane.request_id_header for plane in known})
    limits = dict.fromkeys(name for plane in known for name in plane.rate_limit_headers)
    return ", ".join((*_OURS, *ids, *_RETRIES, *limits)).encode("latin-1")


def readable_by(origin: str, *, exposed: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers by which a page of that origin may read an answer and `exposed` headers."""
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", exposed),
        (b"vary", b"origin"),
    )
