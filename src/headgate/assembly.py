"""Opens the listed features, and builds the pipeline from their parts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal, TypeVar

import structlog

from headgate.admin.callers import Gate
from headgate.admin.commands import Command, CommandPerformer
from headgate.admin.directory import Directory
from headgate.admin.features import (
    CheckContext,
    Feature,
    Foundations,
    OfflineParts,
    Opened,
    Platform,
    foundations,
)
from headgate.admin.offers import Offers
from headgate.admin.requests import CONFIGURATION_CHANNEL, ChangeCheck
from headgate.admin.sessions import SESSIONS, Sessions
from headgate.features import FEATURES, older_verbs, rules, verbs
from headgate.kernel.action import Action, Resource, Verb
from headgate.kernel.errors import Conflict, HeadgateError, Unavailable
from headgate.kernel.export import EXPORT_SEND
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.pipeline import Pipeline, Stages
from headgate.kernel.ports import ConfigSection, Edit, Fault, Performer, Recorder
from headgate.substrate.addresses import address_for
from headgate.substrate.background_jobs import FailureLog, keep_running
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.durable import Durable
from headgate.substrate.egress import Egress
from headgate.substrate.secrets import SecretStore
from headgate.substrate.settings import Settings
from headgate.substrate.telemetry import SpanSender

log = structlog.get_logger(__name__)

S = TypeVar("S")

_POLL_S = 5.0
_REVIEW_S = 1.0

Watch = Callable[[Recorder], Recorder]


@dataclass(frozen=True, slots=True)
class Worker:
    """A process's pipeline and open features."""

    features: Sequence[Feature]
    platform: Platform
    pipeline: Pipeline
    opened: Mapping[str, Opened]

    @property
    def base(self) -> Foundations:
        """The objects that every process of the installation needs."""
        return self.platform.base

    @property
    def gate(self) -> Gate:
        """Decides reads that leave no record."""
        return Gate(self.pipeline.stages.labeller, self.pipeline.stages.decider)

    @property
    def sections(self) -> Sequence[ConfigSection]:
        """The features' sections of `headgate.toml`, in the order of their application."""
        return [section for one in self.opened.values() for section in one.sections]

    def warnings(self, edit: Edit) -> Iterator[Fault]:
        """Yield the features' warnings about a valid change of the configuration."""
        for one in self.opened.values():
            yield from one.warnings(edit)

    @property
    def check(self) -> ChangeCheck:
        """Checks changes of the configuration."""
        return next(one.check for one in self.opened.values() if one.check is not None)

    @property
    def sessions(self) -> Sessions:
        """The sessions of signed-in people."""
        return self.platform.offers.ask(SESSIONS)

    @property
    def left_out(self) -> list[str]:
        """The stored entries that cannot be used, as `tenant: kind id`."""
        return [entry for one in self.opened.values() if one.left_out is not None for entry in one.left_out()]

    def service(self, kind: type[S]) -> S:
        """Return the service of a feature by its type."""
        return next(one.service for one in self.opened.values() if isinstance(one.service, kind))

    async def refresh(self) -> None:
        """Refresh the features' cached state now, and end running actions that policy no longer allows.

        Raises:
            HeadgateError: the database is away, or an entry cannot be read; that cached state is unchanged.
        """
        try:
            await _load(self.opened)
        except HeadgateError:
            raise
        except Exception as error:
            log.exception("configuration_not_refreshed")
            raise Unavailable("the configuration could not be read again; the cause is in the log") from error
        self.pipeline.review()


class Refreshing:
    """Refreshes the features' cached state.

    A feature that fails keeps its last good state, and its error is logged once. The others are refreshed.

    Args:
        then: called after each refresh.
    """

    def __init__(self, database: Database, opened: Mapping[str, Opened], *, then: Callable[[], None]) -> None:
        self._database = database
        self._refresh = {name: one.refresh for name, one in opened.items() if one.refresh is not None}
        self._troubles = {name: FailureLog(f"{name}_not_refreshed") for name in opened}
        self._then = then

    async def run_forever(self, *, poll_s: float = _POLL_S) -> None:
        """Refresh after each change of the configuration, and every `poll_s` seconds, until cancelled."""
        async with self._database.listen(CONFIGURATION_CHANNEL, poll_s=poll_s) as wakes:
            async for _ in wakes:
                await self.look()

    async def look(self) -> None:
        """Refresh each feature once."""
        for name, refresh in self._refresh.items():
            try:
                await refresh()
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001 - it is logged, once for each cause
                self._troubles[name].tell(error)
            else:
                self._troubles[name].is_over()
        self._then()


