"""Sessions of signed-in people, as the server authenticates them and the operator's commands open them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import Principal, TenantId
from headgate.substrate.database import Transaction

COOKIE = "headgate_session"

LET_IN_BY = "let_in_by"
"""The attribute of an action with the people who could have opened its session; see `attribute_of`."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open session.

    Args:
        name: short name for records; it tells sessions apart and grants nothing.
        expires_at: its end, however much it is used.
        idle_at: its end if it is not used again.
        seen_at: the last request, within a few minutes.
        agent: the browser, as it names itself.
        let_in_by: the people who could have opened it: the maker of its link, and who could have opened that
            maker's session. Empty for a link from the operator's machine.
        roles: the person's roles when somebody else could have opened it; None for any. It ends with another role.
    """

    name: str
    tenant: TenantId
    principal: str
    created_at: datetime
    expires_at: datetime
    idle_at: datetime
    seen_at: datetime | None = None
    agent: str = ""
    let_in_by: tuple[str, ...] = ()
    roles: frozenset[str] | None = None

    def allows(self, roles: Collection[str]) -> bool:
        """Return whether the session is valid for a person with these roles."""
        return self.roles is None or self.roles.issuperset(roles)


class Link(NamedTuple):
    """A new sign-in link. `token` is its secret, `name` is for records."""

    token: str
    name: str
    expires_at: datetime


class Sessions(Protocol):
    """The sessions of this installation. One feature has them."""

    async def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, or None if it ended or never was."""
        ...

    async def invite(
        self, transaction: Transaction, *, tenant: TenantId, principal: str, made_by: Sequence[str] = ()
    ) -> Link:
        """Make a link that opens one session within ten minutes, for use at once.

        Args:
            made_by: the people who see the link; empty for the operator.
        """
        ...

    def saw(self, principal: Principal, session: Session | None = None) -> None:
        """Note that a principal sent a request. Costs no I/O; a job writes it within minutes."""
        ...


SESSIONS: Port[Sessions] = Port("sessions of people")


def attribute_of(session: Session) -> Mapping[str, str]:
    """Return the people who could have opened a session as an attribute of its actions; empty if there are none."""
    return {LET_IN_BY: json.dumps(session.let_in_by)} if session.let_in_by else {}


def let_in_by(attributes: Mapping[str, str]) -> frozenset[str]:
    """Return the people who could have opened the session of an action with these attributes."""
    return frozenset(json.loads(attributes.get(LET_IN_BY, "[]")))


def cookie_of(headers: Mapping[str, str]) -> str | None:
    """Return the session cookie of a request, or None."""
    for pair in headers.get("cookie", "").replace(",", ";").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return None
