"""PostgreSQL client: a bounded pool, transactions of one tenant, notifications, named queries.

A transaction sees only its tenant's rows, and without a tenant it sees no tenant's rows (row-level security, see
migration 0001). Only this module translates errors of psycopg into errors of the kernel:

    server away or silent, pool full, timeout, deadlock  Unavailable (retry_after_s is set: nothing was done)
    unique or exclusion constraint, foreign key          Conflict
    not-null or check constraint, value out of form,
    value over a limit of the server                     Invalid
    not granted, or a row of another tenant              Denied
    anything else (a mistake of ours)                    HeadgateError

Messages have the constraint and the SQLSTATE, but no values, which may contain people's text.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import os
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import LiteralString, NewType, Self, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row, scalar_row
from psycopg_pool import AsyncConnectionPool

from headgate.kernel.errors import Conflict, Denied, HeadgateError, Invalid, NotFound, Unavailable
from headgate.substrate.database_address import DatabaseAddress

T = TypeVar("T")

Statement = NewType("Statement", str)
"""SQL that came from a `queries.sql` file."""

Sql = Statement | LiteralString | sql.SQL | sql.Composed
"""SQL text from source code, never assembled from values."""

Params = Mapping[str, object] | Sequence[object]
Queries = Mapping[str, Statement]

_RETRY_S = 1.0
_CONNECT_S = "5"
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_NAME = re.compile(r"^--\s*name:\s*(?P<name>\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Limits of one process's pool.

    `size` is the largest number of connections. Timeouts: `wait_s` for a free connection, `statement_s` for one
    statement, `idle_s` between two statements of a transaction (a forgotten transaction holds locks and blocks
    vacuum), and `silence_s` after `statement_s` for a server that does not respond.
    """

    size: int = 8
    wait_s: float = 5.0
    statement_s: float = 10.0
    idle_s: float = 30.0
    silence_s: float = 5.0


class Database:
    """A pool of connections to one database; open it with `async with`.

    Safe for concurrent tasks. More than `size` transactions wait in order, for at most `wait_s`.
    """

    def __init__(self, address: DatabaseAddress, *, limits: PoolLimits | None = None) -> None:
        limits = limits or PoolLimits()
        self._address = _with_timeouts(address, limits)
        self._longest_s = limits.statement_s + limits.silence_s
        self._pool = AsyncConnectionPool(
            self._address.conninfo,
            min_size=1,
            max_size=limits.size,
            max_waiting=limits.size * 32,
            timeout=limits.wait_s,
            reconnect_timeout=30.0,
            num_workers=2,
            open=False,
        )

    async def __aenter__(self) -> Self:
        """Start connecting without waiting, so that a process can start during an outage of the server."""
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close(timeout=5.0)

    @asynccontextmanager
    async def transaction(self, *, tenant: str | None) -> AsyncGenerator[Transaction]:
        """Open a transaction that commits at the end of the block and rolls back on an error.

        Args:
            tenant: the tenant whose rows it may access; None for no tenant.

        Raises:
            Invalid: the tenant is the empty string.
            Unavailable: no connection within the limit, or the connection was lost. Nothing was done, unless the
                connection was lost during COMMIT; then the outcome is unknown, so writers must be idempotent.
        """
        if tenant == "":
            raise Invalid("The tenant is empty: pass None for a transaction without a tenant.", param="tenant")
        cancellations = _cancellations()
        with _translated():
            async with self._pool.connection() as connection:
                if _cancellations() > cancellations:
                    # The pool waits with `asyncio.wait_for`, which before Python 3.12 drops a cancellation that comes
                    # as a connection does (python/cpython#86296); remove once 3.12 is the oldest that we run on.
                    raise asyncio.CancelledError
                patience = _Patience(connection, self._longest_s)
                with patience:
                    async with connection.transaction():
                        # Always set, so that no value from an earlier transaction of the session remains.
                        await connection.execute("SELECT set_config('app.tenant', %s, true)", (tenant or "",))
                        with patience.resting():
                            yield Transaction(connection, patience)

    async def check(self) -> None:
        """Check the connection with one round trip. Raises Unavailable."""
        async with self.transaction(tenant=None) as tx:
            await tx.value("SELECT 1")

    @asynccontextmanager
    async def listen(self, channel: str, *, poll_s: float = 30.0) -> AsyncGenerator[AsyncIterator[str | None]]:
        """Yield the payloads of `NOTIFY channel`, or None after a possible loss of notifications.

        Yields None first, after every reconnect, and after `poll_s` without a notification. Uses its own connection.
        While the server is away it retries without end.
        """
        wakes = self._wakes(channel, poll_s)
        async with contextlib.aclosing(wakes):
            yield wakes

    async def _wakes(self, channel: str, poll_s: float) -> AsyncGenerator[str | None]:
        failures = 0
        while True:
            # Any loss of the connection is harmless: callers poll after None.
            with contextlib.suppress(psycopg.Error, OSError):
                async with await psycopg.AsyncConnection.connect(self._address.conninfo, autocommit=True) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    failures = 0
                    yield None
                    while True:
                        silent = True
                        async with contextlib.aclosing(connection.notifies(timeout=poll_s)) as notices:
                            async for notice in notices:
                                silent = False
                                yield notice.payload
                        if silent:
                            yield None
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1


