"""Verifies a whole log from its files, without server, database or secrets.

The verifier trusts the signed root. It checks tiles from the root downwards and computes hashes from the entries
upwards. If the two disagree, the side that leads to a trusted hash is right, and the report names the other file.

A sound result means that the log's key signed exactly these files. Without a witness that is *self-consistent* at most,
because the holder of the key could show somebody else another log.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from headgate.kernel.errors import Corrupt
from headgate.ledger.checkpoint import Checkpoint, VerifiedCheckpoint, VerifierKey, verify_checkpoint
from headgate.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    MAX_BUNDLE_BYTES,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    EntrySpan,
    TileName,
    entry_spans,
    right_edge,
    split_hashes,
    tile_at,
)
from headgate.ledger.merkle import HASH_BYTES, fold, hash_leaf, root_at, root_of
from headgate.ledger.tiles import STAGING, TileReader, read_checkpoint, read_file

MAX_FAULTS = 1_000
"""Verification stops after this many faults; restore such a log from a backup."""
MAX_UNSIGNED_NAMED = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and its position.

    Args:
        path: the file below the log's folder, with `/` between the parts.
        what: a description for people.
        leaf_index: the affected entry, if known.
        byte_offset: offset of the fault in the file, if known.
    """

    path: str
    what: str
    leaf_index: int | None = None
    byte_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a verification.

    Args:
        checkpoint: the signed head with its signers, or None if it did not verify.
        faults: at most `MAX_FAULTS`.
        entries_checked: number of entries whose hash was compared.
        unsigned: first 100 files that the checkpoint does not cover, from a running or interrupted append.
        is_complete: False if verification stopped at `MAX_FAULTS` or had no valid checkpoint.
    """

    checkpoint: VerifiedCheckpoint | None
    faults: tuple[Fault, ...]
    entries_checked: int = 0
    unsigned: tuple[str, ...] = ()
    is_complete: bool = True

    @property
    def statement(self) -> Literal["faulty", "self-consistent", "witnessed"]:
        """The strongest true statement on the log. `witnessed` needs the cosignature of a given witness."""
        if self.faults or self.checkpoint is None or not self.is_complete:
            return "faulty"
        return "witnessed" if self.checkpoint.cosigned else "self-consistent"


def verify_log(
    root: Path,
    *,
    keys: Sequence[VerifierKey],
    witnesses: Sequence[VerifierKey] = (),
    trusted: Checkpoint | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check every byte of a log that its checkpoint covers. Memory is bounded; time is linear in the log.

    Args:
        root: the log's folder.
        keys: the log's verifier keys, from a source other than the log.
        witnesses: verifier keys of trusted witnesses.
        trusted: an earlier checkpoint, which this log must continue.
        on_progress: callback after each bundle, with the number of checked entries and of all entries.

    Raises:
        Invalid: no key, or a key of the wrong kind.
    """
    try:
        head = verify_checkpoint(read_checkpoint(root), keys=keys, witnesses=witnesses)
    except FileNotFoundError:
        return Verification(None, (Fault(CHECKPOINT, "is missing"),), is_complete=False)
    except Corrupt as problem:
        return Verification(None, (Fault(CHECKPOINT, problem.message),), is_complete=False)
    walk = _Walk(root, head.checkpoint, on_progress or _no_progress)
    try:
        walk.check_tree()
        walk.check_other_files()
        if trusted is not None:
            walk.check_continues(trusted)
    except _TooManyFaults:
        return Verification(head, tuple(walk.faults), walk.checked, tuple(walk.unsigned), is_complete=False)
    return Verification(head, tuple(walk.faults), walk.checked, tuple(walk.unsigned))


def _no_progress(done: int, size: int) -> None:
    """Ignore progress."""


class _TooManyFaults(Exception):
    """Stops the verification."""


class _Leaf(NamedTuple):
    hash: bytes
    byte_offset: int


class _Known(NamedTuple):
    """Trusted hashes of a checked tile and the hash over them, or nothing."""

    hashes: list[bytes] | None
    root: bytes | None


