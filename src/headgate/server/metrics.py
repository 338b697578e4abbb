"""Numbers of all workers in one scrape, whichever of them answers it.

Workers share one listening socket, so that a scrape reaches any of them. Each writes its numbers to a small file of its
own once a second, beside what it does for clients; the one that is asked writes its own at once and reads those of all:
whoever is asked next then never tells of less. A file that was not written for some seconds is of a worker that ended.
Source: Prometheus' text format, version 0.0.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from headgate.kernel.ports import Clock

log = structlog.get_logger(__name__)

_EVERY_S = 1.0
LASTS_S = 5.0
"""How long a worker is believed to live after it wrote its numbers."""
_FORGOTTEN_S = 60.0


class Sample(msgspec.Struct, frozen=True):
    """One number, as it is written; `labels` as they follow the worker's, such as `,outcome="done"`."""

    labels: str
    value: str


class Family(msgspec.Struct, frozen=True):
    """Numbers of one name."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


class WorkerNumbers(msgspec.Struct, frozen=True):
    """What one worker tells."""

    worker: str
    families: list[Family]


def number(value: float) -> str:
    """Write a number as the format has it."""
    return "+Inf" if value == float("inf") else f"{value:g}" if isinstance(value, float) else str(value)


def render(workers: Sequence[WorkerNumbers]) -> Iterator[str]:
    """Write the numbers of several workers; those of one name stand together, as the format demands."""
    families = {family.name: family for one in workers for family in one.families}
    for name, family in families.items():
        yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
        for one in workers:
            for sample in _samples(one, name):
                yield f'{name}{{worker="{one.worker}"{sample.labels}}} {sample.value}\n'


class Board:
    """Where workers leave their numbers for one another: a folder with a file for each. One for a worker.

    Args:
        folder: shared by the workers of one installation; made here.
        worker: our own name, which is the file's.
    """

    def __init__(self, folder: Path, *, worker: str, clock: Clock) -> None:
        self._folder = folder
        self._own = folder / f"{worker}.json"
        self._clock = clock
        self._turn = asyncio.Lock()
        self._was_written = True

    def write(self, numbers: WorkerNumbers) -> None:
        """Leave our numbers, whole or not at all. Blocks for the time of writing a small file."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fresh = self._own.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(numbers))
        fresh.replace(self._own)

    def withdraw(self) -> None:
        """Take our numbers away: we end."""
        with suppress(OSError):
            self._own.unlink()

    def living(self) -> list[WorkerNumbers]:
        """Return the numbers of the workers that live, by name; what ended long ago is cleared away. Blocks."""
        found: list[WorkerNumbers] = []
        now_s = self._clock.now().timestamp()
        for path in sorted(self._folder.glob("*.json")):
            with suppress(OSError, msgspec.DecodeError):
                age_s = now_s - path.stat().st_mtime
                if age_s <= LASTS_S:
                    found.append(_DECODER.decode(path.read_bytes()))
                elif age_s > _FORGOTTEN_S:
                    path.unlink()
        return found

    async def leave(self, numbers: Callable[[], WorkerNumbers]) -> None:
        """Leave our numbers as they are now; a folder that cannot be written is told once, and harms nobody."""
        async with self._turn:  # so that nothing older is written over it
            is_written = await asyncio.to_thread(self._try, numbers())
        if self._was_written and not is_written:
            log.warning("metrics_not_written", folder=str(self._folder))
        self._was_written = is_written

    async def leave_forever(self, numbers: Callable[[], WorkerNumbers]) -> None:
        """Leave our numbers once a second; end it by cancelling."""
        try:
            while True:
                await self.leave(numbers)
                await asyncio.sleep(_EVERY_S)
        finally:
            self.withdraw()

    def _try(self, numbers: WorkerNumbers) -> bool:
        try:
            self.write(numbers)
        except OSError:
            return False
        return True


def _samples(one: WorkerNumbers, name: str) -> Iterable[Sample]:
    return (sample for family in one.families if family.name == name for sample in family.samples)


_DECODER = msgspec.json.Decoder(WorkerNumbers)
