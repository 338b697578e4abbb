"""The store: policy's tables as dataclasses. Callers open a transaction for the tenant that they pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, Literal, NamedTuple, TypeVar, cast

from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.kernel.hashing import interned
from headgate.kernel.identity import PrincipalKind, RiskClass, TenantId, UseCase, UseCaseStatus
from headgate.kernel.labels import EVERYTHING, Clearance, Confidentiality, Labels
from headgate.policy.entities import (
    ADMIN,
    DEFAULT_TENANT,
    ApiKey,
    CustomPolicy,
    DigestAlgorithm,
    KeyLimits,
    RegisteredPrincipal,
    Source,
)
from headgate.policy.snapshot import TenantContents, Unreadable
from headgate.substrate.database import Transaction, load_queries

Kind = Literal["principal", "use_case", "key", "policy"]
_FAULTS = (HeadgateError, ValueError, TypeError)
"""Errors of rows that this version cannot read."""

R = TypeVar("R")
E = TypeVar("E")

_SQL = load_queries("headgate.policy")


@dataclass(frozen=True, slots=True)
class _Id:
    id: str


@dataclass(frozen=True, slots=True)
class _PrincipalRow:
    id: str
    tenant: str
    kind: PrincipalKind
    name: str
    roles: list[str]
    level: int
    categories: list[str] | None
    access: list[str] | None
    groups: list[str]
    owner: str
    source: Source

    def principal(self) -> RegisteredPrincipal:
        clearance = Clearance(
            level=Confidentiality(self.level),
            categories=_set(self.categories),
            access=_set(self.access),
            custody=EVERYTHING.custody,
        )
        return RegisteredPrincipal(
            id=self.id,
            tenant=TenantId(self.tenant),
            kind=self.kind,
            name=self.name,
            roles=frozenset(self.roles),
            clearance=interned(clearance),
            groups=frozenset(self.groups),
            owner=self.owner,
            source=self.source,
        )


@dataclass(frozen=True, slots=True)
class _UseCaseRow:
    id: str
    tenant: str
    owner: str
    purpose: str
    risk: RiskClass
    floor_level: int
    floor_categories: list[str]
    ceiling_level: int
    ceiling_categories: list[str] | None
    deployments: list[str] | None
    members: list[str]
    observe: list[str]
    expires_at: datetime | None
    title: str
    status: UseCaseStatus
    review_on: date | None

    def use_case(self) -> UseCase:
        return UseCase(
            id=self.id,
            tenant=TenantId(self.tenant),
            owner=self.owner,
            purpose=self.purpose,
            risk=self.risk,
            floor=interned(
                Labels(confidentiality=Confidentiality(self.floor_level), categories=frozenset(self.floor_categories))
            ),
            ceiling=interned(ceiling(Confidentiality(self.ceiling_level), _set(self.ceiling_categories))),
            deployments=_set(self.deployments),
            members=frozenset(self.members),
            observe=frozenset(self.observe),
            expires_at=self.expires_at,
            title=self.title,
            status=self.status,
            review_on=self.review_on,
        )


@dataclass(frozen=True, slots=True)
class _KeyRow:
    tenant: str
    id: str
    principal: str
    use_case: str
    algorithm: DigestAlgorithm
    digest: bytes
    prefix: str
    last_four: str
    name: str
    roles: list[str]
    scopes: list[str]
    requests_per_minute: int | None
    spend_micros_per_day: int | None
    currency: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    source: Source
    replaced_by: str | None

    def key(self) -> ApiKey:
        return ApiKey(
            id=self.id,
            tenant=TenantId(self.tenant),
            principal=self.principal,
            use_case=self.use_case,
            algorithm=self.algorithm,
            digest=self.digest,
            prefix=self.prefix,
            last_four=self.last_four,
            name=self.name,
            roles=frozenset(self.roles),
            scopes=frozenset(self.scopes),
            limits=KeyLimits(self.requests_per_minute, self.spend_micros_per_day, self.currency),
            created_at=self.created_at,
            created_by=self.created_by,
            expires_at=self.expires_at,
            revoked_at=self.revoked_at,
            source=self.source,
            replaced_by=self.replaced_by,
        )


def ceiling(level: Confidentiality, categories: frozenset[str] | None) -> Clearance:
    """Return a use case's clearance with limits on level and categories only."""
    return Clearance(level=level, categories=categories, access=None, custody=EVERYTHING.custody)


async def config_version(tx: Transaction) -> int:
    """Return the version of the configuration. Needs a transaction without a tenant."""
    return cast("int", await tx.value(_SQL["config_version"]))


