"""The feature ledger: records, logs and their proofs."""

from __future__ import annotations

from contextlib import AsyncExitStack

from headgate.admin.directory import PSEUDONYM
from headgate.admin.features import Feature, Job, Opened, Platform
from headgate.admin.records import COPIES, RECORD_FORGET, RECORD_REVEAL, RECORDS
from headgate.kernel.pipeline import Pipeline
from headgate.ledger import activity_routes, record_routes, rule_routes, saved_views
from headgate.ledger.commands import COMMANDS
from headgate.ledger.erasure import Eraser
from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.live import LiveRecords
from headgate.ledger.parts import Forgetting, Ledger, Revealing
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.reader import LedgerReader
from headgate.ledger.recorder import JournalRecorder
from headgate.ledger.seal import Sealer
from headgate.ledger.verbs import VERBS
from headgate.substrate.clock import RandomPool
from headgate.substrate.journal import Journal, JournalLimits
from headgate.wire.dialects import load_dialects


async def open_ledger(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open a journal for this process and the reader of records."""
    base = platform.base
    limits = JournalLimits(reserve_bytes=0)
    if platform.purpose == "worker":
        limits = JournalLimits(backlog_bytes=base.settings.journal_backlog_mib << 20)
    journal = Journal(base.settings.journal_folder / base.ids.ulid(), limits=limits, on_broken=platform.quit)
    stack.push_async_callback(journal.aclose)
    ring = FileKeyRing(base.secrets_folder / "sealing")
    sealer = Sealer(KeysOnDemand(ring, clock=base.clock), random_bytes=RandomPool())
    pseudonyms = Pseudonymiser(base.secret("principals"))
    kinds = sorted({"alias", "deployment", *(verb.usual for verb in platform.verbs)})
    reader = LedgerReader(platform.database, sealer=Sealer(ring), pseudonyms=pseudonyms, kinds=kinds)
    live = LiveRecords(reader)
    eraser = Eraser(ring, base.clock, lambda: platform.offers.all(COPIES))
    content_days = base.settings.content_days

    async def follow(_: Pipeline) -> None:
        await live.run_forever()

    async def erase(pipeline: Pipeline) -> None:
        await eraser.run_forever(
            pipeline, action=platform.job_action, tenants=platform.tenants, content_days=content_days
        )

    jobs: dict[str, Job] = {"live records": follow}
    if content_days:
        jobs["content retention"] = erase
    return Opened(
        service=Ledger(
            reader,
            live,
            journal,
            base.settings.ledger_folder,
            base.clock,
            eraser,
            platform.directory,
            load_dialects(),
            platform.database,
        ),
        performers={
            RECORD_REVEAL.name: Revealing(reader),
            RECORD_FORGET.name: Forgetting(platform.database, pseudonyms=pseudonyms),
        },
        stages={"recorder": JournalRecorder(journal, sealer=sealer, pseudonyms=pseudonyms)},
        jobs=jobs,
        offers=[RECORDS.by(reader), PSEUDONYM.by(pseudonyms)],
    )


FEATURE = Feature(
    name="ledger",
    summary="Records of all allowed and refused actions, in a log that anybody can verify.",
    package="headgate.ledger",
    verbs=VERBS,
    operations=(
        *activity_routes.OPERATIONS,
        *record_routes.OPERATIONS,
        *rule_routes.OPERATIONS,
        *saved_views.OPERATIONS,
    ),
    commands=COMMANDS,
    open=open_ledger,
)
