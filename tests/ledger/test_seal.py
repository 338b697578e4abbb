"""Sealed parts: they open in their place under their key, and nowhere else, and not after the key is destroyed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Conflict, Corrupt, Invalid, NotFound, TooLarge, Unavailable
from headgate.ledger.keys import DestructionReceipt, FileKeyRing
from headgate.ledger.seal import MAX_PART_BYTES, OVERHEAD_BYTES, PartAddress, Sealer

PLACE = PartAddress("acme", "01JA0000000000000000000000", "prompt", "2026-10")
NOW = datetime(2026, 10, 1, tzinfo=UTC)


class Keys:
    """A key ring in memory."""

    def __init__(self, **keys: bytes) -> None:
        self._keys = {name.replace("_", "-").strip("-"): key for name, key in keys.items()}

    def key(self, partition: str) -> bytes:
        if partition not in self._keys:
            raise NotFound(f"There is no key for {partition}.")
        return self._keys[partition]


SEALER = Sealer(Keys(_2026_10=b"k" * 32, _2026_11=b"l" * 32))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3_000))
def test_what_is_sealed_opens_in_its_place(plaintext: bytes) -> None:
    sealed = SEALER.seal(plaintext, place=PLACE)
    assert SEALER.open(sealed.envelope, place=PLACE, digest=sealed.digest) == plaintext
    assert sealed.digest == sha256(sealed.envelope).digest()
    assert len(sealed.envelope) == len(plaintext) + OVERHEAD_BYTES


def test_equal_texts_are_sealed_differently_each_time() -> None:
    envelopes = {SEALER.seal(b"same", place=PLACE).envelope for _ in range(50)}
    assert len(envelopes) == 50
    assert all(b"same" not in envelope for envelope in envelopes)


SEALED = SEALER.seal(b"a prompt", place=PLACE)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SEALED.envelope) - 1), st.integers(1, 255))
def test_no_byte_of_an_envelope_can_change(at: int, mask: int) -> None:
    bent = bytearray(SEALED.envelope)
    bent[at] ^= mask
    with pytest.raises(Corrupt):
        SEALER.open(bytes(bent), place=PLACE)
    with pytest.raises(Corrupt, match="digest"):
        SEALER.open(bytes(bent), place=PLACE, digest=SEALED.digest)


def test_a_place_may_have_any_name() -> None:
    place = PLACE._replace(tenant="Größe", field="答え")
    sealed = SEALER.seal(b"a prompt", place=place)
    assert SEALER.open(sealed.envelope, place=place) == b"a prompt"
    with pytest.raises(Corrupt):
        SEALER.open(sealed.envelope, place=place._replace(tenant="Größ", field="e答え"))


@pytest.mark.parametrize(
    "place",
    [
        PartAddress("other", PLACE.record_id, PLACE.field, PLACE.partition),
        PartAddress(PLACE.tenant, "01JA0000000000000000000001", PLACE.field, PLACE.partition),
        PartAddress(PLACE.tenant, PLACE.record_id, "answer", PLACE.partition),
        PartAddress(PLACE.tenant, PLACE.record_id, PLACE.field, "2026-11"),
        PartAddress("acm", "e" + PLACE.record_id, PLACE.field, PLACE.partition),
    ],
)
def test_a_part_opens_in_no_other_place(place: PartAddress) -> None:
    with pytest.raises(Corrupt):
        SEALER.open(SEALED.envelope, place=place)


@pytest.mark.parametrize("envelope", [b"", b"\x01", SEALED.envelope[:-1], b"\x02" + SEALED.envelope[1:]])
def test_a_cut_or_strange_envelope_is_refused(envelope: bytes) -> None:
    with pytest.raises(Corrupt):
        SEALER.open(envelope, place=PLACE)


def test_the_envelope_is_what_its_description_says() -> None:
    """An implementation from the docstring alone opens it."""
    salt, commitment, rest = SEALED.envelope[1:33], SEALED.envelope[33:65], SEALED.envelope[65:]
    derived = HKDF(SHA256(), 76, salt, PLACE.encode()).derive(b"k" * 32)
    assert derived[32:64] == commitment
    assert AESGCM(derived[:32]).decrypt(derived[64:], rest, PLACE.encode()) == b"a prompt"


def test_a_ciphertext_valid_under_gcm_without_the_commitment_is_refused() -> None:
    salt = SEALED.envelope[1:33]
    derived = HKDF(SHA256(), 76, salt, PLACE.encode()).derive(b"k" * 32)
    forged = AESGCM(derived[:32]).encrypt(derived[64:], b"another text", PLACE.encode())
    with pytest.raises(Corrupt, match="not sealed under this key"):
        SEALER.open(b"\x01" + salt + bytes(32) + forged, place=PLACE)


def test_limits_are_kept() -> None:
    with pytest.raises(TooLarge):
        SEALER.seal(bytes(MAX_PART_BYTES + 1), place=PLACE)
    with pytest.raises(Invalid):
        SEALER.seal(b"", place=PartAddress("ü" * 40_000, "r", "f", "2026-10"))
    with pytest.raises(Invalid):
        SEALER.seal(b"", place=PartAddress("t" * 65_536, "r", "f", "2026-10"))
    with pytest.raises(Corrupt):
        Sealer(Keys(_2026_10=b"short")).seal(b"", place=PLACE)
    with pytest.raises(NotFound):
        SEALER.seal(b"", place=PartAddress("acme", "r", "f", "1999-01"))


def test_a_key_is_made_once_and_shared_by_all_processes(tmp_path: Path) -> None:
    first, second = FileKeyRing(tmp_path / "sealing"), FileKeyRing(tmp_path / "sealing")
    key = first.create("2026-10")
    assert second.create("2026-10") == first.key("2026-10") == key
    assert len(key) == 32
    assert first.create("2026-11") != key
    assert {path.name for path in (tmp_path / "sealing").iterdir()} == {"2026-10.key", "2026-11.key"}
    assert (tmp_path / "sealing").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "sealing/2026-10.key").stat().st_mode & 0o777 == 0o600


def test_destroying_a_key_erases_what_it_sealed_everywhere_at_once(tmp_path: Path) -> None:
    ring, other = FileKeyRing(tmp_path), FileKeyRing(tmp_path)
    ring.create("2026-10")
    ring.create("2026-11")
    sealed = Sealer(ring).seal(b"a prompt", place=PLACE)
    assert Sealer(other).open(sealed.envelope, place=PLACE) == b"a prompt"
    kept_open = os.open(tmp_path / "2026-10.key", os.O_RDONLY)
    receipt = ring.destroy("2026-10", at=NOW)
    assert (receipt.partition, receipt.had_key, receipt.destroyed_at) == ("2026-10", True, "2026-10-01T00:00:00+00:00")
    assert "backups" in receipt.covers
    assert os.read(kept_open, 64) == bytes(32), "the bytes were overwritten before the name went"
    os.close(kept_open)
    for each in (ring, other):
        with pytest.raises(NotFound):
            Sealer(each).open(sealed.envelope, place=PLACE)
        with pytest.raises(Conflict):
            each.create("2026-10")
    assert Sealer(other).seal(b"", place=PartAddress("acme", "r", "f", "2026-11")).envelope


def test_a_key_that_comes_back_from_a_backup_is_not_used(tmp_path: Path) -> None:
    ring = FileKeyRing(tmp_path)
    key = ring.create("2026-10")
    ring.destroy("2026-10", at=NOW)
    (tmp_path / "2026-10.key").write_bytes(key)
    (tmp_path / "2026-10.key").chmod(0o600)
    with pytest.raises(NotFound, match="destroyed"):
        ring.key("2026-10")
    assert ring.destroy("2026-10", at=NOW).had_key, "the returned key was destroyed again"
    assert not ring.destroy("2026-10", at=NOW).had_key


def test_of_two_that_destroy_a_key_at_once_one_counts_it(tmp_path: Path) -> None:
    rings = [FileKeyRing(tmp_path) for _ in range(4)]
    days = [f"2026-10-{day:02}" for day in range(1, 29)]
    for day in days:
        rings[0].create(day)

    def destroy_all(ring: FileKeyRing) -> list[DestructionReceipt]:
        return [ring.destroy(day, at=NOW) for day in days]

    with ThreadPoolExecutor(len(rings)) as pool:
        every = list(pool.map(destroy_all, rings))
    for receipts in zip(*every, strict=True):
        assert [receipt.had_key for receipt in receipts].count(True) == 1


def test_a_key_that_others_may_read_or_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    FileKeyRing(tmp_path).create("2026-10")
    path = tmp_path / "2026-10.key"
    path.chmod(0o640)
    with pytest.raises(Unavailable, match="0600"):
        FileKeyRing(tmp_path).key("2026-10")
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(Corrupt):
        FileKeyRing(tmp_path).key("2026-10")


@pytest.mark.parametrize("partition", ["", "../x", "a/b", ".hidden", "ü", "x" * 101, "a\n"])
def test_a_partition_is_never_a_path(tmp_path: Path, partition: str) -> None:
    with pytest.raises(Invalid):
        FileKeyRing(tmp_path).create(partition)


def test_a_key_destroyed_while_it_is_being_read_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FileKeyRing(tmp_path).create("2026-10")
    read = Path.read_bytes

    def read_after_destruction(path: Path) -> bytes:
        FileKeyRing(tmp_path).destroy("2026-10", at=NOW)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_after_destruction)
    with pytest.raises(NotFound, match="destroyed"):
        FileKeyRing(tmp_path).key("2026-10")
