"""Folders of this machine that sources may read: those of the operator's setting, and nothing else.

An administrator of the console writes the path of a source, but the operator of the machine decides where it may be.
Each read resolves the path, compares it with the allowed folders, and then opens it from the root, one name after the
other, without following a link (`O_NOFOLLOW`). So a link that appears between check and read leads nowhere.

A hard link and a bind mount look like the file itself, so these still lead out of a folder. Making one needs rights of
the operating system.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headgate.kernel.connector import FileContent, FolderEntry
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NotFound, TooLarge, Unavailable

DOCUMENTS = "documents"
"""The folder in the data folder that sources may read. The rest of the data folder is closed."""

_SYSTEM_FOLDERS = ("/proc", "/sys", "/dev")
_PASSING = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class LocalFolders:
    """The folders of this machine that sources may read.

    Args:
        allowed: absolute or relative paths. Each opens the folders below it too.
        data: Headgate's data folder.
    """

    allowed: Sequence[Path]
    data: Path

    def folder(self, path: str) -> LocalFolder:
        """Return a folder that sources may read.

        Raises:
            Invalid: it is not allowed; `param` is `path`. A disk may come later, so it need not be there.
        """
        self.resolved(path)
        return LocalFolder(self, path)

    def resolved(self, path: str) -> Path:
        """Return the path without links.

        Raises:
            Invalid: it is not in an allowed folder. The answer does not tell whether it exists.
        """
        if not path.startswith("/") or "\0" in path:
            raise Invalid("write an absolute path, such as /srv/handbook", param="path")
        resolved, data = Path(os.path.realpath(path)), Path(os.path.realpath(self.data))
        allowed = [Path(os.path.realpath(one)) for one in self.allowed]
        is_closed = resolved.is_relative_to(data) and not resolved.is_relative_to(data / DOCUMENTS)
        if is_closed or not any(resolved.is_relative_to(one) for one in allowed):
            places = ", ".join(map(str, allowed))
            raise Invalid(f"sources may read folders in {places}; HEADGATE_FOLDERS names others", param="path")
        return resolved

    @contextmanager
    def opened(self, root: str, path: Sequence[str]) -> Generator[int]:
        """Open a folder below an allowed one, without following a link.

        Raises:
            Unavailable: the allowed one is not there.
            NotFound: there is no such folder in it, or a link on the way.
            Denied: it may not be read.
        """
        resolved, closed = self.resolved(root), self._closed()
        if not resolved.is_dir():
            raise Unavailable(f"there is no folder {root} on Headgate's machine")
        folder = os.open("/", _PASSING)
        try:
            names = (*resolved.parts[1:], *map(_plain, path))
            for depth, name in enumerate(names, start=1):
                below = os.open(name, _PASSING, dir_fd=folder)
                os.close(folder)
                folder = below
                if depth >= len(resolved.parts) - 1:
                    _refuse_closed(folder, closed)
            yield folder
        finally:
            os.close(folder)

    def _closed(self) -> frozenset[tuple[int, int]]:
        """Return the folders that stay closed below an allowed one, by device and inode."""
        found: set[tuple[int, int]] = set()
        for one in (self.data, *map(Path, _SYSTEM_FOLDERS)):
            try:
                status = one.stat()
            except OSError:
                continue
            found.add((status.st_dev, status.st_ino))
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder that sources may read. Implements `kernel.connector.Folder`."""

    folders: LocalFolders
    root: str

    async def entries(self, path: Sequence[str]) -> Sequence[FolderEntry]:
        """As `Folder.entries`."""
        return await asyncio.to_thread(self._entries, tuple(path))

    async def read(self, path: Sequence[str], *, most_bytes: int) -> FileContent:
        """As `Folder.read`."""
        return await asyncio.to_thread(self._read, tuple(path), most_bytes)

    def _entries(self, path: Sequence[str]) -> list[FolderEntry]:
        found: list[FolderEntry] = []
        with _translated(), self.folders.opened(self.root, path) as folder:
            reading = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
            try:
                with os.scandir(reading) as entries:
                    for entry in entries:
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        if stat.S_ISDIR(status.st_mode):
                            found.append(FolderEntry(entry.name, is_folder=True, size_bytes=0, revision=""))
                        elif stat.S_ISREG(status.st_mode):
                            found.append(FolderEntry(entry.name, False, status.st_size, _revision(status)))
                        else:
                            found.append(FolderEntry(entry.name, False, 0, "", is_other=True))
            finally:
                os.close(reading)
        return sorted(found, key=lambda one: one.name)

    def _read(self, path: Sequence[str], most_bytes: int) -> FileContent:
        *folders, name = path
        with _translated(), self.folders.opened(self.root, folders) as folder:
            # Opening a pipe without a writer would block for ever.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(_plain(name), flags, dir_fd=folder), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise NotFound("it is not a plain file")
                data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise TooLarge(f"the file is larger than {most_bytes >> 20} MiB; split it")
        return FileContent(data, datetime.fromtimestamp(status.st_mtime, UTC))


def _plain(name: str) -> str:
    """Return a name that stays in its folder."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise NotFound("there is no such file")
    return name


def _refuse_closed(folder: int, closed: frozenset[tuple[int, int]]) -> None:
    status = os.fstat(folder)
    if (status.st_dev, status.st_ino) in closed:
        raise Denied("sources do not read this folder")


def _revision(status: os.stat_result) -> str:
    """Return a text that changes with the file. The inode's time changes also where the file's time was set back."""
    return f"{status.st_mtime_ns}.{status.st_ctime_ns}.{status.st_size}.{status.st_ino}"


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("there is no such file") from error
    except PermissionError as error:
        raise Denied("Headgate may not read it; change its permissions for the account of Headgate") from error
    except OSError as error:
        raise _as_ours(error) from error


def _as_ours(error: OSError) -> HeadgateError:
    if error.errno == errno.ELOOP:  # of O_NOFOLLOW
        return NotFound("links are not followed")
    return Unavailable(f"it cannot be read now: {error.strerror}")
