"""Approvals: requests that wait for a person's decision after policy answered *ask*.

The caller presents the id of an approval as its grant. The id is not secret: it is valid for one hour, once, for one
digest (principal, verb, final arguments, labels, destination, policy version).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, cast

from headgate.admin.commands import Command
from headgate.admin.sessions import let_in_by
from headgate.kernel.action import Action, address_of
from headgate.kernel.decision import Decision, Grant
from headgate.kernel.errors import Conflict, Denied, NotFound, OverBudget
from headgate.kernel.identity import Principal, RecordId, TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.ports import Clock, Ids
from headgate.policy.entities import MAX_PAGE
from headgate.substrate.database import Database, Transaction, load_queries

WAITS = timedelta(hours=24)
"""Time until an undecided request expires."""

HOLDS = timedelta(hours=1)
"""Time from the approval until the grant expires."""

MOST_WAITING = 100
"""Limit of pending requests per principal, so that a program in a loop does not flood the approvers."""

_UNTOLD = ("clearance", "level")
"""Details that are part of the digest, but not shown to people."""

State = Literal["waiting", "approved", "refused", "used", "expired"]

_SQL = load_queries("headgate.policy")


@dataclass(frozen=True, slots=True)
class Approval:
    """A request for approval and its state.

    Args:
        resource: written `kind:id`.
        labels: of the content, in the form of the header `x-headgate-labels`.
        details: facts on the destination and the command, as `name=value`; no content.
        reasons: the rules that ask, as `id: reason`.
        record: id of the action's record, which has the sealed content.
        reason: the approver's own words.
        makers: makers of the requester's key or sign-in link, who may act as the requester.
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
        """Return its state at this time."""
        if self.used_at is not None:
            return "used"
        if self.approved is False:
            return "refused"
        if self.expires_at <= now:
            return "expired"
        return "waiting" if self.approved is None else "approved"

    def why_not_decided_by(self, approver: Principal, *, makers: Collection[str]) -> str | None:
        """Return why the principal may not decide it, or None. Only a person may decide, and never the requester.

        The maker of a key saw its secret, so the maker counts as its holder.

        Args:
            makers: of the approver's key or sign-in link, from `makers_of`.
        """
        asking = (self.principal, *self.on_behalf_of)
        if approver.kind != "person" or approver.id in asking:
            return "only a person other than the requester may decide; ask somebody else to approve"
        if approver.id in self.makers:
            return "you made the requester's key or sign-in link, so you may not decide; ask somebody else to approve"
        if approver.key_id is None and not set(makers).isdisjoint({*asking, *self.makers}):
            return "the requester could have opened this session; sign in with a link from somebody else to approve"
        if not set(makers).isdisjoint(asking):
            return "the requester made this key; approve with another key, or in the console"
        if not set(makers).isdisjoint(self.makers):
            return (
                "the same person made this key and the requester's key;"
                " approve in the console, or with a key from somebody else"
            )
        return None


Asked = Callable[["Approval", Transaction], Awaitable[None]]
"""Called for each filed request, in its transaction, to tell the approvers."""


