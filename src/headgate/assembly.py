"""Builds everything from settings; the only place that knows concrete classes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import structlog

from headgate.gateway.admission import KeyAdmitter
from headgate.gateway.allowances import PostgresAllowances
from headgate.gateway.dispatch import ModelDispatcher
from headgate.gateway.invoke import ModelInvoke
from headgate.gateway.library import Library
from headgate.gateway.pricing import estimate_micros
from headgate.gateway.routing import Health
from headgate.gateway.sections import CatalogueSection
from headgate.guard import AnswerMemory, Engine, GuardLabeller, GuardTransformer, Pseudonyms, builtin_detectors
from headgate.kernel.action import Action
from headgate.kernel.detection import Detector, categories_of
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.kernel.export import EXPORT_SEND
from headgate.kernel.extensions import load
from headgate.kernel.pipeline import Pipeline, Stages
from headgate.kernel.ports import ConfigSection, Performer, Recorder
from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.reader import LedgerReader
from headgate.ledger.recorder import JournalRecorder
from headgate.ledger.seal import Sealer
from headgate.policy import store as policy_store
from headgate.policy.approvals import PolicyApprovals
from headgate.policy.decider import PolicyDecider
from headgate.policy.jobs import Refreshing, refresh
from headgate.policy.pack import Pack, load_pack
from headgate.policy.sections import policy_sections
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder, baseline_snapshot
from headgate.substrate._secret_files import kept_secret, private_folder
from headgate.substrate.addresses import address_for
from headgate.substrate.clock import RandomPool, SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.egress import Egress
from headgate.substrate.journal import Journal, JournalLimits
from headgate.substrate.kept_jobs import Trouble, kept
from headgate.substrate.secrets import SecretStore
from headgate.substrate.settings import Settings
from headgate.substrate.shared_table import SharedTable
from headgate.substrate.telemetry import PROFILE, SpanSender, telemetry_profile
from headgate.wire.dialects import Dialects, load_dialects
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, ModelCall
from headgate.wire.provider import Provider

log = structlog.get_logger(__name__)

_POLL_S = 5.0
_REVIEW_S = 1.0

_REMEMBERED_ANSWERS = 1 << 16
"""Of all workers of this machine together; half a kilobyte each, in a sparse file."""


@dataclass(frozen=True, slots=True)
class Foundations:
    """What every process of an installation shares: clock, ids, folders and the keys in them."""

    settings: Settings
    clock: SystemClock
    ids: SystemIds

    @property
    def secrets_folder(self) -> Path:
        """Where the installation's own secrets lie; not part of the database's backups."""
        return private_folder(self.settings.secrets_folder)

    def secret(self, name: str) -> bytes:
        """Return one of the installation's secrets; made when it is first asked for."""
        return kept_secret(self.secrets_folder / name).encode()

    def pseudonymiser(self) -> Pseudonymiser:
        """Return what names principals in records."""
        return Pseudonymiser(self.secret("principals"))

    def sealer(self) -> Sealer:
        """Return the sealer of record parts."""
        ring = FileKeyRing(self.secrets_folder / "sealing")
        return Sealer(KeysOnDemand(ring, clock=self.clock), random_bytes=RandomPool())

    def opener(self) -> Sealer:
        """Return what opens record parts, as long as their keys are there."""
        return Sealer(FileKeyRing(self.secrets_folder / "sealing"))


def foundations(settings: Settings) -> Foundations:
    """Return what every process shares."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Foundations(settings, SystemClock(), SystemIds())


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts of one worker, alive; what the server answers with.

    Args:
        database: under the role of workers, which row-level security binds.
        administration: under the role that writes configuration.
        sections: the features' parts of `headgate.toml`, in the order in which they are applied.
    """

    base: Foundations
    pipeline: Pipeline
    stages: Stages
    holder: SnapshotHolder
    admitter: KeyAdmitter
    library: Library
    service: PolicyService
    sections: Sequence[ConfigSection]
    reader: LedgerReader
    database: Database
    administration: Database
    journal: Journal
    egress: Egress
    providers: Mapping[str, Provider]
    dialects: Dialects
    pack: Pack
    model_port: int | None

    async def refresh(self) -> None:
        """Bring policy and catalogue up to date now, and end what is not allowed any more.

        Raises:
            HeadgateError: the database is away, or something cannot be read; what is in memory stays.
        """
        try:
            await _load(self.holder, self.library, database=self.database, pack=self.pack)
        except HeadgateError:
            raise
        except Exception as error:
            log.exception("configuration_not_refreshed")
            raise Unavailable("the configuration could not be read again; the cause is in the log") from error
        self.pipeline.review()


