"""A small thread pool for work on large content, so that the event loop stays free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")

_MOST_THREADS = 2
"""Each thread competes with the event loop for the interpreter lock, so the pool stays small."""


class Offloader:
    """Runs functions in a bounded thread pool; further calls wait for a free thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="beside")

    async def run(self, work: Callable[..., T], /, *args: object, **named: object) -> T:
        """Run `work` in a thread and return its result.

        A cancellation waits for the end of the work, so that no thread outlives its call.
        """
        running = asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **named))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait((running,))
            raise
