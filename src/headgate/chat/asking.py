"""Asking a model: the branch of a conversation as one model call, its answer streamed and kept.

The call is the same action that a program's call is. The answer is kept with the id of its record, also when it was
stopped or refused, so that a person finds the reason where they asked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog
from msgspec import structs

from headgate.admin.bodies import ErrorDetail
from headgate.admin.callers import AdminCaller
from headgate.admin.model_calls import ChatGate, delta_event, delta_text, gate_view, invocation, read_chat
from headgate.admin.requests import Request, event
from headgate.chat.answers import Answering, told_error
from headgate.chat.bodies import Attachment, TurnBody, WaysView, WayView
from headgate.chat.service import Chat, Kept, NewTurn
from headgate.chat.store import AnsweringRow, TurnRow, TurnState
from headgate.kernel.action import Action
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NeedsApproval, NotFound, Unavailable, Withheld
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.run import Run
from headgate.wire.model_call import MODEL_INVOKE, ModelCall, ModelEvent, ModelReply

log = structlog.get_logger(__name__)

Call = Action[ModelCall, ModelEvent, ModelReply]

MOST_SENT = 400
"""The limit of messages in one call."""

_KEEPING_S = 10.0
_NOT_KEPT = "the answer could not be kept in the conversation; copy its text if you need it, and ask again later"
_UNSAID = ("failed", "running")
"""States of answers that are no part of a conversation for a model."""


@dataclass(slots=True)
class _Answer:
    """An answer as far as it came."""

    pieces: list[str]
    state: TurnState = "stopped"
    gate: ChatGate | None = None
    error: ErrorDetail | None = None
    record: str | None = None
    labels: Labels | None = None
    run: Run[Any, Any, Any] | None = None


def call_of(
    chat: Chat, kept: Kept, branch: Sequence[TurnRow], *, caller: AdminCaller, model: str, again: str | None = None
) -> Call:
    """Return the model call that continues a branch, which ends with a question.

    Questions whose answer failed are left out, except the last one: the model never saw an answer to them. The use case
    is that of the question, so that an approval still fits after the conversation went on under another one.

    Args:
        again: the record of an earlier answer to the question.

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
    return invocation(call, caller, use_case=caller.use_case(use_case), alias=model, again=again)


async def labels_of_question(
    chat: Chat, request: Request, kept: Kept, branch: Sequence[TurnRow], question: NewTurn
) -> Labels:
    """Return the labels of a branch with a new question, from the labeller that labels the call itself."""
    row = question.sealed(kept.key, at=chat.clock.now())
    action = call_of(chat, kept, [*branch, row], caller=request.by, model=question.body.model)
    labelled = await asyncio.to_thread(request.host.pipeline.stages.labeller.label, action)
    return labelled.labels


async def answer(chat: Chat, request: Request, kept: Kept, *, question: TurnRow, action: Call) -> None:
    """Stream an answer as events `delta`, then `gate`, and keep it, however it ends. It goes on if the reader leaves.

    Raises:
        HeadgateError: refused, or failed before the first event.
    """
    given, answer_id, begun_at = _Answer([]), chat.ids.ulid(), chat.clock.now()
    model, labels = action.payload.model, kept.labels

    def row() -> AnsweringRow:
        body = msgspec.json.encode(TurnBody(text="".join(given.pieces), model=model))
        return AnsweringRow(
            id=answer_id,
            question=question.id,
            body=kept.key.seal(body, name=f"turn/{answer_id}"),
            record=given.record,
            labels=str(given.labels or labels),
            begun_at=begun_at,
            written_at=chat.clock.now(),
        )

    async def run(answering: Answering) -> None:
        # Before the model is called: this checks that the conversation has room for the answer.
        await chat.begin_answer(kept, row())
        answering.is_stored = True
        error: HeadgateError | None = None
        try:
            async with answering.until_stopped():
                await _streamed(request, action, given, answering)
                given.state = "whole"
        except Exception as failure:  # noqa: BLE001 - it is logged, kept and told to the reader
            error = told_error(failure, conversation=kept.row.id)
            given.state, given.error = "failed", _detail(error)
            if not given.pieces and (why := await _why_not(chat, request, action, error)) is not None:
                error.message = why
                given.error = _detail(error)
        finally:
            try:
                if given.run is not None and given.state != "failed":
                    given.gate = _gate_of(given.run, _text_of(kept.body(question)))
                    answering.send(event("gate", given.gate), record=given.run.record_id)
                # The answer is kept before the stream ends, so that the next reader of the conversation finds it.
                async with asyncio.timeout(_KEEPING_S):
                    await _keep(chat, kept, question, given, answer_id=answer_id, model=model)
            except Exception:
                log.exception("answer_not_kept", conversation=kept.row.id)
                error = error or Unavailable(_NOT_KEPT)
            finally:
                answering.end(error)

    answering = Answering(
        kept.row.id, (request.tenant, request.by.principal.id), write=lambda: chat.write_answer(kept, row())
    )
    chat.answers.start(answering, run)
    async with request.events() as stream:
        async for frame in answering.follow():
            if not stream.is_started:
                request.decided.add(MODEL_INVOKE.name)
                await stream.begin(("x-headgate-record", answering.record or ""))
            await stream.send(frame)
        if answering.error is not None:
            raise answering.error


