"""The console's chat: a model call under the caller's own principal and a use case they choose."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from headgate.admin.bodies import AliasName, Body, LongText, Name
from headgate.admin.model_calls import ChatDelta, ChatGate, delta_event, delta_text, gate_view, invocation, read_chat
from headgate.admin.operations import Operation
from headgate.admin.requests import Request, event
from headgate.gateway.parts import Gateway
from headgate.wire.model_call import MODEL_INVOKE


class ChatMessage(Body, frozen=True, kw_only=True):
    """One turn of the console's chat."""

    role: Literal["system", "user", "assistant"]
    content: LongText


class ChatRequest(Body, frozen=True, kw_only=True):
    """A turn of the console's chat; answered as server-sent events `delta`, `gate` and `error`."""

    model: AliasName
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=200)]
    use_case: Name = "getting-started"


async def chat(gateway: Gateway, request: Request) -> None:
    """Stream an answer as events `delta`, then one event `gate` with the summary; or `error`."""
    caller, body = request.by, request.body_as(ChatRequest)
    call = read_chat(gateway.dialects, body.model, body.messages, stream=True)
    alias = gateway.catalogues(caller.tenant_id).alias_id(call.model)
    action = invocation(call, caller, use_case=caller.use_case(body.use_case), alias=alias)
    async with request.events() as stream:
        async with request.host.pipeline.stream(action) as opened:
            request.decided.add(MODEL_INVOKE.name)
            async for item in opened.items:
                if not stream.is_started:
                    await stream.begin(("x-headgate-record", opened.run.record_id))
                await stream.send(delta_event(delta_text(item)))
        if not stream.is_started:
            await stream.begin(("x-headgate-record", opened.run.record_id))
        await stream.send(event("gate", gate_view(opened.run)))


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
