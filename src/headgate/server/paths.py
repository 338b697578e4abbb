"""Which part answers a path, and what is wrong with a path that none answers.

Clients append a path of their own to the base URL that people give them. A wrong base URL therefore gives a path that
does not exist; such a client has to get an error that it can read, never a page of the console.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Literal

from headgate.kernel.errors import NotFound
from headgate.server.asgi import Scope
from headgate.server.health import Plane

PAGES = ("/records/", "/approvals/")
"""Where pages of single things stand, whose ids may hold a dot."""

_PROGRAMS = re.compile(r"//|/(?:v\d+[a-z0-9]*|api|openai|anthropic|deployments|engines)(?:/|$)|.*/v\d+[a-z0-9]*/")
"""Paths that only programs ask for, under this or another provider's base URL."""
_CALLS = re.compile(
    r"/(?:chat/completions|completions|embeddings|responses|messages|models)(?:/|$)|.*:(?:stream)?generateContent"
)
"""Model calls whose base URL lacks its `/v1`. A browser that asks for a page of such a name sends no key."""
_KEYS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})


def plane_of(scope: Scope, *, has_file: Callable[[str], bool]) -> Plane:
    """Say who answers a path, for routing and for the metrics.

    The console answers for its own files, and where a browser navigates to what no program asks for.
    """
    path: str = scope["path"]
    if path.startswith("/v1/"):
        return "anthropic" if "/messages" in path else "openai"
    if (path.startswith("/api/") and not path.startswith("/api/v1/")) or path == "/api":
        return "api"
    if has_file(path) or path == "/metrics":
        return "console"
    return "console" if _is_navigation(scope, path) else wire_of(scope)


def normalised(path: str) -> str:
    """Return the path without a trailing slash and without the doubled `/v1` of a common base_url mistake."""
    if path.startswith("/v1/v1/"):
        path = path[3:]
    return path.rstrip("/") or "/"


def no_such_path(scope: Scope, *, served: Collection[str]) -> NotFound:
    """Return the error of a path that no part answers, with the base URL to set where the path shows a wrong one.

    Args:
        served: the paths that there are, all below `/v1`.
    """
    said = f"{scope['method']} {scope['path'][:200]} is not offered"
    meant = _meant(scope["path"], served)
    if meant is None:
        return NotFound(f"{said}; this Headgate serves {', '.join(served)}")
    is_anthropic = meant.startswith("/v1/messages") or wire_of(scope) == "anthropic"
    base = "its address alone, without /v1" if is_anthropic else "its address followed by /v1"
    return NotFound(
        f"{said}; {meant} is, so the client's base URL is wrong: for this Headgate set {base}", param="base_url"
    )


def _meant(path: str, served: Iterable[str]) -> str | None:
    """Return the longest served path that the path ends with, its `/v1` left out or not."""
    found = [one for one in served if path.rstrip("/").endswith(one.removeprefix("/v1"))]
    return max(found, key=len, default=None)


def wire_of(scope: Scope) -> Literal["openai", "anthropic"]:
    """Say which wire the client of a model call speaks, by its path, or by a header on a path of both or of neither."""
    path: str = scope["path"]
    if "/messages" in path and "/threads/" not in path:
        return "anthropic"
    return "anthropic" if any(name == b"anthropic-version" for name, _ in scope["headers"]) else "openai"


def _is_navigation(scope: Scope, path: str) -> bool:
    """Whether a browser asks for a page: programs accept no HTML, or send a key."""
    if scope["method"] not in ("GET", "HEAD") or _PROGRAMS.match(path):
        return False
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if path.startswith("/assets/"):
        return True  # a file that is gone is told of as a file
    accepts_pages = any(name == b"accept" and b"text/html" in value.lower() for name, value in headers)
    return accepts_pages and not (_CALLS.match(path) and any(name in _KEYS for name, _ in headers))
