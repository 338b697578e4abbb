"""People, their keys and sessions, as the API shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from headgate.admin.bodies import Body, Level, level_of
from headgate.admin.register import HeldKey, Registration
from headgate.admin.sessions import Session
from headgate.kernel.identity import PrincipalKind, TenantId
from headgate.people import store
from headgate.people.agents import browser_words
from headgate.people.parts import People

PersonId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}$")]
"""The id of a person, such as an e-mail address."""

BUILT_IN_PURPOSES = ("administration", "jobs")
"""Use cases of Headgate itself. Nobody uses models under them."""


class UseCaseOf(Body, frozen=True, kw_only=True):
    """A use case of a person."""

    id: str
    purpose: str
    is_owner: bool
    is_member: bool


class KeyOf(Body, frozen=True, kw_only=True):
    """An active key of a person, without its secret."""

    id: str
    name: str
    use_case: str
    roles: list[str]
    expires_at: datetime | None
    replaced_by: str | None


class PersonView(Body, frozen=True, kw_only=True):
    """A person, service or agent.

    `categories` and `access` are null for someone who is cleared for all of them. `last_seen` is right within a few
    minutes.
    """

    id: str
    name: str
    kind: PrincipalKind
    roles: list[str]
    groups: list[str]
    confidentiality: Level
    categories: list[str] | None
    access: list[str] | None
    owner: str
    managed_by: Literal["api", "file", "built_in"]
    use_cases: list[UseCaseOf]
    keys: list[KeyOf]
    sessions: int
    last_seen: datetime | None


class SessionView(Body, frozen=True, kw_only=True):
    """An open session. `browser` is what the browser says of itself; `let_in_by` made the sign-in link.

    It ends at `idle_at` if it is not used again, and at `expires_at` however much it is used.
    """

    id: str
    browser: str
    created_at: datetime
    seen_at: datetime | None
    idle_at: datetime
    expires_at: datetime
    let_in_by: str | None
    is_current: bool


class SessionList(Body, frozen=True, kw_only=True):
    """The open sessions of a person, newest first; at most 200."""

    sessions: list[SessionView]


class _Traces(NamedTuple):
    """When people were last seen, and their open sessions."""

    seen: Mapping[str, datetime]
    sessions: Mapping[str, int]


async def person_views(people: People, found: Collection[Registration], *, tenant: TenantId) -> list[PersonView]:
    """Return these people with their use cases, keys and traces: two queries."""
    ids = [one.id for one in found]
    async with people.database.transaction(tenant=tenant) as tx:
        traces = _Traces(
            await store.seen(tx, ids, tenant=tenant),
            await people.sessions.counts(tx, ids, tenant=tenant),
        )
    keys: dict[str, list[HeldKey]] = {name: [] for name in ids}
    for key in people.register.keys(tenant):
        if key.principal in keys:
            keys[key.principal].append(key)
    return [_view(people, one, keys[one.id], traces, tenant=tenant) for one in found]


def session_views(found: Collection[Session], *, current: Session | None) -> SessionList:
    """Return sessions for display. `current` is the caller's own."""
    return SessionList(
        sessions=[
            SessionView(
                id=one.name,
                browser=browser_words(one.agent),
                created_at=one.created_at,
                seen_at=one.seen_at,
                idle_at=min(one.idle_at, one.expires_at),
                expires_at=one.expires_at,
                let_in_by=one.let_in_by[0] if one.let_in_by else None,
                is_current=current is not None and current.name == one.name,
            )
            for one in found
        ]
    )


def key_view(key: HeldKey) -> KeyOf:
    """Return a key for display."""
    return KeyOf(
        id=key.id,
        name=key.name,
        use_case=key.use_case,
        roles=sorted(key.roles),
        expires_at=key.expires_at,
        replaced_by=key.replaced_by,
    )


def use_cases_of(people: People, one: Registration, *, tenant: TenantId) -> list[UseCaseOf]:
    """Return the use cases that a person owns or is a member of, by id."""
    found = (
        UseCaseOf(
            id=use_case.id,
            purpose=use_case.purpose,
            is_owner=use_case.owner == one.id,
            is_member=people.register.is_member(use_case, one),
        )
        for use_case in sorted(people.register.use_cases(tenant).values(), key=lambda use_case: use_case.id)
        if use_case.id not in BUILT_IN_PURPOSES
    )
    return [use_case for use_case in found if use_case.is_owner or use_case.is_member]


def _view(
    people: People, one: Registration, keys: Collection[HeldKey], traces: _Traces, *, tenant: TenantId
) -> PersonView:
    clearance = one.clearance
    return PersonView(
        id=one.id,
        name=one.name,
        kind=one.kind,
        roles=sorted(one.roles),
        groups=sorted(one.groups),
        confidentiality=level_of(clearance.level),
        categories=None if clearance.categories is None else sorted(clearance.categories),
        access=None if clearance.access is None else sorted(clearance.access),
        owner=one.owner,
        managed_by=one.managed_by,
        use_cases=use_cases_of(people, one, tenant=tenant),
        keys=[key_view(key) for key in sorted(keys, key=lambda key: key.name)],
        sessions=traces.sessions.get(one.id, 0),
        last_seen=traces.seen.get(one.id),
    )
