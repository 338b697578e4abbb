"""The bounded queue between a connection that receives and a caller that reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from headgate.kernel.errors import HeadgateError

HIGH_WATER = 256 * 1024


def names_places(error: HeadgateError) -> HeadgateError:
    """Mark an error that names hosts or addresses, so that callers do not see its message."""
    if error.detail is None:
        error.detail = error.message
    return error


class BodyQueue:
    """Pieces of one body, from the connection to one reader.

    Args:
        loop: the loop of both.
        on_drained: callback when a full queue has room again.
    """

    __slots__ = ("_ended", "_error", "_loop", "_on_drained", "_pieces", "_size", "_waiter", "is_full")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_drained: Callable[[], None]) -> None:
        self._loop = loop
        self._on_drained = on_drained
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: HeadgateError | None = None
        self._ended = False
        self.is_full = False

    @property
    def is_read(self) -> bool:
        """Whether the body is complete and the reader has all of it."""
        return self._ended and not self._pieces

    def put(self, piece: bytes) -> bool:
        """Add a piece without waking the reader (see `wake`). Return True if the sender must pause."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size <= HIGH_WATER or self.is_full:
            return False
        self.is_full = True
        return True

    def wake(self) -> None:
        """Wake a waiting reader."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def end(self) -> None:
        """Mark the body as complete."""
        self._ended = True
        self.wake()

    def fail(self, error: HeadgateError) -> None:
        """Fail the body. The reader gets the pieces so far and then the first error."""
        if not self._ended and self._error is None:
            self._error = names_places(error)
        self.wake()

    async def take(self) -> bytes:
        """Return all bytes since the last call, after waiting for at least one. Empty at the end.

        Raises:
            HeadgateError: the body was truncated, stalled or broke the protocol. Raised after all bytes were taken.
        """
        pieces = self._pieces
        while not pieces:
            if self._ended:
                return b""
            if self._error is not None:
                raise self._error
            if self._waiter is not None:
                raise RuntimeError("A body has one reader.")
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self.is_full:
            self.is_full = False
            self._on_drained()
        return piece
