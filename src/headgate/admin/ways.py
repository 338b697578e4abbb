"""Ways on after a refusal: the models that could take a call, found by the plan and the stages that route it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from headgate.admin.offers import Port
from headgate.kernel.action import Action
from headgate.kernel.pipeline import Stages
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply


class Way(NamedTuple):
    """A model that could take a call.

    Args:
        needs_approval: whether a person has to approve it first.
        is_own: whether it would answer on the organisation's own machines.
    """

    model: str
    needs_approval: bool
    is_own: bool


class WaysOn(Protocol):
    """Looks for ways on. Sends nothing and leaves no record. It labels the content, so it belongs in a thread."""

    def why_not(self, action: Action[ModelCall, ModelEvent, ModelReply], stages: Stages) -> str | None:
        """Return in one sentence for its person why a model may not take a call; None if nothing plain is known."""
        ...

    def models(
        self, action: Action[ModelCall, ModelEvent, ModelReply], stages: Stages, *, among: Sequence[str]
    ) -> list[Way]:
        """Return the models of `among` that could take the call, those without an approval first."""
        ...


WAYS_ON: Port[WaysOn] = Port("ways on after a refusal")
