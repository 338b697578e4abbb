"""Stored entries of a tenant besides the kernel's `UseCase`: principals, keys and policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from headgate.admin.callers import ADMINISTRATION
from headgate.kernel.identity import Limits, Principal, PrincipalKind, TenantId, UseCase
from headgate.kernel.labels import EMPTY, EVERYTHING, Clearance

DigestAlgorithm = Literal["sha256", "sha512", "blake2b"]
"""Fast digests without salt, because a key is looked up by its digest. A key has 256 random bits, so a slow digest
would add no protection, and would cost every request a tenth of a second."""

Source = Literal["api", "file", "built_in"]
"""The manager of an entry: people through the admin API, `headgate.toml`, or Headgate itself."""

DEFAULT_TENANT = TenantId("default")
GETTING_STARTED = "getting-started"
JOBS = "jobs"
MAX_PAGE = 500
"""Largest page of a list."""

ADMIN = "admin"
"""The administrators' role, and the id of the first administrator."""
OPERATOR = Principal("machine operator", DEFAULT_TENANT, kind="person", roles=frozenset({"operator"}))
"""The operator at Headgate's machine. Its id has a space, so nobody can register the same id."""
HEADGATE = "headgate"
"""The principal of background work, in every tenant."""
BUILT_IN_USE_CASES = frozenset({GETTING_STARTED, ADMINISTRATION, JOBS})


@dataclass(frozen=True, slots=True)
class RegisteredPrincipal:
    """A registered person, service or agent of a tenant.

    Args:
        name: for display.
        groups: names of its groups, such as an identity provider's.
        owner: id of the principal responsible for a program, or empty.
        roles: all of its roles; a key or session may have fewer.
        source: the manager of the entry.
    """

    id: str
    tenant: TenantId
    kind: PrincipalKind = "service"
    name: str = ""
    roles: frozenset[str] = EMPTY
    clearance: Clearance = EVERYTHING
    groups: frozenset[str] = EMPTY
    owner: str = ""
    source: Source = field(default="api", compare=False)

    def acting(self, key: ApiKey | None = None) -> Principal:
        """Return the kernel's principal, with all roles for a session, or with the roles of a key."""
        if key is None:
            return Principal(self.id, self.tenant, kind=self.kind, roles=self.roles, clearance=self.clearance)
        return Principal(
            id=self.id,
            tenant=self.tenant,
            kind=self.kind,
            # A role that the principal has lost is lost for the key too.
            roles=key.roles & self.roles,
            clearance=self.clearance,
            key_id=key.id,
            limits=Limits(
                requests_per_minute=key.limits.requests_per_minute,
                cost_micros_per_day=key.limits.spend_micros_per_day,
                currency=key.limits.currency or Limits().currency,
            ),
            aliases=key.aliases,
        )


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Limits of a key; None is no limit. Money is in micro-units of `currency`."""

    requests_per_minute: int | None = None
    spend_micros_per_day: int | None = None
    currency: str | None = None


_CALLS = frozenset({"model.invoke", "model.pass_through"})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key. It has the digest of the secret, not the secret.

    Args:
        id: unique among all tenants' keys.
        digest: of the whole key as its holder presents it.
        prefix, last_four: for display, `hg_1a2b3c4d…wxyz`.
        roles: the roles of the key, a subset of its principal's.
        scopes: allowed verbs (`model.invoke`) and aliases (`alias:local-chat`); empty is no limit.
        replaced_by: id of the key that replaces it, or None.
    """

    id: str
    tenant: TenantId
    principal: str
    use_case: str
    algorithm: DigestAlgorithm
    digest: bytes
    prefix: str
    last_four: str = ""
    name: str = ""
    roles: frozenset[str] = EMPTY
    scopes: frozenset[str] = EMPTY
    limits: KeyLimits = field(default_factory=KeyLimits)
    created_at: datetime | None = None
    created_by: str = ""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    source: Source = "api"
    replaced_by: str | None = None

    @property
    def verbs(self) -> frozenset[str] | None:
        """The allowed verbs, or None for all. Those of calls include the dispatch to deployments."""
        verbs = frozenset(scope for scope in self.scopes if not scope.startswith("alias:"))
        return (verbs | {"model.dispatch"} if verbs & _CALLS else verbs) or None

    @property
    def aliases(self) -> frozenset[str] | None:
        """The allowed model aliases, or None for all."""
        return frozenset(scope.removeprefix("alias:") for scope in self.scopes if scope.startswith("alias:")) or None

    def is_expired(self, now: datetime) -> bool:
        """Return whether it has expired."""
        return self.expires_at is not None and self.expires_at <= now


class Authenticated(NamedTuple):
    """The principal, use case and key of an authenticated caller."""

    principal: Principal
    use_case: UseCase
    key: ApiKey


@dataclass(frozen=True, slots=True)
class CustomPolicy:
    """A tenant's own Cedar text, in addition to the baseline. It may have several rules."""

    id: str
    tenant: TenantId
    text: str
    updated_by: str = ""
    updated_at: datetime | None = None
    source: Source = "api"

    @property
    def source_name(self) -> str:
        """The `source` of its rules."""
        return f"policy {self.id}"
