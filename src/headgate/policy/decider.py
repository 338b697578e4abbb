"""The decider: the kernel's `Decider` on the current snapshot, with a cache."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from headgate.kernel.action import Action
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, RuleHit
from headgate.kernel.labels import EMPTY
from headgate.kernel.ports import Clock
from headgate.policy.attributes import Credential, Standing, cache_key, question
from headgate.policy.engine import Verdict
from headgate.policy.members import RULE, is_listed, whom_to_ask
from headgate.policy.models import ADMINISTRATION, ApiKey
from headgate.policy.snapshot import Snapshot, SnapshotHolder

MAX_VALID = timedelta(seconds=60)
"""The longest that a decision is kept: rules may ask for the time."""

TENANT_RULE = "gate.tenant"
POLICY_RULE = "gate.policies"

_OUTCOMES = {
    Effect.ALLOW: ("allowed", "allow"),
    Effect.ASK: ("to be approved by a person, as demanded", "ask"),
    Effect.DENY: ("refused", "deny"),
}


class PolicyDecider:
    """Decides actions. For one event loop; no I/O.

    Args:
        cached: how many decisions are kept; the oldest go first, as none is kept longer than `MAX_VALID`.
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
            Unavailable: the policies at hand are older than the use case's risk class allows.
        """
        snapshot = self._holder.for_risk(action.context.use_case.risk)
        if snapshot is not self._cached_of:
            self._cache.clear()
            self._cached_of = snapshot
        now = self._clock.now()
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
        """Return a running action with what the snapshot says by now of its principal and its use case.

        Of who or what is not there any more it keeps what was known; the rules see that it is gone.
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
    """Decide on a snapshot, however old it is."""
    principal, use_case = action.principal, action.context.use_case
    tenant = snapshot.tenants.get(principal.tenant)
    if tenant is None or use_case.tenant != principal.tenant:
        return _refusal(TENANT_RULE, "the tenant is not known here, or the use case is another tenant's", "", now)
    if tenant.fault is not None and use_case.id != ADMINISTRATION:
        # Administration goes on under the baseline alone, so that the fault can be mended.
        reason = "the tenant's own policies do not hold; an administrator sees the fault in the list of policies"
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
        advice=whom_to_ask(use_case) if _refuses(verdict, RULE) else "",
    )


def sentence_on(decision: Decision) -> str:
    """Say in one sentence why a decision came out as it did, for people."""
    did, does = _OUTCOMES[decision.effect]
    by = [f"{hit.id} ({hit.reason})" for hit in decision.rules if hit.does == does and hit.mode == "enforce"]
    return f"{did} by {', '.join(by)}" if by else f"{did}: no rule allows it"


def _refuses(verdict: Verdict, rule: str) -> bool:
    return any(hit.id == rule and hit.does == "deny" and hit.mode == "enforce" for hit in verdict.rules)


def _credential(key_id: str | None, key: ApiKey | None, now: datetime) -> Credential:
    if key_id is None:
        return "session"
    if key is None:
        return "unknown"
    return "expired" if key.is_expired(now) else "key"


def _valid_until(now: datetime, *expiries: datetime | None) -> datetime:
    """The first moment at which the answer may be another one."""
    return min([now + MAX_VALID, *(at for at in expiries if at is not None and at > now)])


def _refusal(rule: str, reason: str, version: str, now: datetime) -> Decision:
    hit = RuleHit(rule, "deny", "enforce", reason)
    return Decision(Effect.DENY, (hit,), would=Effect.DENY, version=version, valid_until=now + MAX_VALID)
