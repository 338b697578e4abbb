from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from headgate.kernel.errors import Conflict, Denied, HeadgateError, Invalid, NotFound, Unavailable
from headgate.substrate.database import Database, PoolLimits, load_queries
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import ROLES, acting_address, login_address
from headgate.testing.postgres import TemporaryDatabase, TemporaryServer

NOTES = """
    CREATE SCHEMA notes;
    GRANT USAGE ON SCHEMA notes TO headgate_app, headgate_writer;
    CREATE TABLE notes.notes (
        tenant text NOT NULL,
        id int PRIMARY KEY CHECK (id > 0),
        body text NOT NULL
    );
    SELECT substrate.protect('notes.notes');
    GRANT SELECT, INSERT, UPDATE, DELETE ON notes.notes TO headgate_app;
    GRANT INSERT ON notes.notes TO headgate_writer;
    CREATE POLICY shipper ON notes.notes FOR INSERT TO headgate_writer WITH CHECK (tenant <> '');
    INSERT INTO notes.notes VALUES ('acme', 1, 'of acme'), ('bolt', 2, 'of bolt'), ('', 3, 'of nobody');
"""
ADD = "INSERT INTO notes.notes (tenant, id, body) VALUES (%(tenant)s, %(id)s, %(body)s)"
IDS = "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM notes.notes"


@dataclass(frozen=True, slots=True)
class Note:
    tenant: str
    id: int
    body: str


async def run_as_owner(database: TemporaryDatabase, statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner.conninfo, autocommit=True) as connection:
        await connection.execute(statements.encode())


@pytest_asyncio.fixture
async def notes(fresh_database: TemporaryDatabase) -> AsyncGenerator[Database]:
    """What a worker has: a pool of one connection, logged in as the role of workers."""
    await run_as_owner(fresh_database, NOTES)
    async with Database(fresh_database.login["headgate_app"], limits=PoolLimits(size=1, wait_s=5)) as database:
        yield database


async def seen(database: Database, tenant: str | None) -> object:
    async with database.transaction(tenant=tenant) as tx:
        return await tx.value(IDS)


async def test_a_transaction_sees_the_rows_of_its_tenant_only(notes: Database) -> None:
    assert await seen(notes, "acme") == [1]
    assert await seen(notes, "bolt") == [2]
    assert await seen(notes, "unknown") == []


async def test_without_a_tenant_nothing_is_seen_written_changed_or_deleted(notes: Database) -> None:
    assert await seen(notes, None) == []
    async with notes.transaction(tenant=None) as tx:
        assert await tx.execute("UPDATE notes.notes SET body = ''") == 0
        assert await tx.execute("DELETE FROM notes.notes") == 0
    for tenant in ("acme", ""):
        with pytest.raises(Denied):
            async with notes.transaction(tenant=None) as tx:
                await tx.execute(ADD, {"tenant": tenant, "id": 9, "body": ""})
    with pytest.raises(Invalid):
        await seen(notes, "")


async def test_a_row_of_another_tenant_cannot_be_written_or_given_away(notes: Database) -> None:
    with pytest.raises(Denied):
        async with notes.transaction(tenant="acme") as tx:
            await tx.execute(ADD, {"tenant": "bolt", "id": 9, "body": ""})
    with pytest.raises(Denied):
        async with notes.transaction(tenant="acme") as tx:
            await tx.execute("UPDATE notes.notes SET tenant = 'bolt'")
    assert await seen(notes, "bolt") == [2]


async def test_a_tenant_that_a_session_kept_does_not_count_in_the_next_transaction(notes: Database) -> None:
    async with notes.transaction(tenant="acme") as tx:
        await tx.execute("SELECT set_config('app.tenant', 'acme', false)")
    assert await seen(notes, None) == []
    assert await seen(notes, "bolt") == [2]


