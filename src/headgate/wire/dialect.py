"""The protocols of a dialect: pure functions between bytes and payloads.

client bytes ─ read_call ─▶ ModelCall ─ write_call ─▶ upstream bytes              (same wire: surgical edits)
client bytes ─ read_call ─▶ ModelCall ─ to_conversation ─▶ from_conversation ─▶   (another wire)
upstream bytes ─ read_reply ─▶ ModelReply ─ write_reply ─▶ client bytes             (same wire: surgical edits)
upstream bytes ─ read_reply ─▶ ModelReply ─ to_reply ─▶ from_reply ─▶               (another wire)
upstream bytes ─ EventReader ─▶ WireEvents ─ EventWriter ─▶ client bytes            (any wire)

A dialect is an extension of kind `dialects`. It implements `ClientDialect` to serve clients,
`ProviderDialect` to speak to providers, or both. A dialect that implements both may add
`PassThrough`. Calls and answers of its own wire then keep their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol

from headgate.kernel.content import Content
from headgate.kernel.errors import HeadgateError, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.conversation import Conversation, Delta, Reply
from headgate.wire.embedding import EmbeddingTexts, Vectors
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply, Operation
from headgate.wire.plane import Plane
from headgate.wire.sse import SseEvent

MODEL: Final = "{model}"
"""The placeholder for a model's name in a path."""

_READ_OF_EVERY_ANSWER: Final = ("retry-after", "x-should-retry", "date", "x-headgate-")


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

BodyForm = Literal["json", "form", "any"]
"""The form of a request's body: JSON, `multipart/form-data`, or any."""

NO_QUERY: Final[Mapping[str, str]] = MappingProxyType({})


class Match(NamedTuple):
    """The operation, model and stream flag from a request's path.

    Args:
        model: the model in the path. No scan sees a path, so the dialect also puts the name
            into the call's content.
        stream: whether the path asks for a stream; None if the body decides.
        query: the parameters of the request's query. No scan sees them, so a dialect reads only
            parameters with a fixed set of values.
        method: the request's method.
        body: the form of its body.
        variant: the variant of the route.
        pairs: all parameters of the query, also repeated and empty ones, for a body of any form.
    """

    operation: Operation
    model: str | None = None
    stream: bool | None = None
    query: Mapping[str, str] = NO_QUERY
    method: Method = "POST"
    body: BodyForm = "json"
    variant: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A path that a dialect serves.

    Args:
        path: the whole path. It may contain `{model}` once, for at least one character.
        operation: the operation of its requests.
        stream: whether its answers are streams; None if the body decides.
        body: the form of its requests' bodies.
        variant: tells routes of one operation apart, such as `compact`.
    """

    method: Method
    path: str
    operation: Operation
    stream: bool | None = None
    body: BodyForm = "json"
    variant: str = ""


@dataclass(frozen=True, slots=True)
class AnswerHeaders:
    """The headers of a provider's answer, by prefixes of their names in lower case.

    Args:
        rate_limits: headers with the provider's limits. The gateway sends them to the client with
            answers and with errors.
        request_ids: headers with the provider's id of the request.
        others: further headers that the dialect reads.

    Attributes:
        told: the headers that the gateway sends to the client of a stream.
        read: all headers that the gateway reads.
    """

    rate_limits: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    told: tuple[str, ...] = field(init=False)
    read: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "told", (*self.rate_limits, *self.request_ids))
        object.__setattr__(self, "read", (*self.told, *self.others, *_READ_OF_EVERY_ANSWER))


class Outgoing(NamedTuple):
    """The deployment's settings for an outgoing call.

    Args:
        model: the provider's name of the model.
        quirks: switches of the provider's capability profile; each dialect's module lists its own.
        cap_output_tokens: the maximum number of generated tokens, or None.
        default_output_tokens: the limit for a wire that demands one, if the client gave none.
        tag: marks the parts of an answer that only this deployment can read again; see `Binding`.
    """

    model: str
    quirks: frozenset[str] = frozenset()
    cap_output_tokens: int | None = None
    default_output_tokens: int = 4096
    tag: str = ""


class WireEvent(ModelEvent, Protocol):
    """An event of any dialect, in a form that writers of other wires can read."""

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form, after any edit; the event alone determines it."""
        ...


class Binding(Protocol):
    """The methods of a dialect with parts of an answer that only the deployment that issued them can read again.

    `write_call` takes the mark off for that deployment, and leaves the part out for others.
    """

    def bound_reply(self, reply: ModelReply, tag: str) -> ModelReply:
        """Return a whole answer with the tag in such parts."""
        ...

    def bound_event(self, event: WireEvent, tag: str) -> WireEvent:
        """Return an event of a stream with the tag in such parts."""
        ...


