"""Operations that test deployments, and that ask a provider for the names of its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import msgspec

from headgate.admin.bodies import AliasName, Body, Name
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_READ
from headgate.gateway.attempts import resource_of
from headgate.gateway.local_servers import local_servers
from headgate.gateway.parts import Gateway
from headgate.gateway.provider_models import names_of
from headgate.gateway.reasons import reason_of
from headgate.gateway.specs import DeploymentSpec
from headgate.gateway.trial import TrialError, trial_of
from headgate.gateway.verbs import MODEL_NAMES, MODEL_TEST
from headgate.kernel.action import Context, Resource
from headgate.kernel.errors import HeadgateError, Invalid, NotFound
from headgate.substrate.declarative import decode_table
from headgate.substrate.egress import NetworkProfile
from headgate.wire.conversation import Text
from headgate.wire.model_call import Deployment, ModelReply

_WITHIN_S = 60.0
_MOST_CHARS = 200


class TrialRequest(Body, frozen=True, kw_only=True):
    """A declared deployment or alias by its name, or a deployment as it would be declared: exactly one of them.

    `model` is the name to ask for, for a deployment that serves every name.
    """

    deployment: Name | None = None
    alias: AliasName | None = None
    entry: dict[str, Any] | None = None
    model: Annotated[str, msgspec.Meta(max_length=256)] | None = None


class TrialView(Body, frozen=True, kw_only=True):
    """The outcome of one test call. `why` and `advice` are empty if it worked."""

    deployment: str
    model: str
    worked: bool
    reason: str | None
    why: str
    advice: str
    answer: str
    took_us: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_micros: int | None
    currency: str | None
    record: str | None


class TrialList(Body, frozen=True, kw_only=True):
    """The outcomes, in the order of the alias's deployments."""

    trials: list[TrialView]


class NamesRequest(Body, frozen=True, kw_only=True):
    """A deployment as it would be declared; its model may be missing."""

    entry: dict[str, Any]


class NamesView(Body, frozen=True, kw_only=True):
    """The names that the provider told, sorted; or why there are none."""

    names: list[str]
    why: str
    advice: str


class ServerView(Body, frozen=True, kw_only=True):
    """A model server that answers at the usual address of its provider, with the names of its models."""

    provider: str
    base_url: str
    models: list[str]


class ServerList(Body, frozen=True, kw_only=True):
    """The model servers on Headgate's machine, by provider."""

    servers: list[ServerView]


class _Subject(NamedTuple):
    deployment: Deployment
    profile: NetworkProfile | None = None


async def run_trial(gateway: Gateway, request: Request) -> TrialList:
    """Send one small call to a deployment, or to each of an alias, and say whether it answers."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))
    body = request.body_as(TrialRequest)
    subjects = await _subjects(gateway, request, body)
    return TrialList(trials=[await _tried(gateway, request, one, model=body.model) for one in subjects])


async def _subjects(gateway: Gateway, request: Request, body: TrialRequest) -> Sequence[_Subject]:
    if sum(one is not None for one in (body.deployment, body.alias, body.entry)) != 1:
        raise Invalid("name one of deployment, alias and entry")
    catalogue = gateway.catalogues(request.tenant)
    if body.entry is not None:
        draft = await gateway.library.draft(_spec(body.entry), tenant=request.tenant)
        return [_Subject(*draft)]
    if body.alias is not None:
        return [_Subject(one) for one in catalogue.candidates(catalogue.alias(body.alias), asked=body.model or "")]
    found = catalogue.deployments.get(body.deployment or "")
    if found is None:
        raise NotFound(f"there is no deployment {body.deployment!r} that can be used", param="deployment")
    return [_Subject(found)]


async def _tried(gateway: Gateway, request: Request, subject: _Subject, *, model: str | None) -> TrialView:
    trial = trial_of(subject.deployment, gateway.dialects, model=model, profile=subject.profile)
    action = request.by.action(MODEL_TEST, resource_of(trial.deployment), trial)
    deadline_s = request.host.pipeline.clock.monotonic() + _WITHIN_S
    context: Context = replace(action.context, deadline_s=deadline_s)
    try:
        done = await request.host.pipeline.run(replace(action, context=context))
    except TrialError as error:
        request.decided.add(MODEL_TEST.name)
        return _failed(subject.deployment, error)
    request.decided.add(MODEL_TEST.name)
    if subject.profile is not None and subject.deployment.id not in gateway.catalogues(request.tenant).deployments:
        # Once it is declared as it was tested, people see that it answered.
        gateway.board.answered(subject.deployment, tenant=request.tenant)
    measures = done.run.measures
    return TrialView(
        deployment=subject.deployment.id,
        model=subject.deployment.model,
        worked=True,
        reason=None,
        why="",
        advice="",
        answer=_answer(gateway, done.result),
        took_us=done.run.elapsed_us(),
        input_tokens=measures.amounts.get("input_tokens"),
        output_tokens=measures.amounts.get("output_tokens"),
        cost_micros=measures.cost_micros,
        currency=measures.currency,
        record=done.run.record_id,
    )


def _failed(deployment: Deployment, error: TrialError) -> TrialView:
    return TrialView(
        deployment=deployment.id,
        model=deployment.model,
        worked=False,
        reason=error.reason.code,
        why=error.reason.why,
        advice=error.reason.advice,
        answer="",
        took_us=None,
        input_tokens=None,
        output_tokens=None,
        cost_micros=None,
        currency=None,
        record=error.record_id,
    )


def _answer(gateway: Gateway, reply: ModelReply) -> str:
    """Return the beginning of the answer's text; of embeddings nothing."""
    dialect = gateway.dialects.providers.get(reply.wire)
    if dialect is None or reply.wire == "openai_embeddings":
        return ""
    parts = dialect.to_reply(reply).parts
    return "".join(part.text for part in parts if isinstance(part, Text))[:_MOST_CHARS]


