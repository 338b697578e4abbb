"""The service: links that open one session, and sessions in a cookie, which go on while they are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from headgate.admin.register import Registration
from headgate.admin.sessions import Link, Session
from headgate.kernel.errors import OverBudget, Unauthenticated
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.ports import Clock, Ids
from headgate.people import store
from headgate.people.last_seen import LastSeen
from headgate.people.tokens import SIGN_IN_LASTS, Lifetimes, Token, new_secret, read_token
from headgate.substrate.database import Database, Transaction

ATTEMPTS_PER_MINUTE = 20

USED_LINK = "this sign-in link was used, was replaced or has expired: ask for a new one"
"""One message for all invalid links, so that nobody learns which links existed."""

_MOST_AGENT_CHARS = 300


class OpenedSession(NamedTuple):
    """A new session; `cookie` goes to the browser and is not stored."""

    cookie: str
    session: Session


class PeopleSessions:
    """Links and sessions in the database: `admin.sessions.Sessions`."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        ids: Ids,
        tenants: Callable[[], Collection[TenantId]],
        last_seen: LastSeen,
        lifetimes: Lifetimes,
        registered: Callable[[TenantId], Mapping[str, Registration]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._tenants = tenants
        self._last_seen = last_seen
        self._registered = registered
        self.lifetimes = lifetimes

    def read(self, text: str) -> Token | None:
        """Parse a token; None if its form is wrong or its tenant does not exist."""
        return read_token(text, tenants=self._tenants())

    async def find(self, cookie: str) -> Session | None:
        """As `Sessions.find`. One round trip, so that an ended session is out at once on every worker.

        A session that somebody else could have opened ends here once its person has another role.
        """
        token = self.read(cookie)
        if token is None:
            return None
        async with self._database.transaction(tenant=token.tenant) as tx:
            session = await store.find(tx, token, at=self._at())
            if session is not None and not session.allows(self._roles_of(session.principal, tenant=token.tenant)):
                await store.end(tx, token)
                return None
        return session

    async def invite(
        self, transaction: Transaction, *, tenant: TenantId, principal: str, made_by: Sequence[str] = ()
    ) -> Link:
        """As `Sessions.invite`. The caller commits."""
        return await self._add_link(transaction, principal, store.LinkTerms(made_by), SIGN_IN_LASTS, tenant=tenant)

    async def invite_with_roles(
        self, tx: Transaction, principal: str, roles: Collection[str], *, tenant: TenantId, made_by: Sequence[str]
    ) -> Link:
        """Make a link for a person that its maker could use too. It replaces the person's unused links.

        A link for somebody else is an invitation, which lasts for days. It opens no session after the person got other
        roles, and its session ends with them, because its maker may not be allowed to have them.
        """
        await store.end_links(tx, principal, tenant=tenant)
        lasts = SIGN_IN_LASTS if principal == made_by[0] else self.lifetimes.invitation
        terms = store.LinkTerms(made_by, roles=sorted(roles))
        return await self._add_link(tx, principal, terms, lasts, tenant=tenant)

    def saw(self, principal: Principal, session: Session | None = None) -> None:
        """As `Sessions.saw`."""
        self._last_seen.note(principal.tenant, principal.id, session.name if session else None)

    async def invited(self, token: Token) -> str | None:
        """Return the principal of a link, or None if the link does not exist, was used or has expired."""
        async with self._database.transaction(tenant=token.tenant) as tx:
            return await store.invited(tx, token, now=self._clock.now())

    async def redeem(self, token: Token, *, roles: Collection[str], agent: str) -> OpenedSession:
        """Redeem a link and open a session.

        Args:
            roles: the person's roles now.
            agent: the browser, as it names itself.

        Raises:
            Unauthenticated: the link does not exist, was used, has expired or is for fewer roles; the message is the
                same.
        """
        now = self._clock.now()
        async with self._database.transaction(tenant=token.tenant) as tx:
            redeemed = await store.redeem(tx, token, now=now)
            if redeemed is None or not redeemed.allows(roles):
                raise Unauthenticated(USED_LINK)
            is_of_others = any(one != redeemed.principal for one in redeemed.made_by)
            cookie, opened = new_secret(token.tenant, self._ids)
            session = Session(
                name=opened.name,
                tenant=token.tenant,
                principal=redeemed.principal,
                created_at=now,
                expires_at=now + self.lifetimes.session,
                idle_at=now + self.lifetimes.idle,
                seen_at=now,
                agent=_plain(agent),
                let_in_by=redeemed.made_by,
                roles=frozenset(roles) if is_of_others else None,
            )
            await store.add_session(tx, opened, session, at=self._at())
            seen = [session.principal]
            await store.note(tx, seen, [], tenant=token.tenant, now=now, before=now)
        return OpenedSession(cookie, session)

    async def of(self, principal: str, *, tenant: TenantId) -> list[Session]:
        """Return the open sessions of a person, newest first."""
        async with self._database.transaction(tenant=tenant) as tx:
            found = await store.sessions_of(tx, principal, tenant=tenant, at=self._at())
        roles = self._roles_of(principal, tenant=tenant)
        return [one for one in found if one.allows(roles)]

    async def counts(self, tx: Transaction, principals: Collection[str], *, tenant: TenantId) -> Mapping[str, int]:
        """Return the number of open sessions of each of these people who has one."""
        roles_of = {one: self._roles_of(one, tenant=tenant) for one in principals}
        return await store.session_counts(tx, roles_of, tenant=tenant, at=self._at())

    async def owner_of(self, name: str, *, tenant: TenantId) -> str | None:
        """Return the person of an open session, or None if no session has this name."""
        async with self._database.transaction(tenant=tenant) as tx:
            return await store.owner_of_session(tx, name, tenant=tenant, at=self._at())

    async def end(self, name: str, *, tenant: TenantId, principal: str) -> None:
        """End one session of a person."""
        async with self._database.transaction(tenant=tenant) as tx:
            await store.end_named(tx, name, tenant=tenant, principal=principal)

    async def end_all(self, principal: str, *, tenant: TenantId, but: str | None = None) -> int:
        """End the sessions of a person and return their number. Without `but`, unused links become invalid too.

        Args:
            but: name of the session that stays open.
        """
        async with self._database.transaction(tenant=tenant) as tx:
            if but is None:
                await store.end_links(tx, principal, tenant=tenant)
            return await store.end_all(tx, principal, tenant=tenant, but=but)

    def _roles_of(self, principal: str, *, tenant: TenantId) -> frozenset[str]:
        registered = self._registered(tenant).get(principal)
        return frozenset() if registered is None else registered.roles

    def _at(self) -> store.Moment:
        return store.Moment(self._clock.now(), self.lifetimes.idle)

    async def _add_link(
        self, tx: Transaction, principal: str, terms: store.LinkTerms, lasts: timedelta, *, tenant: TenantId
    ) -> Link:
        now = self._clock.now()
        text, token = new_secret(tenant, self._ids)
        await store.add_link(tx, token, principal=principal, terms=terms, now=now, expires_at=now + lasts)
        return Link(text, token.name, now + lasts)


class Attempts:
    """Rate limit for sign-ins with invalid links at this worker. Valid links never wait.

    The limit slows down floods; the 256 bits of a token prevent guessing.
    """

    def __init__(self, clock: Clock, *, per_minute: int = ATTEMPTS_PER_MINUTE) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=per_minute)

    def count(self) -> None:
        """Count one failed sign-in.

        Raises:
            OverBudget: too many sign-ins failed within the last minute.
        """
        now = self._clock.monotonic()
        if len(self._times) == self._times.maxlen and now - self._times[0] < 60.0:
            wait_s = 60.0 - (now - self._times[0])
            raise OverBudget("too many failed sign-ins: wait a minute, then try again", retry_after_s=round(wait_s, 1))
        self._times.append(now)


def _plain(agent: str) -> str:
    """Return a browser's name of itself as the database takes it."""
    return agent.replace("\0", "")[:_MOST_AGENT_CHARS]
