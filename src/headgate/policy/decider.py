"""The decider: the kernel's `Decider` on the current snapshot, with a cache."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from headgate.kernel.action import Action
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.labels import EMPTY
from headgate.kernel.ports import Clock
from headgate.policy.attributes import Credential, Standing, cache_key, question, undeclared
from headgate.policy.engine import Verdict
from headgate.policy.entities import ADMIN, ADMINISTRATION, ApiKey
from headgate.policy.members import NOT_LIVE_RULE, RULE, is_listed, membership_advice, status_advice
from headgate.policy.rules import Rule, roles_permitting
from headgate.policy.snapshot import Snapshot, SnapshotHolder

MAX_VALID = timedelta(seconds=60)
"""How long the cache keeps a decision at most: rules may depend on the time."""

_MACHINE_ROLES = frozenset({"operator", "job"})
"""Roles of commands on Headgate's machine and of background work. A person gains nothing by them."""

TENANT_RULE = "gate.tenant"
POLICY_RULE = "gate.policies"
ATTRIBUTE_RULE = "gate.attributes"

_OUTCOMES = {
    Effect.ALLOW: ("allowed", "allow"),
    Effect.ASK: ("a person's approval is required", "ask"),
    Effect.DENY: ("refused", "deny"),
}


class PolicyDecider:
    """Decides actions. For one event loop; no I/O.

    Args:
        cached: size of the cache. The oldest decision goes first; none stays longer than `MAX_VALID`.
    """

    def __init__(self, holder: SnapshotHolder, *, clock: Clock, cached: int = 8_192) -> None:
        self._holder = holder
        self._clock = clock
        self._size = cached
        self._cache: dict[tuple[object, ...], Decision] = {}
        self._cached_of: Snapshot | None = None

    def decide(self, action: Action[Any, Any, Any], labelled: Labelled) -> Decision:
        """Return the decision.

        Raises:
            Unavailable: the snapshot is older than the use case's risk class allows.
        """
        snapshot = self._holder.for_risk(action.context.use_case.risk)
        if snapshot is not self._cached_of:
            self._cache.clear()
            self._cached_of = snapshot
        now = self._clock.now()
        if action.verb.attributes and (why := undeclared(action)) is not None:
            return _refusal(ATTRIBUTE_RULE, why, "", now)
        key = cache_key(action, labelled.labels)
        decision = self._cache.get(key)
        if decision is not None and decision.valid_until is not None and now < decision.valid_until:
            return decision
        decision = decide_uncached(action, labelled, snapshot=snapshot, now=now)
        self._cache.pop(key, None)
        self._cache[key] = decision
        if len(self._cache) > self._size:
            del self._cache[next(iter(self._cache))]
        return decision

    def as_of_now(self, action: Action[Any, Any, Any]) -> Action[Any, Any, Any]:
        """Return a running action with its principal and use case updated from the current snapshot.

        A principal, key or use case that was removed keeps its old values. The rules see that it is not registered.
        """
        principal, context = action.principal, action.context
        tenant = self._holder.current.tenants.get(principal.tenant)
        registered = tenant.principals.get(principal.id) if tenant is not None else None
        if tenant is None or registered is None:
            return action
        key = tenant.keys.get(principal.key_id) if principal.key_id is not None else None
        if principal.key_id is None or key is not None:
            principal = replace(registered.acting(key), on_behalf_of=principal.on_behalf_of)
        use_case = tenant.use_cases.get(context.use_case.id, context.use_case)
        if principal == action.principal and use_case == context.use_case:
            return action
        return replace(action, principal=principal, context=replace(context, use_case=use_case))


