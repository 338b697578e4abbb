"""Operations on the register of use cases: list, show, put, delete, and the effects of a change."""

from __future__ import annotations

import asyncio

from headgate.admin.bodies import Body
from headgate.admin.checks import refuse_unknown
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import NotFound
from headgate.kernel.identity import UseCase
from headgate.policy.effects import effects_of, unknown_people
from headgate.policy.parts import Policy
from headgate.policy.service import refuse_use_case
from headgate.policy.use_case_views import (
    UseCaseBody,
    UseCaseDetail,
    UseCaseList,
    UseCaseView,
    applied_rules,
    entry_of,
    key_view,
    may_see,
    view_of,
)
from headgate.policy.verbs import KEY_LIST, USE_CASE_DELETE, USE_CASE_LIST, USE_CASE_PUT, USE_CASE_READ
from headgate.substrate.database import Transaction


class UseCaseDraft(Body, frozen=True, kw_only=True):
    """A change to look at before it is made. `becomes` is null for a removal."""

    becomes: UseCaseBody | None


class UseCaseEffects(Body, frozen=True, kw_only=True):
    """What others notice of the change, in sentences, most serious first."""

    effects: list[str]


async def list_use_cases(policy: Policy, request: Request) -> UseCaseList:
    """List the use cases that the reader may see, by id."""
    _authorise(request)
    caller = request.by
    registered = policy.tenant_of(caller).principals
    reader = registered.get(caller.principal.id)
    async with policy.database.transaction(tenant=caller.tenant_id) as tx:
        found = await policy.service.use_cases(tx, tenant=caller.tenant_id)
    return UseCaseList(use_cases=[view_of(one, request, registered) for one in found if may_see(request, one, reader)])


async def get_use_case(policy: Policy, request: Request) -> UseCaseDetail:
    """Show one use case with the rules that treat it specially, and its keys for its owner and administrators."""
    use_case = await _seen(policy, request)
    tenant = policy.tenant_of(request.by)
    keys = None
    if use_case.owner == request.by.principal.id or request.allows(KEY_LIST, Resource("keys", tenant.id)):
        keys = [key_view(key) for key in tenant.keys.values() if key.use_case == use_case.id]
    return UseCaseDetail(
        use_case=view_of(use_case, request, tenant.principals),
        rules=applied_rules(use_case, tenant.engine.rules.values()),
        keys=keys,
    )


async def put_use_case(policy: Policy, request: Request) -> UseCaseView:
    """Register or change a use case. Keeps the ceiling from `headgate.toml`."""
    caller, use_case_id, body = request.by, request.path["use_case"], request.body_as(UseCaseBody)
    deployments = policy.names("deployment", caller.tenant_id)
    refuse_unknown("deployment", body.deployments or (), deployments, param="deployments")

    async def make(tx: Transaction, facts: Facts) -> UseCase:
        found = await policy.service.use_cases(tx, tenant=caller.tenant_id)
        before = next((one for one in found if one.id == use_case_id), None)
        entry = entry_of(body, before, use_case_id=use_case_id, tenant=caller.tenant_id)
        await policy.service.put_use_case(tx, entry, tenant=caller.tenant_id)
        facts["is_new"] = before is None
        return entry

    done = await request.change(
        USE_CASE_PUT,
        Resource("use_case", use_case_id),
        make,
        arguments=digest_of(use_case_id, body),
        summary=summary(risk=body.risk, status=body.status, observes=",".join(sorted(body.observe)) or None),
    )
    return view_of(done.result, request, policy.tenant_of(caller).principals)


async def delete_use_case(policy: Policy, request: Request) -> None:
    """Delete a use case and revoke its keys."""
    caller, use_case_id = request.by, request.path["use_case"]

    async def make(tx: Transaction, facts: Facts) -> None:
        await policy.service.delete_use_case(tx, use_case_id, tenant=caller.tenant_id)

    resource = Resource("use_case", use_case_id)
    await request.change(USE_CASE_DELETE, resource, make, arguments=digest_of(use_case_id))


async def preview_use_case(policy: Policy, request: Request) -> UseCaseEffects:
    """Say what others would notice of a change. Changes nothing."""
    caller, use_case_id, body = request.by, request.path["use_case"], request.body_as(UseCaseDraft).becomes
    try:
        before = await _seen(policy, request)
    except NotFound:
        if body is None:
            raise
        before = None
    after = None if body is None else entry_of(body, before, use_case_id=use_case_id, tenant=caller.tenant_id)
    if after is not None:
        refuse_use_case(after)
    tenant = policy.tenant_of(caller)
    found = await asyncio.to_thread(effects_of, tenant, before, after, now=policy.clock.now())
    # Other readers must not learn from it who is registered.
    if after is not None and request.allows(USE_CASE_PUT, Resource("use_case", use_case_id)):
        found = [*unknown_people(tenant, before, after), *found]
    return UseCaseEffects(effects=found)


def _authorise(request: Request) -> None:
    """Let policy decide whether the caller may see any use case."""
    everything = Resource("use_cases", request.tenant)
    if request.allows(USE_CASE_LIST, everything):
        request.authorise(USE_CASE_LIST, everything)
    else:
        own = Resource("use_cases", request.tenant, attributes={"is_own": False})
        request.authorise(USE_CASE_READ, own)


async def _seen(policy: Policy, request: Request) -> UseCase:
    """Return the use case of the path if the caller may see it.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    _authorise(request)
    caller = request.by
    async with policy.database.transaction(tenant=caller.tenant_id) as tx:
        found = await policy.service.use_case(tx, request.path["use_case"], tenant=caller.tenant_id)
    if not may_see(request, found, policy.tenant_of(caller).principals.get(caller.principal.id)):
        raise NotFound(f"there is no use case {found.id!r}", param="use_case")
    return found


OPERATIONS = (
    Operation(
        "listUseCases",
        "GET",
        "/api/use-cases",
        "The use cases that you may see.",
        list_use_cases,
        answer=UseCaseList,
        verb=USE_CASE_LIST,
        instead=USE_CASE_READ,
    ),
    Operation(
        "getUseCase",
        "GET",
        "/api/use-cases/{use_case}",
        "One use case with its rules and keys.",
        get_use_case,
        answer=UseCaseDetail,
        verb=USE_CASE_LIST,
        instead=USE_CASE_READ,
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
    Operation(
        "previewUseCase",
        "POST",
        "/api/use-cases/{use_case}/effects",
        "What others would notice of a change; changes nothing.",
        preview_use_case,
        body=UseCaseDraft,
        answer=UseCaseEffects,
        verb=USE_CASE_LIST,
        instead=USE_CASE_READ,
    ),
)
