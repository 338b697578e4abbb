"""Operations on a use case that its owner may do: add and remove members, pause and resume."""

from __future__ import annotations

from headgate.admin.bodies import Body
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.identity import UseCase, UseCaseStatus
from headgate.policy.parts import Policy
from headgate.policy.use_case_views import UseCaseView, share_resource, status_resource, view_of
from headgate.policy.verbs import USE_CASE_SET_STATUS, USE_CASE_SHARE
from headgate.substrate.database import Transaction


class StatusBody(Body, frozen=True, kw_only=True):
    """The status to set. Its owner may set `live` and `paused`; an administrator may set any."""

    status: UseCaseStatus


async def add_member(policy: Policy, request: Request) -> UseCaseView:
    """Let a person, a group or everyone use a use case."""
    return await _set_member(policy, request, is_in=True)


async def remove_member(policy: Policy, request: Request) -> UseCaseView:
    """Remove a member from a use case."""
    return await _set_member(policy, request, is_in=False)


async def set_status(policy: Policy, request: Request) -> UseCaseView:
    """Pause, resume or retire a use case. Headgate refuses calls of one that is not live."""
    found, status = await _found(policy, request), request.body_as(StatusBody).status

    async def make(tx: Transaction, facts: Facts) -> UseCase:
        return await policy.service.set_status(tx, found.id, status, tenant=request.tenant)

    done = await request.change(
        USE_CASE_SET_STATUS,
        status_resource(found, status),
        make,
        arguments=digest_of(found.id, status),
        summary=summary(status=status, was=found.status),
    )
    return view_of(done.result, request, policy.tenant_of(request.by).principals)


async def _set_member(policy: Policy, request: Request, *, is_in: bool) -> UseCaseView:
    found, member = await _found(policy, request), request.path["member"]

    async def make(tx: Transaction, facts: Facts) -> UseCase:
        changed = await policy.service.set_member(tx, found.id, member, is_in=is_in, tenant=request.tenant)
        facts["members"] = len(changed.members or ())
        return changed

    done = await request.change(
        USE_CASE_SHARE,
        share_resource(found, member),
        make,
        arguments=digest_of(found.id, member, is_in),
        summary=summary(adds=is_in),
    )
    return view_of(done.result, request, policy.tenant_of(request.by).principals)


async def _found(policy: Policy, request: Request) -> UseCase:
    async with policy.database.transaction(tenant=request.tenant) as tx:
        return await policy.service.use_case(tx, request.path["use_case"], tenant=request.tenant)


OPERATIONS = (
    Operation(
        "addUseCaseMember",
        "PUT",
        "/api/use-cases/{use_case}/members/{member}",
        "Let somebody use a use case.",
        add_member,
        answer=UseCaseView,
        verb=USE_CASE_SHARE,
    ),
    Operation(
        "removeUseCaseMember",
        "DELETE",
        "/api/use-cases/{use_case}/members/{member}",
        "Remove a member from a use case.",
        remove_member,
        answer=UseCaseView,
        verb=USE_CASE_SHARE,
    ),
    Operation(
        "setUseCaseStatus",
        "PUT",
        "/api/use-cases/{use_case}/status",
        "Pause, resume or retire a use case.",
        set_status,
        body=StatusBody,
        answer=UseCaseView,
        verb=USE_CASE_SET_STATUS,
    ),
)
