"""The console's chat: a model call like any other, under the caller's own principal and a use case of their choice."""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.kernel.run import Run
from headgate.policy.snapshot import choose_use_case
from headgate.server.administration import AdminCaller
from headgate.server.api import schemas
from headgate.server.api.event_streams import event_stream, frame, start
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.server.data_plane import invoke_action
from headgate.server.identity import Caller
from headgate.wire.model_call import ModelCall

_WIRE = "openai_chat"


async def chat(parts: AdminParts, request: Request) -> None:
    """Stream an answer as events `delta`, then one `gate` that tells what the gate did; or `error`."""
    caller, body = request.by, request.body_as(schemas.ChatRequest)
    call = read_chat(parts, body.model, body.messages, stream=True)
    bound = model_caller(caller, body.use_case)
    action = invoke_action(call, bound, catalogue=parts.catalogues(caller.tenant_id), grant=caller.grant)
    async with event_stream(request, streams=parts.streams, clock=parts.clock) as stream:
        async with parts.pipeline.stream(action) as opened:
            async for event in opened.items:
                if not stream.is_started:
                    await start(stream, (b"x-headgate-record", opened.run.record_id.encode()))
                await stream.send(stream.writer.write(event))
        if not stream.is_started:
            await start(stream, (b"x-headgate-record", opened.run.record_id.encode()))
        await stream.send(frame("gate", gate_view(opened.run)))


def read_chat(parts: AdminParts, model: str, messages: list[schemas.ChatMessage], *, stream: bool) -> ModelCall:
    """Return the call that a client of OpenAI's wire would have made."""
    body = {"model": model, "stream": stream, "messages": msgspec.to_builtins(messages)}
    return parts.dialects[_WIRE].read_call(msgspec.json.encode(body), headers={})


def model_caller(caller: AdminCaller, use_case: str) -> Caller:
    """Return the caller bound to the use case that it named; a key keeps the one that it is bound to.

    Raises:
        Denied: there is no such use case in the tenant, or the key is bound to another one.
    """
    chosen = choose_use_case(caller.tenant, bound=caller.bound, requested=use_case)
    return Caller(caller.principal, chosen, caller.floor)


def gate_view(run: Run[Any, Any, Any]) -> schemas.ChatGate:
    """Return what the gate did in a finished call: the last dispatch is the one that answered."""
    facts = run.children[-1].facts if run.children else {}
    deployment, skipped = run.facts.get("deployment"), run.facts.get("skipped")
    return schemas.ChatGate(
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
