"""Principals, their limits, and use cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NewType

from headgate.kernel.hashing import HashedOnce, hashed_once
from headgate.kernel.labels import BOTTOM, EVERYTHING, Clearance, Labels

TenantId = NewType("TenantId", str)
RecordId = NewType("RecordId", str)

PrincipalKind = Literal["person", "service", "agent"]
RiskClass = Literal["minimal", "limited", "high"]
UseCaseStatus = Literal["draft", "live", "paused", "retired"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a key; None is unlimited.

    Money is in micro-units of `currency` and counts by the UTC day.
    """

    requests_per_minute: int | None = None
    cost_micros_per_day: int | None = None
    currency: str = "USD"


@hashed_once
@dataclass(frozen=True, slots=True)
class Principal(HashedOnce):
    """A person, a service, or an agent run that acts for someone.

    Args:
        id: unique within the tenant; the ledger stores a pseudonym of it.
        roles: its roles in administration, such as `admin`, `auditor`, `developer`.
        clearance: limits the content that may flow to it.
        on_behalf_of: the delegation chain, nearest first.
        key_id: the API key of the request, or None for a session.
        limits: of that key.
        aliases: the aliases that the key may call, or None for any.
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
    """A registered purpose. Every call is bound to one.

    Args:
        floor: the minimum labels of all content of this use case.
        ceiling: the clearance of the use case; content above it is refused.
        deployments: ids of allowed deployments, or None for every deployment with a sufficient
            clearance.
        members: ids of principals, `group:NAME`, or `*` for everyone. The owner and administrators
            may always use it. None keeps the members of a stored use case; a new one has none.
        observe: ids of rules that only record their effect and do not enforce it.
        expires_at: aware UTC time after which calls are refused, or None.
        title: its name for people; empty if it has none besides its id.
        status: only a live one serves calls; the owner and administrators may also try a draft. None
            keeps the status of a stored use case; a new one is live.
        review_on: the day by which its owner reviews it, or None.
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
    title: str = ""
    status: UseCaseStatus | None = None
    review_on: date | None = None
