"""Listings of a folder: in pages that meet, and with a reason for each part that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headgate.kernel.connector import Access, Change, FileContent, FolderEntry
from headgate.kernel.errors import Denied, Invalid, NotFound, Unavailable
from headgate.knowledge.connectors.folder import FolderOptions, FolderSource
from headgate.substrate.folders import LocalFolder, LocalFolders


@dataclass(slots=True)
class Locked:
    """A folder of which Headgate may not read some parts: whoever runs a test as root may read everything."""

    folder: LocalFolder
    closed: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])

    async def entries(self, path: Sequence[str]) -> Sequence[FolderEntry]:
        self._check(path)
        return await self.folder.entries(path)

    async def read(self, path: Sequence[str], *, most_bytes: int) -> FileContent:
        self._check(path)
        return await self.folder.read(path, most_bytes=most_bytes)

    def _check(self, path: Sequence[str]) -> None:
        if tuple(path) in self.closed:
            raise Denied("it is locked")


def folders(root: Path) -> LocalFolders:
    return LocalFolders((root,), root / "installation")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


async def listed(source: FolderSource) -> list[Change]:
    found, cursor = list[Change](), ""
    while True:
        page = await source.changes(cursor)
        found += page.changes
        if page.is_last:
            return found
        cursor = page.cursor


async def test_pages_meet_and_follow_the_order_of_the_paths(tmp_path: Path) -> None:
    names = [f"{chr(97 + n % 5)}/{'x' * (n % 3)}{n:04}/{n}.txt" for n in range(1_203)] + ["a.txt", "c", "é/ü.md"]
    for name in names:
        write(tmp_path / "many" / name.replace("c/", "ca/"), "text")
    source = FolderSource(FolderOptions(str(tmp_path / "many")), folders(tmp_path).folder(str(tmp_path / "many")))
    found = [change.ref for change in await listed(source)]
    assert len(found) == len(set(found)) == len(names)
    assert found == sorted(found, key=lambda ref: ref.split("/"))
    few = FolderSource(FolderOptions(source.options.path, most_files=1_000), source.folder)
    with pytest.raises(Invalid, match="over 1,000 files"):
        await listed(few)


async def test_a_part_that_cannot_be_read_is_named_and_closed(tmp_path: Path) -> None:
    for name in ("open.md", "inner/secret.md", "loose/loose.md", "loose/.headgate-access.toml", "loose/deep/deep.md"):
        write(tmp_path / "mixed" / name, 'readers = ["*"]')
    closed = {("inner",), ("loose", ".headgate-access.toml")}
    path = str(tmp_path / "mixed")
    source = FolderSource(FolderOptions(path), Locked(folders(tmp_path).folder(path), closed))
    found = {change.ref: change for change in await listed(source)}
    assert found.keys() == {"inner/", "loose/deep/deep.md", "loose/loose.md", "open.md"}
    assert (found["open.md"].fault, found["open.md"].access) == ("", Access())
    assert found["inner/"].fault == "it is locked"
    for ref in ("loose/loose.md", "loose/deep/deep.md"):
        assert found[ref].access == Access(()) == await source.access(ref)
        assert "because of .headgate-access.toml" in found[ref].fault


async def test_the_data_folder_stays_closed_within_an_allowed_folder(tmp_path: Path) -> None:
    write(tmp_path / "installation/secrets/knowledge", "a key")
    write(tmp_path / "installation/documents/own.md", "text")
    write(tmp_path / "notes.md", "text")
    everything = FolderSource(FolderOptions(str(tmp_path)), folders(tmp_path).folder(str(tmp_path)))
    found = {change.ref: change.fault for change in await listed(everything)}
    assert found == {"installation/": "sources do not read this folder", "notes.md": ""}
    with pytest.raises(Denied):
        await everything.fetch("installation/secrets/knowledge", revision="")
    with pytest.raises(Invalid):
        folders(tmp_path).folder(str(tmp_path / "installation/secrets"))
    own = str(tmp_path / "installation/documents")
    assert [one.ref for one in await listed(FolderSource(FolderOptions(own), folders(tmp_path).folder(own)))] == [
        "own.md"
    ]


async def test_a_link_that_comes_between_listing_and_reading_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "outside/private.md", "private")
    write(tmp_path / "shared/inner/private.md", "own")
    inner, allowed = tmp_path / "shared/inner", LocalFolders((tmp_path / "shared",), tmp_path / "installation")
    source = FolderSource(FolderOptions(str(tmp_path / "shared")), allowed.folder(str(tmp_path / "shared")))
    (change,) = await listed(source)
    inner.rename(tmp_path / "aside")
    inner.symlink_to(tmp_path / "outside")
    with pytest.raises(NotFound):
        await source.fetch(change.ref, revision=change.revision)
    (tmp_path / "shared").rename(tmp_path / "away")
    with pytest.raises(Unavailable, match="there is no folder"):
        await source.fetch(change.ref, revision=change.revision)
    (tmp_path / "shared").symlink_to(tmp_path / "outside")
    root = LocalFolders((tmp_path / "aside",), tmp_path / "installation")
    with pytest.raises(Invalid):
        await FolderSource(source.options, LocalFolder(root, str(tmp_path / "shared"))).fetch("private.md", revision="")
    for ref in ("../outside/private.md", "/etc/passwd", "inner/..", ""):
        with pytest.raises((NotFound, Invalid)):
            await source.fetch(ref, revision="")
