"""Operations on people and services: list, show, register, change, remove, and sign-in links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from headgate.admin.bodies import Body, Level, Name
from headgate.admin.checks import page_size
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.directory import PERSON_LIST
from headgate.admin.operations import CURSOR, LIMIT, Operation, Parameter
from headgate.admin.register import HeldKey, Registration
from headgate.admin.requests import Request
from headgate.admin.sessions import Link
from headgate.admin.verbs import CONFIG_APPLY, CONFIG_READ, SESSION_INVITE
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Denied, Invalid, NotFound
from headgate.kernel.labels import EVERYTHING, Clearance, Confidentiality
from headgate.people.parts import People
from headgate.people.rights import Difference, difference, rights_of, titles
from headgate.people.views import KeyOf, PersonId, PersonView, key_view, person_views, use_cases_of
from headgate.substrate.database import Transaction

_DRY_RUN = Parameter("dry_run", "Return the effects without the change.", "boolean")
_Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=200)]
_Group = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Groups = Annotated[tuple[_Group, ...], msgspec.Meta(max_length=200)]
_MACHINE_ROLES = {"job", "operator"}
"""Roles of Headgate itself and of the operator at its machine."""
_Title = Annotated[str, msgspec.Meta(max_length=200)]


class NewPerson(Body, frozen=True, kw_only=True):
    """A person, service or agent to register. `categories` and `access` are null for all of them."""

    id: PersonId
    name: _Title = ""
    kind: Literal["person", "service", "agent"] = "person"
    roles: _Names = ()
    groups: _Groups = ()
    confidentiality: Level = "restricted"
    categories: _Names | None = None
    access: _Groups | None = None


class PersonChange(Body, frozen=True, kw_only=True):
    """New values of a registration. A field that is left out keeps its value."""

    name: _Title | msgspec.UnsetType = msgspec.UNSET
    roles: _Names | msgspec.UnsetType = msgspec.UNSET
    groups: _Groups | msgspec.UnsetType = msgspec.UNSET
    confidentiality: Level | msgspec.UnsetType = msgspec.UNSET
    categories: _Names | msgspec.UnsetType | None = msgspec.UNSET
    access: _Groups | msgspec.UnsetType | None = msgspec.UNSET


class PersonList(Body, frozen=True, kw_only=True):
    """A page of people by id; `next` is the cursor of the next page.

    `roles` are those that people can have, and `groups` those that somebody is in.
    """

    people: list[PersonView]
    roles: list[str]
    groups: list[str]
    total: int
    next: str | None


class ChangeEffects(Body, frozen=True, kw_only=True):
    """The effects of a change: changed fields, rights by title, and keys that lose a role. No record for a dry run."""

    changes: list[str]
    gains: list[str]
    loses: list[str]
    keys: list[KeyOf]
    record: str | None


class RemovalEffects(Body, frozen=True, kw_only=True):
    """The effects of a removal: keys that stop, sessions that end, and use cases that lose their owner."""

    keys: list[KeyOf]
    sessions: int
    owns: list[str]
    record: str | None


class SignInLink(Body, frozen=True, kw_only=True):
    """A link that opens one session. It is not shown again."""

    link: str
    expires_at: datetime


async def list_people(people: People, request: Request) -> PersonList:
    """List people and services by id."""
    request.authorise(PERSON_LIST, Resource("people", request.tenant))
    limit = page_size(request.number("limit", 50), "people")
    everybody = people.register.everybody(request.tenant).values()
    found = [one for one in everybody if _matches(people, request, one)]
    found.sort(key=lambda one: one.id)
    after = request.text("cursor")
    rest = [one for one in found if after is None or one.id > after]
    page = rest[:limit]
    return PersonList(
        people=await person_views(people, page, tenant=request.tenant),
        roles=sorted(set(people.roles(request.tenant)) - _MACHINE_ROLES),
        groups=sorted({group for one in everybody for group in one.groups}),
        total=len(found),
        next=page[-1].id if len(rest) > limit else None,
    )


async def get_person(people: People, request: Request) -> PersonView:
    """Show one person or service."""
    request.authorise(PERSON_LIST, Resource("people", request.tenant))
    (view,) = await person_views(people, [_person(people, request)], tenant=request.tenant)
    return view


async def add_person(people: People, request: Request) -> ChangeEffects:
    """Register a person, service or agent."""
    body = request.body_as(NewPerson)
    entry = Registration(
        id=body.id,
        kind=body.kind,
        name=body.name,
        roles=frozenset(body.roles),
        groups=frozenset(body.groups),
        clearance=_clearance(EVERYTHING, body.confidentiality, body.categories, body.access),
    )

    async def make(tx: Transaction, facts: Facts) -> None:
        if body.id in people.register.everybody(request.tenant):
            raise Conflict(f"{body.id} is registered already; change the entry instead", param="id")
        await people.register.put(tx, entry, tenant=request.tenant, by=request.by.principal.id)

    told = summary(does="put", roles=",".join(sorted(entry.roles)) or None)
    resource = Resource("person", body.id)
    done = await request.change(CONFIG_APPLY, resource, make, arguments=digest_of("person", body), summary=told)
    gains = titles(rights_of(request.host.gate, request.host.caller_of(request.tenant, body.id), people.verbs))
    return ChangeEffects(changes=["new"], gains=gains, loses=[], keys=[], record=done.record)


async def change_person(people: People, request: Request) -> ChangeEffects:
    """Change a person or service, or return the effects of the change."""
    before, body = _person(people, request), request.body_as(PersonChange)
    entry = _changed(before, body)
    effects = ChangeEffects(
        changes=[one.name for one in fields(entry) if getattr(entry, one.name) != getattr(before, one.name)],
        gains=[],
        loses=[],
        keys=[key_view(key) for key in _keys(people, request, before.id) if key.roles & before.roles - entry.roles],
        record=None,
    )

    async def make(tx: Transaction, facts: Facts) -> None:
        await people.register.put(tx, entry, tenant=request.tenant, by=request.by.principal.id)

    resource = Resource("person", before.id)
    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, resource)
        rights = _rights(people, request, before, roles=entry.roles)
        await request.rehearse(make)
        return msgspec.structs.replace(effects, gains=rights.gains, loses=rights.loses)
    rights = _rights(people, request, before, roles=entry.roles)
    told = summary(does="put", roles=",".join(sorted(entry.roles)) or None)
    arguments = digest_of("person", before.id, body)
    done = await request.change(CONFIG_APPLY, resource, make, arguments=arguments, summary=told)
    return msgspec.structs.replace(effects, gains=rights.gains, loses=rights.loses, record=done.record)


async def remove_person(people: People, request: Request) -> RemovalEffects:
    """Remove a person or service with its keys and sessions, or return the effects."""
    one = _person(people, request)
    (view,) = await person_views(people, [one], tenant=request.tenant)
    effects = RemovalEffects(
        keys=view.keys,
        sessions=view.sessions,
        owns=[use_case.id for use_case in use_cases_of(people, one, tenant=request.tenant) if use_case.is_owner],
        record=None,
    )

    async def make(tx: Transaction, facts: Facts) -> None:
        await people.register.remove(tx, one.id, tenant=request.tenant, by=request.by.principal.id)

    resource = Resource("person", one.id)
    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, resource)
        await request.rehearse(make)
        return effects
    told = summary(does="remove")
    arguments = digest_of("person", one.id)
    done = await request.change(CONFIG_APPLY, resource, make, arguments=arguments, summary=told)
    return msgspec.structs.replace(effects, record=done.record)


async def make_link(people: People, request: Request) -> SignInLink:
    """Make a sign-in link for a person; it works once, and replaces the person's unused links."""
    one, by = _person(people, request), request.by
    if one.kind != "person":
        raise Invalid(f"{one.id} is a {one.kind}; sign-in links are for people. Make a key for it", param="person")

    async def do(facts: Facts) -> Link:
        _refuse_beyond(request, one)
        async with people.database.transaction(tenant=request.tenant) as tx:
            others = await people.register.could_act_as(tx, by.principal, by.attributes)
            made_by = (by.principal.id, *sorted(others - {by.principal.id}))
            link = await people.sessions.invite_with_roles(
                tx, one.id, one.roles, tenant=request.tenant, made_by=made_by
            )
        facts["link"] = link.name
        return link

    resource = Resource("session", "new", attributes={"principal": one.id})
    done = await request.perform(SESSION_INVITE, resource, do, arguments=digest_of(one.id))
    link: Link = done.result
    scheme = "https" if people.is_secure else "http"
    url = f"{scheme}://{request.headers['host']}/sign-in#token={link.token}"
    return SignInLink(link=url, expires_at=link.expires_at)


