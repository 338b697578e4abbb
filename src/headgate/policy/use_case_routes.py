"""Operations on use cases: list, put and delete."""

from __future__ import annotations

from typing import Literal

from headgate.admin.bodies import Body, Level, Moment, Name, Text, level_of
from headgate.admin.checks import refuse_unknown
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import EVERYTHING, Confidentiality, Labels
from headgate.policy.entities import BUILT_IN_USE_CASES
from headgate.policy.parts import Policy
from headgate.policy.service import expiry
from headgate.policy.verbs import USE_CASE_DELETE, USE_CASE_LIST, USE_CASE_PUT
from headgate.substrate.database import Transaction


class UseCaseBody(Body, frozen=True, kw_only=True):
    """A registered purpose.

    `members` lists who may use it besides its owner and administrators: ids, `group:NAME`, or `*` for everyone.
    Without the field a stored use case keeps its members, and a new one has none.
    """

    owner: Text
    purpose: Text
    risk: Literal["minimal", "limited", "high"] = "limited"
    confidentiality: Level = "public"
    categories: tuple[Name, ...] = ()
    deployments: list[Name] | None = None
    members: list[Text] | None = None
    observe: tuple[Name, ...] = ()
    expires_at: Moment | None = None


class UseCaseView(UseCaseBody, frozen=True, kw_only=True):
    """A registered purpose with its id; built-in ones cannot be changed."""

    id: str
    is_built_in: bool


class UseCaseList(Body, frozen=True, kw_only=True):
    """The tenant's use cases."""

    use_cases: list[UseCaseView]


async def list_use_cases(policy: Policy, request: Request) -> UseCaseList:
    """List the tenant's use cases by id."""
    caller = request.by
    request.authorise(USE_CASE_LIST, Resource("use_cases", caller.tenant_id))
    async with policy.database.transaction(tenant=caller.tenant_id) as tx:
        found = await policy.service.use_cases(tx, tenant=caller.tenant_id)
    return UseCaseList(use_cases=[_view(one) for one in found])


async def put_use_case(policy: Policy, request: Request) -> UseCaseView:
    """Register or change a use case. Keeps the ceiling from `headgate.toml`."""
    caller, use_case_id, body = request.by, request.path["use_case"], request.body_as(UseCaseBody)
    expires_at = expiry(body.expires_at)
    deployments = policy.names("deployment", caller.tenant_id)
    refuse_unknown("deployment", body.deployments or (), deployments, param="deployments")

    async def make(tx: Transaction, facts: Facts) -> UseCase:
        found = await policy.service.use_cases(tx, tenant=caller.tenant_id)
        before = next((one for one in found if one.id == use_case_id), None)
        entry = UseCase(
            id=use_case_id,
            tenant=caller.tenant_id,
            owner=body.owner,
            purpose=body.purpose,
            risk=body.risk,
            floor=Labels(
                confidentiality=Confidentiality[body.confidentiality.upper()],
                categories=frozenset(body.categories),
            ),
            ceiling=before.ceiling if before else EVERYTHING,
            deployments=None if body.deployments is None else frozenset(body.deployments),
            members=_members(body, before),
            observe=frozenset(body.observe),
            expires_at=expires_at,
        )
        await policy.service.put_use_case(tx, entry, tenant=caller.tenant_id)
        facts["is_new"] = before is None
        return entry

    done = await request.change(
        USE_CASE_PUT,
        Resource("use_case", use_case_id),
        make,
        arguments=digest_of(use_case_id, body),
        summary=summary(risk=body.risk, observes=",".join(sorted(body.observe)) or None),
    )
    return _view(done.result)


async def delete_use_case(policy: Policy, request: Request) -> None:
    """Delete a use case and revoke its keys."""
    caller, use_case_id = request.by, request.path["use_case"]

    async def make(tx: Transaction, facts: Facts) -> None:
        await policy.service.delete_use_case(tx, use_case_id, tenant=caller.tenant_id)

    resource = Resource("use_case", use_case_id)
    await request.change(USE_CASE_DELETE, resource, make, arguments=digest_of(use_case_id))


def _members(body: UseCaseBody, before: UseCase | None) -> frozenset[str]:
    """Return the members from the body, or the stored ones if the body has none."""
    if body.members is not None:
        return frozenset(body.members)
    return (before.members if before else None) or frozenset()


def _view(use_case: UseCase) -> UseCaseView:
    return UseCaseView(
        id=use_case.id,
        owner=use_case.owner,
        purpose=use_case.purpose,
        risk=use_case.risk,
        confidentiality=level_of(use_case.floor.confidentiality),
        categories=tuple(sorted(use_case.floor.categories)),
        deployments=None if use_case.deployments is None else sorted(use_case.deployments),
        members=sorted(use_case.members or ()),
        observe=tuple(sorted(use_case.observe)),
        expires_at=use_case.expires_at,
        is_built_in=use_case.id in BUILT_IN_USE_CASES,
    )


OPERATIONS = (
    Operation(
        "listUseCases",
        "GET",
        "/api/use-cases",
        "The tenant's use cases.",
        list_use_cases,
        answer=UseCaseList,
        verb=USE_CASE_LIST,
    ),
    Operation(
        "putUseCase",
        "PUT",
        "/api/use-cases/{use_case}",
        "Register or change a use case.",
        put_use_case,
        body=UseCaseBody,
        answer=UseCaseView,
        verb=USE_CASE_PUT,
    ),
    Operation(
        "deleteUseCase",
        "DELETE",
        "/api/use-cases/{use_case}",
        "Remove a use case.",
        delete_use_case,
        verb=USE_CASE_DELETE,
    ),
)
