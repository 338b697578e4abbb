"""The state of the installation on one page, for operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from headgate import __version__
from headgate.admin.bodies import Body
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.ledger.verbs import RECORD_LIST
from headgate.policy import approvals
from headgate.server.api.parts import ServerParts
from headgate.server.metrics import DeploymentHealth, DeploymentState, WorkerNumbers

_WORST: tuple[DeploymentHealth, ...] = ("cooling_down", "failing")
_MOST_APPROVALS = 100


class WorkerView(Body, frozen=True, kw_only=True):
    """One worker process."""

    name: str
    pid: int
    backlog_bytes: int


class DeploymentStatus(Body, frozen=True, kw_only=True):
    """A deployment with its health; `reason` is of its last failure."""

    id: str
    provider: str
    model: str
    state: DeploymentHealth
    failed_at: datetime | None
    reason: str


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
    deployments = [
        _deployment_view(one.id, one.provider, one.model, _states(workers, tenant, one.id))
        for one in parts.catalogues(tenant).deployments.values()
    ]
    return Status(
        version=__version__,
        address=f"{'https' if parts.is_secure else 'http'}://{request.headers['host']}",
        ready=state.is_ready,
        degraded=[*state.degraded, *(f"deployment {one.id}" for one in deployments if one.state != "ok")],
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


def _states(workers: Iterable[WorkerNumbers], tenant: str, deployment: str) -> list[DeploymentState]:
    return [
        one
        for worker in workers
        for one in worker.deployments
        if (one.tenant, one.id) == (tenant, deployment) and one.state != "ok"
    ]


def _deployment_view(name: str, provider: str, model: str, troubles: Sequence[DeploymentState]) -> DeploymentStatus:
    """Return a deployment with the worst state that a worker sees, and its newest failure."""
    states = {one.state for one in troubles}
    troubled: list[DeploymentHealth] = [state for state in _WORST if state in states]
    newest = max(troubles, key=lambda one: one.failed_at or 0.0, default=None)
    failed_at = None if newest is None or newest.failed_at is None else datetime.fromtimestamp(newest.failed_at, UTC)
    return DeploymentStatus(
        id=name,
        provider=provider,
        model=model,
        state=troubled[0] if troubled else "ok",
        failed_at=failed_at,
        reason="" if newest is None else newest.reason,
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
