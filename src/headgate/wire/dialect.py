"""What every dialect offers: pure functions between bytes and payloads, for both ends of a call.

client bytes ─ read_call ─▶ ModelCall ─ write_call ─▶ upstream bytes              (same wire: surgical edits)
client bytes ─ read_call ─▶ ModelCall ─ to_conversation ─▶ from_conversation ─▶   (another wire)
upstream bytes ─ read_reply ─▶ ModelReply ─ write_reply ─▶ client bytes             (same wire: surgical edits)
upstream bytes ─ read_reply ─▶ ModelReply ─ to_reply ─▶ from_reply ─▶               (another wire)
upstream bytes ─ EventReader ─▶ WireEvents ─ EventWriter ─▶ client bytes            (any wire)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from headgate.kernel.content import Content
from headgate.kernel.errors import HeadgateError, Upstream
from headgate.wire.conversation import Conversation, Delta, Reply
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply, Operation
from headgate.wire.sse import SseEvent


class HttpError(NamedTuple):
    """An error as an HTTP answer of one wire; `body` is JSON, as whoever sends it says."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Outgoing(NamedTuple):
    """How a call leaves for one deployment.

    Args:
        model: the name that the provider knows.
        quirks: switches of the provider's capability profile (see each dialect's module docstring).
        cap_output_tokens: the most tokens that may be generated, or None.
        default_output_tokens: sent where the wire demands a limit and the client gave none.
    """

    model: str
    quirks: frozenset[str] = frozenset()
    cap_output_tokens: int | None = None
    default_output_tokens: int = 4096


class WireEvent(ModelEvent, Protocol):
    """What every dialect's events are: events that writers of other wires can take apart."""

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form, after any edit; stateless, the event carries what is needed."""
        ...


class EventReader(Protocol):
    """Decodes one upstream stream; feed it each SSE event in order."""

    def feed(self, event: SseEvent) -> Sequence[WireEvent]:
        """Return the model events in it; the end marker yields none.

        Raises:
            Upstream: the event is malformed or is the wire's error event; `retryable` says whether another may do.
        """
        ...

    def finish(self) -> None:
        """Say that the connection ended.

        Raises:
            Upstream: the stream was cut before its wire's proper end.
        """
        ...


class Assembler(Protocol):
    """Puts the events of one stream together into the whole answer that it would have been."""

    def add(self, event: ModelEvent) -> None:
        """Take the next event of this wire.

        Raises:
            Upstream: it does not follow from those before it.
        """
        ...

    def whole(self) -> bytes:
        """Return the body of the whole answer, as `Dialect.read_reply` takes it.

        Raises:
            Upstream: nothing of it has come.
        """
        ...


class EventWriter(Protocol):
    """Encodes one stream for the client, from events of any wire; those of another are read by `WireEvent.deltas`."""

    def write(self, event: ModelEvent) -> bytes:
        """Return the SSE frames for an event; may be empty."""
        ...

    def end(self) -> bytes:
        """Return what ends a stream well."""
        ...

    def fail(self, error: HeadgateError) -> bytes:
        """Return the in-band error that ends a stream badly; never followed by a good end."""
        ...

    def heartbeat(self) -> bytes:
        """Return a frame that keeps a silent stream alive and that clients ignore."""
        ...


class Dialect(Protocol):
    """One wire format. `name` is what `ModelCall.wire` and `ModelReply.wire` say."""

    @property
    def name(self) -> str:
        """The dialect's name."""
        ...

    def read_call(self, body: bytes, *, headers: Mapping[str, str]) -> ModelCall:
        """Decode and check a client's request.

        Raises:
            Invalid: with `param` naming the field at fault.
        """
        ...

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the body for an upstream of this same wire: the client's bytes with surgical edits.

        It asks for a stream where `call.stream` says so, whatever the client's bytes say.
        """
        ...

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer.

        Raises:
            Upstream: it is not what the wire promises.
        """
        ...

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return an answer of this wire for its client: surgical edits only; `model` is the alias asked for."""
        ...

    def read_events(self) -> EventReader:
        """Return a decoder for one stream."""
        ...

    def replay(self, body: bytes) -> bytes:
        """Return the stream that says the same as a whole answer, for an upstream that streams nothing.

        Raises:
            Upstream: as `read_reply`.
        """
        ...

    def assembler(self) -> Assembler | None:
        """Return what makes a whole answer of a stream; None where nobody needs it, for the wire has no limit there."""
        ...

    def write_events(self, call: ModelCall, *, created: int = 0) -> EventWriter:
        """Return an encoder for the client that sent `call`; `created` is the time in seconds since 1970."""
        ...

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours; keeps texts that clients act on (context overflow)."""
        ...

    def write_error(self, error: HeadgateError, *, request_id: str) -> HttpError:
        """Render an error for a client of this wire."""
        ...

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request."""
        ...

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        ...

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return what of a conversation `from_conversation` leaves out, by the names of our fields."""
        ...

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer of this wire."""
        ...

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of another wire as one of this.

        Args:
            model: the alias asked for.
            call: what is answered, where its form decides the answer's.
            created: the time in seconds since 1970.
        """
        ...

    def operations(self) -> frozenset[Operation]:
        """Return what the wire can ask for."""
        ...
