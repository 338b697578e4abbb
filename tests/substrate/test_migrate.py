from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from headgate.features import migrations
from headgate.kernel.errors import Conflict, Corrupt, Invalid, Unavailable
from headgate.substrate.database import Database
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.migrate import Migration, migrate, migrations_in, pending
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import ROLES, acting_address
from headgate.testing.postgres import TemporaryServer


@pytest.fixture
def empty(postgres: TemporaryServer) -> Generator[DatabaseAddress]:
    with postgres.database(migrated=False) as database:
        yield database.owner


def series(folder: Path, **files: str) -> tuple[Migration, ...]:
    """Write files, named `n0001_a_b__pre` for `0001_a_b.pre.sql`, and read the folder."""
    for name, text in files.items():
        (folder / (name.removeprefix("n").replace("__", ".") + ".sql")).write_text(text)
    return migrations_in(folder)


async def value(address: DatabaseAddress, statement: str) -> object:
    async with await psycopg.AsyncConnection.connect(address.conninfo, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode())
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None


async def test_an_empty_database_gets_everything_once(empty: DatabaseAddress) -> None:
    names = [migration.name for migration in migrations()]
    assert await pending(empty.conninfo, series=migrations()) == names
    assert await value(empty, "SELECT to_regnamespace('substrate')") is None
    assert await migrate(empty.conninfo, series=migrations()) == names
    assert await migrate(empty.conninfo, series=migrations()) == []
    assert await pending(empty.conninfo, series=migrations()) == []


async def test_no_role_of_ours_can_see_past_row_security(empty: DatabaseAddress) -> None:
    await migrate(empty.conninfo, series=migrations())
    harmless = "rolname LIKE 'headgate%' AND NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolinherit)"
    assert await value(empty, f"SELECT count(*) FROM pg_roles WHERE {harmless}") == len(ROLES)


async def test_a_table_without_a_tenant_cannot_be_protected(empty: DatabaseAddress) -> None:
    await migrate(empty.conninfo, series=migrations())
    for column in ("tenant text", "tenant int NOT NULL", "name text NOT NULL"):
        await value(empty, f"CREATE TABLE public.t ({column})")
        with pytest.raises(psycopg.errors.RaiseException, match="tenant text NOT NULL"):
            await value(empty, "SELECT substrate.protect('public.t')")
        await value(empty, "DROP TABLE public.t")


async def test_a_failed_migration_leaves_nothing_and_names_itself(empty: DatabaseAddress, tmp_path: Path) -> None:
    broken = series(
        tmp_path,
        n0001_a_first__pre="CREATE TABLE a (x int)",
        n0002_a_second__pre="CREATE TABLE b (x int); SELECT nonsense;",
    )
    with pytest.raises(Unavailable, match=r'0002_a_second\.pre\.sql failed: column "nonsense" does not exist'):
        await migrate(empty.conninfo, series=broken)
    assert await value(empty, "SELECT to_regclass('a')") == "a"
    assert await value(empty, "SELECT to_regclass('b')") is None
    assert await pending(empty.conninfo, series=broken) == ["0002_a_second.pre.sql"]
    repaired = series(tmp_path, n0002_a_second__pre="CREATE TABLE b (x int)")
    assert await migrate(empty.conninfo, series=repaired) == ["0002_a_second.pre.sql"]


async def test_a_file_changed_after_it_ran_is_refused(empty: DatabaseAddress, tmp_path: Path) -> None:
    await migrate(empty.conninfo, series=series(tmp_path, n0001_a_first__pre="CREATE TABLE a (x int)"))
    changed = series(
        tmp_path, n0001_a_first__pre="CREATE TABLE a (x bigint)", n0002_a_more__pre="CREATE TABLE b (x int)"
    )
    with pytest.raises(Corrupt, match=r"0001_a_first\.pre\.sql was changed"):
        await migrate(empty.conninfo, series=changed)
    with pytest.raises(Corrupt):
        await pending(empty.conninfo, series=changed)
    assert await value(empty, "SELECT to_regclass('b')") is None


async def test_a_database_of_a_newer_version_is_refused(empty: DatabaseAddress, tmp_path: Path) -> None:
    both = series(tmp_path, n0001_a_first__pre="SELECT 1", n0002_a_second__pre="SELECT 1")
    await migrate(empty.conninfo, series=both)
    with pytest.raises(Conflict, match=r"does not know \(0002_a_second\.pre\.sql\)"):
        await migrate(empty.conninfo, series=both[:1])


async def test_a_removed_feature_leaves_one_file_that_drops_its_schema(empty: DatabaseAddress, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    before = series(old, n0001_a_first__pre="SELECT 1", n0002_notice_board_begin__pre="CREATE SCHEMA notice_board")
    await migrate(empty.conninfo, series=before)
    after = series(new, n0001_a_first__pre="SELECT 1", n0003_notice_board_drop__post="DROP SCHEMA notice_board")
    assert await migrate(empty.conninfo, series=after) == ["0003_notice_board_drop.post.sql"]
    assert await value(empty, "SELECT to_regnamespace('notice_board')") is None
    assert await migrate(empty.conninfo, series=after) == []


async def test_a_file_that_comes_too_late_is_refused(empty: DatabaseAddress, tmp_path: Path) -> None:
    await migrate(empty.conninfo, series=series(tmp_path, n0002_a_second__pre="SELECT 1"))
    with pytest.raises(Conflict, match=r"0001_a_first\.pre\.sql comes before"):
        await migrate(empty.conninfo, series=series(tmp_path, n0001_a_first__pre="SELECT 1"))


def test_two_files_with_one_number_or_a_strange_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="same number"):
        series(tmp_path, n0001_a_first__pre="", n0001_b_first__post="")
    (tmp_path / "0001_b_first.post.sql").rename(tmp_path / "2_late.sql")
    with pytest.raises(Invalid, match=r"2_late\.sql"):
        migrations_in(tmp_path)


