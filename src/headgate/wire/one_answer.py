"""The parts of a dialect that calls other than chats lack: streams, tools and conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Never

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid
from headgate.wire.conversation import Conversation, Reply
from headgate.wire.dialect import EventReader, EventWriter, Outgoing
from headgate.wire.model_call import ModelCall, ModelReply


class OneAnswerOfProvider:
    """Refuses what only chats have. A dialect for providers of another kind of call inherits from it."""

    __slots__ = ()

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Refuse: no tools are called."""
        _refuse()

    def read_events(self) -> EventReader:
        """Refuse: the wire has no streams."""
        _refuse()

    def replay(self, body: bytes) -> bytes:
        """Refuse: the wire has no streams."""
        _refuse()

    def assembler(self) -> None:
        """Return None: the wire has no streams."""

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Refuse: the call is no conversation."""
        _refuse()

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Refuse: the call is no conversation."""
        _refuse()

    def to_reply(self, reply: ModelReply) -> Reply:
        """Refuse: the call is no conversation."""
        _refuse()


class OneAnswer(OneAnswerOfProvider):
    """Refuses what only chats have. A dialect for both ends of another kind of call inherits from it."""

    __slots__ = ()

    def write_events(self, call: ModelCall, *, created: int = 0) -> EventWriter:
        """Refuse: the wire has no streams."""
        _refuse()

    def to_conversation(self, content: Content) -> Conversation:
        """Refuse: the call is no conversation."""
        _refuse()

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Refuse: the call is no conversation."""
        _refuse()


def _refuse() -> Never:
    raise Invalid("this kind of call is neither streamed nor turned into another wire's requests")
