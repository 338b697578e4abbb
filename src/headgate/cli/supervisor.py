"""Supervises child processes: starts, watches and restarts each one independently.

A child writes a heartbeat line to its standard output every second (`substrate.parent`). The supervisor kills and
restarts a child that sends no heartbeat for too long. Time during which the machine was suspended does not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headgate.substrate.parent import ALIVE_EVERY_S

_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_STABLE_S = 30.0
_STARTS_WITHIN_S = 120.0
_COULD_NOT_START = 126
_PIECE_BYTES = 4096
_MACHINE_IS_STUCK = 3
"""Factor on the allowed silence if every child is silent, because then the machine is slow."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """How to start one child.

    Args:
        name: for people and logs.
        arguments: of the command, after the interpreter.
        pass_fds: descriptors that the child inherits.
        ready_line: prefix of the first line of output, which the child writes when it is ready.
        final_codes: exit codes after which the supervisor does not restart it.
        stop_s: time from SIGTERM to SIGKILL.
    """

    name: str
    arguments: Sequence[str]
    pass_fds: tuple[int, ...] = ()
    ready_line: str = "ready"
    final_codes: frozenset[int] = frozenset()
    stop_s: float = 15.0


class SupervisedProcess:
    """One child. `run` keeps it alive until cancelled. Its standard input closes when the supervisor dies."""

    def __init__(self, plan: ProcessPlan, *, on_event: Progress) -> None:
        self.plan = plan
        self._on_event = on_event
        self._process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.final_code: int | None = None
        self._is_serving = False
        self._silent_s = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def is_serving(self) -> bool:
        """Whether it runs and reported that it is ready."""
        return self._is_serving and self.pid is not None

    @property
    def silent_s(self) -> float:
        """Time since its last heartbeat, as counted by `hear`; 0 while it starts or does not run."""
        return self._silent_s if self.is_serving else 0.0

    @property
    def is_overdue(self) -> bool:
        """Whether it is still not ready long after its start."""
        return self.pid is not None and not self._is_serving and self._silent_s > _STARTS_WITHIN_S

    def hear(self, passed_s: float) -> None:
        """Add time to the count of silence. A line from the child resets the count."""
        self._silent_s += passed_s

    def kill(self, why: str) -> None:
        """Kill it with SIGKILL. `run` restarts it."""
        if self.pid is not None and self._process is not None:
            self._on_event(f"{self.plan.name} {why}; killing it")
            # A stopped or blocked process does not handle SIGTERM.
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._silent_s = 0.0

    async def run(self) -> None:
        """Start it and restart it whenever it ends. Returns only after one of `final_codes`."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                started_s = loop.time()
                try:
                    code = await self._once()
                except OSError as error:  # out of processes or memory
                    self._on_event(f"{self.plan.name} could not start ({error.strerror})")
                    await self._stop()
                    code = _COULD_NOT_START
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
        self._is_serving, self._silent_s = False, 0.0
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self.plan.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=self.plan.pass_fds,
            # Ctrl-C reaches the whole foreground group, but the supervisor stops its children in its own order.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        # Reads in pieces, because a line may have any length.
        unread = b""
        while piece := await self._process.stdout.read(_PIECE_BYTES):
            self._silent_s = 0.0
            *lines, unread = (unread + piece).split(b"\n")
            unread = unread[-_PIECE_BYTES:]
            if any(line.decode(errors="replace").startswith(self.plan.ready_line) for line in lines):
                self._is_serving = True
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


class LivenessWatch:
    """Kills children whose event loop is blocked or that never became ready.

    Args:
        silence_s: longest time without a heartbeat.
        look_s: time between two checks. A gap of more than twice this means that the machine was suspended.
    """

    def __init__(
        self, children: Sequence[SupervisedProcess], *, silence_s: float = 10.0, look_s: float = ALIVE_EVERY_S
    ) -> None:
        self._children = children
        self._silence_s = silence_s
        self._look_s = look_s
        self._looked_s: float | None = None

    async def run(self) -> None:
        """Check repeatedly until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            self.look(clock())
            await asyncio.sleep(self._look_s)

    def look(self, now_s: float) -> None:
        """Add the time since the last check to every child's silence and kill children over the limit."""
        passed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        for child in self._children:
            child.hear(min(passed_s, self._look_s * 2))
            if child.is_overdue:
                child.kill("did not become ready")
        serving = [child for child in self._children if child.is_serving]
        silent = [child for child in serving if child.silent_s > self._silence_s]
        is_all = len(serving) > 1 and len(silent) == len(serving)
        patience_s = self._silence_s * (_MACHINE_IS_STUCK if is_all else 1)
        for child in silent:
            if child.silent_s > patience_s:
                child.kill(f"has not answered for {child.silent_s:.0f} s")


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
