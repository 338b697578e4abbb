"""How fast records get from the journal into a signed checkpoint, and what recording costs the hot path."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, results
from benchmarks.results import Target, machine_line, table, targets_table
from headgate.features import migrations
from headgate.kernel.decision import RuleHit
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.record import Closing, Opening
from headgate.ledger.checkpoint import Checkpoint, Note
from headgate.ledger.keys import FileKeyRing, KeysOnDemand
from headgate.ledger.log_keys import read_verifier
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.recorder import JournalRecorder
from headgate.ledger.seal import Sealer
from headgate.ledger.sequencer import SequencerSetup
from headgate.ledger.tiles import read_checkpoint
from headgate.ledger.verify import verify_log
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.journal import Journal, JournalLimits
from headgate.substrate.migrate import migrate
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import give_logins

RECORDS, QUICK_RECORDS = 100_000, 10_000
TARGET_RECORDS_PER_S = 10_000
TARGET_HOT_PATH_US = 60
IDS = SystemIds()

SHIP = """
import asyncio, sys
from pathlib import Path
from headgate.ledger.shipper import run_shipper
from headgate.substrate.database_address import DatabaseAddress
asyncio.run(run_shipper(Path(sys.argv[1]), DatabaseAddress.parse(sys.stdin.readline().strip()), asyncio.Event()))
"""
SEQUENCE = """
import asyncio, sys
from pathlib import Path
from headgate.ledger.sequencer import SequencerSetup, run_sequencer
from headgate.substrate.database_address import DatabaseAddress
setup = SequencerSetup(Path(sys.argv[1]), Path(sys.argv[2]))
asyncio.run(run_sequencer(setup, DatabaseAddress.parse(sys.stdin.readline().strip()), asyncio.Event()))
"""


def halves(part: bytes) -> tuple[Opening, Closing]:
    """A record as a model call leaves it: one rule, labels, a few facts, a prompt and an answer."""
    now, record_id, tenant = datetime.now(UTC), RecordId(IDS.ulid()), TenantId("acme")
    labels = Labels(tenant="acme", categories=frozenset({"pii"}))
    opening = Opening(
        id=record_id,
        tenant=tenant,
        opened_at=now,
        verb="model.dispatch",
        principal="alice@example.com",
        use_case="getting-started",
        resource="deployment:local-chat",
        effect="allow",
        would="allow",
        rules=(RuleHit("baseline.allow", "allow", "enforce", "built in"),),
        policy_version="v12",
        labels=labels,
        parent=record_id,
        root=record_id,
        key_id="k1234567890",
        facts={"masked.email": 2},
        parts={"sent": part},
    )
    facts = {"input_tokens": 12, "output_tokens": 44, "cost_micros": 12, "currency": "USD"}
    closing = Closing(record_id, tenant, now, "done", labels, None, 1234, facts, {"answer": part})
    return opening, closing


class Desk:
    """A recorder over a journal in a folder."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "worker", limits=JournalLimits(backlog_bytes=1 << 34))
        sealer = Sealer(KeysOnDemand(FileKeyRing(folder.parent / "keys"), clock=SystemClock()))
        self.recorder = JournalRecorder(self.journal, sealer=sealer, pseudonyms=Pseudonymiser(os.urandom(32)))


