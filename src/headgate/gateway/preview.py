"""Preview: shows the request that each deployment would get, without sending it.

It runs the pipeline's own stages up to the effect. The preview itself is an action:
policy decides `model.preview` as a use of models, and it has a record. The record holds no text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headgate.admin.bodies import AliasName, Body, LongText, Name, RuleHitView
from headgate.admin.callers import AdminCaller
from headgate.admin.commands import Command, Facts, digest_of
from headgate.admin.model_calls import invocation, read_chat
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.gateway.catalogue import Alias
from headgate.gateway.chat import ChatMessage
from headgate.gateway.looking import Seen, look
from headgate.gateway.model_routes import custody_of
from headgate.gateway.parts import Gateway
from headgate.gateway.verbs import MODEL_PREVIEW
from headgate.kernel.action import Resource
from headgate.kernel.content import Labelled
from headgate.kernel.decision import RuleHit
from headgate.kernel.identity import UseCase
from headgate.kernel.pipeline import Stages
from headgate.wire.dialect import Match
from headgate.wire.model_call import ModelCall
from headgate.wire.model_call import Operation as Kind

_WIRES: Final[Mapping[Kind, tuple[str, Sequence[tuple[str, bool]]]]] = {
    "embed": ("openai_embeddings", [("input", False)]),
    "moderate": ("openai_moderations", [("input", False)]),
    "rerank": ("rerank", [("query", False), ("documents", True)]),
    "image": ("openai_images", [("prompt", False)]),
    "speech": ("openai_speech", [("input", False)]),
}
"""The wire of each kind of call with a text, and the fields that take it, as a text or as a list."""


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
    labelled = stages.labeller.label(invoke)
    destinations = [_view(seen) for seen in look(gateway, stages, invoke, alias=alias, catalogue=catalogue)]
    findings = _findings(call, labelled, body.text)
    return Preview(findings=findings, labels=str(labelled.labels), destinations=destinations)


def _view(seen: Seen) -> PreviewDestination:
    return PreviewDestination(
        deployment=seen.deployment.id,
        custody=custody_of(seen.deployment),
        effect=seen.effect,
        why=seen.why,
        rules=[_rule(rule) for rule in seen.stage.decision.rules],
        labels=str(seen.stage.labels),
        bytes_out=None if seen.written is None else seen.written.body.decode("utf-8", "replace"),
    )


def _call(gateway: Gateway, alias: Alias, *, model: str, text: str) -> ModelCall:
    """Return the call that a client would make with the text."""
    if alias.operation in _WIRES:
        wire, told = _WIRES[alias.operation]
        body = msgspec.json.encode({"model": model, **{name: [text] if is_list else text for name, is_list in told}})
        return gateway.dialects.clients[wire].read_call(body, headers={}, match=Match(alias.operation))
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