async def tenants(tx: Transaction) -> list[TenantId]:
    """Return every tenant's id. Needs a transaction without a tenant."""
    return [TenantId(row.id) for row in await tx.rows(_SQL["tenants"], of=_Id)]


async def add_tenant(tx: Transaction, tenant: TenantId) -> None:
    """Add a tenant with the built-in use cases. Idempotent."""
    await tx.execute(_SQL["add_tenant"], {"tenant": tenant})


async def lock_configuration(tx: Transaction, *, tenant: TenantId) -> None:
    """Serialise changes of a tenant's configuration, so that each check sees the previous change."""
    await tx.execute(_SQL["lock_configuration"], {"tenant": tenant})


async def restore_built_in(tx: Transaction, *, tenant: TenantId) -> None:
    """Reset the tenant and the use cases of administration to their defaults."""
    await tx.execute(_SQL["add_tenant"], {"tenant": tenant})
    await tx.execute(_SQL["restore_administration"], {"tenant": tenant})
    await tx.execute(_SQL["restore_getting_started"], {"tenant": tenant})


def built_in_administrator() -> RegisteredPrincipal:
    """Return the first administrator of a new installation."""
    return RegisteredPrincipal(ADMIN, DEFAULT_TENANT, "person", "Administrator", frozenset({ADMIN}))


async def contents(tx: Transaction, *, tenant: TenantId) -> TenantContents:
    """Return all entries of a tenant that decisions need; four queries.

    Lists an unreadable entry in `unreadable`. The other entries stay usable.
    """
    unreadable: list[Unreadable] = []
    return TenantContents(
        tenant=tenant,
        use_cases=await _readable(tx, _USE_CASES, tenant=tenant, unreadable=unreadable),
        principals=await _readable(tx, _PRINCIPALS, tenant=tenant, unreadable=unreadable),
        keys=await _readable(tx, _KEYS, tenant=tenant, unreadable=unreadable),
        policies=await _readable(tx, _POLICIES, tenant=tenant, unreadable=unreadable),
        unreadable=tuple(unreadable),
    )


class _Reading(NamedTuple, Generic[R, E]):
    """How to read entries of one kind: the queries for all, for ids and for one, the row type and the entry."""

    kind: Kind
    every: str
    ids: str
    one: str
    row: type[R]
    entry: Callable[[R], E]


async def _readable(
    tx: Transaction, reading: _Reading[R, E], *, tenant: TenantId, unreadable: list[Unreadable]
) -> tuple[E, ...]:
    try:
        rows = await tx.rows(_SQL[reading.every], {"tenant": tenant}, of=reading.row)
        return tuple(_entry(reading, row) for row in rows)
    except Unavailable:
        raise
    except _FAULTS as fault:
        return await _one_by_one(tx, reading, tenant=tenant, unreadable=unreadable, fault=fault)


async def _one_by_one(
    tx: Transaction, reading: _Reading[R, E], *, tenant: TenantId, unreadable: list[Unreadable], fault: Exception
) -> tuple[E, ...]:
    try:
        ids = await tx.rows(_SQL[reading.ids], {"tenant": tenant}, of=_Id)
    except HeadgateError:
        raise fault from None  # not the fault of a single row
    found: list[E] = []
    for entry_id in ids:
        try:
            row = await tx.row(_SQL[reading.one], {"tenant": tenant, "id": entry_id.id}, of=reading.row)
            if row is not None:
                found.append(_entry(reading, row))
        except Unavailable:
            raise
        except _FAULTS as problem:
            why = problem.message if isinstance(problem, HeadgateError) else type(problem).__name__
            unreadable.append(Unreadable(reading.kind, entry_id.id, why))
    return tuple(found)


def _entry(reading: _Reading[R, E], row: R) -> E:
    """Return the entry of a row. Raises ValueError for a NULL in a list of names."""
    for name in getattr(row, "__slots__", ()):
        value = getattr(row, name)
        if isinstance(value, list) and None in value:
            raise ValueError(name)
    return reading.entry(row)


def _itself(policy: CustomPolicy) -> CustomPolicy:
    return policy


_USE_CASES = _Reading("use_case", "use_cases", "use_case_ids", "use_case", _UseCaseRow, _UseCaseRow.use_case)
_PRINCIPALS = _Reading("principal", "principals", "principal_ids", "principal", _PrincipalRow, _PrincipalRow.principal)
_KEYS = _Reading("key", "live_keys", "live_key_ids", "key", _KeyRow, _KeyRow.key)
_POLICIES = _Reading("policy", "policies", "policy_ids", "policy", CustomPolicy, _itself)


