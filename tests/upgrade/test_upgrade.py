"""What older versions left is taken up: data, keys, records and the log. Made by `headgate.testing.installation`."""

from __future__ import annotations

import json
import tarfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from headgate.features import migrations
from headgate.ledger import verify_log
from headgate.ledger.checkpoint import VerifierKey, verify_checkpoint
from headgate.substrate.migrate import migrate
from headgate.testing.house import House, open_house
from headgate.testing.installation import DATA, DATABASE, FACTS, restore
from headgate.testing.postgres import TemporaryServer

LEFT = sorted(Path(__file__).parent.glob("installation-*.tar.gz"))
CALL = {"model": "local-chat", "messages": [{"role": "user", "content": "Hello again."}]}


@pytest.fixture(params=LEFT, ids=lambda path: path.name)
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of an installation that an older version left."""
    with tarfile.open(request.param) as archive:
        # Python before 3.11.4 has no filters, and does not take the argument.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(tmp_path)
    for path in (tmp_path / DATA).rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    (tmp_path / "index.html").write_text("<!doctype html>")
    return tmp_path


@pytest.fixture
def facts(left: Path) -> dict[str, Any]:
    """What has to be found there again."""
    found: dict[str, Any] = json.loads((left / FACTS).read_text())
    return found


@pytest_asyncio.fixture
async def house(left: Path, postgres: TemporaryServer) -> AsyncGenerator[House]:
    """This version, on what the older one left."""
    with postgres.database(migrated=False) as database:
        restore((left / DATABASE).read_text(), database.owner)
        with psycopg.connect(database.owner.conninfo, autocommit=True) as connection:
            # A request waits for a day, and the installation was left longer ago.
            connection.execute("UPDATE policy.approvals SET expires_at = now() + interval '1 day'")
        await migrate(database.owner.conninfo, series=migrations())
        async with open_house(database, folder=left / DATA, console=left) as opened:
            yield opened


async def test_an_older_installation_is_taken_up_with_its_keys_records_and_log(
    house: House, left: Path, facts: dict[str, Any]
) -> None:
    records = {record["id"]: record for record in await house.records(limit=200)}
    # Every record is there under the same pseudonym, with the one that was in the journal only.
    assert {*facts["records"], facts["in_journal"]} <= records.keys()
    assert all(records[name]["principal"] == who for name, who in facts["principals"].items())

    async with house.client(facts["admin_key"]) as admin:
        assert (await admin.get("/api/session")).json()["roles"] == ["admin"]
        use_cases = (await admin.get("/api/use-cases")).json()["use_cases"]
        assert {"support", "getting-started"} <= {one["id"] for one in use_cases}
        rules = (await admin.get("/api/rules")).json()["rules"]
        assert "ann-asks" in {one["id"] for one in rules}
        # What was sealed then can be read now.
        shown = (await admin.get(f"/api/records/{facts['first']}")).json()
        sealed = [part for one in (shown, *await _children(admin, shown)) for part in one["parts"]]
        assert any("bob@example.org" in (part["text"] or "") for part in sealed)

    async with house.client(facts["keys"]["bob"]) as client:
        assert (await client.post("/v1/chat/completions", json=CALL)).status_code == 200
    # The rule still asks, and the request that waited can still be decided.
    async with house.client(facts["keys"]["ann"]) as client:
        assert (await client.post("/v1/chat/completions", json=CALL)).json()["error"]["code"] == "needs_approval"
    grace = await house.register("grace", "admin")
    async with house.client(grace) as admin:
        waiting = (await admin.get("/api/approvals", params={"waiting": "true"})).json()["approvals"]
        assert facts["approval"] in {one["id"] for one in waiting}
        decided = await admin.post(f"/api/approvals/{facts['approval']}/approve", json={"reason": "as before"})
        assert decided.status_code == 200, decided.text

    # The log goes on where it was: whole, and with the old head as its beginning.
    await house.log_everything()
    ledger = left / DATA / "ledger"
    key = VerifierKey.decode((ledger / "default.vkey").read_text().strip())
    kept = verify_checkpoint(facts["checkpoint"].encode(), keys=[key]).checkpoint
    assert (kept.size, kept.root.hex()) == (facts["log_size"], facts["root_hash"])
    verified = verify_log(ledger / "default", keys=[key], trusted=kept)
    assert verified.statement == "self-consistent", verified.faults
    assert verified.entries_checked > kept.size


async def _children(admin: Any, shown: dict[str, Any]) -> list[dict[str, Any]]:
    return [(await admin.get(f"/api/records/{child['id']}")).json() for child in shown["children"]]