@pytest.mark.parametrize(
    "escape",
    [
        "SET ROLE postgres",
        "SET ROLE headgate_admin",
        "SET SESSION AUTHORIZATION postgres",
        "SELECT substrate.protect('x')",
    ],
)
async def test_a_worker_cannot_become_anybody_else(notes: Database, escape: str) -> None:
    with pytest.raises((Denied, HeadgateError)):
        async with notes.transaction(tenant="acme") as tx:
            await tx.execute(escape)  # pyright: ignore[reportArgumentType] - the cases are literals
    async with notes.transaction(tenant="acme") as tx:
        await tx.execute("RESET ROLE")
        assert await tx.value("SELECT current_user") == "headgate_app"
        assert await tx.value("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user") is False
        assert await tx.value(IDS) == [1]


async def test_row_security_cannot_be_switched_off(notes: Database) -> None:
    with pytest.raises(Denied):
        async with notes.transaction(tenant="acme") as tx:
            await tx.execute("SET LOCAL row_security = off")
            await tx.value(IDS)


async def test_a_writer_adds_for_every_tenant_and_reads_for_none(fresh_database: TemporaryDatabase) -> None:
    await run_as_owner(fresh_database, NOTES)
    async with Database(fresh_database.login["headgate_writer"]) as shipper:
        async with shipper.transaction(tenant=None) as tx:
            batch = (["acme", "bolt"], [11, 12], ["a", "b"])
            added = await tx.execute(
                "INSERT INTO notes.notes SELECT * FROM unnest(%s::text[], %s::int[], %s::text[])", batch
            )
            assert added == 2
        with pytest.raises(Denied):
            await seen(shipper, "acme")
    async with Database(fresh_database.login["headgate_app"]) as worker:
        assert await seen(worker, "bolt") == [2, 12]


async def test_at_a_server_of_somebody_else_a_session_acts_as_the_role(fresh_database: TemporaryDatabase) -> None:
    await run_as_owner(fresh_database, NOTES)
    async with Database(acting_address(fresh_database.owner, "headgate_app")) as database:
        async with database.transaction(tenant="acme") as tx:
            assert await tx.value("SELECT current_user") == "headgate_app"
        assert await seen(database, "acme") == [1]
        assert await seen(database, None) == []


async def test_each_role_logs_in_with_a_password_of_its_own(
    fresh_database: TemporaryDatabase, postgres: TemporaryServer
) -> None:
    assert len({address.conninfo for address in fresh_database.login.values()}) == len(ROLES)
    stolen = fresh_database.login["headgate_app"].having(user="headgate_admin")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(stolen.conninfo)
    assert all(login_address(postgres.template, role, postgres.secrets) == postgres.login[role] for role in ROLES)


async def test_rows_come_as_dataclasses(notes: Database) -> None:
    async with notes.transaction(tenant="acme") as tx:
        await tx.execute(ADD, {"tenant": "acme", "id": 4, "body": "more"})
        assert await tx.rows("SELECT tenant, id, body FROM notes.notes ORDER BY id", of=Note) == [
            Note("acme", 1, "of acme"),
            Note("acme", 4, "more"),
        ]
        assert await tx.row("SELECT * FROM notes.notes WHERE id = %s", (4,), of=Note) == Note("acme", 4, "more")
        assert await tx.row("SELECT * FROM notes.notes WHERE id = %s", (5,), of=Note) is None
        assert await tx.value("SELECT id FROM notes.notes WHERE id = 5") is None


