"""One worker's application: the parts that assembly gives, and what answers with them."""

from __future__ import annotations

import asyncio
import importlib.resources
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headgate.assembly import Worker, worker
from headgate.kernel.administration import COMMANDS
from headgate.kernel.ports import Recorder
from headgate.ledger.set_aside import SetAside
from headgate.server.administration import CommandPerformer, Gate
from headgate.server.api.live import LiveRecords
from headgate.server.api.parts import AdminParts
from headgate.server.api.router import AdminApi
from headgate.server.app import Application, ApplicationParts
from headgate.server.data_plane import DataPlane, DataPlaneParts
from headgate.server.exporting import exporting
from headgate.server.health import CountingRecorder, Counts, DatabaseWatch, Health, HealthParts, ModelState, ModelWatch
from headgate.server.hosts import HostRule
from headgate.server.metrics import Board
from headgate.server.observers import Observers
from headgate.server.refusals import RefusalLimit, Refusals
from headgate.server.sessions import Attempts, Sessions
from headgate.server.static_files import StaticFiles
from headgate.server.streams import OpenStreams
from headgate.server.tracing import TracingRecorder
from headgate.substrate.kept_jobs import kept
from headgate.substrate.settings import Settings
from headgate.substrate.telemetry import SpanExporter

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Beside:
    """What a worker's application has beside the parts of assembly."""

    streams: OpenStreams
    live: LiveRecords
    counts: Counts
    console: StaticFiles
    model_state: Callable[[], ModelState]
    is_database_up: Callable[[], bool]


@asynccontextmanager
async def application(settings: Settings, *, model_port: int | None) -> AsyncGenerator[Application]:
    """Build the application of one worker and take it down again."""
    commands, counts = CommandPerformer(), Counts()
    performers = {verb.name: commands for verb in COMMANDS}
    endpoint, exporter = settings.otlp_endpoint, SpanExporter(service="headgate", instance=str(os.getpid()))

    def watch(recorder: Recorder) -> Recorder:
        counting = CountingRecorder(recorder, counts)
        return counting if endpoint is None else TracingRecorder(counting, exporter)

    async with worker(settings, model_port=model_port, performers=performers, watch=watch) as parts:
        streams, live = OpenStreams(parts.base.clock), LiveRecords(parts.reader)
        model = ModelWatch(parts.egress, port=model_port)
        database = DatabaseWatch(parts.database, parts.base.clock)
        console = StaticFiles(importlib.resources.files("headgate.server") / "static")
        beside = Beside(streams, live, counts, console, model.state, database.is_up)
        health = health_of(parts, beside)
        jobs: dict[str, Job] = {
            "streams": streams.sweep_forever,
            "live records": live.run_forever,
            "model": model.run_forever,
            "database": database.run_forever,
            "metrics": health.publish_forever,
        }
        if endpoint is not None:
            send = exporting(parts.pipeline, parts.holder, endpoint=endpoint)
            jobs["telemetry"] = lambda: exporter.run_forever(send)
        async with _running(jobs):
            yield application_of(parts, beside, health)


def application_of(parts: Worker, beside: Beside, health: Health) -> Application:
    """Put the application together."""
    settings = parts.base.settings
    refusals = Refusals(parts.pipeline, parts.holder, RefusalLimit(parts.base.clock))
    return Application(
        ApplicationParts(
            hosts=HostRule(port=settings.port, names=settings.hosts, origins=settings.origins),
            data_plane=_data_plane(parts, beside.streams, refusals),
            admin=AdminApi(_admin_parts(parts, beside, refusals)),
            console=beside.console,
            health=health,
            counts=beside.counts,
            refusals=refusals,
            observers=_observers(parts),
        )
    )


def _data_plane(parts: Worker, streams: OpenStreams, refusals: Refusals) -> DataPlane:
    return DataPlane(
        DataPlaneParts(
            pipeline=parts.pipeline,
            holder=parts.holder,
            catalogues=parts.library.catalogue,
            providers=parts.providers,
            dialects=parts.dialects,
            streams=streams,
            clock=parts.base.clock,
            ids=parts.base.ids,
            refusals=refusals,
        )
    )


def _observers(parts: Worker) -> Observers:
    settings, stages = parts.base.settings, parts.stages
    return Observers(
        settings.metrics,
        is_behind_proxy=settings.trusted_proxy,
        holder=parts.holder,
        gate=Gate(stages.labeller, stages.decider),
        clock=parts.base.clock,
    )


def _admin_parts(parts: Worker, beside: Beside, refusals: Refusals) -> AdminParts:
    base, stages = parts.base, parts.stages
    return AdminParts(
        pipeline=parts.pipeline,
        labeller=stages.labeller,
        decider=stages.decider,
        transformer=stages.transformer,
        holder=parts.holder,
        policy=parts.service,
        catalogues=parts.library.catalogue,
        providers=parts.providers,
        dialects=parts.dialects,
        database=parts.database,
        admin_database=parts.administration,
        sections=parts.sections,
        records=parts.reader,
        live=beside.live,
        ledger=base.settings.ledger_folder,
        sessions=Sessions(clock=base.clock, ids=base.ids),
        attempts=Attempts(base.clock),
        refusals=refusals,
        streams=beside.streams,
        changed=parts.refresh,
        model_state=beside.model_state,
        clock=base.clock,
        is_secure=base.settings.tls_certificate is not None or base.settings.trusted_proxy,
    )


def health_of(parts: Worker, beside: Beside) -> Health:
    """Return what answers about this worker."""
    settings, clock, name = parts.base.settings, parts.base.clock, str(os.getpid())
    return Health(
        HealthParts(
            worker=name,
            counts=beside.counts,
            holder=parts.holder,
            is_database_up=beside.is_database_up,
            counts_limits=lambda: parts.admitter.is_store_up,
            streams=beside.streams,
            backlog_bytes=lambda: parts.journal.backlog_bytes,
            backlog_limit_bytes=settings.journal_backlog_mib << 20,
            is_journal_sound=lambda: parts.journal.is_sound,
            left_out=lambda: left_out(parts),
            set_aside=SetAside(settings.journal_folder).count,
            model_state=beside.model_state,
            clock=clock,
            board=Board(settings.metrics_folder, worker=name, clock=clock),
        )
    )


def left_out(parts: Worker) -> list[str]:
    """Return the stored entries that cannot be used, as `tenant: kind id`."""
    snapshot = parts.holder.latest
    tenants = tuple(snapshot.tenants.values()) if snapshot is not None else ()
    policy = [(tenant.id, one.kind, one.id) for tenant in tenants for one in tenant.unreadable]
    catalogue = [(one.tenant, one.kind, one.id) for one in parts.library.left_out]
    return [f"{tenant}: {kind} {entry_id}" for tenant, kind, entry_id in (*policy, *catalogue)]


@asynccontextmanager
async def _running(jobs: Mapping[str, Job]) -> AsyncGenerator[None]:
    """Run jobs beside the block, and end them with it; an error in one of them ends neither it nor the worker."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(kept(name, job)) for name, job in jobs.items()]
        yield
        for task in tasks:
            task.cancel()
