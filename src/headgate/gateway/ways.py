"""Ways on after a refusal: why a model may not take a call, in everyday words, and which models may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headgate.admin.ways import Way
from headgate.gateway.looking import Call, Seen, look
from headgate.gateway.model_words import categories_in_words
from headgate.gateway.parts import Gateway
from headgate.kernel.action import Resource
from headgate.kernel.errors import HeadgateError
from headgate.kernel.labels import UNSCANNED, Clearance, Custody, Labels
from headgate.kernel.pipeline import Stages
from headgate.wire.model_call import ModelDispatch

_MOST_LOOKED_AT = 40
"""Models that one search looks at. Each of their deployments costs a decision."""


class GatewayWays:
    """The gateway's `WaysOn`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def why_not(self, action: Call, stages: Stages) -> str | None:
        """Return in one sentence for its person why a model may not take a call; None if nothing plain is known."""
        seen = self._look(action, stages)
        if any(one.effect != "deny" for one in seen):
            return None
        return next((words for one in seen if (words := _reason(one, action)) is not None), None)

    def models(self, action: Call, stages: Stages, *, among: Sequence[str]) -> list[Way]:
        """Return the models of `among` that could take the call, those without an approval first."""
        found: list[Way] = []
        for name in among[:_MOST_LOOKED_AT]:
            seen = self._look(_to(action, name), stages)
            open_ = [one for one in seen if one.effect == "allow"] or [one for one in seen if one.effect == "ask"]
            if open_:
                is_own = all(one.deployment.clearance.custody is Custody.ORGANISATION for one in open_)
                found.append(Way(name, needs_approval=open_[0].effect == "ask", is_own=is_own))
        return sorted(found, key=lambda one: one.needs_approval)

    def _look(self, action: Call, stages: Stages) -> list[Seen]:
        catalogue = self._gateway.catalogues(action.principal.tenant)
        try:
            alias = catalogue.alias_of(action.resource.id, asked=action.payload.model)
            if alias.operation != action.payload.operation:
                return []
            return list(look(self._gateway, stages, action, alias=alias, catalogue=catalogue))
        except HeadgateError:
            return []


def _to(action: Call, model: str) -> Call:
    """Return the same call to another model."""
    return replace(action, resource=Resource("alias", model), payload=replace(action.payload, model=model))


def _reason(seen: Seen, action: Call) -> str | None:
    """Return why a deployment may not take a call, in everyday words; None if there are none."""
    model, stage, use_case = action.payload.model, seen.stage, action.context.use_case
    clearance = seen.deployment.clearance
    if refusing := [rule.reason for rule in stage.decision.refusing if rule.does == "deny"]:
        return stage.decision.advice or f"a rule of your organisation does not allow it: {refusing[0]}"
    if use_case.deployments is not None and seen.deployment.id not in use_case.deployments:
        return f"the use case {use_case.title or use_case.id} may not use {model}"
    if seen.is_unable:
        return f"the model {model} takes no images" if "images" in action.payload.needs else None
    if stage.decision.obligations.restrict > clearance.custody:
        return f"this content must stay on our own machines, and {model} runs elsewhere"
    is_masked = isinstance(stage.payload, ModelDispatch)
    return _flow(stage.labels if is_masked else stage.labelled.floor, clearance, model)


def _flow(labels: Labels, clearance: Clearance, model: str) -> str | None:
    missing = labels.categories - (labels.categories if clearance.categories is None else clearance.categories)
    if UNSCANNED in missing:
        return f"images may not go to {model}, because Headgate cannot check what they show"
    if missing:
        return f"this conversation holds {categories_in_words(missing)}, which {model} may not get"
    if labels.confidentiality > clearance.level:
        level = labels.confidentiality.name.lower()
        return f"this content is {level}, and {model} is cleared for {clearance.level.name.lower()} content only"
    if labels.custody > clearance.custody:
        return f"this content must stay on our own machines, and {model} runs elsewhere"
    return None