class EventReader(Protocol):
    """Decodes one upstream stream; feed it each SSE event in order."""

    def feed(self, event: SseEvent) -> Sequence[WireEvent]:
        """Return the model events of an SSE event; the end marker yields none.

        Raises:
            Upstream: the event is malformed or is the wire's error event. `retryable` tells
                whether another deployment may succeed.
        """
        ...

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended.

        Raises:
            Upstream: the stream broke off before its wire's proper end.
        """
        ...


class Assembler(Protocol):
    """Assembles the events of one stream into the equivalent whole answer."""

    def add(self, event: ModelEvent) -> None:
        """Take the next event of this wire.

        Raises:
            Upstream: the event does not fit those before it.
        """
        ...

    def whole(self) -> bytes:
        """Return the body of the whole answer, for `ProviderDialect.read_reply`.

        Raises:
            Upstream: no answer has begun.
        """
        ...


class EventWriter(Protocol):
    """Encodes one stream for the client, from events of any wire.

    It reads the events of other wires by `WireEvent.deltas`.
    """

    def write(self, event: ModelEvent) -> bytes:
        """Return the SSE frames for an event; may be empty."""
        ...

    def end(self) -> bytes:
        """Return the final frames of a successful stream."""
        ...

    def fail(self, error: HeadgateError) -> bytes:
        """Return the error frame that ends a failed stream; no `end` follows it."""
        ...

    def heartbeat(self) -> bytes:
        """Return a frame that keeps a silent stream alive and that clients ignore."""
        ...


class Dialect(Protocol):
    """One wire format, for at least one of the two ends."""

    @property
    def manifest(self) -> Manifest:
        """The manifest, of kind `dialects`."""
        ...

    @property
    def name(self) -> str:
        """The manifest's name, as in `ModelCall.wire` and `ModelReply.wire`."""
        ...


class ClientDialect(Dialect, Protocol):
    """A dialect that serves clients of its wire."""

    @property
    def plane(self) -> Plane:
        """The dialect's family of wires: its form of errors, base URL and key header."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """The paths that the dialect serves."""
        ...

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match) -> ModelCall:
        """Decode and check a client's request; `match` comes from its path.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        ...

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request."""
        ...

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of another wire as one of this.

        Args:
            model: the alias in the client's request.
            call: the client's call, for a wire whose requests decide the form of the answer.
            created: the time in seconds since 1970.
        """
        ...

    def write_events(self, call: ModelCall, *, created: int = 0) -> EventWriter:
        """Return an encoder for the client that sent `call`; `created` is the time in seconds since 1970."""
        ...


class ProviderDialect(Dialect, Protocol):
    """A dialect that speaks to providers of its wire."""

    @property
    def quirks(self) -> frozenset[str]:
        """The quirks that deployments of this wire may have."""
        ...

    @property
    def answer_headers(self) -> AnswerHeaders:
        """The headers of answers that clients may read."""
        ...

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        ...

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return the names of our fields that `from_conversation` leaves out."""
        ...

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer.

        Raises:
            Upstream: the answer is not of the wire's form.
        """
        ...

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return an answer with the called tools renamed; `names` maps old names to new ones."""
        ...

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer of this wire."""
        ...

    def read_events(self) -> EventReader:
        """Return a decoder for one stream."""
        ...

    def replay(self, body: bytes) -> bytes:
        """Return the stream equivalent to a whole answer, for an upstream that does not stream.

        Raises:
            Upstream: as `read_reply`.
        """
        ...

    def assembler(self) -> Assembler | None:
        """Return an assembler for one stream; None if whole answers may be as long as streams."""
        ...

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours; keep texts that clients act on.

        An example of such a text is a context overflow.
        """
        ...


class PassThrough(Protocol):
    """The methods of a dialect for both ends that pass its own wire through with surgical edits.

    Without them, a call reaches a provider of the same wire in its typed form, as it does on any
    other wire.
    """

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the body for an upstream of this same wire.

        `call.stream` decides whether the body asks for a stream, regardless of the client's bytes.
        """
        ...

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return an answer of this wire for its client; `model` is the alias in the request."""
        ...


class TokenCounting(Protocol):
    """The method that a dialect with a route for token counts adds."""

    def estimated_count(self, call: ModelCall) -> ModelReply:
        """Return an estimated token count, for a call that no deployment counts."""
        ...


class CountCrossing(Protocol):
    """The methods of a dialect for both ends whose token counts cross wires."""

    def write_count(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request for a token count.

        Raises:
            Invalid: this wire format cannot express the conversation.
        """
        ...

    def count_in(self, reply: ModelReply) -> int:
        """Return the number of tokens in an answer of this wire."""
        ...

    def count_reply(self, tokens: int) -> bytes:
        """Write a token count of another wire as an answer of this."""
        ...


class EmbeddingCrossing(Protocol):
    """The methods of a dialect for both ends whose embeddings cross wires."""

    def to_texts(self, content: Content) -> EmbeddingTexts:
        """Build the typed form of a request.

        Raises:
            Invalid: the request has an input without a text.
        """
        ...

    def from_texts(self, texts: EmbeddingTexts, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        ...

    def unsaid_of_texts(self, texts: EmbeddingTexts) -> tuple[str, ...]:
        """Return the names of our fields that `from_texts` leaves out."""
        ...

    def to_vectors(self, reply: ModelReply) -> Vectors:
        """Build the typed form of an answer of this wire.

        Raises:
            Upstream: the answer holds no vectors.
        """
        ...

    def from_vectors(self, vectors: Vectors, *, model: str, call: ModelCall) -> bytes:
        """Write the vectors of another wire as an answer for the client that sent `call`."""
        ...


class WholeDialect(ClientDialect, ProviderDialect, PassThrough, Protocol):
    """A dialect for both ends, with a default operation, such as each built-in one."""

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = ...) -> ModelCall:
        """As `ClientDialect.read_call`."""
        ...