async def principal(tx: Transaction, entry_id: str, *, tenant: TenantId) -> RegisteredPrincipal | None:
    """Return a registered principal, or None."""
    row = await tx.row(_SQL["principal"], {"tenant": tenant, "id": entry_id}, of=_PrincipalRow)
    return None if row is None else row.principal()


async def principals(tx: Transaction, *, tenant: TenantId) -> list[RegisteredPrincipal]:
    """Return all readable principals, by id."""
    return list(await _readable(tx, _PRINCIPALS, tenant=tenant, unreadable=[]))


async def put_principal(tx: Transaction, entry: RegisteredPrincipal, *, tenant: TenantId, source: Source) -> None:
    """Add or replace a registered principal."""
    clearance = entry.clearance
    params = {
        "tenant": tenant,
        "id": entry.id,
        "kind": entry.kind,
        "name": entry.name,
        "roles": sorted(entry.roles),
        "level": int(clearance.level),
        "categories": _list(clearance.categories),
        "access": _list(clearance.access),
        "groups": sorted(entry.groups),
        "owner": entry.owner,
        "source": source,
    }
    await tx.execute(_SQL["put_principal"], params)


async def use_case(tx: Transaction, entry_id: str, *, tenant: TenantId) -> UseCase | None:
    """Return a use case, or None."""
    row = await tx.row(_SQL["use_case"], {"tenant": tenant, "id": entry_id}, of=_UseCaseRow)
    return None if row is None else row.use_case()


async def use_cases(tx: Transaction, *, tenant: TenantId) -> list[UseCase]:
    """Return all readable use cases, by id."""
    return list(await _readable(tx, _USE_CASES, tenant=tenant, unreadable=[]))


async def put_use_case(tx: Transaction, entry: UseCase, *, tenant: TenantId, source: Source) -> None:
    """Add or replace a use case. Without `members` or `status` a stored use case keeps its own."""
    params = {
        "tenant": tenant,
        "id": entry.id,
        "owner": entry.owner,
        "purpose": entry.purpose,
        "risk": entry.risk,
        "floor_level": int(entry.floor.confidentiality),
        "floor_categories": sorted(entry.floor.categories),
        "ceiling_level": int(entry.ceiling.level),
        "ceiling_categories": _list(entry.ceiling.categories),
        "deployments": _list(entry.deployments),
        "members": _list(entry.members),
        "observe": sorted(entry.observe),
        "expires_at": entry.expires_at,
        "title": entry.title,
        "status": entry.status,
        "review_on": entry.review_on,
        "source": source,
    }
    await tx.execute(_SQL["put_use_case"], params)


async def set_observe(tx: Transaction, entry_id: str, observe: frozenset[str], *, tenant: TenantId) -> None:
    """Set which rules a use case observes."""
    await tx.execute(_SQL["set_observe"], {"tenant": tenant, "id": entry_id, "observe": sorted(observe)})


async def set_status(tx: Transaction, entry_id: str, status: UseCaseStatus, *, tenant: TenantId) -> bool:
    """Set the status of a use case. Return False if it is built in or there is none."""
    return await tx.execute(_SQL["set_status"], {"tenant": tenant, "id": entry_id, "status": status}) > 0


async def set_members(tx: Transaction, entry_id: str, members: frozenset[str], *, tenant: TenantId) -> None:
    """Replace the members of a use case."""
    await tx.execute(_SQL["set_members"], {"tenant": tenant, "id": entry_id, "members": sorted(members)})


async def key(tx: Transaction, entry_id: str, *, tenant: TenantId) -> ApiKey | None:
    """Return a key, revoked or not, or None."""
    row = await tx.row(_SQL["key"], {"tenant": tenant, "id": entry_id}, of=_KeyRow)
    return None if row is None else row.key()


async def keys_page(tx: Transaction, *, tenant: TenantId, after: str, limit: int) -> list[ApiKey]:
    """Return up to `limit` keys, revoked ones included, with ids above `after`, by id."""
    params = {"tenant": tenant, "after": after, "limit": limit}
    return [row.key() for row in await tx.rows(_SQL["keys_page"], params, of=_KeyRow)]


async def add_key(
    tx: Transaction,
    entry: ApiKey,
    *,
    tenant: TenantId,
    made_by_key: str | None = None,
    seen_by: Collection[str] = (),
) -> None:
    """Store a new key.

    Args:
        made_by_key: id of its maker's key, or None for a session.
        seen_by: the others who may have seen its secret.

    Raises:
        Conflict: a tenant already has the same key or key id.
    """
    await tx.execute(
        _SQL["add_key"], {**_key_params(entry, tenant), "made_by_key": made_by_key, "seen_by": sorted(seen_by)}
    )


