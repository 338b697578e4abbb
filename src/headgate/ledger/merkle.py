"""The Merkle tree of the ledger: hashes, a growing right edge, and proofs of inclusion and consistency.

Source: RFC 6962 §2.1 (hashing, proofs) and RFC 9162 §2.1 (verifying them). A *node* is named by its tree level and
its index on that level; only complete subtrees have a name, so a named hash never changes as the log grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol

from headgate.kernel.errors import Corrupt, Invalid

HASH_BYTES = 32
MAX_TREE_SIZE = 1 << 63
EMPTY_ROOT = sha256(b"").digest()


class TreeHead(NamedTuple):
    """Number of leaves of a log, and the root hash over them."""

    size: int
    root: bytes


class HashReader(Protocol):
    """Source of the hashes of complete subtrees."""

    def node(self, level: int, index: int) -> bytes:
        """Return the hash over leaves `index << level` up to (not including) `(index + 1) << level`."""
        ...


def hash_leaf(entry: bytes) -> bytes:
    """Return the leaf hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def hash_leaves(entries: Iterable[bytes]) -> list[bytes]:
    """Return the leaf hashes of many entries, in order."""
    digest = sha256
    return [digest(b"\x00" + entry).digest() for entry in entries]


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node over its two children."""
    return sha256(b"\x01" + left + right).digest()


def _hash_pairs(row: Sequence[bytes]) -> list[bytes]:
    digest = sha256
    return [digest(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over subtree hashes of equal height, left to right; O(n). For leaf hashes, RFC 6962's MTH."""
    frontier = Frontier()
    frontier.extend(hashes)
    return frontier.root()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a tree from its complete subtrees, the tallest first."""
    if not hashes:
        return EMPTY_ROOT
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = hash_children(left, joined)
    return joined


class Frontier:
    """The right edge of a tree: the state for appending and for computing the root.

    It has one hash per set bit of the size, the tallest subtree first: at most 63 hashes. Not thread-safe.
    """

    __slots__ = ("_edge", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._edge: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        """Number of appended leaves."""
        return self._size

    def extend(self, hashes: Sequence[bytes]) -> list[list[bytes]]:
        """Append leaf hashes and return all new hashes, row by row from the leaves up.

        Row `k` holds the new complete subtrees of height `k`, left to right; the tile writer keeps each eighth row.
        """
        rows: list[list[bytes]] = []
        row, level = list(hashes), 0
        while row:
            rows.append(row)
            waiting = self._edge.pop(level, None)
            paired = row if waiting is None else [waiting, *row]
            if len(paired) % 2:
                self._edge[level] = paired[-1]
                paired = paired[:-1]
            row, level = _hash_pairs(paired), level + 1
        self._size += len(hashes)
        return rows

    def root(self) -> bytes:
        """Return the current root; O(log n)."""
        return fold([self._edge[level] for level in sorted(self._edge, reverse=True)])

    def head(self) -> TreeHead:
        """Size and root together."""
        return TreeHead(self._size, self.root())

    def copy(self) -> Frontier:
        """An independent frontier at the same place."""
        twin = Frontier()
        twin._size, twin._edge = self._size, dict(self._edge)
        return twin

    def to_bytes(self) -> bytes:
        """Eight bytes of size, big endian, then the hashes, the tallest subtree first."""
        edge = (self._edge[level] for level in sorted(self._edge, reverse=True))
        return self._size.to_bytes(8, "big") + b"".join(edge)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Decode the output of `to_bytes`.

        Raises:
            Corrupt: the length does not match the size.
        """
        size = int.from_bytes(data[:8], "big")
        if len(data) != 8 + HASH_BYTES * size.bit_count() or size >= MAX_TREE_SIZE:
            raise Corrupt("A stored tree frontier has the wrong length; rebuild it from the log's tiles.")
        levels = _levels(size)
        hashes = (data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES))
        return cls._of(size, dict(zip(levels, hashes, strict=True)))

    @classmethod
    def read(cls, reader: HashReader, size: int) -> Frontier:
        """Read the frontier of the tree of `size` leaves, with at most 63 reads."""
        return cls._of(size, {level: reader.node(level, (size >> level) - 1) for level in _levels(size)})

    @classmethod
    def _of(cls, size: int, edge: dict[int, bytes]) -> Frontier:
        frontier = cls()
        frontier._size, frontier._edge = size, edge
        return frontier