async def _why_not(chat: Chat, request: Request, action: Call, error: HeadgateError) -> str | None:
    """Return a refusal in words for its person; None keeps those of the error, which the record has anyway."""
    if chat.ways is None or not isinstance(error, Denied | Invalid) or isinstance(error, NeedsApproval | Withheld):
        return None
    return await asyncio.to_thread(chat.ways.why_not, action, request.host.pipeline.stages)


async def ways_on(chat: Chat, request: Request, kept: Kept, branch: Sequence[TurnRow], *, model: str) -> WaysView:
    """Return the models other than `model` that could answer a question, and whether `model` could without its images.

    Raises:
        HeadgateError: as `call_of` does.
    """
    if chat.ways is None:
        return WaysView(models=[], without_images=False)
    caller, stages = request.by, request.host.pipeline.stages
    action = call_of(chat, kept, branch, caller=caller, model=model)
    may, all_ = caller.principal.aliases, chat.aliases(caller.tenant_id)
    others = sorted(one for one in all_ if one != model and "*" not in one and (may is None or one in may))
    found = await asyncio.to_thread(chat.ways.models, action, stages, among=others)
    without_images = False
    question = kept.body(branch[-1])
    if any(file.data is not None for file in question.attachments) and (plain := _without_images(question)):
        row = replace(branch[-1], body=kept.key.seal(msgspec.json.encode(plain), name=f"turn/{branch[-1].id}"))
        action = call_of(chat, kept, [*branch[:-1], row], caller=caller, model=model)
        ways = await asyncio.to_thread(chat.ways.models, action, stages, among=[model])
        without_images = any(not one.needs_approval for one in ways)
    models = [WayView(model=one.model, needs_approval=one.needs_approval, is_own_machines=one.is_own) for one in found]
    return WaysView(models=models, without_images=without_images)


def _without_images(body: TurnBody) -> TurnBody | None:
    """Return a message without its images, or None if nothing remains."""
    plain = structs.replace(body, attachments=[file for file in body.attachments if file.data is None])
    return plain if plain.text.strip() or plain.attachments else None


async def _streamed(request: Request, action: Call, given: _Answer, answering: Answering) -> None:
    async with request.host.pipeline.stream(action) as opened:
        given.run = opened.run
        _note(given, opened.run)
        async for item in opened.items:
            text = delta_text(item)
            given.pieces.append(text)
            answering.send(delta_event(text), record=opened.run.record_id)
            _note(given, opened.run)
    _note(given, opened.run)


def _gate_of(run: Run[Any, Any, Any], last: str) -> ChatGate:
    """Return the summary of a call. `masked_new` counts only the values in the message `last`."""
    gate = gate_view(run)
    segments = run.payload.content.segments()
    place = max((at for at, segment in enumerate(segments) if segment.text == last), default=None)
    found = Counter(one.kind for one in run.labelled.findings if one.segment == place)
    new = {kind: min(found[kind], count) for kind, count in gate.masked.items() if found[kind]}
    return structs.replace(gate, masked_new=new)


def _note(given: _Answer, run: Run[Any, Any, Any]) -> None:
    given.record = run.record_id
    given.labels = run.labelled.labels.join(run.output_labels)


async def _keep(chat: Chat, kept: Kept, question: TurnRow, given: _Answer, *, answer_id: str, model: str) -> None:
    record = given.record or (None if given.error is None else given.error.record)
    body = TurnBody(text="".join(given.pieces), model=model, gate=given.gate, error=given.error)
    turn = NewTurn(
        id=answer_id,
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
        if turn.state in _UNSAID or (following is not None and following.state in _UNSAID):
            continue
        body = kept.body(turn)
        if body.text or body.attachments:
            messages.append({"role": turn.role, "content": _content(body)})
    return messages


def _content(body: TurnBody) -> str | list[Mapping[str, Any]]:
    """Return the content of a message: text files as text, images as parts of their own."""
    text = _text_of(body)
    images = [file for file in body.attachments if file.data is not None]
    if not images:
        return text
    parts: list[Mapping[str, Any]] = [{"type": "text", "text": text}] if text else []
    return [*parts, *({"type": "image_url", "image_url": {"url": _data_url(file)}} for file in images)]


def _text_of(body: TurnBody) -> str:
    texts = [*(_file_text(file) for file in body.attachments if file.text is not None), body.text]
    return "\n\n".join(part for part in texts if part)


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
