"""The files of a log: reads tiles and entries, and appends to them safely against crashes.

A tile never changes after the publication of a checkpoint that covers it. A batch becomes durable in this order: write
every file under a temporary name, sync it, rename it, sync the folders, and then let `publish` replace the checkpoint.
A crash in between leaves files that no checkpoint covers; appending the same entries again finishes the work. Partial
tiles are removed after a checkpoint covers the full tile.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from headgate.kernel.errors import Conflict, Corrupt, Invalid, NotFound
from headgate.ledger.checkpoint import MAX_NOTE_BYTES, Checkpoint, Note
from headgate.ledger.layout import (
    CHECKPOINT,
    ENTRIES,
    MAX_BUNDLE_BYTES,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TileName,
    encode_entries,
    encode_entry,
    entry_spans,
    levels_of,
    nodes_at,
    split_hashes,
    tile_at,
)
from headgate.ledger.merkle import HASH_BYTES, Frontier, TreeHead, hash_leaves, root_of

STAGING = ".staging"
"""The folder for temporary files. It is not part of the log."""

_STEP_ENTRIES = 64 * TILE_WIDTH  # bounds the files held open and the memory of one step


def read_file(path: Path, *, limit: int) -> bytes:
    """Read a plain file.

    Raises:
        FileNotFoundError: it does not exist.
        Corrupt: it is not a plain file (a link, a pipe), or holds more than `limit` bytes.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise Corrupt("is not a plain file")
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Corrupt(f"is longer than {limit} bytes")
    return data


def read_checkpoint(root: Path) -> bytes:
    """Read the signed note of the log in `root`, without verifying it.

    Raises:
        FileNotFoundError: the log has none yet.
        Corrupt: it is too large or not a plain file.
    """
    return read_file(root / CHECKPOINT, limit=MAX_NOTE_BYTES)


