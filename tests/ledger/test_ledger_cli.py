"""`headgate ledger`: what an auditor sees, from the files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from headgate.ledger.checkpoint import Checkpoint, SigningKey, sign_checkpoint
from headgate.ledger.leaves import Leaf, encode_leaf
from headgate.ledger.log_keys import LogKeys
from headgate.ledger.tiles import TileFiles
from headgate.testing.command import Ended, run_command

IDS = [f"01KAM1V2P0000000000000{number:04d}" for number in range(600)]


UMBRELLA = ("--tenant", "umbrella", "--consistent-with")


def leaf(record_id: str, *, parent: str | None = None) -> bytes:
    return encode_leaf(
        Leaf(
            v=1,
            id=record_id,
            tenant="acme",
            parent=parent,
            opened_at="2026-11-21T22:30:00.000000Z",
            closed_at="2026-11-21T22:30:01.000000Z",
            verb="model.dispatch",
            principal="p_x",
            use_case="chat",
            resource="d:1",
            effect="allow",
            would="allow",
            outcome="done",
        )
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a log of 600 records of acme and one of 3 records of umbrella."""
    for tenant, ids in (("acme", IDS), ("umbrella", IDS[:3])):
        append(tmp_path / "data", tenant, ids)
    return tmp_path / "data"


def append(data: Path, tenant: str, ids: list[str], *, at: int = 0) -> None:
    """Append records to a tenant's log, and sign it."""
    keys = LogKeys(data / "secrets" / "ledger", public=data / "ledger")
    key = keys.signing_key(tenant, origin=f"headgate/{tenant}")
    files = TileFiles(data / "ledger" / tenant)
    parents = [None, *ids]
    head = files.append([leaf(i, parent=p) for i, p in zip(ids, parents, strict=False)], old_size=at)
    files.publish(sign_checkpoint(Checkpoint(f"headgate/{tenant}", head.size, head.root), key))


def append_more(data: Path, tenant: str, more: int) -> None:
    """Append further records to a log."""
    published = TileFiles(data / "ledger" / tenant).published()
    assert published is not None
    append(data, tenant, IDS[100 : 100 + more], at=published.size)


def keep_checkpoint(data: Path, folder: Path) -> Path:
    """Copy the head of umbrella's log to where an auditor keeps it."""
    return Path(shutil.copy(data / "ledger" / "umbrella" / "checkpoint", folder / "kept"))


def run(*arguments: str | Path) -> Ended:
    return run_command("ledger", *map(str, arguments))


def vkey(data: Path, tenant: str = "acme") -> str:
    return (data / "ledger" / f"{tenant}.vkey").read_text().strip()


def test_verify_says_of_every_log_what_it_is_and_no_more_than_can_be_said(data: Path) -> None:
    result = run("verify", "--data", data)
    assert result.exit_code == 0, result.output
    assert "acme: self-consistent, 600 entries checked" in result.output
    assert "umbrella: self-consistent, 3 entries checked" in result.output
    assert "size   600" in result.output
    assert vkey(data) in result.output
    assert "compare it with a copy kept elsewhere" in result.output


def test_verify_of_one_tenant_under_a_key_from_elsewhere_asks_for_nothing_more(data: Path) -> None:
    result = run("verify", "--data", data, "--tenant", "acme", "--key", vkey(data))
    assert result.exit_code == 0
    assert "umbrella" not in result.output
    assert "kept elsewhere" not in result.output


def test_a_changed_byte_is_named_with_file_leaf_and_place_and_the_exit_code_is_1(data: Path) -> None:
    path = data / "ledger" / "acme" / "tile" / "entries" / "001"
    changed = bytearray(path.read_bytes())
    changed[1000] ^= 1
    path.write_bytes(bytes(changed))
    result = run("verify", "--data", data)
    assert result.exit_code == 1
    assert "acme: faulty" in result.output
    assert "acme/tile/entries/001, leaf 259, byte" in result.output
    assert "umbrella: self-consistent" in result.output


def test_another_key_than_the_logs_makes_it_faulty(data: Path) -> None:
    other = SigningKey("headgate/acme", b"o" * 32).verifier.encode()
    result = run("verify", "--data", data, "--tenant", "acme", "--key", other)
    assert result.exit_code == 1
    assert "No given key of the log has signed" in result.output


@pytest.mark.parametrize("asked", [(), ("--tenant", "umbrella")])
def test_a_log_that_is_gone_is_missed_by_its_key(data: Path, asked: tuple[str, ...]) -> None:
    shutil.rmtree(data / "ledger" / "umbrella")
    result = run("verify", "--data", data, *asked)
    assert result.exit_code == 1, result.output
    assert "umbrella: faulty" in result.output
    assert "umbrella/checkpoint: is missing" in result.output
    assert ("acme: self-consistent" in result.output) == (not asked)


def test_where_every_log_is_gone_each_is_missed(data: Path) -> None:
    for tenant in ("acme", "umbrella"):
        shutil.rmtree(data / "ledger" / tenant)
    result = run("verify", "--data", data)
    assert (result.exit_code, result.output.count("is missing")) == (1, 2)