class PolicyApprovals:
    """The kernel's `Approvals`, on PostgreSQL: five round trips a request, one a redemption."""

    def __init__(self, database: Database, *, clock: Clock, ids: Ids, asked: Asked) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._asked = asked

    async def request(
        self, action: Action[Any, Any, Any], *, digest: bytes, decision: Decision, labels: Labels, record: RecordId
    ) -> str:
        """Store a request and return its id. A repeated digest of the same principal returns the stored one.

        Raises:
            OverBudget: the principal already has `MOST_WAITING` pending requests.
        """
        principal, now = action.principal, self._clock.now()
        params = {
            "tenant": principal.tenant,
            # The id includes the tenant, so that `redeem` finds the row. A forged tenant finds no matching digest.
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
            params["makers"] = sorted(await makers_of(tx, principal, action.context.attributes))
            given = await tx.value(_SQL["unused_approval"], params)
            filed = cast("str | None", given or await tx.value(_SQL["request_approval"], params))
            if given is None and filed is not None:
                await self._asked(await find(tx, filed, tenant=principal.tenant), tx)
        if filed is None:
            raise OverBudget(
                f"{principal.id} already has {MOST_WAITING} requests for approval; wait until some are decided"
            )
        return filed

    async def redeem(self, grant: str, *, digest: bytes, principal: str) -> Grant:
        """Consume a grant.

        Raises:
            Denied: it is unknown, undecided, rejected, used, expired, or for another action or principal.
        """
        tenant, _, rest = grant.partition(".")
        if not tenant or not rest or len(grant) > 200:
            raise Denied("this is not a grant; send the id of an approval")
        now = self._clock.now()
        params = {"tenant": tenant, "id": grant, "digest": digest, "principal": principal, "now": now}
        async with self._database.transaction(tenant=tenant) as tx:
            used = await tx.execute(_SQL["use_approval"], params)
            found = await tx.row(_SQL["approval"], params, of=Approval)
        if not used or found is None or found.approver is None:
            raise Denied(_why_not(found, digest=digest, principal=principal, now=now))
        return Grant(grant, digest, approver=found.approver, expires_at=found.expires_at)


async def makers_of(tx: Transaction, principal: Principal, attributes: Mapping[str, str]) -> frozenset[str]:
    """Return the makers of the principal's key, or of the sign-in link of its session; empty for an imported key.

    Follows the chain of makers: the maker of the key with which a key was made, back to a key from a session. If a
    program made a key, includes the makers of that program's keys. All of them may hold the key.

    Args:
        attributes: of the caller's actions.
    """
    if principal.key_id is None:
        return let_in_by(attributes)
    found = await tx.value(_SQL["makers_of_key"], {"tenant": principal.tenant, "key_id": principal.key_id})
    return frozenset(cast("list[str]", found))


async def waiting(
    tx: Transaction, *, tenant: TenantId, now: datetime, before: str | None = None, limit: int = 100
) -> list[Approval]:
    """Return pending requests, newest first, with ids below `before`; at most `MAX_PAGE`."""
    params = {
        "tenant": tenant,
        "now": now,
        "before": before or _above_all(tenant),
        "limit": max(1, min(limit, MAX_PAGE)),
    }
    return await tx.rows(_SQL["waiting_approvals"], params, of=Approval)


async def every(tx: Transaction, *, tenant: TenantId, before: str | None = None, limit: int = 100) -> list[Approval]:
    """Return requests in any state, newest first, with ids below `before`; at most `MAX_PAGE`."""
    params = {"tenant": tenant, "before": before or _above_all(tenant), "limit": max(1, min(limit, MAX_PAGE))}
    return await tx.rows(_SQL["all_approvals"], params, of=Approval)


async def of_principal(
    tx: Transaction, principal: str, *, tenant: TenantId, before: str | None = None, limit: int = 100
) -> list[Approval]:
    """Return the requests of one principal, newest first, with ids below `before`; at most `MAX_PAGE`."""
    params = {
        "tenant": tenant,
        "principal": principal,
        "before": before or _above_all(tenant),
        "limit": max(1, min(limit, MAX_PAGE)),
    }
    return await tx.rows(_SQL["approvals_of"], params, of=Approval)


async def find(tx: Transaction, approval_id: str, *, tenant: TenantId) -> Approval:
    """Return a request.

    Raises:
        NotFound: the tenant has no such request.
    """
    found = await tx.row(_SQL["approval"], {"tenant": tenant, "id": approval_id}, of=Approval)
    if found is None:
        raise NotFound(f"there is no request for approval {approval_id}", param="approval")
    return found


async def decide(
    tx: Transaction,
    approval_id: str,
    *,
    approver: Principal,
    approved: bool,
    now: datetime,
    reason: str = "",
    attributes: Mapping[str, str] = MappingProxyType({}),
) -> Approval:
    """Approve or refuse a request of the approver's tenant. The decision is final.

    Raises:
        NotFound: there is no such request.
        Denied: the approver is not a person, or may be the requester; see `Approval.why_not_decided_by`.
        Conflict: it is already decided, or has expired.
    """
    tenant = approver.tenant
    found = await find(tx, approval_id, tenant=tenant)
    if why_not := found.why_not_decided_by(approver, makers=await makers_of(tx, approver, attributes)):
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
        raise Conflict(f"the request {approval_id} is already decided, or has expired", param="approval")
    return await find(tx, approval_id, tenant=tenant)


def _above_all(tenant: TenantId) -> str:
    """Return an id that sorts after all of the tenant's ids, in every collation."""
    return f"{tenant}.{'Z' * 26}"


def _details(action: Action[Any, Any, Any]) -> list[str]:
    """Return the details of the destination and the command."""
    known: dict[str, object] = {**action.resource.attributes, **address_of(action.payload)}
    if isinstance(action.payload, Command):
        known |= action.payload.summary
    return [f"{name}={_text(value)}"[:500] for name, value in known.items() if name not in _UNTOLD]


def _text(value: object) -> str:
    return ",".join(sorted(cast("frozenset[str]", value))) if isinstance(value, frozenset) else str(value)


def _why_not(found: Approval | None, *, digest: bytes, principal: str, now: datetime) -> str:
    # A caller with somebody else's grant learns only that the grant is unknown.
    if found is None or found.principal != principal:
        return "this grant is unknown"
    if found.digest != digest:
        return "this grant is for another request: the content, its labels, the destination or the rules differ"
    if found.used_at is not None:
        return "this grant was already used; send the request without it to ask again"
    if found.approved is False:
        return "the request was refused; see the reason with `headgate approvals show`"
    if found.expires_at <= now:
        return "this grant has expired; send the request without it to ask again"
    return "nobody has decided the request yet; try again later"
