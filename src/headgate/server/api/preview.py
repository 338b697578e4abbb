"""What would leave, and where to, without anything leaving: the pipeline's own stages, short of performing.

The look itself is an action, `model.preview`: policy decides it as a use of models, and a record says that it was
taken. The record holds nothing of the text.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import msgspec

from headgate.gateway.catalogue import Alias
from headgate.gateway.invoke import resource_of
from headgate.gateway.routing import plan
from headgate.gateway.writing import route_of, written_call
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.administration import MODEL_PREVIEW, Command, Facts
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.errors import Denied, HeadgateError
from headgate.kernel.labels import Labels
from headgate.kernel.pipeline import refuse, refuse_release, with_inherited
from headgate.server.administration import digest_of
from headgate.server.api import schemas
from headgate.server.api.chat import model_caller, read_chat
from headgate.server.api.overview import custody_of
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.server.data_plane import invoke_action
from headgate.server.identity import Caller
from headgate.wire.dialect import Match
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply

Dispatch = Action[ModelDispatch, ModelEvent, ModelReply]


async def preview(parts: AdminParts, request: Request) -> schemas.Preview:
    """Say what the gate sees in a text, and what it would do with it at each deployment behind the model."""
    caller, body = request.by, request.body_as(schemas.PreviewRequest)
    alias = parts.catalogues(caller.tenant_id).alias(body.model)
    bound = model_caller(caller, body.use_case)

    async def look(facts: Facts) -> schemas.Preview:
        seen = await asyncio.to_thread(_look, parts, alias, bound, body)
        facts["destinations"] = len(seen.destinations)
        return seen

    command = Command(summary={}, arguments=digest_of(body), do=look)
    context = Context(use_case=bound.use_case, grant=caller.grant, attributes=caller.attributes)
    done = await parts.pipeline.run(
        Action(MODEL_PREVIEW, bound.principal, Resource("alias", alias.name), command, context)
    )
    request.reply_headers.append(("x-headgate-record", done.run.record_id))
    seen: schemas.Preview = done.result
    return seen


def _look(parts: AdminParts, alias: Alias, bound: Caller, body: schemas.PreviewRequest) -> schemas.Preview:
    """Take the call and each dispatch of it through the stages that come before their records."""
    call = _call(parts, alias, model=body.model, text=body.text)
    catalogue = parts.catalogues(bound.principal.tenant)
    invoke = invoke_action(call, bound, catalogue=catalogue)
    stage = _staged(parts, invoke)
    planned = plan(call, alias=alias, catalogue=catalogue, use_case=bound.use_case, labelled=stage.labelled)
    skipped = {one.deployment: one.why for one in planned.skipped}
    destinations: list[schemas.PreviewDestination] = []
    for deployment in catalogue.candidates(alias):
        why = stage.why_not or skipped.get(deployment.id)
        if why is not None:
            destinations.append(_view(deployment, stage, effect="deny", why=why))
        else:
            context = Context(
                use_case=bound.use_case,
                floor=bound.floor,
                inherited=stage.labelled,
                obligations=stage.decision.obligations,
                attributes=invoke.context.attributes,
            )
            dispatch = ModelDispatch(call, deployment)
            action = Action(MODEL_DISPATCH, bound.principal, resource_of(deployment), dispatch, context)
            destinations.append(_destination(parts, action, is_asked=stage.decision.effect is Effect.ASK))
    findings, labels = _findings(call, stage.labelled, body.text), str(stage.labelled.labels)
    return schemas.Preview(findings=findings, labels=labels, destinations=destinations)


class _Stage(NamedTuple):
    """What the stages before the record say of an action; `why_not` is None where it may be performed."""

    labelled: Labelled
    decision: Decision
    payload: Any
    labels: Labels
    why_not: str | None


def _staged(parts: AdminParts, action: Action[Any, Any, Any]) -> _Stage:
    """Label, decide and transform an action as the pipeline does, and ask whether it would be refused."""
    labelled = parts.labeller.label(action)
    decision = with_inherited(parts.decider.decide(action, labelled), action)
    exchange = parts.transformer.transform(
        action, labelled=labelled, decision=decision, receiver=action.principal.clearance
    )
    why_not: str | None = None
    try:
        refuse(action.with_payload(exchange.payload), labelled=labelled, decision=decision, exchange=exchange)
        refuse_release(exchange.output_labels, action.principal)
    except Denied as error:
        why_not = error.message
    return _Stage(labelled, decision, exchange.payload, exchange.labels, why_not)


def _destination(parts: AdminParts, action: Dispatch, *, is_asked: bool) -> schemas.PreviewDestination:
    """Say what would happen to one dispatch; the bytes are those that it would send."""
    stage, deployment = _staged(parts, action), action.payload.deployment
    if stage.why_not is not None:
        return _view(deployment, stage, effect="deny", why=stage.why_not)
    dispatch: ModelDispatch = stage.payload
    try:
        route = route_of(dispatch, providers=parts.providers, dialects=parts.dialects)
        written = written_call(dispatch, route, stage.decision.obligations, dialects=parts.dialects)
    except HeadgateError as error:
        return _view(deployment, stage, effect="deny", why=error.message)
    if is_asked or stage.decision.effect is Effect.ASK:
        return _view(deployment, stage, effect="ask", why="a person has to approve it first")
    body = written.body.decode("utf-8", "replace")
    return _view(deployment, stage, effect="allow", why="it may go there", bytes_out=body)


def _view(
    deployment: Deployment, stage: _Stage, *, effect: str, why: str, bytes_out: str | None = None
) -> schemas.PreviewDestination:
    return schemas.PreviewDestination(
        deployment=deployment.id,
        custody=custody_of(deployment),
        effect=effect,
        why=why,
        rules=[_rule(rule) for rule in stage.decision.rules],
        labels=str(stage.labels),
        bytes_out=bytes_out,
    )


def _call(parts: AdminParts, alias: Alias, *, model: str, text: str) -> ModelCall:
    """Return the call that a client would have made of the text."""
    if alias.operation == "embed":
        body = msgspec.json.encode({"model": model, "input": text})
        return parts.dialects.clients["openai_embeddings"].read_call(body, headers={}, match=Match("embed"))
    return read_chat(parts, model, [schemas.ChatMessage(role="user", content=text)], stream=False)


def _findings(call: ModelCall, labelled: Labelled, text: str) -> list[schemas.FindingView]:
    """Return what was found in the text itself; the call around it has strings of its own."""
    segments = call.content.segments()
    return [
        schemas.FindingView(
            kind=one.kind,
            category=one.category,
            start=one.start,
            end=one.end,
            detector=one.detector,
            confidence=one.confidence,
        )
        for one in labelled.findings
        if segments[one.segment].text == text
    ]


def _rule(rule: RuleHit) -> schemas.RuleHitView:
    return schemas.RuleHitView(id=rule.id, does=rule.does, mode=rule.mode, reason=rule.reason)
