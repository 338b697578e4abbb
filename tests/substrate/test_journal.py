"""The journal: what was acknowledged is on disk, whole and in order."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from headgate.kernel.errors import Corrupt, TooLarge, Unavailable
from headgate.substrate import journal as journals
from headgate.substrate.disk_sync import Done, disk_sync
from headgate.substrate.journal import START, Journal, JournalLimits

_SMALL = JournalLimits(backlog_bytes=1000, segment_bytes=200, reserve_bytes=4096)


def payloads(folder: Path) -> list[bytes]:
    return journals.read(folder, START, limit_bytes=1 << 30).payloads


async def test_what_is_durable_is_read_back_in_order_across_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w", limits=JournalLimits(segment_bytes=200))
    sent = [b"record %d" % n * 3 for n in range(100)]
    for start in range(0, 100, 5):
        tickets = [journal.append(payload) for payload in sent[start : start + 5]]
        await asyncio.gather(*(ticket.durable() for ticket in tickets))
    assert payloads(tmp_path / "w") == sent
    assert len(list((tmp_path / "w").glob("*.log"))) > 3
    await journal.aclose()


class WatchedDisk:
    """A disk that counts its syncs and fails as long as `failure` is set."""

    def __init__(self) -> None:
        self.syncs = 0
        self.failure: OSError | None = None

    def __call__(self, loop: asyncio.AbstractEventLoop, probe: int) -> Self:
        self._real = disk_sync(loop, probe)
        self._loop = loop
        return self

    def begin(self, fds: Sequence[int], done: Done) -> None:
        self.syncs += 1
        if self.failure is not None:
            self._loop.call_soon(done, self.failure)
        else:
            self._real.begin(fds, done)

    def close(self) -> None:
        self._real.close()


async def test_many_waiters_share_few_syncs(tmp_path: Path) -> None:
    disk = WatchedDisk()
    journal = Journal(tmp_path / "w", disk=disk)

    async def one(n: int) -> None:
        await journal.append(b"%d" % n).durable()

    await asyncio.gather(*(one(n) for n in range(500)))
    assert disk.syncs < 100
    await journal.aclose()


async def test_a_torn_last_frame_is_left_out_and_everything_before_it_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w")
    for n in range(3):
        await journal.append(b"whole %d" % n).durable()
    await journal.aclose()
    path = tmp_path / "w" / "00000001.log"
    path.write_bytes(path.read_bytes()[:-2])
    assert payloads(tmp_path / "w") == [b"whole 0", b"whole 1"]


async def test_damage_before_whole_frames_is_corrupt_and_says_where(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w", limits=JournalLimits(segment_bytes=60))
    for n in range(10):
        await journal.append(b"whole %d" % n).durable()
    await journal.aclose()
    path = tmp_path / "w" / "00000001.log"
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=r"00000001\.log is damaged at byte 0"):
        payloads(tmp_path / "w")


async def test_over_the_backlog_limit_it_refuses_but_still_closes_and_recovers_when_shipped(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w", limits=_SMALL)
    with pytest.raises(Unavailable, match="wait for the database"):
        for _ in range(50):
            journal.append(b"x" * 100)
    await journal.append(b"closing", is_closing=True).durable()
    found = journals.read(tmp_path / "w", START, limit_bytes=1 << 30)
    assert found.payloads == [b"x" * 100] * (len(found.payloads) - 1) + [b"closing"]
    journals.mark_shipped(tmp_path / "w", found.after)
    await journal.append(b"again").durable()
    assert payloads(tmp_path / "w")[-1:] == [b"again"]
    await journal.aclose()


async def test_shipping_resumes_after_the_mark_and_removes_only_whole_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w", limits=JournalLimits(segment_bytes=100))
    for n in range(20):
        await journal.append(b"record %02d" % n).durable()
    first = journals.read(tmp_path / "w", START, limit_bytes=100)
    journals.mark_shipped(tmp_path / "w", first.after)
    rest = journals.read(tmp_path / "w", journals.shipped_mark(tmp_path / "w"), limit_bytes=1 << 20)
    assert first.payloads + rest.payloads == [b"record %02d" % n for n in range(20)]
    await journal.aclose()


async def test_as_many_frames_are_read_as_are_asked_for_across_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w", limits=JournalLimits(segment_bytes=100))
    written = [b"record %02d" % number for number in range(20)]
    for payload in written:
        await journal.append(payload).durable()
    found, after = list[bytes](), START
    while (stretch := journals.read(tmp_path / "w", after, limit_frames=7)).payloads:
        assert len(stretch.payloads) <= 7
        found, after = found + stretch.payloads, stretch.after
    assert found == written
    assert stretch.after == after
    await journal.aclose()


async def test_a_full_disk_refuses_openings_takes_closings_from_the_reserve_and_keeps_frames_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "w")
    await journal.append(b"before").durable()
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if (tmp_path / "w" / "reserve").exists():
            real(fd, data[:3])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match="until the data disk has free space"):
        await journal.append(b"opening").durable()
    await journal.append(b"closing", is_closing=True).durable()
    assert payloads(tmp_path / "w") == [b"before", b"closing"]
    await journal.aclose()


async def test_after_a_failed_sync_nothing_is_acknowledged_any_more(tmp_path: Path) -> None:
    told: list[str] = []
    disk = WatchedDisk()
    journal = Journal(tmp_path / "w", on_broken=lambda: told.append("broken"), disk=disk)
    disk.failure = OSError(errno.EIO, "Input/output error")
    with pytest.raises(Unavailable):
        await journal.append(b"lost").durable()
    disk.failure = None
    with pytest.raises(Unavailable):
        journal.append(b"next")
    assert told == ["broken"]
    assert not journal.is_sound
    await journal.aclose()


async def test_appends_of_one_turn_reach_the_system_without_anybody_waiting(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w")
    journal.append(b"opening")
    journal.append(b"closing", is_closing=True)
    await asyncio.sleep(0)
    assert payloads(tmp_path / "w") == [b"opening", b"closing"]
    await journal.aclose()


async def test_one_failed_frame_of_a_turn_does_not_take_the_others_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "w")
    real = os.write

    def picky(fd: int, data: bytes) -> int:
        if b"big" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", picky)
    small, big = journal.append(b"small"), journal.append(b"big")
    await small.durable()
    with pytest.raises(Unavailable):
        await big.durable()
    assert payloads(tmp_path / "w") == [b"small"]
    await journal.aclose()


async def test_an_oversized_payload_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w")
    with pytest.raises(TooLarge):
        journal.append(bytes((64 << 20) + 1))
    await journal.aclose()


def test_the_lock_tells_the_living_from_the_dead_and_a_killed_process_loses_nothing_acknowledged(
    tmp_path: Path,
) -> None:
    code = (
        "import asyncio, sys, pathlib\n"
        "from headgate.substrate.journal import Journal\n"
        "async def main():\n"
        "    j = Journal(pathlib.Path(sys.argv[1]))\n"
        "    for n in range(200):\n"
        "        await j.append(b'%d' % n).durable()\n"
        "    print('acknowledged', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    folder = tmp_path / "w"
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"acknowledged\n"
        assert journals.is_alive(folder)
        process.kill()
        process.wait()
    assert not journals.is_alive(folder)
    assert payloads(folder) == [b"%d" % n for n in range(200)]
    assert journals.folders(tmp_path) == [folder]
