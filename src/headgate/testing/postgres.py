"""A real PostgreSQL for tests: one server per test session, a fresh migrated database per test.

A `conftest.py` imports the fixtures:

    from headgate.testing.postgres import fresh_database, postgres  # noqa: F401 - fixtures

A `fresh_database` is a copy of a migrated template. The copy takes some tens of milliseconds. The
server runs without fsync.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from headgate.features import migrations
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.migrate import migrate
from headgate.substrate.postgres import EmbeddedPostgres
from headgate.substrate.roles import Role, give_logins

_TEMPLATE = "headgate"


@dataclass(frozen=True, slots=True)
class TemporaryDatabase:
    """A migrated database for one test.

    `owner` is the address of a login that may do everything; `login` has an address for each role.
    """

    owner: DatabaseAddress
    login: Mapping[Role, DatabaseAddress]


@dataclass(slots=True)
class TemporaryServer:
    """A running server.

    `template` is its migrated database. PostgreSQL copies it only while it has no connections.
    `secrets` is the folder of its passwords, and `login` has an address for each role.
    """

    template: DatabaseAddress
    secrets: Path
    login: Mapping[Role, DatabaseAddress]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    @contextmanager
    def database(self, *, migrated: bool = True) -> Generator[TemporaryDatabase]:
        """Create a database, and drop it afterwards; with `migrated=False` it is empty."""
        name = f"test_{next(self._numbers)}"
        server = self.template.having(dbname="postgres")
        source = _TEMPLATE if migrated else "template0"
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    *map(sql.Identifier, (name, source))
                )
            )
        try:
            yield TemporaryDatabase(
                self.template.having(dbname=name),
                {role: address.having(dbname=name) for role, address in self.login.items()},
            )
        finally:
            with psycopg.connect(server.conninfo, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def postgres_server(data: Path) -> Generator[TemporaryServer]:
    """Start a migrated server in a folder, and stop it afterwards."""
    embedded = EmbeddedPostgres(data, durable=False)

    async def begin() -> TemporaryServer:
        address = await embedded.start()
        await migrate(address.conninfo, series=migrations())
        return TemporaryServer(address, data / "secrets", await give_logins(address, data / "secrets"))

    with asyncio.Runner() as runner:
        try:
            yield runner.run(begin())
        finally:
            runner.run(embedded.stop())


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporaryServer]:
    """One server for the whole session."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def fresh_database(postgres: TemporaryServer) -> Iterator[TemporaryDatabase]:
    """A migrated database that no other test sees."""
    with postgres.database() as database:
        yield database
