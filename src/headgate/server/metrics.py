"""Metrics of all workers in one scrape.

Workers share one listening socket, so a scrape reaches any of them. Each worker writes its metrics to its own file
once a second. The scraped worker first writes its file, then reads those of all workers, so that counters never go
back from one scrape to the next. A file that is some seconds old belongs to a worker that ended.
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
"""A worker counts as live for this time after it wrote its metrics."""
_FORGOTTEN_S = 60.0


class Sample(msgspec.Struct, frozen=True):
    """One value; `labels` follow the label of the worker, such as `,outcome="done"`."""

    labels: str
    value: str


class Family(msgspec.Struct, frozen=True):
    """The samples of one metric."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


class WorkerNumbers(msgspec.Struct, frozen=True):
    """The metrics of one worker."""

    worker: str
    families: list[Family]


def number(value: float) -> str:
    """Format a number for Prometheus."""
    return "+Inf" if value == float("inf") else f"{value:g}" if isinstance(value, float) else str(value)


def render(workers: Sequence[WorkerNumbers]) -> Iterator[str]:
    """Render the metrics of several workers, grouped by name as the format requires."""
    families = {family.name: family for one in workers for family in one.families}
    for name, family in families.items():
        yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
        for one in workers:
            for sample in _samples(one, name):
                yield f'{name}{{worker="{one.worker}"{sample.labels}}} {sample.value}\n'


class SharedMetrics:
    """Exchanges metrics between workers through a folder with one file for each worker.

    Args:
        folder: shared by the workers of one installation; created here.
        worker: name of this worker and of its file.
    """

    def __init__(self, folder: Path, *, worker: str, clock: Clock) -> None:
        self._folder = folder
        self._own = folder / f"{worker}.json"
        self._clock = clock
        self._turn = asyncio.Lock()
        self._was_written = True

    def write(self, numbers: WorkerNumbers) -> None:
        """Write our metrics atomically. Blocks while it writes a small file."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fresh = self._own.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(numbers))
        fresh.replace(self._own)

    def withdraw(self) -> None:
        """Remove our file at the end."""
        with suppress(OSError):
            self._own.unlink()

    def living(self) -> list[WorkerNumbers]:
        """Return the metrics of live workers by name, and delete the files of workers that ended. Blocks."""
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
        """Write our current metrics; a folder that cannot be written is logged once."""
        async with self._turn:  # so that no older metrics overwrite newer ones
            is_written = await asyncio.to_thread(self._try, numbers())
        if self._was_written and not is_written:
            log.warning("metrics_not_written", folder=str(self._folder))
        self._was_written = is_written

    async def leave_forever(self, numbers: Callable[[], WorkerNumbers]) -> None:
        """Write our metrics once a second until cancelled."""
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
