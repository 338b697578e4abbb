"""Two tenants in one Headgate: whatever either reads, by whichever way, nothing of the other is in it.

Everything of a tenant holds the tenant's colour: names, people, prompts, policies. So a look into any answer suffices.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg import sql

from headgate.features import baseline
from headgate.kernel.identity import TenantId
from headgate.policy import store
from headgate.policy.entities import RegisteredPrincipal
from headgate.policy.keys import KeyTerms
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder
from headgate.substrate.addresses import address_for
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.settings import Settings
from headgate.testing.lab import until
from headgate.testing.running import RunningHeadgate, running_headgate
from headgate.testing.threaded import ThreadedSimulator

pytestmark = pytest.mark.e2e

SEED = 20_260_930
READS = 300
COLOURS = ("azure", "crimson")

CONFIG = """
[[network]]
id = "{colour}-network"
allow = ["127.0.0.1/32"]

[[deployment]]
id = "{colour}-model"
provider = "openai"
model = "{colour}-sim"
base_url = "http://127.0.0.1:{port}/v1"
network = "{colour}-network"

[[alias]]
id = "{colour}-chat"
deployments = ["{colour}-model"]

[[alias]]
id = "shared-name"
deployments = ["{colour}-model"]

[[use_case]]
id = "{colour}-case"
owner = "{colour}@lab.test"
purpose = "Talk about {colour}"

[[person]]
id = "{colour}-person"
roles = ["auditor"]

[[policy]]
id = "{colour}-policy"
text = '''@id("{colour}-rule") @reason("{colour} only") forbid (principal, action, resource)
when {{ context.use_case.id == "{colour}-never" }};'''
"""


@dataclass(slots=True)
class Tenant:
    """One tenant, and what of it an eavesdropper may try to name."""

    colour: str
    id: str
    admin: str
    key: str = ""
    url: str = ""
    key_ids: list[str] = field(default_factory=list[str])
    records: list[str] = field(default_factory=list[str])

    def client(self, key: str | None = None) -> httpx2.Client:
        """A client as this tenant's administrator, or with another key."""
        return httpx2.Client(base_url=self.url, headers={"authorization": f"Bearer {key or self.admin}"}, timeout=30)

    def call(self, text: str, model: str | None = None) -> httpx2.Response:
        """Have a model answer."""
        body = {"model": model or f"{self.colour}-chat", "messages": [{"role": "user", "content": text}]}
        with self.client(self.key) as client:
            return client.post("/v1/chat/completions", json=body)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHeadgate]:
    with running_headgate(tmp_path_factory.mktemp("tenants") / "data", "--no-model") as running:
        yield running


@pytest.fixture(scope="module")
def tenants(gate: RunningHeadgate) -> Iterator[tuple[Tenant, Tenant]]:
    """Azure is the tenant that every Headgate begins with; crimson is made in the database."""
    crimson_admin = asyncio.run(_add_tenant(gate.data, "crimson"))
    one, other = Tenant("azure", "default", gate.admin_key), Tenant("crimson", "crimson", crimson_admin)
    with ThreadedSimulator() as simulator:
        for tenant in (one, other):
            tenant.url = gate.base_url
            _furnish(tenant, port=simulator.port)
        yield one, other


async def _add_tenant(data: Path, name: str) -> str:
    """Make a tenant with an administrator; returns the secret of the administrator's key."""
    tenant, clock = TenantId(name), SystemClock()
    service = PolicyService(baseline=baseline(), holder=SnapshotHolder(clock), clock=clock, ids=SystemIds())
    async with Database(address_for("headgate_admin", Settings(data=data))) as database:
        async with database.transaction(tenant=tenant) as tx:
            await store.add_tenant(tx, tenant)
        async with database.transaction(tenant=tenant) as tx:
            admin = RegisteredPrincipal(f"{name}-admin", tenant, "person", roles=frozenset({"admin"}))
            await service.put_principal(tx, admin, tenant=tenant)
            terms = KeyTerms(admin.id, "getting-started", name=f"{name} admin", roles=frozenset({"admin"}))
            return (await service.create_key(tx, terms, tenant=tenant, by="test")).secret