class TileReader:
    """Reads hashes and entries of a log at `size` leaves from its files, without verifying them.

    If a partial tile was removed after it filled up, reads the beginning of the full tile. Caches the last tile of each
    level. Not thread-safe.
    """

    def __init__(self, root: Path, size: int) -> None:
        self._root = root
        self.size = size
        self._tiles: dict[int, tuple[int, list[bytes]]] = {}
        self._bundle: tuple[int, list[bytes]] | None = None

    def tile(self, level: int, index: int) -> list[bytes]:
        """Return the hashes of a tile, as many as a log of this size has.

        Raises:
            Corrupt: the tile is missing or has the wrong length.
        """
        kept = self._tiles.get(level)
        if kept is not None and kept[0] == index:
            return kept[1]
        name = self._name(level, index)
        data = self._read(name, limit=TILE_BYTES)
        if len(data) < name.width * HASH_BYTES or len(data) % HASH_BYTES:
            raise Corrupt(f"The tile {name.path} has the wrong length; run `headgate ledger verify`.")
        hashes = split_hashes(data[: name.width * HASH_BYTES])
        self._tiles[level] = (index, hashes)
        return hashes

    def node(self, level: int, index: int) -> bytes:
        """Return the hash over leaves `index << level` up to `(index + 1) << level`; at most 128 hashings."""
        tile_level, rest = divmod(level, TILE_HEIGHT)
        first = index << rest
        start = first % TILE_WIDTH
        hashes = self.tile(tile_level, first // TILE_WIDTH)[start : start + (1 << rest)]
        if len(hashes) != 1 << rest:
            raise Invalid(f"A log of {self.size} entries has no complete subtree {index} of height {level}.")
        return hashes[0] if rest == 0 else root_of(hashes)

    def bundle(self, index: int) -> list[bytes]:
        """Return the entries of a bundle, as many as a log of this size has.

        Raises:
            Corrupt: the bundle is missing or truncated.
        """
        if self._bundle is not None and self._bundle[0] == index:
            return self._bundle[1]
        name = self._name(ENTRIES, index)
        data = self._read(name, limit=MAX_BUNDLE_BYTES)
        entries = [data[span.start : span.stop] for span in entry_spans(data, limit=name.width)]
        if len(entries) != name.width:
            raise Corrupt(f"The bundle {name.path} holds {len(entries)} of {name.width} entries.")
        self._bundle = (index, entries)
        return entries

    def entry(self, index: int) -> bytes:
        """Return one entry by leaf index.

        Raises:
            NotFound: the log is shorter.
        """
        if not 0 <= index < self.size:
            raise NotFound(f"The log holds {self.size} entries; there is none at index {index}.")
        return self.bundle(index // TILE_WIDTH)[index % TILE_WIDTH]

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the entries from `start` up to `stop` (default: the log's end), one bundle in memory at a time."""
        at, end = max(start, 0), self.size if stop is None else min(stop, self.size)
        while at < end:
            offset = at % TILE_WIDTH
            span = self.bundle(at // TILE_WIDTH)[offset : offset + end - at]
            yield from span
            at += len(span)

    def _name(self, level: int, index: int) -> TileName:
        name = tile_at(level, index, self.size)
        if name is None:
            raise Invalid(f"A log of {self.size} entries has no tile {index} at level {level}.")
        return name

    def _read(self, name: TileName, *, limit: int) -> bytes:
        for candidate in (name, name.full):
            try:
                return read_file(self._root / candidate.path, limit=limit)
            except FileNotFoundError:
                continue
            except Corrupt as problem:
                raise Corrupt(f"The file {candidate.path} {problem.message}.") from problem
        raise Corrupt(f"The file {name.path} is missing; run `headgate ledger verify` to see all that is.")


class TileFiles:
    """Writes one log's files. The sequencer's locks allow only one instance at a time.

    Args:
        root: the log's folder; created at the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._frontier = Frontier()
        self._edge: dict[int, bytes] = {}
        self._obsolete: set[TileName] = set()

    def published(self) -> Checkpoint | None:
        """Return the checkpoint in the folder, without verifying signatures, or None before the first.

        Reads the file each time, because another process may have published.

        Raises:
            Corrupt: the checkpoint is unreadable. Appends stay blocked until it is repaired.
        """
        try:
            return Checkpoint.parse(Note.parse(read_checkpoint(self.root)).text)
        except FileNotFoundError:
            return None

    def append(self, entries: Sequence[bytes], *, old_size: int, hashes: Sequence[bytes] | None = None) -> TreeHead:
        """Write the tiles and bundles of the entries from `old_size` on, durably. Return the new tree head.

        Repeating the call writes the same bytes. Entries under the published checkpoint never change.

        Args:
            hashes: the leaf hashes of the entries, or None to compute them.

        Raises:
            TooLarge: an entry is over 65,535 bytes; nothing was written.
            Conflict: the entries differ from those under the published checkpoint.
            Corrupt: the files of the first `old_size` entries are missing or damaged.
            OSError: the disk failed; the published log is unchanged.
        """
        self._seek(old_size)
        encoded, published = encode_entries(entries), self.published()
        hashes = hash_leaves(entries) if hashes is None else hashes
        covered = 0 if published is None else published.size
        for start in range(0, len(entries), _STEP_ENTRIES):
            stop = start + _STEP_ENTRIES
            self._append_step(list(hashes[start:stop]), encoded[start:stop], covered)
        return self._frontier.head()

    def repair(self, batches: Iterable[Sequence[bytes]], *, from_size: int = 0) -> TreeHead:
        """Finish or rebuild the files from stored entries, in order from `from_size`; see `append`."""
        self._seek(from_size)
        for batch in batches:
            self.append(batch, old_size=self._frontier.size)
        return self._frontier.head()

    def publish(self, note: bytes) -> None:
        """Replace the checkpoint after its files are on disk, then remove partial tiles that filled up.

        Raises:
            Conflict: it does not match the tiles, or it is smaller than the published one.
        """
        new = Checkpoint.parse(Note.parse(note).text)
        old = self.published()
        if old is not None and (new.size < old.size or new.origin != old.origin):
            raise Conflict(f"A checkpoint of {old.size} entries is published; one of {new.size} would remove entries.")
        self._seek(new.size)
        if self._frontier.head() != new.head or (old is not None and old.size == new.size and old.root != new.root):
            raise Conflict("The checkpoint's root is not that of the tiles; append the entries before publishing.")
        self._write({CHECKPOINT: note})
        for name in self._obsolete:
            shutil.rmtree((self.root / name.path).with_name(Path(name.path).name + ".p"), ignore_errors=True)
        self._obsolete.clear()

    def _seek(self, size: int) -> None:
        """Load the right edge at `size` leaves, from memory or from the files."""
        if size == self._frontier.size:
            return
        reader, edge = TileReader(self.root, size), dict[int, bytes]()
        for level in range(levels_of(size)):
            nodes = nodes_at(level, size)
            if nodes % TILE_WIDTH:
                edge[level] = b"".join(reader.tile(level, nodes // TILE_WIDTH))
        if size % TILE_WIDTH:
            edge[ENTRIES] = b"".join(map(encode_entry, reader.bundle(size // TILE_WIDTH)))
        frontier = Frontier.read(reader, size)
        old = self.published()
        if old is not None and old.size == size and old.root != frontier.root():
            raise Corrupt("The tiles do not lead to the published root; run `headgate ledger verify`.")
        self._frontier, self._edge = frontier, edge

    def _append_step(self, leaves: list[bytes], encoded: list[bytes], covered: int) -> None:
        frontier, old_size = self._frontier.copy(), self._frontier.size
        rows = enumerate(frontier.extend(leaves)[::TILE_HEIGHT])
        files, edge = dict[TileName, bytes](), dict(self._edge)
        obsolete = set[TileName]()
        for level, new in ((ENTRIES, encoded), *rows):
            offset = nodes_at(level, old_size) % TILE_WIDTH
            for name, data in _fill(level, new, nodes_at(level, old_size), edge.pop(level, b"")):
                files[name] = data
                if name.is_partial:
                    edge[level] = data
                elif offset:
                    obsolete.add(name)
                offset = 0
        self._write({name.path: data for name, data in files.items() if not self._stands(name, data, covered)})
        self._obsolete |= obsolete
        self._frontier, self._edge = frontier, edge

    def _stands(self, name: TileName, data: bytes, covered: int) -> bool:
        """Return whether the file already has these bytes. Refuses changes under a checkpoint."""
        if name.index * TILE_WIDTH + name.width > nodes_at(name.level, covered):
            return False
        try:
            stored = read_file(self.root / name.path, limit=MAX_BUNDLE_BYTES)
        except FileNotFoundError:
            return False
        if stored != data:
            raise Conflict(
                f"{name.path} differs from the entries given and is covered by the published checkpoint. "
                "If verifying shows the file to be damaged, move it away and repair again."
            )
        return True

    def _write(self, files: dict[str, bytes]) -> None:
        """Write files durably. Each file appears atomically."""
        folders, staged = set[Path](), list[tuple[Path, Path, int]]()
        staging = self._make_folder(self.root / STAGING, folders)
        try:
            for number, (path, data) in enumerate(files.items()):
                source = staging / str(number)
                fd = os.open(source, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                staged.append((source, self.root / path, fd))
                _write_all(fd, data)
            for _, _, fd in staged:
                os.fsync(fd)
        finally:
            for _, _, fd in staged:
                os.close(fd)
        for source, target, _ in staged:
            folders.add(self._make_folder(target.parent, folders))
            source.replace(target)
        for folder in folders:
            _sync_folder(folder)

    def _make_folder(self, folder: Path, dirty: set[Path]) -> Path:
        """Create a folder and its parents, and collect every changed folder in `dirty`."""
        if not folder.is_dir():
            self._make_folder(folder.parent, dirty)
            folder.mkdir(mode=0o700, exist_ok=True)
            dirty.add(folder.parent)
        return folder


def _fill(level: int, new: list[bytes], first: int, begun: bytes) -> Iterator[tuple[TileName, bytes]]:
    """Yield the tiles of a level with new hashes (or encoded entries) from node `first` on, after the `begun` bytes."""
    at = 0
    while at < len(new):
        index, offset = divmod(first + at, TILE_WIDTH)
        part = new[at : at + TILE_WIDTH - offset]
        yield TileName(level, index, offset + len(part)), begun + b"".join(part)
        at, begun = at + len(part), b""


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
