"""The feature finops: usage and cost, counted from the records, and budgets."""

from __future__ import annotations

from contextlib import AsyncExitStack

from headgate.admin.budgets import BUDGETS, BUDGETS_USED
from headgate.admin.features import CheckContext, Feature, OfflineParts, Opened, Platform
from headgate.admin.limit_use import LIMITS_USED
from headgate.admin.notices import NOTIFY, notify_nobody
from headgate.admin.records import RECORDS
from headgate.admin.recosting import RECOSTING
from headgate.admin.register import REGISTER
from headgate.finops import budget_commands, commands
from headgate.finops.budget_book import BudgetAlerts, BudgetBook
from headgate.finops.jobs import Rollups
from headgate.finops.parts import FinOps
from headgate.finops.routes import OPERATIONS
from headgate.finops.sections import BudgetSection
from headgate.finops.service import Usage
from headgate.finops.tally import metered_verbs
from headgate.finops.verbs import VERBS
from headgate.kernel.pipeline import Pipeline


async def open_finops(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open the readers and the job that counts."""
    clock, database = platform.base.clock, platform.database
    metered = metered_verbs(platform.verbs)
    rollups = Rollups(database, records=lambda: platform.offers.ask(RECORDS), metered=metered, clock=clock)
    book, used = BudgetBook(database), platform.offers.ask(BUDGETS_USED)
    alerts = BudgetAlerts(
        database, book=book, used=used, notify=lambda: platform.offers.find(NOTIFY) or notify_nobody, clock=clock
    )
    finops = FinOps(
        usage=Usage(database, clock=clock),
        rollups=rollups,
        directory=platform.directory,
        register=platform.offers.ask(REGISTER),
        limits_used=platform.offers.ask(LIMITS_USED),
        names=platform.names,
        clock=clock,
        database=database,
        book=book,
        budgets_used=used,
        recosting=platform.offers.ask(RECOSTING),
    )

    async def count(_: Pipeline) -> None:
        await rollups.run_forever(platform.tenants)

    async def refresh() -> None:
        await book.refresh(platform.tenants())

    async def watch(_: Pipeline) -> None:
        await alerts.run_forever(platform.tenants)

    return Opened(
        service=finops,
        sections=(BudgetSection(),),
        jobs={"rollups": count, "budgets": watch},
        offers=[BUDGETS.by(book.of)],
        refresh=refresh,
        left_out=lambda: book.left_out,
    )


def offline_finops(_: CheckContext) -> OfflineParts:
    """Return the section of budgets."""
    return OfflineParts(sections=(BudgetSection(),))


FEATURE = Feature(
    name="finops",
    summary="Budgets, and usage and cost by use case, person, key, model and time.",
    package="headgate.finops",
    verbs=VERBS,
    operations=OPERATIONS,
    commands=(*commands.COMMANDS, *budget_commands.COMMANDS),
    open=open_finops,
    offline=offline_finops,
)