def _refuse_beyond(request: Request, one: Registration) -> None:
    """Raise Denied if the person has roles that the caller neither has nor may grant: a link lets its maker in too."""
    lacking = sorted(one.roles - request.by.principal.roles)
    if lacking and not request.allows(CONFIG_APPLY, Resource("person", one.id)):
        raise Denied(
            f"{one.id} has roles that you do not have: {', '.join(lacking)}. Ask an administrator for the link"
        )


def _person(people: People, request: Request) -> Registration:
    name = request.path["person"]
    found = people.register.everybody(request.tenant).get(name)
    if found is None:
        raise NotFound(f"nobody is registered as {name!r}", param="person")
    return found


def _keys(people: People, request: Request, principal: str) -> Iterable[HeldKey]:
    return (key for key in people.register.keys(request.tenant) if key.principal == principal)


def _matches(people: People, request: Request, one: Registration) -> bool:
    kind, role, group = request.text("kind"), request.text("role"), request.text("group")
    words, use_case = request.text("search"), request.text("use_case")
    if kind is not None and one.kind != kind:
        return False
    if role is not None and role not in one.roles:
        return False
    if group is not None and group not in one.groups:
        return False
    if words is not None and words.lower() not in f"{one.id} {one.name}".lower():
        return False
    if use_case is None:
        return True
    named = people.register.use_cases(request.tenant).get(use_case)
    return named is not None and (named.owner == one.id or people.register.is_member(named, one))


