"""Keys of conversations: each has its own, for one tenant and one person."""

from __future__ import annotations

import os

from headgate.substrate.item_keys import ItemKey, ItemKeys, Random

ConversationKey = ItemKey
"""Seals and opens the texts of one conversation."""


class ConversationKeys:
    """Makes and unwraps the keys of conversations.

    Args:
        secret: of the installation; database backups do not include it.
    """

    def __init__(self, secret: bytes, *, random_bytes: Random = os.urandom) -> None:
        self._keys = ItemKeys(secret, room="chat", random_bytes=random_bytes)

    def new(self, *, tenant: str, person: str, conversation: str) -> ConversationKey:
        """Make the key of a new conversation."""
        return self._keys.new(tenant=tenant, owner=person, item=conversation)

    def unwrap(self, wrapped: bytes, *, tenant: str, person: str, conversation: str) -> ConversationKey:
        """Return the key of a stored conversation.

        Raises:
            Corrupt: the stored key was changed, or belongs to another conversation or installation.
        """
        return self._keys.unwrap(wrapped, tenant=tenant, owner=person, item=conversation)

    def words_key(self, *, tenant: str, person: str) -> bytes:
        """Return the key of a person's search index."""
        return self._keys.derived("words", tenant=tenant, owner=person)
