"""The journal: a worker's write-ahead log of records, on local disk.

A worker owns one folder and holds a lock on it until it ends. It appends frames of `length, crc32, payload`
(little-endian u32s) to numbered segment files. The bytes reach the kernel within the same turn of the loop, so they
survive the death of the process. A ticket is durable after `fdatasync` returned. Syncs are grouped without a timer:
appends during one sync go with the next.

    JOURNAL/<worker ulid>/lock          held while the worker lives
    JOURNAL/<worker ulid>/00000001.log  segments, each up to `segment_bytes`
    JOURNAL/<worker ulid>/shipped       how far the shipper came: "<segment> <offset> <total bytes>"
    JOURNAL/<worker ulid>/reserve       room kept for closings when the disk is full

A frame with a wrong length or checksum ends its segment, because it was never acknowledged. A worker never appends to
another process's segment. After a failed sync the journal refuses every append until a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from headgate.kernel.errors import Corrupt, TooLarge, Unavailable
from headgate.substrate.disk_sync import DiskSyncMaker, disk_sync

_HEADER = struct.Struct("<II")
_HEADER_BYTES = _HEADER.size
_MAX_PAYLOAD_BYTES = 64 << 20
_CLOSING_SYNC_S = 0.02


class Position(NamedTuple):
    """A position in one worker's journal, before the frame at `offset` of `segment`."""

    segment: int
    offset: int


START = Position(0, 0)


class Stretch(NamedTuple):
    """Consecutive payloads and the position after the last one."""

    payloads: list[bytes]
    after: Position


