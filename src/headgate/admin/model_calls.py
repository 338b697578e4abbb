"""Model calls of people in the console: the call in OpenAI's wire, its action, and the events of its answer.

The chat and the preview make the same call that a program would make.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headgate.admin.bodies import Body
from headgate.admin.callers import AdminCaller
from headgate.admin.requests import event
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.identity import UseCase
from headgate.kernel.run import Run
from headgate.wire.dialect import Match
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import MODEL_INVOKE, ModelCall, ModelEvent, ModelReply

_WIRE = "openai_chat"
_ANSWER = ("content", "refusal")


class ChatDelta(Body, frozen=True, kw_only=True):
    """Data of the event `delta`: more answer text."""

    text: str


class ChatGate(Body, frozen=True, kw_only=True):
    """Data of the event `gate`, after the answer: record, masking, cost and duration."""

    record: str
    deployment: str | None
    labels: str
    masked: dict[str, int]
    restored: dict[str, int]
    input_tokens: int | None
    output_tokens: int | None
    cost_micros: int | None
    currency: str | None
    duration_us: int
    skipped: str | None


def delta_text(item: ModelEvent) -> str:
    """Return the answer's text in an event; reasoning and tool calls are left out."""
    return "".join(slot.text for slot in item.slots if slot.channel.partition("/")[0] in _ANSWER)


def delta_event(text: str) -> bytes:
    """Return an event `delta`, or nothing for an empty text."""
    return event("delta", ChatDelta(text=text)) if text else b""


def read_chat(dialects: Dialects, model: str, messages: Sequence[Any], *, stream: bool) -> ModelCall:
    """Return the call that a client of the OpenAI API would make."""
    body = {"model": model, "stream": stream, "messages": msgspec.to_builtins(list(messages))}
    return dialects.clients[_WIRE].read_call(msgspec.json.encode(body), headers={}, match=Match("chat"))


def invocation(
    call: ModelCall, caller: AdminCaller, *, use_case: UseCase, alias: str
) -> Action[ModelCall, ModelEvent, ModelReply]:
    """Return the action of calling a model for a caller of the admin API.

    Args:
        alias: id of the alias that the call's model names.
    """
    return Action(
        verb=MODEL_INVOKE,
        principal=caller.principal,
        resource=Resource("alias", alias),
        payload=call,
        context=Context(use_case=use_case, floor=caller.floor, grant=caller.grant),
    )


def gate_view(run: Run[Any, Any, Any]) -> ChatGate:
    """Return the summary of a finished call. The last dispatch is the one that answered."""
    facts = run.children[-1].facts if run.children else {}
    deployment, skipped = run.facts.get("deployment"), run.facts.get("skipped")
    return ChatGate(
        record=run.record_id,
        deployment=None if deployment is None else str(deployment),
        labels=str(run.labelled.labels.join(run.output_labels)),
        masked=_counts(facts, "masked."),
        restored=_counts(facts, "restored."),
        input_tokens=run.measures.amounts.get("input_tokens"),
        output_tokens=run.measures.amounts.get("output_tokens"),
        cost_micros=run.measures.cost_micros,
        currency=run.measures.currency,
        duration_us=run.elapsed_us(),
        skipped=None if skipped is None else str(skipped),
    )


def _counts(facts: dict[str, Any], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): int(value) for name, value in facts.items() if name.startswith(prefix)}
