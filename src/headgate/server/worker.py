"""The application of one worker: the features and their HTTP server."""

from __future__ import annotations

import asyncio
import importlib.resources
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headgate.admin.background import BACKGROUND
from headgate.admin.file_search import FILE_SEARCHES
from headgate.admin.requests import Host
from headgate.admin.threads import CONVERSATIONS, THREADS
from headgate.admin.turns import Turns
from headgate.admin.verbs import VERBS
from headgate.admin.wire_calls import ASKED_BY, WireCalls
from headgate.assembly import Worker, worker
from headgate.finops.parts import FinOps
from headgate.gateway.parts import Gateway
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Recorder
from headgate.ledger.parts import Ledger
from headgate.ledger.quarantine import Quarantine
from headgate.policy.parts import Policy
from headgate.server.api.callers import as_of_now, caller_of_session
from headgate.server.api.downloads import download
from headgate.server.api.event_streams import event_stream
from headgate.server.api.host import OPERATIONS
from headgate.server.api.parts import ServerParts
from headgate.server.api.router import AdminApi, Hosted
from headgate.server.app import Application, ApplicationParts
from headgate.server.background_answers import BackgroundAnswers
from headgate.server.call_metrics import MeasuringRecorder
from headgate.server.data_plane import DataPlane, DataPlaneParts
from headgate.server.exporting import exporting
from headgate.server.feature_paths import FeaturePaths
from headgate.server.health import (
    Counts,
    DatabaseWatch,
    Health,
    HealthParts,
    LogState,
    LogWatch,
    ModelState,
    ModelWatch,
)
from headgate.server.hosts import HostRule
from headgate.server.kept_answers import KeptAnswers
from headgate.server.kept_conversations import KeptConversations
from headgate.server.metrics import DeploymentState, SharedMetrics
from headgate.server.metrics_access import MetricsReaders
from headgate.server.refusals import RefusalLimit, Refusals
from headgate.server.static_files import StaticFiles
from headgate.server.streams import OpenStreams
from headgate.server.tracing import TracingRecorder
from headgate.server.use_watch import UseWatch
from headgate.substrate.background_jobs import keep_running
from headgate.substrate.settings import Settings
from headgate.substrate.telemetry import SpanExporter

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServerState:
    """The parts of a worker's application besides the features."""

    streams: OpenStreams
    counts: Counts
    console: StaticFiles
    model_state: Callable[[], ModelState]
    is_database_up: Callable[[], bool]
    logs: Callable[[], Mapping[TenantId, LogState]]
    uses: UseWatch


@asynccontextmanager
async def application(settings: Settings, *, model_port: int | None, name: str) -> AsyncGenerator[Application]:
    """Build the application of one worker, and close it after the block.

    Args:
        name: of the worker in the metrics. It survives a restart of the worker, so that its series go on.
    """
    counts = Counts()
    endpoint, exporter = settings.otlp_endpoint, SpanExporter(service="headgate", instance=str(os.getpid()))

    def watch(recorder: Recorder) -> Recorder:
        measuring = MeasuringRecorder(recorder, counts.calls)
        return measuring if endpoint is None else TracingRecorder(measuring, exporter)

    async with worker(settings, model_port=model_port, watch=watch) as built:
        streams = OpenStreams(built.base.clock)
        model = ModelWatch(built.platform.egress, port=model_port)
        database = DatabaseWatch(built.platform.database, built.base.clock)
        console = StaticFiles(importlib.resources.files("headgate.server") / "static")
        logs = LogWatch(built.service(Ledger).reader, built.platform.tenants)
        uses = use_watch(built)
        state = ServerState(streams, counts, console, model.state, database.is_up, lambda: logs.states, uses)
        health = health_of(built, state, name=name)
        jobs: dict[str, Job] = {
            "streams": streams.sweep_forever,
            "model": model.run_forever,
            "database": database.run_forever,
            "logs": logs.run_forever,
            "uses": uses.run_forever,
            "metrics": health.publish_forever,
        }
        if endpoint is not None:
            send = exporting(built.pipeline, built.platform.job_action, endpoint=endpoint)
            jobs["telemetry"] = lambda: exporter.run_forever(send)
        app = application_of(built, state, health)
        jobs["background answers"] = app.background.run_forever
        async with _running(jobs):
            yield app


def application_of(worker: Worker, state: ServerState, health: Health) -> Application:
    """Build the application from its parts."""
    settings = worker.base.settings
    refusals = Refusals(worker.pipeline, worker.service(Policy).holder, RefusalLimit(worker.base.clock))
    return Application(
        ApplicationParts(
            hosts=HostRule(port=settings.port, names=settings.hosts, origins=settings.origins),
            data_plane=_data_plane(worker, state.streams, refusals),
            admin=_admin_api(worker, state, health, refusals),
            console=state.console,
            health=health,
            counts=state.counts,
            refusals=refusals,
            observers=_observers(worker),
        )
    )