@asynccontextmanager
async def worker(
    settings: Settings,
    *,
    model_port: int | None,
    performers: Mapping[str, Performer[Any, Any, Any]],
    watch: Callable[[Recorder], Recorder] = lambda recorder: recorder,
) -> AsyncGenerator[Worker]:
    """Build one worker, keep what it rests on fresh, and take it all down again.

    Args:
        model_port: where the embedded model process listens on loopback, or None without it.
        performers: of verbs that the caller performs itself, by name.
        watch: wraps the recorder, to count and trace what becomes of actions.
    """
    base = foundations(settings)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(address_for("headgate_app", settings)))
        administration = await stack.enter_async_context(Database(address_for("headgate_admin", settings)))
        egress = await stack.enter_async_context(Egress())
        limits = JournalLimits(backlog_bytes=settings.journal_backlog_mib << 20)
        journal = Journal(settings.journal_folder / base.ids.ulid(), limits=limits, on_broken=_end_this_worker)
        stack.push_async_callback(journal.aclose)
        secrets, providers, pack = SecretStore(data=settings.data), _providers(), load_pack()
        dialects, detectors = load_dialects(), builtin_detectors()
        holder = SnapshotHolder(base.clock)
        endpoint = settings.otlp_endpoint
        library = Library(
            database=database,
            egress=egress,
            providers=providers,
            secrets=secrets,
            model_port=model_port,
            profiles={PROFILE: telemetry_profile(endpoint)} if endpoint else None,
            categories=categories_of(detectors),
        )
        store = PostgresAllowances(database, worker=base.ids.ulid())
        admitter = KeyAdmitter(store=store, clock=base.clock, estimate=_estimator(library))
        stack.push_async_callback(_quietly, admitter.aclose)
        recorder = JournalRecorder(journal, sealer=base.sealer(), pseudonyms=base.pseudonymiser())
        stages = _stages(base, detectors, database=database, holder=holder, recorder=watch(recorder), admitter=admitter)
        ours: Mapping[str, Performer[Any, Any, Any]] = {
            MODEL_INVOKE.name: ModelInvoke(catalogues=library.catalogue, health=Health(base.clock)),
            MODEL_DISPATCH.name: ModelDispatcher(
                egress=egress, providers=providers, dialects=dialects, secrets=secrets
            ),
        }
        exports = {EXPORT_SEND.name: SpanSender(egress, endpoint=endpoint)} if endpoint else {}
        pipeline = Pipeline(stages=stages, performers={**ours, **exports, **performers}, clock=base.clock, ids=base.ids)
        service = PolicyService(pack=pack, holder=holder, clock=base.clock, ids=base.ids)
        await _load_first(holder, library, database=database, pack=pack)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        keeping = partial(_keep_fresh, holder, library, database=database, pack=pack, then=pipeline.review)
        keeper = group.create_task(kept("configuration", keeping))
        stack.callback(keeper.cancel)
        reviewer = group.create_task(_review_forever(pipeline))
        stack.callback(reviewer.cancel)
        accountant = group.create_task(admitter.run_forever(lambda: holder.current.tenants))
        stack.callback(accountant.cancel)
        yield Worker(
            base=base,
            pipeline=pipeline,
            stages=stages,
            holder=holder,
            admitter=admitter,
            library=library,
            service=service,
            sections=_sections(providers, dialects, pack=pack, service=service, clock=base.clock),
            reader=LedgerReader(database, sealer=base.opener(), pseudonyms=base.pseudonymiser()),
            database=database,
            administration=administration,
            journal=journal,
            egress=egress,
            providers=providers,
            dialects=dialects,
            pack=pack,
            model_port=model_port,
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the machine's operator does what needs no running worker: the pipeline, for commands alone.

    Args:
        administration: under the role that writes configuration.
    """

    base: Foundations
    pipeline: Pipeline
    holder: SnapshotHolder
    service: PolicyService
    administration: Database


@asynccontextmanager
async def desk(
    settings: Settings, *, performers: Mapping[str, Performer[Any, Any, Any]], is_baseline_alone: bool = False
) -> AsyncGenerator[Desk]:
    """Build what a few commands go through, with a journal of its own that the shipper takes up when it is closed.

    Args:
        performers: of verbs whose payload carries no content: nothing is looked for in it.
        is_baseline_alone: decide by the rules that ship with Headgate, whatever is stored.

    Raises:
        Unavailable: the database is away, or the disk refuses.
    """
    base = foundations(settings)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(address_for("headgate_app", settings)))
        administration = await stack.enter_async_context(Database(address_for("headgate_admin", settings)))
        pack, holder = load_pack(), SnapshotHolder(base.clock)
        if is_baseline_alone:
            holder.swap(baseline_snapshot(pack), asked_s=holder.now_s())
        else:
            await refresh(holder, database=database, pack=pack)
        journal = Journal(settings.journal_folder / base.ids.ulid(), limits=JournalLimits(reserve_bytes=0))
        stack.push_async_callback(journal.aclose)
        engine = Engine({})
        stages = Stages(
            labeller=GuardLabeller(engine=engine),
            decider=PolicyDecider(holder, clock=base.clock),
            transformer=GuardTransformer(engine=engine, pseudonyms=Pseudonyms(base.secret("pseudonyms"))),
            admitter=KeyAdmitter(
                store=PostgresAllowances(database, worker=base.ids.ulid()),
                clock=base.clock,
                estimate=lambda action: None,
            ),
            recorder=JournalRecorder(journal, sealer=base.sealer(), pseudonyms=base.pseudonymiser()),
            approvals=PolicyApprovals(database, clock=base.clock, ids=base.ids),
        )
        yield Desk(
            base=base,
            pipeline=Pipeline(stages=stages, performers=performers, clock=base.clock, ids=base.ids),
            holder=holder,
            service=PolicyService(pack=pack, holder=holder, clock=base.clock, ids=base.ids),
            administration=administration,
        )


def _stages(
    base: Foundations,
    detectors: Mapping[str, Detector],
    *,
    database: Database,
    holder: SnapshotHolder,
    recorder: Recorder,
    admitter: KeyAdmitter,
) -> Stages:
    cache = base.settings.data / "cache"
    engine = Engine(detectors, cache=cache)
    table = SharedTable(cache / "answers", slots=_REMEMBERED_ANSWERS)
    answers = AnswerMemory(table, key=base.secret("answers"), clock=base.clock)
    return Stages(
        labeller=GuardLabeller(engine=engine, answers=answers),
        decider=PolicyDecider(holder, clock=base.clock),
        transformer=GuardTransformer(engine=engine, pseudonyms=Pseudonyms(base.secret("pseudonyms")), answers=answers),
        admitter=admitter,
        recorder=recorder,
        approvals=PolicyApprovals(database, clock=base.clock, ids=base.ids),
    )


def _sections(
    providers: Mapping[str, Provider],
    dialects: Dialects,
    *,
    pack: Pack,
    service: PolicyService,
    clock: SystemClock,
) -> Sequence[ConfigSection]:
    kinds = ("network", "deployment", "alias")
    catalogue = [CatalogueSection(kind, providers=providers, dialects=dialects) for kind in kinds]
    return [*catalogue, *policy_sections(pack=pack, service=service, clock=clock)]


def _providers() -> Mapping[str, Provider]:
    return {name: cast("Provider", extension) for name, extension in load("providers").items()}


def _estimator(library: Library) -> Callable[[Action[Any, Any, Any]], int | None]:
    def estimate(action: Action[Any, Any, Any]) -> int | None:
        """Return the dearest candidate's cost of a call of this size."""
        call: ModelCall = action.payload
        catalogue = library.catalogue(action.principal.tenant)
        candidates = catalogue.candidates(catalogue.alias(call.model))
        return estimate_micros(call, candidates, currency=action.principal.limits.currency)

    return estimate


async def _load(holder: SnapshotHolder, library: Library, *, database: Database, pack: Pack) -> None:
    await refresh(holder, database=database, pack=pack)
    await library.refresh(holder.current.tenants)


async def _load_first(holder: SnapshotHolder, library: Library, *, database: Database, pack: Pack) -> None:
    """Load policy and catalogue for the first time; without them a worker serves, is not ready, and tries again.

    Raises:
        Unavailable: the database is away.
    """
    try:
        await _load(holder, library, database=database, pack=pack)
    except Unavailable:
        raise
    except Exception:
        log.exception("configuration_not_loaded")


async def _keep_fresh(
    holder: SnapshotHolder, library: Library, *, database: Database, pack: Pack, then: Callable[[], None]
) -> None:
    """Bring policy and catalogue up to date when woken, and every few seconds to make sure; then call `then`.

    What fails keeps its last good version; the other one is refreshed all the same.
    """
    policies = Refreshing(holder, database=database, pack=pack)
    trouble = Trouble("catalogue_not_refreshed")
    async with database.listen(policy_store.CHANNEL, poll_s=_POLL_S) as wakes:
        async for _ in wakes:
            await policies.look()
            try:
                if holder.latest is not None:
                    await library.refresh(holder.latest.tenants)
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001 - it is logged, once for each cause
                trouble.tell(error)
            else:
                trouble.is_over()
            then()


async def _review_forever(pipeline: Pipeline) -> None:
    """End what is not allowed any more since a key, a use case or a decision expired; end it by cancelling."""
    while True:
        await asyncio.sleep(_REVIEW_S)
        try:
            pipeline.review()
        except Exception:
            log.exception("review_failed")


def _end_this_worker() -> None:
    """Ask ourselves to stop: after a failed sync nothing is believed, and the supervisor starts another worker."""
    log.error("journal_broken")
    os.kill(os.getpid(), signal.SIGTERM)


async def _quietly(close: Callable[[], Awaitable[None]]) -> None:
    """Close what needs the database, which may be away when we stop."""
    with contextlib.suppress(Unavailable):
        await close()
