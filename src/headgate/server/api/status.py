"""The state of the installation on one page, for operators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from headgate import __version__
from headgate.admin.bodies import Body
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.gateway.board import NEVER_SEEN, Sighting
from headgate.kernel.action import Resource
from headgate.ledger.verbs import RECORD_LIST
from headgate.policy import approvals
from headgate.server.api.parts import ServerParts
from headgate.server.metrics import DeploymentHealth, WorkerNumbers
from headgate.wire.model_call import Deployment

_FAULTY = ("cooling_down", "failing")
_MOST_APPROVALS = 100


class WorkerView(Body, frozen=True, kw_only=True):
    """One worker process."""

    name: str
    pid: int
    backlog_bytes: int


class DeploymentStatus(Body, frozen=True, kw_only=True):
    """A deployment with its last known health, as the page Models has it.

    `reason` is of its last failure. `warning` is why its calls will fail, known before the first one.
    """

    id: str
    provider: str
    model: str
    state: DeploymentHealth
    answered_at: datetime | None
    failed_at: datetime | None
    unhealthy_since: datetime | None
    reason: str
    warning: str


class LogView(Body, frozen=True, kw_only=True):
    """The log: its entries, the time of its last checkpoint, and how far it is behind the newest record."""

    size: int
    updated_at: datetime | None
    lag_s: float


class RecentCalls(Body, frozen=True, kw_only=True):
    """The numbers of model calls within the last `seconds`."""

    seconds: float
    calls: int
    failed: int
    refused: int


class Status(Body, frozen=True, kw_only=True):
    """The state of the installation. `degraded` names what does not work; empty if all is well."""

    version: str
    address: str
    ready: bool
    degraded: list[str]
    database: bool
    embedded_model: Literal["ready", "loading", "absent"]
    workers: list[WorkerView]
    backlog_bytes: int
    log: LogView
    deployments: list[DeploymentStatus]
    approvals: int
    recent: RecentCalls
    left_out: list[str]
    records_set_aside: int


async def get_status(parts: ServerParts, request: Request) -> Status:
    """Show the state of the installation to whoever may list records."""
    tenant = request.tenant
    request.authorise(RECORD_LIST, Resource("ledger", tenant))
    workers = await parts.health.workers()
    state = parts.health.state()
    log = parts.health.log_of(tenant)
    sightings, now = await parts.sightings(tenant), parts.clock.now()
    deployments = [
        _deployment_view(parts, one, sightings.get(one.id, NEVER_SEEN), now)
        for one in parts.catalogues(tenant).deployments.values()
    ]
    return Status(
        version=__version__,
        address=f"{'https' if parts.is_secure else 'http'}://{request.headers['host']}",
        ready=state.is_ready,
        degraded=[*state.degraded, *(f"deployment {one.id}" for one in deployments if one.state in _FAULTY)],
        database=state.database,
        embedded_model=state.embedded_model,
        workers=[WorkerView(name=one.worker, pid=one.pid, backlog_bytes=one.backlog_bytes) for one in workers],
        backlog_bytes=sum(one.backlog_bytes for one in workers),
        log=LogView(size=log.size, updated_at=log.updated_at, lag_s=log.lag_s),
        deployments=deployments,
        approvals=await _waiting(parts, request) if state.database else 0,
        recent=_recent(workers),
        left_out=[one for one in state.left_out if one.startswith(f"{tenant}: ")],
        records_set_aside=state.records_set_aside,
    )


async def _waiting(parts: ServerParts, request: Request) -> int:
    """Return the number of requests that wait for approval, at most a hundred."""
    async with parts.database.transaction(tenant=request.tenant) as tx:
        found = await approvals.waiting(tx, tenant=request.tenant, now=parts.clock.now(), limit=_MOST_APPROVALS)
    return len(found)


def _deployment_view(parts: ServerParts, deployment: Deployment, seen: Sighting, now: datetime) -> DeploymentStatus:
    return DeploymentStatus(
        id=deployment.id,
        provider=deployment.provider,
        model=deployment.model,
        state=seen.state(now),
        answered_at=seen.answered_at,
        failed_at=seen.failed_at,
        unhealthy_since=seen.unhealthy_since,
        reason=seen.why,
        warning=parts.why_unset(deployment.key or "") or "",
    )


def _recent(workers: Sequence[WorkerNumbers]) -> RecentCalls:
    recent = [one.recent for one in workers]
    return RecentCalls(
        seconds=max(one.seconds for one in recent),
        calls=sum(one.calls for one in recent),
        failed=sum(one.failed for one in recent),
        refused=sum(one.refused for one in recent),
    )


OPERATIONS = (
    Operation(
        "getStatus", "GET", "/api/status", "The state of the installation.", get_status, answer=Status, verb=RECORD_LIST
    ),
)
