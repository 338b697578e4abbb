"""What policy keeps of a tenant besides the kernel's `UseCase`: who is registered, keys, policies of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from headgate.admin.callers import ADMINISTRATION
from headgate.kernel.identity import Limits, Principal, PrincipalKind, TenantId, UseCase
from headgate.kernel.labels import EMPTY, EVERYTHING, Clearance

DigestAlgorithm = Literal["sha256", "sha512", "blake2b"]
"""Fast digests only. A key is looked up by the digest of what was presented, so there can be no salt; it holds 256
random bits, so a slow digest would protect nothing, and would cost every request a tenth of a second."""

Source = Literal["api", "file", "built_in"]
"""Who looks after an entry: people through the admin API, `headgate.toml`, or Headgate itself."""

DEFAULT_TENANT = TenantId("default")
GETTING_STARTED = "getting-started"
JOBS = "jobs"
MAX_PAGE = 500
"""The most entries that a list gives at once."""

ADMIN = "admin"
"""The role, and the first principal, that administers."""
OPERATOR = Principal("machine operator", DEFAULT_TENANT, kind="person", roles=frozenset({"operator"}))
"""Whoever runs commands on Headgate's own machine; nobody can be registered by a name with a blank."""
HEADGATE = "headgate"
"""The principal of background work, in every tenant."""
BUILT_IN_USE_CASES = frozenset({GETTING_STARTED, ADMINISTRATION, JOBS})


@dataclass(frozen=True, slots=True)
class RegisteredPrincipal:
    """A person, service or agent that a tenant knows.

    Args:
        name: for display.
        groups: names of the groups that it belongs to, such as an identity provider's.
        owner: id of the principal who answers for a program, or empty.
        roles: everything that it may act as; a key or session may carry fewer.
    """

    id: str
    tenant: TenantId
    kind: PrincipalKind = "service"
    name: str = ""
    roles: frozenset[str] = EMPTY
    clearance: Clearance = EVERYTHING
    groups: frozenset[str] = EMPTY
    owner: str = ""

    def acting(self, key: ApiKey | None = None) -> Principal:
        """Return the kernel's principal, with all roles for a session, or limited to what a key carries."""
        if key is None:
            return Principal(self.id, self.tenant, kind=self.kind, roles=self.roles, clearance=self.clearance)
        return Principal(
            id=self.id,
            tenant=self.tenant,
            kind=self.kind,
            # What somebody lost since the key was made, the key lost too.
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
    """What a key may use at most; None is no limit of its own. Money is micro-units of `currency`."""

    requests_per_minute: int | None = None
    spend_micros_per_day: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: enough to recognise it, not enough to use it.

    Args:
        id: unique among all tenants' keys.
        digest: of the whole key as its holder presents it.
        prefix, last_four: for display, `hg_1a2b3c4d…wxyz`.
        roles: of the principal's roles, those that the key carries.
        scopes: verbs (`model.invoke`) and aliases (`alias:local-chat`) that it is limited to; empty is no limit.
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

    @property
    def verbs(self) -> frozenset[str] | None:
        """The verbs that it is limited to, or None. Who may have an alias answer may have deployments answer for it."""
        verbs = frozenset(scope for scope in self.scopes if not scope.startswith("alias:"))
        return (verbs | {"model.dispatch"} if "model.invoke" in verbs else verbs) or None

    @property
    def aliases(self) -> frozenset[str] | None:
        """The model aliases that it is limited to, or None."""
        return frozenset(scope.removeprefix("alias:") for scope in self.scopes if scope.startswith("alias:")) or None

    def is_expired(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class Authenticated(NamedTuple):
    """Who presented a key, for what, and the key."""

    principal: Principal
    use_case: UseCase
    key: ApiKey


@dataclass(frozen=True, slots=True)
class CustomPolicy:
    """Cedar text of a tenant's own, beside the baseline; it may hold several rules."""

    id: str
    tenant: TenantId
    text: str
    updated_by: str = ""
    updated_at: datetime | None = None
    source: Source = "api"

    @property
    def source_name(self) -> str:
        """How its rules say where they stand."""
        return f"policy {self.id}"
