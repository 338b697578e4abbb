"""Routing: selects the candidate deployments for a call."""

from __future__ import annotations

from typing import NamedTuple

from headgate.gateway.catalogue import Alias, Catalogue
from headgate.kernel.content import Labelled
from headgate.kernel.identity import TenantId, UseCase
from headgate.wire.model_call import KINDS, Deployment, ModelCall
from headgate.wire.prompt_size import prompt_tokens

_LONGEST_TOKEN_BYTES = 6
"""More bytes than a token of common text has on average."""


class Skipped(NamedTuple):
    """A deployment that is not a candidate, with the reason, for the caller and the record.

    Args:
        is_unable: whether the deployment cannot do the operation for any caller.
    """

    deployment: str
    why: str
    is_unable: bool = False


class Plan(NamedTuple):
    """The candidates in the order of attempts, and the skipped deployments."""

    candidates: tuple[Deployment, ...]
    skipped: tuple[Skipped, ...]


def plan(call: ModelCall, *, alias: Alias, catalogue: Catalogue, use_case: UseCase, labelled: Labelled) -> Plan:
    """Return the plan for one call.

    The plan checks only conditions that masking cannot change: the floor of the labels, the use
    case's own list, and the deployment's capability. Each dispatch checks the flow of the masked
    content.
    """
    candidates: list[Deployment] = []
    skipped: list[Skipped] = []
    for deployment in catalogue.candidates(alias, asked=call.model):
        if (why := _obstacle(deployment, use_case, labelled)) is not None:
            skipped.append(Skipped(deployment.id, why))
        elif (why := _inability(call, deployment)) is not None:
            skipped.append(Skipped(deployment.id, why, is_unable=True))
        else:
            candidates.append(deployment)
    if len(candidates) > 1:
        # A model whose context is too short is asked last: its own error tells clients to shorten the conversation.
        candidates.sort(key=lambda deployment: _is_too_long(call, deployment))
    return Plan(tuple(candidates), tuple(skipped))


def _is_too_long(call: ModelCall, deployment: Deployment) -> bool:
    """Tell whether a prompt is certainly longer than a deployment's context."""
    context = deployment.capability.context_tokens
    if context is None or len(call.content.to_bytes()) <= context * _LONGEST_TOKEN_BYTES:
        return False
    return prompt_tokens(call.content, bytes_per_token=_LONGEST_TOKEN_BYTES) > context


def _obstacle(deployment: Deployment, use_case: UseCase, labelled: Labelled) -> str | None:
    if use_case.deployments is not None and deployment.id not in use_case.deployments:
        return f"use case {use_case.id} may not use it"
    if obstacles := labelled.floor.obstacles(deployment.clearance):
        return "the content may not go there: " + "; ".join(obstacles)
    return None


def _inability(call: ModelCall, deployment: Deployment) -> str | None:
    capability = deployment.capability
    if call.operation not in capability.operations:
        return f"it does not offer {KINDS[call.operation]}"
    if call.stream and not capability.streaming:
        return "it cannot stream"
    if "tools" in call.needs and not capability.tools:
        return "it cannot call tools"
    if "images" in call.needs and not capability.images:
        return "it does not take images"
    if "json_schema" in call.needs and not capability.json_schema:
        return "it cannot follow a JSON schema"
    return None


class Configuration(NamedTuple):
    """The tenant and configuration of a deployment: what is known of one is not known of another."""

    tenant: TenantId
    deployment: str
    base_url: str | None
    key: str | None
    network: str
    model: str
    options: tuple[tuple[str, str], ...]


def configuration(deployment: Deployment, tenant: TenantId) -> Configuration:
    """Return the configuration of a tenant's deployment."""
    return Configuration(
        tenant,
        deployment.id,
        deployment.base_url,
        deployment.key,
        deployment.network,
        deployment.model,
        deployment.options,
    )
