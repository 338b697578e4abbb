"""A running Headgate, a provider behind it, callers before it, and what its files and its database say afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from headgate.ledger.checkpoint import verify_checkpoint
from headgate.ledger.leaves import Leaf, decode_leaf
from headgate.ledger.log_keys import read_verifier, verifier_path
from headgate.ledger.tiles import TileReader, read_checkpoint
from headgate.substrate import journal as journals
from headgate.testing.running import RunningHeadgate, free_port, running_headgate
from headgate.testing.simulator import Script, Simulator

TENANT = "default"
PATIENCE_S = 45.0
_LOOK_S = 0.05

_TOML = """
[[deployment]]
id = "sim"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ level = "restricted", custody = "organisation" }}
price = {{ input = 1.0, output = 2.0 }}
timeout_s = {timeout_s}

[[alias]]
id = "smart"
deployments = ["sim"]

[[use_case]]
id = "faults"
owner = "someone"
purpose = "breaking things"
risk = "limited"

[[use_case]]
id = "risky"
owner = "someone"
purpose = "breaking things that matter"
risk = "high"
"""


async def eventually(what: str, look: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Look until it is so: what other processes do sends us no event. `look` may be a coroutine function.

    Raises:
        AssertionError: it did not come about.
    """
    clock = asyncio.get_running_loop().time
    end_s = clock() + within_s
    while True:
        seen = look()
        if inspect.isawaitable(seen):
            seen = cast("object", await seen)
        if seen:
            return
        assert clock() < end_s, f"not within {within_s:.0f} s: {what}"
        await asyncio.sleep(_LOOK_S)


