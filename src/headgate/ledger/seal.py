"""Sealing the parts of a record (prompt, answer, arguments), so that they can be erased without touching the log.

Each part gets its own AES-256-GCM key, nonce and commitment out of one HKDF-SHA256 call over the partition's key, with
32 fresh random bytes as salt and the part's place (tenant, record, field, partition) as context. So

- every key seals exactly one text: nonces cannot repeat, however many parts a partition holds. Two equal salts are
  the only danger: among 2^64 parts of a partition their chance is below 2^-128;
- the envelope is committed: AES-GCM alone opens one ciphertext under many keys, so one could be made that reads
  differently for different readers. The stored commitment fixes key, nonce and place before anything is decrypted,
  as collisions of HMAC-SHA256 are out of reach;
- a part moved to another tenant, record or field does not open. The place is authenticated data of GCM as well.

One HKDF a part costs about 4 µs, less than a cache of derived keys would have to be argued for.

Envelope, version 1: `0x01 | salt (32) | commitment (32) | ciphertext | tag (16)`. The log holds the SHA-256 of it.
Source: RFC 5869 (HKDF), NIST SP 800-38D (GCM), Bellare and Hoang 2022 on committing encryption (CMT-4).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headgate.kernel.errors import Corrupt, Invalid, TooLarge
from headgate.ledger.keys import KEY_BYTES, KeyRing

VERSION = 1
MAX_PART_BYTES = 64 * 1024 * 1024
OVERHEAD_BYTES = 1 + 32 + 32 + 16

_LABEL = b"headgate/seal/v1"
_SALT_BYTES = 32
_NONCE_BYTES = 12
_HEADER_BYTES = 1 + _SALT_BYTES + 32
_SHA256 = SHA256()
_LENGTHS = Struct(">4H")


class PartAddress(NamedTuple):
    """The place of a sealed part. The part opens only with this place. `partition` is the name of the key."""

    tenant: str
    record_id: str
    field: str
    partition: str

    def encode(self) -> bytes:
        """Encode the place with all lengths first, so that the encoding is unambiguous."""
        tenant, record_id, name, partition = self.tenant, self.record_id, self.field, self.partition
        text = f"{tenant}{record_id}{name}{partition}"
        if text.isascii() and len(text) <= 0xFFFF:
            return _LABEL + _LENGTHS.pack(len(tenant), len(record_id), len(name), len(partition)) + text.encode()
        parts = [part.encode() for part in (tenant, record_id, name, partition)]
        if max(map(len, parts)) > 0xFFFF:
            raise Invalid("A part's tenant, record, field and partition hold at most 65,535 bytes each.")
        return _LABEL + _LENGTHS.pack(*map(len, parts)) + b"".join(parts)


class Sealed(NamedTuple):
    """A sealed part and the SHA-256 over it, which goes into the record's leaf."""

    envelope: bytes
    digest: bytes


class _Derived(NamedTuple):
    key: bytes
    commitment: bytes
    nonce: bytes


class Sealer:
    """Seals and opens parts; thread-safe. Takes about 10 µs for a part of 1 kB.

    Args:
        keys: source of the partitions' keys.
        random_bytes: cryptographic source of random bytes.
    """

    def __init__(self, keys: KeyRing, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._keys = keys
        self._random_bytes = random_bytes

    def seal(self, plaintext: bytes, *, place: PartAddress) -> Sealed:
        """Seal a text for its place.

        Raises:
            NotFound: the partition has no key, or its key was destroyed.
            TooLarge: the text is over 64 MiB.
        """
        if len(plaintext) > MAX_PART_BYTES:
            raise TooLarge(f"A part of {len(plaintext)} bytes cannot be sealed; the limit is {MAX_PART_BYTES}.")
        salt, context = self._random_bytes(_SALT_BYTES), place.encode()
        derived = _derive(self._keys.key(place.partition), salt, context)
        ciphertext = AESGCM(derived.key).encrypt(derived.nonce, plaintext, context)
        envelope = b"".join((b"\x01", salt, derived.commitment, ciphertext))
        return Sealed(envelope, sha256(envelope).digest())

    def open(self, envelope: bytes, *, place: PartAddress, digest: bytes | None = None) -> bytes:
        """Open a part at its place.

        Args:
            digest: the envelope's digest from the record's leaf, if known.

        Raises:
            NotFound: the partition's key was destroyed or never was.
            Corrupt: the envelope is not the one recorded, was changed, or belongs to another place or key.
        """
        if digest is not None and not hmac.compare_digest(sha256(envelope).digest(), digest):
            raise Corrupt("The sealed part is not the one that its record names; its digest differs.")
        if not OVERHEAD_BYTES <= len(envelope) <= MAX_PART_BYTES + OVERHEAD_BYTES or envelope[0] != VERSION:
            raise Corrupt("The sealed part is not an envelope of version 1; it was cut short or replaced.")
        context = place.encode()
        derived = _derive(self._keys.key(place.partition), envelope[1 : 1 + _SALT_BYTES], context)
        if not hmac.compare_digest(derived.commitment, envelope[1 + _SALT_BYTES : _HEADER_BYTES]):
            raise Corrupt("The sealed part was not sealed under this key for this tenant, record and field.")
        try:
            return AESGCM(derived.key).decrypt(derived.nonce, envelope[_HEADER_BYTES:], context)
        except InvalidTag as problem:
            raise Corrupt("The sealed part was changed after it was sealed.") from problem


def _derive(partition_key: bytes, salt: bytes, context: bytes) -> _Derived:
    """Derive the part's key, commitment and nonce: 76 bytes of HKDF-SHA256."""
    if len(partition_key) != KEY_BYTES:
        raise Corrupt("A sealing key is not 32 bytes long; restore it from its backup.")
    derived = HKDF(_SHA256, 32 + 32 + _NONCE_BYTES, salt, context).derive(partition_key)
    return _Derived(derived[:32], derived[32:64], derived[64:])