async def list_names(gateway: Gateway, request: Request) -> NamesView:
    """Ask a provider for the names of its models."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))
    spec = _spec({"id": "new", "model": "any", **request.body_as(NamesRequest).entry})

    async def ask(facts: Facts) -> NamesView:
        draft = await gateway.library.draft(spec, tenant=request.tenant)
        try:
            names = await names_of(
                draft,
                gateway.providers[spec.provider],
                secrets=gateway.secrets,
                clock=request.host.pipeline.clock,
            )
        except HeadgateError as error:
            reason = reason_of(error, draft.deployment)
            facts["reason"] = reason.code
            return NamesView(names=[], why=reason.why, advice=reason.advice)
        facts["names"] = len(names)
        return NamesView(names=list(names), why="", advice="")

    done = await request.perform(MODEL_NAMES, Resource("deployment", spec.id), ask, arguments=digest_of(spec))
    return done.result


async def find_servers(gateway: Gateway, request: Request) -> ServerList:
    """Look for model servers on Headgate's own machine."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))

    async def look(facts: Facts) -> ServerList:
        clock = request.host.pipeline.clock
        found = await local_servers(gateway.providers, secrets=gateway.secrets, clock=clock)
        facts["servers"] = len(found)
        return ServerList(
            servers=[ServerView(provider=one.provider, base_url=one.base_url, models=list(one.models)) for one in found]
        )

    done = await request.perform(MODEL_NAMES, Resource("deployment", "local-servers"), look, arguments=digest_of())
    return done.result


def _spec(entry: dict[str, Any]) -> DeploymentSpec:
    """Decode a deployment; errors name its key."""
    try:
        (spec,) = decode_table([entry], DeploymentSpec, section="deployment")
    except Invalid as error:
        key = (error.param or "").removeprefix("deployment[0]").removeprefix(".")
        raise Invalid(": ".join((*filter(None, (key,)), error.message)), param=key or None) from error
    return spec


OPERATIONS = (
    Operation(
        "testModel",
        "POST",
        "/api/models/test",
        "Send one small call to a deployment, declared or not yet.",
        run_trial,
        body=TrialRequest,
        answer=TrialList,
        verb=MODEL_TEST,
    ),
    Operation(
        "listModelNames",
        "POST",
        "/api/models/names",
        "The names of the models that a provider offers.",
        list_names,
        body=NamesRequest,
        answer=NamesView,
        verb=MODEL_NAMES,
    ),
    Operation(
        "findModelServers",
        "POST",
        "/api/models/find",
        "The model servers that answer on Headgate's machine.",
        find_servers,
        answer=ServerList,
        verb=MODEL_NAMES,
    ),
)