def _furnish(tenant: Tenant, *, port: int) -> None:
    """Configure a tenant, and have it make records."""
    with tenant.client() as client:
        until(lambda: client.get("/api/overview").status_code == 200 or None, what=f"the tenant {tenant.id}")
        toml = CONFIG.format(colour=tenant.colour, port=port)
        client.post("/api/config/apply", json={"toml": toml}).raise_for_status()
        terms = {"name": f"{tenant.colour} key", "use_case": f"{tenant.colour}-case"}
        made = client.post("/api/keys", json=terms).raise_for_status().json()
        tenant.key = made["secret"]
        tenant.key_ids = [key["id"] for key in client.get("/api/keys").json()["keys"]]
        for number in range(5):
            answer = tenant.call(f"{tenant.colour} secret {number}").raise_for_status()
            tenant.records.append(answer.headers["x-headgate-record"])
        for record in tenant.records:
            until(lambda record=record: _logged(client, record), what=f"record {record}")


def _logged(client: httpx2.Client, record: str) -> bool | None:
    answer = client.get(f"/api/records/{record}")
    return True if answer.status_code == 200 and answer.json()["record"]["leaf_index"] is not None else None


def _pairs(tenants: tuple[Tenant, Tenant]) -> Iterator[tuple[Tenant, Tenant]]:
    return itertools.permutations(tenants, 2)


def _assert_nothing_of(other: Tenant, text: str) -> None:
    assert other.colour not in text.lower()
    for known in (*other.key_ids, *other.records):
        assert known not in text


# ---- SQL


CONDITIONS = tuple(
    map(sql.SQL, ("true", "tenant <> ''", "tenant = 'default'", "tenant = 'crimson'", "tenant LIKE '%'"))
)


