"""Preview: shows the request that each deployment would get, without sending it.

It runs the pipeline's own stages up to the effect. The preview itself is an action:
policy decides `model.preview` as a use of models, and it has a record. The record holds no text.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import msgspec

from headgate.admin.bodies import AliasName, Body, LongText, Name, RuleHitView
from headgate.admin.callers import AdminCaller
from headgate.admin.commands import Command, Facts, digest_of
from headgate.admin.model_calls import invocation, read_chat
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.gateway.catalogue import Alias
from headgate.gateway.chat import ChatMessage
from headgate.gateway.invoke import resource_of
from headgate.gateway.model_routes import custody_of
from headgate.gateway.parts import Gateway
from headgate.gateway.routing import plan
from headgate.gateway.verbs import MODEL_PREVIEW
from headgate.gateway.writing import route_of, written_call
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.errors import Denied, HeadgateError
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import Labels
from headgate.kernel.pipeline import Stages, refuse, refuse_release, with_inherited
from headgate.wire.dialect import Match
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply

Dispatch = Action[ModelDispatch, ModelEvent, ModelReply]


class PreviewRequest(Body, frozen=True, kw_only=True):
    """A text to preview; it is not sent anywhere."""

    text: LongText
    model: AliasName
    use_case: Name = "getting-started"


class FindingView(Body, frozen=True, kw_only=True):
    """A value that a detector found; `start` and `end` count characters of the text."""

    kind: str
    category: str
    start: int
    end: int
    detector: str
    confidence: float


class PreviewDestination(Body, frozen=True, kw_only=True):
    """The preview for one deployment; `bytes_out` is the exact request body, null when refused."""

    deployment: str
    custody: str
    effect: str
    why: str
    rules: list[RuleHitView]
    labels: str
    bytes_out: str | None


class Preview(Body, frozen=True, kw_only=True):
    """The findings in a text, and the preview for each deployment behind the model."""

    findings: list[FindingView]
    labels: str
    destinations: list[PreviewDestination]


async def preview(gateway: Gateway, request: Request) -> Preview:
    """Return the findings in a text, and the preview for each deployment behind the model."""
    caller, body = request.by, request.body_as(PreviewRequest)
    alias = gateway.catalogues(caller.tenant_id).alias(body.model)
    use_case, stages = caller.use_case(body.use_case), request.host.pipeline.stages

    async def look(facts: Facts) -> Preview:
        seen = await asyncio.to_thread(_look, gateway, stages, alias, caller, use_case, body)
        facts["destinations"] = len(seen.destinations)
        return seen

    command = Command(summary={}, arguments=digest_of(body), do=look)
    done = await request.run(caller.action(MODEL_PREVIEW, Resource("alias", alias.name), command, use_case=use_case))
    seen: Preview = done.result
    return seen


def _look(
    gateway: Gateway, stages: Stages, alias: Alias, caller: AdminCaller, use_case: UseCase, body: PreviewRequest
) -> Preview:
    """Run the call and each of its dispatches through the stages before their records."""
    call = _call(gateway, alias, model=body.model, text=body.text)
    catalogue = gateway.catalogues(caller.tenant_id)
    invoke = invocation(call, caller, use_case=use_case, alias=alias.name)
    stage = _staged(stages, invoke)
    planned = plan(call, alias=alias, catalogue=catalogue, use_case=use_case, labelled=stage.labelled)
    skipped = {one.deployment: one.why for one in planned.skipped}
    destinations: list[PreviewDestination] = []
    for deployment in catalogue.candidates(alias):
        why = stage.why_not or skipped.get(deployment.id)
        if why is not None:
            destinations.append(_view(deployment, stage, effect="deny", why=why))
        else:
            context = Context(
                use_case=use_case,
                floor=caller.floor,
                inherited=stage.labelled,
                obligations=stage.decision.obligations,
                attributes=invoke.context.attributes,
            )
            dispatch = ModelDispatch(call, deployment)
            action = Action(MODEL_DISPATCH, caller.principal, resource_of(deployment), dispatch, context)
            is_asked = stage.decision.effect is Effect.ASK
            destinations.append(_destination(gateway, stages, action, is_asked=is_asked))
    findings, labels = _findings(call, stage.labelled, body.text), str(stage.labelled.labels)
    return Preview(findings=findings, labels=labels, destinations=destinations)


class _Stage(NamedTuple):
    """The results of the stages before the record; `why_not` is None for an allowed action."""

    labelled: Labelled
    decision: Decision
    payload: Any
    labels: Labels
    why_not: str | None


def _staged(stages: Stages, action: Action[Any, Any, Any]) -> _Stage:
    """Label, decide and transform an action as the pipeline does, and check for a refusal."""
    labelled = stages.labeller.label(action)
    decision = with_inherited(stages.decider.decide(action, labelled), action)
    exchange = stages.transformer.transform(
        action, labelled=labelled, decision=decision, receiver=action.principal.clearance
    )
    why_not: str | None = None
    try:
        refuse(action.with_payload(exchange.payload), labelled=labelled, decision=decision, exchange=exchange)
        refuse_release(exchange.output_labels, action.principal)
    except Denied as error:
        why_not = error.message
    return _Stage(labelled, decision, exchange.payload, exchange.labels, why_not)


def _destination(gateway: Gateway, stages: Stages, action: Dispatch, *, is_asked: bool) -> PreviewDestination:
    """Return the preview of one dispatch, with the exact bytes of its request."""
    stage, deployment = _staged(stages, action), action.payload.deployment
    if stage.why_not is not None:
        return _view(deployment, stage, effect="deny", why=stage.why_not)
    dispatch: ModelDispatch = stage.payload
    try:
        route = route_of(dispatch, providers=gateway.providers, dialects=gateway.dialects)
        written = written_call(dispatch, route, stage.decision.obligations, dialects=gateway.dialects)
    except HeadgateError as error:
        return _view(deployment, stage, effect="deny", why=error.message)
    if is_asked or stage.decision.effect is Effect.ASK:
        return _view(deployment, stage, effect="ask", why="a person has to approve it first")
    body = written.body.decode("utf-8", "replace")
    return _view(deployment, stage, effect="allow", why="it may go there", bytes_out=body)


def _view(
    deployment: Deployment, stage: _Stage, *, effect: str, why: str, bytes_out: str | None = None
) -> PreviewDestination:
    return PreviewDestination(
        deployment=deployment.id,
        custody=custody_of(deployment),
        effect=effect,
        why=why,
        rules=[_rule(rule) for rule in stage.decision.rules],
        labels=str(stage.labels),
        bytes_out=bytes_out,
    )


def _call(gateway: Gateway, alias: Alias, *, model: str, text: str) -> ModelCall:
    """Return the call that a client would make with the text."""
    if alias.operation == "embed":
        body = msgspec.json.encode({"model": model, "input": text})
        return gateway.dialects.clients["openai_embeddings"].read_call(body, headers={}, match=Match("embed"))
    return read_chat(gateway.dialects, model, [ChatMessage(role="user", content=text)], stream=False)


def _findings(call: ModelCall, labelled: Labelled, text: str) -> list[FindingView]:
    """Return the findings in the text itself, without those in other strings of the call."""
    segments = call.content.segments()
    return [
        FindingView(
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


def _rule(rule: RuleHit) -> RuleHitView:
    return RuleHitView(id=rule.id, does=rule.does, mode=rule.mode, reason=rule.reason)


OPERATIONS = (
    Operation(
        "preview",
        "POST",
        "/api/preview",
        "Show what a deployment would receive, without calling it.",
        preview,
        body=PreviewRequest,
        answer=Preview,
        verb=MODEL_PREVIEW,
    ),
)
