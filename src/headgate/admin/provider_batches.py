"""The port between batches and the gateway: lines of a batch go to a provider's own batch API, at its price.

A line stays one action. Its dispatch waits for the provider's batch where it would else send a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from headgate.admin.offers import Port
from headgate.kernel.action import Resource
from headgate.kernel.errors import Upstream
from headgate.wire.batch_api import Left, LineAnswer, ProviderBatch
from headgate.wire.model_call import Deployment

BATCH = "batch"
"""The fact of a line's record with the id of its batch."""

LINE = "line"
"""The fact of a line's record with its number, from 1."""


class LineLeft(Upstream):
    """The provider's batch ended before this line ran."""

    code = "batch_line_left"

    def __init__(self, why: Left) -> None:
        super().__init__(f"the provider's batch ended before this line ran: {why}", retryable=False)
        self.why: Left = why


class Handed(NamedTuple):
    """A line as its provider gets it: masked, and in the provider's wire.

    Args:
        line: its number.
        path: that a single call would have, after the deployment's base URL.
        headers: of the client, for the provider.
    """

    line: int
    deployment: Deployment
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class HandedLines(Protocol):
    """Takes the lines of one batch that may go to a provider's batch."""

    async def answer(self, handed: Handed) -> LineAnswer | None:
        """Return the provider's answer, or None if the line has to be sent by itself.

        Raises:
            LineLeft: the provider's batch ended before this line ran.
            Upstream: the provider's batch has no answer to this line.
        """
        ...


class ProviderBatches(Protocol):
    """Speaks to the batch APIs of providers. Call its coroutines within an action."""

    def taking(self, batch: str, lines: HandedLines) -> AbstractContextManager[None]:
        """Hand the dispatches of a batch over to `lines` within the block."""
        ...

    def resource(self, deployment: Deployment) -> Resource:
        """Return the deployment as the resource of an action."""
        ...

    async def begin(self, lines: Sequence[Handed], *, name: str) -> ProviderBatch:
        """Begin a batch of lines of one deployment and path; `name` finds it again."""
        ...

    async def find(self, deployment: Deployment, *, name: str) -> ProviderBatch | None:
        """Return the batch of a name; None if there is none, or the API cannot find it."""
        ...

    async def look(self, deployment: Deployment, batch: str) -> ProviderBatch:
        """Return how a batch stands."""
        ...

    async def cancel(self, deployment: Deployment, batch: str) -> None:
        """Ask a batch to end. It ends later, with the answers that it has by then."""
        ...

    async def answers(self, deployment: Deployment, batch: ProviderBatch) -> Mapping[int, LineAnswer]:
        """Return the answers of a batch that has ended, by line."""
        ...


PROVIDER_BATCHES: Port[ProviderBatches] = Port("batches of providers")
