"""Migrates a database to this version of Headgate, forward only and in order.

A migration is a file `NNNN_<feature>_<what>.pre.sql` or `.post.sql`. `pre` files are safe while the version before
still runs, and run before the new one starts; `post` files run once only the new version runs. Numbers say the order
and are used once. A file runs in one transaction together with the note that it ran, with 4 s to get its locks and 5
s for each statement. A file whose first line is `-- headgate: no-transaction` holds one statement that cannot
(`CREATE INDEX CONCURRENTLY`): it runs without a statement limit and should be safe to run twice.

Headgate does not start if a file changed after it ran, if the database has an unknown migration, if a pending migration
precedes one that already ran, or if a migration failed.

A removed feature leaves one file, `NNNN_<feature>_drop.post.sql`, in the substrate's folder. It drops the schema of the
feature, whose earlier files are then no longer unknown.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Literal

import psycopg

from headgate.kernel.errors import Conflict, Corrupt, Invalid, Unavailable

Phase = Literal["pre", "post", "all"]

_FILE = re.compile(r"(?P<number>\d{4})_[a-z]+_[a-z0-9_]+\.(?P<phase>pre|post)\.sql")
_DROP = re.compile(r"\d{4}_(?P<feature>[a-z_]+)_drop\.post\.sql")
_DIGITS = len("0000_")
_NO_TRANSACTION = b"-- headgate: no-transaction"
_OLDEST_SERVER = 160_000
_LOCK_KEY = 0x4845_4144_4741_5445  # "HEADGATE": one starter at a time per database
_LOCK_PATIENCE_S = 60.0
_LOCK_POLL_S = 0.1
_CONNECT_S = 10
_BOOKS = """
    CREATE SCHEMA IF NOT EXISTS substrate;
    CREATE TABLE IF NOT EXISTS substrate.migrations (
        name text PRIMARY KEY,
        sha256 text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the series."""

    name: str
    number: int
    phase: Literal["pre", "post"]
    text: bytes

    @property
    def sha256(self) -> str:
        """Digest of the file, in hex."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def in_transaction(self) -> bool:
        """Whether the file runs in a transaction (nearly all do)."""
        return not self.text.startswith(_NO_TRANSACTION)


def migrations_in(*folders: Traversable) -> tuple[Migration, ...]:
    """Return the migrations in some folders, in the order of their numbers.

    Raises:
        Invalid: a file has a malformed name, or two files have the same number.
    """
    series: dict[int, Migration] = {}
    files = (file for folder in folders for file in folder.iterdir())
    for file in sorted(files, key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        form = _FILE.fullmatch(file.name)
        if form is None:
            raise Invalid(f"{file.name} is not a migration's name: write NNNN_<feature>_<what>.pre.sql or .post.sql.")
        number = int(form["number"])
        if number in series:
            raise Invalid(f"{file.name} and {series[number].name} have the same number: give the later one the next.")
        phase: Literal["pre", "post"] = "pre" if form["phase"] == "pre" else "post"
        series[number] = Migration(file.name, number, phase, file.read_bytes())
    return tuple(series[number] for number in sorted(series))


async def migrate(conninfo: str, *, series: Sequence[Migration], phase: Phase = "all") -> list[str]:
    """Run the pending migrations and return the names of their files, in order.

    Safe for concurrent callers: one works, and the others wait up to 60 s and find nothing to do. `pre`
    stops before the first pending `post` file, and `post` before the first pending `pre` file; `all` runs everything,
    for when nothing else runs.

    Args:
        conninfo: connection string of the owner: a superuser, or one that may make roles and schemas.
        phase: which files to run.
        series: the files.

    Raises:
        Corrupt: a file was changed after it ran.
        Conflict: the database is newer than this program, the order is broken, or `pre`/`post` is out of turn.
        Unavailable: the database is away or busy, or a migration failed; the message has file and reason.
        Invalid: the server is older than PostgreSQL 16.
    """
    async with _connected(conninfo) as connection, _alone(connection):
        await connection.execute(_BOOKS)
        waiting = _in_phase(_pending(series, await _applied(connection)), phase)
        for migration in waiting:
            await _apply(connection, migration)
        return [migration.name for migration in waiting]


async def pending(conninfo: str, *, series: Sequence[Migration]) -> list[str]:
    """Names of the files that have not run yet; changes nothing. Raises what `migrate` raises."""
    async with _connected(conninfo) as connection:
        return [migration.name for migration in _pending(series, await _applied(connection))]


@asynccontextmanager
async def _connected(conninfo: str) -> AsyncGenerator[psycopg.AsyncConnection]:
    try:
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, connect_timeout=_CONNECT_S)
        async with connection:
            if connection.info.server_version < _OLDEST_SERVER:
                raise Invalid(
                    f"The server is PostgreSQL {connection.info.server_version // 10_000}: Headgate needs 16 or newer.",
                    param="HEADGATE_DATABASE_URL",
                )
            yield connection
    except psycopg.Error as exc:
        raise Unavailable(
            f"The database could not list its migrations; check the server, then start again: {_said(exc)}",
            retry_after_s=5.0,
        ) from exc


@asynccontextmanager
async def _alone(connection: psycopg.AsyncConnection) -> AsyncGenerator[None]:
    """Hold the migration lock.

    Polls for the lock. A statement that waits in the server would hold a snapshot, and `CREATE INDEX CONCURRENTLY` in
    the session with the lock would wait for that snapshot forever.
    """
    clock = asyncio.get_running_loop().time
    begun = clock()
    while not await _try_lock(connection):
        if clock() - begun > _LOCK_PATIENCE_S:
            raise Unavailable(
                f"Another Headgate has been changing this database for {_LOCK_PATIENCE_S:.0f} s: "
                "wait for it, then start again.",
                retry_after_s=_LOCK_PATIENCE_S,
            )
        await asyncio.sleep(_LOCK_POLL_S)
    yield  # the lock goes with the connection, which our caller closes


async def _try_lock(connection: psycopg.AsyncConnection) -> bool:
    row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_KEY,))).fetchone()
    return bool(row and row[0])


