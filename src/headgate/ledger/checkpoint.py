"""Signed tree heads: a log's signed statement of its size and root.

A checkpoint is a note: a body of lines (origin, size, root, extensions), an empty line, and signature lines. The log
signs with Ed25519; witnesses add timestamped cosignatures. The parsers bound all input and accept only the canonical
form, so that no byte can change unnoticed.

Source: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature (`cosignature/v1`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from headgate.kernel.errors import Conflict, Corrupt, Invalid
from headgate.ledger.merkle import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE, TreeHead

MAX_NOTE_BYTES = 128 * 1024
MAX_SIGNATURES = 64
MAX_NAME_CHARS = 255
LOG: Literal[0x01] = 0x01
WITNESS: Literal[0x04] = 0x04

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64


def to_base64(data: bytes) -> str:
    """Encode as standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes | None:
    """Decode canonical standard base64. Return None for any other text."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return data if to_base64(data) == text else None


def parse_decimal(text: str) -> int | None:
    """Parse a tree size or index below 2^63 without leading zeros. Return None for any other text."""
    number = int(text) if _DECIMAL.fullmatch(text) else MAX_TREE_SIZE
    return number if number < MAX_TREE_SIZE else None


def _is_key_name(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and "+" not in name and " " not in name


def _is_line(line: str) -> bool:
    return bool(line) and min(line) >= " "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key: a name, its kind (1: log, 4: witness) and 32 bytes of Ed25519.

    Raises:
        Invalid: the name holds spaces or a plus sign, or the key is not 32 bytes.
    """

    name: str
    public_key: bytes
    kind: Literal[1, 4] = LOG
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        if not _is_key_name(self.name) or len(self.public_key) != 32:
            raise Invalid("A verifier key needs a name without spaces or plus signs and 32 bytes of Ed25519 key.")
        digest = sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()
        object.__setattr__(self, "key_id", digest[:4])

    def encode(self) -> str:
        """Return the published form `name+id+key`."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.kind]) + self.public_key)}"

    @classmethod
    def decode(cls, text: str) -> VerifierKey:
        """Parse a published verifier key.

        Raises:
            Invalid: it is malformed, of another algorithm, or its id does not belong to its key.
        """
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        data = from_base64(encoded)
        if data is None or len(data) != 33 or data[0] not in (LOG, WITNESS):
            raise Invalid("That is not an Ed25519 verifier key; expected the text name+id+key as the log publishes it.")
        key = cls(name, data[1:], LOG if data[0] == LOG else WITNESS)
        if key.key_id.hex() != key_id:
            raise Invalid("The verifier key's id does not belong to its name and key; copy it again from its source.")
        return key

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made `signature` over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private Ed25519 key with the name under which it signs. Its `repr` shows the public half only."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, seed: bytes, *, kind: Literal[1, 4] = LOG) -> None:
        if len(seed) != 32:
            raise Invalid("An Ed25519 signing key is made from exactly 32 bytes.")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._private.public_key().public_bytes_raw(), kind)

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier.encode()!r})"

    def sign(self, body: str) -> str:
        """Return the log's signature line over a checkpoint body."""
        return self._line(self._private.sign(body.encode()))

    def cosign(self, body: str, *, time_s: int) -> str:
        """Return a witness's line over a checkpoint body. `time_s`: time of its consistency check, in Unix seconds."""
        signature = self._private.sign(_cosigned(body, time_s))
        return self._line(time_s.to_bytes(_TIME_BYTES, "big") + signature)

    def _line(self, signature: bytes) -> str:
        return f"— {self.verifier.name} {to_base64(self.verifier.key_id + signature)}\n"


