"""One worker in the test's own process: the real application, a real database and a simulator.

It is faster than `testing.running`, and tests can inspect its parts. A test starts the shipper and
the sequencer itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from headgate import assembly
from headgate.admin.features import Feature
from headgate.features import FEATURES
from headgate.finops.parts import FinOps
from headgate.gateway.parts import Gateway
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Performer, Recorder
from headgate.ledger.parts import Ledger
from headgate.ledger.sequencer import Sequencer, SequencerSetup
from headgate.ledger.shipper import Shipper
from headgate.policy.entities import ADMIN, DEFAULT_TENANT, GETTING_STARTED, RegisteredPrincipal
from headgate.policy.keys import KeyTerms
from headgate.policy.parts import Policy
from headgate.server.app import Application
from headgate.server.asgi import Message
from headgate.server.call_metrics import MeasuringRecorder
from headgate.server.disconnect import DISCONNECT, Disconnect
from headgate.server.health import Counts, DatabaseWatch, LogWatch
from headgate.server.static_files import StaticFiles
from headgate.server.streams import OpenStreams
from headgate.server.use_watch import UseWatch
from headgate.server.worker import ServerState, application_of, health_of, use_watch
from headgate.substrate.database import Database
from headgate.substrate.settings import Settings
from headgate.testing.postgres import TemporaryDatabase
from headgate.testing.simulator import Simulator

PORT = 8080
ORIGIN = f"http://127.0.0.1:{PORT}"
APPLICATIONS = ("app://obsidian.md", "https://tool.example.com")
"""Other origins that may call models."""
OTHER = TenantId("other")


@dataclass(slots=True)
class House:
    """A running application. Tests can reach its parts."""

    app: Application
    worker: assembly.Worker
    simulator: Simulator
    database: TemporaryDatabase
    uses: UseWatch
    admin_key: str = field(repr=False, default="")

    def client(self, key: str | None = None, *, peer: str = "127.0.0.1", **headers: str) -> httpx2.AsyncClient:
        """Return an HTTP client with an optional key that connects from the address `peer`."""
        given = {"authorization": f"Bearer {key}"} if key else {}
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=True, client=(peer, 4711))
        return httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={**given, **headers})

    @property
    def admin(self) -> httpx2.AsyncClient:
        """An HTTP client with an administrator's key."""
        return self.client(self.admin_key)

    async def sign_in_token(self, principal: str = ADMIN, tenant: TenantId = DEFAULT_TENANT) -> str:
        """Create a sign-in token."""
        async with self.worker.platform.administration.transaction(tenant=tenant) as tx:
            return (await self.worker.sessions.invite(tx, tenant=tenant, principal=principal)).token

    @asynccontextmanager
    async def browser(
        self, principal: str = ADMIN, tenant: TenantId = DEFAULT_TENANT
    ) -> AsyncGenerator[httpx2.AsyncClient]:
        """Yield a client with the session of a signed-in browser on the console."""
        async with self.client(origin=ORIGIN, **{"x-headgate-csrf": "1"}) as client:
            answer = await client.post("/api/session", json={"token": await self.sign_in_token(principal, tenant)})
            assert answer.status_code == 200, answer.text
            yield client

    @asynccontextmanager
    async def browser_of(self, principal: str, *roles: str) -> AsyncGenerator[httpx2.AsyncClient]:
        """Register a person if needed, and yield a client with a new session of theirs."""
        async with self.admin as admin:
            answer = await admin.post("/api/people", json={"id": principal, "roles": list(roles)})
            assert answer.status_code in (200, 409), answer.text
        async with self.browser(principal) as client:
            yield client

    async def register(
        self,
        principal: str,
        *roles: str,
        tenant: TenantId = DEFAULT_TENANT,
        use_case: str = "getting-started",
        by: str | None = None,
    ) -> str:
        """Register a person with roles and a key with the same roles; return the key's secret.

        Args:
            by: the maker of the key. The default is the person for `getting-started`, and another
                principal for any other use case.
        """
        service, admin = self.worker.service(Policy).service, self.worker.platform.administration
        async with admin.transaction(tenant=tenant) as tx:
            entry = RegisteredPrincipal(principal, tenant, "person", roles=frozenset(roles))
            await service.put_principal(tx, entry, tenant=tenant)
            terms = KeyTerms(principal=principal, use_case=use_case, roles=frozenset(roles))
            maker = principal if use_case == GETTING_STARTED else f"desk of {principal}"
            new = await service.create_key(tx, terms, tenant=tenant, by=by or maker)
        await self.worker.refresh()
        return new.secret

    async def log_everything(self) -> None:
        """Ship the journal and append it to the log, as the shipper and the sequencer do."""
        await self.ship()
        base = self.worker.base
        async with Database(self.database.login["headgate_sequencer"]) as database:
            sequencer = Sequencer(database, setup=SequencerSetup(base.settings.ledger_folder, base.secrets_folder))
            await sequencer.take_logs()
            await sequencer.catch_up()

    async def count_usage(self, tenant: TenantId = DEFAULT_TENANT) -> None:
        """Append everything to the log, and count it into the rollups of usage."""
        await self.log_everything()
        await self.worker.service(FinOps).rollups.catch_up(tenant)

    async def report_limits(self) -> None:
        """Have the worker report the use of keys' limits to the database."""
        await self.worker.service(Gateway).admitter.aclose()

    async def ship(self) -> None:
        """Ship the journal."""
        async with Database(self.database.login["headgate_writer"]) as database:
            await Shipper(database, root=self.worker.base.settings.journal_folder, clock=self.worker.base.clock).drain()

    async def records(self, **query: Any) -> list[dict[str, Any]]:
        """Return the records from the admin API, newest first."""
        await self.log_everything()
        async with self.admin as client:
            answer = await client.get("/api/records", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["records"]
        return found


@asynccontextmanager
async def open_house(
    database: TemporaryDatabase,
    *,
    folder: Path,
    console: Path,
    port: int = PORT,
    performers: Mapping[str, Performer[Any, Any, Any]] | None = None,
    features: Sequence[Feature] = FEATURES,
) -> AsyncGenerator[House]:
    """Start the application on a database, with a key for its administrator.

    Args:
        folder: the worker's data folder.
        console: the folder of the built console.
        port: the port in the `Host` header of clients.
        performers: performers by verb, in place of the worker's own.
        features: the features that the worker opens.
    """
    settings = Settings(
        data=folder,
        port=port,
        database_url=database.owner.conninfo,
        otlp_endpoint="http://127.0.0.1:9",
        origins=APPLICATIONS,
    )
    counts = Counts()

    def watch(recorder: Recorder) -> Recorder:
        return MeasuringRecorder(recorder, counts.calls)

    async with (
        Simulator() as simulator,
        assembly.worker(
            settings, model_port=simulator.port, watch=watch, performers=performers, features=features
        ) as worker,
        _application(worker, console, counts, uses := use_watch(worker)) as app,
    ):
        house = House(app, worker, simulator, database, uses)
        house.admin_key = await house.register(ADMIN, "admin")
        yield house


@asynccontextmanager
async def _application(
    worker: assembly.Worker, console: Path, counts: Counts, uses: UseWatch
) -> AsyncGenerator[Application]:
    database = DatabaseWatch(worker.platform.database, worker.base.clock)
    logs = LogWatch(worker.service(Ledger).reader, worker.platform.tenants)
    state = ServerState(
        OpenStreams(worker.base.clock),
        counts,
        StaticFiles(console),
        lambda: "ready",
        database.is_up,
        lambda: logs.states,
        uses,
    )
    app = application_of(worker, state, health_of(worker, state, name="0"))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(app.background.run_forever()),
            group.create_task(state.streams.sweep_forever()),
            group.create_task(database.run_forever(every_s=0.02)),
            group.create_task(logs.run_forever()),
            group.create_task(uses.run_forever()),
        ]
        yield app
        for task in tasks:
            task.cancel()


