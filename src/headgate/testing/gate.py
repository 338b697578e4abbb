"""The real gateway performers over fakes of all other stages, with simulated deployments."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from headgate.gateway.admission import KeyAdmitter
from headgate.gateway.cache_rules import CacheRule
from headgate.gateway.cached_answers import CachedAnswers
from headgate.gateway.catalogue import Alias, Catalogue
from headgate.gateway.dispatch import ModelDispatcher
from headgate.gateway.health import Health
from headgate.gateway.hedging import Hedging
from headgate.gateway.invoke import ModelInvoke
from headgate.gateway.pace import Pace
from headgate.gateway.passing import ModelPassThrough
from headgate.gateway.recall import MODEL_RECALL, ModelRecall
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.extensions import load
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import BOTTOM, Clearance, Confidentiality, Custody, Labels, pseudonymous
from headgate.kernel.pipeline import Done, Stream
from headgate.kernel.ports import Reservation
from headgate.substrate.egress import Egress, NetworkProfile
from headgate.testing.people import BOT, SUPPORT
from headgate.testing.pipeline import Bench
from headgate.testing.ports import ALLOW
from headgate.testing.simulator import Simulator
from headgate.wire.dialect import Match
from headgate.wire.dialects import load_dialects
from headgate.wire.model_call import (
    MODEL_DISPATCH,
    MODEL_INVOKE,
    MODEL_PASS,
    Deployment,
    ModelCall,
    ModelEvent,
    ModelReply,
    Need,
    Preference,
    Price,
)
from headgate.wire.provider import Provider

CLOUD = Clearance(
    level=Confidentiality.INTERNAL, categories=frozenset(pseudonymous(one) for one in ("pii", "phi", "pci", "secret"))
)
"""The usual clearance of a cloud provider."""

OURS = Clearance(level=Confidentiality.RESTRICTED, categories=None, access=None, custody=Custody.ORGANISATION)
"""The clearance of a model on the organisation's own machines."""

PRICE = Price("USD", input_micros=1_000_000, output_micros=2_000_000, cache_read_micros=100_000)
"""Micro-dollars per token: 1 for input, 2 for output, 0.1 for input from the cache."""

DIALECTS = load_dialects()
PROVIDERS = {name: cast("Provider", one) for name, one in load("providers").items()}
_BARE = ("anthropic", "azure", "azure_classic", "bedrock", "bedrock_anthropic", "gemini")
"""The providers whose addresses end at the host."""
_WIRES = {
    "openai": "openai_chat",
    "anthropic": "anthropic_messages",
    "responses": "openai_responses",
    "gemini": "gemini",
}


