"""Pseudonyms of principals in records: stable within a tenant, unlinkable across tenants.

Source: HMAC-SHA256 (RFC 2104), truncated to 130 bits. A holder of the key can test a name against a pseudonym, but
cannot compute the name. After the key is destroyed, nobody can identify the people in records.
"""

from __future__ import annotations

import base64
import hmac

_CACHED = 10_000
_LABEL = b"headgate/pseudonym/v1\x00"


class Pseudonymiser:
    """Maps ids of principals to pseudonyms. Caches the last 10,000; belongs to one thread.

    Args:
        secret: at least 32 random bytes, the same in all processes of an installation.
    """

    __slots__ = ("_known", "_secret", "_tenant_keys")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._tenant_keys: dict[str, bytes] = {}
        self._known: dict[tuple[str, str], str] = {}

    def __call__(self, tenant: str, principal: str) -> str:
        """Return the pseudonym of a principal: `p_` and 26 characters."""
        found = self._known.get((tenant, principal))
        if found is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            found = self._known[tenant, principal] = self._make(tenant, principal)
        return found

    def _make(self, tenant: str, principal: str) -> str:
        key = self._tenant_keys.get(tenant)
        if key is None:
            key = self._tenant_keys[tenant] = hmac.digest(self._secret, _LABEL + tenant.encode(), "sha256")
        digest = hmac.digest(key, principal.encode("utf-8", "surrogatepass"), "sha256")
        return "p_" + base64.b32encode(digest).decode()[:26].lower()
