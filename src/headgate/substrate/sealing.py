"""Sealing texts, each under a key of its own that is derived from the key of its owner and bound to its place.

Each text gets its own AES-256-GCM key, nonce and commitment out of one HKDF-SHA256 call over the owner's key, with
32 fresh random bytes as salt and the text's place as context. So

- every key seals exactly one text: nonces cannot repeat, however many texts an owner's key seals. Two equal salts are
  the only danger: among 2^64 texts of a key their chance is below 2^-128;
- the envelope is committed: AES-GCM alone opens one ciphertext under many keys, so one could be made that reads
  differently for different readers. The stored commitment fixes key, nonce and place before anything is decrypted,
  as collisions of HMAC-SHA256 are out of reach;
- a text moved to another place does not open. The place is authenticated data of GCM as well.

One HKDF a text costs about 4 µs, less than a cache of derived keys would have to be argued for.

Envelope, version 1: `0x01 | salt (32) | commitment (32) | ciphertext | tag (16)`.
Source: RFC 5869 (HKDF), NIST SP 800-38D (GCM), Bellare and Hoang 2022 on committing encryption (CMT-4).
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headgate.kernel.errors import Corrupt, TooLarge

VERSION = 1
KEY_BYTES = 32
SALT_BYTES = 32
MAX_TEXT_BYTES = 64 * 1024 * 1024
OVERHEAD_BYTES = 1 + 32 + 32 + 16

_NONCE_BYTES = 12
_HEADER_BYTES = 1 + SALT_BYTES + 32
_SHA256 = SHA256()


class _Derived(NamedTuple):
    key: bytes
    commitment: bytes
    nonce: bytes


def seal(plaintext: bytes, *, key: bytes, context: bytes, salt: bytes) -> bytes:
    """Seal a text for its place and return the envelope. Takes about 10 µs for a text of 1 kB.

    Args:
        key: the owner's key, of 32 bytes.
        context: the place of the text, encoded unambiguously.
        salt: 32 fresh random bytes.

    Raises:
        TooLarge: the text is over 64 MiB.
    """
    if len(plaintext) > MAX_TEXT_BYTES:
        raise TooLarge(f"A part of {len(plaintext)} bytes cannot be sealed; the limit is {MAX_TEXT_BYTES}.")
    derived = _derive(key, salt, context)
    ciphertext = AESGCM(derived.key).encrypt(derived.nonce, plaintext, context)
    return b"".join((b"\x01", salt, derived.commitment, ciphertext))


def unseal(envelope: bytes, *, key: bytes, context: bytes) -> bytes:
    """Open an envelope at its place.

    Raises:
        Corrupt: the envelope was changed, or belongs to another place or key.
    """
    if not OVERHEAD_BYTES <= len(envelope) <= MAX_TEXT_BYTES + OVERHEAD_BYTES or envelope[0] != VERSION:
        raise Corrupt("The sealed part is not an envelope of version 1; it was cut short or replaced.")
    derived = _derive(key, envelope[1 : 1 + SALT_BYTES], context)
    if not hmac.compare_digest(derived.commitment, envelope[1 + SALT_BYTES : _HEADER_BYTES]):
        raise Corrupt("The sealed part was not sealed under this key for this tenant, record and field.")
    try:
        return AESGCM(derived.key).decrypt(derived.nonce, envelope[_HEADER_BYTES:], context)
    except InvalidTag as problem:
        raise Corrupt("The sealed part was changed after it was sealed.") from problem


def _derive(owner_key: bytes, salt: bytes, context: bytes) -> _Derived:
    """Derive the text's key, commitment and nonce: 76 bytes of HKDF-SHA256."""
    if len(owner_key) != KEY_BYTES:
        raise Corrupt("A sealing key is not 32 bytes long; restore it from its backup.")
    derived = HKDF(_SHA256, 32 + 32 + _NONCE_BYTES, salt, context).derive(owner_key)
    return _Derived(derived[:32], derived[32:64], derived[64:])
