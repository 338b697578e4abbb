"""The feature chat: conversations of people with models."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from headgate.admin.background import BACKGROUND
from headgate.admin.features import Feature, Opened, Platform
from headgate.admin.records import COPIES
from headgate.admin.register import REGISTER
from headgate.admin.threads import CONVERSATIONS, THREAD_WRITE, THREADS
from headgate.admin.ways import WAYS_ON
from headgate.chat.background import KeptBackground
from headgate.chat.commands import COMMANDS
from headgate.chat.kept_conversations import KeepingPerformer, KeptConversations
from headgate.chat.kept_copies import KeptCopies
from headgate.chat.routes import OPERATIONS
from headgate.chat.sealing import ConversationKeys
from headgate.chat.service import Chat
from headgate.chat.threads import KeptThreads
from headgate.chat.verbs import VERBS
from headgate.substrate.clock import RandomPool
from headgate.wire.dialects import load_dialects


async def open_chat(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open conversations."""
    base = platform.base
    keys = ConversationKeys(base.secret("conversations"), random_bytes=RandomPool())
    keeps = timedelta(days=base.settings.answers_days)
    threads = KeptThreads(
        database=platform.database, keys=keys, clock=base.clock, tenants=platform.tenants, keeps=keeps
    )
    kept = KeptConversations(
        database=platform.database, keys=keys, clock=base.clock, tenants=platform.tenants, keeps=keeps
    )
    chat = Chat(
        database=platform.database,
        keys=keys,
        clock=base.clock,
        ids=base.ids,
        dialects=load_dialects(),
        aliases=lambda tenant: platform.names("alias", tenant),
        people=platform.offers.ask(REGISTER).everybody,
        ways=platform.offers.find(WAYS_ON),
    )
    jobs = {
        "answers": chat.answers.run_forever,
        "kept answers": threads.sweep_forever,
        "kept conversations": kept.sweep_forever,
        "held conversations": kept.renew_forever,
    }
    background = KeptBackground(
        database=platform.database, keys=keys, clock=base.clock, tenants=platform.tenants, keeps=keeps
    )
    jobs["background answers"] = background.sweep_forever
    copies = KeptCopies(threads, kept, background)
    return Opened(
        service=chat,
        performers={THREAD_WRITE.name: KeepingPerformer()},
        jobs=jobs,
        offers=[THREADS.by(threads), CONVERSATIONS.by(kept), BACKGROUND.by(background), COPIES.by(copies)],
    )


FEATURE = Feature(
    name="chat",
    summary="Conversations of people with models: kept, searched, branched, shared and deleted.",
    package="headgate.chat",
    verbs=VERBS,
    operations=OPERATIONS,
    commands=COMMANDS,
    open=open_chat,
)
