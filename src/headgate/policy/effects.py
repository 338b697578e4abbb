"""Effects of a change of a use case, in sentences, before anybody makes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from headgate.admin.printing import plural
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Effect
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import Labels
from headgate.policy.decider import decide_uncached
from headgate.policy.entities import ADMIN, ApiKey, RegisteredPrincipal
from headgate.policy.members import EVERYONE, GROUP, is_listed
from headgate.policy.snapshot import Snapshot, TenantPolicy
from headgate.wire.model_call import MODEL_INVOKE

_MOST_KEYS = 2_000
"""Limit of the decided keys, because each takes two decisions."""

_MOST_NAMES = 5
"""Limit of the names in one sentence."""

_STATUS = {
    "draft": "It becomes a draft: only its owner and administrators can use it.",
    "live": "It becomes live: its members can use it.",
    "paused": "It pauses: Headgate refuses every call until somebody resumes it.",
    "retired": "It retires: Headgate refuses every call.",
}


def effects_of(tenant: TenantPolicy, before: UseCase | None, after: UseCase | None, *, now: datetime) -> list[str]:
    """Return what others notice of a change, most serious first.

    Args:
        before: the use case in force, or None for a new one.
        after: the use case after the change, or None for a removal.
    """
    if before is None:
        return []
    found = [*_stopped_keys(tenant, before, after, now), *_excluded(tenant, before, after)]
    if after is not None:
        found += _differences(before, after)
    return found


def unknown_people(tenant: TenantPolicy, before: UseCase | None, after: UseCase) -> list[str]:
    """Return a sentence for each new owner and member whose id nobody has."""
    was = set[str]() if before is None else {before.owner, *(before.members or ())}
    new = sorted({after.owner, *(after.members or ())} - was)
    return [
        f"Nobody has the id {name} yet."
        for name in new
        if name != EVERYONE and not name.startswith(GROUP) and name not in tenant.principals
    ]


def _stopped_keys(tenant: TenantPolicy, before: UseCase, after: UseCase | None, now: datetime) -> Iterator[str]:
    """Yield a sentence on the keys that can call models now, and could not after the change."""
    keys = [key for key in tenant.keys.values() if key.use_case == before.id and key.principal in tenant.principals]
    keys = keys[:_MOST_KEYS]
    now_working = _working(tenant, before, keys, now)
    later = _working(tenant, after, keys, now) if after is not None else set[str]()
    stopped = [key for key in keys if key.id in now_working - later]
    started = [key for key in keys if key.id in later - now_working]
    if stopped:
        yield f"{plural(len(stopped), 'key')} {_verb(stopped, 'stop')} working: {_named(stopped)}."
    if started:
        yield f"{plural(len(started), 'key')} {_verb(started, 'start')} working: {_named(started)}."


def _working(tenant: TenantPolicy, use_case: UseCase, keys: Iterable[ApiKey], now: datetime) -> set[str]:
    """Return the ids of the keys with which the rules allow a model call under the use case."""
    state = replace(tenant, use_cases={**tenant.use_cases, use_case.id: use_case})
    snapshot = Snapshot(0, {tenant.id: state}, {}, ())
    labels = Labels(tenant=tenant.id).join(use_case.floor)
    verb: Verb[Any, Any, Any] = MODEL_INVOKE
    found: set[str] = set()
    for key in keys:
        holder = tenant.principals[key.principal]
        alias = min(key.aliases or {"any"})
        action = Action(verb, holder.acting(key), Resource("alias", alias), None, Context(use_case))
        if decide_uncached(action, Labelled(labels), snapshot=snapshot, now=now).effect is not Effect.DENY:
            found.add(key.id)
    return found


def _excluded(tenant: TenantPolicy, before: UseCase, after: UseCase | None) -> Iterator[str]:
    """Yield a sentence on the people who lose or get access as members."""
    people = [one for one in tenant.principals.values() if one.kind == "person"]
    had = {one.id for one in people if _has_access(before, one)}
    has = {one.id for one in people if after is not None and _has_access(after, one)}
    for who, what in ((had - has, "lose"), (has - had, "get")):
        if who:
            yield f"{plural(len(who), 'person', 'people')} {_verb(who, what)} access: {_listed(sorted(who))}."


def _has_access(use_case: UseCase, person: RegisteredPrincipal) -> bool:
    return ADMIN in person.roles or person.id == use_case.owner or is_listed(use_case, person)


def _differences(before: UseCase, after: UseCase) -> Iterator[str]:
    if after.status != before.status and after.status is not None:
        yield _STATUS[after.status]
    if after.owner != before.owner:
        yield f"{after.owner} becomes its owner in place of {before.owner}."
    yield from _models(before.deployments, after.deployments)
    if after.risk != before.risk:
        yield f"Its risk changes from {before.risk} to {after.risk}."
    if after.floor != before.floor:
        yield "Its content counts with other minimum labels, so that other models may see it."
    if after.expires_at != before.expires_at:
        yield "It no longer expires." if after.expires_at is None else f"It expires on {after.expires_at:%Y-%m-%d}."


def _models(before: frozenset[str] | None, after: frozenset[str] | None) -> Iterator[str]:
    if before == after:
        return
    if after is None:
        yield "It may use every model that is cleared for its content."
    elif before is None:
        yield f"It may only use {_listed(sorted(after))}."
    else:
        if lost := before - after:
            yield f"It may no longer use {_listed(sorted(lost))}."
        if gained := after - before:
            yield f"It may also use {_listed(sorted(gained))}."


def _verb(things: Collection[object], verb: str) -> str:
    return f"{verb}s" if len(things) == 1 else verb


def _named(keys: Iterable[ApiKey]) -> str:
    return _listed([key.name or key.id for key in keys])


def _listed(names: list[str]) -> str:
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"
