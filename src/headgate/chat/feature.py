"""The feature chat: conversations of people with models."""

from __future__ import annotations

from contextlib import AsyncExitStack

from headgate.admin.features import Feature, Opened, Platform
from headgate.chat.commands import COMMANDS
from headgate.chat.routes import OPERATIONS
from headgate.chat.sealing import ConversationKeys
from headgate.chat.service import Chat
from headgate.chat.verbs import VERBS
from headgate.substrate.clock import RandomPool
from headgate.wire.dialects import load_dialects


async def open_chat(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open conversations."""
    base = platform.base
    return Opened(
        service=Chat(
            database=platform.database,
            keys=ConversationKeys(base.secret("conversations"), random_bytes=RandomPool()),
            clock=base.clock,
            ids=base.ids,
            dialects=load_dialects(),
            aliases=lambda tenant: platform.names("alias", tenant),
            people=lambda tenant: platform.names("principal", tenant),
        )
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
