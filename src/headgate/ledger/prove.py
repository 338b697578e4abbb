"""Proof bundles: one entry with everything for an offline check that the log has it.

There are two forms. `Bundle` is JSON with the entry, the verifier key and instructions. `tlog_proof` is the text form
of other transparency-log tools, without the entry. Source: c2sp.org/tlog-proof (v1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from headgate.kernel.errors import Corrupt, Invalid, TooLarge
from headgate.ledger.checkpoint import (
    VerifiedCheckpoint,
    VerifierKey,
    from_base64,
    parse_decimal,
    to_base64,
    verify_checkpoint,
)
from headgate.ledger.layout import MAX_ENTRY_BYTES
from headgate.ledger.merkle import HASH_BYTES, hash_leaf, prove_inclusion, verify_inclusion
from headgate.ledger.tiles import TileReader, read_checkpoint

FORMAT = "headgate-inclusion-proof"
VERSION = 1
MAX_BUNDLE_BYTES = 512 * 1024
MAX_PROOF_HASHES = 63
TLOG_PROOF_HEADER = "c2sp.org/tlog-proof@v1"

HOW_TO_CHECK = (
    "1. Get the log's verifier key from its operator by another way and compare it with verifier_key. "
    "2. Verify the Ed25519 signature on the checkpoint (c2sp.org/signed-note); its second line is the tree size, its "
    "third the root hash. "
    "3. Decode entry from base64 and hash it as a leaf: SHA-256 of a zero byte and the entry. "
    "4. Fold inclusion_proof into that hash as RFC 9162, section 2.1.3.2 says, with leaf_index and the tree size; the "
    "result must be the root hash. "
    "With Headgate: headgate ledger check-proof FILE --key KEY. "
    "This proves that the log held the entry when it signed; not that the entry tells the truth, nor, without "
    "signatures of witnesses, that everyone was shown the same log."
)


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A self-contained proof that a log holds an entry. Binary fields are standard base64.

    Args:
        inclusion_proof: hashes from the leaf's sibling up to the root's child.
        checkpoint: the signed note, as the log published it.
        verifier_key: the log's key as the maker of the bundle knew it; compare it with one from elsewhere.
    """

    format: Literal["headgate-inclusion-proof"] = FORMAT
    version: Literal[1] = VERSION
    how_to_check: str = HOW_TO_CHECK
    leaf_index: int
    entry: str
    inclusion_proof: list[str]
    checkpoint: str
    verifier_key: str

    def to_json(self) -> bytes:
        """The bundle as indented JSON, ending in a newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def tlog_proof(self) -> str:
        """The same proof, without the entry, in the text form of c2sp.org/tlog-proof."""
        hashes = "".join(f"{node}\n" for node in self.inclusion_proof)
        return f"{TLOG_PROOF_HEADER}\nindex {self.leaf_index}\n{hashes}\n{self.checkpoint}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A proof that verified.

    Args:
        key_is_from_bundle: the key came with the proof itself, so this shows only that the bundle agrees with itself.
    """

    entry: bytes
    leaf_index: int
    checkpoint: VerifiedCheckpoint
    key_is_from_bundle: bool

    @property
    def statement(self) -> Literal["self-consistent", "included", "witnessed"]:
        """The strongest true statement. `included` needs a key from elsewhere, `witnessed` also a given witness."""
        if self.key_is_from_bundle:
            return "self-consistent"
        return "witnessed" if self.checkpoint.cosigned else "included"


def prove(root: Path, index: int, *, keys: Sequence[VerifierKey]) -> Bundle:
    """Make and check the proof bundle of an entry from the log's files; O(log n) reads.

    Args:
        keys: the log's verifier keys; the bundle names the first that signed the checkpoint.

    Raises:
        NotFound: the log has no entry with this index.
        Corrupt: the files do not verify, or no given key signed.
    """
    try:
        note = read_checkpoint(root)
    except FileNotFoundError:
        raise Corrupt("The log has no checkpoint yet, so there is no proof.") from None
    verified = verify_checkpoint(note, keys=keys)
    size = verified.checkpoint.size
    reader = TileReader(root, size)
    claim = _Claim(reader.entry(index), index, tuple(prove_inclusion(reader, index=index, size=size)))
    _check(claim, verified)
    return Bundle(
        leaf_index=index,
        entry=to_base64(claim.entry),
        inclusion_proof=[to_base64(node) for node in claim.proof],
        checkpoint=note.decode(),
        verifier_key=verified.signed_by[0].encode(),
    )


