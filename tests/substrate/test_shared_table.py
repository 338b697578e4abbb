"""A bounded table that the processes of one machine share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headgate.substrate.shared_table import MOST_VALUE_BYTES, SharedTable


def key(number: int) -> bytes:
    return number.to_bytes(16)


def test_what_one_process_writes_another_reads_and_a_later_one_too(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "table"
    table = SharedTable(path, slots=64)
    script = (
        "import sys, pathlib; from headgate.substrate.shared_table import SharedTable;"
        "SharedTable(pathlib.Path(sys.argv[1]), slots=64).put((7).to_bytes(16), b'said', written_at=1)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=30)
    assert table.get(key(7)) == b"said"
    assert table.get(key(8)) is None
    table.close()
    assert SharedTable(path, slots=64).get(key(7)) == b"said"
    assert path.stat().st_mode & 0o077 == 0


def test_a_key_has_its_last_value(tmp_path: Path) -> None:
    table = SharedTable(tmp_path / "table", slots=8)
    table.put(key(1), b"long before", written_at=1)
    table.put(key(1), b"now", written_at=2)
    assert table.get(key(1)) == b"now"


def test_it_is_bounded_and_forgets_the_oldest(tmp_path: Path) -> None:
    table = SharedTable(tmp_path / "table", slots=8)
    for number in range(1, 13):
        table.put(key(number), b"%d" % number, written_at=number)
    assert [number for number in range(1, 13) if table.get(key(number))] == list(range(5, 13))
    assert (tmp_path / "table").stat().st_size == 4096


def test_a_value_that_was_torn_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "table"
    table = SharedTable(path, slots=8)
    table.put(key(1), b"confidentiality=restricted", written_at=1)
    raw = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(raw.index(b"restricted"))
        file.write(b"public....")
    assert table.get(key(1)) is None


def test_a_value_has_a_most_size(tmp_path: Path) -> None:
    table = SharedTable(tmp_path / "table", slots=8)
    table.put(key(1), b"x" * MOST_VALUE_BYTES, written_at=1)
    assert table.get(key(1)) == b"x" * MOST_VALUE_BYTES
    with pytest.raises(ValueError, match="at most"):
        table.put(key(2), b"x" * (MOST_VALUE_BYTES + 1), written_at=1)
