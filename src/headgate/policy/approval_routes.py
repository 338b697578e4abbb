"""Operations on requests for approval: list, show, approve and refuse."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from headgate.admin.bodies import Body, PartView
from headgate.admin.checks import page_size
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.directory import PERSON_LIST
from headgate.admin.operations import CURSOR, LIMIT, Operation, Parameter
from headgate.admin.records import RECORD_REVEAL, Reveal
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Denied, Invalid, NotFound
from headgate.kernel.labels import parse_labels
from headgate.policy import approvals
from headgate.policy.approvals import Approval
from headgate.policy.parts import Policy
from headgate.policy.verbs import APPROVAL_DECIDE, APPROVAL_LIST
from headgate.substrate.database import Transaction

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class ApprovalRule(Body, frozen=True, kw_only=True):
    """A rule that asks for the approval, with its reason."""

    id: str
    reason: str


class ApprovalView(Body, frozen=True, kw_only=True):
    """A request for approval and its state.

    `title` names who wants to do what. `requester`, `makers` and `approver_name` are names for readers who may list
    people, else ids.
    `makers` made the requester's key. `record` is the id of the action's record. `labels` are the labels of the
    content. `details` describe the destination or the change. `can_decide` is whether this reader may decide it.
    """

    id: str
    title: str
    requester: str
    state: Literal["waiting", "approved", "refused", "used", "expired"]
    principal: str
    on_behalf_of: list[str]
    makers: list[str]
    use_case: str
    use_case_title: str
    verb: str
    resource: str
    labels: str
    details: dict[str, str]
    rules: list[ApprovalRule]
    policy_version: str
    record: str
    requested_at: datetime
    expires_at: datetime
    approver: str | None
    approver_name: str | None
    decided_at: datetime | None
    reason: str
    used_at: datetime | None
    is_own: bool
    can_decide: bool


class ApprovalList(Body, frozen=True, kw_only=True):
    """A page of requests, newest first; `next` is the cursor of the following page."""

    approvals: list[ApprovalView]
    next: str | None


class ApprovalDetail(Body, frozen=True, kw_only=True):
    """One request with its content. `content` is whether the content is shown, withheld from this reader, or absent."""

    approval: ApprovalView
    content: Literal["shown", "withheld", "absent"]
    parts: list[PartView]


class ApprovalDecision(Body, frozen=True, kw_only=True):
    """The reason of a decision, for the record."""

    reason: Reason


class ManyDecisions(Body, frozen=True, kw_only=True):
    """One decision on several requests, with one reason."""

    approvals: Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(min_length=1, max_length=100)]
    decision: Literal["approve", "refuse"]
    reason: Reason


class DecisionResult(Body, frozen=True, kw_only=True):
    """The result for one request: the decided request, or why it was not decided."""

    id: str
    approval: ApprovalView | None
    error: str | None


class DecisionResults(Body, frozen=True, kw_only=True):
    """The results in the order of the requests. Each decision has its own record."""

    results: list[DecisionResult]


async def list_approvals(policy: Policy, request: Request) -> ApprovalList:
    """List requests, newest first. Everybody may list their own."""
    caller = request.by
    if request.switch("mine"):
        request.decided.add(APPROVAL_LIST.name)
    else:
        request.authorise(APPROVAL_LIST, Resource("approvals", caller.tenant_id))
    limit, before, tenant = page_size(request.number("limit", 50), "requests"), request.text("cursor"), request.tenant
    async with policy.database.transaction(tenant=tenant) as tx:
        if request.switch("mine"):
            by = caller.principal.id
            found = await approvals.of_principal(tx, by, tenant=tenant, before=before, limit=limit + 1)
        elif request.switch("waiting"):
            now = policy.clock.now()
            found = await approvals.waiting(tx, tenant=tenant, now=now, before=before, limit=limit + 1)
        else:
            found = await approvals.every(tx, tenant=tenant, before=before, limit=limit + 1)
        makers = await approvals.makers_of(tx, caller.principal, caller.attributes)
    page = found[:limit]
    return ApprovalList(
        approvals=[_view(policy, request, one, makers=makers) for one in page],
        next=page[-1].id if len(found) > limit else None,
    )


async def get_approval(policy: Policy, request: Request) -> ApprovalDetail:
    """Show one request. The requester sees its state; an approver also sees the content."""
    caller = request.by
    approval, makers = await _find(policy, request, request.path["approval"])
    view = _view(policy, request, approval, makers=makers)
    if approval.principal == caller.principal.id:
        request.decided.add(APPROVAL_LIST.name)  # requesters may always read their own requests
        return ApprovalDetail(approval=view, content="withheld", parts=[])
    request.authorise(APPROVAL_LIST, _resource(approval))
    if not parse_labels(approval.labels).flows_to(caller.principal.clearance):
        return ApprovalDetail(approval=view, content="withheld", parts=[])
    try:
        done = await request.act(RECORD_REVEAL, _resource(approval), Reveal(approval.record))
    except Denied:
        return ApprovalDetail(approval=view, content="withheld", parts=[])
    except (NotFound, Invalid):  # the record is not in the database yet
        return ApprovalDetail(approval=view, content="absent", parts=[])
    parts = list(done.result)
    return ApprovalDetail(approval=view, content="shown" if parts else "absent", parts=parts)


async def approve(policy: Policy, request: Request) -> ApprovalView:
    """Approve a request, so that it can run once within an hour."""
    return await _decide(policy, request, approved=True)


async def refuse(policy: Policy, request: Request) -> ApprovalView:
    """Refuse a request."""
    return await _decide(policy, request, approved=False)


async def _decide(policy: Policy, request: Request, *, approved: bool) -> ApprovalView:
    found, reason = await _find(policy, request, request.path["approval"]), request.body_as(ApprovalDecision).reason
    return await _decide_one(policy, request, found, approved=approved, reason=reason)


async def decide_many(policy: Policy, request: Request) -> DecisionResults:
    """Approve or refuse several requests. One that cannot be decided does not stop the others."""
    request.authorise(APPROVAL_DECIDE, Resource("approvals", request.tenant))
    body = request.body_as(ManyDecisions)
    results: list[DecisionResult] = []
    for approval_id in dict.fromkeys(body.approvals):
        try:
            found = await _find(policy, request, approval_id)
            decided = await _decide_one(policy, request, found, approved=body.decision == "approve", reason=body.reason)
        except (Denied, NotFound, Conflict) as error:
            results.append(DecisionResult(id=approval_id, approval=None, error=error.message))
        else:
            results.append(DecisionResult(id=approval_id, approval=decided, error=None))
    return DecisionResults(results=results)


async def _decide_one(policy: Policy, request: Request, found: _Found, *, approved: bool, reason: str) -> ApprovalView:
    caller, asked = request.by, found.approval

    async def make(tx: Transaction, facts: Facts) -> Approval:
        now = policy.clock.now()
        decided = await approvals.decide(
            tx,
            asked.id,
            approver=caller.principal,
            approved=approved,
            now=now,
            reason=reason,
            attributes=caller.attributes,
        )
        await policy.tell_requester(decided, tx)
        return decided

    done = await request.change(
        APPROVAL_DECIDE,
        _resource(asked),
        make,
        arguments=digest_of(asked.id, approved, reason),
        summary=summary(approved=approved, verb=asked.verb, asked_in=asked.record or None),
    )
    return _view(policy, request, done.result, makers=found.makers)


class _Found(NamedTuple):
    """A request, and the makers of the reader's key."""

    approval: Approval
    makers: frozenset[str]


