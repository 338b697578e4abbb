"""The console's chat: a model call under the caller's own principal and a use case they choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from headgate.admin.bodies import AliasName, Body, LongText, Name
from headgate.admin.callers import AdminCaller
from headgate.admin.operations import Operation
from headgate.admin.requests import Request, event
from headgate.gateway.catalogue import Catalogue
from headgate.gateway.parts import Gateway
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.identity import UseCase
from headgate.kernel.run import Run
from headgate.wire.dialect import Match
from headgate.wire.model_call import MODEL_INVOKE, ModelCall, ModelEvent, ModelReply

_WIRE = "openai_chat"
_ANSWER = ("content", "refusal")


class ChatMessage(Body, frozen=True, kw_only=True):
    """One turn of the console's chat."""

    role: Literal["system", "user", "assistant"]
    content: LongText


class ChatRequest(Body, frozen=True, kw_only=True):
    """A turn of the console's chat; answered as server-sent events `delta`, `gate` and `error`."""

    model: AliasName
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=200)]
    use_case: Name = "getting-started"


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


async def chat(gateway: Gateway, request: Request) -> None:
    """Stream an answer as events `delta`, then one event `gate` with the summary; or `error`."""
    caller, body = request.by, request.body_as(ChatRequest)
    call = read_chat(gateway, body.model, body.messages, stream=True)
    catalogue = gateway.catalogues(caller.tenant_id)
    action = invocation(call, caller, use_case=caller.use_case(body.use_case), catalogue=catalogue)
    async with request.events() as stream:
        async with request.host.pipeline.stream(action) as opened:
            request.decided.add(MODEL_INVOKE.name)
            async for item in opened.items:
                if not stream.is_started:
                    await stream.begin(("x-headgate-record", opened.run.record_id))
                await stream.send(_delta(item))
        if not stream.is_started:
            await stream.begin(("x-headgate-record", opened.run.record_id))
        await stream.send(event("gate", gate_view(opened.run)))


def _delta(item: ModelEvent) -> bytes:
    """Return an event `delta` with the answer's text; reasoning and tool calls are left out."""
    text = "".join(slot.text for slot in item.slots if slot.channel.partition("/")[0] in _ANSWER)
    return event("delta", ChatDelta(text=text)) if text else b""


def read_chat(gateway: Gateway, model: str, messages: Sequence[ChatMessage], *, stream: bool) -> ModelCall:
    """Return the call that a client of the OpenAI API would make."""
    body = {"model": model, "stream": stream, "messages": msgspec.to_builtins(list(messages))}
    return gateway.dialects.clients[_WIRE].read_call(msgspec.json.encode(body), headers={}, match=Match("chat"))


def invocation(
    call: ModelCall, caller: AdminCaller, *, use_case: UseCase, catalogue: Catalogue
) -> Action[ModelCall, ModelEvent, ModelReply]:
    """Return the action of calling a model for a caller of the admin API."""
    return Action(
        verb=MODEL_INVOKE,
        principal=caller.principal,
        resource=Resource("alias", catalogue.alias_id(call.model)),
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


OPERATIONS = (
    Operation(
        "chat",
        "POST",
        "/api/chat",
        "Call a model and follow its answer, event by event.",
        chat,
        body=ChatRequest,
        answer=str,
        verb=MODEL_INVOKE,
        events=(ChatDelta, ChatGate),
    ),
)
