from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate.substrate import disk_sync as module
from headgate.substrate.disk_sync import DiskSync, KernelSync, ThreadSync, disk_sync

Make = Callable[[asyncio.AbstractEventLoop, int], DiskSync]


@pytest.fixture
def probe(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "probe", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def on_a_thread(loop: asyncio.AbstractEventLoop, probe: int) -> DiskSync:
    return ThreadSync(loop)


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


BOTH = pytest.mark.parametrize("make", [on_a_thread, disk_sync], ids=["thread", "best"])


async def outcome(sync: DiskSync, *fds: int) -> OSError | None:
    told: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    sync.begin(fds, told.set_result)
    return await told


@BOTH
async def test_files_are_synced_one_request_after_another(make: Make, probe: int, tmp_path: Path) -> None:
    sync = make(asyncio.get_running_loop(), probe)
    files = [os.open(tmp_path / str(number), os.O_WRONLY | os.O_CREAT) for number in range(40)]
    for fd in files:
        os.write(fd, b"kept")
    assert await outcome(sync, files[0]) is None
    assert await outcome(sync, *files) is None  # more than the kernel is asked for at once
    assert await outcome(sync, *files[:3]) is None
    sync.close()
    for fd in files:
        os.close(fd)


@BOTH
async def test_a_file_that_cannot_be_synced_is_told_and_the_next_request_is_served(make: Make, probe: int) -> None:
    sync = make(asyncio.get_running_loop(), probe)
    reading, writing = os.pipe()  # a pipe has nothing to sync
    failures = [await outcome(sync, writing), await outcome(sync, probe, writing)]
    assert [failure and failure.errno for failure in failures] == [errno.EINVAL] * 2
    assert await outcome(sync, probe) is None
    sync.close()
    os.close(reading)
    os.close(writing)


async def test_where_the_kernel_offers_nothing_a_thread_syncs(probe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CALLS", {})
    sync = disk_sync(asyncio.get_running_loop(), probe)
    assert isinstance(sync, ThreadSync)
    assert await outcome(sync, probe) is None
    sync.close()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
async def test_a_probe_that_fails_leaves_nothing_open() -> None:
    reading, writing = os.pipe()
    before = open_files()
    with pytest.raises(OSError, match="Invalid argument"):
        KernelSync(asyncio.get_running_loop(), writing)
    assert open_files() == before
    os.close(reading)
    os.close(writing)
