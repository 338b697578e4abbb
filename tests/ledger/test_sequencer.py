"""The sequencer: every closed record once, in a log that verifies, whoever dies and whenever."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import sql
from structlog.testing import capture_logs

from headgate.features import migrations
from headgate.kernel.errors import Conflict, Denied, Unavailable
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.record import Closing, Opening
from headgate.ledger import sequencer as sequencer_module
from headgate.ledger.checkpoint import Checkpoint, Note
from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.leaves import decode_leaf
from headgate.ledger.log_keys import read_verifier, verifier_path
from headgate.ledger.prove import check_bundle, prove
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.recorder import JournalRecorder
from headgate.ledger.seal import Sealer
from headgate.ledger.sequencer import Sequencer, SequencerSetup, run_sequencer
from headgate.ledger.shipper import Shipper
from headgate.ledger.tiles import TileFiles, TileReader, read_checkpoint
from headgate.ledger.verify import verify_log
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.journal import Journal
from headgate.substrate.migrate import migrate
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import give_logins
from headgate.testing.postgres import TemporaryDatabase

IDS = SystemIds()


class House:
    """A data folder and a database, with what writes into them."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root = root
        self.setup = SequencerSetup(root / "ledger", root / "secrets" / "ledger")
        self.shipper = Shipper(database, root=root / "journal", clock=SystemClock())
        self.worker = Journal(root / "journal" / IDS.ulid())
        keys = KeysOnDemand(FileKeyRing(root / "keys"), clock=SystemClock())
        self.recorder = JournalRecorder(self.worker, sealer=Sealer(keys), pseudonyms=Pseudonymiser(b"s" * 32))

    async def record(self, count: int, *, tenant: str = "acme") -> list[str]:
        """So many closed records in the database; their ids in order."""
        ids = self.append(count, tenant=tenant)
        await self.shipper.drain()
        return ids

    def append(self, count: int, *, tenant: str = "acme") -> list[str]:
        """So many closed records in the journal; their ids in order."""
        now, ids = datetime.now(UTC), [RecordId(IDS.ulid()) for _ in range(count)]
        who = TenantId(tenant)
        for record_id in ids:
            self.recorder.open(Opening(record_id, who, now, "v", "alice", "u", "r:1", "allow", "allow"))
            self.recorder.close(Closing(record_id, who, now, "done"))
        return list(ids)

    async def is_shipped(self) -> bool:
        """Try to ship what lies in the journal."""
        try:
            await self.shipper.drain()
        except Unavailable:
            return False
        return True

    def log(self, tenant: str = "acme") -> Path:
        return self.setup.logs / tenant

    def held(self, tenant: str = "acme") -> list[str]:
        """The ids in a log, after proving it sound."""
        root = self.log(tenant)
        found = verify_log(root, keys=[read_verifier(verifier_path(root.parent, tenant))])
        assert (found.faults, found.unsigned, found.statement) == ((), (), "self-consistent")
        assert found.checkpoint is not None
        size = found.checkpoint.checkpoint.size
        return [decode_leaf(entry).id for entry in TileReader(root, size).entries()]

    def published_size(self, tenant: str = "acme") -> int:
        try:
            return Checkpoint.parse(Note.parse(read_checkpoint(self.log(tenant))).text).size
        except FileNotFoundError:
            return 0


@asynccontextmanager
async def house_in(root: Path, writer: DatabaseAddress) -> AsyncGenerator[House]:
    async with Database(writer) as database:
        house = House(root, database)
        try:
            yield house
        finally:
            await house.worker.aclose()


