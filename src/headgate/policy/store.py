"""The store: policy's tables, as dataclasses. Callers open the transaction, as the tenant that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from headgate.kernel.hashing import same
from headgate.kernel.identity import PrincipalKind, RiskClass, TenantId, UseCase
from headgate.kernel.labels import EVERYTHING, Clearance, Confidentiality, Labels
from headgate.policy.models import ApiKey, CustomPolicy, DigestAlgorithm, KeyLimits, RegisteredPrincipal, Source
from headgate.policy.snapshot import TenantContents
from headgate.substrate.database import Transaction, load_queries

CHANNEL = "headgate_config"
"""Where PostgreSQL says that the configuration changed."""

Kind = Literal["principal", "use_case", "key", "policy"]

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
            clearance=same(clearance),
            groups=frozenset(self.groups),
            owner=self.owner,
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

    def use_case(self) -> UseCase:
        return UseCase(
            id=self.id,
            tenant=TenantId(self.tenant),
            owner=self.owner,
            purpose=self.purpose,
            risk=self.risk,
            floor=same(
                Labels(confidentiality=Confidentiality(self.floor_level), categories=frozenset(self.floor_categories))
            ),
            ceiling=same(ceiling(Confidentiality(self.ceiling_level), _set(self.ceiling_categories))),
            deployments=_set(self.deployments),
            members=frozenset(self.members),
            observe=frozenset(self.observe),
            expires_at=self.expires_at,
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
        )


def ceiling(level: Confidentiality, categories: frozenset[str] | None) -> Clearance:
    """Return the clearance that bounds a use case's content by level and categories, and by nothing else."""
    return Clearance(level=level, categories=categories, access=None, custody=EVERYTHING.custody)


async def config_version(tx: Transaction) -> int:
    """Return how often the configuration changed. Of no tenant."""
    return cast("int", await tx.value(_SQL["config_version"]))


async def tenants(tx: Transaction) -> list[TenantId]:
    """Return every tenant's id. Of no tenant."""
    return [TenantId(row.id) for row in await tx.rows(_SQL["tenants"], of=_Id)]


async def add_tenant(tx: Transaction, tenant: TenantId) -> None:
    """Add a tenant with the built-in use cases; nothing happens if it is there."""
    await tx.execute(_SQL["add_tenant"], {"tenant": tenant})


async def contents(tx: Transaction, *, tenant: TenantId) -> TenantContents:
    """Return all of a tenant that decisions rest on; four queries."""
    where = {"tenant": tenant}
    return TenantContents(
        tenant=tenant,
        use_cases=tuple(row.use_case() for row in await tx.rows(_SQL["use_cases"], where, of=_UseCaseRow)),
        principals=tuple(row.principal() for row in await tx.rows(_SQL["principals"], where, of=_PrincipalRow)),
        keys=tuple(row.key() for row in await tx.rows(_SQL["live_keys"], where, of=_KeyRow)),
        policies=tuple(await policies(tx, tenant=tenant)),
    )


async def principal(tx: Transaction, entry_id: str, *, tenant: TenantId) -> RegisteredPrincipal | None:
    """Return a registered principal, or None."""
    row = await tx.row(_SQL["principal"], {"tenant": tenant, "id": entry_id}, of=_PrincipalRow)
    return None if row is None else row.principal()


async def principals(tx: Transaction, *, tenant: TenantId) -> list[RegisteredPrincipal]:
    """Return all registered principals by id."""
    return [row.principal() for row in await tx.rows(_SQL["principals"], {"tenant": tenant}, of=_PrincipalRow)]


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
    """Return all use cases by id."""
    return [row.use_case() for row in await tx.rows(_SQL["use_cases"], {"tenant": tenant}, of=_UseCaseRow)]


async def put_use_case(tx: Transaction, entry: UseCase, *, tenant: TenantId, source: Source) -> None:
    """Add or replace a use case; without `members`, a stored one keeps those that it has."""
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
        "source": source,
    }
    await tx.execute(_SQL["put_use_case"], params)


async def set_observe(tx: Transaction, entry_id: str, observe: frozenset[str], *, tenant: TenantId) -> None:
    """Set which rules a use case observes."""
    await tx.execute(_SQL["set_observe"], {"tenant": tenant, "id": entry_id, "observe": sorted(observe)})


async def key(tx: Transaction, entry_id: str, *, tenant: TenantId) -> ApiKey | None:
    """Return a key, revoked or not, or None."""
    row = await tx.row(_SQL["key"], {"tenant": tenant, "id": entry_id}, of=_KeyRow)
    return None if row is None else row.key()


async def keys_page(tx: Transaction, *, tenant: TenantId, after: str, limit: int) -> list[ApiKey]:
    """Return up to `limit` keys, revoked ones included, with ids above `after`, by id."""
    params = {"tenant": tenant, "after": after, "limit": limit}
    return [row.key() for row in await tx.rows(_SQL["keys_page"], params, of=_KeyRow)]


async def add_key(tx: Transaction, entry: ApiKey, *, tenant: TenantId, made_by_key: str | None = None) -> None:
    """Keep a new key.

    Args:
        made_by_key: id of the key by which it was made, or None where it was made in a session.

    Raises:
        Conflict: the same key, or its id, is already kept, for whichever tenant.
    """
    await tx.execute(_SQL["add_key"], {**_key_params(entry, tenant), "made_by_key": made_by_key})


async def put_imported_key(tx: Transaction, entry: ApiKey, *, tenant: TenantId) -> None:
    """Keep an imported key, or change what it is for; one that was revoked holds again."""
    await tx.execute(_SQL["put_imported_key"], _key_params(entry, tenant))


async def imported_keys(tx: Transaction, *, tenant: TenantId) -> list[ApiKey]:
    """Return the imported keys that hold, by id."""
    return [row.key() for row in await tx.rows(_SQL["imported_keys"], {"tenant": tenant}, of=_KeyRow)]


async def revoke_key(tx: Transaction, entry_id: str, *, tenant: TenantId, now: datetime) -> bool:
    """Revoke a key; False where there is none that holds."""
    return await tx.execute(_SQL["revoke_key"], {"tenant": tenant, "id": entry_id, "now": now}) > 0


async def policies(tx: Transaction, *, tenant: TenantId) -> list[CustomPolicy]:
    """Return a tenant's own policies by id."""
    return await tx.rows(_SQL["policies"], {"tenant": tenant}, of=CustomPolicy)


async def put_policy(tx: Transaction, entry: CustomPolicy, *, tenant: TenantId) -> None:
    """Add or replace a policy; its text was checked."""
    params = {
        "tenant": tenant,
        "id": entry.id,
        "text": entry.text,
        "updated_by": entry.updated_by,
        "source": entry.source,
    }
    await tx.execute(_SQL["put_policy"], params)


async def delete(tx: Transaction, kind: Kind, entry_id: str, *, tenant: TenantId, now: datetime) -> bool:
    """Delete an entry that is not built in, and revoke the keys that hang on it; False where there is none.

    A key is revoked, as records name it. A principal's sign-in links and sessions go with it.
    """
    where = {"tenant": tenant, "id": entry_id, "now": now}
    if revokes := _REVOKES_KEYS.get(kind):
        await tx.execute(_SQL[revokes], where)
    return await tx.execute(_SQL[_DELETES[kind]], where) > 0


async def ids_of_source(tx: Transaction, kind: Kind, *, tenant: TenantId, source: Source) -> list[str]:
    """Return the ids of the entries that this source looks after."""
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
