"""Asking a model: the branch of a conversation as one model call, its answer streamed and kept.

The call is the same action that a program's call is. The answer is kept with the id of its record, also when it was
stopped or refused, so that a person finds the reason where they asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.admin.bodies import ErrorDetail
from headgate.admin.callers import AdminCaller
from headgate.admin.model_calls import ChatGate, delta_event, delta_text, gate_view, invocation, read_chat
from headgate.admin.requests import EventStream, Request, event
from headgate.chat.bodies import Attachment, TurnBody
from headgate.chat.service import Chat, Kept, NewTurn
from headgate.chat.store import TurnRow, TurnState
from headgate.kernel.action import Action
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NeedsApproval, NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.run import Run
from headgate.wire.model_call import MODEL_INVOKE, ModelCall, ModelEvent, ModelReply

Call = Action[ModelCall, ModelEvent, ModelReply]

MOST_SENT = 400
"""The limit of messages in one call."""

_KEEPING_S = 10.0


@dataclass(slots=True)
class _Answer:
    """An answer as far as it came."""

    pieces: list[str]
    state: TurnState = "stopped"
    gate: ChatGate | None = None
    error: ErrorDetail | None = None
    record: str | None = None
    labels: Labels | None = None


def call_of(chat: Chat, kept: Kept, branch: Sequence[TurnRow], *, caller: AdminCaller, model: str) -> Call:
    """Return the model call that continues a branch, which ends with a question.

    Questions whose answer failed are left out, except the last one: the model never saw an answer to them. The use case
    is that of the question, so that an approval still fits after the conversation went on under another one.

    Raises:
        Invalid: the branch is too long.
        NotFound: there is no such model.
        Denied: the use case is not there, or not for this caller.
    """
    if model not in chat.aliases(caller.tenant_id):
        raise NotFound(f"there is no model {model!r}; choose another one", param="model")
    messages = _messages(kept, branch)
    if len(messages) > MOST_SENT:
        raise Invalid(f"this branch has more than {MOST_SENT} messages; begin another conversation", param="question")
    call = read_chat(chat.dialects, model, messages, stream=True)
    use_case = kept.body(branch[-1]).use_case or kept.row.use_case
    return invocation(call, caller, use_case=caller.use_case(use_case), alias=model)


async def labels_of_question(
    chat: Chat, request: Request, kept: Kept, branch: Sequence[TurnRow], question: NewTurn
) -> Labels:
    """Return the labels of a branch with a new question, from the labeller that labels the call itself."""
    row = question.sealed(kept.key, at=chat.clock.now())
    action = call_of(chat, kept, [*branch, row], caller=request.by, model=question.body.model)
    labelled = await asyncio.to_thread(request.host.pipeline.stages.labeller.label, action)
    return labelled.labels


async def answer(chat: Chat, request: Request, kept: Kept, *, question: TurnRow, action: Call) -> None:
    """Stream an answer as events `delta`, then `gate`, and keep it, however it ends.

    Raises:
        HeadgateError: refused, or failed before the first event.
    """
    given = _Answer([])
    async with request.events() as stream:
        try:
            await _streamed(request, stream, action, given)
        finally:
            # Before the stream ends, so that whoever reads the conversation next finds the answer.
            async with asyncio.timeout(_KEEPING_S):
                await _keep(chat, kept, question, given, model=action.payload.model)


async def _streamed(request: Request, stream: EventStream, action: Call, given: _Answer) -> None:
    try:
        async with request.host.pipeline.stream(action) as opened:
            request.decided.add(MODEL_INVOKE.name)
            _note(given, opened.run)
            async for item in opened.items:
                if not stream.is_started:
                    await stream.begin(("x-headgate-record", opened.run.record_id))
                text = delta_text(item)
                given.pieces.append(text)
                await stream.send(delta_event(text))
                _note(given, opened.run)
    except HeadgateError as error:
        given.state, given.error = "failed", _detail(error)
        raise
    given.state, given.gate = "whole", gate_view(opened.run)
    _note(given, opened.run)
    if not stream.is_started:
        await stream.begin(("x-headgate-record", opened.run.record_id))
    await stream.send(event("gate", given.gate))


def _note(given: _Answer, run: Run[Any, Any, Any]) -> None:
    given.record = run.record_id
    given.labels = run.labelled.labels.join(run.output_labels)


async def _keep(chat: Chat, kept: Kept, question: TurnRow, given: _Answer, *, model: str) -> None:
    record = given.record or (None if given.error is None else given.error.record)
    body = TurnBody(text="".join(given.pieces), model=model, gate=given.gate, error=given.error)
    turn = NewTurn(
        id=chat.ids.ulid(),
        parent=question.id,
        role="assistant",
        state=given.state,
        body=body,
        # An answer that never came adds nothing to the labels of its question.
        labels=given.labels or kept.labels,
        record=record,
    )
    try:
        await chat.add(kept.row.id, turn, tenant=TenantId(kept.key.tenant))
    except NotFound:
        return  # the conversation was deleted while the model answered


def _messages(kept: Kept, branch: Sequence[TurnRow]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if system := kept.system:
        messages.append({"role": "system", "content": system})
    for turn, following in zip(branch, [*branch[1:], None], strict=True):
        if turn.state == "failed" or (following is not None and following.state == "failed"):
            continue
        body = kept.body(turn)
        if body.text or body.attachments:
            messages.append({"role": turn.role, "content": _content(body)})
    return messages


def _content(body: TurnBody) -> str | list[Mapping[str, Any]]:
    """Return the content of a message: text files as text, images as parts of their own."""
    texts = [*(_file_text(file) for file in body.attachments if file.text is not None), body.text]
    text = "\n\n".join(part for part in texts if part)
    images = [file for file in body.attachments if file.data is not None]
    if not images:
        return text
    parts: list[Mapping[str, Any]] = [{"type": "text", "text": text}] if text else []
    return [*parts, *({"type": "image_url", "image_url": {"url": _data_url(file)}} for file in images)]


def _file_text(file: Attachment) -> str:
    return f"File {file.name}:\n\n{file.text}\n\nEnd of file {file.name}."


def _data_url(file: Attachment) -> str:
    return f"data:{file.media_type};base64,{file.data}"


def _detail(error: HeadgateError) -> ErrorDetail:
    return ErrorDetail(
        code=error.code,
        message=error.message,
        param=error.param,
        rules=list(error.rules) if isinstance(error, Denied) else [],
        record=error.record_id,
        retry_after_s=error.retry_after_s,
        approval=error.approval_id if isinstance(error, NeedsApproval) else None,
    )
