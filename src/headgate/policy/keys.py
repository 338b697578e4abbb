"""API keys: making, digests and authentication.

    hg_<8 characters: the key's id>_<43 characters: 256 random bits>

The prefix lets secret scanners find leaked keys (`hg_[0-9a-z]{8}_[0-9A-Za-z_-]{43}`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, get_args

from headgate.kernel.errors import Invalid, Unauthenticated
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import EMPTY
from headgate.kernel.ports import Ids
from headgate.policy.entities import (
    ADMIN,
    DEFAULT_TENANT,
    GETTING_STARTED,
    ApiKey,
    Authenticated,
    DigestAlgorithm,
    KeyLimits,
)
from headgate.policy.snapshot import Snapshot

KEY_PATTERN = re.compile(r"hg_[0-9a-z]{8}_[0-9A-Za-z_-]{43}")
"""Pattern of Headgate's keys, for secret scanners."""

ALGORITHMS: tuple[DigestAlgorithm, ...] = get_args(DigestAlgorithm)
MAX_PRESENTED_CHARS = 512

_DIGESTS = {"sha256": hashlib.sha256, "sha512": hashlib.sha512, "blake2b": hashlib.blake2b}
_SIZES = {"sha256": 32, "sha512": 64, "blake2b": 64}
_UNKNOWN = "this API key is unknown or revoked; check that you copied all of it, or ask an administrator for a new one"
_NO_ID = re.compile(r"[^A-Za-z0-9._-]+")
_NO_DIGEST = bytes(64)


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """The terms of a new key; the fields are those of `ApiKey`.

    Args:
        principal: id of its holder. None: a new program with the key's name.
    """

    principal: str | None
    use_case: str
    name: str = ""
    roles: frozenset[str] = EMPTY
    scopes: frozenset[str] = EMPTY
    limits: KeyLimits = field(default_factory=KeyLimits)
    expires_at: datetime | None = None


class Rotation(NamedTuple):
    """When a rotated key ends, and when its successor does."""

    old_until: datetime
    expires_at: datetime | None


class ChangedKey(NamedTuple):
    """A key before and after a change of its limits."""

    before: ApiKey
    after: ApiKey


class NewKey(NamedTuple):
    """A new key. `secret` is shown to its holder once and not stored."""

    secret: str
    key: ApiKey


def make_key(terms: KeyTerms, *, tenant: TenantId, created_by: str, now: datetime, ids: Ids) -> NewKey:
    """Make a key."""
    # The end of a ULID is its random part, in upper-case base 32.
    key_id = ids.ulid()[-8:].lower()
    secret = f"hg_{key_id}_{ids.token(32)}"
    return NewKey(secret, _key(terms, tenant=tenant, key_id=key_id, secret=secret, created_by=created_by, now=now))


def terms_of(key: ApiKey) -> KeyTerms:
    """Return the terms of a key."""
    return KeyTerms(
        principal=key.principal,
        use_case=key.use_case,
        name=key.name,
        roles=key.roles,
        scopes=key.scopes,
        limits=key.limits,
        expires_at=key.expires_at,
    )


def program_id(name: str, *, key_id: str = "") -> str:
    """Return the id of a key's program: the key's name, with the key's id if the name is taken."""
    plain = _NO_ID.sub("-", name).strip("-._")[:60] or "program"
    return f"{plain}-{key_id}" if key_id else plain


def make_admin_key(*, now: datetime, ids: Ids) -> NewKey:
    """Make the first key of an installation, for administration and for models on our own machines."""
    terms = KeyTerms(principal=ADMIN, use_case=GETTING_STARTED, name="first key", roles=frozenset({ADMIN}))
    return make_key(terms, tenant=DEFAULT_TENANT, created_by="headgate", now=now, ids=ids)


def _key(terms: KeyTerms, *, tenant: TenantId, key_id: str, secret: str, created_by: str, now: datetime) -> ApiKey:
    return ApiKey(
        id=key_id,
        tenant=tenant,
        principal=program_id(terms.name) if terms.principal is None else terms.principal,
        use_case=terms.use_case,
        algorithm="sha256",
        digest=digest_of(secret, "sha256"),
        prefix=f"hg_{key_id}",
        last_four=secret[-4:],
        name=terms.name,
        roles=terms.roles,
        scopes=terms.scopes,
        limits=terms.limits,
        created_at=now,
        created_by=created_by,
        expires_at=terms.expires_at,
    )


def key_of_secret(secret: str, *, like: ApiKey) -> ApiKey:
    """Return the key with this secret and the terms of another key."""
    return replace(
        like,
        id=secret.split("_", 2)[1],
        digest=digest_of(secret, "sha256"),
        prefix=secret[: secret.index("_", 3)],
        last_four=secret[-4:],
    )


def digest_of(presented: str, algorithm: DigestAlgorithm) -> bytes:
    """Return the digest under which a key is stored."""
    return _DIGESTS[algorithm](presented.encode("utf-8", "surrogatepass")).digest()


def parse_digest(text: str) -> tuple[DigestAlgorithm, bytes]:
    """Parse `sha256:<hex>`, the form of imported digests.

    Raises:
        Invalid: the algorithm is unknown, or the hex has the wrong length.
    """
    algorithm, _, digits = text.partition(":")
    if algorithm not in ALGORITHMS:
        raise Invalid(
            f"a digest must begin with {', '.join(name + ':' for name in ALGORITHMS)}; salted digests such as bcrypt "
            "cannot be imported, so give their holders new keys",
            param="digest",
        )
    size = _SIZES[algorithm]
    if not re.fullmatch(rf"[0-9a-fA-F]{{{size * 2}}}", digits):
        raise Invalid(f"a {algorithm} digest must have {size * 2} hexadecimal digits", param="digest")
    return algorithm, bytes.fromhex(digits)


def authenticate(presented: str, snapshot: Snapshot, now: datetime) -> Authenticated:
    """Authenticate a caller by API key.

    The timing of a lookup by digest reveals nothing, because a caller cannot choose digests. Known and unknown keys
    cost the same: one digest per algorithm in use.

    Raises:
        Unauthenticated: the key is unknown, revoked, bound to a deleted entry (all with one message), or expired.
    """
    found: ApiKey | None = None
    if len(presented) <= MAX_PRESENTED_CHARS:
        for algorithm in snapshot.algorithms:
            digest = digest_of(presented, algorithm)
            key = snapshot.keys.get((algorithm, digest))
            if hmac.compare_digest(digest, key.digest if key is not None else _NO_DIGEST[: len(digest)]):
                found = key
    if found is None or found.revoked_at is not None:
        raise Unauthenticated(_UNKNOWN)
    return authenticated(found, snapshot, now)


def authenticated(found: ApiKey, snapshot: Snapshot, now: datetime) -> Authenticated:
    """Return the caller that a stored key lets act.

    Raises:
        Unauthenticated: the key has expired, or is bound to a deleted entry.
    """
    if found.is_expired(now):
        raise Unauthenticated(f"this key expired at {found.expires_at:%Y-%m-%d %H:%M} UTC; ask for a new one")
    tenant = snapshot.tenants[found.tenant]
    registered = tenant.principals.get(found.principal)
    use_case = tenant.use_cases.get(found.use_case)
    if registered is None or use_case is None:
        raise Unauthenticated(_UNKNOWN)
    known = snapshot.authenticated.get(found.id)
    if known is None:
        # One object for all calls with a key, so that caches by identity hit.
        known = snapshot.authenticated[found.id] = Authenticated(registered.acting(found), use_case, found)
    return known
