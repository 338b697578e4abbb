"""The register of people and services, as other features read and change it. One feature keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import Principal, PrincipalKind, TenantId, UseCase
from headgate.kernel.labels import EMPTY, EVERYTHING, Clearance
from headgate.substrate.database import Transaction

ManagedBy = Literal["api", "file", "built_in"]
"""The manager of an entry: people through the admin API, `headgate.toml`, or Headgate itself."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered person, service or agent.

    Args:
        name: for display; may be empty.
        owner: id of the person responsible for a program, or empty.
    """

    id: str
    kind: PrincipalKind = "person"
    name: str = ""
    roles: frozenset[str] = EMPTY
    clearance: Clearance = EVERYTHING
    groups: frozenset[str] = EMPTY
    owner: str = ""
    managed_by: ManagedBy = "api"

    @property
    def title(self) -> str:
        """The name for display, or the id of someone without a name."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class HeldKey:
    """An active key, without its secret. A limit of None is no limit.

    Args:
        cost_micros_per_day: in micro-units of `currency`, by the UTC day.
        replaced_by: id of the key that replaces it, or None.
    """

    id: str
    name: str
    prefix: str
    principal: str
    use_case: str
    roles: frozenset[str]
    expires_at: datetime | None
    requests_per_minute: int | None
    cost_micros_per_day: int | None
    currency: str
    replaced_by: str | None = None


class Register(Protocol):
    """The registered principals of each tenant, with their use cases and keys."""

    def everybody(self, tenant: TenantId) -> Mapping[str, Registration]:
        """Return the registered principals by id: the same object until one of them changes."""
        ...

    def use_cases(self, tenant: TenantId) -> Mapping[str, UseCase]:
        """Return the use cases by id."""
        ...

    def is_member(self, use_case: UseCase, principal: Registration) -> bool:
        """Return whether the members of a use case include a principal, by id, by group or as everybody."""
        ...

    def keys(self, tenant: TenantId) -> Sequence[HeldKey]:
        """Return the active keys."""
        ...

    async def could_act_as(
        self, transaction: Transaction, principal: Principal, attributes: Mapping[str, str]
    ) -> frozenset[str]:
        """Return the others who could send the same request: the makers of the caller's key or sign-in link.

        Args:
            attributes: of the caller's actions.
        """
        ...

    async def put(self, transaction: Transaction, entry: Registration, *, tenant: TenantId, by: str) -> None:
        """Add a registration, or replace the one with its id.

        Args:
            by: id of the principal who makes the change.

        Raises:
            Invalid: a role or group is not valid.
            Conflict: it is built in, or no administrator would remain.
        """
        ...

    async def remove(self, transaction: Transaction, principal: str, *, tenant: TenantId, by: str) -> None:
        """Remove a registration, and revoke its keys.

        Raises:
            NotFound: it is not registered.
            Conflict: it is built in, or no administrator would remain.
        """
        ...


REGISTER: Port[Register] = Port("register of people")
