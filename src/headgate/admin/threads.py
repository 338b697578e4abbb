"""Kept answers and conversations of programs that name them instead of sending them again. One feature keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol, Self

from headgate.admin.commands import command_verb
from headgate.admin.offers import Port
from headgate.kernel.action import Verb
from headgate.kernel.content import Content
from headgate.kernel.errors import Conflict
from headgate.kernel.identity import Principal
from headgate.kernel.labels import Labels
from headgate.kernel.run import Run


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer with the call that asked for it.

    Args:
        previous: the id of the answer that the call continued, or None.
        exchange: call and answer, in a form that only their dialect reads.
        labels: of both.
        floor: the part of the labels that a call that continues the answer cannot lower.
        items: ids of its items, by which later calls may refer to them.
    """

    id: str
    previous: str | None
    exchange: bytes = field(repr=False)
    labels: Labels
    floor: Labels
    items: Sequence[str] = ()


class KeptSummary(NamedTuple):
    """A summary of a conversation, with the labels of the conversation."""

    text: str
    labels: Labels
    floor: Labels


class Threads(Protocol):
    """Keeps answers, each for the principal that asked for it. Nobody else learns that it exists."""

    async def keep(self, answer: KeptAnswer, *, principal: Principal) -> None:
        """Keep an answer.

        Raises:
            TooLarge: it is larger than what is kept.
        """
        ...

    async def thread(self, answer_id: str, *, principal: Principal) -> Sequence[KeptAnswer]:
        """Return an answer and all that it continues, oldest first; empty if one of them is not kept.

        Their time begins anew.
        """
        ...

    async def having(
        self, items: Sequence[str], *, answers: Sequence[str] = (), principal: Principal
    ) -> Sequence[KeptAnswer]:
        """Return kept answers that have these items, and those with these ids, in no order. Unknown ids yield none."""
        ...

    async def forget(self, answer_id: str, *, principal: Principal) -> bool:
        """Delete an answer; return whether it was kept."""
        ...

    def sealed(self, summary: KeptSummary, *, principal: Principal) -> str:
        """Return a text for the principal to keep, which only `opened` reads, and only for them."""
        ...

    def opened(self, sealed: str, *, principal: Principal) -> KeptSummary:
        """Return the summary behind a sealed text.

        Raises:
            Invalid: the text was changed, or belongs to somebody else.
        """
        ...


THREADS: Port[Threads] = Port("keeper of answers")


class KeptItem(NamedTuple):
    """An item of a conversation, in a form that only its dialect reads."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class KeptConversation:
    """A conversation of a program.

    Args:
        metadata: JSON.
        labels: of everything that was ever in it.
        floor: the part of the labels that a call that continues it cannot lower.
        items: in order.
    """

    id: str
    created_at: datetime
    metadata: bytes = field(repr=False)
    labels: Labels
    floor: Labels
    items: Sequence[KeptItem] = field(default=(), repr=False)


class ConversationLocked(Conflict):
    """An answer to the conversation is on its way. OpenAI's code; SDKs repeat a conflict by themselves."""

    code = "conversation_locked"


class Conversations(Protocol):
    """Keeps conversations, each for the principal that made it. Nobody else learns that it exists."""

    async def create(self, conversation: KeptConversation, *, principal: Principal) -> None:
        """Keep a new conversation.

        Raises:
            TooLarge: its items are larger than what is kept.
        """
        ...

    async def find(self, conversation_id: str, *, principal: Principal) -> KeptConversation | None:
        """Return a conversation with its items, or None."""
        ...

    async def rewrite(self, conversation_id: str, metadata: bytes, *, labels: Labels, principal: Principal) -> bool:
        """Replace the metadata; return whether there is such a conversation."""
        ...

    async def add(
        self, conversation_id: str, items: Sequence[KeptItem], *, labels: Labels, floor: Labels, principal: Principal
    ) -> bool:
        """Append items, without those whose id it has already; return whether there is such a conversation.

        Raises:
            ConversationLocked: an answer to it is on its way.
            TooLarge: it would be larger than what is kept.
        """
        ...

    async def hold(self, conversation_id: str, *, holder: str, principal: Principal) -> KeptConversation | None:
        """Return a conversation that nobody else adds to until `settle`, or None without one. Its time begins anew.

        Raises:
            ConversationLocked: another answer to it is on its way.
        """
        ...

    async def settle(
        self,
        conversation_id: str,
        items: Sequence[KeptItem],
        *,
        labels: Labels,
        floor: Labels,
        holder: str,
        principal: Principal,
    ) -> None:
        """Append the items of an answer, and let go of the conversation.

        Raises:
            Conflict: it was deleted meanwhile, or held by somebody else.
            TooLarge: it would be larger than what is kept.
        """
        ...

    async def let_go(self, conversation_id: str, *, holder: str, principal: Principal) -> None:
        """Let go of a conversation whose answer failed. Does nothing after `settle`."""
        ...

    async def remove(self, conversation_id: str, item_id: str, *, principal: Principal) -> bool:
        """Delete an item; return whether it was there."""
        ...

    async def forget(self, conversation_id: str, *, principal: Principal) -> bool:
        """Delete a conversation with its items; return whether there was one."""
        ...


CONVERSATIONS: Port[Conversations] = Port("keeper of conversations of programs")


@dataclass(frozen=True, slots=True)
class Keeping:
    """The payload of an action that keeps content of a program.

    Args:
        content: the content. Rules may mask it.
        do: callback that keeps it; it reads the content and its labels from the run.
    """

    content: Content
    do: Callable[[Run[Keeping, Any, Any]], Awaitable[Any]] = field(repr=False)

    def with_content(self, content: Content) -> Self:
        """Return the payload with another content."""
        return replace(self, content=content)


OWN = "own-answer"
"""The group of the verbs of programs on the answers and conversations that they keep here."""

ANSWER_READ = command_verb("answer.read", "read", "Read an own kept answer", OWN)
ANSWER_DELETE = command_verb("answer.delete", "write", "Delete an own kept answer", OWN)
THREAD_READ = command_verb("thread.read", "read", "Read an own conversation of a program", OWN)
THREAD_WRITE: Verb[Keeping, object, Any] = Verb(
    "thread.write", Keeping, object, object, effect="write", title="Write in a conversation of a program", groups=(OWN,)
)
THREAD_DELETE = command_verb("thread.delete", "write", "Delete from a conversation of a program", OWN)

VERBS = (ANSWER_READ, ANSWER_DELETE, THREAD_READ, THREAD_WRITE, THREAD_DELETE)