def _data_plane(worker: Worker, streams: OpenStreams, refusals: Refusals) -> DataPlane:
    gateway, base, offers = worker.service(Gateway), worker.base, worker.platform.offers
    threads, conversations, background = offers.ask(THREADS), offers.ask(CONVERSATIONS), offers.ask(BACKGROUND)
    turns = Turns(threads, conversations, gateway.dialects, base.ids)
    return DataPlane(
        DataPlaneParts(
            pipeline=worker.pipeline,
            holder=worker.service(Policy).holder,
            catalogues=gateway.catalogues,
            providers=gateway.providers,
            dialects=gateway.dialects,
            streams=streams,
            clock=base.clock,
            ids=base.ids,
            refusals=refusals,
            saw=worker.sessions.saw,
            kept=KeptAnswers(worker.pipeline, threads, turns, background=background, dialects=gateway.dialects),
            background=BackgroundAnswers(worker.pipeline, turns, background, base.clock),
            conversations=KeptConversations(
                worker.pipeline, conversations, gateway.dialects, clock=base.clock, ids=base.ids
            ),
            calls=WireCalls(
                dialects=gateway.dialects,
                asked_by=offers.ask(ASKED_BY),
                turns=turns,
                searches=lambda: offers.find(FILE_SEARCHES),
            ),
            operations=FeaturePaths(
                [(one.wire_operations, worker.opened[one.name].service) for one in worker.features]
            ),
        )
    )


def _observers(worker: Worker) -> MetricsReaders:
    settings = worker.base.settings
    return MetricsReaders(
        settings.metrics,
        is_behind_proxy=settings.trusted_proxy,
        holder=worker.service(Policy).holder,
        gate=worker.gate,
        clock=worker.base.clock,
    )


def _admin_api(worker: Worker, state: ServerState, health: Health, refusals: Refusals) -> AdminApi:
    parts = _server_parts(worker, state, health, refusals)
    host = Host(
        pipeline=worker.pipeline,
        gate=worker.gate,
        administration=worker.platform.administration,
        check=worker.check,
        changed=worker.refresh,
        events=lambda request: event_stream(request, streams=state.streams, clock=worker.base.clock),
        download=download,
        as_of_now=lambda request: as_of_now(parts, request),
        caller_of=lambda tenant, principal: caller_of_session(parts.policy.holder.current, tenant, principal, {}),
        refusals=refusals,
    )
    of_features = [Hosted(one.operations, worker.opened[one.name].service) for one in worker.features]
    return AdminApi(parts, host, [Hosted(OPERATIONS, parts), *of_features])


def _server_parts(worker: Worker, state: ServerState, health: Health, refusals: Refusals) -> ServerParts:
    base = worker.base
    return ServerParts(
        policy=worker.service(Policy),
        catalogues=worker.service(Gateway).catalogues,
        sightings=worker.service(Gateway).sightings,
        records=worker.service(Ledger).reader,
        database=worker.platform.database,
        sections=worker.sections,
        warnings=worker.warnings,
        why_unset=worker.platform.secrets.why_unset,
        verbs=[
            *(("server", verb) for verb in VERBS),
            *((one.name, verb) for one in worker.features for verb in one.verbs),
        ],
        sessions=worker.sessions,
        refusals=refusals,
        model_state=state.model_state,
        health=health,
        clock=base.clock,
        directory=worker.platform.directory,
        is_secure=base.settings.tls_certificate is not None or base.settings.trusted_proxy,
    )


def health_of(worker: Worker, state: ServerState, *, name: str) -> Health:
    """Return the health checks of this worker, and let its metrics know the names of the configuration."""
    settings, clock = worker.base.settings, worker.base.clock
    state.counts.calls.is_known = lambda kind, tenant, name: _is_known(worker, kind, TenantId(tenant), name)
    journal, admitter = worker.service(Ledger).journal, worker.service(Gateway).admitter
    return Health(
        HealthParts(
            worker=name,
            pid=os.getpid(),
            counts=state.counts,
            holder=worker.service(Policy).holder,
            is_database_up=state.is_database_up,
            counts_limits=lambda: admitter.is_store_up,
            streams=state.streams,
            backlog_bytes=lambda: journal.backlog_bytes,
            backlog_limit_bytes=settings.journal_backlog_mib << 20,
            is_journal_sound=lambda: journal.is_sound,
            left_out=lambda: worker.left_out,
            set_aside=Quarantine(settings.journal_folder).count,
            model_state=state.model_state,
            clock=clock,
            board=SharedMetrics(settings.metrics_folder, worker=name, clock=clock),
            logs=state.logs,
            deployments=lambda: _deployments(worker),
            uses=state.uses.families,
        )
    )


def use_watch(worker: Worker) -> UseWatch:
    """Return the watch of budgets and batches, for metrics."""
    return UseWatch(worker.service(FinOps), worker.platform.database, worker.platform.tenants)


def _is_known(worker: Worker, kind: str, tenant: TenantId, name: str) -> bool:
    match kind:
        case "alias":
            return name in worker.service(Gateway).catalogues(tenant).aliases
        case "deployment":
            return name in worker.service(Gateway).catalogues(tenant).deployments
        case _:
            known = worker.service(Policy).holder.current.tenants.get(tenant)
            return known is not None and name in known.use_cases


def _deployments(worker: Worker) -> list[DeploymentState]:
    """Return the last known health of every tenant's deployments."""
    gateway = worker.service(Gateway)
    found: list[DeploymentState] = []
    for tenant in worker.platform.tenants():
        for deployment in gateway.catalogues(tenant).deployments.values():
            seen = gateway.board.seen(deployment.id, tenant=tenant)
            state, is_unhealthy = seen.state(worker.base.clock.now()), seen.unhealthy_since is not None
            found.append(DeploymentState(tenant, deployment.id, state, is_unhealthy))
    return found


@asynccontextmanager
async def _running(jobs: Mapping[str, Job]) -> AsyncGenerator[None]:
    """Run jobs until the block ends; an error in a job ends neither the job nor the worker."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keep_running(name, job)) for name, job in jobs.items()]
        yield
        for task in tasks:
            task.cancel()
