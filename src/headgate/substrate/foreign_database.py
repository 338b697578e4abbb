"""Reads the PostgreSQL database of another system: one read-only transaction, bounded in time and rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from headgate.kernel.errors import Invalid, Unavailable

MOST_ROWS = 100_000
_CONNECT_S = 10
_STATEMENT_MS = 60_000


def read_tables(url: str, tables: Mapping[LiteralString, LiteralString]) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of some tables, by table.

    Args:
        tables: the names of the tables, each with the column that orders its rows.

    Raises:
        Invalid: a table does not exist, or has more than `MOST_ROWS` rows.
        Unavailable: the database cannot be reached or read.
    """
    options = f"-c default_transaction_read_only=on -c statement_timeout={_STATEMENT_MS}"
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_S, options=options) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            for name, column in tables.items():
                query = sql.SQL("SELECT * FROM {} ORDER BY {} LIMIT {}").format(
                    sql.Identifier(name), sql.Identifier(column), sql.Literal(MOST_ROWS + 1)
                )
                found[name] = cursor.execute(query).fetchall()
    except psycopg.errors.UndefinedTable as error:
        raise Invalid(f"this database lacks one of the tables {', '.join(tables)}") from error
    except psycopg.Error as error:
        # The driver's message may contain the URL, with its password.
        raise Unavailable(f"the database cannot be read ({type(error).__name__}); check its URL") from error
    for name, rows in found.items():
        if len(rows) > MOST_ROWS:
            raise Invalid(f"the table {name} has over {MOST_ROWS:,} rows")
    return found
