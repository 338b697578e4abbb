"""ASGI without a framework: headers, a bounded body, whole answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from headgate.kernel.errors import Invalid, TooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pairs = Iterable[tuple[str, str]]

MAX_BODY_BYTES = 32 << 20
_SPLITTING = re.compile("[\r\n]")
_SINGLE = frozenset(
    {
        *("host", "content-length", "content-type", "origin", "transfer-encoding"),
        *("authorization", "x-api-key", "api-key", "x-goog-api-key"),
    }
)

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


WHOLE = "headgate.response.whole"
"""The type of a message that is a whole answer, head and body.

A server that can write both in one call puts a function for that into the scope, under this key.
For other servers `Application` sends ASGI's two messages.
"""


class ClientGone(Exception):
    """The client closed the connection before the answer."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the request's headers with names in lower case; repeated list headers are joined.

    Raises:
        Invalid: a header of which only one may be sent is repeated; parsers disagree about which one counts.
    """
    pairs: list[tuple[bytes, bytes]] = scope["headers"]
    headers: dict[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    if len(headers) == len(pairs):
        return headers
    headers.clear()
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in headers:
            if name in _SINGLE:
                raise Invalid(f"the header {name} was sent twice; send it once", param=name)
            headers[name] += ", " + value
        else:
            headers[name] = value
    return headers


async def read_body(receive: Receive, headers: dict[str, str], *, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: the body is over the limit; a declared length is checked before anything is read.
        ClientGone: the client left before the body was complete.
    """
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > limit_bytes:
        raise too_large(limit_bytes)
    first = await receive()
    if first["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = first.get("body", b"")
    if not first.get("more_body", False) and len(body) <= limit_bytes:
        return body
    pieces, size = [body], len(body)
    while True:
        if size > limit_bytes:
            raise too_large(limit_bytes)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if not message.get("more_body", False) and size <= limit_bytes:
            return b"".join(pieces)


def require_json(headers: dict[str, str]) -> None:
    """Require the content type JSON, which a form of a foreign page cannot send without a preflight.

    Raises:
        Invalid: the content type is another one.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Invalid(f"content-type is {kind or 'missing'!r}; send application/json", param="content-type")


def encode_headers(pairs: Pairs) -> list[tuple[bytes, bytes]]:
    """Encode headers for ASGI; line breaks become spaces."""
    return [
        (
            name.encode("latin-1"),
            (value if value.isprintable() else _SPLITTING.sub(" ", value)).encode("latin-1", "replace"),
        )
        for name, value in pairs
    ]


async def respond(send: Send, status: int, body: bytes, *, kind: str = "application/json", headers: Pairs = ()) -> None:
    """Send a whole answer; status 204 has no body, content type or length."""
    described = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    head = [*(described if status != 204 else ()), *encode_headers(headers), *SECURITY_HEADERS]
    await send({"type": WHOLE, "status": status, "headers": head, "body": body})


def too_large(limit_bytes: int) -> TooLarge:
    """Return the error for a body over the limit."""
    return TooLarge(f"the body is larger than {limit_bytes >> 20} MiB; send a smaller one")
