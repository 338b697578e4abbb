"""The feature finops: usage and cost, counted from the records."""

from __future__ import annotations

from contextlib import AsyncExitStack

from headgate.admin.features import Feature, Opened, Platform
from headgate.admin.limit_use import LIMITS_USED
from headgate.admin.records import RECORDS
from headgate.admin.register import REGISTER
from headgate.finops.commands import COMMANDS
from headgate.finops.jobs import Rollups
from headgate.finops.parts import FinOps
from headgate.finops.routes import OPERATIONS
from headgate.finops.service import Usage
from headgate.finops.tally import metered_verbs
from headgate.finops.verbs import VERBS
from headgate.kernel.pipeline import Pipeline


async def open_finops(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open the readers and the job that counts."""
    clock, database = platform.base.clock, platform.database
    metered = metered_verbs(platform.verbs)
    rollups = Rollups(database, records=lambda: platform.offers.ask(RECORDS), metered=metered, clock=clock)
    finops = FinOps(
        usage=Usage(database, clock=clock),
        rollups=rollups,
        directory=platform.directory,
        register=platform.offers.ask(REGISTER),
        limits_used=platform.offers.ask(LIMITS_USED),
        names=platform.names,
        clock=clock,
    )

    async def count(_: Pipeline) -> None:
        await rollups.run_forever(platform.tenants)

    return Opened(service=finops, jobs={"rollups": count})


FEATURE = Feature(
    name="finops",
    summary="Usage and cost by use case, person, key, model and time.",
    package="headgate.finops",
    verbs=VERBS,
    operations=OPERATIONS,
    commands=COMMANDS,
    open=open_finops,
)