def _tables(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Every table with a tenant, partitions included."""
    return connection.execute(
        "SELECT table_schema, table_name FROM information_schema.columns"
        " WHERE column_name = 'tenant' AND table_schema IN ('policy', 'gateway', 'ledger', 'server') ORDER BY 1, 2"
    ).fetchall()


@pytest.fixture(params=["headgate_app", "headgate_admin"])
def connection(request: pytest.FixtureRequest, gate: RunningHeadgate) -> Iterator[psycopg.Connection[Any]]:
    """Logged in as one of the roles that serve requests."""
    address = address_for(request.param, Settings(data=gate.data))
    with psycopg.connect(address.conninfo) as opened:
        yield opened


def test_sql_of_a_tenant_reads_that_tenants_rows_only(
    connection: psycopg.Connection[Any], tenants: tuple[Tenant, Tenant]
) -> None:
    """A random walk over tables, tenants and conditions that ask for the other's rows."""
    chance, found = random.Random(SEED), 0
    tables = _tables(connection)
    assert len(tables) >= 12
    connection.rollback()
    for _ in range(READS):
        schema, table = chance.choice(tables)
        mine = chance.choice([*(tenant.id for tenant in tenants), "", "nobody", None])
        asked = sql.SQL("SELECT tenant FROM {} WHERE {}").format(
            sql.Identifier(schema, table), chance.choice(CONDITIONS)
        )
        with connection.transaction(force_rollback=True):
            if mine is not None:
                connection.execute("SELECT set_config('app.tenant', %s, true)", (mine,))
            try:
                with connection.transaction():
                    seen = {row[0] for row in connection.execute(asked)}
            except psycopg.errors.InsufficientPrivilege:
                continue
        assert seen <= ({mine} if mine else set()), (schema, table, mine)
        found += bool(seen)
    assert found > READS // 20, "the walk has to come by rows"


def test_sql_of_a_tenant_writes_no_row_of_another(
    connection: psycopg.Connection[Any], tenants: tuple[Tenant, Tenant]
) -> None:
    refused = 0
    for (schema, table), (mine, other) in itertools.product(_tables(connection), _pairs(tenants)):
        name = sql.Identifier(schema, table)
        for statement in (
            sql.SQL("UPDATE {} SET tenant = {}").format(name, sql.Literal(other.id)),
            sql.SQL("DELETE FROM {} WHERE tenant = {}").format(name, sql.Literal(other.id)),
        ):
            with connection.transaction(force_rollback=True):
                connection.execute("SELECT set_config('app.tenant', %s, true)", (mine.id,))
                try:
                    with connection.transaction():
                        assert connection.execute(statement).rowcount == 0, (schema, table)
                except psycopg.errors.InsufficientPrivilege:
                    refused += 1
    assert refused > 0


def test_the_setting_of_a_transaction_does_not_outlive_it(
    connection: psycopg.Connection[Any], tenants: tuple[Tenant, Tenant]
) -> None:
    assert [tenant.id for tenant in tenants] == ["default", "crimson"]
    with connection.transaction():
        connection.execute("SELECT set_config('app.tenant', 'crimson', true)")
        row = connection.execute("SELECT count(*) FROM policy.use_cases").fetchone()
        assert row is not None
        assert row[0] > 0
    row = connection.execute("SELECT count(*) FROM policy.use_cases").fetchone()
    assert row == (0,)


# ---- the admin API

LISTS = (
    "/api/overview", "/api/models", "/api/keys", "/api/use-cases", "/api/rules", "/api/ledger", "/api/session",
    "/api/records", "/api/records?limit=200", "/api/records?roots=true", "/api/records?verb=model.dispatch",
    "/api/records?outcome=done", "/api/records?resource=deployment:{other}-model", "/api/records?use_case={other}-case",
    "/api/records?until=2100-01-01T00:00:00Z", "/v1/models", "/api/rules?use_case={other}-case", "/metrics",
)  # fmt: skip


def test_no_list_names_anything_of_the_other_tenant(tenants: tuple[Tenant, Tenant]) -> None:
    for mine, other in _pairs(tenants):
        with mine.client() as client:
            for path in LISTS:
                asked = path.format(other=other.colour)
                answer = client.get(asked)
                # What we asked for may be repeated to us in a refusal; nothing else.
                _assert_nothing_of(other, answer.text.replace(f"{other.colour}-case", ""))
                assert answer.status_code in (200, 404), (asked, answer.text)


def test_records_of_the_other_tenant_are_not_there(tenants: tuple[Tenant, Tenant]) -> None:
    for mine, other in _pairs(tenants):
        with mine.client() as client:
            for record in other.records:
                for path in (f"/api/records/{record}", f"/api/records/{record}/proof"):
                    answer = client.get(path)
                    assert answer.status_code == 404, answer.text
                    assert other.colour not in answer.text
            cursor = client.get("/api/records", params={"cursor": other.records[-1], "limit": 200})
            _assert_nothing_of(other, cursor.text.replace(other.records[-1], ""))
        with other.client() as client:
            assert client.get(f"/api/records/{other.records[0]}").status_code == 200


def test_nothing_of_the_other_tenant_can_be_changed_by_its_id(tenants: tuple[Tenant, Tenant]) -> None:
    for mine, other in _pairs(tenants):
        with other.client() as theirs:
            before = [theirs.get(path).json() for path in ("/api/keys", "/api/use-cases", "/api/rules", "/api/models")]
        with mine.client() as client:
            for key in other.key_ids:
                assert client.delete(f"/api/keys/{key}").status_code == 404
            assert client.delete(f"/api/use-cases/{other.colour}-case").status_code == 404
            mode = client.put(f"/api/use-cases/{other.colour}-case/rules/mask-secrets", json={"mode": "observe"})
            assert mode.status_code == 404
            wanted = {"name": "x", "use_case": f"{other.colour}-case"}
            assert client.post("/api/keys", json=wanted).status_code == 404
            plan = client.post("/api/config/plan", json={"toml": "use_case = []\nperson = []\npolicy = []\n"}).json()
            assert other.colour not in json.dumps(plan)
        with other.client() as theirs:
            after = [theirs.get(path).json() for path in ("/api/keys", "/api/use-cases", "/api/rules", "/api/models")]
        assert after == before


# ---- model calls and pages


def test_models_of_the_other_tenant_are_not_there_and_a_shared_name_is_ones_own(tenants: tuple[Tenant, Tenant]) -> None:
    for mine, other in _pairs(tenants):
        answer = mine.call("hello", model=f"{other.colour}-chat")
        assert answer.status_code == 404
        assert f"{other.colour}-model" not in answer.text
        shared = mine.call("hello", model="shared-name")
        assert shared.headers["x-headgate-deployment"] == f"{mine.colour}-model"


def test_a_key_cannot_name_the_other_tenants_use_case(tenants: tuple[Tenant, Tenant]) -> None:
    for mine, other in _pairs(tenants):
        body = {"model": "shared-name", "messages": [{"role": "user", "content": "x"}]}
        with mine.client(mine.key) as client:
            headers = {"x-headgate-use-case": f"{other.colour}-case"}
            assert client.post("/v1/chat/completions", json=body, headers=headers).status_code == 400


def test_the_consoles_files_are_the_same_for_everybody(tenants: tuple[Tenant, Tenant]) -> None:
    for mine, other in _pairs(tenants):
        with mine.client() as client:
            for path in ("/", "/records", "/keys", "/api/openapi.json", "/healthz", "/readyz"):
                _assert_nothing_of(other, client.get(path).text)


def test_live_records_are_ones_own_under_traffic_of_both(tenants: tuple[Tenant, Tenant]) -> None:
    seen: dict[str, str] = {}
    started = threading.Barrier(3, timeout=60)
    # What other tests asked for, things of the other tenant among them, is in the log before we look.
    for tenant in tenants:
        record = tenant.call("before").raise_for_status().headers["x-headgate-record"]
        with tenant.client() as client:
            until(lambda client=client, record=record: _logged(client, record), what=f"record {record}")

    def watch(tenant: Tenant) -> None:
        """Read events until those of the five calls are there."""
        text = ""
        with tenant.client() as client, client.stream("GET", "/api/records/live") as stream:
            for piece in stream.iter_text():
                if not text:
                    started.wait()
                text += piece
                if text.count(f"{tenant.colour}-model") >= 5:
                    break
        seen[tenant.id] = text

    watchers = [threading.Thread(target=watch, args=(tenant,), daemon=True) for tenant in tenants]
    for watcher in watchers:
        watcher.start()
    started.wait()
    for _ in range(5):
        for tenant in tenants:
            tenant.call("live").raise_for_status()
    for watcher in watchers:
        watcher.join(60)
    for mine, other in _pairs(tenants):
        assert f"{mine.colour}-model" in seen[mine.id]
        _assert_nothing_of(other, seen[mine.id])


# ---- the ledger's files


def test_each_tenant_has_a_log_and_a_signing_key_of_its_own(
    gate: RunningHeadgate, tenants: tuple[Tenant, Tenant]
) -> None:
    heads: list[dict[str, Any]] = []
    for tenant in tenants:
        with tenant.client() as client:
            heads.append(client.get("/api/ledger").json())
    assert heads[0]["origin"] != heads[1]["origin"]
    assert heads[0]["vkey"] != heads[1]["vkey"]
    for mine, other in _pairs(tenants):
        entries = _entries(gate.data / "ledger" / mine.id)
        assert entries
        assert f"{other.colour}-model".encode() not in entries
    own = gate.data / "ledger" / "default"
    until(lambda: b"azure-model" in _entries(own) or None, what="an entry of the first tenant", within_s=60)


def _entries(log: Path) -> bytes:
    """What a log holds now, while its sequencer goes on: a bundle that fills up is replaced by a longer one."""
    found = list[bytes]()
    for path in sorted((log / "tile").rglob("*")):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            found.append(path.read_bytes())
    return b"".join(found)