def test_a_log_that_has_just_begun_is_sound(data: Path) -> None:
    append(data, "fresh", [])
    result = run("verify", "--data", data, "--tenant", "fresh")
    assert result.exit_code == 0, result.output
    assert "fresh: self-consistent, 0 entries checked" in result.output


def test_a_log_continues_the_checkpoint_that_an_auditor_kept(data: Path, tmp_path: Path) -> None:
    kept = keep_checkpoint(data, tmp_path)
    for more in (0, 1, 400):
        append_more(data, "umbrella", more)
        result = run("verify", "--data", data, *UMBRELLA, kept)
        assert result.exit_code == 0, result.output
        assert f"holds  all 3 entries of {kept} unchanged" in result.output


def test_a_log_that_was_set_back_to_an_older_copy_of_everything_is_found_by_the_kept_checkpoint(
    data: Path, tmp_path: Path
) -> None:
    older = shutil.copytree(data, tmp_path / "older")
    append_more(data, "umbrella", 2)
    kept = keep_checkpoint(data, tmp_path)
    assert run("verify", "--data", older).exit_code == 0, "by itself it cannot be told"
    result = run("verify", "--data", older, *UMBRELLA, kept)
    assert result.exit_code == 1
    assert "holds 3 entries, the trusted one 5: cut back" in result.output
    assert "unchanged" not in result.output


@pytest.mark.parametrize("count", [3, 4])
def test_a_log_with_another_history_under_the_same_key_is_found_by_the_kept_checkpoint(
    data: Path, tmp_path: Path, count: int
) -> None:
    kept = keep_checkpoint(data, tmp_path)
    shutil.rmtree(data / "ledger" / "umbrella")
    append(data, "umbrella", IDS[100 : 100 + count])
    assert run("verify", "--data", data, "--tenant", "umbrella").exit_code == 0
    result = run("verify", "--data", data, *UMBRELLA, kept)
    assert result.exit_code == 1
    assert "does not continue the trusted one of 3 entries" in result.output


def test_a_kept_checkpoint_of_another_log_or_key_does_not_hold(data: Path, tmp_path: Path) -> None:
    kept = keep_checkpoint(data, tmp_path)
    (data / "bent").write_bytes(kept.read_bytes().replace(b"\n3\n", b"\n2\n"))
    for arguments in (("--tenant", "acme", "--consistent-with", kept), (*UMBRELLA, data / "bent")):
        result = run("verify", "--data", data, *arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "does not belong to this log" in result.stderr


@pytest.mark.parametrize("index", [0, 255, 256, 599])
def test_a_record_is_proved_by_its_id_and_a_stranger_checks_the_file(data: Path, tmp_path: Path, index: int) -> None:
    proof = tmp_path / "proof.json"
    made = run("prove", IDS[index], "--data", data, "-o", proof)
    assert made.exit_code == 0, made.output
    assert json.loads(proof.read_bytes())["leaf_index"] == index
    checked = run("check-proof", proof, "--key", vkey(data))
    assert checked.exit_code == 0, checked.output
    assert f"included: record {IDS[index]} is entry {index} of 600 in headgate/acme" in checked.output


def test_a_proof_under_its_own_key_is_called_self_consistent(data: Path, tmp_path: Path) -> None:
    run("prove", IDS[1], "--data", data, "--tenant", "umbrella", "-o", tmp_path / "p")
    checked = run("check-proof", tmp_path / "p")
    assert checked.exit_code == 0
    assert checked.output.startswith("self-consistent: record")
    assert "compare it with the operator's" in checked.output


def test_a_bent_proof_does_not_hold(data: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    run("prove", IDS[7], "--data", data, "-o", proof)
    told = json.loads(proof.read_bytes())
    told["leaf_index"] = 8
    proof.write_text(json.dumps(told))
    result = run("check-proof", proof, "--key", vkey(data))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "does not lead from the entry" in result.stderr


def test_a_proof_of_what_is_not_there_is_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    result = run("prove", "01KAM1V2P0000000000000ZZZZ", "--data", data, "-o", tmp_path / "p")
    assert (result.exit_code, result.stdout, (tmp_path / "p").exists()) == (4, "", False)
    assert result.stderr.startswith("headgate: No log has the record")


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "--data", "{data}/nothing"],
        ["verify", "--data", "{data}", "--tenant", "../secrets"],
        ["verify", "--data", "{data}", "--tenant", "nobody"],
        ["verify", "--data", "{data}", "--key", "x+00000000+AAAA"],
        ["verify", "--data", "{data}", "--tenant", "acme", "--key", "nonsense"],
        ["verify", "--data", "{data}", "--consistent-with", "{data}/ledger/acme/checkpoint"],
        ["verify", "--data", "{data}", "--tenant", "acme", "--consistent-with", "{data}/nothing"],
        ["prove", "short", "--data", "{data}"],
        ["check-proof", "{data}/no-such-file"],
        ["check-proof", "{data}/ledger/acme.vkey"],
    ],
)
def test_what_is_asked_wrongly_is_said_and_nothing_is_done(data: Path, arguments: list[str]) -> None:
    result = run(*(argument.format(data=data) for argument in arguments))
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr
