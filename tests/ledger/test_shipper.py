"""The shipper: nothing lost, nothing twice, whoever dies and whenever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from psycopg import sql
from structlog.testing import capture_logs

from headgate.features import migrations
from headgate.kernel.errors import Denied, HeadgateError, Unavailable
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.record import Closing, Opening
from headgate.ledger import shipper as shipper_module
from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.leaves import JournalEntry, encode_entry
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.quarantine import Quarantine
from headgate.ledger.recorder import JournalRecorder
from headgate.ledger.seal import Sealer
from headgate.ledger.shipper import Shipper, ShipperPace, run_shipper
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.journal import Journal, JournalLimits
from headgate.substrate.migrate import migrate
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import ROLES, Role, give_logins
from headgate.testing.postgres import TemporaryDatabase

IDS = SystemIds()
QUICK = ShipperPace(shortest_s=0.005, longest_s=0.02, grace_s=0.05, retry_s=0.05)


class Worker:
    """A worker with a journal of its own, as the gateway has one."""

    def __init__(self, root: Path, *, name: str | None = None, limits: JournalLimits | None = None) -> None:
        self.journal = Journal(root / "journal" / (name or IDS.ulid()), limits=limits)
        keys = KeysOnDemand(FileKeyRing(root / "keys"), clock=SystemClock())
        self.recorder = JournalRecorder(self.journal, sealer=Sealer(keys), pseudonyms=Pseudonymiser(b"s" * 32))

    def open(self, *, tenant: str = "acme", text: bytes = b"hello", resource: str = "deployment:local-chat") -> Opening:
        opening = Opening(
            id=RecordId(IDS.ulid()),
            tenant=TenantId(tenant),
            opened_at=datetime.now(UTC),
            verb="model.dispatch",
            principal="alice",
            use_case="getting-started",
            resource=resource,
            effect="allow",
            would="allow",
            parts={"sent": text},
        )
        self.recorder.open(opening)
        return opening

    def close(self, opening: Opening) -> None:
        self.recorder.close(Closing(opening.id, opening.tenant, datetime.now(UTC), "done", parts={"answer": b"world"}))

    def record(self, count: int, *, tenant: str = "acme") -> list[str]:
        """So many whole records; their ids in order."""
        openings = [self.open(tenant=tenant) for _ in range(count)]
        for opening in openings:
            self.close(opening)
        return [opening.id for opening in openings]


@dataclass(frozen=True, slots=True)
class Seen:
    id: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Count:
    records: int
    openings: int
    pending: int
    parts: int


@asynccontextmanager
async def shipping(address: DatabaseAddress, root: Path) -> AsyncGenerator[Shipper]:
    """A shipper at work, stopped afterwards."""
    stop = asyncio.Event()
    async with Database(address) as database:
        shipper = Shipper(database, root=root / "journal", clock=SystemClock(), pace=QUICK)
        async with asyncio.TaskGroup() as group:
            group.create_task(shipper.run(stop))
            try:
                yield shipper
            finally:
                stop.set()


@asynccontextmanager
async def owning(database: TemporaryDatabase) -> AsyncGenerator[Database]:
    async with Database(database.owner) as owner:
        yield owner


async def counted(owner: Database) -> Count:
    async with owner.transaction(tenant=None) as tx:
        found = await tx.row(
            "SELECT (SELECT count(*) FROM ledger.records) AS records,"
            " (SELECT count(*) FROM ledger.openings) AS openings,"
            " (SELECT count(DISTINCT id) FROM ledger.pending) AS pending,"
            " (SELECT count(*) FROM ledger.parts) AS parts",
            of=Count,
        )
    assert found is not None
    return found


async def outcomes(owner: Database) -> dict[str, str | None]:
    """What the database says became of each record; None where it is open."""
    async with owner.transaction(tenant=None) as tx:
        rows = await tx.rows(
            "SELECT id, outcome FROM ledger.records UNION ALL SELECT id, NULL FROM ledger.openings", of=Seen
        )
    return {row.id: row.outcome for row in rows}


async def eventually(is_so: Callable[[], Awaitable[bool]], *, look_s: float = 0.02) -> None:
    """Look again and again, at most for 30 s: what other tasks and processes do sets no event of ours."""
    async with asyncio.timeout(60):
        while not await is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(look_s)


async def is_known(owner: Database, record_id: str) -> bool:
    return record_id in await outcomes(owner)


async def has_more_than(owner: Database, records: int) -> bool:
    with contextlib.suppress(Unavailable):  # while the server is away, the observer's connections are broken as well
        return (await counted(owner)).records > records
    return False


async def is_gone(path: Path) -> bool:
    return not await asyncio.to_thread(path.exists)


async def until(owner: Database, wanted: Count) -> None:
    async def is_so() -> bool:
        return await counted(owner) == wanted

    await eventually(is_so)


async def test_records_arrive_with_their_parts_in_the_order_of_their_closing(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    ids = worker.record(50)
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=50, openings=0, pending=50, parts=100))
        async with owner.transaction(tenant=None) as tx:
            queue = await tx.rows("SELECT id, NULL AS outcome FROM ledger.pending ORDER BY arrival", of=Seen)
        assert [row.id for row in queue] == ids
    await worker.journal.aclose()


async def test_an_open_record_is_visible_within_a_quarter_of_a_second_and_moves_over_when_it_closes(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    worker.record(1)
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=1, openings=0, pending=1, parts=2))
        loop = asyncio.get_running_loop()
        delays: list[float] = []
        for _ in range(3):
            began_s = loop.time()
            opening = worker.open()
            await eventually(partial(is_known, owner, opening.id), look_s=0.005)
            delays.append(loop.time() - began_s)
            assert (await outcomes(owner))[opening.id] is None
            worker.close(opening)
        assert min(delays) < 0.25
        await until(owner, Count(records=4, openings=0, pending=4, parts=8))
    await worker.journal.aclose()


async def test_shipping_the_same_frames_again_changes_nothing(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    worker.record(20)
    left_open = worker.open()
    async with owning(fresh_database) as owner, Database(fresh_database.login["headgate_writer"]) as database:
        shipper = Shipper(database, root=tmp_path / "journal", clock=SystemClock())
        await shipper.drain()
        before = await outcomes(owner)
        (worker.journal.folder / "shipped").unlink()
        await shipper.drain()
        assert await outcomes(owner) == before
        assert await counted(owner) == Count(records=20, openings=1, pending=20, parts=41)
        worker.close(left_open)
        (worker.journal.folder / "shipped").unlink()
        await shipper.drain()
        assert await counted(owner) == Count(records=21, openings=0, pending=21, parts=42)
    await worker.journal.aclose()


async def test_a_batch_of_which_only_the_beginning_came_before_is_completed(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    first = worker.record(3)
    async with owning(fresh_database) as owner, Database(fresh_database.login["headgate_writer"]) as database:
        shipper = Shipper(database, root=tmp_path / "journal", clock=SystemClock())
        await shipper.drain()
        (worker.journal.folder / "shipped").unlink()
        second = worker.record(3)
        await shipper.drain()
        assert set(await outcomes(owner)) == {*first, *second}
        assert await counted(owner) == Count(records=6, openings=0, pending=6, parts=12)
    await worker.journal.aclose()


@pytest.mark.parametrize("at_once", [500, 2])
async def test_what_a_dead_worker_left_open_is_interrupted_once_and_its_folder_goes(
    fresh_database: TemporaryDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(shipper_module, "_BURIED_AT_ONCE", at_once)
    dead, alive = Worker(tmp_path), Worker(tmp_path)
    dead.record(3)
    left = [dead.open().id for _ in range(4)]
    running = alive.open()
    await dead.journal.aclose()  # lets go of the lock, as death does
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=7, openings=1, pending=7, parts=11))
        found = await outcomes(owner)
        assert {found[record_id] for record_id in left} == {"interrupted"}
        assert found[running.id] is None
        await eventually(partial(is_gone, dead.journal.folder))
        assert alive.journal.folder.exists()
    await alive.journal.aclose()


async def test_a_large_answer_and_many_tenants_go_together(fresh_database: TemporaryDatabase, tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    for tenant in ("acme", "umbrella", "initech"):
        worker.record(2, tenant=tenant)
    worker.close(worker.open(text=os.urandom(9 << 20)))
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=7, openings=0, pending=7, parts=14))
        async with owner.transaction(tenant=None) as tx:
            assert await tx.value("SELECT count(DISTINCT tenant) FROM ledger.records") == 3
            assert await tx.value("SELECT max(octet_length(envelope)) > 9000000 FROM ledger.parts")
            assert not await tx.value("SELECT count(*) FROM ledger.records_other"), "the month has its own partition"
    await worker.journal.aclose()


@pytest.mark.parametrize("name", ['","', "\\", '"}', "NULL", "{}", 'a\\"b', "\x01\n", "'; DROP TABLE ledger.records"])
async def test_any_text_arrives_as_it_was(fresh_database: TemporaryDatabase, tmp_path: Path, name: str) -> None:
    worker = Worker(tmp_path)
    for resource in (name, "plain"):
        worker.close(worker.open(resource=resource))
    async with owning(fresh_database) as owner, Database(fresh_database.login["headgate_writer"]) as database:
        await Shipper(database, root=tmp_path / "journal", clock=SystemClock()).drain()
        async with owner.transaction(tenant=None) as tx:
            rows = await tx.rows("SELECT id, resource AS outcome FROM ledger.records ORDER BY id", of=Seen)
    assert [row.outcome for row in rows] == [name, "plain"]
    await worker.journal.aclose()


LEAF = (
    b'{"closed_at":"2026-11-25T12:00:00.000000Z","id":"1","opened_at":"2026-11-25T12:00:00.000000Z","outcome":"done",'
    b'"principal":"p","resource":"r","tenant":"acme","use_case":"u","v":1,"verb":"v"}'
)


def closing(leaf: bytes) -> bytes:
    return encode_entry(JournalEntry(tenant="acme", id="1", is_closing=True, seal="", leaf=leaf, parts={}))


async def test_a_leaf_may_say_more_than_the_database_wants_to_know(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    worker.journal.append(closing(LEAF.replace(b'"v":1', b'"facts":{"a":[1,{}]},"v":1')))
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=1, openings=0, pending=1, parts=0))
    await worker.journal.aclose()


@pytest.mark.fault
@pytest.mark.parametrize(
    "damaged",
    [
        b"not a record",
        closing(b"{}"),
        closing(LEAF.replace(b'"v":1', b'"v":2')),
        closing(LEAF.replace(b'"outcome":"done",', b"")),
        closing(LEAF.replace(b'"v":1', b'"rules":[3],"v":1')),
    ],
)
async def test_what_is_no_record_is_set_aside_and_what_follows_is_shipped(
    fresh_database: TemporaryDatabase, tmp_path: Path, damaged: bytes
) -> None:
    worker = Worker(tmp_path)
    worker.record(1)
    await worker.journal.append(damaged).durable()
    worker.record(1)
    good = Worker(tmp_path)
    good.record(5)
    await worker.journal.aclose()
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=7, openings=0, pending=7, parts=14))
        await eventually(lambda: asyncio.to_thread(lambda: not worker.journal.folder.exists()))
    assert frames_aside(tmp_path) == [damaged]
    await good.journal.aclose()


def frames_aside(root: Path) -> list[bytes]:
    aside = Quarantine(root / "journal")
    return [aside.data(one) for one in aside.every()]


def poison(record: str, **changed: bytes) -> bytes:
    """A closing that reads well and that PostgreSQL does not take."""
    leaf = LEAF.replace(b'"id":"1"', b'"id":"%s"' % record.encode())
    for name, value in changed.items():
        before, _, rest = leaf.partition(b'"%s":"' % name.encode())
        leaf = before + b'"%s":%s' % (name.encode(), value) + rest.partition(b'"')[2]
    return encode_entry(JournalEntry(tenant="acme", id=record, is_closing=True, seal="", leaf=leaf, parts={}))


POISONS = {
    "a NUL in a text": poison("2", resource=rb'"a\u0000b"'),
    "a time that is none": poison("2", closed_at=b'"no time"'),
    "a time beyond all": poison("2", opened_at=b'"99999999-01-01T00:00:00Z"'),
    "a text too long for an index": poison("2", resource=b'"%s"' % os.urandom(9_000).hex().encode()),
    "of no tenant": poison("2", tenant=b'""'),
    "nested too deep to be read": closing(LEAF.replace(b'"v":1', b'"x":%s%s,"v":1' % (b"[" * 30_000, b"]" * 30_000))),
}


@pytest.mark.fault
@pytest.mark.parametrize("bad", POISONS.values(), ids=POISONS)
async def test_what_the_database_refuses_is_set_aside_and_what_follows_is_shipped(
    fresh_database: TemporaryDatabase, tmp_path: Path, bad: bytes
) -> None:
    worker = Worker(tmp_path)
    worker.record(3)
    for _ in range(2):
        worker.journal.append(bad)
    worker.record(3)
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=6, openings=0, pending=6, parts=12))
        worker.record(1)
        await until(owner, Count(records=7, openings=0, pending=7, parts=14))
    assert frames_aside(tmp_path) == [bad, bad]
    await worker.journal.aclose()


@pytest.mark.fault
async def test_what_was_set_aside_is_shipped_at_the_next_start_that_can(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    stopper = "ALTER TABLE ledger.records ADD CONSTRAINT no_odd CHECK (resource <> 'odd') NOT VALID"
    worker.record(1)
    odd = worker.open(resource="odd")
    worker.close(odd)
    worker.record(1)
    async with owning(fresh_database) as owner:
        async with owner.transaction(tenant=None) as tx:
            await tx.execute(stopper)
        async with shipping(fresh_database.login["headgate_writer"], tmp_path):
            await until(owner, Count(records=2, openings=1, pending=2, parts=5))
            await worker.journal.aclose()
            # The worker is dead, and how the record ended stands in what was set aside.
            await eventually(lambda: asyncio.to_thread(lambda: not worker.journal.folder.exists()))
        assert len(frames_aside(tmp_path)) == 1
        async with owner.transaction(tenant=None) as tx:
            await tx.execute("ALTER TABLE ledger.records DROP CONSTRAINT no_odd")
        async with shipping(fresh_database.login["headgate_writer"], tmp_path):
            await until(owner, Count(records=3, openings=0, pending=3, parts=6))
            await eventually(lambda: asyncio.to_thread(lambda: not frames_aside(tmp_path)))
        assert (await outcomes(owner))[odd.id] == "done"


@pytest.mark.fault
async def test_bad_frames_across_full_batches_are_set_aside_and_what_follows_is_shipped(
    fresh_database: TemporaryDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is met while the batch before it is written, the second when its own batch is."""
    monkeypatch.setattr(shipper_module, "_BATCH_RECORDS", 4)
    worker, bad = Worker(tmp_path), POISONS["a NUL in a text"]
    for _ in range(2):
        worker.record(1)
    worker.journal.append(b"not a record")
    worker.record(3)
    worker.journal.append(bad)
    worker.record(3)
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await until(owner, Count(records=8, openings=0, pending=8, parts=16))
    assert frames_aside(tmp_path) == [b"not a record", bad]
    await worker.journal.aclose()


