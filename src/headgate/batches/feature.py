"""The feature batches: files and batches of programs on the wires of OpenAI and Anthropic."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from headgate.admin.features import Feature, Opened, Platform
from headgate.admin.file_search import FILE_SEARCHES
from headgate.admin.files import FILE_COPIES, OWN_FILES
from headgate.admin.key_holders import KEY_HOLDERS
from headgate.admin.provider_batches import PROVIDER_BATCHES
from headgate.admin.records import COPIES
from headgate.admin.threads import CONVERSATIONS, THREADS
from headgate.admin.turns import Turns
from headgate.admin.wire_calls import ASKED_BY, WireCalls
from headgate.batches import anthropic_routes, openai_routes
from headgate.batches.commands import COMMANDS
from headgate.batches.files import Files
from headgate.batches.handing import Provider
from headgate.batches.routes import OPERATIONS
from headgate.batches.running import Runner
from headgate.batches.service import QUEUE, Batches
from headgate.batches.verbs import VERBS
from headgate.kernel.identity import TenantId
from headgate.substrate.clock import RandomPool
from headgate.substrate.durable import Queue
from headgate.substrate.item_keys import ItemKeys
from headgate.wire.dialects import load_dialects

_AT_ONCE = 4
"""The limit of batches of a tenant that run at the same time."""


async def open_batches(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open files and batches, and offer their work to the durable runs."""
    base, dialects = platform.base, load_dialects()
    settings = base.settings
    files = Files(
        database=platform.database,
        keys=ItemKeys(base.secret("batches"), room="batches", random_bytes=RandomPool()),
        clock=base.clock,
        ids=base.ids,
        keeps=timedelta(days=settings.files_days),
    )
    batches = Batches(
        files=files,
        durable=platform.durable,
        dialects=dialects,
        tenants=platform.tenants,
        is_secure=settings.tls_certificate is not None or settings.trusted_proxy,
        copies=lambda: platform.offers.all(FILE_COPIES),
    )
    if platform.purpose == "command":
        return Opened(service=batches)
    offers = platform.offers
    turns = Turns(offers.ask(THREADS), offers.ask(CONVERSATIONS), dialects, base.ids)
    calls = WireCalls(
        dialects=dialects, asked_by=offers.ask(ASKED_BY), turns=turns, searches=lambda: offers.find(FILE_SEARCHES)
    )
    provider = Provider(offers.ask(PROVIDER_BATCHES), platform.job_action, base.clock)

    def knows(tenant: TenantId, model: str) -> bool:
        return any(_matches(name, model) for name in platform.names("alias", tenant))

    runner = Runner(batches, calls, offers.ask(KEY_HOLDERS), provider, knows)
    platform.durable.add(Queue(QUEUE, runner.work, at_once=_AT_ONCE, give_up=runner.give_up))
    return Opened(
        service=batches, jobs={"retention": batches.sweep_forever}, offers=[COPIES.by(batches), OWN_FILES.by(files)]
    )


def _matches(alias: str, model: str) -> bool:
    """Whether an alias, which may be a pattern with one `*`, is that of a model."""
    before, star, after = alias.partition("*")
    return model == alias or (bool(star) and model.startswith(before) and model.endswith(after))


FEATURE = Feature(
    name="batches",
    summary="Files and batches of programs: many model calls at once, each through the one pipeline.",
    package="headgate.batches",
    verbs=VERBS,
    operations=OPERATIONS,
    wire_operations=(*openai_routes.OPERATIONS, *anthropic_routes.OPERATIONS),
    commands=COMMANDS,
    open=open_batches,
)
