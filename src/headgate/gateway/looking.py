"""Looks at a call as the pipeline would treat it at each deployment, up to the effect. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from headgate.gateway.attempts import resource_of
from headgate.gateway.catalogue import Alias, Catalogue
from headgate.gateway.parts import Gateway
from headgate.gateway.routing import plan
from headgate.gateway.writing import Written, route_of, written_call
from headgate.kernel.action import Action, Context
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect
from headgate.kernel.errors import Denied, HeadgateError
from headgate.kernel.labels import Labels
from headgate.kernel.pipeline import Stages, refuse, refuse_release, with_inherited
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply

Call = Action[ModelCall, ModelEvent, ModelReply]


class Stage(NamedTuple):
    """The results of the stages before the record; `why_not` is None for an allowed action."""

    labelled: Labelled
    decision: Decision
    payload: Any
    labels: Labels
    why_not: str | None


class Seen(NamedTuple):
    """A call as one deployment would get it.

    Args:
        stage: of the dispatch; of the call itself where that does not get as far.
        is_unable: whether the deployment cannot take such a call from anybody.
        written: the request, or None when it is refused or waits for an approval.
    """

    deployment: Deployment
    stage: Stage
    effect: Literal["allow", "ask", "deny"]
    why: str
    is_unable: bool = False
    written: Written | None = None


def staged(stages: Stages, action: Action[Any, Any, Any]) -> Stage:
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
    return Stage(labelled, decision, exchange.payload, exchange.labels, why_not)


def look(gateway: Gateway, stages: Stages, invoke: Call, *, alias: Alias, catalogue: Catalogue) -> Iterator[Seen]:
    """Yield the call as each deployment of an alias would get it, in the order of the alias."""
    stage, use_case = staged(stages, invoke), invoke.context.use_case
    planned = plan(invoke.payload, alias=alias, catalogue=catalogue, use_case=use_case, labelled=stage.labelled)
    skipped = {one.deployment: one for one in planned.skipped}
    for deployment in catalogue.candidates(alias, asked=invoke.payload.model):
        left_out = skipped.get(deployment.id)
        if stage.why_not is not None:
            yield Seen(deployment, stage, "deny", stage.why_not)
        elif left_out is not None:
            yield Seen(deployment, stage, "deny", left_out.why, left_out.is_unable)
        else:
            yield _dispatched(gateway, stages, invoke, deployment, stage=stage)


def _dispatched(gateway: Gateway, stages: Stages, invoke: Call, deployment: Deployment, *, stage: Stage) -> Seen:
    """Return the call as one deployment would get it, with the exact request."""
    context = Context(
        use_case=invoke.context.use_case,
        floor=invoke.context.floor,
        inherited=stage.labelled,
        obligations=stage.decision.obligations,
        attributes=invoke.context.attributes,
    )
    dispatch = ModelDispatch(invoke.payload, deployment)
    is_asked = stage.decision.effect is Effect.ASK
    stage = staged(stages, Action(MODEL_DISPATCH, invoke.principal, resource_of(deployment), dispatch, context))
    if stage.why_not is not None:
        return Seen(deployment, stage, "deny", stage.why_not)
    try:
        route = route_of(stage.payload, providers=gateway.providers, dialects=gateway.dialects)
        written = written_call(stage.payload, route, stage.decision.obligations, dialects=gateway.dialects)
    except HeadgateError as error:
        return Seen(deployment, stage, "deny", error.message, is_unable=True)
    if is_asked or stage.decision.effect is Effect.ASK:
        return Seen(deployment, stage, "ask", "a person has to approve it first")
    return Seen(deployment, stage, "allow", "it may go there", written=written)