async def test_a_block_that_raises_leaves_nothing(notes: Database) -> None:
    with pytest.raises(LookupError):
        async with notes.transaction(tenant="acme") as tx:
            await tx.execute(ADD, {"tenant": "acme", "id": 4, "body": ""})
            raise LookupError
    assert await seen(notes, "acme") == [1]


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ({"tenant": "acme", "id": 1, "body": "hush"}, Conflict),
        ({"tenant": "acme", "id": -1, "body": "hush"}, Invalid),
        ({"tenant": "acme", "id": 4, "body": None}, Invalid),
        ({"tenant": "acme", "id": 2**40, "body": "hush"}, Invalid),
        ({"tenant": "bolt", "id": 4, "body": "hush"}, Denied),
    ],
)
async def test_a_refused_row_becomes_our_error_and_tells_no_value(
    notes: Database, row: dict[str, object], outcome: type[HeadgateError]
) -> None:
    with pytest.raises(outcome) as caught:
        async with notes.transaction(tenant="acme") as tx:
            await tx.execute(ADD, row)
    assert "SQLSTATE" in caught.value.message
    assert "hush" not in caught.value.message
    assert isinstance(caught.value.__cause__, psycopg.Error)
    assert await seen(notes, "acme") == [1]


async def test_a_mistake_of_ours_is_an_internal_error(notes: Database) -> None:
    with pytest.raises(HeadgateError) as caught:
        async with notes.transaction(tenant="acme") as tx:
            await tx.execute("SELECT no_such_column FROM notes.notes")
    assert caught.value.code == "internal_error"


async def test_a_statement_that_takes_too_long_is_ended(fresh_database: TemporaryDatabase) -> None:
    limits = PoolLimits(size=1, statement_s=0.1)
    async with Database(fresh_database.login["headgate_app"], limits=limits) as database:
        with pytest.raises(Unavailable) as caught:
            async with database.transaction(tenant=None) as tx:
                await tx.execute("SELECT pg_sleep(60)")
        assert caught.value.retry_after_s
        await database.check()


@asynccontextmanager
async def one_connection(database: TemporaryDatabase) -> AsyncGenerator[tuple[Database, int]]:
    """A pool of one connection that waits for no server long, and the server's process behind that connection."""
    limits = PoolLimits(size=1, statement_s=0.1, silence_s=0.1)
    async with Database(database.owner, limits=limits) as pool, asyncio.timeout(60):
        async with pool.transaction(tenant=None) as tx:
            backend = await tx.value("SELECT pg_backend_pid()")
        assert isinstance(backend, int)
        try:
            yield pool, backend
        finally:
            os.kill(backend, signal.SIGCONT)


