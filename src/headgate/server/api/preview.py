"""What would leave, and where to, without anything leaving: the pipeline's own stages, short of performing.

Nothing is recorded: nothing is done, and the caller is shown only what the caller wrote.
"""

from __future__ import annotations

import msgspec

from headgate.gateway.catalogue import Alias, model_for
from headgate.gateway.invoke import resource_of
from headgate.gateway.routing import plan
from headgate.kernel.action import Action, Context
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.errors import Denied, HeadgateError
from headgate.kernel.labels import Labels
from headgate.kernel.model_call import MODEL_DISPATCH, Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply
from headgate.kernel.pipeline import refuse
from headgate.server.api import schemas
from headgate.server.api.chat import model_caller, read_chat
from headgate.server.api.overview import custody_of
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.server.data_plane import invoke_action
from headgate.wire.dialect import Outgoing

Dispatch = Action[ModelDispatch, ModelEvent, ModelReply]


async def preview(parts: AdminParts, request: Request) -> schemas.Preview:
    """Say what the gate sees in a text, and what it would do with it at each deployment behind the model."""
    caller, body = request.by, request.body_as(schemas.PreviewRequest)
    catalogue = parts.catalogues(caller.tenant_id)
    alias = catalogue.alias(body.model)
    bound = model_caller(caller, body.use_case)
    call = _call(parts, alias, model=body.model, text=body.text)
    invoke = invoke_action(call, bound, catalogue=catalogue)
    labelled = parts.labeller.label(invoke)
    decision = parts.decider.decide(invoke, labelled)
    planned = plan(call, alias=alias, catalogue=catalogue, use_case=bound.use_case, labelled=labelled)
    skipped = {one.deployment: one.why for one in planned.skipped}
    destinations: list[schemas.PreviewDestination] = []
    for deployment in catalogue.candidates(alias):
        if decision.effect is Effect.DENY:
            why = "; ".join(f"{rule.id} ({rule.reason})" for rule in decision.refusing) or "no rule allows it"
            destinations.append(_refused(deployment, decision, labelled.labels, why))
        elif deployment.id in skipped:
            destinations.append(_refused(deployment, decision, labelled.labels, skipped[deployment.id]))
        else:
            context = Context(use_case=bound.use_case, floor=bound.floor, inherited=labelled)
            dispatch = ModelDispatch(call, deployment)
            action = Action(MODEL_DISPATCH, bound.principal, resource_of(deployment), dispatch, context)
            destinations.append(_destination(parts, action))
    return schemas.Preview(
        findings=_findings(call, labelled, body.text), labels=str(labelled.labels), destinations=destinations
    )


def _destination(parts: AdminParts, action: Dispatch) -> schemas.PreviewDestination:
    """Take one dispatch through the stages that come before its record."""
    labelled = parts.labeller.label(action)
    decision = parts.decider.decide(action, labelled)
    deployment = action.payload.deployment
    exchange = parts.transformer.transform(
        action, labelled=labelled, decision=decision, receiver=action.principal.clearance
    )
    final = action.with_payload(exchange.payload)
    try:
        refuse(final, labelled=labelled, decision=decision, exchange=exchange)
        bytes_out = _bytes_out(parts, final.payload, decision)
    except HeadgateError as error:
        return _refused(deployment, decision, exchange.labels, error.message)
    asks = decision.effect is Effect.ASK
    return schemas.PreviewDestination(
        deployment=deployment.id,
        custody=custody_of(deployment),
        effect=decision.effect.name.lower(),
        why="a person has to approve it first" if asks else "it may go there",
        rules=[_rule(rule) for rule in decision.rules],
        labels=str(exchange.labels),
        bytes_out=None if asks else bytes_out,
    )


def _call(parts: AdminParts, alias: Alias, *, model: str, text: str) -> ModelCall:
    """Return the call that a client would have made of the text."""
    if alias.operation == "embed":
        body = msgspec.json.encode({"model": model, "input": text})
        return parts.dialects["openai_embeddings"].read_call(body, headers={})
    return read_chat(parts, model, [schemas.ChatMessage(role="user", content=text)], stream=False)


def _bytes_out(parts: AdminParts, dispatch: ModelDispatch, decision: Decision) -> str:
    """Return the body that `model.dispatch` would send."""
    deployment, call = dispatch.deployment, dispatch.call
    provider = parts.providers.get(deployment.provider)
    endpoint = provider.endpoints.get(call.operation) if provider else None
    if provider is None or endpoint is None:
        raise Denied(f"deployment {deployment.id} cannot do {call.operation}")
    outgoing = Outgoing(
        model=model_for(deployment, call.model),
        quirks=provider.quirks | deployment.quirks,
        cap_output_tokens=decision.obligations.cap_output_tokens,
    )
    dialect = parts.dialects[endpoint.dialect]
    if call.wire == dialect.name:
        return dialect.write_call(call, outgoing).decode("utf-8", "replace")
    conversation = parts.dialects[call.wire].to_conversation(call.content)
    return dialect.from_conversation(conversation, outgoing).decode("utf-8", "replace")


def _refused(deployment: Deployment, decision: Decision, labels: Labels, why: str) -> schemas.PreviewDestination:
    return schemas.PreviewDestination(
        deployment=deployment.id,
        custody=custody_of(deployment),
        effect="deny",
        why=why,
        rules=[_rule(rule) for rule in decision.rules],
        labels=str(labels),
        bytes_out=None,
    )


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