async def test_starters_at_the_same_time_run_each_file_once(empty: DatabaseAddress, tmp_path: Path) -> None:
    files = series(
        tmp_path,
        n0001_a_table__pre="CREATE TABLE a (x int)",
        n0002_a_index__pre="-- headgate: no-transaction\nCREATE INDEX CONCURRENTLY a_x ON a (x)",
        n0003_a_more__post="ALTER TABLE a ADD y int",
    )
    ran = await asyncio.gather(*(migrate(empty.conninfo, series=files) for _ in range(4)))
    assert sorted(map(len, ran)) == [0, 0, 0, 3]
    assert await value(empty, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_x'::regclass") is True


async def test_a_migration_runs_under_short_limits(empty: DatabaseAddress, tmp_path: Path) -> None:
    limits = "SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement"
    files = series(tmp_path, n0001_a_limits__pre=f"CREATE TABLE limits AS {limits}")
    await migrate(empty.conninfo, series=files)
    assert await value(empty, "SELECT lock || ' ' || statement FROM limits") == "4s 5s"


async def test_pre_and_post_run_in_turn_and_never_out_of_it(empty: DatabaseAddress, tmp_path: Path) -> None:
    one = series(tmp_path, n0001_a_a__pre="SELECT 1", n0002_a_b__post="SELECT 1")
    assert await migrate(empty.conninfo, phase="pre", series=one) == ["0001_a_a.pre.sql"]
    two = series(tmp_path, n0003_a_c__pre="SELECT 1")
    with pytest.raises(Conflict, match=r"0002_a_b\.post\.sql must run before"):
        await migrate(empty.conninfo, phase="pre", series=two)
    assert await migrate(empty.conninfo, phase="post", series=two) == ["0002_a_b.post.sql"]
    assert await migrate(empty.conninfo, phase="post", series=two) == []
    assert await migrate(empty.conninfo, phase="pre", series=two) == ["0003_a_c.pre.sql"]


async def test_a_server_that_is_away_is_unavailable() -> None:
    away = DatabaseAddress.at("127.0.0.1", 1, user="nobody", password="hush", database="none")
    with pytest.raises(Unavailable) as caught:
        await migrate(away.conninfo, series=migrations())
    assert "hush" not in caught.value.message
    assert caught.value.retry_after_s


async def test_an_owner_who_is_no_superuser_is_enough_or_is_told_what_is_missing(tmp_path: Path) -> None:
    """The whole life at a server of somebody else's, on a cluster that has never seen us."""
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    try:
        address = await server.start()
        await value(address, "CREATE ROLE outside LOGIN PASSWORD 'outside'; ALTER DATABASE headgate OWNER TO outside")
        owner = address.having(user="outside", password="outside")
        with pytest.raises(Unavailable) as caught:
            await migrate(owner.conninfo, series=migrations())
        advice = caught.value.message.partition("run, once: ")[2]
        assert advice.startswith("CREATE ROLE headgate_app NOLOGIN")

        await value(address, "ALTER ROLE outside CREATEROLE")
        with pytest.raises(Unavailable) as caught:
            await migrate(owner.conninfo, series=migrations())
        await value(address, caught.value.message.partition("run, once: ")[2])
        assert await migrate(owner.conninfo, series=migrations())
        await value(owner, "CREATE SCHEMA n; CREATE TABLE n.n (tenant text NOT NULL); INSERT INTO n.n VALUES ('acme')")
        await value(owner, "SELECT substrate.protect('n.n'); GRANT USAGE ON SCHEMA n TO headgate_app")
        await value(owner, "GRANT SELECT ON n.n TO headgate_app")
        for login in (owner, acting_address(owner, "headgate_app")):  # FORCE: not even the owner is exempt
            async with Database(login) as database:
                for tenant, rows in ((None, 0), ("bolt", 0), ("acme", 1)):
                    async with database.transaction(tenant=tenant) as tx:
                        assert await tx.value("SELECT count(*) FROM n.n") == rows
        await value(address, "DROP OWNED BY outside CASCADE")
        for role in ROLES:
            await value(address, sql.SQL("DROP ROLE {}").format(sql.Identifier(role)).as_string())
        await value(address, "ALTER ROLE outside NOCREATEROLE; GRANT CREATE ON DATABASE headgate TO outside")
        await value(address, advice)
        assert await migrate(owner.conninfo, series=migrations())
    finally:
        await server.stop()


async def test_a_role_that_exists_already_and_could_see_everything_is_refused(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    try:
        address = await server.start()
        await value(address, "CREATE ROLE headgate_app BYPASSRLS")
        with pytest.raises(Unavailable, match="ALTER ROLE headgate_app NOSUPERUSER NOBYPASSRLS"):
            await migrate(address.conninfo, series=migrations())
    finally:
        await server.stop()
