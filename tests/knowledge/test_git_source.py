"""A Git repository as a source, from Git's own server."""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from headgate.kernel.connector import CursorExpired, Page
from headgate.kernel.errors import Denied, HeadgateError, Invalid, TooLarge, Upstream
from headgate.kernel.offload import Offloader
from headgate.knowledge.connectors._packs import objects_of
from headgate.knowledge.connectors.git import GitOptions, connector
from headgate.substrate.egress import Egress, NetworkProfile
from headgate.substrate.folders import LocalFolders
from headgate.substrate.outside import LocalOutside
from headgate.substrate.secrets import SecretStore

from .git_server import Repository, git_server

SECRETS = {"GIT_TOKEN": "a-secret-token", "OTHER_TOKEN": "another"}


@pytest_asyncio.fixture
async def outside(tmp_path: Path) -> AsyncGenerator[LocalOutside]:
    async with Egress(profiles={"lab": NetworkProfile(allow=("127.0.0.1/32",))}) as egress:
        secrets = SecretStore(data=tmp_path, environment=SECRETS)
        yield LocalOutside(LocalFolders((), tmp_path), egress, secrets, itself, Offloader())


async def itself(network: str) -> str:
    return network


def opened(repository: Repository, outside: LocalOutside, **options: Any) -> Any:
    given: dict[str, Any] = {"url": repository.url, "network": "lab", "key": "env:GIT_TOKEN", **options}
    return connector.open(GitOptions(**given), outside)


def refs(page: Page) -> dict[str, bool]:
    return {change.ref: change.is_deleted for change in page.changes}


@pytest.mark.parametrize("has_filter", [True, False])
async def test_a_branch_is_listed_once_and_then_followed(
    has_filter: bool, tmp_path: Path, outside: LocalOutside
) -> None:
    with git_server(tmp_path, has_filter=has_filter) as repository:
        source = opened(repository, outside)
        (repository.work / "docs").mkdir()
        (repository.work / "docs/leave.md").write_text("# Leave\n" + "".join(f"Rule {n}.\n" for n in range(500)))
        (repository.work / "travel.md").write_text("# Travel\n")
        (repository.work / "link.md").symlink_to("/etc/passwd")
        repository.commit("Begin")
        first = await source.changes("")
        assert (refs(first), first.is_last) == ({"docs/leave.md": False, "travel.md": False}, True)
        leave = next(one for one in first.changes if one.ref == "docs/leave.md")
        fetched = await source.fetch(leave.ref, revision=leave.revision)
        assert fetched.data == (repository.work / "docs/leave.md").read_bytes()
        assert fetched.as_of is not None
        assert fetched.url.endswith("/rules/blob/HEAD/docs/leave.md")

        again = await source.changes(first.cursor)
        assert (again.changes, again.cursor) == ((), first.cursor)

        with (repository.work / "docs/leave.md").open("a") as file:
            file.write("One more rule.\n")
        (repository.work / "travel.md").unlink()
        (repository.work / "new.md").write_text("# New\n")
        repository.commit("Go on")
        later = await opened(repository, outside).changes(first.cursor)
        assert refs(later) == {"docs/leave.md": False, "new.md": False, "travel.md": True}
        assert refs(await opened(repository, outside, under="docs").changes("")) == {"docs/leave.md": False}


async def test_many_files_are_listed_in_pages_of_one_commit(tmp_path: Path, outside: LocalOutside) -> None:
    with git_server(tmp_path) as repository:
        for number in range(1_201):
            (repository.work / f"{number:04}.txt").write_text(f"File {number}\n" * 3)
        repository.commit("Many")
        source, cursor, found = opened(repository, outside), "", list[str]()
        first = await source.changes("")
        (repository.work / "0000.txt").unlink()
        repository.commit("Fewer")
        page = first
        while True:
            found += [change.ref for change in page.changes]
            if page.is_last:
                break
            page = await opened(repository, outside).changes(page.cursor)
        assert found == [f"{number:04}.txt" for number in range(1_201)]
        cursor = page.cursor
        assert refs(await source.changes(cursor)) == {"0000.txt": True}


