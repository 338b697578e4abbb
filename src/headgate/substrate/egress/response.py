"""Responses: status, headers and a streamed body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from headgate.kernel.errors import Upstream
from headgate.substrate.egress.body import BodyQueue

Framing = Literal["none", "length", "chunked", "eof"]


class Headers:
    """Headers in the order of the response. Lookups ignore case. Trailers are dropped."""

    __slots__ = ("_by_name", "pairs")

    def __init__(self, pairs: tuple[tuple[bytes, bytes], ...]) -> None:
        self.pairs = pairs
        self._by_name: dict[str, list[str]] | None = None

    def get(self, name: str) -> str | None:
        """Return the first value of the header, decoded as Latin-1, or None."""
        values = self._index().get(name.lower())
        return values[0] if values else None

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return every value of the header, in order."""
        return tuple(self._index().get(name.lower(), ()))

    def _index(self) -> dict[str, list[str]]:
        if self._by_name is None:
            self._by_name = {}
            for name, value in self.pairs:
                self._by_name.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        return self._by_name


class Response:
    """One response, valid inside its `async with`.

    Attributes:
        status: 200 to 999; interim responses are skipped.
        headers: unchanged. The body is *not* decoded if they have a content-encoding.
        framing: how the end of the body is marked. With "eof" a truncated body looks complete.
    """

    __slots__ = ("_queue", "framing", "headers", "status")

    def __init__(self, status: int, headers: Headers, *, framing: Framing, queue: BodyQueue) -> None:
        self.status = status
        self.headers = headers
        self.framing: Framing = framing
        self._queue = queue

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives. Bytes that arrived between two steps form one piece.

        A later call continues without loss. For a slow reader the buffer holds at most 256 KiB and one read, and the
        connection is paused.

        Raises:
            Upstream: the body was truncated or broke the protocol. Raised after all received bytes.
            UpstreamTimeout: the body stalled or took too long. Raised after all received bytes.
        """
        return _Chunks(self._queue)

    async def read(self, *, limit: int = 16 * 1024 * 1024) -> bytes:
        """Return the whole body.

        Raises:
            Upstream: as `chunks`, and if the body is larger than `limit` bytes.
        """
        piece = await self._queue.take()
        if self._queue.is_read and len(piece) <= limit:
            return piece
        pieces: list[bytes] = []
        size = 0
        while piece:
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise Upstream(f"The response is larger than the limit of {limit} bytes.", retryable=False)
            piece = await self._queue.take()
        return b"".join(pieces)


class _Chunks:
    __slots__ = ("_queue",)

    def __init__(self, queue: BodyQueue) -> None:
        self._queue = queue

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._queue.take()
        if not piece:
            raise StopAsyncIteration
        return piece
