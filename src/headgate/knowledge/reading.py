"""Reading of files in a pool of processes, which are replaced after some files and after each failure.

A process, not a thread: hostile bytes may take all memory, never come to an end, or break a library written in C.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

from headgate.kernel.errors import Invalid, NotFound, TooLarge, Unavailable
from headgate.knowledge.blocks import ReadFile
from headgate.knowledge.readers.raw_file import MIB, Limits
from headgate.knowledge.reading_messages import Done, ImageJob, Job, ReadJob
from headgate.knowledge.reading_process import Ended, ReadingProcess

_MOST_WIDTH: Final = 2_000


class Reading:
    """Reads files. Use it from one event loop, and close it.

    Args:
        processes: how many files are read at once; further ones wait.
        files_per_process: after which a process is replaced.
        limits: of one file.
    """

    def __init__(self, *, processes: int = 2, files_per_process: int = 100, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self._limits, self._files_per_process = limits, files_per_process
        self._free = asyncio.Semaphore(processes)
        self._idle: list[ReadingProcess] = []
        self._busy: set[ReadingProcess] = set()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def read(self, data: bytes, *, name: str) -> ReadFile:
        """Read a file of any known format.

        Args:
            name: the file's name, which decides only where the bytes do not.

        Raises:
            Invalid: it cannot be read, or has no text. The message says why and what to do.
            TooLarge: it exceeds a limit.
            Unavailable: the pool is closed, or a process does not start.
        """
        self._refuse_large(data)
        done = await self._done(ReadJob(name, self._limits), data)
        assert done.file is not None
        return done.file

    async def page_image(self, data: bytes, *, page: int, width: int) -> bytes:
        """Return a page of a PDF, from 1, as a PNG.

        Args:
            width: in pixels, up to 2,000. A very long page gets fewer.

        Raises:
            NotFound: there is no such page.
            Invalid: the file is no PDF that opens.
            Unavailable: the pool is closed.
        """
        self._refuse_large(data)
        done = await self._done(ImageJob(page, min(max(width, 1), _MOST_WIDTH), self._limits), data)
        return done.image

    async def close(self) -> None:
        """End the processes. Files that are being read fail."""
        self._is_closed = True
        processes = [*self._idle, *self._busy]
        self._idle.clear()
        for process in processes:
            await process.end()

    def _refuse_large(self, data: bytes) -> None:
        if len(data) > self._limits.file_bytes:
            size, most = len(data) / MIB, self._limits.file_bytes / MIB
            raise TooLarge(f"The file has {size:,.0f} MiB, more than {most:,.0f} MiB. Split it into smaller files.")

    async def _done(self, job: Job, data: bytes) -> Done:
        async with self._free:
            process = await self._process()
            self._busy.add(process)
            may_go_on = False
            try:
                done = await process.done(job, data)
                may_go_on = True
                return done
            except Ended as exc:
                raise self._closed() if self._is_closed else Invalid(str(exc)) from exc
            except (Invalid, NotFound):
                may_go_on = True
                raise
            finally:
                self._busy.discard(process)
                if may_go_on and not self._is_closed and process.jobs < self._files_per_process:
                    self._idle.append(process)
                else:
                    await process.end()

    async def _process(self) -> ReadingProcess:
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            await process.end()
        if self._is_closed:
            raise self._closed()
        return await ReadingProcess.started()

    def _closed(self) -> Unavailable:
        return Unavailable("Headgate is stopping, so the file is not read. Try again in a minute.", retry_after_s=60)
