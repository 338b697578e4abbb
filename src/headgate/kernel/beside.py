"""A few threads beside the event loop, for work on large content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")

_MOST_THREADS = 2
"""They take turns with the event loop, which waits a turn of each before it goes on."""


class Beside:
    """Runs functions beside the event loop, so many at once; the others wait."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="beside")

    async def run(self, work: Callable[..., T], /, *args: object, **named: object) -> T:
        """Return what the work returns. A cancellation waits for its end, so that nothing goes on behind it."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **named))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait((running,))
            raise
