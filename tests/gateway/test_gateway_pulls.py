"""Pulling a large file: breaks, ranges, digests and room on the disk, against a server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headgate.gateway import pulls
from headgate.gateway.pulled_models import ModelFiles, open_models, pulled_models
from headgate.gateway.pulls import Progress, Pull, pull
from headgate.kernel.errors import Conflict, Denied, HeadgateError, Invalid, Unavailable, Upstream
from headgate.substrate.egress import NetworkProfile

BYTES = b"GGUF" + os.urandom(3_000_000)
OTHER = b"GGUF" + os.urandom(2_000_000)
RANGE = re.compile(r"range: bytes=(\d+)-\r\n")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class FileServer:
    """Serves `data` with ranges, and breaks off after `breaks[0]` bytes of an answer, then after the next one."""

    port: int = 0
    data: bytes = BYTES
    etag: str = '"one"'
    breaks: list[int] = field(default_factory=list[int])
    told: list[str] = field(default_factory=list[str])
    redirects: dict[str, str] = field(default_factory=dict[str, str])
    answer: bytes | None = None
    gate: asyncio.Event | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.told.append(head)
        if (to := self.redirects.get(head.split()[1])) is not None:
            writer.write(f"HTTP/1.1 302 x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode())
        elif self.answer is not None:
            writer.write(self.answer)
        else:
            writer.write(self._file(head))
        if self.gate is not None:
            await writer.drain()
            await self.gate.wait()
        writer.close()

    def _file(self, head: str) -> bytes:
        found = RANGE.search(head)
        begin = int(found[1]) if found and f"if-range: {self.etag}\r\n" in head else 0
        body, size = self.data[begin:], len(self.data)
        span = f"content-range: bytes {begin}-{size - 1}/{size}\r\n" if begin else ""
        lines = f"HTTP/1.1 {206 if begin else 200} x\r\n{span}content-length: {len(body)}\r\netag: {self.etag}\r\n\r\n"
        return lines.encode() + (body[: self.breaks.pop(0)] if self.breaks else body)


@asynccontextmanager
async def serving(**told: Any) -> AsyncGenerator[FileServer]:
    files = FileServer(**told)
    server = await asyncio.start_server(files.serve, "127.0.0.1", 0)
    async with server:
        files.port = server.sockets[0].getsockname()[1]
        yield files


def wanted(files: FileServer, path: str = "/m.gguf?token=secret", **more: Any) -> Pull:
    given: dict[str, Any] = {"sha256": digest(files.data), **more}
    profile = NetworkProfile(allow=(f"127.0.0.1:{files.port}",))
    return Pull("tiny", f"http://127.0.0.1:{files.port}{path}", profile=profile, pause_s=0, **given)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"tiny.lock"}


async def fetch(one: Pull, folder: Path, *, begun: asyncio.Event | None = None) -> list[Progress]:
    told: list[Progress] = []

    async def report(progress: Progress) -> None:
        told.append(progress)
        if begun is not None:
            begun.set()

    await pull(one, folder, report=report)
    return told


async def test_a_pull_continues_after_breaks_and_counts_only_when_it_is_whole(tmp_path: Path):
    async with serving(breaks=[1_000_000, 500_000]) as files:
        told = await fetch(wanted(files), tmp_path)
        assert [("range:" in head, 'if-range: "one"' in head) for head in files.told] == [
            (False, False),
            *[(True, True)] * 2,
        ]
        assert told[-1].done_bytes == told[-1].size_bytes == len(BYTES)
        assert told[-1].bytes_per_s and told[-1].left_s == 0
        (kept,) = pulled_models(tmp_path)
        assert (kept.name, kept.sha256, kept.source) == ("tiny", digest(BYTES), f"http://127.0.0.1:{files.port}/m.gguf")
        assert (tmp_path / "tiny.gguf").read_bytes() == BYTES
        assert left_in(tmp_path) == {"tiny.gguf", "tiny.json"}
        assert not await fetch(wanted(files), tmp_path), "what is there is not pulled again"
        with pytest.raises(Conflict, match="another model has the name"):
            await fetch(wanted(files, sha256="0" * 64), tmp_path)
        ModelFiles(tmp_path, "tiny").remove()
        assert not pulled_models(tmp_path)


async def test_a_later_pull_continues_a_broken_one_and_begins_anew_when_the_file_has_changed(tmp_path: Path):
    async with serving(breaks=[1_000_000, 0]) as files:
        with pytest.raises(Upstream):
            await fetch(wanted(files), tmp_path)
        assert (tmp_path / "tiny.part").stat().st_size == 1_000_000
        assert not pulled_models(tmp_path)
        files.data, files.etag = OTHER, '"two"'
        # The digest is that of the new file, so the old bytes are of no use even before the server says so.
        await fetch(wanted(files), tmp_path)
        assert "range:" not in files.told[-1]
        assert (tmp_path / "tiny.gguf").read_bytes() == OTHER


async def test_bytes_of_two_versions_are_never_mixed(tmp_path: Path):
    async with serving(breaks=[1_000_000, 0]) as files:
        with pytest.raises(Upstream):
            await fetch(wanted(files), tmp_path)
        files.etag = '"two"'
        await fetch(wanted(files), tmp_path)
        assert 'if-range: "one"' in files.told[-1], "the server answers with the whole new file"
        assert (tmp_path / "tiny.gguf").read_bytes() == BYTES


async def test_a_server_that_lies_about_its_range_makes_the_pull_begin_anew(tmp_path: Path):
    async with serving(breaks=[1_000_000, 0]) as files:
        with pytest.raises(Upstream):
            await fetch(wanted(files), tmp_path)
        files.answer = b"HTTP/1.1 206 x\r\ncontent-range: bytes 7-8/9\r\ncontent-length: 2\r\n\r\nxx"

        async def once(progress: Progress) -> None:
            raise AssertionError(progress)

        with pytest.raises(Upstream, match="answered 206"):
            await pull(wanted(files), tmp_path, report=once)
        assert not left_in(tmp_path)


@pytest.mark.parametrize(
    ("told", "fault", "words"),
    [
        ({"sha256": "0" * 64}, Upstream, "it was removed"),
        ({"size_bytes": 5}, Upstream, "the published one 5"),
        ({"data": b"a zip, not a model"}, Invalid, "no GGUF model"),
        ({"answer": b"HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n"}, Upstream, "answered 404"),
        ({"answer": b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"}, Upstream, "how large"),
        (
            {"answer": b"HTTP/1.1 200 x\r\ncontent-length: 1\r\ncontent-encoding: gzip\r\n\r\nx"},
            Upstream,
            "cannot be checked",
        ),
        ({"redirects": {"/m.gguf?token=secret": "/m.gguf?token=secret"}}, Upstream, "more than 5 times"),
        ({"redirects": {"/m.gguf?token=secret": "http://169.254.169.254/"}}, Denied, r"\w"),
        ({"redirects": {"/m.gguf?token=secret": "http://10.0.0.1/m.gguf"}}, Denied, r"\w"),
    ],
)
async def test_a_file_that_is_not_the_wanted_one_leaves_nothing(
    tmp_path: Path, told: dict[str, Any], fault: type[HeadgateError], words: str
):
    ours = {name: told.pop(name) for name in ("sha256", "size_bytes") if name in told}
    async with serving(**told) as files:
        with pytest.raises(fault, match=words) as raised:
            await fetch(wanted(files, **ours), tmp_path)
        assert "secret" not in str(raised.value)
        assert not left_in(tmp_path)


async def test_redirects_are_followed_to_addresses_that_may_be_reached(tmp_path: Path):
    async with serving(redirects={"/first": "/second?signed=1"}) as files:
        await fetch(wanted(files, "/first"), tmp_path)
        assert files.told[-1].startswith("get /second?signed=1 ")


async def test_two_pulls_of_one_name_exclude_each_other_and_a_cancelled_one_continues(tmp_path: Path):
    async with serving(breaks=[2_000_000], gate=asyncio.Event()) as files:
        begun = asyncio.Event()
        first = asyncio.create_task(fetch(wanted(files), tmp_path, begun=begun))
        await begun.wait()
        with pytest.raises(Conflict, match="being pulled or removed"):
            await fetch(wanted(files), tmp_path)
        with pytest.raises(Conflict, match="being pulled or removed"):
            ModelFiles(tmp_path, "tiny").remove()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert files.gate is not None
        files.gate.set()
        await fetch(wanted(files), tmp_path)
        assert (tmp_path / "tiny.gguf").read_bytes() == BYTES


async def test_a_pull_leaves_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def little_room(_: Path) -> Any:
        return SimpleNamespace(free=200 << 20)

    monkeypatch.setattr(pulls.shutil, "disk_usage", little_room)
    async with serving() as files:
        with pytest.raises(Unavailable, match="make room"):
            await fetch(wanted(files), tmp_path)
        assert not left_in(tmp_path)


def test_the_list_of_known_models_is_well_formed():
    assert len({one.name for one in open_models()}) == len(open_models()) > 0
    for one in open_models():
        assert one.url.startswith("https://") and "/main/" not in one.url, "a fixed version has one digest"
        assert one.size_bytes > 0 and one.licence and one.good_for
