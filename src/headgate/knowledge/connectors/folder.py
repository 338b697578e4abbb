"""Files in a folder of Headgate's machine, with the folders below it.

Hidden files are left out, and links are not followed. A file `.headgate-access.toml` says who may read the files of its
folder and of those below, unless one of them has such a file itself:

    readers = ["group:finance", "ana@example.com"]

The case of its name does not matter. One that cannot be read, such as a link, closes its files to everybody, and so do
two of them in one folder.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from headgate.kernel.connector import Access, Change, Fetched, Folder, FolderEntry, OpenSource, Outside, Page
from headgate.kernel.errors import HeadgateError, Invalid, NotFound, Unavailable
from headgate.kernel.extensions import Manifest

ACCESS_FILE = ".headgate-access.toml"

_PAGE = 500
_MOST_BYTES = 64 << 20
_MOST_ACCESS_BYTES = 1 << 20
# Parsing TOML costs quadratic time for long dotted keys, so the parser gets no other keys than `readers`.
_ACCESS_SHAPE = re.compile(
    r"""(?:\s|\#[^\n]*)*+  ["']?readers["']?  [ \t]*=[ \t]*
    \[(?:[\s,]|\#[^\n]*|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')*+\]  (?:\s|\#[^\n]*)*+""",
    re.VERBOSE,
)
_MOST_DEPTH = 100
_TOO_DEEP = f"it is over {_MOST_DEPTH} folders deep; move it up"


class FolderOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The options of a folder.

    Args:
        path: absolute, on Headgate's machine, in one of `HEADGATE_FOLDERS`.
        most_mib: the limit of a file's size in MiB.
        most_files: the limit of files. A pass over more of them fails and deletes nothing.
    """

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    most_mib: Annotated[int, msgspec.Meta(ge=1, le=64)] = 64
    most_files: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100_000


class _AccessFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    readers: list[str]


@dataclass(frozen=True, slots=True)
class _Rights:
    """Who may read the files of a folder. `fault`: why nobody may, or empty."""

    access: Access
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    path: tuple[str, ...]
    entry: FolderEntry
    rights: _Rights


@dataclass(frozen=True, slots=True)
class _Open:
    """A folder on the way of a listing.

    Args:
        entries: those that the listing has not reached yet.
        after: the path below the folder that the pages before have reached.
    """

    path: tuple[str, ...]
    rights: _Rights
    entries: Iterator[FolderEntry]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder with its options."""

    options: FolderOptions
    folder: Folder

    async def changes(self, cursor: str) -> Page:
        """As `OpenSource.changes`: a full listing, in the order of the paths."""
        count, after = _place(cursor)
        changes: list[Change] = []
        last: tuple[str, ...] = ()
        async for found in self._walk(after):
            if len(changes) == _PAGE:
                return Page(changes, json.dumps([count + _PAGE, *last]), is_last=False)
            if count + len(changes) >= self.options.most_files:
                raise Invalid(f"the folder holds over {self.options.most_files:,} files; raise most_files, or split it")
            changes.append(self._change(found))
            last = found.path
        return Page(changes)

    async def fetch(self, ref: str, *, revision: str) -> Fetched:
        """As `OpenSource.fetch`."""
        content = await self.folder.read(ref.split("/"), most_bytes=self._most_bytes)
        return Fetched(name=ref, data=content.data, as_of=content.changed_at)

    async def access(self, ref: str) -> Access:
        """As `OpenSource.access`."""
        *folders, _ = ref.split("/")
        if len(folders) > _MOST_DEPTH:
            return Access(())
        rights = _Rights(Access())
        for depth in range(len(folders) + 1):
            path = tuple(folders[:depth])
            rights = await self._rights(path, await self.folder.entries(path), rights)
        return rights.access

    async def _walk(self, after: tuple[str, ...]) -> AsyncIterator[_Found]:
        """Yield the files after a path, in order, and one entry with a fault for each folder that cannot be listed."""
        entries = await self.folder.entries(())
        open_folders = [_Open((), await self._rights((), entries, _Rights(Access())), iter(entries), after)]
        while open_folders:
            folder = open_folders[-1]
            entry = next(folder.entries, None)
            if entry is None:
                open_folders.pop()
                continue
            name, path = entry.name, (*folder.path, entry.name)
            reached = folder.after[0] if folder.after else ""
            if name.startswith(".") or entry.is_other or name < reached:
                continue
            below = folder.after[1:] if name == reached else ()
            if not entry.is_folder:
                if name != reached:
                    yield _Found(path, entry, folder.rights)
                continue
            try:
                opened = await self._opened(path, folder.rights, below)
            except NotFound:
                continue  # it went away meanwhile
            except HeadgateError as error:
                if isinstance(error, Unavailable):
                    await self.folder.entries(())  # a source that is away as a whole ends the listing
                if not below:
                    yield _Found((*path, ""), FolderEntry("", True, 0, ""), _Rights(Access(()), error.message))
                continue
            open_folders.append(opened)

    async def _opened(self, path: tuple[str, ...], above: _Rights, after: tuple[str, ...]) -> _Open:
        """Open a folder for the listing, and read its rights."""
        if len(path) > _MOST_DEPTH:
            raise Invalid(_TOO_DEEP)
        entries = await self.folder.entries(path)
        return _Open(path, await self._rights(path, entries, above), iter(entries), after)

    async def _rights(self, path: tuple[str, ...], entries: Sequence[FolderEntry], above: _Rights) -> _Rights:
        """Return the rights in a folder, by its access file or, without one, those of the folder above."""
        match [entry for entry in entries if entry.name.casefold() == ACCESS_FILE]:
            case []:
                return above
            case [FolderEntry(is_folder=False, is_other=False) as entry]:
                return await self._rights_of((*path, entry.name))
            case [_]:
                return _closed(f"{ACCESS_FILE} is no plain file")
            case _:
                return _closed(f"there is more than one {ACCESS_FILE}; keep one")

    async def _rights_of(self, path: Sequence[str]) -> _Rights:
        """Return the rights that an access file gives: to nobody if it cannot be read."""
        try:
            content = await self.folder.read(path, most_bytes=_MOST_ACCESS_BYTES)
        except HeadgateError as error:
            return _closed(f"of {ACCESS_FILE}: {error.message}")
        try:
            return _Rights(Access(_readers(content.data.decode())))
        except (ValueError, RecursionError):
            return _closed(f'{ACCESS_FILE} is malformed; write readers = ["…"]')

    def _change(self, found: _Found) -> Change:
        ref, entry, fault = "/".join(found.path), found.entry, found.rights.fault
        if not _is_text(ref):
            ref, fault = ref.encode(errors="backslashreplace").decode(), "its name is not in UTF-8; rename it"
        elif entry.size_bytes > self._most_bytes:
            fault = fault or f"it is larger than {self.options.most_mib} MiB; split it"
        elif not entry.size_bytes:
            fault = fault or "it is empty"
        return Change(ref, entry.revision, found.rights.access, entry.size_bytes, fault=fault)

    @property
    def _most_bytes(self) -> int:
        return min(self.options.most_mib << 20, _MOST_BYTES)


@dataclass(frozen=True, slots=True)
class FolderConnector:
    """The kind `folder`."""

    manifest: Manifest
    options: type[FolderOptions] = FolderOptions
    at_once: int = 2

    def open(self, options: FolderOptions, outside: Outside) -> OpenSource:
        """As `Connector.open`."""
        return FolderSource(options, outside.folder(options.path))


def _readers(text: str) -> tuple[str, ...]:
    """Return the readers that an access file names.

    Raises:
        ValueError: it is malformed.
    """
    if not _ACCESS_SHAPE.fullmatch(text):
        raise ValueError
    return tuple(msgspec.convert(tomllib.loads(text), _AccessFile).readers)


def _closed(why: str) -> _Rights:
    return _Rights(Access(()), f"nobody may read this file, because {why}")


def _place(cursor: str) -> tuple[int, tuple[str, ...]]:
    """Return the number of files of the pages before, and the path of the last one."""
    count, *after = json.loads(cursor) if cursor else [0]
    return int(count), tuple(map(str, after))


def _is_text(name: str) -> bool:
    """Return whether a name of the operating system is text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


connector = FolderConnector(Manifest("connectors", "folder", "Files in a folder of Headgate's machine."))
