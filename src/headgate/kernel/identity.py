"""Who acts, and for what registered purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType

from headgate.kernel.hashing import HashedOnce, hashed_once
from headgate.kernel.labels import BOTTOM, EVERYTHING, Clearance, Labels

TenantId = NewType("TenantId", str)
RecordId = NewType("RecordId", str)

PrincipalKind = Literal["person", "service", "agent"]
RiskClass = Literal["minimal", "limited", "high"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use; None is unlimited. Money in micro-units of `currency`, counted by the UTC day."""

    requests_per_minute: int | None = None
    cost_micros_per_day: int | None = None
    currency: str = "USD"


@hashed_once
@dataclass(frozen=True, slots=True)
class Principal(HashedOnce):
    """A person, a service, or an agent run that acts for someone.

    Args:
        id: unique within the tenant; the ledger stores a pseudonym of it.
        roles: what administration it may do, such as `admin`, `auditor`, `developer`.
        clearance: what may flow to it.
        on_behalf_of: the delegation chain, nearest first.
        key_id: the API key that it presented, or None for a session.
        limits: what that key may use.
        aliases: the only resources that the key may name, or None for any.
    """

    id: str
    tenant: TenantId
    kind: PrincipalKind = "service"
    roles: frozenset[str] = frozenset()
    clearance: Clearance = EVERYTHING
    on_behalf_of: tuple[str, ...] = ()
    key_id: str | None = None
    limits: Limits = Limits()
    aliases: frozenset[str] | None = None


@hashed_once
@dataclass(frozen=True, slots=True)
class UseCase(HashedOnce):
    """A registered purpose that every call is bound to.

    Args:
        floor: labels that all content of this use case has at least.
        ceiling: what content it may handle at all.
        deployments: ids it may use, or None for every deployment whose clearance suffices.
        members: who may use it besides its owner and administrators: ids of principals, `group:NAME`, or `*` for
            everyone. None: nobody said; a stored use case keeps its members, a new one has none.
        observe: ids of rules that only record what they would have done.
        expires_at: aware UTC time after which it is refused, or None.
    """

    id: str
    tenant: TenantId
    owner: str
    purpose: str
    risk: RiskClass = "limited"
    floor: Labels = BOTTOM
    ceiling: Clearance = EVERYTHING
    deployments: frozenset[str] | None = None
    members: frozenset[str] | None = None
    observe: frozenset[str] = field(default_factory=frozenset[str])
    expires_at: datetime | None = None
