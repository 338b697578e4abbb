"""Readiness when parts are away: what can still be decided and recorded goes on, what cannot is not taken."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from structlog.testing import capture_logs

from headgate.features import baseline
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.record import Closing, Opening
from headgate.policy.snapshot import SnapshotHolder, build_snapshot
from headgate.server.asgi import Message
from headgate.server.call_metrics import CallMetrics, MeasuringRecorder
from headgate.server.health import Counts, DatabaseWatch, Health, HealthParts
from headgate.server.metrics import LASTS_S, SharedMetrics
from headgate.server.streams import OpenStreams
from headgate.substrate.clock import SystemClock
from headgate.substrate.database import Database
from headgate.testing.clock import FakeClock
from headgate.testing.ports import FakeRecorder
from headgate.testing.postgres import TemporaryDatabase

LIMIT_BYTES = 1_000


def health(
    holder: SnapshotHolder,
    folder: Path,
    *,
    worker: str = "7",
    backlog_bytes: int = 0,
    backlog: Callable[[], int] | None = None,
    is_sound: bool = True,
) -> Health:
    """The health of a worker whose database is away."""
    clock = SystemClock()
    return Health(
        HealthParts(
            worker=worker,
            pid=4711,
            counts=Counts(),
            holder=holder,
            is_database_up=lambda: False,
            counts_limits=lambda: True,
            streams=OpenStreams(clock),
            backlog_bytes=backlog or (lambda: backlog_bytes),
            backlog_limit_bytes=LIMIT_BYTES,
            is_journal_sound=lambda: is_sound,
            model_state=lambda: "loading",
            clock=clock,
            board=SharedMetrics(folder, worker=worker, clock=clock),
        )
    )


def loaded() -> SnapshotHolder:
    holder = SnapshotHolder(FakeClock())
    holder.swap(build_snapshot([], baseline=baseline(), version=1), asked_s=holder.now_s())
    return holder


async def answer_of(ask: Any) -> tuple[int, bytes]:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    await ask(send)
    (whole,) = said
    return whole["status"], whole["body"]


async def test_with_the_database_away_a_worker_that_can_decide_and_record_stays_ready(tmp_path: Path):
    status, body = await answer_of(health(loaded(), tmp_path).ready)
    assert status == 200
    assert msgspec.json.decode(body)["database"] is False


async def test_without_policies_a_worker_is_not_ready(tmp_path: Path):
    status, body = await answer_of(health(SnapshotHolder(FakeClock()), tmp_path).ready)
    assert status == 503
    assert msgspec.json.decode(body)["policies"] is False


async def test_with_a_full_journal_a_worker_is_not_ready(tmp_path: Path):
    status, body = await answer_of(health(loaded(), tmp_path, backlog_bytes=LIMIT_BYTES).ready)
    assert status == 503
    assert msgspec.json.decode(body)["journal"] is False


async def test_metrics_say_that_policies_were_never_loaded(tmp_path: Path):
    _, body = await answer_of(health(SnapshotHolder(FakeClock()), tmp_path, backlog_bytes=5).metrics)
    assert b'headgate_policy_age_seconds{worker="7"} +Inf\n' in body
    assert b'headgate_journal_backlog_bytes{worker="7"} 5.0\n' in body


async def test_one_scrape_tells_of_every_worker_that_lives(tmp_path: Path):
    for worker in ("8", "9"):
        _leave(health(loaded(), tmp_path, worker=worker, backlog_bytes=int(worker)), tmp_path, worker)
    _, body = await answer_of(health(loaded(), tmp_path, backlog_bytes=7).metrics)
    lines = body.decode().splitlines()
    backlogs = [line for line in lines if line.startswith("headgate_journal_backlog_bytes")]
    assert backlogs == [f'headgate_journal_backlog_bytes{{worker="{name}"}} {name}.0' for name in ("7", "8", "9")]
    start = lines.index(backlogs[0])
    assert lines[start : start + 3] == backlogs
    assert len([line for line in lines if line.startswith("# TYPE headgate_journal_backlog_bytes")]) == 1


async def test_whichever_worker_is_asked_the_numbers_never_go_back(tmp_path: Path):
    """A counter that falls counts as begun anew, and graphs show everything once more."""
    counts = iter(range(100))
    seven, eight = health(loaded(), tmp_path, backlog=lambda: next(counts)), health(loaded(), tmp_path, worker="8")
    seen: list[int] = []
    for asked in (seven, eight, seven, eight, eight):
        _, body = await answer_of(asked.metrics)
        found = re.search(r'headgate_journal_backlog_bytes{worker="7"} (\d+)', body.decode())
        assert found is not None
        seen.append(int(found[1]))
    assert seen == sorted(seen)
    assert seen[0] < seen[2] == seen[4]


async def test_a_worker_that_ended_or_left_half_a_file_is_not_in_the_scrape(tmp_path: Path):
    ended = SystemClock().now().timestamp() - LASTS_S - 1
    for worker in ("8", "9"):
        _leave(health(loaded(), tmp_path, worker=worker), tmp_path, worker)
    os.utime(tmp_path / "8.metrics", (ended, ended))
    (tmp_path / "9.metrics").write_text('{"worker": "9", "fam')
    _, body = await answer_of(health(loaded(), tmp_path).metrics)
    assert set(_workers(body)) == {"7"}


async def test_a_worker_leaves_its_numbers_while_it_lives_and_takes_them_away_when_it_ends(tmp_path: Path):
    asked, other = health(loaded(), tmp_path / "board"), health(loaded(), tmp_path / "board", worker="8")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        living = group.create_task(other.publish_forever())
        while set(_workers((await answer_of(asked.metrics))[1])) != {"7", "8"}:
            pass
        living.cancel()
    assert set(_workers((await answer_of(asked.metrics))[1])) == {"7"}


async def test_numbers_that_cannot_be_written_harm_nobody(tmp_path: Path):
    (tmp_path / "board").write_text("no folder")
    board = SharedMetrics(tmp_path / "board", worker="7", clock=SystemClock())
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            living = group.create_task(board.leave_forever(health(loaded(), tmp_path).numbers))
            while not logs:  # noqa: ASYNC110 - written from a thread, which tells nobody
                await asyncio.sleep(0)
            living.cancel()
    assert [line["event"] for line in logs] == ["metrics_not_written"]
    assert board.living() == []


def _leave(one: Health, folder: Path, worker: str) -> None:
    SharedMetrics(folder, worker=worker, clock=SystemClock()).write(one.numbers())


def _workers(body: bytes) -> list[str]:
    return re.findall(r'worker="([^"]+)"', body.decode())


async def test_what_becomes_of_actions_is_counted_on_the_way_to_the_record():
    metrics, recorder = CallMetrics(), FakeRecorder()
    counting, now = MeasuringRecorder(recorder, metrics), datetime(2026, 1, 1, tzinfo=UTC)
    record, tenant = RecordId("0" * 26), TenantId("home")
    opening = Opening(record, tenant, now, "note.send", "ann", "notes", "note:1", effect="allow", would="allow")
    await counting.open(opening).durable()
    await counting.close(Closing(record, tenant, now, "refused")).durable()
    assert dict(metrics.outcomes) == {"refused": 1}
    assert len(recorder.openings) == len(recorder.closings) == 1


async def test_a_worker_whose_disk_refuses_is_not_ready(tmp_path: Path):
    status, body = await answer_of(health(loaded(), tmp_path, is_sound=False).ready)
    assert status == 503
    assert b'"journal":false' in body


async def test_the_database_is_up_only_while_it_answers(fresh_database: TemporaryDatabase):
    clock = FakeClock()
    async with Database(fresh_database.login["headgate_app"]) as database:
        watch = DatabaseWatch(database, clock)
        assert not watch.is_up()
        async with asyncio.timeout(10):
            task = asyncio.ensure_future(watch.run_forever(every_s=0.01))
            await asyncio.wait({task}, timeout=2)
        assert watch.is_up()
        task.cancel()
        clock.advance(3.1)
        assert not watch.is_up()
