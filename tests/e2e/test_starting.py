"""What a start leaves in the ledger: the first key and the link that it printed, made like everything else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from headgate.admin.client import ApiError
from headgate.substrate.database_address import DatabaseAddress
from headgate.testing.lab import until
from headgate.testing.running import RunningHeadgate, running_headgate

pytestmark = pytest.mark.e2e

SHUT = """
[[policy]]
id = "shut"
text = '''
@id("machine-lets-nobody-in")
@reason("people are let in by somebody else")
forbid (principal, action in [Headgate::Action::"session.invite", Headgate::Action::"key.create"], resource);
'''
"""


def test_the_ledger_begins_with_the_first_key_and_a_start_says_what_policy_refused_to_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_headgate(data, "--no-model") as gate:
        made, invited = until(lambda: _logged(gate, 2), what="the records of the first start")
        assert (made["verb"], made["leaf_index"], made["facts"]["key"]) == (
            "key.create",
            0,
            gate.admin_key.split("_")[1],
        )
        assert (invited["verb"], invited["facts"]["channel"]) == ("session.invite", "machine")
        # Commands on the data folder find the port that this one listens on.
        command = [sys.executable, "-m", "headgate.cli.main", "--data", str(data), "status"]
        status = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert gate.base_url in status.stdout, status.stderr
        gate.apply(SHUT)
        (data / "admin.key").rename(tmp_path / "kept")
    with running_headgate(data, "--no-model") as gate:
        assert any("could not make the first key" in line and "machine-lets-nobody-in" in line for line in gate.output)
        link = [line for line in gate.output if "could not make a link" in line]
        assert any("people are let in by somebody else" in line for line in link)
        assert not (data / "admin.key").exists()


LOCK_OUT = """
UPDATE policy.use_cases SET observe = '{administration-for-admins,sign-in-for-registered}' WHERE id = 'administration';
DELETE FROM policy.principals WHERE id = 'admin';
UPDATE policy.api_keys SET revoked_at = now();
"""


def test_a_locked_installation_starts_and_is_recovered_while_it_runs_and_while_it_does_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_headgate(data, "--no-model") as gate:
        _lock_out(data)
        _recovered(gate.base_url, _recover(data))
        _lock_out(data)
    with running_headgate(data, "--no-model") as gate, pytest.raises(ApiError, match="this API key is unknown"):
        gate.api.call("GET", "/api/rules")
    link = _recover(data)
    with running_headgate(data, "--no-model") as gate:
        _recovered(gate.base_url, link)
        assert gate.api.call("GET", "/api/rules")["rules"]


def _lock_out(data: Path) -> None:
    port, password = (data / "postgres.port").read_text(), (data / "secrets" / "postgres").read_text().strip()
    address = DatabaseAddress.at("127.0.0.1", int(port), user="postgres", password=password, database="headgate")
    with psycopg.connect(address.conninfo, autocommit=True) as owner:
        owner.execute(LOCK_OUT.encode())


def _recover(data: Path) -> str:
    command = [sys.executable, "-m", "headgate.cli.main", "--data", str(data), "recover"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return next(line.split()[2] for line in done.stdout.splitlines() if line.startswith("Sign in"))


def _recovered(base_url: str, link: str) -> None:
    headers = {"origin": base_url, "x-headgate-csrf": "1"}
    token = link.partition("#token=")[2]

    def signed_in() -> bool:
        answer = httpx2.post(f"{base_url}/api/session", json={"token": token}, headers=headers)
        return answer.status_code == 200

    assert until(signed_in, what="the link works: the worker hears of it within a moment")


def _logged(gate: RunningHeadgate, count: int) -> list[dict[str, Any]] | None:
    """The first records, oldest first, once they are in the log."""
    found: list[dict[str, Any]] = gate.api.call("GET", "/api/records")["records"]
    first = sorted((one for one in found if one["leaf_index"] is not None), key=lambda one: one["leaf_index"])
    return first[:count] if len(first) >= count else None