def decide_uncached(
    action: Action[Any, Any, Any], labelled: Labelled, *, snapshot: Snapshot, now: datetime
) -> Decision:
    """Decide on a snapshot of any age."""
    principal, use_case = action.principal, action.context.use_case
    tenant = snapshot.tenants.get(principal.tenant)
    if tenant is None or use_case.tenant != principal.tenant:
        reason = "the tenant is not registered, or the use case belongs to another tenant"
        return _refusal(TENANT_RULE, reason, "", now)
    if tenant.fault is not None and use_case.id != ADMINISTRATION:
        # Administration stays possible under the baseline alone, so that an administrator can correct the policy.
        reason = "a policy of this tenant cannot be read; ask an administrator to correct it in the list of policies"
        return _refusal(POLICY_RULE, reason, tenant.policy_version, now)
    key = tenant.keys.get(principal.key_id) if principal.key_id is not None else None
    registered = tenant.principals.get(principal.id)
    standing = Standing(
        registered=registered is not None,
        credential=_credential(principal.key_id, key, now),
        key=key,
        use_case_registered=use_case.id in tenant.use_cases,
        groups=registered.groups if registered is not None else EMPTY,
        is_member=is_listed(use_case, registered),
    )
    asked = question(action, labelled.labels, standing=standing, now=now)
    verdict = tenant.engine.decide(asked, observe=use_case.observe)
    return Decision(
        effect=verdict.effect,
        rules=verdict.rules,
        obligations=verdict.obligations,
        observed=verdict.observed,
        would=verdict.would,
        version=tenant.policy_version,
        valid_until=_valid_until(now, use_case.expires_at, key.expires_at if key else None),
        advice=_advice(action, verdict, standing, rules=tenant.engine.rules.values()),
    )


def _advice(action: Action[Any, Any, Any], verdict: Verdict, standing: Standing, *, rules: Iterable[Rule]) -> str:
    """Tell a refused caller how to get access. Empty where the rules that refused say it."""
    if _refuses(verdict, RULE):
        return membership_advice(action.context.use_case)
    if _refuses(verdict, NOT_LIVE_RULE):
        return status_advice(action.context.use_case)
    if verdict.effect is not Effect.DENY or any(hit.does == "deny" and hit.mode == "enforce" for hit in verdict.rules):
        return ""
    if not standing.registered:
        return f"{action.principal.id} is not registered. Ask an administrator to register it."
    if not standing.use_case_registered:
        return f"The use case {action.context.use_case.id} is not registered. Ask an administrator to register it."
    roles = roles_permitting(action.verb, rules) - _MACHINE_ROLES - action.principal.roles
    if not roles:
        return _rule_needed(action) if action.verb.attributes else ""
    # The administrator's role gives the most, so it is named last.
    *others, last = sorted(roles, key=lambda role: (role == ADMIN, role))
    wanted = f"one of the roles {', '.join(others)} or {last}" if others else f"the role {last}"
    return f"Your role does not allow this. Ask an administrator for {wanted}."


def _rule_needed(action: Action[Any, Any, Any]) -> str:
    """Return the rule that would allow an action on a resource with attributes of its own."""
    resource, verb = action.resource, action.verb.name
    told = {name: value for name in action.verb.attributes if isinstance(value := resource.attributes.get(name), str)}
    wanted = " && ".join(f"resource.{name} == {_quoted(value)}" for name, value in {"id": resource.id, **told}.items())
    return (
        f"No rule allows {verb} on {_quoted(f'{resource.kind}:{resource.id}')}. Ask an administrator for a rule such as"
        f" permit (principal, action == Headgate::Action::{_quoted(verb)}, resource) when"
        f" {{ principal.id == {_quoted(action.principal.id)} && {wanted} }};"
    )


def _quoted(text: str) -> str:
    """Return a string of Cedar, cut to a readable length."""
    return json.dumps(text[:200])


def sentence_on(decision: Decision) -> str:
    """Explain a decision to people in one sentence."""
    did, does = _OUTCOMES[decision.effect]
    by = [f"{hit.id} ({hit.reason})" for hit in decision.rules if hit.does == does and hit.mode == "enforce"]
    return f"{did} by {', '.join(by)}" if by else f"{did}: no rule allows this action"


def _refuses(verdict: Verdict, rule: str) -> bool:
    return any(hit.id == rule and hit.does == "deny" and hit.mode == "enforce" for hit in verdict.rules)


def _credential(key_id: str | None, key: ApiKey | None, now: datetime) -> Credential:
    if key_id is None:
        return "session"
    if key is None:
        return "unknown"
    return "expired" if key.is_expired(now) else "key"


def _valid_until(now: datetime, *expiries: datetime | None) -> datetime:
    """Return the first moment at which the answer may change."""
    return min([now + MAX_VALID, *(at for at in expiries if at is not None and at > now)])


def _refusal(rule: str, reason: str, version: str, now: datetime) -> Decision:
    hit = RuleHit(rule, "deny", "enforce", reason)
    return Decision(Effect.DENY, (hit,), would=Effect.DENY, version=version, valid_until=now + MAX_VALID)
