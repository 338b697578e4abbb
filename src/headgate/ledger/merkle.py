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
    """How many leaves a log has, and the hash that stands for all of them in their order."""

    size: int
    root: bytes


class HashReader(Protocol):
    """Where the hashes of complete subtrees are read from."""

    def node(self, level: int, index: int) -> bytes:
        """The hash over leaves `index << level` up to (not including) `(index + 1) << level`."""
        ...


def hash_leaf(entry: bytes) -> bytes:
    """The hash of one entry as a leaf."""
    return sha256(b"\x00" + entry).digest()


def hash_leaves(entries: Iterable[bytes]) -> list[bytes]:
    """The leaf hashes of many entries, in their order."""
    digest = sha256
    return [digest(b"\x00" + entry).digest() for entry in entries]


def hash_children(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children."""
    return sha256(b"\x01" + left + right).digest()


def _hash_pairs(row: Sequence[bytes]) -> list[bytes]:
    digest = sha256
    return [digest(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over subtree hashes of equal height, left to right; O(n). For leaf hashes, RFC 6962's MTH."""
    frontier = Frontier()
    frontier.extend(hashes)
    return frontier.root()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root of a tree from the complete subtrees that make it up, the tallest first."""
    if not hashes:
        return EMPTY_ROOT
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = hash_children(left, joined)
    return joined


class Frontier:
    """The right edge of a tree: all that is needed to go on appending and to know the root.

    It holds one hash for each bit set in the size, the tallest subtree first: at most 63 hashes whatever the size.
    Not safe for use by several threads at once.
    """

    __slots__ = ("_edge", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._edge: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        """Leaves appended so far."""
        return self._size

    def extend(self, hashes: Sequence[bytes]) -> list[list[bytes]]:
        """Appends leaf hashes and returns every hash that came into being, row by row from the leaves up.

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
        """The root of the tree as it stands; O(log n)."""
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
        """Reads what `to_bytes` wrote.

        Raises:
            Corrupt: the length does not fit the size.
        """
        size = int.from_bytes(data[:8], "big")
        if len(data) != 8 + HASH_BYTES * size.bit_count() or size >= MAX_TREE_SIZE:
            raise Corrupt("A stored tree frontier has the wrong length; rebuild it from the log's tiles.")
        levels = _levels(size)
        hashes = (data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES))
        return cls._of(size, dict(zip(levels, hashes, strict=True)))

    @classmethod
    def read(cls, reader: HashReader, size: int) -> Frontier:
        """The frontier of the tree of `size` leaves, from at most 63 reads."""
        return cls._of(size, {level: reader.node(level, (size >> level) - 1) for level in _levels(size)})

    @classmethod
    def _of(cls, size: int, edge: dict[int, bytes]) -> Frontier:
        frontier = cls()
        frontier._size, frontier._edge = size, edge
        return frontier


def _levels(size: int) -> list[int]:
    """The heights of the complete subtrees that make up a tree, the tallest first."""
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
    """The root that the tree had when it held `size` leaves; O(log n) reads."""
    return _Span(0, size).hash(reader)


def prove_inclusion(reader: HashReader, *, index: int, size: int) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of the tree of `size` leaves, lowest first.

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
    """The hashes that show the first `old_size` leaves to be unchanged in the tree of `new_size` leaves.

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
    """Whether `proof` shows the leaf to stand at `index` in the tree of `head`. Source: RFC 9162 §2.1.3.2."""
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
    """Whether `proof` shows the tree of `new` to begin with all leaves of `old`. Source: RFC 9162 §2.1.4.2."""
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
    """Rebuilds the older and the newer root from a consistency path, or None where its length does not fit."""
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
