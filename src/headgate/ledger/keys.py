"""Sealing keys of record parts: one per partition, in a folder, created once and destroyed once.

Destroying a partition's key erases everything sealed under it. A marker stays behind, so that a key from a restored
backup is not used again, and the partition never gets a second key.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from headgate.kernel.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable
from headgate.kernel.ports import Clock
from headgate.substrate.sealing import KEY_BYTES

_SEEN_S = 1.0
_SEEN_KEPT = 1000

_PARTITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_COVERS = (
    "This installation's key of the partition was overwritten and removed, and will not be used again where it comes "
    "back. What was sealed under it cannot be opened with what this installation keeps. Not covered: copies of the key "
    "in backups of the key folder until they expire, blocks that a journaling or copy-on-write file system or a "
    "solid-state disk keeps after an overwrite, and texts that left the ledger before."
)


class KeyRing(Protocol):
    """Source of the partitions' sealing keys."""

    def key(self, partition: str) -> bytes:
        """Return the partition's key of 32 bytes.

        Raises:
            NotFound: the partition has no key, or its key was destroyed.
        """
        ...


@dataclass(frozen=True, slots=True)
class DestructionReceipt:
    """Receipt of a destroyed key, with the extent of the erasure.

    Args:
        destroyed_at: ISO 8601, UTC.
        had_key: False if there was no key left (a repeated request).
        covers: description of the erased content and of the remaining copies.
    """

    partition: str
    destroyed_at: str
    had_key: bool
    covers: str = _COVERS


@dataclass(frozen=True, slots=True)
class _Loaded:
    path: str
    inode: int
    key: bytes


class FileKeyRing:
    """Keys as files `<partition>.key` of mode 0600 in a folder of mode 0700. Several processes may share the folder.

    A key is cached after its first use. Each use checks its file with one `stat`, so that every process stops at once
    when one of them destroys the key.

    Args:
        folder: created with the first key.
        random_bytes: cryptographic source of random bytes.
    """

    def __init__(self, folder: Path, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._folder = folder
        self._random_bytes = random_bytes
        self._loaded: dict[str, _Loaded] = {}

    def key(self, partition: str) -> bytes:
        """Return the partition's key; see `KeyRing`.

        Raises:
            NotFound: the partition has no key, or its key was destroyed.
            Unavailable: other users can read the file.
            Corrupt: the file does not have a key.
        """
        loaded = self._loaded.get(partition)
        path = str(self._path(partition)) if loaded is None else loaded.path
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            self._loaded.pop(partition, None)
            raise NotFound(f"There is no sealing key for the partition {partition}; it may have been erased.") from None
        if loaded is None or loaded.inode != status.st_ino:
            loaded = _Loaded(path, status.st_ino, self._load(partition, status))
            self._loaded[partition] = loaded
        return loaded.key

    def create(self, partition: str) -> bytes:
        """Return the partition's key. Creates it durably if there is none.

        Raises:
            Conflict: the partition's key was destroyed; use another partition.
        """
        path = self._path(partition)
        if self._marker(partition).exists():
            raise Conflict(f"The sealing key of {partition} was destroyed; a partition never gets a second one.")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{partition}.{self._random_bytes(8).hex()}"
        _write_durably(draft, self._random_bytes(KEY_BYTES))
        try:
            with suppress(FileExistsError):  # another process was first, and its key counts
                os.link(draft, path)
        finally:
            draft.unlink()
        _sync_folder(self._folder)
        return self.key(partition)

    def partitions(self) -> list[str]:
        """Return the partitions that have a key, sorted by name."""
        found = (path.name.removesuffix(".key") for path in self._folder.glob("*.key"))
        return sorted(name for name in found if _PARTITION.fullmatch(name))

    def destroy(self, partition: str, *, at: datetime) -> DestructionReceipt:
        """Destroy the partition's key permanently: mark, overwrite and remove it. Idempotent.

        Args:
            at: aware time for the receipt.
        """
        path = self._path(partition)
        receipt = DestructionReceipt(partition, at.isoformat(), had_key=path.exists())
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another process marks it at the same time, or an earlier try did
            _write_durably(self._marker(partition), json.dumps(asdict(receipt)).encode())
            _sync_folder(self._folder)
        try:
            _overwrite(path)
            path.unlink()
        except FileNotFoundError:
            receipt = replace(receipt, had_key=False)
        self._loaded.pop(partition, None)
        _sync_folder(self._folder)
        return receipt

    def _load(self, partition: str, status: os.stat_result) -> bytes:
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise Unavailable(f"The sealing key of {partition} must be a plain file of mode 0600; correct its mode.")
        try:
            key = self._path(partition).read_bytes()
        except FileNotFoundError:
            key = b""
        # Checked after reading: the marker precedes the overwriting, so an overwritten key is never used.
        if self._marker(partition).exists():
            raise NotFound(f"The sealing key of {partition} was destroyed; what it sealed cannot be opened.")
        if len(key) != KEY_BYTES:
            raise Corrupt(f"The sealing key of {partition} is not 32 bytes long; restore it from its backup.")
        return key

    def _path(self, partition: str) -> Path:
        if not _PARTITION.fullmatch(partition):
            raise Invalid("A partition's name holds 1 to 100 letters, digits, dots, dashes and underscores.")
        return self._folder / f"{partition}.key"

    def _marker(self, partition: str) -> Path:
        return self._folder / f"{partition}.destroyed"


class KeysOnDemand:
    """A key ring that creates a partition's key at its first use; for writers only.

    For a partition with a destroyed key, `key` raises Conflict, and nothing is sealed. This takes effect within one
    second, because checking the file for every part would cost more than the sealing.
    """

    def __init__(self, ring: FileKeyRing, *, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._seen: dict[str, tuple[float, bytes]] = {}

    def key(self, partition: str) -> bytes:
        """Return the partition's key, and create it if there is none; see `FileKeyRing.create`."""
        now = self._clock.monotonic()
        seen = self._seen.get(partition)
        if seen is not None and now - seen[0] < _SEEN_S:
            return seen[1]
        try:
            key = self._ring.key(partition)
        except NotFound:
            key = self._ring.create(partition)
        self._seen = {partition: (now, key)} if len(self._seen) >= _SEEN_KEPT else {**self._seen, partition: (now, key)}
        return key


def _write_durably(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)


def _overwrite(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    with os.fdopen(fd, "wb") as file:
        file.write(bytes(KEY_BYTES))
        file.flush()
        os.fsync(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
