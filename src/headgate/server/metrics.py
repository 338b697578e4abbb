"""Metrics of all workers in one scrape.

Workers share one listening socket, so a scrape reaches any of them. Each worker writes its metrics to its own file
once a second. The scraped worker first writes its file, then reads those of all workers, so that counters never go
back from one scrape to the next. A file that is some seconds old belongs to a worker that ended. See
docs/decisions/0023-metrics.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from headgate.kernel.ports import Clock

log = structlog.get_logger(__name__)

_EVERY_S = 1.0
LASTS_S = 5.0
"""A worker counts as live for this time after it wrote its metrics."""
_FORGOTTEN_S = 60.0
_SUFFIX = ".metrics"

TENANT = "tenant"
"""The label of metrics that belong to one tenant."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One value, or the sum of a histogram with its counts by bucket, the last one above all bounds."""

    labels: tuple[str, ...]
    value: float
    counts: tuple[int, ...] = ()


class Family(msgspec.Struct, frozen=True):
    """The samples of one metric, with the names of their labels. A counter's name has no `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...]
    samples: list[Sample]
    bounds: tuple[float, ...] = ()


DeploymentHealth = Literal["ok", "failing", "cooling_down", "unknown"]


class DeploymentState(msgspec.Struct, frozen=True):
    """The health of a deployment as the board of all workers has it."""

    tenant: str
    id: str
    state: DeploymentHealth
    is_unhealthy: bool = False
    """Whether calls skip it."""


class Recent(msgspec.Struct, frozen=True):
    """Numbers of calls within the last `seconds`."""

    seconds: float
    calls: int
    failed: int
    refused: int


class WorkerNumbers(msgspec.Struct, frozen=True):
    """The metrics of one worker, and its part of `headgate status`."""

    worker: str
    pid: int
    families: list[Family]
    backlog_bytes: int = 0
    recent: Recent = Recent(0, 0, 0, 0)


class Rendered(NamedTuple):
    """A scrape in the format that the scraper accepts."""

    body: bytes
    kind: str


def render(workers: Sequence[WorkerNumbers], *, accept: str = "", tenant: str | None = None) -> Rendered:
    """Render the metrics of several workers as OpenMetrics or Prometheus text.

    Args:
        accept: the scraper's `Accept` header.
        tenant: leaves out metrics of other tenants; None includes all.
    """
    encode, kind = choose_encoder(accept)
    return Rendered(encode(_Collected(workers, tenant)), kind)


class _Collected(Collector):
    """The workers' metrics as prometheus-client encodes them."""

    def __init__(self, workers: Sequence[WorkerNumbers], tenant: str | None) -> None:
        self._workers = workers
        self._tenant = tenant

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with the samples of every worker, grouped as the formats require."""
        first = {family.name: family for one in self._workers for family in one.families}
        for family in first.values():
            labels = ("worker", *family.labels)
            metric = _METRICS[family.kind](family.name, family.help, labels=labels)
            for one in self._workers:
                for sample in self._of(one, family.name):
                    _add(metric, (one.worker, *sample.labels), sample, family.bounds)
            yield metric

    def _of(self, one: WorkerNumbers, name: str) -> Iterator[Sample]:
        for family in one.families:
            if family.name == name:
                place = family.labels.index(TENANT) if self._tenant and TENANT in family.labels else None
                for sample in family.samples:
                    if place is None or sample.labels[place] == self._tenant:
                        yield sample


_METRICS = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}


def _add(metric: Metric, labels: tuple[str, ...], sample: Sample, bounds: Sequence[float]) -> None:
    match metric:
        case HistogramMetricFamily():
            names = [*map(str, bounds), "+Inf"]
            buckets = list(zip(names, accumulate(sample.counts), strict=True))
            metric.add_metric(labels, buckets=buckets, sum_value=sample.value)
        case CounterMetricFamily() | GaugeMetricFamily():
            metric.add_metric(labels, sample.value)
        case _:
            raise TypeError(f"{metric.name} is of a kind that is not exported")


class SharedMetrics:
    """Exchanges metrics between workers through a folder with one file for each worker.

    Args:
        folder: shared by the workers of one installation; created here.
        worker: name of this worker and of its file.
    """

    def __init__(self, folder: Path, *, worker: str, clock: Clock) -> None:
        self._folder = folder
        self._own = folder / f"{worker}{_SUFFIX}"
        self._clock = clock
        self._turn = asyncio.Lock()
        self._was_written = True

    def write(self, numbers: WorkerNumbers) -> None:
        """Write our metrics atomically. Blocks while it writes a small file."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fresh = self._own.with_suffix(".new")
        fresh.write_bytes(msgspec.msgpack.encode(numbers))
        fresh.replace(self._own)

    def withdraw(self) -> None:
        """Remove our file at the end."""
        with suppress(OSError):
            self._own.unlink()

    def living(self) -> list[WorkerNumbers]:
        """Return the metrics of live workers by name, and delete the files of workers that ended. Blocks."""
        found: list[WorkerNumbers] = []
        now_s = self._clock.now().timestamp()
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
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


_DECODER = msgspec.msgpack.Decoder(WorkerNumbers)  # JSON has no infinity
