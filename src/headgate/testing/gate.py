"""The real gateway performers over fakes of all other stages, with simulated deployments."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from headgate.gateway.catalogue import Alias, Catalogue
from headgate.gateway.dispatch import ModelDispatcher
from headgate.gateway.invoke import ModelInvoke
from headgate.gateway.providers.anthropic import provider as anthropic
from headgate.gateway.providers.local import provider as local
from headgate.gateway.providers.openai import provider as openai
from headgate.gateway.routing import Health
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import BOTTOM, Clearance, Confidentiality, Custody, Labels, pseudonymous
from headgate.kernel.pipeline import Done, Stream
from headgate.substrate.egress import Egress, NetworkProfile
from headgate.testing.people import BOT, SUPPORT
from headgate.testing.pipeline import Bench
from headgate.testing.simulator import Simulator
from headgate.wire.dialect import Match
from headgate.wire.dialects import load_dialects
from headgate.wire.model_call import (
    MODEL_DISPATCH,
    MODEL_INVOKE,
    Deployment,
    ModelCall,
    ModelEvent,
    ModelReply,
    Need,
    Price,
)

CLOUD = Clearance(
    level=Confidentiality.INTERNAL, categories=frozenset(pseudonymous(one) for one in ("pii", "phi", "pci", "secret"))
)
"""The usual clearance of a cloud provider."""

OURS = Clearance(level=Confidentiality.RESTRICTED, categories=None, access=None, custody=Custody.ORGANISATION)
"""The clearance of a model on the organisation's own machines."""

PRICE = Price("USD", input_micros=1_000_000, output_micros=2_000_000, cache_read_micros=100_000)
"""Micro-dollars per token: 1 for input, 2 for output, 0.1 for input from the cache."""

DIALECTS = load_dialects()
_PROVIDERS = {"openai": openai, "anthropic": anthropic, "local": local}
_WIRES = {"openai": "openai_chat", "anthropic": "anthropic_messages"}


@dataclass(slots=True)
class Gate:
    """A gateway with an alias `chat` for its deployments, in the order of `add`.

    `bench` holds the fakes of the other stages.
    """

    egress: Egress
    bench: Bench = field(default_factory=Bench)
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    deployments: dict[str, Deployment] = field(default_factory=dict[str, Deployment])

    def __post_init__(self) -> None:
        self.bench.performers = {
            MODEL_INVOKE.name: ModelInvoke(
                catalogues=self._catalogue, health=Health(self.bench.clock), counting=DIALECTS.counting
            ),
            MODEL_DISPATCH.name: ModelDispatcher(
                egress=self.egress, providers=_PROVIDERS, dialects=DIALECTS, secrets=self.secrets.__getitem__
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
    ) -> None:
        """Add a deployment."""
        usual = _PROVIDERS[provider].capability
        self.deployments[id] = Deployment(
            id=id,
            provider=provider,
            model=f"{id}-model",
            base_url=simulator.base_url if provider == "anthropic" else simulator.openai_url,
            clearance=clearance,
            price=price,
            network=network,
            capability=replace(usual, streaming=streaming, **dict.fromkeys(lacks, False)),
        )

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
    ) -> Action[ModelCall, ModelEvent, ModelReply]:
        """Return a call of the alias `chat`, decoded from a client's bytes as the server does.

        With `counts`, return a request for a token count.
        """
        request: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": text}], "stream": stream}
        if wire == "anthropic":
            request["max_tokens"] = 64
        match = Match("count_tokens" if counts else "chat")
        sent = json.dumps({**request, **(body or {})}).encode()
        call = DIALECTS.clients[_WIRES[wire]].read_call(sent, headers={}, match=match)
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

    def _catalogue(self, tenant: str) -> Catalogue:
        return Catalogue(self.deployments, {"chat": Alias("chat", tuple(self.deployments))}, "1")


@asynccontextmanager
async def gate() -> AsyncGenerator[Gate]:
    """Yield a gateway with access to loopback and no deployments."""
    loopback = NetworkProfile(allow=("127.0.0.0/8",), first_byte_s=5.0, idle_s=5.0)
    hasty = NetworkProfile(allow=("127.0.0.0/8",), first_byte_s=0.05, idle_s=0.05)
    async with Egress(profiles={"loopback": loopback, "hasty": hasty}, sweep_s=0.02) as egress:
        yield Gate(egress)
