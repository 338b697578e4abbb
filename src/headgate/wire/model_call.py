"""The verbs of model calls, with their payloads, items and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, Self

from headgate.kernel.action import Verb
from headgate.kernel.content import Content, StreamItem, TextSlot
from headgate.kernel.hashing import HashedOnce, hashed_once
from headgate.kernel.labels import EMPTY, Clearance

Operation = Literal[
    "chat",
    "embed",
    "count_tokens",
    "moderate",
    "rerank",
    "image",
    "image_edit",
    "image_variation",
    "speech",
    "transcribe",
    "translate",
    "raw",
]
"""The kinds of calls. `docs/decisions/0030-other-kinds-of-calls.md` lists what adds one."""

KINDS: Mapping[Operation, str] = {
    "chat": "chat",
    "embed": "embeddings",
    "count_tokens": "token counts",
    "moderate": "moderations",
    "rerank": "reranking",
    "image": "images",
    "image_edit": "edits of images",
    "image_variation": "variations of images",
    "speech": "speech",
    "transcribe": "transcriptions",
    "translate": "translations of audio",
    "raw": "other requests",
}
"""The kinds of calls in words."""

StopReason = Literal[
    "stop", "stop_sequence", "length", "context_length", "tool_use", "refusal", "content_filter", "pause", "unknown"
]


Need = Literal["tools", "images", "json_schema"]
"""The capabilities that a call may need, by the field names of `Capability`."""

NEEDS_NOTHING = frozenset[Need]()

JSON = "application/json"

Preference = Literal["order", "weighted", "cheapest", "fastest", "least_loaded", "auto"]
"""How an alias chooses among the deployments that a call may go to."""

Counts = tuple[tuple[str, int], ...]
"""Amounts of units besides tokens."""

UNITS = (
    *("input_tokens", "output_tokens", "cache_read_tokens"),
    *("images", "audio_seconds", "characters", "searches"),
    *("cache_hits", "saved_micros"),
)
"""The units of the verbs of model calls. The last two count answers from the gateway's cache, and what they saved."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input_tokens` *includes* cached tokens. None is an unreported count.

    `cache_write_tokens` counts the five-minute writes, and `cache_write_1h_tokens` the one-hour
    writes. Both are part of `input_tokens`. `reasoning_tokens` are part of `output_tokens`.
    `counts` are the amounts of other units, and `variant` is the quality and size of the images.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    is_estimate: bool = False
    counts: Counts = ()
    variant: str = ""

    def updated(self, later: Usage) -> Usage:
        """Return this report, updated by a later one of the same stream.

        Reports are cumulative, so a zero or None in the later one keeps the earlier count.
        """
        said = {name: value for name in _COUNTS if not getattr(later, name) and (value := getattr(self, name))}
        return replace(later, **said) if said else later

    def amounts(self) -> dict[str, int]:
        """Return the amounts by unit, for `Measures`. Prices need finer counts than records keep."""
        amounts: dict[str, int] = {}
        if self.input_tokens is not None:
            amounts["input_tokens"] = self.input_tokens
        if self.output_tokens is not None:
            amounts["output_tokens"] = self.output_tokens
        if self.cache_read_tokens:
            amounts["cache_read_tokens"] = self.cache_read_tokens
        if self.counts:
            amounts.update(self.counts)
        return amounts


_COUNTS = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("reasoning_tokens", "is_estimate"),
)

NO_USAGE = Usage()
"""The usage of a call whose provider reported none."""


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-units of `currency` for a million tokens. None is an unknown price, never zero.

    Args:
        tiers: the prices of longer prompts, in ascending order of length.
        version: names the price in records, such as `list 1a2b3c`.
        unit_micros: the prices of other units: `requests`, `searches`, `images`,
            `images QUALITY/SIZE`, `audio_seconds` for a minute, and `characters` for a million.
    """

    currency: str
    input_micros: int | None
    output_micros: int | None
    cache_read_micros: int | None = None
    cache_write_micros: int | None = None
    cache_write_1h_micros: int | None = None
    tiers: tuple[PriceTier, ...] = ()
    version: str = field(default="", compare=False)
    unit_micros: Counts = field(default=(), repr=False)

    @property
    def is_free(self) -> bool:
        """Whether every token is known to cost nothing."""
        rates = (self.input_micros, self.output_micros, self.cache_read_micros or 0, self.cache_write_micros or 0)
        units = any(micros for _, micros in self.unit_micros)
        return rates == (0, 0, 0, 0) and not self.cache_write_1h_micros and not self.tiers and not units

    def at(self, input_tokens: int) -> Price:
        """Return the price of a whole call; `input_tokens` includes cached tokens."""
        price = self
        for tier in self.tiers:
            if input_tokens > tier.above_input_tokens:
                price = tier.price
        return price


@dataclass(frozen=True, slots=True)
class PriceTier:
    """The price of all tokens of a call whose prompt is longer than `above_input_tokens`."""

    above_input_tokens: int
    price: Price


@dataclass(frozen=True, slots=True)
class Capability:
    """The capabilities of a deployment; the gateway routes no call to it that needs more.

    Args:
        whole_output_tokens: the maximum number of output tokens without a stream. The gateway
            streams and assembles an answer that may be longer. None means no maximum.
    """

    operations: frozenset[Operation] = frozenset({"chat"})
    tools: bool = True
    images: bool = False
    json_schema: bool = True
    streaming: bool = True
    context_tokens: int | None = None
    output_tokens: int | None = None
    whole_output_tokens: int | None = None


@hashed_once
@dataclass(frozen=True, slots=True)
class Deployment(HashedOnce):
    """A model at a provider, with its clearance, price and capability.

    Args:
        provider: the name of the provider extension.
        model: the provider's name of the model.
        base_url: the address, or None for the provider's default address.
        key: a reference to the credential (`env:NAME`, `file:PATH`), or None.
        network: the name of the egress profile (proxy, private CA, allowed private addresses).
        quirks: switches of the provider's capability profile, such as `max_completion_tokens`.
        options: the provider's own fields, such as a region: names and values, sorted.
    """

    id: str
    provider: str
    model: str
    clearance: Clearance
    base_url: str | None = None
    key: str | None = None
    network: str = "default"
    price: Price | None = None
    capability: Capability = Capability()
    quirks: frozenset[str] = EMPTY
    timeout_s: float = 600.0
    tenant: str | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A client's request to a model, in the client's own bytes.

    Args:
        wire: the dialect of the body, such as `openai_chat`.
        content: the body.
        model: the alias in the request.
        stream: whether the client asked for a stream.
        headers: the client's headers that the dialect forwards, names in lower case.
        output_limit: the client's maximum number of output tokens, or None without one.
        needs: the capabilities that an answer needs beyond text.
        counts: the amounts of units besides tokens that the call asks for, such as images.
        variant: the quality and size of the images that it asks for.
        media_type: the content type of the body.
        answer_type: the content type of a streamed answer that is no stream of events.
        bound_to: the tag of the deployment that issued a part which no other one can read, or "".
    """

    wire: str
    content: Content
    model: str
    operation: Operation = "chat"
    stream: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    output_limit: int | None = None
    needs: frozenset[Need] = NEEDS_NOTHING
    counts: Counts = ()
    variant: str = ""
    media_type: str = JSON
    answer_type: str = ""
    bound_to: str = ""

    def with_content(self, content: Content) -> Self:
        """Return the call with another body."""
        return replace(self, content=content)