async def put_imported_key(tx: Transaction, entry: ApiKey, *, tenant: TenantId) -> None:
    """Add or replace an imported key. A revoked one becomes active again."""
    await tx.execute(_SQL["put_imported_key"], _key_params(entry, tenant))


async def imported_keys(tx: Transaction, *, tenant: TenantId) -> list[ApiKey]:
    """Return the active imported keys, by id."""
    return [row.key() for row in await tx.rows(_SQL["imported_keys"], {"tenant": tenant}, of=_KeyRow)]


async def revoke_key(tx: Transaction, entry_id: str, *, tenant: TenantId, now: datetime) -> bool:
    """Revoke a key. Return False if there is no active key with this id."""
    return await tx.execute(_SQL["revoke_key"], {"tenant": tenant, "id": entry_id, "now": now}) > 0


async def set_key_limits(tx: Transaction, entry: ApiKey, *, tenant: TenantId) -> None:
    """Store the limits and the expiry of an active key."""
    await tx.execute(_SQL["set_key_limits"], _key_params(entry, tenant))


async def replace_key(
    tx: Transaction, entry_id: str, *, tenant: TenantId, replaced_by: str, expires_at: datetime
) -> bool:
    """Note the successor of a key, and when the key ends. Return False if it is revoked or has a successor."""
    values = {"tenant": tenant, "id": entry_id, "replaced_by": replaced_by, "expires_at": expires_at}
    return await tx.execute(_SQL["replace_key"], values) > 0


async def policies(tx: Transaction, *, tenant: TenantId) -> list[CustomPolicy]:
    """Return a tenant's readable policies, by id."""
    return list(await _readable(tx, _POLICIES, tenant=tenant, unreadable=[]))


async def put_policy(tx: Transaction, entry: CustomPolicy, *, tenant: TenantId) -> None:
    """Add or replace a policy. The caller has checked its text."""
    params = {
        "tenant": tenant,
        "id": entry.id,
        "text": entry.text,
        "updated_by": entry.updated_by,
        "source": entry.source,
    }
    await tx.execute(_SQL["put_policy"], params)


async def delete(tx: Transaction, kind: Kind, entry_id: str, *, tenant: TenantId, now: datetime) -> bool:
    """Delete an entry that is not built in, and revoke its keys. Return False if there is none.

    Keys are revoked, not deleted, because records name them. Also deletes a principal's sign-in links and sessions.
    """
    where = {"tenant": tenant, "id": entry_id, "now": now}
    if revokes := _REVOKES_KEYS.get(kind):
        await tx.execute(_SQL[revokes], where)
    return await tx.execute(_SQL[_DELETES[kind]], where) > 0


async def ids_of_source(tx: Transaction, kind: Kind, *, tenant: TenantId, source: Source) -> list[str]:
    """Return the ids of the entries that this source manages."""
    rows = await tx.rows(_SQL[_IDS_OF_SOURCE[kind]], {"tenant": tenant, "source": source}, of=_Id)
    return [row.id for row in rows]


_REVOKES_KEYS: Mapping[Kind, str] = {"principal": "revoke_keys_of_principal", "use_case": "revoke_keys_of_use_case"}
_DELETES: Mapping[Kind, str] = {
    "principal": "delete_principal",
    "use_case": "delete_use_case",
    "key": "revoke_key",
    "policy": "delete_policy",
}
_IDS_OF_SOURCE: Mapping[Kind, str] = {
    "principal": "principal_ids_of_source",
    "use_case": "use_case_ids_of_source",
    "key": "live_key_ids_of_source",
    "policy": "policy_ids_of_source",
}


def _key_params(entry: ApiKey, tenant: TenantId) -> dict[str, object]:
    return {
        "tenant": tenant,
        "id": entry.id,
        "principal": entry.principal,
        "use_case": entry.use_case,
        "algorithm": entry.algorithm,
        "digest": entry.digest,
        "prefix": entry.prefix,
        "last_four": entry.last_four,
        "name": entry.name,
        "roles": sorted(entry.roles),
        "scopes": sorted(entry.scopes),
        "requests_per_minute": entry.limits.requests_per_minute,
        "spend_micros_per_day": entry.limits.spend_micros_per_day,
        "currency": entry.limits.currency,
        "created_at": entry.created_at,
        "created_by": entry.created_by,
        "expires_at": entry.expires_at,
        "source": entry.source,
    }


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _list(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)
