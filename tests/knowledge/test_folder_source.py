"""Listings of a folder: in pages that meet, and with a reason for each part that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headgate.kernel.connector import Access, Change, FileContent, FolderEntry
from headgate.kernel.errors import Denied, Invalid, NotFound, Unavailable
from headgate.knowledge.connectors.folder import FolderOptions, FolderSource
from headgate.substrate.folders import LocalFolder, LocalFolders


@dataclass(slots=True)
class Locked:
    """A folder with parts that Headgate may not read. A test that runs as root could read them without this fake."""

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


@dataclass(slots=True)
class Chain:
    """A folder in memory with a chain of folders, one in the other, and a file beside it."""

    depth: int
    unreadable: int = -1
    is_unplugged: bool = False

    async def entries(self, path: Sequence[str]) -> Sequence[FolderEntry]:
        if len(path) == self.unreadable:
            self.unreadable = 0 if self.is_unplugged else self.unreadable
            raise Unavailable("the disk does not answer")
        below = [FolderEntry("d", True, 0, "")] if len(path) < self.depth else []
        return [*below, FolderEntry("z.md", False, 4, "1")]

    async def read(self, path: Sequence[str], *, most_bytes: int) -> FileContent:
        return FileContent(b"text", datetime(2026, 1, 1, tzinfo=UTC))


def _as_link(access: Path) -> None:
    (access.parent / ".elsewhere.toml").write_text('readers = ["*"]')
    access.symlink_to(".elsewhere.toml")


def _as_two(access: Path) -> None:
    access.write_text('readers = ["*"]')
    access.with_name(".Headgate-Access.toml").write_text('readers = ["*"]')


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda access: access.write_bytes(data)


ACCESS_FILES: Mapping[str, Callable[[Path], object]] = {
    "a link": _as_link,
    "a link to nothing": lambda access: access.symlink_to("nothing"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "too large": _bytes(b"#" * ((1 << 20) + 1)),
    "too deep": _bytes(b"readers = " + b"[" * 100_000),
    "a long dotted key": _bytes(b".".join([b"readers"] * 100_000) + b" = 1"),
    "not in UTF-8": _bytes(b'readers = ["\xff"]'),
    "in another case, and malformed": lambda access: access.with_name(".HEADGATE-ACCESS.TOML").write_text("readers"),
    "two": _as_two,
}


@pytest.mark.parametrize("form", ACCESS_FILES)
async def test_an_access_file_in_any_form_that_cannot_be_read_closes_its_folder(form: str, tmp_path: Path) -> None:
    for name in ("open.md", "pay/bonus.md", "pay/deep/bonus.md"):
        write(tmp_path / "books" / name, "text")
    write(tmp_path / "books/.headgate-access.toml", 'readers = ["*"]')
    ACCESS_FILES[form](tmp_path / "books/pay/.headgate-access.toml")
    path = str(tmp_path / "books")
    source = FolderSource(FolderOptions(path), folders(tmp_path).folder(path))
    found = {change.ref: change for change in await listed(source)}
    assert found.keys() == {"open.md", "pay/bonus.md", "pay/deep/bonus.md"}
    assert (found["open.md"].access, found["open.md"].fault) == (Access(("*",)), "")
    for ref in ("pay/bonus.md", "pay/deep/bonus.md"):
        assert found[ref].access == Access(()) == await source.access(ref)
        assert found[ref].fault.startswith("nobody may read this file, because ")


async def test_an_access_file_in_another_case_holds(tmp_path: Path) -> None:
    write(tmp_path / "books/bonus.md", "text")
    write(
        tmp_path / "books/.Headgate-Access.TOML",
        '# Of the office\n\nreaders = [\n  "group:finance",\t# all\n  \'ana\\b\', "\\u00e9\\"" ,\n] # the end',
    )
    path = str(tmp_path / "books")
    source = FolderSource(FolderOptions(path), folders(tmp_path).folder(path))
    (bonus,) = await listed(source)
    assert bonus.access == Access(("group:finance", "ana\\b", 'é"')) == await source.access("bonus.md")


async def test_a_chain_of_folders_is_closed_at_its_limit_and_the_rest_is_listed() -> None:
    source = FolderSource(FolderOptions("/chain"), Chain(1_200))
    found = await listed(source)
    deep = "d/" * 101
    assert {change.ref: change.fault for change in found} == {
        **{f"{'d/' * depth}z.md": "" for depth in range(101)},
        deep: "it is over 100 folders deep; move it up",
    }
    assert next(change for change in found if change.ref == deep).access == Access(())
    assert await source.access(f"{deep}z.md") == Access(())


async def test_a_folder_on_a_bad_part_of_the_disk_is_named_and_the_rest_is_listed() -> None:
    found = await listed(FolderSource(FolderOptions("/chain"), Chain(3, unreadable=2)))
    assert {change.ref: change.fault for change in found} == {
        "d/d/": "the disk does not answer",
        "d/z.md": "",
        "z.md": "",
    }
    with pytest.raises(Unavailable):
        await listed(FolderSource(FolderOptions("/chain"), Chain(3, unreadable=2, is_unplugged=True)))