@dataclass(frozen=True, slots=True)
class ModelDispatch:
    """One attempt to send a call to one deployment; `call` derives from the client's original."""

    call: ModelCall
    deployment: Deployment
    attempt: int = 1

    @property
    def content(self) -> Content:
        """The client's body; after the transformation, masked for this deployment."""
        return self.call.content

    @property
    def address(self) -> Mapping[str, str]:
        """The fields that define the deployment's target.

        An approval covers these fields, not the id, which may point at another target later.
        """
        deployment = self.deployment
        options = {f"options.{name}": value for name, value in deployment.options}
        return {
            **options,
            "provider": deployment.provider,
            "model": deployment.model,
            "base_url": deployment.base_url or "",
            "key": deployment.key or "",
            "network": deployment.network,
            "clearance": str(deployment.clearance),
        }

    def with_content(self, content: Content) -> Self:
        """Return the dispatch with another body."""
        return replace(self, call=self.call.with_content(content))


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A whole answer, in the bytes of `wire`.

    `wire` is the upstream's dialect until the server renders the answer for the client.
    """

    wire: str
    content: Content
    usage: Usage = NO_USAGE
    stop_reason: StopReason = "unknown"
    headers: tuple[tuple[str, str], ...] = ()
    deployment: str = ""
    media_type: str = JSON
    status: int = 200

    def with_content(self, content: Content) -> Self:
        """Return the reply with another body."""
        return replace(self, content=content)

    def by(self, deployment: str) -> ModelReply:
        """Return the reply with its deployment set."""
        return ModelReply(
            self.wire,
            self.content,
            self.usage,
            self.stop_reason,
            self.headers,
            deployment,
            self.media_type,
            self.status,
        )


class ModelEvent(StreamItem, Protocol):
    """One event of a streamed answer, in the bytes of `wire`. Each dialect implements it."""

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        ...

    @property
    def data(self) -> bytes:
        """The event's payload, without `data:` and line ends."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The cumulative usage that the event reports, or None."""
        ...

    @property
    def stop_reason(self) -> StopReason | None:
        """The stop reason that the event reports, or None."""
        ...

    def edit(self, texts: Sequence[str]) -> ModelEvent:
        """As `StreamItem.edit`."""
        ...

    def without_spelling(self) -> ModelEvent:
        """As `StreamItem.without_spelling`."""
        ...

    def insert(self, slot: TextSlot) -> ModelEvent:
        """As `StreamItem.insert`."""
        ...


USE_MODELS = "use-models"
"""The group of verbs that use models."""

MODEL_INVOKE: Verb[ModelCall, ModelEvent, ModelReply] = Verb(
    "model.invoke",
    ModelCall,
    ModelEvent,
    ModelReply,
    effect="plan",
    units=UNITS,
    title="Call a model",
    groups=(USE_MODELS,),
)
"""Calls a model by its alias: plans candidates, and runs one `model.dispatch` for each attempt."""

MODEL_PASS: Verb[ModelCall, ModelEvent, ModelReply] = Verb(
    "model.pass_through",
    ModelCall,
    ModelEvent,
    ModelReply,
    effect="plan",
    units=UNITS,
    title="Pass a request through",
    on="deployment",
    groups=("pass-through",),
    attributes={"method": str, "path": str, "provider": str},
)
"""Sends any request to one deployment as it is, by one `model.dispatch`. No rule of Headgate allows it to anybody."""

MODEL_DISPATCH: Verb[ModelDispatch, ModelEvent, ModelReply] = Verb(
    "model.dispatch",
    ModelDispatch,
    ModelEvent,
    ModelReply,
    effect="send",
    units=UNITS,
    title="Send a call to a deployment",
    groups=(USE_MODELS,),
    part_of=MODEL_INVOKE.name,
)
"""Sends a call to one deployment, with the content masked for that destination."""
