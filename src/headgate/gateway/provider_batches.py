"""The batch APIs of providers: which dispatches wait for one, and the requests to it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from headgate.admin.provider_batches import BATCH, LINE, Handed, HandedLines
from headgate.gateway.attempts import DispatchRun, resource_of
from headgate.gateway.credentials import Credentials, Secrets
from headgate.gateway.receiving import raise_for_status
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid
from headgate.kernel.ports import Clock
from headgate.substrate.egress import Egress, Request
from headgate.wire.batch_api import Ask, BatchApi, Dialogue, LineAnswer, ProviderBatch
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import Deployment
from headgate.wire.provider import Headers, Provider, Unsigned

T = TypeVar("T")

_MOST_BYTES: Final = 1 << 30
"""The largest file of results that the gateway reads."""


class GatewayBatches:
    """The gateway's `ProviderBatches`."""

    def __init__(
        self, *, egress: Egress, providers: Mapping[str, Provider], dialects: Dialects, secrets: Secrets, clock: Clock
    ) -> None:
        self._egress = egress
        self._providers = providers
        self._dialects = dialects
        self._credentials = Credentials(secrets=secrets, egress=egress, clock=clock)
        self._taking: dict[str, HandedLines] = {}

    @contextmanager
    def taking(self, batch: str, lines: HandedLines) -> Generator[None]:
        """As `ProviderBatches.taking`."""
        if batch in self._taking:
            raise Conflict(f"the batch {batch} runs in this worker already")
        self._taking[batch] = lines
        try:
            yield
        finally:
            del self._taking[batch]

    async def answer(self, run: DispatchRun, *, path: str, body: bytes, headers: Headers) -> LineAnswer | None:
        """Return the answer to a dispatch from a provider's batch; None if it has to be sent by itself."""
        facts = run.action.context.facts
        return await self._taking[str(facts[BATCH])].answer(
            Handed(int(str(facts[LINE])), run.payload.deployment, path, body, headers)
        )

    def takes(self, run: DispatchRun, path: str) -> bool:
        """Whether a dispatch is a line of a batch that goes to a batch API."""
        batch, deployment = run.action.context.facts.get(BATCH), run.payload.deployment
        return batch in self._taking and self._providers[deployment.provider].hands_over(deployment, path)

    def price_percent(self, deployment: Deployment) -> int:
        """Return the price of a line in percent of the price of a single call."""
        return self._api(deployment).price_percent

    def resource(self, deployment: Deployment) -> Resource:
        """As `ProviderBatches.resource`."""
        return resource_of(deployment)

    async def begin(self, lines: Sequence[Handed], *, name: str) -> ProviderBatch:
        """As `ProviderBatches.begin`."""
        first = lines[0]
        bodies = {one.line: one.body for one in lines}
        dialogue = self._api(first.deployment).begin(bodies, path=first.path, name=name)
        return await self._held(first.deployment, dialogue, first.headers)

    async def find(self, deployment: Deployment, *, name: str) -> ProviderBatch | None:
        """As `ProviderBatches.find`."""
        return await self._held(deployment, self._api(deployment).find(name))

    async def look(self, deployment: Deployment, batch: str) -> ProviderBatch:
        """As `ProviderBatches.look`."""
        return await self._held(deployment, self._api(deployment).look(batch))

    async def cancel(self, deployment: Deployment, batch: str) -> None:
        """As `ProviderBatches.cancel`."""
        await self._held(deployment, self._api(deployment).cancel(batch))

    async def answers(self, deployment: Deployment, batch: ProviderBatch) -> Mapping[int, LineAnswer]:
        """As `ProviderBatches.answers`."""
        return await self._held(deployment, self._api(deployment).answers(batch))

    def _api(self, deployment: Deployment) -> BatchApi:
        api = self._providers[deployment.provider].batches
        if api is None:
            raise Invalid(f"{deployment.provider} has no batch API")
        return api

    async def _held(self, deployment: Deployment, dialogue: Dialogue[T], headers: Headers = ()) -> T:
        """Hold a dialogue with a deployment's provider, and return its result.

        Raises:
            Upstream: the provider refused a request, or its answer has another form.
        """
        try:
            ask = next(dialogue)
            while True:
                ask = dialogue.send(await self._body(deployment, ask, headers))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _body(self, deployment: Deployment, ask: Ask, headers: Headers) -> bytes:
        provider = self._providers[deployment.provider]
        address = provider.address(deployment.base_url, provider.options_of(deployment)) or ""
        given = dict((*provider.headers, *headers, ("accept", "*/*")))
        if ask.body:
            given["content-type"] = ask.media_type
        unsigned = Unsigned(ask.method, address + ask.path, tuple(given.items()), ask.body)
        credential = await self._credentials.headers(deployment, provider, unsigned)
        encoded = tuple((name.encode(), value.encode("latin-1")) for name, value in (*unsigned.headers, *credential))
        request = Request(ask.method, unsigned.url, encoded, ask.body, profile=deployment.network)
        dialect = self._dialects.provider(provider.endpoints["chat"].dialect)
        async with self._egress.send(request) as response:
            await raise_for_status(response, dialect)
            return await response.read(limit=_MOST_BYTES)
