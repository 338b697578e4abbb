"""Registered purposes: listed, put, deleted."""

from __future__ import annotations

from headgate.kernel.action import Resource
from headgate.kernel.administration import USE_CASE_DELETE, USE_CASE_LIST, USE_CASE_PUT, Facts
from headgate.kernel.errors import Invalid
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import EVERYTHING, Confidentiality, Labels
from headgate.policy.models import BUILT_IN_USE_CASES
from headgate.policy.service import expiry
from headgate.server.administration import digest_of, summary
from headgate.server.api import config_checks, schemas
from headgate.server.api.changes import Pending, change
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.substrate.database import Transaction


async def list_use_cases(parts: AdminParts, request: Request) -> schemas.UseCaseList:
    """List the tenant's use cases by id."""
    caller = request.by
    parts.gate.authorise(caller, USE_CASE_LIST, Resource("use_cases", caller.tenant_id))
    async with parts.database.transaction(tenant=caller.tenant_id) as tx:
        found = await parts.policy.use_cases(tx, tenant=caller.tenant_id)
    return schemas.UseCaseList(use_cases=[_view(one) for one in found])


async def put_use_case(parts: AdminParts, request: Request) -> schemas.UseCaseView:
    """Register or change one; the ceiling that a file gave it stays as it is."""
    caller, use_case_id, body = request.by, request.path["use_case"], request.body_as(schemas.UseCaseBody)
    expires_at = expiry(body.expires_at)
    deployments = parts.catalogues(caller.tenant_id).deployments
    if why := config_checks.unknown("deployment", body.deployments or (), deployments):
        raise Invalid(why, param="deployments")

    async def make(tx: Transaction, facts: Facts) -> UseCase:
        found = await parts.policy.use_cases(tx, tenant=caller.tenant_id)
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
        await parts.policy.put_use_case(tx, entry, tenant=caller.tenant_id)
        facts["is_new"] = before is None
        return entry

    pending = Pending(
        summary(risk=body.risk, observes=",".join(sorted(body.observe)) or None), digest_of(use_case_id, body), make
    )
    resource = Resource("use_case", use_case_id)
    done = await change(parts, caller, USE_CASE_PUT, resource=resource, command=pending)
    request.reply_headers.append(("x-headgate-record", done.record))
    return _view(done.result)


async def delete_use_case(parts: AdminParts, request: Request) -> None:
    """Delete one, and revoke the keys that are bound to it."""
    caller, use_case_id = request.by, request.path["use_case"]

    async def make(tx: Transaction, facts: Facts) -> None:
        await parts.policy.delete_use_case(tx, use_case_id, tenant=caller.tenant_id)

    pending = Pending({}, digest_of(use_case_id), make)
    resource = Resource("use_case", use_case_id)
    done = await change(parts, caller, USE_CASE_DELETE, resource=resource, command=pending)
    request.reply_headers.append(("x-headgate-record", done.record))


def _members(body: schemas.UseCaseBody, before: UseCase | None) -> frozenset[str]:
    """Return the members that the body names; without any, those that the use case has."""
    if body.members is not None:
        return frozenset(body.members)
    return (before.members if before else None) or frozenset()


def _view(use_case: UseCase) -> schemas.UseCaseView:
    return schemas.UseCaseView(
        id=use_case.id,
        owner=use_case.owner,
        purpose=use_case.purpose,
        risk=use_case.risk,
        confidentiality=schemas.level_of(use_case.floor.confidentiality),
        categories=sorted(use_case.floor.categories),
        deployments=None if use_case.deployments is None else sorted(use_case.deployments),
        members=sorted(use_case.members or ()),
        observe=sorted(use_case.observe),
        expires_at=use_case.expires_at,
        is_built_in=use_case.id in BUILT_IN_USE_CASES,
    )
