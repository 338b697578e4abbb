"""Compressed request bodies, unpacked within the same size limit as plain ones.

Source: RFC 9110, sections 8.4 and 12.5.3; RFC 1952 for gzip, RFC 1950 and 1951 for deflate.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import ClassVar

from headgate.kernel.errors import Invalid
from headgate.server.asgi import MAX_BODY_BYTES, too_large

ACCEPTED = "gzip, deflate"
"""The content codings that a request body may have, as the header `accept-encoding` lists them."""

_GZIP, _ZLIB, _RAW = 31, 15, -15
_WINDOWS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_MAX_MEMBERS = 64
"""A gzip body may hold several members. Each costs a copy of the rest, so their number is bounded."""


class UnsupportedCoding(Invalid):
    """The body has a content coding that Headgate does not accept."""

    code = "unsupported_content_encoding"
    status: ClassVar[int] = 415


async def unpacked(body: bytes, coding: str, *, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Unpack a body by its `content-encoding`, in a thread.

    Raises:
        UnsupportedCoding: the coding is not accepted, or there are several.
        Invalid: the body does not match its coding, or is incomplete.
        TooLarge: the plain body is over the limit; nothing beyond the limit is unpacked.
    """
    names = [name for part in coding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not names:
        return body
    if len(names) > 1 or names[0] not in _WINDOWS:
        raise UnsupportedCoding(
            f"the content-encoding {coding[:100]!r} is not accepted; send one of {ACCEPTED}, or a plain body",
            param="content-encoding",
        )
    return await asyncio.to_thread(_unpack, body, _WINDOWS[names[0]], limit_bytes)


def _unpack(body: bytes, window: int, limit_bytes: int) -> bytes:
    if window == _ZLIB and not _has_zlib_head(body):
        window = _RAW  # many clients call bare deflate data "deflate"
    pieces: list[bytes] = []
    size = members = 0
    while body:
        members += 1
        unpacker = zlib.decompressobj(window)
        try:
            pieces.append(unpacker.decompress(body, limit_bytes - size + 1))
        except zlib.error as error:
            raise _invalid() from error
        size += len(pieces[-1])
        if size > limit_bytes:
            raise too_large(limit_bytes)
        body = unpacker.unused_data
        if not unpacker.eof or (body and (window != _GZIP or members == _MAX_MEMBERS)):
            raise _invalid()
    return b"".join(pieces)


def _has_zlib_head(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _invalid() -> Invalid:
    return Invalid("the body does not match its content-encoding, or is cut short", param="content-encoding")
