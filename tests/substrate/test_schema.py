"""`schema.sql` is what the migrations make."""

from __future__ import annotations

import psycopg
import pytest

from headgate.testing.postgres import TemporaryDatabase
from headgate.testing.schema import FILE, schema_of


def test_the_migrations_make_the_schema_that_is_written_down(fresh_database: TemporaryDatabase) -> None:
    assert schema_of(fresh_database.owner) == FILE.read_text(), "write it anew: make schema"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE ledger.logs ADD hint text",
        "CREATE INDEX ON ledger.logs (origin)",
        "GRANT DELETE ON ledger.records TO headgate_app",
        "DROP POLICY sequencer ON ledger.logs",
        "ALTER TABLE ledger.records NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE ledger.logs ALTER size DROP DEFAULT",
        "ALTER FUNCTION ledger.prepare_months() SECURITY INVOKER",
    ],
)
def test_the_schema_tells_of_every_change(fresh_database: TemporaryDatabase, change: str) -> None:
    with psycopg.connect(fresh_database.owner.conninfo, autocommit=True) as connection:
        connection.execute(change.encode())
    assert schema_of(fresh_database.owner) != FILE.read_text()
