"""Keys of conversations. Each conversation has its own key, which its row holds in wrapped form.

The wrapping key is derived from the installation's secret for one tenant and one person. Deleting the row destroys the
conversation's key, and with it everything that the key sealed.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from headgate.substrate.sealing import KEY_BYTES, SALT_BYTES, seal, unseal

_PLACE = b"headgate/chat/place/v1"
_WRAPPING = b"headgate/chat/wrapping/v1"
_WORDS = b"headgate/chat/words/v1"

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ConversationKey:
    """Seals and opens the texts of one conversation, each bound to its field.

    Args:
        wrapped: the key in the form that is stored.
    """

    tenant: str
    person: str
    conversation: str
    wrapped: bytes
    key: bytes = field(repr=False)
    random_bytes: Random = os.urandom

    def seal(self, text: bytes, *, name: str) -> bytes:
        """Seal the text of a field, such as `title` or `turn/ID`."""
        return seal(text, key=self.key, context=self._place(name), salt=self.random_bytes(SALT_BYTES))

    def open(self, envelope: bytes, *, name: str) -> bytes:
        """Open the text of a field.

        Raises:
            Corrupt: it was changed, or belongs to another field, conversation, person or tenant.
        """
        return unseal(envelope, key=self.key, context=self._place(name))

    def _place(self, name: str) -> bytes:
        return _encoded(self.tenant, self.person, self.conversation, name)


class ConversationKeys:
    """Makes and unwraps the keys of conversations.

    Args:
        secret: of the installation; database backups do not include it.
    """

    def __init__(self, secret: bytes, *, random_bytes: Random = os.urandom) -> None:
        self._secret = secret
        self._random_bytes = random_bytes

    def new(self, *, tenant: str, person: str, conversation: str) -> ConversationKey:
        """Make the key of a new conversation."""
        key = self._random_bytes(KEY_BYTES)
        wrapped = seal(
            key,
            key=self._wrapping_key(tenant, person),
            context=_encoded(tenant, person, conversation, "key"),
            salt=self._random_bytes(SALT_BYTES),
        )
        return ConversationKey(tenant, person, conversation, wrapped, key, self._random_bytes)

    def unwrap(self, wrapped: bytes, *, tenant: str, person: str, conversation: str) -> ConversationKey:
        """Return the key of a stored conversation.

        Raises:
            Corrupt: the stored key was changed, or belongs to another conversation or installation.
        """
        context = _encoded(tenant, person, conversation, "key")
        key = unseal(wrapped, key=self._wrapping_key(tenant, person), context=context)
        return ConversationKey(tenant, person, conversation, wrapped, key, self._random_bytes)

    def words_key(self, *, tenant: str, person: str) -> bytes:
        """Return the key of a person's search index."""
        return hmac.digest(self._secret, _WORDS + _encoded(tenant, person), "sha256")

    def _wrapping_key(self, tenant: str, person: str) -> bytes:
        return hmac.digest(self._secret, _WRAPPING + _encoded(tenant, person), "sha256")


def _encoded(*parts: str) -> bytes:
    """Encode a place with the length before each part, so that the encoding is unambiguous."""
    encoded = [part.encode() for part in parts]
    return _PLACE + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
