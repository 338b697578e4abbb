"""Lockout check: evaluates the real rules before a commit, to make sure that an administrator remains.

At least one person must be able to get in, by a sign-in link from the operator or by a key without an expiry. That
person must be allowed to change the configuration, every policy in it, and the modes of rules. If a rule asks for
approval of such a change, another person must be able to approve it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from headgate.admin.callers import CONSOLE, MACHINE
from headgate.admin.verbs import CONFIG_APPLY, SESSION_INVITE, SESSION_OPEN
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import Labels
from headgate.policy.decider import decide_uncached
from headgate.policy.entities import (
    ADMIN,
    ADMINISTRATION,
    OPERATOR,
    ApiKey,
    RegisteredPrincipal,
)
from headgate.policy.snapshot import Snapshot, TenantPolicy
from headgate.policy.verbs import APPROVAL_DECIDE, RULE_SET_MODE

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_WEEKS_LATER = (0, *(2**doubling for doubling in range(10)), 522)
"""The check tries time-dependent policies now, in one week, two weeks, four weeks and so on, up to ten years."""
_HOURS_OF_A_WEEK = 7 * 24
_DATE = re.compile(r'datetime\("([2-8]\d{3}-\d\d-\d\d)')
"""A date in a rule, within Python's range of years."""
_MAX_DATES = 100


def lockout_reason(tenant: TenantPolicy, *, now: datetime, only_by_link: bool = False) -> str | None:
    """Return why nobody could administer the tenant in this state, or None.

    Args:
        only_by_link: ignore keys, because a key may be lost.
    """
    use_case = tenant.use_cases.get(ADMINISTRATION)
    if use_case is None:
        return f"the built-in use case {ADMINISTRATION} is missing"
    texts = [rule.text for rule in tenant.engine.rules.values() if _asks_for_time(rule.text)]
    hours = _HOURS_OF_A_WEEK if texts else 1
    for start in _starts(texts, now) if texts else (now,):
        times = (start + timedelta(hours=hour) for hour in range(hours))
        why: str | None = None
        for at in times:
            why = _State(tenant, use_case, at, only_by_link).lockout_reason()
            if why is None:
                break
        if why is not None:
            return why
    return None


def _asks_for_time(text: str) -> bool:
    return "context.now" in text


def _starts(texts: Iterable[str], now: datetime) -> list[datetime]:
    """Return the moments to check: now, growing intervals, and each date in these rules."""
    dates = {day for text in texts for day in _DATE.findall(text) if day > f"{now:%Y-%m-%d}"}
    # Bounded: each moment costs about one decision for every session and key.
    named = [datetime.fromisoformat(day).replace(tzinfo=UTC) + _DAY for day in sorted(dates)[:_MAX_DATES]]
    return sorted({*(now + weeks * _WEEK for weeks in _WEEKS_LATER), *named})


@dataclass(frozen=True, slots=True)
class _State:
    """A tenant at one moment."""

    tenant: TenantPolicy
    use_case: UseCase
    now: datetime
    only_by_link: bool

    def lockout_reason(self) -> str | None:
        """Return why nobody could undo a change, or None."""
        people = [one for one in self.tenant.principals.values() if one.kind == "person"]
        # Administrators first: one person with access is enough.
        people.sort(key=lambda one: (ADMIN not in one.roles, one.id))
        keys = self._keys()
        first_refusal: str | None = None
        for person in people:
            for principal in self._ways_in(person, keys):
                refused = self._refused(principal, people)
                if refused is None:
                    return None
                first_refusal = first_refusal or f"{person.id} would be refused {refused}"
        if first_refusal is not None:
            return first_refusal
        return "no registered person could sign in, and no person has a key that does not expire"

    def _keys(self) -> Mapping[str, list[ApiKey]]:
        found: dict[str, list[ApiKey]] = defaultdict(list)
        for key in self.tenant.keys.values():
            if key.expires_at is None and key.use_case in self.tenant.use_cases and not self.only_by_link:
                found[key.principal].append(key)
        return found

    def _ways_in(self, person: RegisteredPrincipal, keys: Mapping[str, list[ApiKey]]) -> Iterator[Principal]:
        """Yield the person's principals: one for a session, and one for each key."""
        signed_in = person.acting()
        invited = Resource("session", "new", attributes={"principal": person.id})
        if (
            self._decide(OPERATOR, SESSION_INVITE, invited, MACHINE).effect is Effect.ALLOW
            and self._decide(signed_in, SESSION_OPEN, Resource("session", "new")).effect is Effect.ALLOW
        ):
            yield signed_in
        for key in keys.get(person.id, ()):
            yield person.acting(key)

    def _refused(self, principal: Principal, people: list[RegisteredPrincipal]) -> str | None:
        """Return the first refused action among those that undo a change, with its rules; None if all are allowed."""
        for verb, resource in self._undoing(principal):
            decision = self._decide(principal, verb, resource)
            if decision.effect is Effect.ALLOW:
                continue
            if decision.effect is Effect.ASK and self._is_approver_left(principal, verb, resource, people):
                continue
            reasons = decision.reasons or "no rule allows this"
            needs = ", and nobody else could approve it" if decision.effect is Effect.ASK else ""
            return f"{verb.name} on {resource.kind} {resource.id} by {reasons}{needs}"
        return None

    def _undoing(self, principal: Principal) -> Iterator[tuple[Verb[Any, Any, Any], Resource]]:
        yield CONFIG_APPLY, Resource("config", self.tenant.id)
        yield CONFIG_APPLY, Resource("person", principal.id)
        for policy in self.tenant.policies:
            yield CONFIG_APPLY, Resource("policy", policy.id)
        yield RULE_SET_MODE, Resource("use_case", ADMINISTRATION)

    def _is_approver_left(
        self,
        asking: Principal,
        verb: Verb[Any, Any, Any],
        resource: Resource,
        people: list[RegisteredPrincipal],
    ) -> bool:
        """Return whether another person could sign in and approve the action."""
        asked = {"verb": verb.name, "use_case": ADMINISTRATION, "resource": f"{resource.kind}:{resource.id}"}
        approval = Resource("approval", "new", attributes=asked)
        return any(
            self._decide(principal, APPROVAL_DECIDE, approval).effect is Effect.ALLOW
            for person in people
            if person.id != asking.id
            # Only sessions count: a key may come from the requester, who may not decide.
            for principal in self._ways_in(person, {})
        )

    def _decide(
        self,
        principal: Principal,
        verb: Verb[Any, Any, Any],
        resource: Resource,
        attributes: Mapping[str, str] = CONSOLE,
    ) -> Decision:
        action = Action(verb, principal, resource, None, Context(self.use_case, attributes=attributes))
        labels = Labels(tenant=self.tenant.id).join(self.use_case.floor)
        snapshot = Snapshot(0, {self.tenant.id: self.tenant}, {}, ())
        return decide_uncached(action, Labelled(labels), snapshot=snapshot, now=self.now)
