"""File locks for single-instance processes, and interruptible waits."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_LOOK_S = 0.2


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some seconds, or until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


@asynccontextmanager
async def held_alone(path: Path, stop: asyncio.Event) -> AsyncGenerator[bool]:
    """Acquire the lock on a file, and create the file. Yields False if `stop` was set first.

    The system releases the lock when the process ends in any way.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not (is_held := _try(handle)) and not stop.is_set():
            await pause(stop, _LOOK_S)
        yield is_held
    finally:
        os.close(handle)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