@asynccontextmanager
async def sequencing(setup: SequencerSetup, address: DatabaseAddress) -> AsyncGenerator[None]:
    """A sequencer at work, stopped afterwards."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_sequencer(setup, address, stop))
        try:
            yield
        finally:
            stop.set()


@pytest.fixture
async def house(fresh_database: TemporaryDatabase, tmp_path: Path) -> AsyncGenerator[House]:
    async with house_in(tmp_path, fresh_database.login["headgate_writer"]) as house:
        yield house


@pytest.fixture
async def database(fresh_database: TemporaryDatabase) -> AsyncGenerator[Database]:
    async with Database(fresh_database.login["headgate_sequencer"]) as database:
        yield database


async def eventually(is_so: Callable[[], Awaitable[bool]], *, look_s: float = 0.02) -> None:
    """Look again and again, at most for 30 s: what other tasks and processes do sets no event of ours."""
    async with asyncio.timeout(60):
        while not await is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(look_s)


async def published(house: House, size: int, *, look_s: float = 0.02) -> None:
    async def is_so() -> bool:
        return house.published_size() >= size

    await eventually(is_so, look_s=look_s)


@pytest.mark.parametrize("batches", [[1], [255, 1, 1], [256, 300], [1, 2, 3, 5000]])
async def test_what_goes_in_comes_out_as_a_sound_log_in_which_everything_can_be_proved(
    house: House, database: Database, batches: Sequence[int]
) -> None:
    sequencer, ids = Sequencer(database, setup=house.setup), list[str]()
    for count in batches:
        ids += await house.record(count)
        assert await sequencer.catch_up() == count
    assert house.held() == ids
    keys = [read_verifier(verifier_path(house.setup.logs, "acme"))]
    for index in {0, len(ids) // 2, len(ids) - 1, *range(0, len(ids), 97)}:
        checked = check_bundle(prove(house.log(), index, keys=keys).to_json(), keys=keys)
        assert (decode_leaf(checked.entry).id, checked.statement) == (ids[index], "included")


async def test_a_record_is_in_the_signed_log_soon_after_it_closed(
    house: House, fresh_database: TemporaryDatabase
) -> None:
    async with sequencing(house.setup, fresh_database.login["headgate_sequencer"]):
        await house.record(1)
        await published(house, 1)
        delays: list[float] = []
        for size in range(2, 5):
            await house.record(1)
            began_s = asyncio.get_running_loop().time()
            await published(house, size, look_s=0.005)
            delays.append(asyncio.get_running_loop().time() - began_s)
    assert min(delays) < 0.5


async def test_every_tenant_has_a_log_and_a_key_of_its_own(house: House, database: Database) -> None:
    sequencer = Sequencer(database, setup=house.setup)
    ids = {tenant: await house.record(3, tenant=tenant) for tenant in ("acme", "umbrella")}
    await sequencer.catch_up()
    ids["initech"] = await house.record(2, tenant="initech")  # while it runs
    await sequencer.catch_up()
    assert {tenant: house.held(tenant) for tenant in ids} == ids
    keys = {read_verifier(verifier_path(house.setup.logs, tenant)).encode() for tenant in ids}
    assert len(keys) == 3
    assert all((house.setup.secrets / f"{tenant}.key").stat().st_mode & 0o777 == 0o600 for tenant in ids)


async def test_what_is_shipped_twice_is_in_the_log_once(house: House, database: Database) -> None:
    sequencer = Sequencer(database, setup=house.setup)
    ids = await house.record(10)
    (house.worker.folder / "shipped").unlink()
    ids += await house.record(10)  # ships the first ten again
    assert await sequencer.catch_up() == 20
    (house.worker.folder / "shipped").unlink()
    await house.shipper.drain()
    assert await sequencer.catch_up() == 0
    assert house.held() == ids
    (house.worker.folder / "shipped").unlink()
    ids += await house.record(5)  # behind twenty that are in the log
    assert await sequencer.catch_up() == 5
    assert house.held() == ids


async def test_a_sequencer_that_was_taken_for_dead_moves_nothing(house: House, database: Database) -> None:
    old, new = Sequencer(database, setup=house.setup), Sequencer(database, setup=house.setup)
    ids = await house.record(5)
    await old.catch_up()
    await new.take_logs()
    ids += await house.record(5)
    with pytest.raises(Conflict, match="another sequencer"):
        await old.catch_up()
    assert await new.catch_up() == 5
    assert house.held() == ids


async def test_a_second_sequencer_waits_for_the_first(
    house: House, fresh_database: TemporaryDatabase, tmp_path: Path
) -> None:
    """Of two on one machine the files' lock decides, of two on two machines the database's."""
    address = fresh_database.login["headgate_sequencer"]
    elsewhere = SequencerSetup(tmp_path / "elsewhere", house.setup.secrets)
    async with sequencing(house.setup, address):
        ids = await house.record(3)
        await published(house, 3)
        async with sequencing(house.setup, address), sequencing(elsewhere, address):
            ids += await house.record(300)
            await published(house, 303)
        assert not (elsewhere.logs / "acme").exists()
    assert house.held() == ids


@pytest.mark.fault
async def test_files_that_stayed_behind_are_finished_by_whoever_comes_next(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await house.record(300)
    await Sequencer(database, setup=house.setup).catch_up()
    ids += await house.record(300)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(TileFiles, "append", full)
        assert await Sequencer(database, setup=house.setup).catch_up() == 0
    assert len(house.held()) == 300
    ids += await house.record(10)
    await Sequencer(database, setup=house.setup).take_logs()
    assert house.held() == ids[:600]
    await Sequencer(database, setup=house.setup).catch_up()
    assert house.held() == ids


@pytest.mark.fault
async def test_a_log_whose_files_are_gone_is_rebuilt_from_the_database(house: House, database: Database) -> None:
    ids = await house.record(700)
    await Sequencer(database, setup=house.setup).catch_up()
    before = read_checkpoint(house.log())
    shutil.rmtree(house.log())
    await Sequencer(database, setup=house.setup).take_logs()
    assert house.held() == ids
    assert read_checkpoint(house.log()) == before


@pytest.mark.fault
async def test_a_log_is_never_signed_with_a_second_key_and_other_logs_go_on(house: House, database: Database) -> None:
    acme = await house.record(3)
    await Sequencer(database, setup=house.setup).catch_up()
    (house.setup.secrets / "acme.key").unlink()
    await house.record(3)
    umbrella = await house.record(3, tenant="umbrella")
    sequencer = Sequencer(database, setup=house.setup)
    await sequencer.take_logs()
    assert await sequencer.catch_up() == 3
    assert (house.held(), house.held("umbrella")) == (acme, umbrella)
    assert not (house.setup.secrets / "acme.key").exists()


@pytest.mark.fault
async def test_a_log_whose_key_was_exchanged_is_left_alone(house: House, database: Database) -> None:
    ids = await house.record(3)
    await Sequencer(database, setup=house.setup).catch_up()
    await house.record(3, tenant="umbrella")
    await Sequencer(database, setup=house.setup).catch_up()
    shutil.copy(house.setup.secrets / "umbrella.key", house.setup.secrets / "acme.key")
    await house.record(3)
    assert await Sequencer(database, setup=house.setup).catch_up() == 0
    assert house.held() == ids


@pytest.mark.fault
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger.logs SET root = '\\x00'",
        "DELETE FROM ledger.leaves",
        "UPDATE ledger.records SET leaf = leaf || '\\x20'",
    ],
)
async def test_a_database_that_contradicts_itself_is_not_signed(
    house: House, database: Database, fresh_database: TemporaryDatabase, damage: str
) -> None:
    await house.record(5)
    await Sequencer(database, setup=house.setup).catch_up()
    shutil.rmtree(house.log())
    async with Database(fresh_database.owner) as owner, owner.transaction(tenant=None) as tx:
        await tx.execute(sql.SQL(damage))  # pyright: ignore[reportArgumentType] - one of those above
    await Sequencer(database, setup=house.setup).take_logs()
    assert house.published_size() == 0


@pytest.mark.fault
async def test_nothing_is_signed_behind_files_that_were_changed(house: House, database: Database) -> None:
    await house.record(5)
    await Sequencer(database, setup=house.setup).catch_up()
    before = read_checkpoint(house.log())
    (tile,) = (house.log() / "tile" / "0" / "000.p").iterdir()
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    await house.record(3)
    sequencer = Sequencer(database, setup=house.setup)
    await sequencer.take_logs()
    assert await sequencer.catch_up() == 0
    assert read_checkpoint(house.log()) == before


@pytest.mark.fault
async def test_a_database_that_refuses_is_asked_again_and_all_that_waited_goes_batch_after_batch(
    house: House, fresh_database: TemporaryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "_BATCH_LEAVES", 4)
    ids = await house.record(10)
    async with Database(fresh_database.owner) as owner:
        async with owner.transaction(tenant=None) as tx:
            await tx.execute("ALTER TABLE ledger.pending RENAME TO pending_away")
        with capture_logs() as logs:
            async with sequencing(house.setup, fresh_database.login["headgate_sequencer"]):

                async def is_told() -> bool:
                    return [one["code"] for one in logs if one["event"] == "sequencing_delayed"] != []

                await eventually(is_told)
                async with owner.transaction(tenant=None) as tx:
                    await tx.execute("ALTER TABLE ledger.pending_away RENAME TO pending")
                await published(house, 10)
    assert house.held() == ids


@pytest.mark.fault
async def test_a_sequencer_whose_session_is_cut_takes_its_logs_again(
    house: House, fresh_database: TemporaryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "_PING_S", 0.0)
    async with (
        sequencing(house.setup, fresh_database.login["headgate_sequencer"]),
        Database(fresh_database.owner) as owner,
    ):
        ids = await house.record(5)
        await published(house, 5)
        async with owner.transaction(tenant=None) as tx:
            cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'headgate_sequencer'"
            assert await tx.value(cut)
        ids += await house.record(5)
        await published(house, 10)
    assert house.held() == ids


async def test_a_batch_of_which_all_is_in_the_log_does_not_stop_what_is_behind_it(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "_BATCH_LEAVES", 4)
    sequencer = Sequencer(database, setup=house.setup)
    ids = await house.record(8)
    assert await sequencer.catch_up() == 8
    (house.worker.folder / "shipped").unlink()
    ids += await house.record(3)
    assert await sequencer.catch_up() == 3
    assert house.held() == ids


async def test_a_tenant_whose_name_could_leave_the_folder_gets_no_log(house: House, database: Database) -> None:
    await house.record(1, tenant="../outside")
    ids = await house.record(1)
    assert await Sequencer(database, setup=house.setup).catch_up() == 1
    assert house.held() == ids
    assert not (house.root / "outside").exists()


@pytest.mark.fault
async def test_nothing_is_appended_where_the_database_is_older_than_the_published_log(
    house: House, database: Database, fresh_database: TemporaryDatabase
) -> None:
    ids = await house.record(5)
    await Sequencer(database, setup=house.setup).catch_up()
    async with Database(fresh_database.owner) as owner, owner.transaction(tenant=None) as tx:
        await tx.execute("DELETE FROM ledger.leaves")
        await tx.execute("DELETE FROM ledger.logs")
    await house.record(1)
    sequencer = Sequencer(database, setup=house.setup)
    assert await sequencer.catch_up() == 0
    assert house.held() == ids


SEQUENCE = """
import asyncio, sys
from pathlib import Path
from headgate.ledger.sequencer import SequencerSetup, run_sequencer
from headgate.substrate.database_address import DatabaseAddress
address = DatabaseAddress.parse(sys.stdin.readline().strip())
asyncio.run(run_sequencer(SequencerSetup(Path(sys.argv[1]), Path(sys.argv[2])), address, asyncio.Event()))
"""


def start_sequencer(setup: SequencerSetup, address: DatabaseAddress) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SEQUENCE, str(setup.logs), str(setup.secrets)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(address.conninfo.encode() + b"\n")
    process.stdin.close()
    return process


@pytest.mark.fault
async def test_a_sequencer_killed_at_any_moment_leaves_a_log_that_the_next_one_continues(
    house: House, fresh_database: TemporaryDatabase
) -> None:
    dice = random.Random(11)
    address = fresh_database.login["headgate_sequencer"]
    ids: list[str] = []
    for _ in range(6):
        process = start_sequencer(house.setup, address)
        size = house.published_size()
        async with asyncio.timeout(60):
            while house.published_size() == size:  # it is at work now
                ids += await house.record(150)
        ids += await house.record(150)
        await asyncio.sleep(dice.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    async with sequencing(house.setup, address):
        await published(house, len(ids))
    assert house.held() == ids


@pytest.mark.fault
async def test_a_database_that_restarts_is_waited_for(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    owner = await server.start()
    await migrate(owner.conninfo, series=migrations())
    login = await give_logins(owner, tmp_path / "data" / "secrets")
    try:
        async with (
            house_in(tmp_path, login["headgate_writer"]) as house,
            sequencing(house.setup, login["headgate_sequencer"]),
        ):
            ids = await house.record(20)
            await published(house, 20)
            await server.stop()
            ids += house.append(20)
            assert not await house.is_shipped()
            await server.start()
            await eventually(house.is_shipped)
            await published(house, 40)
            assert house.held() == ids
    finally:
        await server.stop()


@dataclass(frozen=True, slots=True)
class _Name:
    tenant: str


async def test_the_sequencer_reads_leaves_of_the_tenant_at_hand_and_never_parts(
    house: House, database: Database
) -> None:
    await house.record(2)
    await house.record(2, tenant="umbrella")
    async with database.transaction(tenant="acme") as tx:
        rows = await tx.rows("SELECT tenant FROM ledger.records", of=_Name)
    assert {row.tenant for row in rows} == {"acme"}
    with pytest.raises(Denied):
        async with database.transaction(tenant="acme") as tx:
            await tx.execute("SELECT * FROM ledger.parts")