class Damage(NamedTuple):
    """Damaged bytes of a segment, with the position after them."""

    data: bytes
    at: Position
    after: Position


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Limits of the backlog and of the files.

    Args:
        backlog_bytes: limit of unshipped bytes; over it `append` accepts only closings.
        segment_bytes: size at which a new segment begins.
        reserve_bytes: reserved space that is freed for closings on a full disk.
    """

    backlog_bytes: int = 1 << 30
    segment_bytes: int = 8 << 20
    reserve_bytes: int = 4 << 20


class _Group:
    """Appends that become durable together."""

    __slots__ = ("done", "error", "waiters")

    def __init__(self) -> None:
        self.done = False
        self.error: OSError | None = None
        self.waiters: list[asyncio.Future[None]] = []


class JournalTicket:
    """A handle on one append. Awaiting `durable` triggers the sync."""

    __slots__ = ("_group", "_journal", "error", "frame", "is_closing")

    def __init__(self, journal: Journal, group: _Group) -> None:
        self._journal = journal
        self._group = group
        self.frame = b""
        self.is_closing = False
        self.error: OSError | None = None

    async def durable(self) -> None:
        """Wait until the append is on disk.

        Raises:
            Unavailable: the disk failed.
        """
        group = self._group
        if not group.done:
            await self._journal.sync_of(group)
        error = self.error or group.error
        if error is not None:
            raise _unwritable(error) from error


class Journal:
    """One worker's journal. Belongs to one event loop; not thread-safe.

    At the end of a turn of the loop it writes that turn's appends together, and syncs them if a ticket was awaited.
    The sync runs outside the loop (`disk_sync`); appends during a sync go with the next. After a closing a sync follows
    within 20 ms.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limits: JournalLimits | None = None,
        on_broken: Callable[[], None] = lambda: None,
        disk: DiskSyncMaker = disk_sync,
    ) -> None:
        """Create the folder, take its lock and open the first segment.

        Args:
            on_broken: callback after a failed sync, which makes the journal unusable.
            disk: factory of the `DiskSync`.

        Raises:
            Unavailable: the disk refuses.
        """
        self.folder = folder
        self._limits = limits or JournalLimits()
        self._on_broken = on_broken
        self._fd, self._offset, self._segment = -1, 0, 0
        self._retired: list[int] = []
        self._broken: OSError | None = None
        self._is_refused = False
        self._has_reserve = False
        self._is_closed = False
        try:
            folder.mkdir(parents=True, exist_ok=False, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._fill_reserve()
            self._rotate()
        except OSError as error:
            raise _unwritable(error) from error
        self._loop = asyncio.get_running_loop()
        self._pending: list[JournalTicket] = []
        self._group = _Group()
        self._is_syncing = False
        self._is_sync_wanted = False
        self._timer: asyncio.TimerHandle | None = None
        self._taken_bytes = 0
        self._shipped = _ShippedGauge(folder)
        self._disk = disk(self._loop, self._lock)

    @property
    def backlog_bytes(self) -> int:
        """Number of unshipped bytes. Rereads the shipper's mark."""
        self._shipped.refresh()
        return max(0, self._taken_bytes - self._shipped.bytes_shipped)

    @property
    def is_sound(self) -> bool:
        """Whether the last write succeeded."""
        return self._broken is None and not self._is_refused

    def append(self, payload: bytes, *, is_closing: bool = False) -> JournalTicket:
        """Append a frame; the operating system has it before the loop's turn ends.

        Args:
            payload: at most 64 MiB.
            is_closing: ignore the limit of the backlog, and use the reserve on a full disk.

        Raises:
            Unavailable: over the limit, closed, or the disk refused before; nothing was appended.
            TooLarge: the payload is over 64 MiB.
        """
        size = len(payload)
        if size > _MAX_PAYLOAD_BYTES:
            raise TooLarge(f"a record of {size} bytes is over the journal's limit of {_MAX_PAYLOAD_BYTES}")
        if self._broken is not None:
            raise _unwritable(self._broken) from self._broken
        if self._is_closed:
            raise Unavailable("the journal is closed, because this worker stops; try again", retry_after_s=1)
        if not is_closing:
            if self._taken_bytes - self._shipped.bytes_shipped > self._limits.backlog_bytes:
                self._refuse_over_limit()
            if not self._has_reserve:
                self._reserve_again()
        ticket = JournalTicket(self, self._group)
        ticket.frame = _HEADER.pack(size, zlib.crc32(payload)) + payload
        ticket.is_closing = is_closing
        if not self._pending:
            self._loop.call_soon(self.flush)
        self._taken_bytes += _HEADER_BYTES + size
        self._pending.append(ticket)
        return ticket

    def sync_of(self, group: _Group) -> asyncio.Future[None]:
        """Return the future of the sync for an unfinished group: the running sync or the next."""
        if group is self._group:
            self._want_sync()
        waiter = self._loop.create_future()
        group.waiters.append(waiter)
        return waiter

    async def aclose(self) -> None:
        """Sync the rest and release the folder, so that the shipper can finish it."""
        self._is_closed = True
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(Unavailable):
            await JournalTicket(self, self._group).durable()
        self._disk.close()
        os.close(self._fd)
        os.close(self._lock)

    def _refuse_over_limit(self) -> None:
        waiting_bytes = self.backlog_bytes
        if waiting_bytes > self._limits.backlog_bytes:
            raise Unavailable(
                f"{waiting_bytes} bytes of records wait for the database, over the limit of"
                f" {self._limits.backlog_bytes}; Headgate refuses calls until they are shipped",
                retry_after_s=5,
            )

    def flush(self) -> None:
        """Write the pending frames together, or one by one after a failure, so that each ticket has its result."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        try:
            self._write(b"".join(one.frame for one in pending) if len(pending) > 1 else pending[0].frame)
        except OSError:
            for one in pending:
                self._write_alone(one)
        if self._timer is None and any(one.is_closing for one in pending):
            self._timer = self._loop.call_later(_CLOSING_SYNC_S, self._sync_closings)

    def _write_alone(self, one: JournalTicket) -> None:
        try:
            if not one.is_closing and not self._has_reserve:
                raise OSError(errno.ENOSPC, "No space left on device")  # the freed space is for closings only
            self._write(one.frame)
        except OSError as error:
            if one.is_closing and error.errno in (errno.ENOSPC, errno.EDQUOT):
                try:
                    self._has_reserve = False
                    (self.folder / "reserve").unlink(missing_ok=True)
                    self._write(one.frame)
                except OSError as still:
                    self._fail(one, still)
            else:
                self._fail(one, error)

    def _fail(self, one: JournalTicket, error: OSError) -> None:
        one.error = error
        self._is_refused = True
        self._taken_bytes -= len(one.frame)

    def _write(self, frames: bytes) -> None:
        if self._offset >= self._limits.segment_bytes:
            self._rotate()
        written = 0
        try:
            while written < len(frames):
                written += os.write(self._fd, frames[written:] if written else frames)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._offset)
            raise
        self._offset += len(frames)
        self._is_refused = False

    def _fill_reserve(self) -> None:
        reserve = os.open(self.folder / "reserve", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self._limits.reserve_bytes:
                os.posix_fallocate(reserve, 0, self._limits.reserve_bytes)
            self._has_reserve = True
        except OSError:
            (self.folder / "reserve").unlink()
            raise
        finally:
            os.close(reserve)

    def _reserve_again(self) -> None:
        """Refill the reserve after a full disk. Openings are refused until that succeeds."""
        try:
            self._fill_reserve()
        except OSError as error:
            raise _unwritable(error) from error

    def _rotate(self) -> None:
        """Begin the next segment. The next sync includes the old one and then closes it."""
        path = self.folder / f"{self._segment + 1:08d}.log"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _sync_folder(self.folder)
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._fd, self._offset, self._segment = fd, 0, self._segment + 1

    def _sync_closings(self) -> None:
        self._timer = None
        self._want_sync()

    def _want_sync(self) -> None:
        """Schedule a sync for the end of this turn, or after the running one."""
        if not self._is_sync_wanted:
            self._is_sync_wanted = True
            if not self._is_syncing:
                self._loop.call_soon(self._begin_sync)

    def _begin_sync(self) -> None:
        """Write the pending frames and sync them, together with all earlier ones."""
        self.flush()
        self._is_sync_wanted, self._is_syncing = False, True
        group, self._group = self._group, _Group()
        retired, self._retired = self._retired, []
        self._disk.begin((*retired, self._fd), partial(self._finish, group, retired))

    def _finish(self, group: _Group, retired: list[int], error: OSError | None) -> None:
        for fd in retired:
            os.close(fd)
        if error is not None and self._broken is None:
            self._broken = error
            self._on_broken()
        group.done, group.error = True, self._broken
        for waiter in group.waiters:
            if not waiter.done():
                waiter.set_result(None)
        group.waiters.clear()
        self._shipped.refresh()
        self._is_syncing = False
        if self._is_sync_wanted:
            self._begin_sync()


class _ShippedGauge:
    """The number of shipped bytes of a folder, from the shipper's mark."""

    def __init__(self, folder: Path) -> None:
        self._mark = folder / "shipped"
        self._path = str(self._mark)
        self._seen_ns = -1
        self.bytes_shipped = 0

    def refresh(self) -> None:
        """Reread the mark if it changed; otherwise costs one `stat`."""
        try:
            stamp = os.stat(self._path).st_mtime_ns  # noqa: PTH116 - asked after each sync; pathlib takes twice as long
        except FileNotFoundError:
            return
        if stamp != self._seen_ns:
            self._seen_ns = stamp
            self.bytes_shipped = _read_mark(self._mark).total_bytes


class _Mark(NamedTuple):
    position: Position
    total_bytes: int


def folders(root: Path) -> list[Path]:
    """Return the journal folders below `root`, oldest worker first."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir())


def is_alive(folder: Path) -> bool:
    """Return whether the folder's worker is alive, which means that it holds the lock."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def shipped_mark(folder: Path) -> Position:
    """Return the shipper's position, or the start if it has left no mark."""
    return _read_mark(folder / "shipped").position


def _read_mark(path: Path) -> _Mark:
    try:
        segment, offset, total_bytes = (int(word) for word in path.read_text().split())
    except FileNotFoundError:
        return _Mark(START, 0)
    except ValueError as error:
        raise Corrupt(f"{path} is not a mark of the shipper; restore it, or remove it to ship again") from error
    return _Mark(Position(segment, offset), total_bytes)


def mark_shipped(folder: Path, position: Position) -> None:
    """Store the shipper's position and remove earlier segments. Atomic and safe against crashes."""
    old = _read_mark(folder / "shipped")
    done = [path for path in sorted(folder.glob("*.log")) if int(path.stem) < position.segment]
    total_bytes = old.total_bytes + position.offset
    total_bytes += sum(path.stat().st_size for path in done if int(path.stem) >= old.position.segment)
    total_bytes -= old.position.offset if old.position.segment else 0
    fresh = folder / "shipped.new"
    with fresh.open("w") as file:
        file.write(f"{position.segment} {position.offset} {total_bytes}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / "shipped")
    for path in done:
        path.unlink(missing_ok=True)


def read(folder: Path, after: Position, *, limit_bytes: int = 4 << 20, limit_frames: int = 1 << 20) -> Stretch:
    """Read the frames after a position, across segments, up to about `limit_bytes` of payload.

    Stops at the first incomplete frame, which may be complete later if the segment is still being written.

    Raises:
        Corrupt: the next frame is damaged, and complete frames or segments follow it; see `damaged`.
    """
    payloads: list[bytes] = []
    room = limit_bytes
    segments = sorted(int(path.stem) for path in folder.glob("*.log"))
    for segment in segments:
        if segment < after.segment:
            continue
        base = after.offset if segment == after.segment else 0
        data = _tail(folder, segment, base)
        at = 0
        while room > 0 and len(payloads) < limit_frames and (payload := _frame(data, at)) is not None:
            at += _HEADER.size + len(payload)
            room -= len(payload)
            payloads.append(payload)
        if at:
            after = Position(segment, base + at)
        if room <= 0 or len(payloads) >= limit_frames:
            break
        if at < len(data) and segment != segments[-1]:
            if payloads:
                break  # return the complete frames first
            raise Corrupt(
                f"{folder.name}/{segment:08d}.log is damaged at byte {base + at}: its checksum does not match"
            )
    return Stretch(payloads, after)


def damaged(folder: Path, after: Position) -> Damage:
    """Return the damaged bytes after a position, and the position of the next frame.

    The damage is one frame if complete frames follow it, and otherwise the rest of the segment.
    """
    for segment in sorted(int(path.stem) for path in folder.glob("*.log")):
        if segment < after.segment:
            continue
        base = after.offset if segment == after.segment else 0
        data = _tail(folder, segment, base)
        if data:
            length = _HEADER.unpack_from(data, 0)[0] if len(data) >= _HEADER.size else 0
            behind = _HEADER.size + length
            if not 0 < length <= _MAX_PAYLOAD_BYTES or _frame(data, behind) is None:
                behind = len(data)
            return Damage(data[:behind], Position(segment, base), Position(segment, base + behind))
    raise Corrupt(f"{folder.name} has no bytes after {after}, so there is no damage to skip")


def _tail(folder: Path, segment: int, offset: int) -> bytes:
    with (folder / f"{segment:08d}.log").open("rb") as file:
        file.seek(offset)
        return file.read()


def _frame(data: bytes, at: int) -> bytes | None:
    if len(data) - at < _HEADER.size:
        return None
    length, crc = _HEADER.unpack_from(data, at)
    payload = data[at + _HEADER.size : at + _HEADER.size + length]
    if length > _MAX_PAYLOAD_BYTES or len(payload) < length or zlib.crc32(payload) != crc:
        return None
    return payload


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unwritable(error: OSError) -> Unavailable:
    reason = os.strerror(error.errno) if error.errno else "unknown reason"
    return Unavailable(
        f"the journal cannot be written ({reason}); Headgate refuses calls until the data disk has free space",
        retry_after_s=5,
    )