async def test_a_rewritten_branch_asks_for_a_full_listing(tmp_path: Path, outside: LocalOutside) -> None:
    with git_server(tmp_path) as repository:
        (repository.work / "a.md").write_text("# A\n")
        repository.commit("Begin")
        cursor = (await opened(repository, outside).changes("")).cursor
        lost = cursor.replace(cursor.split('"')[3], "0123456789" * 4)
        with pytest.raises(CursorExpired):
            await opened(repository, outside).changes(lost)


async def test_what_is_wrong_is_said(tmp_path: Path, outside: LocalOutside) -> None:
    with git_server(tmp_path) as repository:
        (repository.work / "large.bin").write_bytes(random.Random(7).randbytes((1 << 20) + 1))
        repository.commit("Begin")
        with pytest.raises(Denied, match="credential"):
            await opened(repository, outside, key="env:OTHER_TOKEN").changes("")
        with pytest.raises(Denied, match="network profile"):
            await opened(repository, outside, network="default").changes("")
        with pytest.raises(Invalid, match="no branch nowhere"):
            await opened(repository, outside, branch="nowhere").changes("")
        source = opened(repository, outside, most_mib=1)
        (large,) = (await source.changes("")).changes
        with pytest.raises(TooLarge):
            await source.fetch(large.ref, revision=large.revision)
        with pytest.raises(HeadgateError):
            await source.fetch("other.md", revision="0" * 40)
    for options in ({"url": "file:///etc"}, {"url": "http://me:secret@example.com/x"}, {"key": "a-secret"}):
        with pytest.raises(Invalid) as refusal:
            connector.open(GitOptions(**cast("Any", {"url": "https://example.com/x", **options})), outside)
        assert refusal.value.param == next(iter(options))


_EMPTY = zlib.compress(b"")
_LONG = b"\xff" * 1_000 + b"\x01"
_BASE = b"\x30" + _EMPTY


def packed(count: int, objects: bytes) -> bytes:
    body = b"PACK" + struct.pack(">II", 2, count) + objects
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


@pytest.mark.parametrize(
    "objects",
    [
        b"\xb0" + _LONG + _EMPTY,
        _BASE + b"\x60" + _LONG + _EMPTY,
        _BASE + b"\xe9\x3e" + bytes([len(_BASE)]) + zlib.compress(_LONG),
    ],
    ids=["size of an object", "place of a base", "size in a difference"],
)
def test_a_number_without_an_end_is_refused_at_once(objects: bytes) -> None:
    with pytest.raises(Upstream, match="a number of over 10 bytes"):
        objects_of(packed(2, objects), most_bytes=1 << 20)


async def test_few_trees_with_many_paths_end_the_pass(tmp_path: Path, outside: LocalOutside) -> None:
    with git_server(tmp_path) as repository:
        (repository.work / "a.md").write_text("# A\n")
        repository.commit("Begin")
        kind, oid = "100644 blob", repository.run("hash-object", "a.md").strip()
        for _ in range(6):
            lines = "".join(f"{kind} {oid}\t{number:02}\n" for number in range(12))
            kind, oid = "040000 tree", repository.run("mktree", text=lines).strip()
        repository.commit_tree(oid)
        with pytest.raises(TooLarge, match="over 200,000 files and folders"):
            await opened(repository, outside).changes("")
        few = await opened(repository, outside, under="00/01/02/03").changes("")
        assert len(few.changes) == 144

        repository.work.joinpath(*"d" * 102).mkdir(parents=True)
        repository.work.joinpath(*"d" * 102, "a.md").write_text("# A\n")
        repository.commit("Go deep")
        with pytest.raises(TooLarge, match="over 100 levels deep"):
            await opened(repository, outside).changes("")
