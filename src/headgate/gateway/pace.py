"""The pace of deployments in this worker: calls in flight, and the time to the first content."""

from __future__ import annotations

from typing import NamedTuple

from headgate.gateway.routing import Configuration, configuration
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.wire.model_call import Deployment

_WEIGHT = 0.2
"""The weight of the newest measurement in the moving average."""
_FRESH_S = 300.0
"""A measurement older than this is measured again."""
_MOST_KNOWN = 4096


class _Measured(NamedTuple):
    seconds: float
    at_s: float


class Pace:
    """Counts and measures the calls of one worker, apart for each tenant and configuration."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._in_flight: dict[Configuration, int] = {}
        self._measured: dict[tuple[Configuration, bool], _Measured] = {}

    def began(self, deployment: Deployment, *, tenant: TenantId) -> None:
        """Count an attempt in flight."""
        key = configuration(deployment, tenant)
        self._in_flight[key] = self._in_flight.get(key, 0) + 1

    def ended(self, deployment: Deployment, *, tenant: TenantId) -> None:
        """Count an attempt out. Each `began` has one `ended`."""
        key = configuration(deployment, tenant)
        left = self._in_flight.get(key, 0) - 1
        if left > 0:
            self._in_flight[key] = left
        else:
            self._in_flight.pop(key, None)

    def answered(self, deployment: Deployment, *, tenant: TenantId, streams: bool, seconds: float) -> None:
        """Note the time to the first content of a stream, or to a whole answer."""
        key = (configuration(deployment, tenant), streams)
        before = self._measured.pop(key, None)
        average = seconds if before is None else before.seconds + _WEIGHT * (seconds - before.seconds)
        if len(self._measured) >= _MOST_KNOWN:
            del self._measured[next(iter(self._measured))]  # the one that was measured longest ago
        self._measured[key] = _Measured(average, self._clock.monotonic())

    def in_flight(self, deployment: Deployment, *, tenant: TenantId) -> int:
        """Return the number of attempts in flight."""
        return self._in_flight.get(configuration(deployment, tenant), 0)

    def seconds(self, deployment: Deployment, *, tenant: TenantId, streams: bool) -> float | None:
        """Return the usual time to an answer; None if it is unknown or old."""
        found = self._measured.get((configuration(deployment, tenant), streams))
        if found is None or self._clock.monotonic() - found.at_s > _FRESH_S:
            return None
        return found.seconds
