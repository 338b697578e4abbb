"""The journal on a disk that is really full, after it was closed, and as those see it who only look."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from tests.faults.conftest import SmallDisk

from headgate.kernel.errors import Unavailable
from headgate.substrate import journal as journals
from headgate.substrate.journal import START, Journal, JournalLimits

pytestmark = pytest.mark.fault

_LIMITS = JournalLimits(reserve_bytes=1 << 20)


def payloads(folder: Path) -> list[bytes]:
    return journals.read(folder, START, limit_bytes=1 << 30).payloads


async def test_whoever_looks_at_the_backlog_sees_what_was_shipped_though_nothing_is_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w")
    await journal.append(b"x" * 1000).durable()
    assert journal.backlog_bytes > 1000
    journals.mark_shipped(tmp_path / "w", journals.read(tmp_path / "w", START).after)
    assert journal.backlog_bytes == 0
    await journal.aclose()


async def test_the_reserve_is_for_closings_alone(small_disk: SmallDisk) -> None:
    journal = Journal(small_disk.folder / "w", limits=_LIMITS)
    small_disk.fill()
    closings = [b"closing %d" % number * 500 for number in range(20)]
    for closing in closings:
        await journal.append(closing, is_closing=True).durable()
        with pytest.raises(Unavailable, match="until the data disk has free space"):
            journal.append(b"opening" * 500)
    assert payloads(small_disk.folder / "w") == closings
    await journal.aclose()


async def test_once_there_is_room_the_reserve_comes_first_and_then_everything_goes_on(small_disk: SmallDisk) -> None:
    journal = Journal(small_disk.folder / "w", limits=_LIMITS)
    for _ in range(2):
        small_disk.fill()
        await journal.append(b"closing" * 10_000, is_closing=True).durable()
        with pytest.raises(Unavailable):
            journal.append(b"opening" * 10_000)
        small_disk.free()
        await journal.append(b"opening" * 10_000).durable()
        assert (small_disk.folder / "w" / "reserve").stat().st_blocks * 512 >= _LIMITS.reserve_bytes
    assert len(payloads(small_disk.folder / "w")) == 4
    await journal.aclose()


async def test_a_closed_journal_takes_nothing_and_writes_into_no_other_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w")
    await journal.append(b"last").durable()
    await journal.aclose()
    with contextlib.ExitStack() as others:
        files = [others.enter_context((tmp_path / f"other{number}").open("wb")) for number in range(64)]
        with pytest.raises(Unavailable, match="stop"):
            journal.append(b"too late", is_closing=True)
        assert [os.fstat(file.fileno()).st_size for file in files] == [0] * len(files)
    assert payloads(tmp_path / "w") == [b"last"]