async def test_a_server_that_stands_still_before_a_transaction_is_hung_up_on(fresh_database: TemporaryDatabase) -> None:
    async with one_connection(fresh_database) as (pool, backend):
        os.kill(backend, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await pool.check()
        await until_it_answers(pool)


@pytest.mark.parametrize("statements", [1, 0], ids=["at a statement", "at the end"])
async def test_a_server_that_stands_still_in_a_transaction_is_hung_up_on(
    fresh_database: TemporaryDatabase, statements: int
) -> None:
    async with one_connection(fresh_database) as (pool, backend):
        with pytest.raises(Unavailable):
            async with pool.transaction(tenant=None) as tx:
                os.kill(backend, signal.SIGSTOP)
                for _ in range(statements):
                    await tx.value("SELECT 1")
        await until_it_answers(pool)


async def test_a_full_pool_says_try_again(fresh_database: TemporaryDatabase) -> None:
    limits = PoolLimits(size=1, wait_s=0.1)
    async with Database(fresh_database.login["headgate_app"], limits=limits) as database:
        async with database.transaction(tenant=None):
            with pytest.raises(Unavailable) as caught:
                await database.check()
        assert caught.value.retry_after_s
        await database.check()


async def test_a_cancelled_statement_gives_its_connection_back(notes: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), notes.transaction(tenant="acme") as tx:
            await tx.execute("SELECT pg_sleep(60)")
    assert await seen(notes, "acme") == [1]


@pytest.mark.fault
async def test_the_pool_says_unavailable_while_the_server_is_away_and_recovers(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    try:
        address = await server.start()
        async with Database(address, limits=PoolLimits(size=2, wait_s=0.3)) as database:
            await database.check()
            await server.stop()
            for _ in range(2):
                with pytest.raises(Unavailable) as caught:
                    await database.check()
                assert caught.value.retry_after_s
            await server.start()
            async with asyncio.timeout(60):
                await until_it_answers(database)
    finally:
        await server.stop()


async def until_it_answers(database: Database) -> None:
    while True:
        try:
            await database.check()
        except Unavailable:
            continue
        return


async def test_a_listener_looks_first_and_then_wakes_at_each_commit(notes: Database) -> None:
    async with asyncio.timeout(60), notes.listen("keys") as wakes:
        assert await anext(wakes) is None
        async with notes.transaction(tenant=None) as tx:
            await tx.notify("keys", "one")
            await tx.notify("keys", "two")
        assert [await anext(wakes), await anext(wakes)] == ["one", "two"]


async def test_a_listener_polls_when_nothing_comes(notes: Database) -> None:
    async with asyncio.timeout(60), notes.listen("keys", poll_s=0.05) as wakes:
        assert [await anext(wakes) for _ in range(3)] == [None, None, None]


@pytest.mark.fault
async def test_a_listener_that_lost_its_connection_comes_back_and_looks(
    notes: Database, fresh_database: TemporaryDatabase
) -> None:
    async with asyncio.timeout(60), notes.listen("keys") as wakes:
        assert await anext(wakes) is None
        await run_as_owner(
            fresh_database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' "
            "AND datname = current_database()",
        )
        assert await anext(wakes) is None
        async with notes.transaction(tenant=None) as tx:
            await tx.notify("keys", "again")
        assert await anext(wakes) == "again"


def test_an_address_hides_its_password() -> None:
    address = DatabaseAddress.parse("postgresql://ada:s3cret@db.example:6432/gate?sslmode=require")
    assert (address.host, address.port, address.user, address.database) == ("db.example", 6432, "ada", "gate")
    assert "s3cret" not in repr(address.option("role", "headgate_app"))
    assert "sslmode=require" in address.having(user="bob").conninfo
    for nonsense in ("", "postgresql://ada:s3cret@db:port/x", "s3cret"):
        with pytest.raises(Invalid) as caught:
            DatabaseAddress.parse(nonsense)
        assert "s3cret" not in str(caught.value)


def a_package(folder: Path, name: str, queries: str) -> str:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("")
    (folder / name / "queries.sql").write_text(queries)
    return name


def test_queries_are_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = (
        "-- Keys.\n\n-- name: get_key\n-- one row\nSELECT 1;\n\n-- name: drop_key\nDELETE FROM k\nWHERE id = %(id)s;\n"
    )
    queries = load_queries(a_package(tmp_path, "some_feature", text))
    assert dict(queries) == {
        "get_key": "-- one row\nSELECT 1;",
        "drop_key": "DELETE FROM k\nWHERE id = %(id)s;",
    }


@pytest.mark.parametrize(
    "text",
    ["SELECT 1;\n-- name: a\nSELECT 2;", "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;", "-- name: a\n-- nothing\n"],
)
def test_a_queries_file_that_could_be_misread_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = a_package(tmp_path, f"feature_{abs(hash(text))}", text)
    with pytest.raises(Invalid):
        load_queries(package)
    with pytest.raises(NotFound):
        load_queries(package, file="other.sql")


@pytest.mark.parametrize("turns", range(24))
async def test_who_is_cancelled_while_a_connection_arrives_does_not_go_on(notes: Database, turns: int) -> None:
    """At whichever turn of the loop it comes: a swallowed cancellation leaves a task that nobody can end."""

    async def wait_in_line() -> None:
        await notes.check()
        await asyncio.sleep(30)

    async with notes.transaction(tenant=None):
        waiting = asyncio.ensure_future(wait_in_line())
        await asyncio.sleep(0.01)
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    done, _ = await asyncio.wait({waiting}, timeout=20)
    if not done:  # swallowed; end it, for the next test's sake
        waiting.cancel()
    assert done and waiting.cancelled()
    assert await notes.check() is None
