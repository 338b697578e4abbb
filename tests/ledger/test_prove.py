"""Proof bundles: checked offline, by us and by another project's Merkle code; nothing in them can be bent."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigstore._internal import merkle as independent

from headgate.kernel.errors import Corrupt, HeadgateError, Invalid, NotFound, TooLarge
from headgate.ledger.checkpoint import WITNESS, Checkpoint, SigningKey, sign_checkpoint
from headgate.ledger.prove import Bundle, check_bundle, check_tlog_proof, prove
from headgate.ledger.tiles import TileFiles

ORIGIN = "ledger.example.com/acme/eu"
KEY = SigningKey(ORIGIN, bytes(range(32)))
KEYS = [KEY.verifier]
WITNESS_KEY = SigningKey("witness.example.net/w1", bytes(range(1, 33)), kind=WITNESS)
SIZE = 777


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = TileFiles(tmp_path_factory.mktemp("prove") / "log")
    head = files.append([b"entry %d" % number for number in range(SIZE)], old_size=0)
    files.publish(sign_checkpoint(Checkpoint(ORIGIN, head.size, head.root), KEY))
    return files.root


@settings(max_examples=80, deadline=None)
@given(index=st.integers(0, SIZE - 1))
def test_every_entry_can_be_proved_to_a_stranger(log: Path, index: int) -> None:
    bundle = prove(log, index, keys=KEYS)
    checked = check_bundle(bundle.to_json(), keys=KEYS)
    assert (checked.entry, checked.leaf_index, checked.statement) == (b"entry %d" % index, index, "included")
    proof = [base64.b64decode(node) for node in bundle.inclusion_proof]
    inner, border = independent._decomp_inclusion_proof(index, SIZE)
    assert len(proof) == inner + border
    seed = independent._chain_inner(independent._hash_leaf(b"entry %d" % index), proof[:inner], index)
    assert independent._chain_border_right(seed, proof[inner:]) == checked.checkpoint.checkpoint.root


def test_the_bundle_says_what_it_is_and_how_to_check_it(log: Path) -> None:
    told = json.loads(prove(log, 3, keys=KEYS).to_json())
    assert (told["format"], told["version"], told["leaf_index"]) == ("headgate-inclusion-proof", 1, 3)
    assert told["verifier_key"] == KEY.verifier.encode()
    assert "RFC 9162" in told["how_to_check"]
    assert check_bundle(told, keys=KEYS).entry == b"entry 3"


def test_with_the_key_of_the_bundle_itself_it_is_only_self_consistent(log: Path) -> None:
    checked = check_bundle(prove(log, 3, keys=KEYS).to_json(), keys=None)
    assert (checked.key_is_from_bundle, checked.statement) == (True, "self-consistent")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_nothing_that_the_proof_rests_on_can_be_changed(log: Path, data: st.DataObject) -> None:
    told = json.loads(prove(log, 300, keys=KEYS).to_json())
    spot = data.draw(st.sampled_from(["leaf_index", "entry", "inclusion_proof", "checkpoint"]))
    match spot:
        case "leaf_index":
            told[spot] = data.draw(st.integers(-1, SIZE).filter(lambda index: index != 300))
        case "inclusion_proof":
            at = data.draw(st.integers(0, len(told[spot]) - 1))
            told[spot][at] = bend(told[spot][at], data)
        case _:
            told[spot] = bend(told[spot], data)
    with pytest.raises(HeadgateError) as caught:
        check_bundle(told, keys=KEYS)
    assert isinstance(caught.value, Corrupt | Invalid)


def bend(text: str, data: st.DataObject) -> str:
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda char: char != text[at]))
    return text[:at] + other + text[at + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"leaf_index": "3"},
        {"surprise": 1},
        {"entry": "!"},
        {"entry": base64.b64encode(bytes(65_536)).decode()},
        {"inclusion_proof": ["AAAA"]},
        {"inclusion_proof": [base64.b64encode(bytes(32)).decode()] * 64},
    ],
)
def test_what_is_no_bundle_is_refused_as_such(log: Path, change: dict[str, object]) -> None:
    told = json.loads(prove(log, 3, keys=KEYS).to_json())
    with pytest.raises(Invalid):
        check_bundle(json.dumps(told | change).encode(), keys=KEYS)


def test_a_bundle_of_another_key_or_with_none_is_refused(log: Path) -> None:
    bundle = prove(log, 3, keys=KEYS).to_json()
    with pytest.raises(Corrupt):
        check_bundle(bundle, keys=[SigningKey(ORIGIN, bytes(32)).verifier])
    with pytest.raises(Invalid):
        check_bundle(bundle, keys=[])
    with pytest.raises(TooLarge):
        check_bundle(bundle + b" " * 600_000, keys=KEYS)


def test_the_text_form_of_other_tools_is_written_and_read(log: Path) -> None:
    text = prove(log, 400, keys=KEYS).tlog_proof()
    lines = text.split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 400"]
    assert lines[lines.index("") + 1] == ORIGIN
    assert check_tlog_proof(text, entry=b"entry 400", keys=KEYS).statement == "included"
    extra = text.replace("\nindex", "\nextra b3BhcXVl\nindex", 1)
    assert check_tlog_proof(extra, entry=b"entry 400", keys=KEYS).leaf_index == 400
    with pytest.raises(Corrupt):
        check_tlog_proof(text, entry=b"entry 401", keys=KEYS)


@pytest.mark.parametrize(
    "text",
    ["", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex 01\n\n", "c2sp.org/tlog-proof@v2\nindex 1\n\nx"],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_tlog_proof(text, entry=b"", keys=KEYS)


def test_an_oversized_text_is_refused() -> None:
    with pytest.raises(TooLarge):
        check_tlog_proof("x" * 600_000, entry=b"", keys=KEYS)


def test_a_proof_says_when_a_witness_saw_the_log(log: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(log, tmp_path / "log")
    note = (copy / "checkpoint").read_bytes()
    body = note.decode().partition("\n\n")[0] + "\n"
    (copy / "checkpoint").write_bytes(note + WITNESS_KEY.cosign(body, time_s=7).encode())
    bundle: Bundle = prove(copy, 0, keys=KEYS)
    assert check_bundle(bundle.to_json(), keys=KEYS, witnesses=[WITNESS_KEY.verifier]).statement == "witnessed"


def test_a_damaged_log_gives_out_no_proof(log: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(log, tmp_path / "log")
    bundle = copy / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"entry 7\x00", b"entry 8\x00", 1))
    with pytest.raises(Corrupt, match="index 7"):
        prove(copy, 7, keys=KEYS)
    (copy / "checkpoint").unlink()
    with pytest.raises(Corrupt, match="no checkpoint"):
        prove(copy, 7, keys=KEYS)


@pytest.mark.parametrize("index", [-1, SIZE])
def test_an_entry_that_is_not_there_has_no_proof(log: Path, index: int) -> None:
    with pytest.raises(NotFound):
        prove(log, index, keys=KEYS)