@dataclass(slots=True)
class Streamed:
    """A request for an answer that may not end by itself."""

    app: Application
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 0
    text: str = ""
    answer_headers: dict[str, str] = field(default_factory=dict[str, str])
    started: asyncio.Event = field(default_factory=asyncio.Event)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _departure: Disconnect = field(default_factory=Disconnect)

    async def run(self) -> None:
        """Send the request and take the answer until it ends."""
        scope = {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
            DISCONNECT: self._departure,
        }
        await self.app(scope, self._receive, self._send)

    def leave(self) -> None:
        """Close the connection."""
        self._departure.leave()

    async def until(self, text: str, *, times: int = 1) -> None:
        """Wait until the answer contains a text `times` times."""
        async with asyncio.timeout(30):
            while self.text.count(text) < times:
                self._grown.clear()
                await self._grown.wait()

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer_headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.started.set()
        self.text += message.get("body", b"").decode()
        self._grown.set()


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the named events of a stream, decoded."""
    found: list[tuple[str, dict[str, Any]]] = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def add_tenant(database: TemporaryDatabase, tenant: TenantId = OTHER) -> None:
    """Add a tenant as the owner of the database."""
    with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
        connection.execute("INSERT INTO policy.tenants (id) VALUES (%s)", (tenant,))
