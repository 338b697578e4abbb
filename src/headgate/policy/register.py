"""The register of people and services, for other features: `admin.register.Register` on the snapshot and the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headgate.admin.checks import refuse_unknown
from headgate.admin.register import HeldKey, Registration
from headgate.kernel.errors import Conflict, NotFound
from headgate.kernel.identity import Limits, Principal, TenantId, UseCase
from headgate.kernel.ports import Edit
from headgate.policy import store
from headgate.policy.approvals import makers_of
from headgate.policy.entities import HEADGATE, ApiKey, RegisteredPrincipal
from headgate.policy.members import is_listed
from headgate.policy.rules import roles_of
from headgate.policy.section_checks import lockout_faults
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder
from headgate.substrate.database import Transaction

_NOBODY: Mapping[str, RegisteredPrincipal] = {}


class PolicyRegister:
    """The registered principals, their use cases and keys."""

    def __init__(self, holder: SnapshotHolder, service: PolicyService) -> None:
        self._holder = holder
        self._service = service
        self._of: dict[TenantId, tuple[Mapping[str, RegisteredPrincipal], Mapping[str, Registration]]] = {}

    def everybody(self, tenant: TenantId) -> Mapping[str, Registration]:
        """As `Register.everybody`."""
        of_tenant = self._holder.current.tenants.get(tenant)
        principals = of_tenant.principals if of_tenant is not None else _NOBODY
        known = self._of.get(tenant)
        if known is None or known[0] is not principals:
            known = self._of[tenant] = (principals, {one.id: _registration(one) for one in principals.values()})
        return known[1]

    def use_cases(self, tenant: TenantId) -> Mapping[str, UseCase]:
        """As `Register.use_cases`."""
        return self._holder.current.tenants[tenant].use_cases

    def is_member(self, use_case: UseCase, principal: Registration) -> bool:
        """As `Register.is_member`."""
        return is_listed(use_case, self._holder.current.tenants[use_case.tenant].principals.get(principal.id))

    def keys(self, tenant: TenantId) -> Sequence[HeldKey]:
        """As `Register.keys`."""
        of_tenant = self._holder.current.tenants.get(tenant)
        return [_held(key) for key in of_tenant.keys.values()] if of_tenant is not None else []

    async def could_act_as(
        self, transaction: Transaction, principal: Principal, attributes: Mapping[str, str]
    ) -> frozenset[str]:
        """As `Register.could_act_as`."""
        return await makers_of(transaction, principal, attributes)

    async def put(self, transaction: Transaction, entry: Registration, *, tenant: TenantId, by: str) -> None:
        """As `Register.put`."""
        rules = self._holder.current.tenants[tenant].engine.rules.values()
        refuse_unknown("role", sorted(entry.roles), roles_of(rules), param="roles")
        stored = await store.principals(transaction, tenant=tenant)
        _refuse_lockout(tenant, by, stored, [*(one for one in stored if one.id != entry.id), _principal(entry, tenant)])
        await self._service.put_principal(transaction, _principal(entry, tenant), tenant=tenant)

    async def remove(self, transaction: Transaction, principal: str, *, tenant: TenantId, by: str) -> None:
        """As `Register.remove`."""
        stored = await store.principals(transaction, tenant=tenant)
        if all(one.id != principal for one in stored):
            raise NotFound(f"nobody is registered as {principal!r}", param="person")
        _refuse_lockout(tenant, by, stored, [one for one in stored if one.id != principal])
        await self._service.delete_principal(transaction, principal, tenant=tenant)


def _refuse_lockout(
    tenant: TenantId, by: str, before: Iterable[RegisteredPrincipal], after: Iterable[RegisteredPrincipal]
) -> None:
    edit = Edit(tenant, by, {}, {"person": _tables(before)}, {"person": _tables(after)})
    if (fault := next(lockout_faults(edit), None)) is not None:
        raise Conflict(fault.why, param="person")


def _tables(principals: Iterable[RegisteredPrincipal]) -> list[dict[str, Any]]:
    """Return the entries as the lockout check reads them: the whole principal `headgate`, and the roles of others."""
    return [{"id": one.id, "roles": one.roles, **({"entry": one} if one.id == HEADGATE else {})} for one in principals]


def _held(key: ApiKey) -> HeldKey:
    return HeldKey(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        principal=key.principal,
        use_case=key.use_case,
        roles=key.roles,
        expires_at=key.expires_at,
        requests_per_minute=key.limits.requests_per_minute,
        cost_micros_per_day=key.limits.spend_micros_per_day,
        currency=key.limits.currency or Limits().currency,
        replaced_by=key.replaced_by,
    )


def _registration(entry: RegisteredPrincipal) -> Registration:
    return Registration(
        id=entry.id,
        kind=entry.kind,
        name=entry.name,
        roles=entry.roles,
        clearance=entry.clearance,
        groups=entry.groups,
        owner=entry.owner,
        managed_by=entry.source,
    )


def _principal(entry: Registration, tenant: TenantId) -> RegisteredPrincipal:
    return RegisteredPrincipal(
        id=entry.id,
        tenant=tenant,
        kind=entry.kind,
        name=entry.name,
        roles=entry.roles,
        clearance=entry.clearance,
        groups=entry.groups,
        owner=entry.owner,
    )