@dataclass(slots=True)
class Gate:
    """A gateway with an alias `chat` for its deployments, in the order of `add`.

    `bench` holds the fakes of the other stages.
    """

    egress: Egress
    bench: Bench = field(default_factory=Bench)
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    deployments: dict[str, Deployment] = field(default_factory=dict[str, Deployment])
    prefer: Preference = "order"
    weights: dict[str, int] = field(default_factory=dict[str, int])
    cache: CacheRule | None = None
    hedge_s: float | None = None

    def __post_init__(self) -> None:
        self.bench.performers = {
            MODEL_INVOKE.name: ModelInvoke(
                catalogues=self.catalogue,
                health=Health(self.bench.clock),
                pace=Pace(self.bench.clock),
                counting=DIALECTS.counting,
                cached=CachedAnswers(dialects=DIALECTS, clock=self.bench.clock),
                hedging=Hedging(self._reserve_again),
            ),
            MODEL_RECALL.name: ModelRecall(dialects=DIALECTS, clock=self.bench.clock),
            MODEL_PASS.name: ModelPassThrough(catalogues=self.catalogue),
            MODEL_DISPATCH.name: ModelDispatcher(
                egress=self.egress,
                providers=PROVIDERS,
                dialects=DIALECTS,
                secrets=self.secrets.__getitem__,
                clock=self.bench.clock,
            ),
        }

    def add(
        self,
        id: str,  # noqa: A002 - the field's own name
        simulator: Simulator,
        *,
        provider: str = "openai",
        clearance: Clearance = CLOUD,
        price: Price | None = PRICE,
        network: str = "loopback",
        streaming: bool = True,
        lacks: Iterable[Need] = (),
        key: str | None = None,
        options: Mapping[str, str] | None = None,
        quirks: Iterable[str] = (),
        model: str | None = None,
        context_tokens: int | None = None,
    ) -> None:
        """Add a deployment; `key` is the secret itself."""
        if key is not None:
            self.secrets[f"env:KEY_OF_{id}"] = key
        usual = PROVIDERS[provider].capability
        self.deployments[id] = Deployment(
            id=id,
            provider=provider,
            model=model or f"{id}-model",
            base_url=simulator.base_url if provider in _BARE else simulator.openai_url,
            key=None if key is None else f"env:KEY_OF_{id}",
            options=tuple(sorted((options or {}).items())),
            quirks=frozenset(quirks),
            clearance=clearance,
            price=price,
            network=network,
            capability=replace(
                usual, streaming=streaming, context_tokens=context_tokens, **dict.fromkeys(lacks, False)
            ),
        )

    def at(self, id: str, base_url: str) -> None:  # noqa: A002 - the field's own name
        """Move a deployment to another address."""
        self.deployments[id] = replace(self.deployments[id], base_url=base_url)

    def action(
        self,
        text: str = "Good day",
        *,
        wire: str = "openai",
        stream: bool = False,
        counts: bool = False,
        principal: Principal = BOT,
        use_case: UseCase = SUPPORT,
        floor: Labels = BOTTOM,
        body: Mapping[str, Any] | None = None,
        grant: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Action[ModelCall, ModelEvent, ModelReply]:
        """Return a call of the alias `chat`, decoded from a client's bytes as the server does.

        With `counts`, return a request for a token count.
        """
        request: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": text}], "stream": stream}
        if wire == "anthropic":
            request["max_tokens"] = 64
        match = Match("count_tokens" if counts else "chat")
        if wire == "responses":
            request["input"] = request.pop("messages")
        if wire == "gemini":
            request = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
            match = match._replace(model="chat", stream=stream, query={"alt": "sse"})
        sent = json.dumps({**request, **(body or {})}).encode()
        call = DIALECTS.clients[_WIRES[wire]].read_call(sent, headers=headers or {}, match=match)
        context = Context(use_case=use_case, floor=floor, grant=grant)
        return Action(MODEL_INVOKE, principal, Resource("alias", call.model), call, context)

    async def ask(self, text: str = "Good day", **how: Any) -> Done[ModelCall, ModelEvent, ModelReply]:
        """Make a call and return the whole answer in the provider's wire format."""
        return await self.bench.pipeline().run(self.action(text, **how))

    async def answer(self, text: str = "Good day", *, wire: str = "openai", **how: Any) -> Any:
        """Make a call and return the answer, decoded from the client's wire format."""
        done = await self.ask(text, wire=wire, **how)
        return json.loads(
            DIALECTS.render_reply(
                done.result,
                wire=_WIRES[wire],
                model="chat",
                call=done.run.action.payload,
                created=int(self.bench.clock.now().timestamp()),
            )
        )

    def stream(
        self, text: str = "Good day", **how: Any
    ) -> AbstractAsyncContextManager[Stream[ModelCall, ModelEvent, ModelReply]]:
        """Start a streamed call."""
        return self.bench.pipeline().stream(self.action(text, stream=True, **how))

    async def frames(self, text: str = "Good day", *, wire: str = "openai", **how: Any) -> bytes:
        """Make a streamed call and return the bytes that a client of that wire receives."""
        action = self.action(text, wire=wire, stream=True, **how)
        created = int(self.bench.clock.now().timestamp())
        writer = DIALECTS.clients[_WIRES[wire]].write_events(action.payload, created=created)
        async with self.bench.pipeline().stream(action) as stream:
            written = [writer.write(event) async for event in stream.items]
        return b"".join((*written, writer.end()))

    async def _reserve_again(self, action: Action[Any, Any, Any]) -> Reservation:
        admission = self.bench.admission
        if isinstance(admission, KeyAdmitter):
            return await admission.reserve_again(action)
        return await self.bench.admitter.reserve(action, ALLOW)

    def catalogue(self, tenant: str) -> Catalogue:
        """Return the catalogue with the alias `chat`."""
        alias = Alias(
            "chat",
            tuple(self.deployments),
            prefer=self.prefer,
            weights=self.weights,
            cache=self.cache,
            hedge_s=self.hedge_s,
        )
        return Catalogue(self.deployments, {"chat": alias}, "1")


@asynccontextmanager
async def gate() -> AsyncGenerator[Gate]:
    """Yield a gateway with access to loopback and no deployments."""
    loopback = NetworkProfile(allow=("127.0.0.0/8",), first_byte_s=5.0, idle_s=5.0)
    hasty = NetworkProfile(allow=("127.0.0.0/8",), first_byte_s=0.05, idle_s=0.05)
    async with Egress(profiles={"loopback": loopback, "hasty": hasty}, sweep_s=0.02) as egress:
        yield Gate(egress)
