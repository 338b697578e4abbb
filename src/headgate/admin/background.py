"""Answers that are written while no client waits: a port to their state, which every worker reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import Principal
from headgate.kernel.labels import Labels

BackgroundState = Literal["queued", "in_progress", "completed", "failed", "cancelled"]


class Events(NamedTuple):
    """Consecutive events of an answer, with the numbers of the first and the last one."""

    first: int
    last: int
    frames: bytes


@dataclass(frozen=True, slots=True)
class BackgroundAnswer:
    """An answer that is written while no client waits.

    Args:
        body: the answer as it was at its beginning, or at its failure.
        labels: of what is written so far.
        is_lost: whether it has no worker any more.
    """

    id: str
    body: bytes = field(repr=False)
    state: BackgroundState
    labels: Labels
    is_lost: bool = False


class Background(Protocol):
    """Keeps the state of such answers, each for the principal that asked for it."""

    async def begin(self, answer_id: str, body: bytes, *, labels: Labels, principal: Principal, most: int) -> None:
        """Note a new answer, whose worker is alive for a while.

        Raises:
            OverBudget: the principal has `most` such answers on their way.
        """
        ...

    async def write(
        self,
        answer_id: str,
        events: Events | None,
        *,
        state: BackgroundState,
        labels: Labels,
        principal: Principal,
        body: bytes | None = None,
    ) -> bool:
        """Note how far an answer came; its worker is alive for a while more. False if it is to stop."""
        ...

    async def find(self, answer_id: str, *, principal: Principal) -> BackgroundAnswer | None:
        """Return an answer, or None. One that has lost its worker has failed."""
        ...

    async def events(self, answer_id: str, *, after: int, principal: Principal) -> Sequence[Events]:
        """Return some of the events with a number above `after`, in order."""
        ...

    async def cancel(self, answer_id: str, *, principal: Principal) -> None:
        """Have an answer stop, if it is on its way."""
        ...

    async def forget(self, answer_id: str, *, principal: Principal) -> bool:
        """Delete an answer, which stops it; return whether it was there."""
        ...


BACKGROUND: Port[Background] = Port("keeper of answers in the background")
