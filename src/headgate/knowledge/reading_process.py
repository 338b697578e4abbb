"""One reading process, seen from the application: its start, its answers and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio import IncompleteReadError, StreamReader, StreamWriter, subprocess
from typing import Final

import msgspec

from headgate.kernel.errors import HeadgateError, Invalid, NotFound, TooLarge, Unavailable
from headgate.knowledge.readers.raw_file import MIB, Limits
from headgate.knowledge.reading_messages import LENGTH, READY, Answer, Done, Job, Refused

_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8"}  # none of ours: it may have secrets
_STARTS_WITHIN_S: Final = 60.0
_ERRORS: Final = {error.code: error for error in (TooLarge, NotFound)}


class Ended(Exception):
    """The process ended in the middle of a job. The message is for a person."""


class ReadingProcess:
    """A started reading process; for one job at a time.

    Attributes:
        jobs: how many it has begun.
    """

    def __init__(self, process: subprocess.Process, lifeline: int, reader: StreamReader, writer: StreamWriter) -> None:
        self._process, self._lifeline = process, lifeline
        self._reader, self._writer = reader, writer
        self.jobs = 0

    @classmethod
    async def started(cls) -> ReadingProcess:
        """Start a process. It ends when the other end of its standard input closes.

        Raises:
            Unavailable: it does not start.
        """
        ours, theirs = socket.socketpair()
        watched, lifeline = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "headgate.knowledge.reading_worker", "--fd", str(theirs.fileno())),
                stdin=watched,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_ENVIRONMENT,
            )
        except BaseException:
            os.close(lifeline)
            ours.close()
            raise
        finally:
            os.close(watched)
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        begun = cls(process, lifeline, reader, writer)
        is_ready = False
        try:
            async with asyncio.timeout(_STARTS_WITHIN_S):
                is_ready = await reader.readexactly(len(READY)) == READY
        except (TimeoutError, IncompleteReadError, ConnectionError) as exc:
            raise Unavailable("The process that reads files does not start; the log says why.") from exc
        finally:
            if not is_ready:
                await begun.end()
        return begun

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can take a job."""
        return self._process.returncode is None and not self._reader.at_eof()

    async def done(self, job: Job, data: bytes) -> Done:
        """Return the result of a job.

        Raises:
            Invalid: the file cannot be read; or its kind `TooLarge`.
            NotFound: the file has no such page.
            Ended: the process ended or is to be ended, because of this file.
        """
        self.jobs += 1
        try:
            async with asyncio.timeout(job.limits.wall_s):
                answer = await self._answer(job, data)
        except TimeoutError as exc:
            raise Ended(_too_slow(f"{job.limits.wall_s:g} seconds")) from exc
        except (IncompleteReadError, ConnectionError) as exc:
            raise Ended(_why(await self._process.wait(), job.limits)) from exc
        except msgspec.MsgspecError as exc:
            raise Ended("The file broke its reader, so it is not read.") from exc
        if isinstance(answer, Done):
            return answer
        if answer.is_spent:
            raise Ended(answer.message)
        raise _error(answer)

    async def end(self) -> None:
        """Kill the process, and wait for its end."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        if self._process.returncode is None:
            self._process.kill()
        self._writer.close()
        await self._process.wait()

    async def _answer(self, job: Job, data: bytes) -> Answer:
        head = msgspec.msgpack.encode(job)
        self._writer.writelines((LENGTH.pack(len(head)), head, LENGTH.pack(len(data)), data))
        await self._writer.drain()
        (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        if length > _most_answer_bytes(job.limits):
            raise Ended("The file has more text than Headgate takes. Split it into smaller files.")
        return msgspec.msgpack.decode(await self._reader.readexactly(length), type=Answer)


def _most_answer_bytes(limits: Limits) -> int:
    return 6 * limits.text_chars + 64 * MIB


def _error(refused: Refused) -> HeadgateError:
    return _ERRORS.get(refused.code, Invalid)(refused.message, detail=refused.detail)


def _too_slow(time: str) -> str:
    return f"The file takes more than {time} to read. Split it into smaller files."


def _why(status: int, limits: Limits) -> str:
    if status == -signal.SIGXCPU:
        return _too_slow(f"{limits.cpu_s} seconds of computing")
    return (
        f"The file broke its reader: it is damaged, or needs more than {limits.memory_bytes // MIB:,} MiB of memory."
        " Save it again, or split it."
    )
