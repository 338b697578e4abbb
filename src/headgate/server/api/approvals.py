"""Approvals: what policy wants a person to decide, listed, shown with what would be sent, approved or refused."""

from __future__ import annotations

from typing import NamedTuple

from headgate.kernel.action import Resource
from headgate.kernel.administration import APPROVAL_DECIDE, APPROVAL_LIST, Facts
from headgate.kernel.errors import Invalid, NotFound
from headgate.kernel.labels import parse_labels
from headgate.ledger.reader import StoredRecord
from headgate.policy import approvals
from headgate.policy.approvals import Approval
from headgate.server.administration import AdminCaller, digest_of, summary
from headgate.server.api import schemas
from headgate.server.api.changes import Pending, change
from headgate.server.api.parts import AdminParts
from headgate.server.api.record_views import part_views
from headgate.server.api.records import reveal
from headgate.server.api.requests import Request
from headgate.substrate.database import Transaction

_MAX_LIMIT = 200


async def list_approvals(parts: AdminParts, request: Request) -> schemas.ApprovalList:
    """List requests, newest first."""
    caller, query = request.by, request.query
    parts.gate.authorise(caller, APPROVAL_LIST, Resource("approvals", caller.tenant_id))
    limit, before, tenant = int(query.get("limit", 50)), request.text("cursor"), caller.tenant_id
    if not 1 <= limit <= _MAX_LIMIT:
        raise Invalid(f"a page holds 1 to {_MAX_LIMIT} requests", param="limit")
    async with parts.database.transaction(tenant=tenant) as tx:
        if query.get("waiting") is True:
            now = parts.clock.now()
            found = await approvals.waiting(tx, tenant=tenant, now=now, before=before, limit=limit + 1)
        else:
            found = await approvals.every(tx, tenant=tenant, before=before, limit=limit + 1)
        makers = await approvals.makers_of(tx, caller.principal)
    page = found[:limit]
    return schemas.ApprovalList(
        approvals=[_view(parts, caller, one, makers=makers) for one in page],
        next=page[-1].id if len(found) > limit else None,
    )


async def get_approval(parts: AdminParts, request: Request) -> schemas.ApprovalDetail:
    """Show one request; whoever asked sees what became of it, whoever may decide sees what would be sent too."""
    caller = request.by
    approval, makers = await _find(parts, request)
    view = _view(parts, caller, approval, makers=makers)
    if approval.principal == caller.principal.id:
        return schemas.ApprovalDetail(approval=view, content="withheld", parts=[])
    parts.gate.authorise(caller, APPROVAL_LIST, _resource(approval))
    record = await _record_of(parts, approval)
    if record is None or not record.parts:
        return schemas.ApprovalDetail(approval=view, content="absent", parts=[])
    if not parse_labels(approval.labels).flows_to(caller.principal.clearance):
        return schemas.ApprovalDetail(approval=view, content="withheld", parts=[])
    opened = await reveal(parts, request, record, names=record.parts, resource=_resource(approval))
    shown = part_views(record, opened, withheld={}) if opened else []
    return schemas.ApprovalDetail(approval=view, content="shown" if shown else "withheld", parts=shown)


async def approve(parts: AdminParts, request: Request) -> schemas.ApprovalView:
    """Let what was asked about be done, once, within an hour."""
    return await _decide(parts, request, approved=True)


async def refuse(parts: AdminParts, request: Request) -> schemas.ApprovalView:
    """Have what was asked about not done."""
    return await _decide(parts, request, approved=False)


async def _decide(parts: AdminParts, request: Request, *, approved: bool) -> schemas.ApprovalView:
    caller, reason = request.by, request.body_as(schemas.ApprovalDecision).reason
    found = await _find(parts, request)
    asked = found.approval

    async def make(tx: Transaction, facts: Facts) -> Approval:
        now = parts.clock.now()
        return await approvals.decide(
            tx, asked.id, approver=caller.principal, approved=approved, now=now, reason=reason
        )

    pending = Pending(
        summary(approved=approved, verb=asked.verb, asked_in=asked.record or None),
        digest_of(asked.id, approved, reason),
        make,
    )
    done = await change(parts, caller, APPROVAL_DECIDE, resource=_resource(asked), command=pending)
    request.reply_headers.append(("x-headgate-record", done.record))
    return _view(parts, caller, done.result, makers=found.makers)


class _Found(NamedTuple):
    """A request, and who made the key of whoever looks at it."""

    approval: Approval
    makers: frozenset[str]


async def _find(parts: AdminParts, request: Request) -> _Found:
    caller = request.by
    async with parts.database.transaction(tenant=caller.tenant_id) as tx:
        found = await approvals.find(tx, request.path["approval"], tenant=caller.tenant_id)
        return _Found(found, await approvals.makers_of(tx, caller.principal))


async def _record_of(parts: AdminParts, approval: Approval) -> StoredRecord | None:
    """Return the record of what was asked about; None where it was not brought to the database yet."""
    try:
        family = await parts.records.get_record(approval.record, tenant=approval.tenant)
    except (NotFound, Invalid):
        return None
    return family.record


def _resource(approval: Approval) -> Resource:
    """Return the request as a resource, so that policies can say who decides about what."""
    asked = {"verb": approval.verb, "use_case": approval.use_case, "resource": approval.resource}
    return Resource("approval", approval.id, attributes=asked)


def _view(
    parts: AdminParts, caller: AdminCaller, approval: Approval, *, makers: frozenset[str]
) -> schemas.ApprovalView:
    state = approval.state(parts.clock.now())
    can_decide = (
        state == "waiting"
        and approval.why_not_decided_by(caller.principal, makers=makers) is None
        and parts.gate.allows(caller, APPROVAL_DECIDE, _resource(approval))
    )
    details = (detail.partition("=") for detail in approval.details)
    rules = (reason.partition(": ") for reason in approval.reasons)
    return schemas.ApprovalView(
        id=approval.id,
        state=state,
        principal=approval.principal,
        on_behalf_of=approval.on_behalf_of,
        makers=approval.makers,
        use_case=approval.use_case,
        verb=approval.verb,
        resource=approval.resource,
        labels=approval.labels,
        details={name: value for name, _, value in details},
        rules=[schemas.ApprovalRule(id=name, reason=why) for name, _, why in rules],
        policy_version=approval.policy_version,
        record=approval.record,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
        approver=approval.approver,
        decided_at=approval.decided_at,
        reason=approval.reason,
        used_at=approval.used_at,
        can_decide=can_decide,
    )
