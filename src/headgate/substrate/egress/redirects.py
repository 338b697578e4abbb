"""Following redirects, for the few callers that fetch pages rather than call an API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urljoin

from headgate.kernel.errors import Denied, Upstream
from headgate.substrate.egress.client import Egress
from headgate.substrate.egress.request import Request, parse_url
from headgate.substrate.egress.response import Response

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_METHODS = frozenset({"GET", "HEAD"})
# Headers that may go to another origin. Any other header may be a credential.
_HARMLESS = frozenset({b"accept", b"accept-encoding", b"accept-language", b"user-agent"})


@asynccontextmanager
async def follow(egress: Egress, request: Request, *, hops: int = 3) -> AsyncGenerator[Response]:
    """Send a GET or HEAD and follow at most `hops` redirects. Each hop is vetted like a first request.

    Only harmless headers go to another origin, and no redirect goes from https to http. The caller receives a redirect
    without a location, and any response to another method, unchanged.

    Raises:
        Upstream: more than `hops` redirects.
        Denied: a redirect to http, or to an address that is not allowed.
        Invalid: a redirect to an invalid URL.
    """
    for hop in range(hops + 1):
        async with egress.send(request) as response:
            location = response.headers.get("location") if response.status in _REDIRECTS else None
            if location is None or request.method not in _METHODS:
                yield response
                return
            if hop == hops:
                raise Upstream(f"More than {hops} redirects; the last one was not followed.", retryable=False)
            request = _redirected(request, location)


def _redirected(request: Request, location: str) -> Request:
    origin = parse_url(request.url).origin
    url = urljoin(request.url, location).partition("#")[0]
    target = parse_url(url).origin
    if target == origin:
        return replace(request, url=url)
    if origin.scheme == "https" and target.scheme == "http":
        raise Denied(f"{origin.authority} redirects to plain http; that is not followed.", rules=("egress.redirect",))
    return replace(
        request, url=url, headers=tuple(pair for pair in request.headers if pair[0].lower() in _HARMLESS), body=b""
    )
