"""What a start leaves in the ledger: the first key and the link that it printed, made like everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
        gate.apply(SHUT)
        (data / "admin.key").rename(tmp_path / "kept")
    with running_headgate(data, "--no-model") as gate:
        assert any("no first key was made" in line and "machine-lets-nobody-in" in line for line in gate.output)
        assert any("no link was made" in line and "people are let in by somebody else" in line for line in gate.output)
        assert not (data / "admin.key").exists()


def _logged(gate: RunningHeadgate, count: int) -> list[dict[str, Any]] | None:
    """The first records, oldest first, once they are in the log."""
    found: list[dict[str, Any]] = gate.api.call("GET", "/api/records")["records"]
    first = sorted((one for one in found if one["leaf_index"] is not None), key=lambda one: one["leaf_index"])
    return first[:count] if len(first) >= count else None