def _cosigned(body: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{body}".encode()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's commitment: its name (`origin`), size, root, and extension lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(map(_is_line, (self.origin, *self.extensions))):
            raise Invalid("A checkpoint's origin and extensions are non-empty lines without control characters.")
        if not 0 <= self.size < MAX_TREE_SIZE or len(self.root) != HASH_BYTES:
            raise Invalid("A checkpoint needs a size from 0 to 2^63 - 1 and a root of 32 bytes.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Invalid("A checkpoint of an empty log must carry the root of the empty tree.")

    @property
    def head(self) -> TreeHead:
        """Size and root."""
        return TreeHead(self.size, self.root)

    def body(self) -> str:
        """Return the signed lines, each with a newline."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, body: str) -> Checkpoint:
        """Parse a body.

        Raises:
            Corrupt: it is not in the canonical form of `body`.
        """
        lines = body.split("\n")
        size = parse_decimal(lines[1]) if len(lines) >= 4 else None
        root = from_base64(lines[2]) if len(lines) >= 4 else None
        if size is None or root is None or lines[-1]:
            raise Corrupt("The checkpoint's body is not origin, size and root, each on a line of its own.")
        try:
            return cls(lines[0], size, root, tuple(lines[3:-1]))
        except Invalid as problem:
            raise Corrupt(problem.message) from problem


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line of a note, not yet verified."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note, not yet verified: its text, ending in a newline, and its signature lines."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Parse a signed note.

        Raises:
            Corrupt: it is too large, not UTF-8, or not in the form of a signed note.
        """
        if len(data) > MAX_NOTE_BYTES:
            raise Corrupt(f"The checkpoint is larger than {MAX_NOTE_BYTES} bytes.")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise Corrupt(f"The checkpoint is not UTF-8 at byte {problem.start}.") from problem
        text, gap, tail = whole.rpartition("\n\n")
        lines = tail.split("\n")
        if not gap or lines.pop() or not lines or len(lines) > MAX_SIGNATURES:
            raise Corrupt("The checkpoint is not a text, an empty line and 1 to 64 signature lines.")
        if any(char < " " for char in whole if char != "\n"):
            raise Corrupt("The checkpoint holds a control character.")
        return cls(text + "\n", tuple(map(_parse_signature, lines)))


def _parse_signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix("— ").partition(" ")
    data = from_base64(encoded)
    if not line.startswith("— ") or not _is_key_name(name) or data is None or len(data) < 5:
        raise Corrupt("A signature line of the checkpoint is malformed.")
    return NoteSignature(name, data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's verified statement that this head extends the earlier ones, at `time_s` (Unix seconds)."""

    witness: VerifierKey
    time_s: int


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint with a verified signature of its log.

    `unknown_signatures` counts lines of unknown keys. They prove nothing, and their bytes are not authenticated.
    """

    checkpoint: Checkpoint
    signed_by: tuple[VerifierKey, ...]
    cosigned: tuple[Cosignature, ...] = ()
    unknown_signatures: int = 0


def sign_checkpoint(checkpoint: Checkpoint, *keys: SigningKey) -> bytes:
    """Return the signed note of a checkpoint, with one signature line per key."""
    body = checkpoint.body()
    return (body + "\n" + "".join(key.sign(body) for key in keys)).encode()


def verify_checkpoint(
    note: bytes, *, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey] = ()
) -> VerifiedCheckpoint:
    """Parse a checkpoint and verify it with the caller's trusted keys.

    A key counts as the log's only if its name is the checkpoint's origin, so that one log's key cannot sign for
    another. Lines of unknown keys are ignored; a line of a known key must verify.

    Raises:
        Invalid: no log key was given, or a key is in the wrong list.
        Conflict: two of the keys have the same name and id.
        Corrupt: the note is malformed, a known key's signature fails, or no log key signed.
    """
    known = _index_keys(keys, witnesses)
    parsed = Note.parse(note)
    checkpoint = Checkpoint.parse(parsed.text)
    signed_by, cosigned, unknown = list[VerifierKey](), list[Cosignature](), 0
    for line in parsed.signatures:
        key = known.get((line.name, line.key_id))
        if key is None or (key.kind == LOG and key.name != checkpoint.origin):
            unknown += 1
        elif key.kind == LOG:
            _require(key.accepts(line.signature, parsed.text.encode()), key)
            signed_by.append(key)
        else:
            cosigned.append(_verify_cosignature(line, key, parsed.text))
    if not signed_by:
        raise Corrupt(
            "No given key of the log has signed the checkpoint. "
            "Check that the verifier key is the one that the log published and that its name is the origin."
        )
    return VerifiedCheckpoint(checkpoint, tuple(signed_by), tuple(cosigned), unknown)


def _index_keys(keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    if not keys or any(key.kind != LOG for key in keys) or any(key.kind != WITNESS for key in witnesses):
        raise Invalid("Verifying needs at least one verifier key of the log, and witness keys only as witnesses.")
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in (*keys, *witnesses):
        if known.setdefault((key.name, key.key_id), key) != key:
            raise Conflict(f"Two different keys are named {key.name} with the id {key.key_id.hex()}; give only one.")
    return known


def _verify_cosignature(line: NoteSignature, key: VerifierKey, text: str) -> Cosignature:
    time_s = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    is_sound = len(line.signature) == _TIME_BYTES + _SIGNATURE_BYTES and time_s < MAX_TREE_SIZE
    _require(is_sound and key.accepts(line.signature[_TIME_BYTES:], _cosigned(text, time_s)), key)
    return Cosignature(key, time_s)


def _require(is_accepted: bool, key: VerifierKey) -> None:
    if not is_accepted:
        raise Corrupt(f"The signature of {key.name} ({key.key_id.hex()}) on the checkpoint does not verify.")
