"""Bodies of the register of use cases, and the views of a use case for its reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from headgate.admin.bodies import Body, Level, Moment, Name, Text, level_of
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.identity import TenantId, UseCase, UseCaseStatus
from headgate.kernel.labels import Confidentiality, Labels
from headgate.policy.engine import mode_of
from headgate.policy.entities import ADMINISTRATION, BUILT_IN_USE_CASES, JOBS, ApiKey, RegisteredPrincipal
from headgate.policy.members import is_listed
from headgate.policy.rules import Does, Rule
from headgate.policy.service import expiry
from headgate.policy.verbs import USE_CASE_LIST, USE_CASE_PUT, USE_CASE_READ, USE_CASE_SET_STATUS, USE_CASE_SHARE

Title = Annotated[str, msgspec.Meta(max_length=200)]


class UseCaseBody(Body, frozen=True, kw_only=True):
    """A registered purpose.

    `members` lists who may use it besides its owner and administrators: ids, `group:NAME`, or `*` for everyone.
    Without `members` or `status` a stored use case keeps its own. A new one has no members and is live.
    """

    owner: Text
    purpose: Text
    title: Title = ""
    status: UseCaseStatus | None = None
    risk: Literal["minimal", "limited", "high"] = "limited"
    confidentiality: Level = "public"
    categories: tuple[Name, ...] = ()
    deployments: list[Name] | None = None
    members: list[Text] | None = None
    observe: tuple[Name, ...] = ()
    expires_at: Moment | None = None
    review_on: date | None = None


class UseCaseView(UseCaseBody, frozen=True, kw_only=True):
    """A registered purpose with its id and what this reader may do with it.

    `ceiling` and `ceiling_categories` limit its content; `headgate.toml` sets them. Built-in ones cannot be changed.
    `names` has the name of each registered owner and member by id; nobody has the other ids.
    """

    id: str
    names: dict[str, str]
    is_built_in: bool
    ceiling: Level
    ceiling_categories: list[str] | None
    can_change: bool
    can_share: bool
    can_pause: bool


class UseCaseList(Body, frozen=True, kw_only=True):
    """The use cases that the reader may see, by id."""

    use_cases: list[UseCaseView]


class AppliedRule(Body, frozen=True, kw_only=True):
    """A rule that treats this use case specially: it observes here, or its text names the use case."""

    id: str
    does: Does
    mode: Literal["observe", "enforce"]
    reason: str


class UseCaseKey(Body, frozen=True, kw_only=True):
    """An active key of a use case."""

    id: str
    name: str
    prefix: str
    principal: str
    expires_at: datetime | None


class UseCaseDetail(Body, frozen=True, kw_only=True):
    """A use case with its rules and keys. `keys` is null for readers who may not see them."""

    use_case: UseCaseView
    rules: list[AppliedRule]
    keys: list[UseCaseKey] | None


def entry_of(body: UseCaseBody, before: UseCase | None, *, use_case_id: str, tenant: TenantId) -> UseCase:
    """Return the entry of a body. It keeps the stored ceiling, and stored values that the body leaves out."""
    entry = UseCase(
        id=use_case_id,
        tenant=tenant,
        owner=body.owner,
        purpose=body.purpose,
        risk=body.risk,
        floor=Labels(
            confidentiality=Confidentiality[body.confidentiality.upper()],
            categories=frozenset(body.categories),
        ),
        deployments=None if body.deployments is None else frozenset(body.deployments),
        members=frozenset(body.members or ()),
        observe=frozenset(body.observe),
        expires_at=expiry(body.expires_at),
        title=body.title.strip(),
        status=body.status or "live",
        review_on=body.review_on,
    )
    if before is None:
        return entry
    return replace(
        entry,
        ceiling=before.ceiling,
        members=before.members if body.members is None else entry.members,
        status=body.status or before.status,
    )


def is_own(use_case: UseCase, reader: RegisteredPrincipal | None) -> bool:
    """Return whether the reader owns the use case or is one of its members. Nobody belongs to internal ones."""
    if reader is None or use_case.id in (ADMINISTRATION, JOBS):
        return False
    return use_case.owner == reader.id or is_listed(use_case, reader)


def may_see(request: Request, use_case: UseCase, reader: RegisteredPrincipal | None) -> bool:
    """Return whether the caller may see one use case: auditors see all, others their own."""
    return request.allows(USE_CASE_LIST, Resource("use_cases", request.tenant)) or request.allows(
        USE_CASE_READ, Resource("use_case", use_case.id, attributes={"is_own": is_own(use_case, reader)})
    )


def share_resource(use_case: UseCase, member: str) -> Resource:
    """Return the use case as the resource of a change of its members."""
    return Resource("use_case", use_case.id, attributes={"owner": use_case.owner, "member": member})


def status_resource(use_case: UseCase, status: UseCaseStatus) -> Resource:
    """Return the use case as the resource of a change of its status."""
    return Resource("use_case", use_case.id, attributes={"owner": use_case.owner, "status": status})


def view_of(use_case: UseCase, request: Request, registered: Mapping[str, RegisteredPrincipal]) -> UseCaseView:
    """Return a use case as its reader sees it."""
    is_built_in = use_case.id in BUILT_IN_USE_CASES
    people = (registered.get(name) for name in sorted({use_case.owner, *(use_case.members or ())}))
    return UseCaseView(
        id=use_case.id,
        names={one.id: one.name or one.id for one in people if one is not None},
        owner=use_case.owner,
        purpose=use_case.purpose,
        title=use_case.title,
        status=use_case.status or "live",
        risk=use_case.risk,
        confidentiality=level_of(use_case.floor.confidentiality),
        categories=tuple(sorted(use_case.floor.categories)),
        ceiling=level_of(use_case.ceiling.level),
        ceiling_categories=None if use_case.ceiling.categories is None else sorted(use_case.ceiling.categories),
        deployments=None if use_case.deployments is None else sorted(use_case.deployments),
        members=sorted(use_case.members or ()),
        observe=tuple(sorted(use_case.observe)),
        expires_at=use_case.expires_at,
        review_on=use_case.review_on,
        is_built_in=is_built_in,
        can_change=not is_built_in and request.allows(USE_CASE_PUT, Resource("use_case", use_case.id)),
        can_share=not is_built_in and request.allows(USE_CASE_SHARE, share_resource(use_case, "")),
        can_pause=not is_built_in and request.allows(USE_CASE_SET_STATUS, status_resource(use_case, "paused")),
    )


def applied_rules(use_case: UseCase, rules: Iterable[Rule]) -> list[AppliedRule]:
    """Return the rules that observe for this use case, and those whose text names it."""
    named = f'"{use_case.id}"'
    views = (
        AppliedRule(id=rule.id, does=rule.does, mode=mode_of(rule, use_case.observe), reason=rule.reason)
        for rule in rules
        if named in rule.text or mode_of(rule, use_case.observe) == "observe"
    )
    return list(views)


def key_view(key: ApiKey) -> UseCaseKey:
    """Return a key of a use case, without its terms."""
    return UseCaseKey(id=key.id, name=key.name, prefix=key.prefix, principal=key.principal, expires_at=key.expires_at)
