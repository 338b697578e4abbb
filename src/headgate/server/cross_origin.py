"""What browsers and desktop applications are told when a page of another origin calls models (CORS).

Only origins that the settings list get these headers. Cookies never count here: a call of a model needs a key.
Source: the Fetch standard, "CORS protocol"; the draft "Private Network Access" for pages that call a machine at home.
"""

from __future__ import annotations

from headgate.server.asgi import Pairs, Scope

_EXPOSED = (
    *("x-headgate-record", "x-headgate-labels", "x-headgate-deployment", "x-headgate-dropped", "x-headgate-approval"),
    *("request-id", "x-request-id", "retry-after", "retry-after-ms", "x-should-retry"),
    *(
        f"{prefix}-{what}"
        for prefix in ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
        for what in ("requests", "tokens")
    ),
    *(
        f"anthropic-ratelimit-{what}-{state}"
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
        for state in ("limit", "remaining", "reset")
    ),
)
_EXPOSED_TEXT = ", ".join(_EXPOSED)
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


def readable_by(origin: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers by which a page of that origin may read an answer."""
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", _EXPOSED_TEXT.encode()),
        (b"vary", b"origin"),
    )