@asynccontextmanager
async def worker(
    settings: Settings,
    *,
    model_port: int | None,
    watch: Watch = lambda recorder: recorder,
    performers: Mapping[str, Performer[Any, Any, Any]] | None = None,
    features: Sequence[Feature] = FEATURES,
) -> AsyncGenerator[Worker]:
    """Open one worker, and run its background jobs until the context ends.

    Args:
        model_port: loopback port of the embedded model process, or None without it.
        watch: wraps the recorder, for metrics and traces.
        performers: by name of the verb; they replace the features' own, for tests.
        features: in the order of opening.
    """
    async with AsyncExitStack() as stack:
        built = await _built(
            settings,
            stack,
            purpose="worker",
            model_port=model_port,
            watch=watch,
            performers=performers,
            features=features,
        )
        try:
            await _load(built.opened)
        except Unavailable:
            raise
        except Exception:
            # Without its configuration a worker serves, is not ready, and tries again.
            log.exception("configuration_not_loaded")
        group = await stack.enter_async_context(asyncio.TaskGroup())
        refreshing = Refreshing(built.platform.database, built.opened, then=built.pipeline.review)
        tasks = [
            group.create_task(keep_running("configuration", refreshing.run_forever)),
            group.create_task(_review_forever(built.pipeline)),
        ]
        if built.platform.durable.is_needed:
            durable = partial(built.platform.durable.run_forever, built.pipeline)
            tasks.append(group.create_task(keep_running("durable", durable)))
        for feature, one in built.opened.items():
            for name, job in one.jobs.items():
                running = keep_running(f"{feature}.{name}", lambda job=job: job(built.pipeline))
                tasks.append(group.create_task(running))
        for task in tasks:
            stack.callback(task.cancel)
        yield built


@asynccontextmanager
async def command_worker(settings: Settings, *, is_baseline_alone: bool = False) -> AsyncGenerator[Worker]:
    """Open the pipeline for one command of the operator, without background jobs.

    Args:
        is_baseline_alone: decide by the built-in rules only, and ignore stored policies.

    Raises:
        Unavailable: the database is away, or the disk refuses.
    """
    async with AsyncExitStack() as stack:
        built = await _built(
            settings,
            stack,
            purpose="command",
            model_port=None,
            watch=lambda recorder: recorder,
            alone=is_baseline_alone,
        )
        try:
            await _load(built.opened)
        except Unavailable:
            raise
        except Exception:
            # Recovery needs the baseline only, so it works around features that cannot be read.
            if not is_baseline_alone:
                raise
        yield built


def offline_sections(features: Sequence[Feature] = FEATURES) -> Sequence[ConfigSection]:
    """Return the features' sections of `headgate.toml` for checks without a database."""
    parts: list[OfflineParts] = []

    def names(kind: str, tenant: TenantId) -> Collection[str]:
        return [name for one in parts if kind in one.names for name in one.names[kind](tenant)]

    context = CheckContext(SystemClock(), SystemIds(), verbs(features), older_verbs(features), rules(features), names)
    parts += [feature.offline(context) for feature in features]
    return [section for one in parts for section in one.sections]


