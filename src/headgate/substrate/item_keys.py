"""Keys of stored items, such as conversations, files and batches. Each item has its own key, wrapped in its row.

The wrapping key is derived from the installation's secret for one tenant and one principal. Deleting the row destroys
the key, and with it everything that the key sealed.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from headgate.substrate.sealing import KEY_BYTES, SALT_BYTES, seal, unseal

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ItemKey:
    """Seals and opens the texts of one item, each bound to its place.

    Args:
        room: the feature that keeps the item, so that no key of one feature opens a text of another.
        wrapped: the key in the form that is stored.
    """

    room: str
    tenant: str
    owner: str
    item: str
    wrapped: bytes
    key: bytes = field(repr=False)
    random_bytes: Random = os.urandom

    def seal(self, text: bytes, *, name: str) -> bytes:
        """Seal the text of a field, such as `title` or `line/7`."""
        return seal(text, key=self.key, context=self._place(name), salt=self.random_bytes(SALT_BYTES))

    def open(self, envelope: bytes, *, name: str) -> bytes:
        """Open the text of a field.

        Raises:
            Corrupt: it was changed, or belongs to another field, item, principal or tenant.
        """
        return unseal(envelope, key=self.key, context=self._place(name))

    def _place(self, name: str) -> bytes:
        return _encoded(self.room, self.tenant, self.owner, self.item, name)


class ItemKeys:
    """Makes and unwraps the keys of the items of one feature.

    Args:
        secret: of the installation; database backups do not include it.
        room: the name of the feature.
    """

    def __init__(self, secret: bytes, *, room: str, random_bytes: Random = os.urandom) -> None:
        self._secret = secret
        self._room = room
        self._random_bytes = random_bytes

    def new(self, *, tenant: str, owner: str, item: str) -> ItemKey:
        """Make the key of a new item."""
        key = self._random_bytes(KEY_BYTES)
        wrapped = seal(
            key,
            key=self._wrapping_key(tenant, owner),
            context=_encoded(self._room, tenant, owner, item, "key"),
            salt=self._random_bytes(SALT_BYTES),
        )
        return ItemKey(self._room, tenant, owner, item, wrapped, key, self._random_bytes)

    def unwrap(self, wrapped: bytes, *, tenant: str, owner: str, item: str) -> ItemKey:
        """Return the key of a stored item.

        Raises:
            Corrupt: the stored key was changed, or belongs to another item or installation.
        """
        context = _encoded(self._room, tenant, owner, item, "key")
        key = unseal(wrapped, key=self._wrapping_key(tenant, owner), context=context)
        return ItemKey(self._room, tenant, owner, item, wrapped, key, self._random_bytes)

    def derived(self, purpose: str, *, tenant: str, owner: str) -> bytes:
        """Return a key of a tenant's principal for a purpose."""
        place = f"headgate/{self._room}/{purpose}/v1".encode()
        return hmac.digest(self._secret, place + _encoded(self._room, tenant, owner), "sha256")

    def _wrapping_key(self, tenant: str, owner: str) -> bytes:
        return self.derived("wrapping", tenant=tenant, owner=owner)


def _encoded(room: str, *parts: str) -> bytes:
    """Encode a place with the length before each part, so that the encoding is unambiguous."""
    encoded = [part.encode() for part in parts]
    return f"headgate/{room}/place/v1".encode() + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
