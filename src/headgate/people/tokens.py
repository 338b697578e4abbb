"""Tokens of sign-in links and session cookies.

They have the form `<tenant>.<token>`, because row-level security needs the tenant for each lookup. The database keeps
digests, so a reader of the database cannot sign in. Tokens hold 256 random bits, so the digest needs no salt.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from headgate.admin.sessions import COOKIE
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Ids

SIGN_IN_LASTS = timedelta(minutes=10)
"""For a link from the operator, and for oneself: it is used at once."""


_TOKEN = re.compile(r"(?P<tenant>[a-z0-9][a-z0-9_-]{0,62})\.(?P<secret>[A-Za-z0-9_-]{20,120})")


class Lifetimes(NamedTuple):
    """How long links and sessions last.

    Args:
        invitation: a link for somebody else.
        idle: a session that nobody uses.
        session: any session.
    """

    invitation: timedelta
    idle: timedelta
    session: timedelta


class Token(NamedTuple):
    """The token of a link or cookie, split into tenant and digest."""

    tenant: TenantId
    digest: bytes

    @property
    def name(self) -> str:
        """Short name for records; it tells sessions apart and grants nothing."""
        return name_of(self.digest)


class Secret(NamedTuple):
    """A new token: the text for its holder, and what is stored of it."""

    text: str
    token: Token


def new_secret(tenant: TenantId, ids: Ids) -> Secret:
    """Make a token of a tenant."""
    text = f"{tenant}.{ids.token(32)}"
    return Secret(text, Token(tenant, _digest(text)))


def name_of(digest: bytes) -> str:
    """Return the short name of a token."""
    return digest.hex()[:16]


def read_token(text: str, *, tenants: Collection[str]) -> Token | None:
    """Parse a token; None if its form is wrong or its tenant does not exist."""
    form = _TOKEN.fullmatch(text)
    if form is None or form["tenant"] not in tenants:
        return None
    return Token(TenantId(form["tenant"]), _digest(text))


def set_cookie(value: str, *, lasts: timedelta, is_secure: bool) -> str:
    """Return the `set-cookie` header for a session; an empty `value` deletes the cookie."""
    age_s = int(lasts.total_seconds()) if value else 0
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
