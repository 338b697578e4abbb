"""The store: sign-in links, sessions, and when people were last seen. Callers open a transaction of the tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from headgate.admin.sessions import Session
from headgate.kernel.identity import TenantId
from headgate.people.tokens import Token, name_of
from headgate.substrate.database import Transaction, load_queries

MOST_SESSIONS = 200
"""A list has at most this many sessions of one person."""

_SQL = load_queries("headgate.people")


class Moment(NamedTuple):
    """The time at which sessions are open. One that was not used for `idle` has ended."""

    now: datetime
    idle: timedelta

    @property
    def facts(self) -> Mapping[str, datetime]:
        """The parameters of the queries."""
        return {"now": self.now, "used_after": self.now - self.idle}


class LinkTerms(NamedTuple):
    """The people who see a link, and the roles up to which it opens a session; None for any."""

    made_by: Sequence[str] = ()
    roles: Sequence[str] | None = None


class Redeemed(NamedTuple):
    """A redeemed link."""

    principal: str
    made_by: tuple[str, ...]
    roles: frozenset[str] | None

    def allows(self, roles: Collection[str]) -> bool:
        """Return whether the link may open a session with these roles."""
        return self.roles is None or self.roles.issuperset(roles)


@dataclass(frozen=True, slots=True)
class _Link:
    principal: str
    made_by: list[str]
    roles: list[str] | None


@dataclass(frozen=True, slots=True)
class _Row:
    tenant: str
    digest: bytes
    principal: str
    created_at: datetime
    expires_at: datetime
    seen_at: datetime | None
    agent: str
    let_in_by: list[str]
    roles: list[str] | None

    def session(self, at: Moment) -> Session:
        return Session(
            name=name_of(self.digest),
            tenant=TenantId(self.tenant),
            principal=self.principal,
            created_at=self.created_at,
            expires_at=self.expires_at,
            idle_at=(self.seen_at or self.created_at) + at.idle,
            seen_at=self.seen_at,
            agent=self.agent,
            let_in_by=tuple(self.let_in_by),
            roles=None if self.roles is None else frozenset(self.roles),
        )


@dataclass(frozen=True, slots=True)
class _Count:
    principal: str
    roles: list[str] | None
    count: int


@dataclass(frozen=True, slots=True)
class _Seen:
    principal: str
    at: datetime


async def add_link(
    tx: Transaction, token: Token, *, principal: str, terms: LinkTerms, now: datetime, expires_at: datetime
) -> None:
    """Store a link, and forget the expired ones."""
    await tx.execute(_SQL["forget_expired_sign_ins"], {"tenant": token.tenant, "now": now})
    values = {
        "tenant": token.tenant,
        "digest": token.digest,
        "principal": principal,
        "expires_at": expires_at,
        "made_by": list(terms.made_by),
        "roles": None if terms.roles is None else list(terms.roles),
    }
    await tx.execute(_SQL["add_sign_in"], values)


async def invited(tx: Transaction, token: Token, *, now: datetime) -> str | None:
    """Return the principal of a link, or None if the link does not exist, was used or has expired."""
    where = {"tenant": token.tenant, "digest": token.digest, "now": now}
    principal = await tx.value(_SQL["sign_in"], where)
    return None if principal is None else str(principal)


async def redeem(tx: Transaction, token: Token, *, now: datetime) -> Redeemed | None:
    """Delete a link and return its principal, or None if it does not exist, was used or has expired."""
    where = {"tenant": token.tenant, "digest": token.digest, "now": now}
    row = await tx.row(_SQL["redeem_sign_in"], where, of=_Link)
    if row is None:
        return None
    return Redeemed(row.principal, tuple(row.made_by), None if row.roles is None else frozenset(row.roles))


async def add_session(tx: Transaction, token: Token, session: Session, *, at: Moment) -> None:
    """Store a session, and forget those that ended."""
    await tx.execute(_SQL["forget_expired_sessions"], {"tenant": token.tenant, **at.facts})
    values = {
        "tenant": token.tenant,
        "digest": token.digest,
        "principal": session.principal,
        "now": session.created_at,
        "expires_at": session.expires_at,
        "let_in_by": list(session.let_in_by),
        "roles": None if session.roles is None else sorted(session.roles),
        "agent": session.agent,
    }
    await tx.execute(_SQL["add_session"], values)


async def find(tx: Transaction, token: Token, *, at: Moment) -> Session | None:
    """Return the session of a cookie, or None if it ended."""
    where = {"tenant": token.tenant, "digest": token.digest, **at.facts}
    row = await tx.row(_SQL["session"], where, of=_Row)
    return None if row is None else row.session(at)


async def sessions_of(tx: Transaction, principal: str, *, tenant: TenantId, at: Moment) -> list[Session]:
    """Return the open sessions of a person, newest first; at most `MOST_SESSIONS`."""
    where = {"tenant": tenant, "principal": principal, "limit": MOST_SESSIONS, **at.facts}
    return [row.session(at) for row in await tx.rows(_SQL["sessions_of"], where, of=_Row)]


async def session_counts(
    tx: Transaction, roles_of: Mapping[str, Collection[str]], *, tenant: TenantId, at: Moment
) -> Mapping[str, int]:
    """Return the number of open sessions of each of these people, by id with their roles now."""
    where = {"tenant": tenant, "principals": list(roles_of), **at.facts}
    counts: Counter[str] = Counter()
    for row in await tx.rows(_SQL["session_counts"], where, of=_Count):
        if row.roles is None or set(row.roles).issuperset(roles_of[row.principal]):
            counts[row.principal] += row.count
    return counts


async def owner_of_session(tx: Transaction, name: str, *, tenant: TenantId, at: Moment) -> str | None:
    """Return the principal of an open session, or None."""
    found = await tx.value(_SQL["owner_of_session"], {"tenant": tenant, "name": name, **at.facts})
    return None if found is None else str(found)


async def end(tx: Transaction, token: Token) -> None:
    """End a session; does nothing if it has ended."""
    await tx.execute(_SQL["end_session"], {"tenant": token.tenant, "digest": token.digest})


async def end_named(tx: Transaction, name: str, *, tenant: TenantId, principal: str) -> None:
    """End a session of a person by its name; does nothing if it has ended."""
    await tx.execute(_SQL["end_named_session"], {"tenant": tenant, "principal": principal, "name": name})


async def end_all(tx: Transaction, principal: str, *, tenant: TenantId, but: str | None = None) -> int:
    """End the sessions of a person, and return their number.

    Args:
        but: name of the session that stays open.
    """
    return await tx.execute(_SQL["end_sessions"], {"tenant": tenant, "principal": principal, "but": but})


async def end_links(tx: Transaction, principal: str, *, tenant: TenantId) -> None:
    """Make the unused links of a person invalid."""
    await tx.execute(_SQL["end_links"], {"tenant": tenant, "principal": principal})


async def note(
    tx: Transaction,
    principals: Collection[str],
    sessions: Collection[str],
    *,
    tenant: TenantId,
    now: datetime,
    before: datetime,
) -> None:
    """Note that these people and sessions were seen, where that is unknown or was noted before `before`.

    Args:
        sessions: their names.
    """
    values = {"tenant": tenant, "principals": list(principals), "names": list(sessions), "now": now, "before": before}
    await tx.execute(_SQL["note_principals"], values)
    await tx.execute(_SQL["note_sessions"], values)


async def seen(tx: Transaction, principals: Collection[str], *, tenant: TenantId) -> Mapping[str, datetime]:
    """Return when these people were last seen, without those who never were."""
    rows = await tx.rows(_SQL["seen"], {"tenant": tenant, "principals": list(principals)}, of=_Seen)
    return {row.principal: row.at for row in rows}
