"""What programs keep here is a copy of the content of their calls, and is erased with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headgate.chat.background import KeptBackground
from headgate.chat.kept_conversations import KeptConversations
from headgate.chat.threads import KeptThreads
from headgate.kernel.identity import TenantId


@dataclass(frozen=True, slots=True)
class KeptCopies:
    """The port `Copies`: kept answers, and the conversations of programs."""

    threads: KeptThreads
    conversations: KeptConversations
    background: KeptBackground

    async def erase_before(self, moment: datetime, *, tenant: TenantId) -> int:
        """Delete what was kept before a time; return the number of answers and items."""
        answers = await self.threads.erase_before(moment, tenant=tenant)
        answers += await self.background.erase_before(moment, tenant=tenant)
        return answers + await self.conversations.erase_before(moment, tenant=tenant)
