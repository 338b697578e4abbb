"""Git's packet lines and packs, as far as a reader of trees and files needs them.

Source: git documentation, "gitprotocol-common", "gitprotocol-v2" and "gitformat-pack".
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from headgate.kernel.errors import TooLarge, Upstream

FLUSH, DELIMITER = b"0000", b"0001"

_KINDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
_BY_OFFSET, _BY_NAME = 6, 7
_WINDOW_BYTES = 16_384
_MOST_DIGITS = 10
"""The limit of bytes in a number of variable length, which covers 64 bits."""


@dataclass(frozen=True, slots=True)
class GitObject:
    """An object of a repository. `kind` is `commit`, `tree`, `blob` or `tag`."""

    kind: bytes
    data: bytes = field(repr=False)

    @property
    def oid(self) -> str:
        """Its name: the SHA-1 of its content, in hex."""
        return hashlib.sha1(b"%b %d\0%b" % (self.kind, len(self.data), self.data), usedforsecurity=False).hexdigest()


def packet(line: str) -> bytes:
    """Return a packet line."""
    text = f"{line}\n".encode()
    return b"%04x" % (len(text) + 4) + text


def packets(body: bytes) -> Iterator[bytes]:
    """Yield the packet lines of an answer, and an empty one for each flush and delimiter.

    Raises:
        Upstream: the answer is malformed, or the server reports an error.
    """
    at = 0
    while at < len(body):
        try:
            size = int(body[at : at + 4], 16)
        except ValueError as error:
            raise _malformed() from error
        if size < 4:
            yield b""
            at += 4
            continue
        line = body[at + 4 : at + size]
        if len(line) != size - 4:
            raise _malformed()
        if line.startswith(b"ERR "):
            raise Upstream(f"the Git server reports: {line[4:200].decode(errors='replace').strip()}")
        yield line
        at += size


def pack_of(body: bytes) -> bytes:
    """Return the pack in the answer to a fetch.

    Raises:
        Upstream: the answer has none, or the server reports an error.
    """
    pack, is_pack = bytearray(), False
    for line in packets(body):
        if not is_pack:
            is_pack = line.strip() == b"packfile"
        elif line[:1] == b"\x01":
            pack += line[1:]
        elif line[:1] == b"\x03":
            raise Upstream(f"the Git server reports: {line[1:200].decode(errors='replace').strip()}")
    if not pack:
        raise Upstream("the Git server sent no objects")
    return bytes(pack)


def objects_of(pack: bytes, *, most_bytes: int) -> dict[str, GitObject]:
    """Return the objects of a pack by their names.

    Args:
        most_bytes: the limit of all of them together, unpacked.

    Raises:
        Upstream: the pack is malformed.
        TooLarge: there is more.
    """
    if pack[:4] != b"PACK" or len(pack) < 32:
        raise _malformed()
    version, count = struct.unpack(">II", pack[4:12])
    if version != 2 or hashlib.sha1(pack[:-20], usedforsecurity=False).digest() != pack[-20:]:
        raise _malformed()
    reader = _PackReader(pack, most_bytes)
    for _ in range(count):
        reader.read_next()
    return reader.by_name


class _PackReader:
    def __init__(self, pack: bytes, most_bytes: int) -> None:
        self._pack = pack
        self._left = most_bytes
        self._at = 12
        self._by_place: dict[int, GitObject] = {}
        self.by_name: dict[str, GitObject] = {}

    def read_next(self) -> None:
        place = self._at
        kind, size = self._head()
        if kind == _BY_OFFSET:
            base = self._by_place.get(place - self._offset())
        elif kind == _BY_NAME:
            base = self.by_name.get(self._taken(20).hex())
        else:
            base = None
        data = self._inflated(size)
        if kind in _KINDS:
            found = GitObject(_KINDS[kind], data)
        elif base is None:
            raise _malformed()
        else:
            found = GitObject(base.kind, self._patched(base.data, data))
        self._by_place[place] = self.by_name[found.oid] = found

    def _head(self) -> tuple[int, int]:
        """Return the kind of an object, and the size of its data."""
        byte = self._taken(1)[0]
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 128:
            if shift >= 7 * _MOST_DIGITS:
                raise _too_long()
            byte = self._taken(1)[0]
            size |= (byte & 127) << shift
            shift += 7
        return kind, size

    def _offset(self) -> int:
        offset = 0
        for digit in range(_MOST_DIGITS):
            byte = self._taken(1)[0]
            offset = (offset + (digit > 0) << 7) | byte & 127
            if not byte & 128:
                return offset
        raise _too_long()

    def _taken(self, size: int) -> bytes:
        found = self._pack[self._at : self._at + size]
        if len(found) != size:
            raise _malformed()
        self._at += size
        return found

    def _inflated(self, size: int) -> bytes:
        self._spend(size)
        inflating, data = zlib.decompressobj(), bytearray()
        while not inflating.eof:
            window = self._pack[self._at : self._at + _WINDOW_BYTES]
            try:
                data += inflating.decompress(window, size - len(data) + 1)
            except zlib.error as error:
                raise _malformed() from error
            if not window or len(data) > size:
                raise _malformed()
            self._at += len(window) - len(inflating.unused_data) - len(inflating.unconsumed_tail)
        if len(data) != size:
            raise _malformed()
        return bytes(data)

    def _patched(self, base: bytes, delta: bytes) -> bytes:
        """Return an object from another one and their difference."""
        at, base_size = _varint(delta, 0)
        at, size = _varint(delta, at)
        self._spend(size)
        if base_size != len(base):
            raise _malformed()
        made = bytearray()
        while at < len(delta):
            command, at = delta[at], at + 1
            if command & 128:
                at, start, length = _copied(delta, at, command)
                made += base[start : start + length]
            else:
                made += delta[at : at + command]
                at += command
            if len(made) > size:
                raise _malformed()
        if len(made) != size:
            raise _malformed()
        return bytes(made)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooLarge("the objects of the repository are too large")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the place after a number, and the number."""
    value = 0
    for digit, byte in enumerate(data[at : at + _MOST_DIGITS]):
        value |= (byte & 127) << 7 * digit
        if not byte & 128:
            return at + digit + 1, value
    raise _too_long() if len(data) - at >= _MOST_DIGITS else _malformed()


def _copied(delta: bytes, at: int, command: int) -> tuple[int, int, int]:
    """Return the place after a command to copy, and the start and length of the copy."""
    numbers = [0, 0]
    for bit in range(7):
        if command >> bit & 1:
            if at >= len(delta):
                raise _malformed()
            which, shift = (0, bit * 8) if bit < 4 else (1, (bit - 4) * 8)
            numbers[which] |= delta[at] << shift
            at += 1
    return at, numbers[0], numbers[1] or 0x10000


def _malformed() -> Upstream:
    return Upstream("the Git server sent a malformed answer")


def _too_long() -> Upstream:
    return Upstream(f"the Git server sent a malformed answer: a number of over {_MOST_DIGITS} bytes")
