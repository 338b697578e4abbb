"""The methods of a dialect whose clients name an earlier answer instead of sending it again.

The server keeps each answer with the call that asked for it, as an *exchange*: opaque JSON that
only the dialect reads. A call that continues an earlier answer or a conversation gets the earlier
items before it becomes an action, so that the pipeline labels, decides and masks the whole
conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from headgate.kernel.content import Content
from headgate.kernel.errors import HeadgateError, Invalid
from headgate.wire.dialect import EventWriter
from headgate.wire.model_call import ModelCall


class AnswerUnknown(Invalid):
    """A call continues an answer that is not kept, or that belongs to someone else."""

    code = "previous_response_not_found"


class KeepingWriter(EventWriter, Protocol):
    """A writer that also knows the whole answer."""

    @property
    def answer(self) -> bytes | None:
        """The whole answer as the client has it, once it is complete."""
        ...


class State(NamedTuple):
    """What a call wants of the state that is kept here.

    Args:
        previous: the id of the answer that it continues.
        conversation: the id of the conversation that it continues.
        items: ids of single items that it refers to.
        sealed: the texts that stand for summaries in it.
        is_kept: whether the client wants the answer kept.
        begins: whether it begins a thread, in a field that only `after` takes out.
        is_background: whether the answer is written while no client waits.
    """

    previous: str | None = None
    conversation: str | None = None
    items: Sequence[str] = ()
    sealed: Sequence[str] = ()
    is_kept: bool = True
    begins: bool = False
    is_background: bool = False


class Earlier(NamedTuple):
    """What a call continues.

    Args:
        exchanges: of the answers that led to it, oldest first.
        items: of its conversation, in order.
        named: exchanges that have the items that it refers to, in no order.
        opened: the summaries in it, by the sealed texts that stand for them.
    """

    exchanges: Sequence[bytes] = ()
    items: Sequence[bytes] = ()
    named: Sequence[bytes] = ()
    opened: Mapping[str, str] = MappingProxyType({})


class Item(NamedTuple):
    """An item of a conversation with its id, in its own bytes."""

    id: str
    body: bytes


class Asked(NamedTuple):
    """A request for a kept answer, from its path.

    Args:
        part: what follows the answer's id in the path, or "".
    """

    answer: str
    part: str = ""


class StatefulDialect(Protocol):
    """A dialect whose answers are kept; it also implements `ClientDialect`."""

    def state_of(self, call: ModelCall) -> State | None:
        """Return what a call wants of kept state, or None if it neither needs nor leaves any."""
        ...

    def unknown(self, previous: str) -> HeadgateError:
        """Return the error for a call that continues an answer that its caller does not have."""
        ...

    def after(self, call: ModelCall, earlier: Earlier) -> ModelCall:
        """Return the call with all that it continues before its own items.

        Raises:
            TooLarge: the conversation is larger than a body may be.
            Invalid: the call contradicts what it continues.
        """
        ...

    def new_id(self, unique: str) -> str:
        """Return the id of a new answer."""
        ...

    def write_events_as(self, call: ModelCall, *, answer: str, created: int = 0) -> KeepingWriter:
        """As `ClientDialect.write_events`, for an answer with this id."""
        ...

    def named(self, body: bytes, *, call: ModelCall, answer: str) -> bytes:
        """Return a whole answer under this id."""
        ...

    def exchange(self, call: ModelCall, body: bytes) -> bytes:
        """Return the exchange of a client's call and its whole answer."""
        ...


class ReadableDialect(Protocol):
    """A dialect whose clients read their answers, and name items and conversations.

    It also implements `StatefulDialect`.
    """

    @property
    def kept_at(self) -> str:
        """The path under which clients read their kept answers; it ends in a slash."""
        ...

    @property
    def conversations(self) -> ConversationWire:
        """The form of its conversations."""
        ...

    def answers_of(self, items: Sequence[str]) -> Sequence[str]:
        """Return the ids of the answers whose items these may be, as far as their ids tell."""
        ...

    def resolved(self, call: ModelCall, earlier: Earlier) -> ModelCall:
        """Return a call with the items and summaries that it refers to in their places.

        Only for a call with `State.items` or `State.sealed`.

        Raises:
            NotFound: an item is unknown.
        """
        ...

    def items_of(self, exchange: bytes) -> Sequence[Item]:
        """Return the items of a call and its answer that a conversation keeps, in order."""
        ...

    def told_items(self, exchange: bytes) -> Sequence[str]:
        """Return the ids of the answer's items that later calls may refer to."""
        ...

    def queued(self, call: ModelCall, *, answer: str, created: int) -> bytes:
        """Return an answer in the background before it begins."""
        ...

    def with_status(self, body: bytes, status: str, *, error: HeadgateError | None = None) -> bytes:
        """Return a whole answer with another status, and the error of a failed one."""
        ...

    def failed_event(self, body: bytes, number: int, *, error: HeadgateError) -> bytes:
        """Return the last event of an answer that has failed, with a number."""
        ...

    def events_after(self, frames: bytes, number: int) -> bytes:
        """Return the events of a stream with a number above `number`."""
        ...

    def numbers_in(self, frames: bytes) -> Sequence[int]:
        """Return the numbers of the events in frames."""
        ...

    def summary_in(self, body: bytes) -> str:
        """Return the summary in a whole answer to a request for compaction.

        Raises:
            Upstream: there is none.
        """
        ...

    def compacted(self, body: bytes, *, call: ModelCall, answer: str, sealed: str) -> bytes:
        """Return the answer to a request for compaction.

        Args:
            body: the whole answer with the summary.
            call: the request with all that it continues.
            sealed: stands for the summary.
        """
        ...

    def starting_after(self, query: Mapping[str, str]) -> int | None:
        """Return the number of the event after which a request reads a stream, or None if it reads the whole answer.

        Raises:
            Invalid: the query is invalid.
        """
        ...

    def read_kept(self, asked: Asked, exchanges: Sequence[bytes], query: Mapping[str, str]) -> bytes:
        """Return the body for `GET`: the last exchange's answer, or the items that led to it.

        Raises:
            Invalid: the query is invalid.
            NotFound: there is no such part.
        """
        ...

    def forgotten(self, answer: str) -> bytes:
        """Return the body for a deleted answer."""
        ...


class ConversationWire(Protocol):
    """The form of conversations that clients make, read and change."""

    @property
    def path(self) -> str:
        """The path of all conversations, without a slash at its end."""
        ...

    def new_id(self, unique: str) -> str:
        """Return the id of a new conversation."""
        ...

    def read_body(self, body: bytes, *, is_new: bool) -> Content:
        """Decode and check the body that makes or changes a conversation.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        ...

    def read_items(self, body: bytes) -> Content:
        """Decode and check the body that adds items.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        ...

    def metadata_in(self, content: Content) -> bytes:
        """Return the metadata of a body as JSON."""
        ...

    def items_in(self, content: Content, *, unique: str) -> Sequence[Item]:
        """Return the items of a body; those without an id get one."""
        ...

    def whole(self, conversation: str, *, created: int, metadata: bytes) -> bytes:
        """Return the body that shows a conversation."""
        ...

    def page(self, items: Sequence[bytes], query: Mapping[str, str]) -> bytes:
        """Return a page of items.

        Raises:
            Invalid: the query is invalid.
        """
        ...

    def deleted(self, conversation: str) -> bytes:
        """Return the body for a deleted conversation."""
        ...
