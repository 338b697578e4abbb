"""Approvals: what policy answers with *ask* waits here for a person, and is then done once.

The id of an approval is the grant that the caller presents. It is no secret: it holds for one digest (principal, verb,
final arguments, labels, destination, policy version), once, for an hour.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from headgate.admin.commands import Command
from headgate.kernel.action import Action, address_of
from headgate.kernel.decision import Decision, Grant
from headgate.kernel.errors import Conflict, Denied, NotFound, OverBudget
from headgate.kernel.identity import Principal, RecordId, TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.ports import Clock, Ids
from headgate.policy.models import MAX_PAGE
from headgate.substrate.database import Database, Transaction, load_queries

WAITS = timedelta(hours=24)
"""How long a request waits for somebody to decide it."""

HOLDS = timedelta(hours=1)
"""How long an approval can be used once it is given."""

MOST_WAITING = 100
"""How many requests of one principal may wait: a program that asks for ever is told so, and buries nobody else's."""

_UNTOLD = ("clearance", "level")
"""Part of what an approval is bound to, but no words for people."""

State = Literal["waiting", "approved", "refused", "used", "expired"]

_SQL = load_queries("headgate.policy")


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for approval and what became of it, for whoever decides.

    Args:
        resource: written `kind:id`.
        labels: of what would be sent, as the header `x-headgate-labels` has them.
        details: what is known of the destination and of the command, as `name=value`; no content.
        reasons: the rules that ask, as `id: reason`.
        record: of the action that was asked about; what would be sent is sealed with it.
        reason: why the approver decided so, in their words.
        makers: who made the key by which it was asked for, and so may hold it.
    """

    id: str
    tenant: TenantId
    digest: bytes
    principal: str
    on_behalf_of: list[str]
    use_case: str
    verb: str
    resource: str
    labels: str
    details: list[str]
    reasons: list[str]
    policy_version: str
    record: str
    requested_at: datetime
    expires_at: datetime
    approver: str | None
    decided_at: datetime | None
    approved: bool | None
    reason: str
    used_at: datetime | None
    makers: list[str]

    def state(self, now: datetime) -> State:
        """Return what became of it by now."""
        if self.used_at is not None:
            return "used"
        if self.approved is False:
            return "refused"
        if self.expires_at <= now:
            return "expired"
        return "waiting" if self.approved is None else "approved"

    def why_not_decided_by(self, approver: Principal, *, makers: Collection[str]) -> str | None:
        """Return why the principal may not decide it, or None: a person does, whom nothing says to be the one who asks.

        Whoever made a key was shown its secret and may hold it still, whatever name it bears.

        Args:
            makers: of the approver's key, as `makers_of` finds them.
        """
        asking = (self.principal, *self.on_behalf_of)
        if approver.kind != "person" or approver.id in asking:
            return "an action is approved by a person other than the one who asks, or for whom it is asked"
        if approver.id in self.makers:
            return "you made the key that asks, and may hold it: somebody else has to decide"
        if not set(makers).isdisjoint(asking):
            return "this key was made by the one who asks; approve with another one, or in the console"
        if not set(makers).isdisjoint(self.makers):
            return (
                "this key and the one that asks were made by the same person, who may hold both;"
                " approve in the console, or with a key that somebody else made"
            )
        return None


class PolicyApprovals:
    """The kernel's `Approvals`, on PostgreSQL: three round trips a request, one a redemption."""

    def __init__(self, database: Database, *, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def request(
        self, action: Action[Any, Any, Any], *, digest: bytes, decision: Decision, labels: Labels, record: RecordId
    ) -> str:
        """File a request and return its id; the same digest from the same principal is filed once.

        Raises:
            OverBudget: `MOST_WAITING` requests of this principal wait already.
        """
        principal, now = action.principal, self._clock.now()
        params = {
            "tenant": principal.tenant,
            # The tenant is named so that redeeming finds its rows; a wrong one finds another digest, or nothing.
            "id": f"{principal.tenant}.{self._ids.ulid()}",
            "digest": digest,
            "principal": principal.id,
            "on_behalf_of": list(principal.on_behalf_of),
            "use_case": action.context.use_case.id,
            "verb": action.verb.name,
            "resource": f"{action.resource.kind}:{action.resource.id}",
            "labels": str(labels),
            "details": _details(action),
            "reasons": [f"{hit.id}: {hit.reason}" for hit in decision.refusing],
            "policy_version": decision.version,
            "record": record,
            "most": MOST_WAITING,
            "now": now,
            "expires_at": now + WAITS,
        }
        async with self._database.transaction(tenant=principal.tenant) as tx:
            params["makers"] = sorted(await makers_of(tx, principal))
            given = await tx.value(_SQL["unused_approval"], params)
            filed = cast("str | None", given or await tx.value(_SQL["request_approval"], params))
        if filed is None:
            raise OverBudget(
                f"{MOST_WAITING} requests of {principal.id} wait for approval: have some decided before asking for more"
            )
        return filed

    async def redeem(self, grant: str, *, digest: bytes, principal: str) -> Grant:
        """Consume a grant.

        Raises:
            Denied: it is unknown, undecided, rejected, used, expired, or for another action or principal.
        """
        tenant, _, rest = grant.partition(".")
        if not tenant or not rest or len(grant) > 200:
            raise Denied("this is no grant: present the id of an approval")
        now = self._clock.now()
        params = {"tenant": tenant, "id": grant, "digest": digest, "principal": principal, "now": now}
        async with self._database.transaction(tenant=tenant) as tx:
            used = await tx.execute(_SQL["use_approval"], params)
            found = await tx.row(_SQL["approval"], params, of=Approval)
        if not used or found is None or found.approver is None:
            raise Denied(_why_not(found, digest=digest, principal=principal, now=now))
        return Grant(grant, digest, approver=found.approver, expires_at=found.expires_at)


async def makers_of(tx: Transaction, principal: Principal) -> frozenset[str]:
    """Return who made the key that the principal acts by; nobody for a session, and for a key that was imported.

    Also who made the key by which it was made, and so on, back to one that was made in a session; and where a program
    made it, who made that program's keys: all who may hold it by what they made.
    """
    if principal.key_id is None:
        return frozenset()
    found = await tx.value(_SQL["makers_of_key"], {"tenant": principal.tenant, "key_id": principal.key_id})
    return frozenset(cast("list[str]", found))


async def waiting(
    tx: Transaction, *, tenant: TenantId, now: datetime, before: str | None = None, limit: int = 100
) -> list[Approval]:
    """Return requests that wait for a decision, newest first, with ids below `before`; at most `MAX_PAGE`."""
    params = {
        "tenant": tenant,
        "now": now,
        "before": before or _above_all(tenant),
        "limit": max(1, min(limit, MAX_PAGE)),
    }
    return await tx.rows(_SQL["waiting_approvals"], params, of=Approval)


async def every(tx: Transaction, *, tenant: TenantId, before: str | None = None, limit: int = 100) -> list[Approval]:
    """Return requests whatever became of them, newest first, with ids below `before`; at most `MAX_PAGE`."""
    params = {"tenant": tenant, "before": before or _above_all(tenant), "limit": max(1, min(limit, MAX_PAGE))}
    return await tx.rows(_SQL["all_approvals"], params, of=Approval)


async def find(tx: Transaction, approval_id: str, *, tenant: TenantId) -> Approval:
    """Return a request.

    Raises:
        NotFound: there is none of that id in this tenant.
    """
    found = await tx.row(_SQL["approval"], {"tenant": tenant, "id": approval_id}, of=Approval)
    if found is None:
        raise NotFound(f"there is no request for approval {approval_id}", param="approval")
    return found


async def decide(
    tx: Transaction, approval_id: str, *, approver: Principal, approved: bool, now: datetime, reason: str = ""
) -> Approval:
    """Approve or refuse a request of the approver's tenant, for good.

    Raises:
        NotFound: there is no such request.
        Denied: the approver is no person, or may be the one who asks; see `Approval.why_not_decided_by`.
        Conflict: it was decided already, or waited too long.
    """
    tenant = approver.tenant
    found = await find(tx, approval_id, tenant=tenant)
    if why_not := found.why_not_decided_by(approver, makers=await makers_of(tx, approver)):
        raise Denied(why_not)
    params = {
        "tenant": tenant,
        "id": approval_id,
        "approver": approver.id,
        "approved": approved,
        "reason": reason,
        "now": now,
        "expires_at": now + HOLDS,
    }
    if not await tx.execute(_SQL["decide_approval"], params):
        raise Conflict(f"the request {approval_id} was decided already, or waited too long", param="approval")
    return await find(tx, approval_id, tenant=tenant)


def _above_all(tenant: TenantId) -> str:
    """An id that sorts after all of the tenant's, in every collation."""
    return f"{tenant}.{'Z' * 26}"


def _details(action: Action[Any, Any, Any]) -> list[str]:
    """Say what stands behind the destination's id, and what a command would do."""
    known: dict[str, object] = {**action.resource.attributes, **address_of(action.payload)}
    if isinstance(action.payload, Command):
        known |= action.payload.summary
    return [f"{name}={_text(value)}"[:500] for name, value in known.items() if name not in _UNTOLD]


def _text(value: object) -> str:
    return ",".join(sorted(cast("frozenset[str]", value))) if isinstance(value, frozenset) else str(value)


def _why_not(found: Approval | None, *, digest: bytes, principal: str, now: datetime) -> str:
    # Whoever presents somebody else's grant learns no more than that it is none for them.
    if found is None or found.principal != principal:
        return "this grant is not known here"
    if found.digest != digest:
        return "this grant is for another request: the content, its labels, the destination or the rules differ"
    if found.used_at is not None:
        return "this grant was used already: send the request without it to ask anew"
    if found.approved is False:
        return "the request was refused; whoever refused it said why, see `headgate approvals show`"
    if found.expires_at <= now:
        return "this grant has expired: send the request without it to ask anew"
    return "the request has not been decided yet"
