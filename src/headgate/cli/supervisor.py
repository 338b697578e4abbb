"""Child processes that are started, watched and restarted, each alone.

A child proves that its event loop runs: it writes a line to its standard output every second (`substrate.parent`). One
that stays silent for too long is killed and started again. Only silence that the supervisor was awake to hear counts:
after a suspended machine wakes up, every child has its whole time again.
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
"""How much longer silence has to last before it counts, where every child is silent: then the machine is slow."""

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
        self._is_serving = False
        self._silent_s = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def is_serving(self) -> bool:
        """Whether it runs and said that it serves."""
        return self._is_serving and self.pid is not None

    @property
    def silent_s(self) -> float:
        """How long it has been silent, of the time that `hear` was told; 0 while it starts or is away."""
        return self._silent_s if self.is_serving else 0.0

    @property
    def is_overdue(self) -> bool:
        """Whether it runs and does not serve, long after it was started."""
        return self.pid is not None and not self._is_serving and self._silent_s > _STARTS_WITHIN_S

    def hear(self, passed_s: float) -> None:
        """Count time in which it may have been silent; a line from it sets the count back."""
        self._silent_s += passed_s

    def kill(self, why: str) -> None:
        """End it at once; `run` starts it again."""
        if self.pid is not None and self._process is not None:
            self._on_event(f"{self.plan.name} {why}; it is killed")
            # A process that is stopped or stuck would not act on a signal that asks.
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._silent_s = 0.0

    async def run(self) -> None:
        """Start it, and again whenever it dies; ends by itself only after one of `final_codes`."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                started_s = loop.time()
                try:
                    code = await self._once()
                except OSError as error:  # the machine has no process or memory to spare at the moment
                    self._on_event(f"{self.plan.name} could not be started ({error.strerror})")
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
            # Ctrl-C goes to the whole foreground group: the supervisor alone decides in which order things stop.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        # Read in pieces: a line has no bound that we could rely on.
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
    """Kills children that serve no more: their event loops stand still, or they never came to serve.

    Args:
        silence_s: how long a child that serves may be silent.
        look_s: the time between two looks; more than twice as much in between means that we were suspended.
    """

    def __init__(
        self, children: Sequence[SupervisedProcess], *, silence_s: float = 10.0, look_s: float = ALIVE_EVERY_S
    ) -> None:
        self._children = children
        self._silence_s = silence_s
        self._look_s = look_s
        self._looked_s: float | None = None

    async def run(self) -> None:
        """Look again and again; end it by cancelling."""
        clock = asyncio.get_running_loop().time
        while True:
            self.look(clock())
            await asyncio.sleep(self._look_s)

    def look(self, now_s: float) -> None:
        """Count the time since the last look as silence of every child, and kill those that are silent too long."""
        passed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        for child in self._children:
            child.hear(min(passed_s, self._look_s * 2))
            if child.is_overdue:
                child.kill("did not come to serve")
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
