"""The protocols of a dialect: pure functions between bytes and payloads.

client bytes ─ read_call ─▶ ModelCall ─ write_call ─▶ upstream bytes              (same wire: surgical edits)
client bytes ─ read_call ─▶ ModelCall ─ to_conversation ─▶ from_conversation ─▶   (another wire)
upstream bytes ─ read_reply ─▶ ModelReply ─ write_reply ─▶ client bytes             (same wire: surgical edits)
upstream bytes ─ read_reply ─▶ ModelReply ─ to_reply ─▶ from_reply ─▶               (another wire)
upstream bytes ─ EventReader ─▶ WireEvents ─ EventWriter ─▶ client bytes            (any wire)

A dialect is an extension of kind `dialects`. It implements `ClientDialect` to serve clients,
`ProviderDialect` to speak to providers, or both. One that implements both may add `PassThrough`:
calls and answers of its own wire then keep their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

from headgate.kernel.content import Content
from headgate.kernel.errors import HeadgateError, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.conversation import Conversation, Delta, Reply
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply, Operation
from headgate.wire.plane import Plane
from headgate.wire.sse import SseEvent

MODEL: Final = "{model}"
"""Stands in a path for the name of a model."""

_READ_OF_EVERY_ANSWER: Final = ("retry-after", "x-should-retry", "date", "x-headgate-")


class Match(NamedTuple):
    """What the path of a request says.

    Args:
        model: the model that the path names. No scan sees a path, so the dialect also puts the name
            into the call's content.
        stream: whether the path asks for a stream; None where the body says it.
    """

    operation: Operation
    model: str | None = None
    stream: bool | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A path that a dialect serves.

    Args:
        path: the whole path. It may hold `{model}` once, for at least one character.
        operation: what its requests ask for.
        stream: whether its answers are streams; None where the body says it.
    """

    method: Literal["POST"]
    path: str
    operation: Operation
    stream: bool | None = None


@dataclass(frozen=True, slots=True)
class AnswerHeaders:
    """The headers of a provider's answer, by the beginnings of their names in lower case.

    Args:
        rate_limits: the provider's limits. They go to the client with answers and with errors.
        request_ids: the provider's names of the request.

    Attributes:
        told: the headers that go to the client of a stream.
        read: the headers that the gateway reads at all.
    """

    rate_limits: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()
    told: tuple[str, ...] = field(init=False)
    read: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "told", (*self.rate_limits, *self.request_ids))
        object.__setattr__(self, "read", (*self.told, *_READ_OF_EVERY_ANSWER))


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
        """Return the body of the whole answer, as `ProviderDialect.read_reply` takes it.

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
    """One wire format, for at least one of the two ends."""

    @property
    def manifest(self) -> Manifest:
        """What it is, of kind `dialects`."""
        ...

    @property
    def name(self) -> str:
        """The manifest's name, which `ModelCall.wire` and `ModelReply.wire` say."""
        ...


class ClientDialect(Dialect, Protocol):
    """What it takes to serve clients of a wire."""

    @property
    def plane(self) -> Plane:
        """The family of wires that it belongs to: form of errors, base URL, header of the key."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """The paths that it serves."""
        ...

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match) -> ModelCall:
        """Decode and check a client's request; `match` is what its path says.

        Raises:
            Invalid: with `param` naming the field at fault.
        """
        ...

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request."""
        ...

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of another wire as one of this.

        Args:
            model: the alias asked for.
            call: what is answered, where its form decides the answer's.
            created: the time in seconds since 1970.
        """
        ...

    def write_events(self, call: ModelCall, *, created: int = 0) -> EventWriter:
        """Return an encoder for the client that sent `call`; `created` is the time in seconds since 1970."""
        ...


class ProviderDialect(Dialect, Protocol):
    """What it takes to speak to providers of a wire."""

    @property
    def quirks(self) -> frozenset[str]:
        """The switches that deployments of this wire may have."""
        ...

    @property
    def answer_headers(self) -> AnswerHeaders:
        """The headers of answers that clients may read."""
        ...

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        ...

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return what of a conversation `from_conversation` leaves out, by the names of our fields."""
        ...

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer.

        Raises:
            Upstream: it is not what the wire promises.
        """
        ...

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return an answer with other names of the tools that it calls: `names` has the new by the old."""
        ...

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer of this wire."""
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

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours; keeps texts that clients act on (context overflow)."""
        ...


class PassThrough(Protocol):
    """What a dialect for both ends adds to pass its own wire through with surgical edits.

    Without it, a call goes to a provider of the same wire in its typed form, as to any other wire.
    """

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the body for an upstream of this same wire.

        It asks for a stream where `call.stream` says so, whatever the client's bytes say.
        """
        ...

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return an answer of this wire for its client; `model` is the alias asked for."""
        ...


class TokenCounting(Protocol):
    """What a dialect adds whose routes ask for counts of tokens."""

    def estimated_count(self, call: ModelCall) -> ModelReply:
        """Return the answer to a count that no deployment gives: an estimate."""
        ...


class WholeDialect(ClientDialect, ProviderDialect, PassThrough, Protocol):
    """A dialect for both ends, as the built-in ones are. Each has a usual operation."""

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = ...) -> ModelCall:
        """As `ClientDialect.read_call`."""
        ...
