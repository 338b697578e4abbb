"""Sign-in: a link that is redeemed once, by POST, within ten minutes; then a session in a cookie, for twelve hours.

Links and cookies read `<tenant>.<token>`: the rows lie behind row-level security, so that the tenant has to be known
before one is looked up. The database keeps digests, not tokens: who reads it can sign in as nobody. The tokens hold 256
random bits, so the digest needs no salt.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from headgate.kernel.errors import OverBudget, Unauthenticated
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock, Ids
from headgate.substrate.database import Transaction, load_queries

COOKIE = "headgate_session"
SIGN_IN_LASTS = timedelta(minutes=10)
SESSION_LASTS = timedelta(hours=12)
ATTEMPTS_PER_MINUTE = 20

USED_LINK = "this sign-in link was used or its ten minutes are over: ask for a new one"
"""One answer for all links that do not hold, so that nobody learns which ones there were."""

_SQL = load_queries("headgate.server")
_TOKEN = re.compile(r"(?P<tenant>[a-z0-9][a-z0-9_-]{0,62})\.(?P<secret>[A-Za-z0-9_-]{20,120})")


class Token(NamedTuple):
    """A link's or cookie's token, taken apart."""

    tenant: TenantId
    digest: bytes

    @property
    def name(self) -> str:
        """What records call it: enough to tell sessions apart, of no use for anything else."""
        return self.digest.hex()[:16]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """An open session."""

    principal: str
    expires_at: datetime


class Opened(NamedTuple):
    """A session that was just opened; `cookie` is given to the browser and kept nowhere, `name` is for records."""

    cookie: str
    session: SessionRow
    name: str


async def create_sign_in(tx: Transaction, *, tenant: TenantId, principal: str, clock: Clock, ids: Ids) -> str:
    """Return a token for the fragment of a sign-in link: one use, ten minutes. The caller commits."""
    now = clock.now()
    token = f"{tenant}.{ids.token(32)}"
    await tx.execute(_SQL["forget_expired_sign_ins"], {"tenant": tenant, "now": now})
    values = {"tenant": tenant, "digest": _digest(token), "principal": principal, "expires_at": now + SIGN_IN_LASTS}
    await tx.execute(_SQL["add_sign_in"], values)
    return token


class Sessions:
    """Links and sessions in the database. The caller opens the transaction, as the tenant, and commits."""

    def __init__(self, *, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    async def invited(self, tx: Transaction, token: Token) -> str | None:
        """Return whom a link was made for, or None where there is none, or it was used, or its time is over."""
        where = {"tenant": token.tenant, "digest": token.digest, "now": self._clock.now()}
        principal = await tx.value(_SQL["sign_in"], where)
        return None if principal is None else str(principal)

    async def redeem(self, tx: Transaction, token: Token) -> Opened:
        """Use a link up and open a session.

        Raises:
            Unauthenticated: there is no such link, or it was used, or its time is over: one answer for all.
        """
        now = self._clock.now()
        where = {"tenant": token.tenant, "digest": token.digest, "now": now}
        principal = await tx.value(_SQL["redeem_sign_in"], where)
        if principal is None:
            raise Unauthenticated(USED_LINK)
        cookie = f"{token.tenant}.{self._ids.token(32)}"
        digest = _digest(cookie)
        session = SessionRow(str(principal), now + SESSION_LASTS)
        await tx.execute(_SQL["forget_expired_sessions"], {"tenant": token.tenant, "now": now})
        await tx.execute(
            _SQL["add_session"],
            {
                "tenant": token.tenant,
                "digest": digest,
                "principal": session.principal,
                "now": now,
                "expires_at": session.expires_at,
            },
        )
        return Opened(cookie, session, Token(token.tenant, digest).name)

    async def find(self, tx: Transaction, token: Token) -> SessionRow | None:
        """Return the session of a cookie, or None where it ended."""
        where = {"tenant": token.tenant, "digest": token.digest, "now": self._clock.now()}
        return await tx.row(_SQL["session"], where, of=SessionRow)

    async def end(self, tx: Transaction, token: Token) -> None:
        """End a session; nothing happens where it ended before."""
        await tx.execute(_SQL["end_session"], {"tenant": token.tenant, "digest": token.digest})


class Attempts:
    """Counts attempts to sign in at this worker by links that do not hold; one that holds is never kept waiting.

    Whoever tries one link after the other is told to wait. What keeps links from being guessed is their 256 bits.
    """

    def __init__(self, clock: Clock, *, per_minute: int = ATTEMPTS_PER_MINUTE) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=per_minute)

    def count(self) -> None:
        """Count one.

        Raises:
            OverBudget: there were too many within the last minute.
        """
        now = self._clock.monotonic()
        if len(self._times) == self._times.maxlen and now - self._times[0] < 60.0:
            wait_s = 60.0 - (now - self._times[0])
            raise OverBudget("too many attempts to sign in: wait a minute", retry_after_s=round(wait_s, 1))
        self._times.append(now)


def read_token(text: str, *, tenants: Collection[str]) -> Token | None:
    """Take a token apart; None where it is of no such form or no tenant is called so."""
    form = _TOKEN.fullmatch(text)
    if form is None or form["tenant"] not in tenants:
        return None
    return Token(TenantId(form["tenant"]), _digest(text))


def cookie_of(headers: Mapping[str, str]) -> str | None:
    """Return the session cookie of a request, or None."""
    for pair in headers.get("cookie", "").replace(",", ";").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def set_cookie(value: str, *, is_secure: bool) -> str:
    """Return the `set-cookie` header that opens a session in the browser, or ends it where `value` is empty."""
    age_s = int(SESSION_LASTS.total_seconds()) if value else 0
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
