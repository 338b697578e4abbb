"""The holders of keys, for work that goes on after the request that presented the key. One feature knows them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import Principal, TenantId, UseCase


class Holder(NamedTuple):
    """The principal that a key lets act, and the use case of its calls."""

    principal: Principal
    use_case: UseCase


class KeyHolders(Protocol):
    """Finds the holder of a key by the key's id, as it is now."""

    def holder(self, key_id: str, *, tenant: TenantId, use_case: str) -> Holder:
        """Return the holder.

        Args:
            use_case: the use case that the key was presented for.

        Raises:
            Unauthenticated: the key was revoked or has expired, or its entry was deleted.
            Denied: the key is for another use case by now.
        """
        ...


KEY_HOLDERS: Port[KeyHolders] = Port("holders of keys")
