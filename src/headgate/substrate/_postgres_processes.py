"""PostgreSQL's processes: the running server, and leftovers of a killed supervisor or server.

After `kill -9` of the supervisor the server continues, and after `kill -9` of the server some of its children may. Both
hold the cluster's shared memory and block a new server. A process counts as a leftover only if its working folder is
our data folder, because another program may have reused the number in `postmaster.pid`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_FAST_S = 20.0
_IMMEDIATE_S = 5.0
_POLL_S = 0.05


class Child:
    """A child process, awaited without a thread on any event loop.

    Not asyncio's own: uvloop cannot start a program as another user.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status (negative: the signal that killed it), or None while it runs."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait for its end and return the exit status."""
        while (status := self.status) is None:  # noqa: ASYNC110 - an end of a process is no event on every loop
            await asyncio.sleep(_POLL_S)
        return status

    async def end(self) -> None:
        """End a server: fast shutdown, then immediate, then kill."""
        for sign, patience_s in ((signal.SIGINT, _FAST_S), (signal.SIGQUIT, _IMMEDIATE_S)):
            if self.status is None:
                self._process.send_signal(sign)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await self.wait()
        self._process.kill()  # does nothing to one that has ended
        await self.wait()

    async def finish(self, *, within_s: float) -> int:
        """Wait for a short program, kill it after the timeout, and return the exit status."""
        try:
            async with asyncio.timeout(within_s):
                return await self.wait()
        finally:
            self._process.kill()
            self._process.wait()


async def end_leftovers(cluster: Path) -> int:
    """End every server process of the cluster, gently first. Return their number.

    Fast shutdown, then immediate, then kill: the log of the database makes even the last one safe. A `postmaster.pid`
    that would keep a new server out, because its number is in use by a stranger, is removed.
    """
    found = _alive(cluster)
    status = postmaster_status(cluster)
    server = found & {status[0] if status else 0}
    for sign, patience_s in ((signal.SIGINT, _FAST_S), (signal.SIGQUIT, _IMMEDIATE_S)):
        if server & _alive(cluster):  # it ends its own children
            _signal(server, sign)
            await _gone(cluster, patience_s)
    _signal(_alive(cluster), signal.SIGKILL)  # a child without its server has nothing left to save
    await _gone(cluster, _IMMEDIATE_S)
    if not _alive(cluster):
        (cluster / "postmaster.pid").unlink(missing_ok=True)
    return len(found)


def postmaster_status(cluster: Path) -> tuple[int, str] | None:
    """Process id and state word (`starting`, `ready`, ...) that the server wrote; None where it has not yet.

    Source: PostgreSQL 18, src/include/utils/pidfile.h.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"
    except (OSError, ValueError, IndexError):
        return None


def _alive(cluster: Path) -> frozenset[int]:
    if not cluster.exists():
        return frozenset()
    if sys.platform == "linux":
        here = cluster.stat()
        return frozenset(pid for pid in _numbers(Path("/proc")) if _works_in(pid, (here.st_dev, here.st_ino)))
    status = postmaster_status(cluster)
    return frozenset({status[0]} if status and _named(status[0], cluster) else ())


def _numbers(proc: Path) -> Iterable[int]:
    return (int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())


def _works_in(pid: int, folder: tuple[int, int]) -> bool:
    """Return whether the process is a PostgreSQL program with this working folder (Linux)."""
    try:
        cwd = Path(f"/proc/{pid}/cwd").stat()
        program = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return False
    return (cwd.st_dev, cwd.st_ino) == folder and program == "postgres"


def _named(pid: int, cluster: Path) -> bool:
    """Return whether the command line of the process names this cluster (for systems without /proc)."""
    ps = shutil.which("ps")
    if ps is None:
        return False
    told = subprocess.run(  # noqa: S603 - a number, no shell
        [ps, "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
    )
    return "postgres" in told.stdout and str(cluster) in told.stdout


def _signal(pids: Iterable[int], sign: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


async def _gone(cluster: Path, patience_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while _alive(cluster):  # noqa: ASYNC110 - processes that are not our children send no event
                await asyncio.sleep(0.05)