def check_bundle(
    bundle: bytes | Mapping[str, Any], *, keys: Sequence[VerifierKey] | None, witnesses: Sequence[VerifierKey] = ()
) -> Checked:
    """Check a proof bundle, offline.

    Args:
        keys: the log's verifier keys from another source; None takes the key in the bundle, which proves less.

    Raises:
        Invalid: it is not a bundle of this format, or no key was given.
        Corrupt: the signature or the proof does not verify.
    """
    read = _read_bundle(bundle)
    entry = from_base64(read.entry)
    if entry is None or len(entry) > MAX_ENTRY_BYTES:
        raise Invalid("The bundle's entry is not base64 of at most 65,535 bytes.", param="entry")
    claim = _Claim(entry, read.leaf_index, _read_hashes(read.inclusion_proof))
    own = [VerifierKey.decode(read.verifier_key)] if keys is None else keys
    verified = verify_checkpoint(read.checkpoint.encode(), keys=own, witnesses=witnesses)
    _check(claim, verified)
    return Checked(entry, claim.index, verified, key_is_from_bundle=keys is None)


def check_tlog_proof(
    text: str, *, entry: bytes, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey] = ()
) -> Checked:
    """Check a proof in the text form of c2sp.org/tlog-proof for a separate entry.

    Raises:
        Invalid: the text is not of that form.
        Corrupt: the signature or the proof does not verify.
    """
    if len(text) > MAX_BUNDLE_BYTES:
        raise TooLarge(f"A proof of {len(text)} characters is larger than any proof can be.")
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    header, rest = lines[0], lines[1:]
    if rest and rest[0].startswith("extra "):
        del rest[0]  # opaque and not authenticated
    index = parse_decimal(rest[0].removeprefix("index ")) if rest and rest[0].startswith("index ") else None
    if header != TLOG_PROOF_HEADER or not gap or index is None:
        raise Invalid(f"That is not a proof of the form {TLOG_PROOF_HEADER}.")
    claim = _Claim(entry, index, _read_hashes(rest[1:]))
    verified = verify_checkpoint(note.encode(), keys=keys, witnesses=witnesses)
    _check(claim, verified)
    return Checked(entry, index, verified, key_is_from_bundle=False)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A claim that the log has an entry at an index, with its hashes."""

    entry: bytes
    index: int
    proof: tuple[bytes, ...]


def _check(claim: _Claim, verified: VerifiedCheckpoint) -> None:
    head = verified.checkpoint.head
    if not verify_inclusion(claim.proof, leaf_hash=hash_leaf(claim.entry), index=claim.index, head=head):
        raise Corrupt(
            f"The proof does not lead from the entry at index {claim.index} to the signed root of {head.size} entries."
        )


def _read_bundle(bundle: bytes | Mapping[str, Any]) -> Bundle:
    try:
        if isinstance(bundle, bytes):
            if len(bundle) > MAX_BUNDLE_BYTES:
                raise TooLarge(f"A proof bundle of {len(bundle)} bytes is larger than any proof can be.")
            return msgspec.json.decode(bundle, type=Bundle)
        return msgspec.convert(bundle, type=Bundle)
    except msgspec.MsgspecError as problem:
        raise Invalid(f"That is not a proof bundle of version {VERSION}: {problem}.") from problem


def _read_hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    hashes = [from_base64(text) for text in texts[:MAX_PROOF_HASHES]]
    sound = tuple(node for node in hashes if node is not None and len(node) == HASH_BYTES)
    if len(sound) != len(texts):
        raise Invalid(f"An inclusion proof is at most {MAX_PROOF_HASHES} hashes, each 32 bytes in base64.")
    return sound
