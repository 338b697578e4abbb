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

BYPASS = "cache"
"""The attribute of a call's context that keeps the call away from cached answers."""

AGAIN = "again"
"""The attribute of a call that asks for another answer to a question: the record of the earlier answer."""

_WIRE = "openai_chat"
_ANSWER = ("content", "refusal")


class ChatDelta(Body, frozen=True, kw_only=True):
    """Data of the event `delta`: more answer text."""

    text: str


class ChatGate(Body, frozen=True, kw_only=True):
    """Data of the event `gate`, after the answer: record, masking, cost and duration.

    `masked` counts values in the whole call, and `masked_new` those in its last message; null where it is not known.
    """

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
    masked_new: dict[str, int] | None = None
    difficulty: int | None = None
    cache: str | None = None


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
    call: ModelCall, caller: AdminCaller, *, use_case: UseCase, alias: str, again: str | None = None
) -> Action[ModelCall, ModelEvent, ModelReply]:
    """Return the action of calling a model for a caller of the admin API.

    Args:
        alias: id of the alias that the call's model names.
        again: the record of an earlier answer to the same question, which the caller wants anew.
    """
    return Action(
        verb=MODEL_INVOKE,
        principal=caller.principal,
        resource=Resource("alias", alias),
        payload=call,
        context=Context(
            use_case=use_case,
            floor=caller.floor,
            grant=caller.grant,
            attributes={} if again is None else {BYPASS: "no", AGAIN: again},
        ),
    )


def gate_view(run: Run[Any, Any, Any]) -> ChatGate:
    """Return the summary of a finished call. The last dispatch is the one that answered."""
    facts = run.children[-1].facts if run.children else {}
    deployment, skipped = run.facts.get("deployment"), run.facts.get("skipped")
    difficulty, cache = run.facts.get("difficulty"), run.facts.get("cache")
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
        difficulty=difficulty if isinstance(difficulty, int) else None,
        cache=None if cache is None else str(cache),
    )


def _counts(facts: dict[str, Any], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): int(value) for name, value in facts.items() if name.startswith(prefix)}