def hot_path(desk: Desk, *, rounds: int = 30, size: int = 300) -> dict[str, float]:
    """Processor time of the calling thread for opening and closing one record, with two parts of 1,000 bytes."""
    costs: list[float] = []
    for _ in range(rounds):
        pairs = [halves(b"x" * 1000) for _ in range(size)]
        began_s = time.thread_time()
        for opening, closing in pairs:
            desk.recorder.open(opening)
            desk.recorder.close(closing)
        costs.append((time.thread_time() - began_s) * 1e6 / size)
    costs.sort()
    return {"best_us": round(costs[0], 1), "median_us": round(costs[len(costs) // 2], 1)}


def start(script: str, arguments: list[Path], address: DatabaseAddress) -> subprocess.Popen[bytes]:
    """A process that reads the database's address from its input."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(address.conninfo.encode() + b"\n")
    process.stdin.close()
    return process


def published(log: Path) -> int:
    """How many entries the signed checkpoint covers."""
    try:
        return Checkpoint.parse(Note.parse(read_checkpoint(log)).text).size
    except FileNotFoundError:
        return 0


async def until_published(log: Path, size: int) -> None:
    """Wait for a signed checkpoint of that size."""
    while published(log) < size:  # noqa: ASYNC110 - other processes set no event of ours
        await asyncio.sleep(0.01)


def cpu_s(pid: int) -> float:
    """Processor time of a process and of its children that are gone."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")


def servers_cpu_s(data: Path) -> float:
    """Processor time of the database server below a folder: its postmaster and every process of it."""
    (pid_file,) = data.rglob("postmaster.pid")
    postmaster = int(pid_file.read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return sum(cpu_s(int(pid)) for pid in (postmaster, *children))


async def write(folder: Path, count: int, part: bytes) -> None:
    """A worker's journal with so many records, on disk."""
    desk = Desk(folder)
    for number in range(count):
        opening, closing = halves(part)
        desk.recorder.open(opening)
        ticket = desk.recorder.close(closing)
        if number % 1000 == 999:
            await ticket.durable()
    await desk.journal.aclose()


async def carry(root: Path, *, records: int) -> dict[str, float]:
    """Seconds from a full journal to a signed checkpoint over all of it, by a shipper and a sequencer process."""
    server = EmbeddedPostgres(root / "data")
    owner = await server.start()
    await migrate(owner.conninfo, series=migrations())
    login = await give_logins(owner, root / "data" / "secrets")
    setup = SequencerSetup(root / "ledger", root / "secrets")
    log, journal = setup.logs / "acme", root / "journal"
    await write(root / "first", 500, b"x" * 200)
    await write(root / "rest", records, b"x" * 200)
    journal.mkdir()
    (root / "first" / "worker").rename(journal / "first")
    processes = [
        start(SHIP, [journal], login["headgate_writer"]),
        start(SEQUENCE, [setup.logs, setup.secrets], login["headgate_sequencer"]),
    ]
    try:
        await until_published(log, 500)  # both are at work
        before = [cpu_s(process.pid) for process in processes]
        server_before = servers_cpu_s(root / "data")
        began_s = time.perf_counter()
        (root / "rest" / "worker").rename(journal / "rest")
        await until_published(log, 500 + records)
        took_s = time.perf_counter() - began_s
        spent = [cpu_s(process.pid) - was for process, was in zip(processes, before, strict=True)]
        spent.append(servers_cpu_s(root / "data") - server_before)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        await server.stop()
    found = verify_log(log, keys=[read_verifier(setup.logs / "acme.vkey")])
    assert found.statement == "self-consistent", found.faults
    cpu_us = [round(seconds * 1e6 / records, 1) for seconds in spent]
    return {
        "seconds": round(took_s, 2),
        "records_per_s": round(records / took_s),
        **dict(zip(("shipper_cpu_us", "sequencer_cpu_us", "postgres_cpu_us"), cpu_us, strict=True)),
    }


async def measure(records: int) -> dict[str, Any]:
    """All of it."""
    told: dict[str, Any] = {"machine": machine.facts()}
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        root = Path(folder)
        root.chmod(0o755)  # noqa: ASYNC240 - the server drops its privileges and has to get in
        desk = Desk(root / "hot")
        told["hot_path"] = hot_path(desk)
        await desk.journal.aclose()
        told["journal_to_checkpoint"] = {"records": records, **await carry(root, records=records)}
    return told


def run(*, quick: bool) -> None:
    """Measure and write the result."""
    result = asyncio.run(measure(QUICK_RECORDS if quick else RECORDS))
    targets = _targets(result)
    result["targets"] = [target._asdict() for target in targets]
    results.write("ledger", result, page=_page(result, targets), quick=quick)


def _targets(result: dict[str, Any]) -> list[Target]:
    rate, hot_us = result["journal_to_checkpoint"]["records_per_s"], result["hot_path"]["median_us"]
    return [
        Target(
            "from journal to signed checkpoint",
            f"≥ {TARGET_RECORDS_PER_S:,} records/s",
            f"{rate:,} records/s",
            rate >= TARGET_RECORDS_PER_S,
        ),
        Target(
            "CPU of opening and closing a record",
            f"≤ {TARGET_HOT_PATH_US} µs",
            f"{hot_us:.0f} µs",
            hot_us <= TARGET_HOT_PATH_US,
        ),
    ]


def _page(result: dict[str, Any], targets: list[Target]) -> str:
    carried = result["journal_to_checkpoint"]
    return "\n\n".join(
        (
            "# How fast the ledger takes in records",
            machine_line(result["machine"]),
            "The method is in the suite's own [README](../ledger/README.md).",
            "## Targets",
            targets_table(targets),
            f"## {carried['records']:,} records, in {carried['seconds']} s",
            table(
                ("process", "CPU a record, µs"),
                ((name, carried[f"{name}_cpu_us"]) for name in ("shipper", "sequencer", "postgres")),
            ),
        )
    )