class _Walk:
    """One pass over the files of a log."""

    def __init__(self, root: Path, head: Checkpoint, on_progress: Callable[[int, int], None]) -> None:
        self._root = root
        self._head = head
        self._on_progress = on_progress
        self._suspects: list[Fault] = []
        self._faulty_paths: set[str] = set()
        self.faults: list[Fault] = []
        self.unsigned: list[str] = []
        self.checked = 0

    def check_tree(self) -> None:
        """Check tiles and entries against the signed root."""
        edge = list(right_edge(self._head.size))
        stored = self._stored_edge(edge)
        is_signed = stored is not None and _join(stored) == self._head.root
        wanted = [root_of(hashes) for hashes in stored] if stored is not None and is_signed else [None] * len(edge)
        known = [self._check_tile(name, expected).hashes for name, expected in zip(edge, wanted, strict=True)]
        if not edge or is_signed:
            return
        sound = [hashes for hashes in known if hashes is not None]
        if len(sound) < len(known) or _join(sound) != self._head.root:
            for suspect in self._suspects:
                self._report(suspect)
            self._report(Fault(CHECKPOINT, "signs a root that differs from the root of the entries"))

    def check_other_files(self) -> None:
        """Check files outside the tree: old partial tiles, files after the checkpoint, and unknown files."""
        for folder, folders, files in os.walk(self._root):
            here = Path(folder)
            folders.sort()
            for name in [*folders, *sorted(files)]:
                path = here / name
                relative = path.relative_to(self._root).as_posix()
                if name in folders and not path.is_symlink():
                    continue
                if relative.startswith(f"{STAGING}/"):
                    self._note_unsigned(relative)
                elif relative != CHECKPOINT:
                    self._check_other_file(relative)

    def check_continues(self, trusted: Checkpoint) -> None:
        """Check that this log begins with all entries of `trusted`, in the same order."""
        head = self._head
        if trusted.origin != head.origin:
            self._report(Fault(CHECKPOINT, f"is of the log {head.origin}, the trusted one of {trusted.origin}"))
        elif trusted.size > head.size:
            self._report(Fault(CHECKPOINT, f"holds {head.size} entries, the trusted one {trusted.size}: cut back"))
        else:
            try:
                continues = root_at(TileReader(self._root, head.size), trusted.size) == trusted.root
            except Corrupt as problem:
                self._report(Fault(CHECKPOINT, f"cannot be compared with the trusted one: {problem.message}"))
                return
            if not continues:
                self._report(Fault(CHECKPOINT, f"does not continue the trusted one of {trusted.size} entries"))

    def _stored_edge(self, edge: Sequence[TileName]) -> list[list[bytes]] | None:
        """Return the stored hashes of the right edge's tiles, or None if one is unreadable."""
        reader = TileReader(self._root, self._head.size)
        try:
            return [reader.tile(name.level, name.index) for name in edge]
        except Corrupt:
            return None

    def _check_tile(self, name: TileName, expected: bytes | None) -> _Known:
        """Check a tile and everything below it.

        Args:
            expected: the hash over this tile from a trusted tile above, or None.
        """
        stored = self._read_hashes(name)
        is_trusted = stored is not None and expected is not None and root_of(stored) == expected
        if name.level == 0:
            computed = self._check_bundle(name, stored, expected)
        else:
            wanted: Sequence[bytes | None] = stored if stored is not None and is_trusted else [None] * name.width
            first = name.index * TILE_WIDTH
            below = (TileName(name.level - 1, first + number) for number in range(name.width))
            computed = [self._check_tile(child, wish).root for child, wish in zip(below, wanted, strict=True)]
        if is_trusted:
            return _Known(stored, expected)
        if stored is not None:
            self._blame_tile(name, stored, computed, expected)
        known = [node for node in computed if node is not None]
        return _Known(known, root_of(known)) if len(known) == name.width else _Known(None, None)

    def _blame_tile(
        self, name: TileName, stored: Sequence[bytes], computed: Sequence[bytes | None], expected: bytes | None
    ) -> None:
        """Report an untrusted tile, at its difference from the files below it, or else as a whole."""
        leaves_each = TILE_WIDTH**name.level
        differing = [
            number for number, pair in enumerate(zip(stored, computed, strict=True)) if pair[1] not in (None, pair[0])
        ]
        for number in differing:
            leaf = (name.index * TILE_WIDTH + number) * leaves_each
            what = "holds a hash that is not the one of the files below it"
            self._report(Fault(self._path(name), what, leaf, number * HASH_BYTES))
        if expected is not None and not differing:
            leaf = name.index * TILE_WIDTH * leaves_each
            self._report(Fault(self._path(name), "does not lead to the hash in the tile above it", leaf))

    def _check_bundle(
        self, tile: TileName, stored: Sequence[bytes] | None, expected: bytes | None
    ) -> list[bytes | None]:
        """Compares a bundle's entries with their leaf hashes; returns the hashes of the entries that could be read."""
        name = TileName(ENTRIES, tile.index, tile.width)
        leaves, is_whole = self._read_leaves(name)
        self.checked += len(leaves)
        self._on_progress(self.checked, self._head.size)
        hashes: list[bytes | None] = [leaf.hash for leaf in leaves]
        is_proven = is_whole and expected is not None and root_of([leaf.hash for leaf in leaves]) == expected
        if stored is not None and not is_proven:
            first = tile.index * TILE_WIDTH
            pairs = enumerate(zip(leaves, stored, strict=False))
            differing = (number for number, (leaf, wish) in pairs if leaf.hash != wish)
            # A wrong length shifts all later entries, so only the first difference is meaningful.
            for number in islice(differing, None if is_whole else 1):
                what = "holds an entry that does not match its leaf hash"
                fault = Fault(self._path(name), what, first + number, leaves[number].byte_offset)
                if expected is None:
                    self._suspects.append(fault)  # the root shows later whether the entry or the leaf hash is wrong
                else:
                    self._report(fault)
        return hashes + [None] * (tile.width - len(hashes))

    def _read_leaves(self, name: TileName) -> tuple[list[_Leaf], bool]:
        """Return the leaf hashes of a bundle's entries, and whether the bundle has exactly its entries."""
        first = name.index * TILE_WIDTH
        data = self._read(name, MAX_BUNDLE_BYTES, first)
        leaves, end = list[_Leaf](), 0
        if data is None:
            return leaves, False
        try:
            for span in entry_spans(data, limit=name.width):
                leaves.append(_Leaf(hash_leaf(data[span.start : span.stop]), span.start - 2))
                end = span.stop
        except Corrupt:
            self._report(Fault(self._path(name), "ends within an entry", first + len(leaves), end))
            return leaves, False
        if len(leaves) < name.width:
            what = f"holds {len(leaves)} of {name.width} entries"
            self._report(Fault(self._path(name), what, first + len(leaves), end))
        elif end < len(data) and not self._is_wider(name):
            self._report(Fault(self._path(name), "holds bytes after its last entry", None, end))
        else:
            return leaves, True
        return leaves, False

    def _read_hashes(self, name: TileName) -> list[bytes] | None:
        """Return the hashes of a tile, or None after reporting a fault."""
        first = name.index * TILE_WIDTH ** (name.level + 1)
        data = self._read(name, TILE_BYTES, first)
        if data is None:
            return None
        wanted = TILE_BYTES if self._is_wider(name) else name.width * HASH_BYTES
        if len(data) != wanted:
            at = min(len(data), wanted)
            self._report(Fault(self._path(name), f"holds {len(data)} bytes instead of {wanted}", None, at))
            return None
        return split_hashes(data[: name.width * HASH_BYTES])

    def _is_wider(self, name: TileName) -> bool:
        return self._path(name) != name.path

    def _path(self, name: TileName) -> str:
        """Return the file of a tile: its own, or the full tile's if only that exists."""
        if name.is_partial and not os.path.lexists(self._root / name.path):
            return name.full.path if os.path.lexists(self._root / name.full.path) else name.path
        return name.path

    def _read(self, name: TileName, limit: int, first_leaf: int) -> bytes | None:
        path = self._path(name)
        try:
            return read_file(self._root / path, limit=limit)
        except FileNotFoundError:
            self._report(Fault(path, "is missing", first_leaf))
        except Corrupt as problem:
            self._report(Fault(path, problem.message))
        return None

    def _check_other_file(self, relative: str) -> None:
        name = TileName.parse(relative)
        if name is None:
            self._report(Fault(relative, "does not belong to a log"))
            return
        covering = tile_at(name.level, name.index, self._head.size)
        if covering is None:
            self._note_unsigned(relative)
        elif relative != self._path(covering) and self._path(covering) not in self._faulty_paths:
            self._compare_with_covering(name, covering)

    def _compare_with_covering(self, name: TileName, covering: TileName) -> None:
        """Check that a copy of a tile with another width agrees with the checked one."""
        try:
            data = read_file(self._root / name.path, limit=MAX_BUNDLE_BYTES)
            checked = read_file(self._root / self._path(covering), limit=MAX_BUNDLE_BYTES)
        except FileNotFoundError:
            return  # a live log removes partial tiles that have filled up
        except Corrupt as problem:
            self._report(Fault(name.path, problem.message))
            return
        spans = list(_spans(checked, covering.level, min(name.width, covering.width)))
        end = spans[-1].stop
        at = next((n for n, pair in enumerate(zip(data[:end], checked, strict=False)) if pair[0] != pair[1]), None)
        if at is None and (len(data) < end or (len(data) > end and name.width < covering.width)):
            at = min(len(data), end)
        if at is not None:
            number = sum(span.stop <= at for span in spans[:-1])
            leaf = (name.index * TILE_WIDTH + number) * TILE_WIDTH ** max(name.level, 0)
            self._report(Fault(name.path, f"differs from {self._path(covering)}", leaf, at))
        elif name.width > covering.width:
            self._note_unsigned(name.path)

    def _note_unsigned(self, path: str) -> None:
        if len(self.unsigned) < MAX_UNSIGNED_NAMED:
            self.unsigned.append(path)

    def _report(self, fault: Fault) -> None:
        self.faults.append(fault)
        self._faulty_paths.add(fault.path)
        if len(self.faults) >= MAX_FAULTS:
            raise _TooManyFaults


def _spans(data: bytes, level: int, count: int) -> Iterator[EntrySpan]:
    """Yield the positions of the first entries of a bundle, or hashes of a tile."""
    if level == ENTRIES:
        return entry_spans(data, limit=count)
    return (EntrySpan(at * HASH_BYTES, (at + 1) * HASH_BYTES) for at in range(count))


def _join(edge: Sequence[Sequence[bytes]]) -> bytes:
    """Return the root over the hashes of the right edge's tiles, the topmost first."""
    subtrees: list[bytes] = []
    for hashes in edge:
        at = 0
        for height in reversed(range(TILE_HEIGHT)):
            if len(hashes) >> height & 1:
                subtrees.append(root_of(hashes[at : at + (1 << height)]))
                at += 1 << height
    return fold(subtrees)
