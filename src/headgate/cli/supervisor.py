"""Child processes that are started, watched and restarted, each alone."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_STABLE_S = 30.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """How one child is started.

    Args:
        name: for people and logs.
        arguments: after the interpreter.
        pass_fds: descriptors that the child inherits.
        ready_line: what its first line of output begins with once it serves.
        final_codes: exit codes after which it is not started again.
        stop_s: how long it may take to stop before it is killed.
    """

    name: str
    arguments: Sequence[str]
    pass_fds: tuple[int, ...] = ()
    ready_line: str = "ready"
    final_codes: frozenset[int] = frozenset()
    stop_s: float = 15.0


class SupervisedProcess:
    """One child. `run` keeps it alive until cancelled; the child's standard input tells it when we are gone."""

    def __init__(self, plan: ProcessPlan, *, on_event: Progress) -> None:
        self.plan = plan
        self._on_event = on_event
        self._process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.final_code: int | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def run(self) -> None:
        """Start it, and again whenever it dies; ends by itself only after one of `final_codes`."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                started_s = loop.time()
                code = await self._once()
                if code in self.plan.final_codes:
                    self.final_code = code
                    self.ready.set()
                    return
                failures = 0 if loop.time() - started_s > _STABLE_S else failures + 1
                self._on_event(f"{self.plan.name} ended with {_reason(code)}; starting it again")
                await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1])
        finally:
            await self._stop()

    async def _once(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self.plan.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=self.plan.pass_fds,
            # Ctrl-C goes to the whole foreground group: the supervisor alone decides in which order things stop.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.decode(errors="replace").startswith(self.plan.ready_line):
                self.ready.set()
        return await self._process.wait()

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.plan.stop_s):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