@dataclass(slots=True)
class Reply:
    """What a caller got; `is_whole` where the answer came to its end as its framing promises."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool

    @property
    def record(self) -> str:
        """The id of the record that tells of the call."""
        return self.headers["x-headgate-record"]

    @property
    def is_acknowledged(self) -> bool:
        """Whether the caller may rely on it: all of it came, and it is no error."""
        is_stream = self.headers.get("content-type", "").startswith("text/event-stream")
        return self.status == 200 and self.is_whole and (not is_stream or self.body.endswith(b"data: [DONE]\n\n"))

    @property
    def text(self) -> str:
        """The model's words."""
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            return str(json.loads(self.body)["choices"][0]["message"]["content"])
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: {")]
        choices: list[Any] = [choice for line in lines for choice in json.loads(line).get("choices") or ()]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


def body_of(text: str, *, stream: bool, wire: str = "openai") -> bytes:
    """A call as clients of a wire send it."""
    call: dict[str, Any] = {"model": "smart", "messages": [{"role": "user", "content": text}], "stream": stream}
    if wire == "anthropic":
        call["max_tokens"] = 50
    return json.dumps(call).encode()


class Caller:
    """One client connection, driven byte by byte, so that it can leave at any of them."""

    def __init__(self, port: int, key: str, *, wire: str = "openai") -> None:
        self._port = port
        self._key = key
        self._wire = wire
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def reader(self) -> asyncio.StreamReader:
        """What comes back."""
        assert self._reader is not None
        return self._reader

    @property
    def is_connected(self) -> bool:
        """Whether the next call goes the way of the last one."""
        return self._writer is not None

    async def connect(self) -> Self:
        """Open the connection, unless it is open."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def connect_with_little_room(self) -> Self:
        """Open a connection on which the kernel takes little more than is read."""
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", self._port))
        self._reader, self._writer = await asyncio.open_connection(sock=small)
        return self

    async def leave(self) -> None:
        """Close the connection, wherever it is."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()

    def stop_reading(self) -> None:
        """Leave what comes where it is."""
        assert self._writer is not None
        cast("asyncio.Transport", self._writer.transport).pause_reading()

    async def close_own_side(self) -> None:
        """Say that nothing more comes, and go on listening."""
        assert self._writer is not None
        self._writer.write_eof()

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    def head(self, size_bytes: int) -> bytes:
        """The head of a call whose body has that size."""
        path = "/v1/messages" if self._wire == "anthropic" else "/v1/chat/completions"
        return (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {size_bytes}\r\n\r\n"
        ).encode()

    async def ask(self, text: str, *, stream: bool = False) -> Reply:
        """Make a call and read the whole answer.

        Raises:
            OSError: there is no connection to be had, or it broke before the answer's head came.
        """
        await self.send(text, stream=stream)
        return await self.reply()

    async def send(self, text: str, *, stream: bool = False) -> None:
        """Send a whole call."""
        await self.connect()
        body = body_of(text, stream=stream, wire=self._wire)
        await self.write(self.head(len(body)) + body)

    async def reply(self) -> Reply:
        """Read an answer; one that is cut comes back as not whole."""
        return await self.rest(await self.read_head())

    async def rest(self, reply: Reply) -> Reply:
        """Read what is left of an answer whose head is read."""
        try:
            if reply.headers.get("transfer-encoding") == "chunked":
                while chunk := await self.read_chunk():
                    reply.body += chunk
            else:
                reply.body = await self.reader.readexactly(int(reply.headers["content-length"]))
            reply.is_whole = True
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.leave()
        if reply.headers.get("connection") == "close":
            await self.leave()
        return reply

    async def read_head(self) -> Reply:
        """Read the head of an answer.

        Raises:
            ConnectionResetError: the connection was closed instead.
        """
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            await self.leave()
            raise ConnectionResetError("closed before an answer") from None
        pairs = (line.partition(": ") for line in head[1:] if line)
        return Reply(int(head[0].split()[1]), {name.lower(): value for name, _, value in pairs}, b"", is_whole=False)

    async def read_chunk(self) -> bytes:
        """Read one chunk of a stream; empty at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = await self.reader.readexactly(size + 2)
        return data[:-2]


@dataclass(slots=True)
class Load:
    """Many callers who call again and again, each on a connection of its own, and remember what they were told.

    Attributes:
        acknowledged: the words of every answer that came whole, by record.
        lanes: the records of each connection, in the order in which it was answered.
        refused: the answers that were errors.
        cut: calls whose connection broke.
    """

    port: int
    key: str
    callers: int = 12
    acknowledged: dict[str, str] = field(default_factory=dict[str, str])
    asked: dict[str, str] = field(default_factory=dict[str, str])
    lanes: list[list[str]] = field(default_factory=list[list[str]])
    refused: list[Reply] = field(default_factory=list[Reply])
    cut: int = 0
    pause_s: float = 0.0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Self]:
        """Call while the block runs; afterwards every caller finishes what it is at."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.callers):
                group.create_task(self._call_again_and_again(number))
            try:
                yield self
            finally:
                self._stop.set()

    async def more(self, count: int, *, within_s: float = PATIENCE_S) -> None:
        """Wait until so many more calls were acknowledged."""
        goal = len(self.acknowledged) + count
        await eventually(f"{count} more answers", lambda: len(self.acknowledged) >= goal, within_s=within_s)

    async def _call_again_and_again(self, number: int) -> None:
        caller, lane = Caller(self.port, self.key), list[str]()
        for turn in itertools.count():
            if self._stop.is_set():
                break
            text = f"caller {number} turn {turn} of the load"
            try:
                async with asyncio.timeout(PATIENCE_S):
                    reply = await caller.ask(text, stream=turn % 2 == 1)
            except (OSError, TimeoutError):
                self.cut += 1
                await caller.leave()
                self._end_lane(lane)
                await asyncio.sleep(_LOOK_S)
                continue
            if reply.is_acknowledged:
                lane.append(reply.record)
                self.acknowledged[reply.record] = reply.text
                self.asked[reply.record] = text
            elif reply.is_whole and reply.status != 200:
                self.refused.append(reply)
                await asyncio.sleep(_LOOK_S)
            else:
                self.cut += 1
            if not caller.is_connected:
                self._end_lane(lane)
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
        await caller.leave()
        self._end_lane(lane)

    def _end_lane(self, lane: list[str]) -> None:
        """A new connection may lead to another worker."""
        if lane:
            self.lanes.append(lane.copy())
            lane.clear()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a Headgate left behind, read from outside: the log from its files, the rest as the database's owner."""

    data: Path

    def verify(self) -> subprocess.CompletedProcess[str]:
        """`headgate ledger verify`, which reads files only."""
        return subprocess.run(
            [sys.executable, "-m", "headgate.cli.main", "ledger", "verify", "--data", str(self.data)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def log(self) -> list[Leaf]:
        """The records of the signed log, in its order; none before its first."""
        folder = self.data / "ledger" / TENANT
        if not (folder / "checkpoint").exists():
            return []
        keys = [read_verifier(verifier_path(folder.parent, TENANT))]
        size = verify_checkpoint(read_checkpoint(folder), keys=keys).checkpoint.size
        return [decode_leaf(entry) for entry in TileReader(folder, size).entries()]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the embedded database, whose owner sees every row."""
        conninfo = make_conninfo(
            host="127.0.0.1",
            port=(self.data / "postgres.port").read_text().strip(),
            user="postgres",
            password=(self.data / "secrets" / "postgres").read_text().strip(),
            dbname="headgate",
            connect_timeout=5,
        )
        with psycopg.connect(conninfo, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def is_settled(self) -> bool:
        """Whether all that was appended is in the signed log: looked at in the order in which records travel."""
        try:
            if not all(_is_shipped(folder) for folder in journals.folders(self.data / "journal")):
                return False
            waiting = self.rows("SELECT (SELECT count(*) FROM ledger.openings) + (SELECT count(*) FROM ledger.pending)")
            leaves = self.rows("SELECT count(*) FROM ledger.leaves")
            return waiting == [(0,)] and leaves == [(len(self.log()),)]
        except (psycopg.OperationalError, FileNotFoundError):
            return False

    async def settled(self, records: Sequence[str] = (), *, within_s: float = PATIENCE_S) -> list[Leaf]:
        """Wait until these records are in the signed log and nothing is under way; the whole log."""

        def is_there() -> bool:
            return self.is_settled() and set(records) <= {leaf.id for leaf in self.log()}

        await eventually(f"{len(records)} records in the log, and nothing open", is_there, within_s=within_s)
        return self.log()

    async def holds(self, load: Load) -> list[Leaf]:
        """Assert that what was acknowledged is there once, in order, and that everything fits together; the log."""
        leaves = await self.settled(list(load.acknowledged))
        verified = self.verify()
        assert verified.returncode == 0, verified.stdout + verified.stderr
        places = {leaf.id: place for place, leaf in enumerate(leaves)}
        assert len(places) == len(leaves), "a record is in the log twice"
        assert {leaves[places[record]].outcome for record in load.acknowledged} <= {"done"}
        assert load.acknowledged == load.asked
        self._is_complete(leaves, places)
        for lane in load.lanes:
            assert [places[record] for record in lane] == sorted(places[record] for record in lane)
        return leaves

    def _is_complete(self, leaves: list[Leaf], places: Mapping[str, int]) -> None:
        """The database and the files have the same records, densely numbered; every part stands before its whole."""
        indices = self.rows("SELECT leaf_index, id FROM ledger.leaves ORDER BY leaf_index")
        assert indices == list(enumerate(places))
        assert self.rows("SELECT count(*), count(DISTINCT id) FROM ledger.records") == [(len(leaves), len(leaves))]
        dispatches = Counter(leaf.parent for leaf in leaves if leaf.verb == "model.dispatch")
        for leaf in leaves:
            if leaf.verb == "model.invoke" and leaf.outcome == "done":
                assert (dispatches[leaf.id] >= 1) != ("destination" in leaf.facts)
            if leaf.verb == "model.dispatch" and leaf.outcome == "done":
                assert leaf.parent is not None
                assert places[leaf.id] < places[leaf.parent]


def _is_shipped(folder: Path) -> bool:
    """Whether the shipper is done with a journal; that of a dead worker is, once it is gone."""
    unshipped = journals.read(folder, journals.shipped_mark(folder), limit_frames=1).payloads
    return not unshipped and journals.is_alive(folder)


@dataclass(slots=True)
class Gate:
    """A running Headgate whose alias `smart` leads to a simulator on `upstream_port`, and a key for it."""

    running: RunningHeadgate
    upstream_port: int
    key: str
    callers: list[Caller] = field(default_factory=list[Caller])

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.running.base_url.rpartition(":")[2])

    @property
    def evidence(self) -> Evidence:
        """What it leaves behind."""
        return Evidence(self.running.data)

    def caller(self, *, wire: str = "openai", key: str | None = None) -> Caller:
        """A client of it; it leaves at the end, if not before."""
        self.callers.append(Caller(self.port, key or self.key, wire=wire))
        return self.callers[-1]

    async def hang_up(self) -> None:
        """Let every client leave."""
        for caller in self.callers:
            await caller.leave()
        self.callers.clear()

    def load(self, *, callers: int = 12, pause_s: float = 0.0) -> Load:
        """Many clients of it."""
        return Load(self.port, self.key, callers=callers, pause_s=pause_s)

    def upstream(self, default: Script | None = None) -> Simulator:
        """The provider; says what it was asked, unless told otherwise."""
        return Simulator(port=self.upstream_port, default=default or Script(echo=True))

    async def get(self, path: str, *, key: str | None = None) -> Reply:
        """GET something, on a connection of its own."""
        caller = await self.caller().connect()
        login = f"authorization: Bearer {key}\r\n" if key else ""
        await caller.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{login}\r\n".encode())
        try:
            async with asyncio.timeout(10):
                return await caller.reply()
        finally:
            await caller.leave()

    async def is_known(self, key: str) -> bool:
        """Whether every worker that answers knows the key and the alias."""
        return {(await self.get("/v1/models/smart", key=key)).status for _ in range(8)} == {200}

    async def gauge(self, name: str) -> float:
        """A number of the metrics, of the worker that answers."""
        lines = (await self.get("/metrics")).body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))

    async def open_streams(self) -> float:
        """How many streams the worker that answers has open."""
        return await self.gauge("headgate_open_streams")

    async def leaf(self, record: str) -> Leaf:
        """The closed record of that id, once it is in the log."""
        leaves = await self.evidence.settled([record])
        return next(leaf for leaf in leaves if leaf.id == record)

    def newest(self, verb: str = "model.invoke") -> str | None:
        """The id of the newest record of a verb, open or closed, or None."""
        found = self.evidence.rows(
            "SELECT max(id) FROM (SELECT id FROM ledger.records WHERE verb = "
            f"'{verb}' UNION SELECT id FROM ledger.openings WHERE leaf LIKE '%\"{verb}\"%'::bytea) AS every"
        )
        return None if found[0][0] is None else str(found[0][0])

    async def child(self, name: str, *, but: Sequence[int] = (), count: int = 1) -> list[int]:
        """The processes of one kind, once there are that many others than those."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [pid for pid in self.running.children().get(name, []) if pid not in but]
            return len(found) == count

        await eventually(f"{count} × {name}", look)
        return found


@asynccontextmanager
async def open_gate(
    data: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    upstream_port: int | None = None,
    timeout_s: float = 60.0,
) -> AsyncGenerator[Gate]:
    """Start Headgate and declare the simulator and its use cases; everything is gone afterwards.

    Started and stopped on a thread, so that providers and callers in this loop go on meanwhile.
    """
    started = running_headgate(data, "--no-model", *arguments, environment=environment)
    running = await asyncio.to_thread(started.__enter__)
    try:
        gate = await _prepared(running, upstream_port or free_port(), timeout_s=timeout_s)
        try:
            yield gate
        finally:
            await gate.hang_up()
    except BaseException:
        running.kill_everything()
        raise
    finally:
        await asyncio.to_thread(started.__exit__, None, None, None)


@pytest.fixture(scope="module")
def timeout_s() -> float:
    """How long the shared gate waits for the provider."""
    return 60.0


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, timeout_s: float) -> Generator[Gate]:
    """A Headgate that the tests of one file share; for tests that leave it as they found it."""
    with running_headgate(tmp_path_factory.mktemp("gate") / "data", "--no-model") as running:
        yield asyncio.run(_prepared(running, free_port(), timeout_s=timeout_s))


@dataclass(slots=True)
class SmallDisk:
    """A file system of a few megabytes of its own, to be filled."""

    folder: Path

    def fill(self) -> None:
        """Take all the room there is."""
        with (self.folder / "filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while filler.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        """Give it back."""
        (self.folder / "filler").unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[SmallDisk]:
    """A disk of 24 MiB. Needs a privilege: who may not mount cannot fill a disk without harm."""
    folder = tmp_path / "data" / "journal"
    folder.mkdir(parents=True, mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "headgate-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a full disk needs a small file system, and mounting one is not allowed: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def no_process_is_left(tmp_path: Path) -> Generator[None]:
    """Fails where a process is left behind that works on the test's folder, whoever its parent is by now."""
    yield
    end_s = time.monotonic() + 5
    while (left := processes_on(tmp_path)) and time.monotonic() < end_s:
        time.sleep(_LOOK_S)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def processes_on(folder: Path) -> dict[int, str]:
    """The processes that were started for a folder or run in it, with their commands."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (path / "cmdline").read_text().replace("\0", " ")
            if str(folder) in command or (path / "cwd").readlink().is_relative_to(folder):
                found[int(path.name)] = command
    found.pop(os.getpid(), None)
    return found


async def _prepared(running: RunningHeadgate, upstream_port: int, *, timeout_s: float) -> Gate:
    """Declare what tests need, and wait until every worker has heard of it: a notification takes a moment."""
    running.apply(_TOML.format(port=upstream_port, timeout_s=timeout_s))
    gate = Gate(running, upstream_port, running.new_key("the test's", use_case="faults"))
    await eventually("what was declared is in the log", lambda: len(gate.evidence.log()) >= 2)

    await eventually("every worker knows the key and the alias", lambda: gate.is_known(gate.key))
    return gate