async def _built(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    purpose: Literal["worker", "command"],
    model_port: int | None,
    watch: Watch,
    alone: bool = False,
    performers: Mapping[str, Performer[Any, Any, Any]] | None = None,
    features: Sequence[Feature] = FEATURES,
) -> Worker:
    base = foundations(settings)
    opened: dict[str, Opened] = {}
    offers = Offers()

    def tenants() -> Collection[TenantId]:
        return [tenant for one in opened.values() if one.tenants is not None for tenant in one.tenants()]

    def names(kind: str, tenant: TenantId) -> Collection[str]:
        return [name for one in opened.values() if kind in one.names for name in one.names[kind](tenant)]

    def job_action(
        tenant: TenantId, verb: Verb[Any, Any, Any], resource: Resource, payload: Any, *, floor: Labels = BOTTOM
    ) -> Action[Any, Any, Any]:
        make = next(one.job_action for one in opened.values() if one.job_action is not None)
        return make(tenant, verb, resource, payload, floor=floor)

    database = await stack.enter_async_context(Database(address_for("headgate_app", settings)))
    platform = Platform(
        purpose=purpose,
        base=base,
        database=database,
        administration=await stack.enter_async_context(Database(address_for("headgate_admin", settings))),
        egress=await stack.enter_async_context(Egress()),
        secrets=SecretStore(data=settings.data),
        model_port=model_port,
        verbs=verbs(features),
        older_verbs=older_verbs(features),
        rules=rules(features),
        tenants=tenants,
        names=names,
        quit=_end_this_worker,
        job_action=job_action,
        offers=offers,
        directory=Directory(offers),
        durable=Durable(database, tenants=tenants),
        is_baseline_alone=alone,
    )
    for feature in features:
        with _named(feature.name, "feature_not_opened"):
            opened[feature.name] = await feature.open(platform, stack)
            offers.add(opened[feature.name].offers)
    sections = [section.name for one in opened.values() for section in one.sections]
    if doubles := {name for name in sections if sections.count(name) > 1}:
        raise Conflict(f"two features have the section {', '.join(sorted(doubles))}; rename one")
    stages = _stages(opened)
    stages["recorder"] = watch(stages["recorder"])
    found = {**_performers(platform, opened, features), **(performers or {})}
    pipeline = Pipeline(stages=Stages(**stages), performers=found, clock=base.clock, ids=base.ids)
    return Worker(features, platform, pipeline, opened)


def _stages(opened: Mapping[str, Opened]) -> dict[str, Any]:
    """Return the pipeline's ports, each from the feature that implements it.

    Raises:
        Conflict: two features implement one, or no feature implements one.
    """
    found: dict[str, Any] = {}
    for name, one in opened.items():
        if doubles := found.keys() & one.stages.keys():
            raise Conflict(f"the feature {name} implements {', '.join(sorted(doubles))}, as another one does")
        found |= one.stages
    if missing := {field.name for field in fields(Stages)} - found.keys():
        raise Conflict(f"no feature implements {', '.join(sorted(missing))}, which the pipeline needs")
    return found


def _performers(
    platform: Platform, opened: Mapping[str, Opened], features: Sequence[Feature]
) -> Mapping[str, Performer[Any, Any, Any]]:
    """Return the performers by name of the verb. One performer runs every command."""
    commands = CommandPerformer()
    found: dict[str, Performer[Any, Any, Any]] = {
        verb.name: commands for verb in platform.verbs if verb.payload is Command
    }
    endpoint = platform.base.settings.otlp_endpoint
    if endpoint is not None and platform.purpose == "worker":
        found[EXPORT_SEND.name] = SpanSender(platform.egress, endpoint=endpoint)
    declared = {verb.name: feature.name for feature in features for verb in feature.verbs}
    for name, one in opened.items():
        if foreign := [verb for verb in one.performers if declared.get(verb) != name]:
            raise Conflict(f"the feature {name} performs {', '.join(sorted(foreign))}, which it does not declare")
        found |= one.performers
    missing = sorted(declared.keys() - found.keys())
    if missing and platform.purpose == "worker":
        raise Conflict(f"no feature performs {', '.join(missing)}")
    return found


@contextlib.contextmanager
def _named(feature: str, event: str) -> Generator[None]:
    """Log the name of a feature that could not be opened or refreshed."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, Unavailable):
            log.error(event, feature=feature, reason=str(error)[:500])
        raise


async def _load(opened: Mapping[str, Opened]) -> None:
    """Refresh every feature; raise the first error afterwards."""
    failure: Exception | None = None
    for name, one in opened.items():
        if one.refresh is None:
            continue
        try:
            with _named(name, "feature_not_refreshed"):
                await one.refresh()
        except Exception as error:  # noqa: BLE001 - it is raised below
            failure = failure or error
    if failure is not None:
        raise failure


async def _review_forever(pipeline: Pipeline) -> None:
    """End running actions whose key, use case or decision has expired, until cancelled."""
    while True:
        await asyncio.sleep(_REVIEW_S)
        try:
            pipeline.review()
        except Exception:
            log.exception("review_failed")


def _end_this_worker() -> None:
    """Stop this worker, so that the supervisor starts another. After a failed sync, the journal is not reliable."""
    log.error("journal_broken")
    os.kill(os.getpid(), signal.SIGTERM)
