"""Files in a folder of Headgate's machine, with the folders below it.

Hidden files are left out, and links are not followed. A file `.headgate-access.toml` says who may read the files of its
folder and of those below, unless one of them has such a file itself:

    readers = ["group:finance", "ana@example.com"]

One that cannot be read closes its files to everybody.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from headgate.kernel.connector import Access, Change, Fetched, Folder, FolderEntry, OpenSource, Outside, Page
from headgate.kernel.errors import Denied, Invalid, NotFound
from headgate.kernel.extensions import Manifest

ACCESS_FILE = ".headgate-access.toml"

_PAGE = 500
_MOST_BYTES = 64 << 20
_MOST_ACCESS_BYTES = 1 << 20


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
class FolderSource:
    """A folder with its options."""

    options: FolderOptions
    folder: Folder

    async def changes(self, cursor: str) -> Page:
        """As `OpenSource.changes`: a full listing, in the order of the paths."""
        count, after = _place(cursor)
        changes: list[Change] = []
        last: tuple[str, ...] = ()
        async for found in self._walk((), _Rights(Access()), after=after):
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
        rights, path = _Rights(Access()), ref.split("/")
        for depth in range(len(path)):
            rights = await self._rights(path[:depth], rights)
        return rights.access

    async def _walk(self, path: tuple[str, ...], rights: _Rights, *, after: tuple[str, ...]) -> AsyncIterator[_Found]:
        """Yield the files below a path that come after another one, in order."""
        try:
            entries = await self.folder.entries(path)
        except NotFound:
            return  # it went away meanwhile
        except Denied as error:
            if not path:
                raise
            if not after:
                yield _Found((*path, ""), FolderEntry("", False, 0, ""), _Rights(Access(()), error.message))
            return
        if any(entry.name == ACCESS_FILE for entry in entries):
            rights = await self._rights(path, rights)
        for entry in entries:
            name = entry.name
            if name.startswith(".") or (after and name < after[0]):
                continue
            rest = after[1:] if after and name == after[0] else ()
            if entry.is_folder:
                async for found in self._walk((*path, name), rights, after=rest):
                    yield found
            elif not (after and name == after[0]):
                yield _Found((*path, name), entry, rights)

    async def _rights(self, path: Sequence[str], above: _Rights) -> _Rights:
        """Return the rights in a folder, by its file or those of the folder above."""
        try:
            content = await self.folder.read([*path, ACCESS_FILE], most_bytes=_MOST_ACCESS_BYTES)
        except NotFound:
            return above
        except (Denied, Invalid) as error:
            return _Rights(Access(()), f"nobody may read this file, because of {ACCESS_FILE}: {error.message}")
        try:
            table = msgspec.convert(tomllib.loads(content.data.decode()), _AccessFile)
        except (ValueError, msgspec.ValidationError):
            why = f'{ACCESS_FILE} is malformed; write readers = ["…"]'
            return _Rights(Access(()), f"nobody may read this file, because {why}")
        return _Rights(Access(tuple(table.readers)))

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
