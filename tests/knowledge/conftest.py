from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headgate.substrate.database import Database
from headgate.testing.postgres import TemporaryDatabase, fresh_database, postgres

__all__ = ["fresh_database", "postgres"]


@pytest.fixture
async def database(fresh_database: TemporaryDatabase) -> AsyncIterator[Database]:
    """A fresh database, opened as a worker does."""
    async with Database(fresh_database.login["headgate_app"]) as opened:
        yield opened
