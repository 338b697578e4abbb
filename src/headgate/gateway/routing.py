"""Routing: selects the candidate deployments for a call and their order."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from headgate.gateway.catalogue import Alias, Catalogue
from headgate.kernel.content import Labelled
from headgate.kernel.identity import TenantId, UseCase
from headgate.kernel.ports import Clock
from headgate.wire.model_call import Deployment, ModelCall


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
    for deployment in catalogue.candidates(alias):
        if (why := _obstacle(deployment, use_case, labelled)) is not None:
            skipped.append(Skipped(deployment.id, why))
        elif (why := _inability(call, deployment)) is not None:
            skipped.append(Skipped(deployment.id, why, is_unable=True))
        else:
            candidates.append(deployment)
    return Plan(tuple(candidates), tuple(skipped))


def _obstacle(deployment: Deployment, use_case: UseCase, labelled: Labelled) -> str | None:
    if use_case.deployments is not None and deployment.id not in use_case.deployments:
        return f"use case {use_case.id} may not use it"
    if obstacles := labelled.floor.obstacles(deployment.clearance):
        return "the content may not go there: " + "; ".join(obstacles)
    return None


def _inability(call: ModelCall, deployment: Deployment) -> str | None:
    capability = deployment.capability
    if call.operation not in capability.operations:
        return f"it does not offer {call.operation}"
    if call.stream and not capability.streaming:
        return "it cannot stream"
    if "tools" in call.needs and not capability.tools:
        return "it cannot call tools"
    if "images" in call.needs and not capability.images:
        return "it does not take images"
    if "json_schema" in call.needs and not capability.json_schema:
        return "it cannot follow a JSON schema"
    return None


HealthState = Literal["ok", "failing", "cooling_down"]

_FAILING_S = 600.0
"""A deployment that nobody called counts as failing for this time after its last failure."""


class Failure(NamedTuple):
    """The last failure of a deployment.

    Args:
        rests_until_s: on the clock's monotonic scale.
        reason: for administrators; it may name hosts.
    """

    rests_until_s: float
    failed_at: datetime
    reason: str


class Standing(NamedTuple):
    """The health of a deployment, and its last failure unless it is healthy."""

    state: HealthState
    failure: Failure | None = None


class Health:
    """Tracks recently failed deployments, so that they are tried last. One for a worker.

    Entries expire. Each entry is for one tenant and one configuration: address, key, network and
    model. So no tenant marks another tenant's deployment down, and none learns from the order how
    others' calls went.
    """

    def __init__(self, clock: Clock, *, cooldown_s: float = 20.0) -> None:
        self._clock = clock
        self._cooldown_s = cooldown_s
        self._failures: dict[_Configuration, Failure] = {}

    def failed(
        self, deployment: Deployment, *, tenant: TenantId, retry_after_s: float | None = None, reason: str = ""
    ) -> None:
        """Rest the deployment for its own `retry_after_s` or the default, at most five minutes."""
        rest_s = min(retry_after_s if retry_after_s is not None else self._cooldown_s, 300.0)
        now_s = self._clock.monotonic()
        if len(self._failures) >= _MOST_RESTING:
            self._failures = {one: seen for one, seen in self._failures.items() if seen.rests_until_s > now_s}
        failure = Failure(now_s + rest_s, self._clock.now(), reason)
        self._failures[_configuration(deployment, tenant)] = failure

    def succeeded(self, deployment: Deployment, *, tenant: TenantId) -> None:
        """Clear the deployment's failures."""
        if self._failures:
            self._failures.pop(_configuration(deployment, tenant), None)

    def in_order(self, candidates: tuple[Deployment, ...], *, tenant: TenantId) -> tuple[Deployment, ...]:
        """Return the candidates, those that rest after those that do not, otherwise in the given order."""
        if not self._failures:
            return candidates
        now_s = self._clock.monotonic()
        return tuple(sorted(candidates, key=lambda one: self._rests(one, tenant, now_s)))

    def standing(self, deployment: Deployment, *, tenant: TenantId) -> Standing:
        """Return the deployment's health as this worker saw it last."""
        failure = self._failures.get(_configuration(deployment, tenant))
        if failure is None:
            return Standing("ok")
        since_s = self._clock.monotonic() - failure.rests_until_s
        if since_s < 0:
            return Standing("cooling_down", failure)
        return Standing("failing", failure) if since_s < _FAILING_S else Standing("ok")

    def _rests(self, deployment: Deployment, tenant: TenantId, now_s: float) -> bool:
        failure = self._failures.get(_configuration(deployment, tenant))
        return failure is not None and failure.rests_until_s > now_s


_MOST_RESTING = 4096


class _Configuration(NamedTuple):
    """The key of an entry: the tenant and the deployment's configuration."""

    tenant: TenantId
    deployment: str
    base_url: str | None
    key: str | None
    network: str
    model: str


def _configuration(deployment: Deployment, tenant: TenantId) -> _Configuration:
    return _Configuration(
        tenant, deployment.id, deployment.base_url, deployment.key, deployment.network, deployment.model
    )