class Transaction:
    """An open transaction, made by `Database.transaction`. Runs one statement at a time.

    An error ends the transaction: let the error leave the block.
    """

    __slots__ = ("_connection", "_patience")

    def __init__(self, connection: psycopg.AsyncConnection, patience: _Patience) -> None:
        self._connection = connection
        self._patience = patience

    async def execute(self, statement: Sql, params: Params = ()) -> int:
        """Run a statement and return the number of affected rows."""
        with _translated(), self._patience:
            return (await self._connection.execute(_ready(statement), params or None)).rowcount

    async def rows(self, statement: Sql, params: Params = (), *, of: type[T], is_binary: bool = False) -> list[T]:
        """Return all rows, each as `of(column=value, ...)`. The query must bound their number.

        `is_binary` halves the transfer of large `bytea` values.
        """
        with _translated(), self._patience:
            async with self._connection.cursor(row_factory=class_row(of), binary=is_binary) as cursor:
                await cursor.execute(_ready(statement), params or None)
                return await cursor.fetchall()

    async def row(self, statement: Sql, params: Params = (), *, of: type[T], is_binary: bool = False) -> T | None:
        """Return the first row or None. `is_binary` is that of `rows`."""
        with _translated(), self._patience:
            async with self._connection.cursor(row_factory=class_row(of), binary=is_binary) as cursor:
                await cursor.execute(_ready(statement), params or None)
                return await cursor.fetchone()

    async def value(self, statement: Sql, params: Params = ()) -> object:
        """Return the first column of the first row, or None."""
        with _translated(), self._patience:
            async with self._connection.cursor(row_factory=scalar_row) as cursor:
                await cursor.execute(_ready(statement), params or None)
                found: object = await cursor.fetchone()
                return found

    async def notify(self, channel: str, payload: str = "") -> None:
        """Notify the listeners of a channel when the transaction commits. The payload has at most 7,999 bytes."""
        await self.execute("SELECT pg_notify(%s, %s)", (channel, payload))


class _Patience:
    """Closes the connection if the server does not respond within `longest_s`."""

    __slots__ = ("_connection", "_longest_s", "_timer")

    def __init__(self, connection: psycopg.AsyncConnection, longest_s: float) -> None:
        self._connection = connection
        self._longest_s = longest_s
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._longest_s, self._hang_up)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @contextmanager
    def resting(self) -> Generator[None]:
        """Pause the timeout in this block."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def _hang_up(self) -> None:
        """Shut down the socket, so that its reader fails."""
        with (
            contextlib.suppress(OSError, psycopg.OperationalError),
            socket.socket(fileno=os.dup(self._connection.fileno())) as connected,
        ):
            connected.shutdown(socket.SHUT_RDWR)


def _cancellations() -> int:
    """Return the number of cancellation requests to this task."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def load_queries(package: str, *, file: str = "queries.sql") -> Queries:
    """Load the named statements of a feature. Each line `-- name: get_key` begins one.

    Raises:
        NotFound: the package has no such file.
        Invalid: a name is used twice, a statement is empty, or there is SQL before the first name.
    """
    try:
        text = (importlib.resources.files(package) / file).read_text("utf-8")
    except (FileNotFoundError, ModuleNotFoundError) as exc:
        raise NotFound(f"{package} has no {file}: add it to the package.") from exc
    head, *parts = _NAME.split(text)
    if _bare(head):
        raise Invalid(f"{package}/{file} has SQL before its first name: begin it with `-- name: ...`.")
    queries: dict[str, Statement] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries or not _bare(body):
            raise Invalid(f"{package}/{file}: the name {name} is used twice or has no statement.")
        queries[name] = Statement(body.strip())
    return MappingProxyType(queries)


def _bare(text: str) -> str:
    """Return SQL without its comment lines."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()


def _ready(statement: Sql) -> bytes | sql.SQL | sql.Composed:
    return statement if isinstance(statement, sql.SQL | sql.Composed) else statement.encode()


def _with_timeouts(address: DatabaseAddress, limits: PoolLimits) -> DatabaseAddress:
    """Return the address with timeouts for connects, statements and lost connections."""
    return (
        address.having(connect_timeout=_CONNECT_S, keepalives_idle="15", tcp_user_timeout="15000")
        .option("statement_timeout", f"{limits.statement_s * 1000:.0f}")
        .option("idle_in_transaction_session_timeout", f"{limits.idle_s * 1000:.0f}")
    )


@contextmanager
def _translated() -> Generator[None]:
    """Translate errors of psycopg into errors of the kernel."""
    try:
        yield
    except psycopg.Error as exc:
        raise _as_ours(exc) from exc


def _as_ours(exc: psycopg.Error) -> HeadgateError:
    what = f"SQLSTATE {exc.sqlstate or 'none'}"
    if exc.diag.constraint_name:
        what = f"constraint {exc.diag.constraint_name} of {exc.diag.table_name}, {what}"
    match exc:
        case errors.InsufficientPrivilege():
            return Denied(
                f"The database refused access ({what}): the row belongs to another tenant, or the role lacks the right."
            )
        case errors.NotNullViolation() | errors.CheckViolation() | errors.ProgramLimitExceeded() | psycopg.DataError():
            return Invalid(f"The database refused a value ({what}): correct it and try again.")
        case psycopg.IntegrityError():
            return Conflict(f"The change conflicts with stored data ({what}): reload and try again.")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return Unavailable(
                f"The database is away or overloaded ({what}): nothing was done, try again.", retry_after_s=_RETRY_S
            )
        case _:
            return HeadgateError(
                f"The database rejected a statement ({what}): this is a bug in Headgate, please report it."
            )