def _levels(size: int) -> list[int]:
    """Return the heights of a tree's complete subtrees, the tallest first."""
    return [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]


@dataclass(frozen=True, slots=True)
class _Span:
    """Leaves `start` up to `stop` of a tree, where `start` is a multiple of the largest power of two not above it."""

    start: int
    stop: int

    def split(self) -> tuple[_Span, _Span]:
        """RFC 6962's split: the largest power of two below the length goes left."""
        middle = self.start + (1 << ((self.stop - self.start - 1).bit_length() - 1))
        return _Span(self.start, middle), _Span(middle, self.stop)

    def hash(self, reader: HashReader) -> bytes:
        """The root over these leaves."""
        start, hashes = self.start, list[bytes]()
        for level in _levels(self.stop - self.start):
            hashes.append(reader.node(level, start >> level))
            start += 1 << level
        return fold(hashes)


def root_at(reader: HashReader, size: int) -> bytes:
    """Return the root of the tree at `size` leaves; O(log n) reads."""
    return _Span(0, size).hash(reader)


def prove_inclusion(reader: HashReader, *, index: int, size: int) -> list[bytes]:
    """Return the hashes from leaf `index` to the root of the tree of `size` leaves, lowest first.

    Raises:
        Invalid: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise Invalid(f"Leaf {index} is not in a tree of {size} leaves; ask for one below {size}.", param="index")
    span, proof = _Span(0, size), list[bytes]()
    while span.stop - span.start > 1:
        left, right = span.split()
        span, sibling = (left, right) if index < left.stop else (right, left)
        proof.append(sibling.hash(reader))
    proof.reverse()
    return proof


def prove_consistency(reader: HashReader, *, old_size: int, new_size: int) -> list[bytes]:
    """Return the hashes that prove the first `old_size` leaves unchanged in the tree of `new_size` leaves.

    Raises:
        Invalid: the older tree is larger than the newer one.
    """
    if not 0 <= old_size <= new_size:
        raise Invalid(f"A tree of {old_size} leaves cannot be older than one of {new_size}.", param="old_size")
    if old_size in (0, new_size):
        return []
    span, proof, is_whole = _Span(0, new_size), list[bytes](), True
    while old_size != span.stop:
        left, right = span.split()
        if old_size <= left.stop:
            span, sibling = left, right
        else:
            span, sibling, is_whole = right, left, False
        proof.append(sibling.hash(reader))
    if not is_whole:
        proof.append(span.hash(reader))
    proof.reverse()
    return proof


def verify_inclusion(proof: Sequence[bytes], *, leaf_hash: bytes, index: int, head: TreeHead) -> bool:
    """Return whether `proof` proves that the leaf is at `index` in the tree of `head`. Source: RFC 9162 §2.1.3.2."""
    if not 0 <= index < head.size or any(len(node) != HASH_BYTES for node in proof):
        return False
    at, last, current = index, head.size - 1, leaf_hash
    for node in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            current = hash_children(node, current)
            shift = (at & -at).bit_length() - 1
            at, last = at >> shift, last >> shift
        else:
            current = hash_children(current, node)
        at, last = at >> 1, last >> 1
    return last == 0 and current == head.root


def verify_consistency(proof: Sequence[bytes], *, old: TreeHead, new: TreeHead) -> bool:
    """Return whether `proof` proves that the tree `new` begins with all leaves of `old`. Source: RFC 9162 §2.1.4.2."""
    if not 0 <= old.size <= new.size or any(len(node) != HASH_BYTES for node in proof):
        return False
    if old.size == new.size:
        return not proof and old.root == new.root
    if old.size == 0:
        return not proof and old.root == EMPTY_ROOT
    path = [old.root, *proof] if old.size & (old.size - 1) == 0 else list(proof)
    if not path:
        return False
    shift = (~(old.size - 1) & old.size).bit_length() - 1
    at, last = (old.size - 1) >> shift, (new.size - 1) >> shift
    return _climb(path, at, last) == (old.root, new.root)


def _climb(path: Sequence[bytes], at: int, last: int) -> tuple[bytes, bytes] | None:
    """Rebuild the older and the newer root from a consistency path. Return None for a wrong length."""
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old, new = hash_children(node, old), hash_children(node, new)
            shift = (at & -at).bit_length() - 1
            at, last = at >> shift, last >> shift
        else:
            new = hash_children(new, node)
        at, last = at >> 1, last >> 1
    return (old, new) if last == 0 else None
