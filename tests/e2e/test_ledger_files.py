"""What the ledger's files prove by themselves: the server is down and its database is gone."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sigstore._internal import merkle as independent

from headgate.testing.command import Ended, run_command
from headgate.testing.lab import open_lab

pytestmark = pytest.mark.e2e

SEED = 20_261_121
CALLS = 40
PROMPT = "Please write to anna.weber@example.org about the card 4111 1111 1111 1111."


class Archive(NamedTuple):
    """What is left: a data folder without a database, and the records that were made."""

    data: Path
    records: list[str]

    @property
    def log(self) -> Path:
        """The tenant's log."""
        return self.data / "ledger" / "default"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    data = tmp_path_factory.mktemp("ledger") / "data"
    records: list[str] = []
    with open_lab(data, "--no-model") as lab, lab.http() as client:
        for number in range(CALLS):
            model = "cloud" if number % 2 else "onprem"
            body = {"model": model, "messages": [{"role": "user", "content": f"{PROMPT} {number}"}]}
            records.append(client.post("/v1/chat/completions", json=body).headers["x-headgate-record"])
        with lab.http(lab.claims) as other:
            refused = other.post("/v1/chat/completions", json={"model": "cloud", "messages": []})
            assert refused.status_code >= 400
        for record in records:
            lab.record(record, logged=True)
        assert lab.gate.stop() == 0
    shutil.rmtree(data / "postgres")
    yield Archive(data, records)


def _headgate(archive: Archive, *words: str) -> Ended:
    """Run the command on the archive, in this process: there is nothing else to talk to."""
    return run_command("--data", str(archive.data), *words)


def _files(archive: Archive) -> list[Path]:
    return sorted(path for path in archive.log.rglob("*") if path.is_file())


def test_the_log_verifies_from_its_files_alone(archive: Archive) -> None:
    found = _headgate(archive, "ledger", "verify")
    assert found.exit_code == 0, found.output
    assert "self-consistent" in found.output
    checked = re.search(r"(\d+) entries checked", found.output)
    assert checked is not None
    assert int(checked[1]) >= len(archive.records)


def test_the_command_verifies_in_a_process_of_its_own(archive: Archive) -> None:
    command = [sys.executable, "-m", "headgate.cli.main", "--data", str(archive.data), "ledger", "verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": ""})
    assert (done.returncode, done.stderr) == (0, "")
    assert "self-consistent" in done.stdout


def test_every_record_of_the_traffic_is_in_the_log_with_its_dispatch(archive: Archive) -> None:
    entries = b"".join(path.read_bytes() for path in _files(archive) if "entries" in path.parts)
    assert all(record.encode() in entries for record in archive.records)
    for secret in (b"anna.weber", b"4111 1111", b"Please write"):
        assert secret not in entries, "a log holds no content"


def test_one_changed_byte_in_any_file_is_found_and_the_file_named(archive: Archive) -> None:
    chance = random.Random(SEED)
    files = _files(archive)
    assert len(files) >= 3
    for path in files:
        whole = path.read_bytes()
        bent = bytearray(whole)
        bent[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        try:
            path.write_bytes(bent)
            found = _headgate(archive, "ledger", "verify")
        finally:
            path.write_bytes(whole)
        assert found.exit_code == 1, path
        assert path.relative_to(archive.data / "ledger").as_posix() in found.output
    assert _headgate(archive, "ledger", "verify").exit_code == 0


def test_a_missing_file_is_named(archive: Archive) -> None:
    for path in _files(archive):
        kept = path.with_name(path.name + ".kept")
        path.rename(kept)
        try:
            found = _headgate(archive, "ledger", "verify")
        finally:
            kept.rename(path)
        assert found.exit_code == 1, path
        assert path.name in found.output


def test_a_record_proves_itself_to_whoever_has_the_log_key(archive: Archive, tmp_path: Path) -> None:
    target = tmp_path / "proof.json"
    proved = _headgate(archive, "ledger", "prove", archive.records[7], "--output", str(target))
    assert proved.exit_code == 0, proved.output
    bundle = json.loads(target.read_text())
    checked = _headgate(archive, "ledger", "check-proof", str(target), "--key", bundle["verifier_key"])
    assert checked.exit_code == 0
    assert checked.output.startswith(f"included: record {archive.records[7]} ")
    bundle["entry"] = base64.b64encode(b"x" + base64.b64decode(bundle["entry"])[1:]).decode()
    target.write_text(json.dumps(bundle))
    assert _headgate(archive, "ledger", "check-proof", str(target)).exit_code == 1


def test_another_projects_code_accepts_the_proofs(archive: Archive, tmp_path: Path) -> None:
    """Nothing of ours takes part in checking: RFC 6962 hashing of another project, and a signature by hand."""
    for number, record in enumerate(archive.records[::8]):
        target = tmp_path / f"{number}.json"
        assert _headgate(archive, "ledger", "prove", record, "--output", str(target)).exit_code == 0
        bundle = json.loads(target.read_text())
        size, root = _signed_head(bundle["checkpoint"], bundle["verifier_key"])
        entry, index = base64.b64decode(bundle["entry"]), bundle["leaf_index"]
        assert record.encode() in entry
        proof = [base64.b64decode(node) for node in bundle["inclusion_proof"]]
        inner, border = independent._decomp_inclusion_proof(index, size)
        assert len(proof) == inner + border
        seed = independent._chain_inner(independent._hash_leaf(entry), proof[:inner], index)
        assert independent._chain_border_right(seed, proof[inner:]) == root


def _signed_head(note: str, verifier_key: str) -> tuple[int, bytes]:
    """Verify a signed note as c2sp.org/signed-note describes it; size and root of the tree."""
    text, _, signatures = note.partition("\n\n")
    name, key_id, encoded = verifier_key.split("+", 2)
    key = base64.b64decode(encoded)
    assert hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id
    assert key[0] == 1, "Ed25519"
    line = next(line for line in signatures.splitlines() if line.startswith(f"— {name} "))
    signature = base64.b64decode(line.rsplit(" ", 1)[1])
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], text.encode() + b"\n")
    origin, size, root = text.split("\n")[:3]
    assert origin == name
    return int(size), base64.b64decode(root)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ledger", "prove", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        (("ledger", "prove", "../../etc/passwd"), ""),
        (("ledger", "verify", "--tenant", "nobody"), "no log"),
        (("ledger", "verify", "--tenant", "../default"), "no log"),
        (("ledger", "check-proof", "nowhere.json"), "nowhere.json"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_line(archive: Archive, words: tuple[str, ...], says: str) -> None:
    found = _headgate(archive, *words)
    assert found.exit_code in (4, 5)
    assert says in found.output
    assert "Traceback" not in found.output