async def _applied(connection: psycopg.AsyncConnection) -> dict[str, str]:
    """Name and digest of every file that ran."""
    found = await (await connection.execute("SELECT to_regclass('substrate.migrations')")).fetchone()
    if not found or found[0] is None:
        return {}
    rows = await (await connection.execute("SELECT name, sha256 FROM substrate.migrations")).fetchall()
    return {str(name): str(digest) for name, digest in rows}


def _pending(series: Sequence[Migration], applied: dict[str, str]) -> list[Migration]:
    """Return the pending migrations, after checking that the applied ones are the beginning of the series."""
    dropped = tuple(f"{found['feature']}_" for migration in series if (found := _DROP.fullmatch(migration.name)))
    unknown = applied.keys() - {migration.name for migration in series}
    if unknown := sorted(name for name in unknown if not name[_DIGITS:].startswith(dropped)):
        raise Conflict(
            f"The database has changes that this Headgate does not know ({', '.join(unknown)}). "
            "Run the version that made them or a newer one, with the same features."
        )
    for migration in series:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise Corrupt(
                f"Migration {migration.name} was changed after it ran here: "
                "restore the file, and put the change into a new one."
            )
    waiting = [migration for migration in series if migration.name not in applied]
    last = max((migration.number for migration in series if migration.name in applied), default=0)
    if waiting and waiting[0].number < last:
        raise Conflict(
            f"Migration {waiting[0].name} comes before others that ran here already: give it the next free number."
        )
    return waiting


def _in_phase(waiting: list[Migration], phase: Phase) -> list[Migration]:
    if phase == "all":
        return waiting
    cut = next((place for place, migration in enumerate(waiting) if migration.phase != phase), len(waiting))
    if any(migration.phase == phase for migration in waiting[cut:]):
        raise Conflict(
            f"Migration {waiting[cut].name} must run before the later {phase} files: "
            "finish the upgrade before this one, or stop every worker and run all."
        )
    return waiting[:cut]


async def _apply(connection: psycopg.AsyncConnection, migration: Migration) -> None:
    try:
        if migration.in_transaction:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '5s'")
                await connection.execute(migration.text)
                await _note(connection, migration)
        else:
            await connection.execute("SET lock_timeout = '4s'")
            await connection.execute("SET statement_timeout = 0")
            await connection.execute(migration.text)
            await _note(connection, migration)
    except psycopg.Error as exc:
        raise Unavailable(f"Migration {migration.name} failed: {_said(exc)}") from exc


async def _note(connection: psycopg.AsyncConnection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO substrate.migrations (name, sha256) VALUES (%s, %s)", (migration.name, migration.sha256)
    )


def _said(exc: psycopg.Error) -> str:
    """The server's message and hint. Those of schema changes hold no data of anybody's."""
    words = (exc.diag.message_primary or str(exc).strip().partition("\n")[0], exc.diag.message_hint)
    return " Hint: ".join(word for word in words if word)