@pytest.mark.fault
async def test_a_disk_that_cannot_be_read_holds_up_what_lies_on_it_alone(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    """What was set aside is tried again until the disk gives it; what still is no record stays."""
    login, aside = fresh_database.login["headgate_writer"], tmp_path / "journal-set-aside"
    first, second = Worker(tmp_path), Worker(tmp_path)
    await first.journal.append(b"not a record").durable()
    await second.journal.append(b"not a record").durable()
    async with owning(fresh_database) as owner:
        async with shipping(login, tmp_path):
            await eventually(lambda: asyncio.to_thread(lambda: Quarantine(tmp_path / "journal").count() == 2))
        frame = next(aside.glob(f"{second.journal.folder.name}.*.frame"))
        frame.unlink()
        frame.mkdir()
        with capture_logs() as logs:
            async with shipping(login, tmp_path):
                second.record(1)
                await until(owner, Count(records=1, openings=0, pending=1, parts=2))
                await eventually(lambda: asyncio.to_thread(lambda: any(told.get("failures") == 4 for told in logs)))
        told = [(one["failures"], one["code"]) for one in logs if one["event"] == "shipping_delayed"]
        assert told[:3] == [(1, "os_error"), (2, "os_error"), (4, "os_error")]
        frame.rmdir()
        frame.write_bytes(closing(LEAF))
        async with shipping(login, tmp_path):
            await until(owner, Count(records=2, openings=0, pending=2, parts=2))
            await second.journal.aclose()
            await eventually(partial(is_gone, second.journal.folder))
    assert frames_aside(tmp_path) == [b"not a record"]
    await first.journal.aclose()


@pytest.mark.fault
async def test_journals_that_cannot_be_listed_are_shipped_once_they_can(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    worker, journal = Worker(tmp_path / "disk"), tmp_path / "journal"
    worker.record(1)
    journal.symlink_to("x" * 300)  # a name that no disk takes
    with capture_logs() as logs:
        async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
            await eventually(lambda: asyncio.to_thread(lambda: any(one.get("code") == "os_error" for one in logs)))
            journal.unlink()
            journal.symlink_to(tmp_path / "disk" / "journal")
            await until(owner, Count(records=1, openings=0, pending=1, parts=2))
    await worker.journal.aclose()


SOME_REFUSED = """
CREATE FUNCTION ledger.refuse_some() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.resource = 'odd' THEN RAISE 'odd' USING ERRCODE = '{}'; END IF;
    IF NEW.resource = 'away' THEN RAISE 'away' USING ERRCODE = 'admin_shutdown'; END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER refuse_some BEFORE INSERT ON ledger.records FOR EACH ROW EXECUTE FUNCTION ledger.refuse_some();
"""


@pytest.mark.fault
@pytest.mark.parametrize(("error", "set_aside"), [("check_violation", 1), ("raise_exception", 0)])
async def test_a_database_that_goes_away_amid_refusals_sets_nothing_more_aside(
    fresh_database: TemporaryDatabase, tmp_path: Path, error: str, set_aside: int
) -> None:
    """A refused value is the frame's fault at once; of an unknown error the frames behind it have to tell."""
    worker = Worker(tmp_path)
    for opening in [worker.open(resource=resource) for resource in ("odd", "away", "good")]:
        worker.close(opening)
    async with owning(fresh_database) as owner, Database(fresh_database.login["headgate_writer"]) as database:
        async with owner.transaction(tenant=None) as tx:
            for statement in SOME_REFUSED.format(error).split("\n\n"):
                await tx.execute(sql.SQL(statement))  # pyright: ignore[reportArgumentType] - one of the two above
        shipper = Shipper(database, root=tmp_path / "journal", clock=SystemClock())
        for _ in range(2):
            with pytest.raises(Unavailable):
                await shipper.drain()
        assert len(frames_aside(tmp_path)) == set_aside
        async with owner.transaction(tenant=None) as tx:
            await tx.execute("DROP TRIGGER refuse_some ON ledger.records")
        await shipper.drain()
        assert (await counted(owner)).records == 3 - set_aside
    await worker.journal.aclose()


@pytest.mark.fault
@pytest.mark.parametrize("looked_ahead", [64, 2])
async def test_a_database_that_refuses_everything_is_not_taken_for_poison(
    fresh_database: TemporaryDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_ahead: int
) -> None:
    monkeypatch.setattr(shipper_module, "_LOOKED_AHEAD", looked_ahead)
    worker = Worker(tmp_path)
    login = fresh_database.login["headgate_writer"]
    async with owning(fresh_database) as owner:
        async with Database(login) as database:
            shipper = Shipper(database, root=tmp_path / "journal", clock=SystemClock())
            await shipper.drain()  # looks after the months, which have to be there
            worker.record(5)
            async with owner.transaction(tenant=None) as tx:
                await tx.execute("ALTER TABLE ledger.records RENAME TO records_away")
            for _ in range(3):
                with pytest.raises(HeadgateError):
                    await shipper.drain()
        async with owner.transaction(tenant=None) as tx:
            await tx.execute("ALTER TABLE ledger.records_away RENAME TO records")
        assert frames_aside(tmp_path) == []
        async with shipping(login, tmp_path):
            await until(owner, Count(records=5, openings=0, pending=5, parts=10))
    await worker.journal.aclose()


@pytest.mark.fault
@pytest.mark.parametrize("spoilt", [0, 4, 10])
async def test_damage_on_the_disk_is_set_aside_and_whole_frames_around_it_are_shipped(
    fresh_database: TemporaryDatabase, tmp_path: Path, spoilt: int
) -> None:
    """Of a frame's length, its checksum and its payload."""
    worker = Worker(tmp_path, limits=JournalLimits(segment_bytes=4_000))
    for _ in range(20):
        worker.record(1)
        worker.journal.flush()
    await worker.journal.aclose()
    first = worker.journal.folder / "00000001.log"
    data = bytearray(first.read_bytes())
    data[8 + int.from_bytes(data[:4], "little") + spoilt] ^= 0x55
    first.write_bytes(data)
    async with owning(fresh_database) as owner, shipping(fresh_database.login["headgate_writer"], tmp_path):
        await eventually(lambda: asyncio.to_thread(lambda: not worker.journal.folder.exists()))
        found = await counted(owner)
        assert 15 < found.records <= 20
    assert all(one in bytes(data) for one in frames_aside(tmp_path))
    assert len(frames_aside(tmp_path)) == 1


SHIP = """
import asyncio, sys
from pathlib import Path
from headgate.ledger.quarantine import Quarantine
from headgate.ledger.shipper import run_shipper
from headgate.substrate.database_address import DatabaseAddress
address = DatabaseAddress.parse(sys.stdin.readline().strip())
asyncio.run(run_shipper(Path(sys.argv[1]), address, asyncio.Event()))
"""


def start_shipper(root: Path, address: DatabaseAddress) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SHIP, str(root / "journal")], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(address.conninfo.encode() + b"\n")
    process.stdin.close()
    return process


@pytest.mark.fault
async def test_a_shipper_killed_at_any_moment_loses_nothing_and_repeats_nothing(
    fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    dice = random.Random(7)
    worker = Worker(tmp_path)
    expected: set[str] = set()
    async with owning(fresh_database) as owner:
        for _ in range(6):
            expected.update(worker.record(600))
            process = start_shipper(tmp_path, fresh_database.login["headgate_writer"])
            before = (await counted(owner)).records
            await eventually(partial(has_more_than, owner, before), look_s=0.005)  # it is at work now
            await asyncio.sleep(dice.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
        async with shipping(fresh_database.login["headgate_writer"], tmp_path):
            await until(owner, Count(records=3600, openings=0, pending=3600, parts=7200))
        assert set(await outcomes(owner)) == expected
    await worker.journal.aclose()


@pytest.mark.fault
async def test_a_database_that_is_away_for_a_while_costs_nothing_but_time(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    first = worker.record(10)
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    owner_address = await server.start()
    await migrate(owner_address.conninfo, series=migrations())
    login = await give_logins(owner_address, tmp_path / "data" / "secrets")
    try:
        async with Database(owner_address) as owner, shipping(login["headgate_writer"], tmp_path):
            await until(owner, Count(records=10, openings=0, pending=10, parts=20))
            await server.stop()
            second = worker.record(10)
            await asyncio.sleep(0.3)
            await server.start()
            third = worker.record(10)
            await eventually(partial(has_more_than, owner, 29))
            async with owner.transaction(tenant=None) as tx:
                queue = await tx.rows("SELECT id, NULL AS outcome FROM ledger.pending ORDER BY arrival", of=Seen)
            assert [row.id for row in queue] == first + second + third
    finally:
        await server.stop()
    await worker.journal.aclose()


async def test_a_second_shipper_waits_for_the_first(fresh_database: TemporaryDatabase, tmp_path: Path) -> None:
    address = fresh_database.login["headgate_writer"]
    worker = Worker(tmp_path)
    first_stop, second_stop = asyncio.Event(), asyncio.Event()
    async with owning(fresh_database) as owner, asyncio.TaskGroup() as group:
        first = group.create_task(run_shipper(tmp_path / "journal", address, first_stop))
        await asyncio.sleep(0)
        stopped = asyncio.Event()
        stopped.set()
        await run_shipper(tmp_path / "journal", address, stopped)  # one that is to stop waits no longer
        group.create_task(run_shipper(tmp_path / "journal", address, second_stop))
        worker.record(5)
        await until(owner, Count(records=5, openings=0, pending=5, parts=10))
        first_stop.set()
        await first
        worker.record(5)
        await until(owner, Count(records=10, openings=0, pending=10, parts=20))
        second_stop.set()
    await worker.journal.aclose()


@pytest.mark.parametrize("table", ["records", "parts", "pending", "leaves", "logs", "marks"])
async def test_the_shipper_can_read_nothing_that_is_closed(fresh_database: TemporaryDatabase, table: str) -> None:
    async with Database(fresh_database.login["headgate_writer"]) as database:
        with pytest.raises(Denied):
            async with database.transaction(tenant="acme") as tx:
                await tx.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("ledger", table)))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "change", [sql.SQL("UPDATE ledger.records SET verb = 'x'"), sql.SQL("DELETE FROM ledger.records")]
)
async def test_nobody_can_change_a_record(fresh_database: TemporaryDatabase, role: Role, change: sql.SQL) -> None:
    async with Database(fresh_database.login[role]) as database:
        with pytest.raises(Denied):
            async with database.transaction(tenant="acme") as tx:
                await tx.execute(change)


async def test_a_tenant_sees_its_own_records_only(fresh_database: TemporaryDatabase, tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.record(3, tenant="acme")
    worker.record(2, tenant="umbrella")
    async with Database(fresh_database.login["headgate_writer"]) as database:
        await Shipper(database, root=tmp_path / "journal", clock=SystemClock()).drain()
    async with Database(fresh_database.login["headgate_app"]) as database:
        for tenant, records in (("acme", 3), ("umbrella", 2), ("initech", 0), (None, 0)):
            async with database.transaction(tenant=tenant) as tx:
                assert await tx.value("SELECT count(*) FROM ledger.records") == records
                assert await tx.value("SELECT count(*) FROM ledger.parts") == 2 * records
    await worker.journal.aclose()