async def _find(policy: Policy, request: Request, approval_id: str) -> _Found:
    caller = request.by
    async with policy.database.transaction(tenant=caller.tenant_id) as tx:
        found = await approvals.find(tx, approval_id, tenant=caller.tenant_id)
        return _Found(found, await approvals.makers_of(tx, caller.principal, caller.attributes))


def _resource(approval: Approval) -> Resource:
    """Return the request as a resource, so that policies can restrict who decides it."""
    asked = {"verb": approval.verb, "use_case": approval.use_case, "resource": approval.resource}
    return Resource("approval", approval.id, attributes=asked)


def _view(policy: Policy, request: Request, approval: Approval, *, makers: frozenset[str]) -> ApprovalView:
    state = approval.state(policy.clock.now())
    can_decide = (
        state == "waiting"
        and approval.why_not_decided_by(request.by.principal, makers=makers) is None
        and request.allows(APPROVAL_DECIDE, _resource(approval))
    )
    details = (detail.partition("=") for detail in approval.details)
    rules = (reason.partition(": ") for reason in approval.reasons)
    is_named = request.allows(PERSON_LIST, Resource(PERSON_LIST.usual, request.tenant))

    def name_of(principal: str) -> str:
        return policy.name_of(request.tenant, principal) if is_named else principal

    who = name_of(approval.principal)
    return ApprovalView(
        id=approval.id,
        title=policy.title_of(approval, who=who),
        requester=who,
        is_own=request.by.principal.id in (approval.principal, *approval.on_behalf_of),
        state=state,
        principal=approval.principal,
        on_behalf_of=approval.on_behalf_of,
        makers=[name_of(maker) for maker in approval.makers],
        use_case=approval.use_case,
        use_case_title=policy.use_case_title(approval),
        verb=approval.verb,
        resource=approval.resource,
        labels=approval.labels,
        details={name: value for name, _, value in details},
        rules=[ApprovalRule(id=name, reason=why) for name, _, why in rules],
        policy_version=approval.policy_version,
        record=approval.record,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
        approver=approval.approver,
        approver_name=None if approval.approver is None else name_of(approval.approver),
        decided_at=approval.decided_at,
        reason=approval.reason,
        used_at=approval.used_at,
        can_decide=can_decide,
    )


OPERATIONS = (
    Operation(
        "listApprovals",
        "GET",
        "/api/approvals",
        "Requests for approval, newest first.",
        list_approvals,
        answer=ApprovalList,
        verb=APPROVAL_LIST,
        parameters=(
            Parameter("waiting", "Only pending requests.", "boolean"),
            Parameter("mine", "Only your own requests.", "boolean"),
            CURSOR,
            LIMIT,
        ),
    ),
    Operation(
        "getApproval",
        "GET",
        "/api/approvals/{approval}",
        "One request with its content.",
        get_approval,
        answer=ApprovalDetail,
        verb=APPROVAL_LIST,
    ),
    Operation(
        "decideApprovals",
        "POST",
        "/api/approvals",
        "Approve or refuse several requests with one reason.",
        decide_many,
        body=ManyDecisions,
        answer=DecisionResults,
        verb=APPROVAL_DECIDE,
    ),
    Operation(
        "approve",
        "POST",
        "/api/approvals/{approval}/approve",
        "Approve a request; it then runs once.",
        approve,
        body=ApprovalDecision,
        answer=ApprovalView,
        verb=APPROVAL_DECIDE,
    ),
    Operation(
        "refuse",
        "POST",
        "/api/approvals/{approval}/refuse",
        "Refuse a request.",
        refuse,
        body=ApprovalDecision,
        answer=ApprovalView,
        verb=APPROVAL_DECIDE,
    ),
)