def _changed(before: Registration, body: PersonChange) -> Registration:
    clearance = before.clearance
    return replace(
        before,
        name=before.name if body.name is msgspec.UNSET else body.name,
        roles=before.roles if body.roles is msgspec.UNSET else frozenset(body.roles),
        groups=before.groups if body.groups is msgspec.UNSET else frozenset(body.groups),
        clearance=replace(
            clearance,
            level=clearance.level
            if body.confidentiality is msgspec.UNSET
            else Confidentiality[body.confidentiality.upper()],
            categories=clearance.categories if body.categories is msgspec.UNSET else _set(body.categories),
            access=clearance.access if body.access is msgspec.UNSET else _set(body.access),
        ),
    )


def _clearance(
    base: Clearance, level: Level, categories: Sequence[str] | None, access: Sequence[str] | None
) -> Clearance:
    return replace(base, level=Confidentiality[level.upper()], categories=_set(categories), access=_set(access))


def _set(values: Sequence[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _rights(people: People, request: Request, one: Registration, *, roles: frozenset[str]) -> Difference:
    """Return what a person in a session would gain and lose with other roles."""
    return difference(request.host.gate, request.host.caller_of(request.tenant, one.id), people.verbs, roles=roles)


OPERATIONS = (
    Operation(
        "listPeople",
        "GET",
        "/api/people",
        "People and services.",
        list_people,
        answer=PersonList,
        verb=PERSON_LIST,
        parameters=(
            Parameter("search", "Part of an id or name."),
            Parameter("kind", "person, service or agent."),
            Parameter("role", "Has this role."),
            Parameter("group", "Is in this group."),
            Parameter("use_case", "Owns this use case or is a member of it."),
            CURSOR,
            LIMIT,
        ),
    ),
    Operation(
        "addPerson",
        "POST",
        "/api/people",
        "Register a person or service.",
        add_person,
        body=NewPerson,
        answer=ChangeEffects,
        verb=CONFIG_APPLY,
    ),
    Operation(
        "getPerson",
        "GET",
        "/api/people/{person}",
        "One person or service.",
        get_person,
        answer=PersonView,
        verb=PERSON_LIST,
    ),
    Operation(
        "changePerson",
        "PUT",
        "/api/people/{person}",
        "Change a person or service.",
        change_person,
        body=PersonChange,
        answer=ChangeEffects,
        verb=CONFIG_APPLY,
        instead=CONFIG_READ,
        parameters=(_DRY_RUN,),
    ),
    Operation(
        "removePerson",
        "DELETE",
        "/api/people/{person}",
        "Remove a person or service.",
        remove_person,
        answer=RemovalEffects,
        verb=CONFIG_APPLY,
        instead=CONFIG_READ,
        parameters=(_DRY_RUN,),
    ),
    Operation(
        "makeSignInLink",
        "POST",
        "/api/people/{person}/link",
        "Make a sign-in link for a person.",
        make_link,
        answer=SignInLink,
        verb=SESSION_INVITE,
    ),
)
