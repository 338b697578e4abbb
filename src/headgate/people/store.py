"""The store: sign-in links, sessions, and when people were last seen. Callers open a transaction of the tenant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from headgate.admin.sessions import Session
from headgate.kernel.identity import TenantId
from headgate.people.tokens import Token, name_of
from headgate.substrate.database import Transaction, load_queries

MOST_SESSIONS = 200
"""A list has at most this many sessions of one person."""

_SQL = load_queries("headgate.people")


class Redeemed(NamedTuple):
    """A redeemed link."""

    principal: str
    made_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Link:
    principal: str
    made_by: list[str]


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

    def session(self) -> Session:
        return Session(
            name=name_of(self.digest),
            tenant=TenantId(self.tenant),
            principal=self.principal,
            created_at=self.created_at,
            expires_at=self.expires_at,
            seen_at=self.seen_at,
            agent=self.agent,
            let_in_by=tuple(self.let_in_by),
        )


@dataclass(frozen=True, slots=True)
class _Count:
    principal: str
    count: int


@dataclass(frozen=True, slots=True)
class _Seen:
    principal: str
    at: datetime


async def add_link(
    tx: Transaction, token: Token, *, principal: str, made_by: Sequence[str], now: datetime, expires_at: datetime
) -> None:
    """Store a link, and forget the expired ones."""
    await tx.execute(_SQL["forget_expired_sign_ins"], {"tenant": token.tenant, "now": now})
    values = {
        "tenant": token.tenant,
        "digest": token.digest,
        "principal": principal,
        "expires_at": expires_at,
        "made_by": list(made_by),
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
    return None if row is None else Redeemed(row.principal, tuple(row.made_by))


async def add_session(tx: Transaction, token: Token, session: Session) -> None:
    """Store a session, and forget the expired ones."""
    await tx.execute(_SQL["forget_expired_sessions"], {"tenant": token.tenant, "now": session.created_at})
    values = {
        "tenant": token.tenant,
        "digest": token.digest,
        "principal": session.principal,
        "now": session.created_at,
        "expires_at": session.expires_at,
        "let_in_by": list(session.let_in_by),
        "agent": session.agent,
    }
    await tx.execute(_SQL["add_session"], values)


async def find(tx: Transaction, token: Token, *, now: datetime) -> Session | None:
    """Return the session of a cookie, or None if it ended."""
    where = {"tenant": token.tenant, "digest": token.digest, "now": now}
    row = await tx.row(_SQL["session"], where, of=_Row)
    return None if row is None else row.session()


async def sessions_of(tx: Transaction, principal: str, *, tenant: TenantId, now: datetime) -> list[Session]:
    """Return the open sessions of a person, newest first; at most `MOST_SESSIONS`."""
    where = {"tenant": tenant, "principal": principal, "now": now, "limit": MOST_SESSIONS}
    return [row.session() for row in await tx.rows(_SQL["sessions_of"], where, of=_Row)]


async def session_counts(
    tx: Transaction, principals: Collection[str], *, tenant: TenantId, now: datetime
) -> Mapping[str, int]:
    """Return the number of open sessions of each of these people who has one."""
    where = {"tenant": tenant, "principals": list(principals), "now": now}
    return {row.principal: row.count for row in await tx.rows(_SQL["session_counts"], where, of=_Count)}


async def owner_of_session(tx: Transaction, name: str, *, tenant: TenantId, now: datetime) -> str | None:
    """Return the principal of an open session, or None."""
    found = await tx.value(_SQL["owner_of_session"], {"tenant": tenant, "name": name, "now": now})
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
