"""Sign-in links, which work once within ten minutes, and sessions in a cookie, which last twelve hours.

Links and cookies have the form `<tenant>.<token>`, because row-level security needs the tenant for each lookup.
The database keeps digests, so a reader of the database cannot sign in. Tokens hold 256 random bits, so the digest
needs no salt.
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
"""One message for all invalid links, so that nobody learns which links existed."""

_SQL = load_queries("headgate.server")
_TOKEN = re.compile(r"(?P<tenant>[a-z0-9][a-z0-9_-]{0,62})\.(?P<secret>[A-Za-z0-9_-]{20,120})")


class Token(NamedTuple):
    """The token of a link or cookie, split into tenant and digest."""

    tenant: TenantId
    digest: bytes

    @property
    def name(self) -> str:
        """Short name for records; it tells sessions apart and grants nothing."""
        return self.digest.hex()[:16]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """An open session."""

    principal: str
    expires_at: datetime


class Opened(NamedTuple):
    """A new session; `cookie` goes to the browser and is not stored, `name` is for records."""

    cookie: str
    session: SessionRow
    name: str


async def create_sign_in(tx: Transaction, *, tenant: TenantId, principal: str, clock: Clock, ids: Ids) -> str:
    """Create a sign-in token, valid once within ten minutes. The caller commits."""
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
        """Return the principal of a link, or None if the link does not exist, was used or has expired."""
        where = {"tenant": token.tenant, "digest": token.digest, "now": self._clock.now()}
        principal = await tx.value(_SQL["sign_in"], where)
        return None if principal is None else str(principal)

    async def redeem(self, tx: Transaction, token: Token) -> Opened:
        """Redeem a link and open a session.

        Raises:
            Unauthenticated: the link does not exist, was used or has expired; the message is the same.
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
        """Return the session of a cookie, or None if it ended."""
        where = {"tenant": token.tenant, "digest": token.digest, "now": self._clock.now()}
        return await tx.row(_SQL["session"], where, of=SessionRow)

    async def end(self, tx: Transaction, token: Token) -> None:
        """End a session; does nothing if it has ended."""
        await tx.execute(_SQL["end_session"], {"tenant": token.tenant, "digest": token.digest})


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


def read_token(text: str, *, tenants: Collection[str]) -> Token | None:
    """Parse a token; None if its form is wrong or its tenant does not exist."""
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
    """Return the `set-cookie` header for a session; an empty `value` deletes the cookie."""
    age_s = int(SESSION_LASTS.total_seconds()) if value else 0
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
