"""The board: the last known health of every deployment, shared by all workers through PostgreSQL.

Routing uses each worker's own `Health`. The board is for people, `headgate status` and metrics: it says when a
deployment answered last, and why it failed last.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from headgate.gateway.reasons import reason_of
from headgate.kernel.errors import HeadgateError, Unavailable, Upstream
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.substrate.database import Database, load_queries
from headgate.wire.model_call import Deployment

_QUERIES = load_queries("headgate.gateway")
_FLUSH_S: Final = 1.0
_LOOK_FLUSHES: Final = 5
"""A worker reads what all workers noted at every so many flushes, for the metrics."""
_AGAIN: Final = timedelta(seconds=15)
"""A deployment that answers all the time is noted this often, so that its answers outlast a failure in one worker."""
_FRESH: Final = timedelta(minutes=10)
"""A failure counts for this time, unless the deployment answers before."""
_MOST_KNOWN: Final = 10_000
_CALLERS_OWN: Final = frozenset({400, 409, 413, 422})
"""Provider statuses that are about one request, and so say that the deployment works."""

State = Literal["ok", "cooling_down", "failing", "unknown"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A deployment's last answer and last failure; None where it had none."""

    answered_at: datetime | None = None
    failed_at: datetime | None = None
    rests_until: datetime | None = None
    why: str = ""
    advice: str = ""
    unhealthy_since: datetime | None = None
    """Since when calls skip it, if they do."""

    def state(self, now: datetime) -> State:
        """Return the state at a time."""
        if self.failed_at is None or (self.answered_at is not None and self.answered_at > self.failed_at):
            return "unknown" if self.answered_at is None else "ok"
        if self.rests_until is not None and self.rests_until > now:
            return "cooling_down"
        return "failing" if now - self.failed_at < _FRESH else "unknown"


NEVER_SEEN: Final = Sighting()


@dataclass(frozen=True, slots=True)
class _Row:
    deployment: str
    configuration: str
    answered_at: datetime | None
    failed_at: datetime | None
    rests_until: datetime | None
    why: str
    advice: str
    unhealthy_since: datetime | None


class Board:
    """Collects what happened to deployments, and writes it once a second.

    Args:
        cooldown_s: how long routing tries a failed deployment last.
    """

    def __init__(self, database: Database, clock: Clock, *, cooldown_s: float = 20.0) -> None:
        self._database = database
        self._clock = clock
        self._cooldown_s = cooldown_s
        self._pending: dict[tuple[TenantId, str], tuple[Deployment, Sighting]] = {}
        self._answered: dict[tuple[TenantId, Deployment], datetime] = {}
        self._seen: Mapping[TenantId, Mapping[str, Sighting]] = {}

    def answered(self, deployment: Deployment, *, tenant: TenantId) -> None:
        """Note an answer."""
        now, key = self._clock.now(), (tenant, deployment)
        last = self._answered.get(key)
        if last is not None and now - last < _AGAIN:
            return
        if len(self._answered) >= _MOST_KNOWN:
            self._answered.clear()
        self._answered[key] = now
        self._pending[tenant, deployment.id] = (deployment, Sighting(answered_at=now))

    def failed(self, deployment: Deployment, error: HeadgateError, *, tenant: TenantId) -> None:
        """Note a failure that the deployment or its configuration caused."""
        if isinstance(error, Upstream) and error.upstream_status in _CALLERS_OWN:
            self.answered(deployment, tenant=tenant)
            return
        now = self._clock.now()
        self._answered.pop((tenant, deployment), None)
        rest_s = min(error.retry_after_s if error.retry_after_s is not None else self._cooldown_s, 300.0)
        reason = reason_of(error, deployment)
        sighting = Sighting(None, now, now + timedelta(seconds=rest_s), reason.why, reason.advice)
        pending = self._pending.get((tenant, deployment.id))
        if pending is not None and pending[0] == deployment and pending[1].unhealthy_since is not None:
            sighting = replace(sighting, unhealthy_since=pending[1].unhealthy_since, rests_until=pending[1].rests_until)
        self._pending[tenant, deployment.id] = (deployment, sighting)

    def opened(self, deployment: Deployment, tenant: TenantId, since: datetime, until: datetime) -> None:
        """Note that calls skip the deployment for some time."""
        pending = self._pending.get((tenant, deployment.id))
        failed = Sighting(failed_at=self._clock.now()) if pending is None else pending[1]
        sighting = replace(failed, unhealthy_since=since, rests_until=until)
        self._pending[tenant, deployment.id] = (deployment, sighting)

    async def run_forever(self, declared: Callable[[], Mapping[TenantId, Mapping[str, Deployment]]]) -> None:
        """Write this worker's notes once a second, and read those of all workers, until cancelled.

        Args:
            declared: returns the deployments of each tenant.
        """
        while True:
            for _ in range(_LOOK_FLUSHES):
                await asyncio.sleep(_FLUSH_S)
                await self.flush()
            with suppress(Unavailable):
                for tenant, deployments in declared().items():
                    await self.sightings(deployments, tenant=tenant)

    def seen(self, deployment: str, *, tenant: TenantId) -> Sighting:
        """Return a deployment's sighting as of the last look."""
        return self._seen.get(tenant, {}).get(deployment, NEVER_SEEN)

    async def flush(self) -> None:
        """Write what was noted since the last time; nothing while the database is away."""
        pending, self._pending = self._pending, {}
        for (tenant, name), (deployment, sighting) in pending.items():
            values = {
                "tenant": tenant,
                "deployment": name,
                "configuration": _configuration(deployment),
                "answered_at": sighting.answered_at,
                "failed_at": sighting.failed_at,
                "rests_until": sighting.rests_until,
                "why": sighting.why,
                "advice": sighting.advice,
                "unhealthy_since": sighting.unhealthy_since,
            }
            try:
                async with self._database.transaction(tenant=tenant) as tx:
                    await tx.execute(_QUERIES["put_sighting"], values)
            except Unavailable:
                return

    async def sightings(self, deployments: Mapping[str, Deployment], *, tenant: TenantId) -> Mapping[str, Sighting]:
        """Return the sightings of these deployments as they are configured now; one round trip."""
        await self.flush()
        async with self._database.transaction(tenant=tenant) as tx:
            rows = await tx.rows(_QUERIES["sightings"], {"tenant": tenant}, of=_Row)
        found = {
            row.deployment: Sighting(
                row.answered_at, row.failed_at, row.rests_until, row.why, row.advice, row.unhealthy_since
            )
            for row in rows
            if (one := deployments.get(row.deployment)) is not None and row.configuration == _configuration(one)
        }
        self._seen = {**self._seen, tenant: found}
        return found


def _configuration(deployment: Deployment) -> str:
    """Return a digest of what decides whether calls arrive, so that a corrected deployment starts anew."""
    parts = [deployment.provider, deployment.model, deployment.base_url or "", deployment.key or ""]
    parts += [part for option in deployment.options for part in option]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
