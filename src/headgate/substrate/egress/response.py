"""What came back: status, headers, and a body that is read as it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from headgate.kernel.errors import Upstream
from headgate.substrate.egress.body import BodyQueue

Framing = Literal["none", "length", "chunked", "eof"]


class Headers:
    """Headers in the order they came; lookups ignore case. Trailers are dropped."""

    __slots__ = ("_by_name", "pairs")

    def __init__(self, pairs: tuple[tuple[bytes, bytes], ...]) -> None:
        self.pairs = pairs
        self._by_name: dict[str, list[str]] | None = None

    def get(self, name: str) -> str | None:
        """The first value of the header, decoded as Latin-1, or None."""
        values = self._index().get(name.lower())
        return values[0] if values else None

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of the header, in order."""
        return tuple(self._index().get(name.lower(), ()))

    def _index(self) -> dict[str, list[str]]:
        if self._by_name is None:
            self._by_name = {}
            for name, value in self.pairs:
                self._by_name.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        return self._by_name


class Response:
    """One answer, valid inside the `async with` that gave it.

    Attributes:
        status: 200 to 999; interim answers are never seen.
        headers: as they came; the body is *not* decoded when they name a content-encoding.
        framing: how the body's end is known. With "eof" a cut body cannot be told from a whole one.
    """

    __slots__ = ("_queue", "framing", "headers", "status")

    def __init__(self, status: int, headers: Headers, *, framing: Framing, queue: BodyQueue) -> None:
        self.status = status
        self.headers = headers
        self.framing: Framing = framing
        self._queue = queue

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces, each as soon as it arrived; what arrived while the reader was away comes as one piece.

        Nothing is lost by leaving and asking again. While the reader is slow, at most 256 KiB and one read are held
        and the connection is paused.

        Raises:
            Upstream: the body was cut or broke the protocol, after all that arrived was given.
            UpstreamTimeout: it stalled or took too long, likewise.
        """
        return _Chunks(self._queue)

    async def read(self, *, limit: int = 16 * 1024 * 1024) -> bytes:
        """The whole body.

        Raises:
            Upstream: as `chunks`, and when the body is larger than `limit` bytes.
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
                raise Upstream(f"The answer is larger than the {limit} bytes that were expected.", retryable=False)
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
