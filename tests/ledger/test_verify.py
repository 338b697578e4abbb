"""Verifying from files: no byte changes unnoticed, and the file (and leaf) at fault is the one named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Invalid
from headgate.ledger.checkpoint import WITNESS, Checkpoint, SigningKey, sign_checkpoint
from headgate.ledger.merkle import hash_leaves, root_of
from headgate.ledger.tiles import TileFiles, read_checkpoint, read_file
from headgate.ledger.verify import MAX_FAULTS, Fault, Verification, verify_log

ORIGIN = "ledger.example.com/acme/eu"
KEY = SigningKey(ORIGIN, bytes(range(32)))
WITNESS_KEY = SigningKey("witness.example.net/w1", bytes(range(1, 33)), kind=WITNESS)
SIZE = 701  # full tiles, partial tiles, two levels


def entry(number: int) -> bytes:
    return b"entry %d" % number


def write_log(root: Path, *sizes: int) -> TileFiles:
    files = TileFiles(root)
    at = 0
    for size in sizes:
        head = files.append([entry(number) for number in range(at, size)], old_size=at)
        files.publish(sign_checkpoint(Checkpoint(ORIGIN, head.size, head.root), KEY))
        at = size
    return files


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "log"
    write_log(root, 600, SIZE)
    return root


@pytest.fixture
def copy(log: Path, tmp_path: Path) -> Path:
    return shutil.copytree(log, tmp_path / "log")


def verify(root: Path, **options: object) -> Verification:
    return verify_log(root, keys=[KEY.verifier], **options)  # pyright: ignore[reportArgumentType] - test shorthand


def faults_at(root: Path, path: str) -> list[Fault]:
    result = verify(root)
    assert result.statement == "faulty"
    return [fault for fault in result.faults if fault.path == path]


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def bend(path: Path, at: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


def leaf_of(data: bytes, at: int) -> int:
    """The entry of a bundle that byte `at` belongs to, its length prefix included."""
    number = end = 0
    while (end := end + 2 + int.from_bytes(data[end : end + 2], "big")) <= at:
        number += 1
    return number


def test_a_whole_log_is_self_consistent_and_no_more(log: Path) -> None:
    result = verify(log)
    assert (result.statement, result.faults, result.unsigned) == ("self-consistent", (), ())
    assert result.entries_checked == SIZE
    assert result.checkpoint is not None
    assert result.checkpoint.checkpoint.size == SIZE


def test_an_empty_log_verifies(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    head = files.append([], old_size=0)
    files.publish(sign_checkpoint(Checkpoint(ORIGIN, 0, head.root), KEY))
    assert verify(tmp_path).statement == "self-consistent"


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_changing_any_byte_of_any_file_is_found_in_that_file_and_no_other(log: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(log)))
    whole = (log / path).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    try:
        bend(log / path, at, data.draw(st.integers(1, 255)))
        result = verify(log)
    finally:
        (log / path).write_bytes(whole)
    assert result.statement == "faulty"
    assert {fault.path for fault in result.faults} == {path}
    if "entries" in path:
        bundle = int(path.partition("entries/")[2][:3])
        assert bundle * 256 + leaf_of(whole, at) in {fault.leaf_index for fault in result.faults}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cutting_or_lengthening_any_file_is_found_in_that_file(log: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files_of(log)))
    whole = (log / path).read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        (log / path).write_bytes(data.draw(st.sampled_from([whole[:cut], whole + b"\n", whole + whole])))
        result = verify(log)
    finally:
        (log / path).write_bytes(whole)
    assert {fault.path for fault in result.faults} == {path}


def test_a_missing_file_is_named(log: Path, tmp_path: Path) -> None:
    for number, path in enumerate(path for path in files_of(log) if ".p/88" not in path):
        copy = shutil.copytree(log, tmp_path / str(number))
        (copy / path).unlink()
        assert [fault.what for fault in faults_at(copy, path)] == ["is missing"]


def test_a_changed_entry_is_named_by_its_index_and_place(copy: Path) -> None:
    bundle = copy / "tile/entries/001"
    at = bundle.read_bytes().index(entry(300))
    bend(bundle, at + 3)
    (fault,) = verify(copy).faults
    assert (fault.path, fault.leaf_index, fault.byte_offset) == ("tile/entries/001", 300, at - 2)


def test_an_entry_swapped_together_with_its_leaf_hash_is_still_found(copy: Path) -> None:
    bundle, tile = copy / "tile/entries/000", copy / "tile/0/000"
    forged = bundle.read_bytes().replace(entry(100), b"entry 1OO")
    bundle.write_bytes(forged)
    leaves = hash_leaves([entry(number) if number != 100 else b"entry 1OO" for number in range(256)])
    tile.write_bytes(b"".join(leaves))
    assert [fault.leaf_index for fault in faults_at(copy, "tile/0/000")] == [0]
    (copy / "tile/1/000.p/2").write_bytes(root_of(leaves) + (copy / "tile/1/000.p/2").read_bytes()[32:])
    (fault,) = verify(copy).faults
    assert (fault.path, "signs a root that differs" in fault.what) == ("checkpoint", True)


def test_an_entry_and_its_leaf_hash_bent_differently_at_the_edge_are_both_named(copy: Path) -> None:
    (bundle,) = (copy / "tile/entries/002.p").glob(str(SIZE % 256))
    bend(bundle, 5)
    bend(copy / f"tile/0/002.p/{SIZE % 256}", 0)
    paths = {fault.path for fault in verify(copy).faults}
    assert {f"tile/0/002.p/{SIZE % 256}", f"tile/entries/002.p/{SIZE % 256}"} <= paths


def test_faults_in_several_files_are_each_named(copy: Path) -> None:
    bent = {"tile/0/001", "tile/entries/000", "tile/1/000.p/2"}
    for path in bent:
        bend(copy / path, 40)
    assert bent <= {fault.path for fault in verify(copy).faults}


@pytest.mark.parametrize("path", ["notes.txt", "tile/0/0", "tile/0/x000/001", "tile/entries/000.bak", ".staging"])
def test_a_file_that_belongs_to_no_log_is_a_fault(copy: Path, path: str) -> None:
    if path == ".staging":
        shutil.rmtree(copy / path)
    (copy / path).parent.mkdir(parents=True, exist_ok=True)
    (copy / path).write_bytes(b"x")
    assert [fault.what for fault in faults_at(copy, path)] == ["does not belong to a log"]


def test_links_are_never_followed(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes((copy / "tile/0/000").read_bytes())
    (copy / "tile/0/000").unlink()
    (copy / "tile/0/000").symlink_to(tmp_path / "elsewhere")
    (copy / "tile/linked").symlink_to(tmp_path)
    assert {(fault.path, fault.what) for fault in verify(copy).faults} == {
        ("tile/0/000", "is not a plain file"),
        ("tile/linked", "does not belong to a log"),
    }


def test_an_append_under_way_is_no_fault_but_is_listed(copy: Path) -> None:
    TileFiles(copy).append([entry(number) for number in range(SIZE, 900)], old_size=SIZE)
    (copy / ".staging/0").write_bytes(b"half a tile")
    result = verify(copy)
    assert (result.statement, result.faults) == ("self-consistent", ())
    assert set(result.unsigned) == {
        ".staging/0",
        "tile/0/002",
        "tile/0/003.p/132",
        "tile/1/000.p/3",
        "tile/entries/002",
        "tile/entries/003.p/132",
    }


def test_a_full_tile_stands_in_for_a_partial_one_that_is_gone(copy: Path) -> None:
    TileFiles(copy).append([entry(number) for number in range(SIZE, 900)], old_size=SIZE)
    shutil.rmtree(copy / "tile/0/002.p")
    shutil.rmtree(copy / "tile/entries/002.p")
    result = verify(copy)
    assert (result.statement, result.faults) == ("self-consistent", ())
    bend(copy / "tile/entries/002", 5)
    assert [fault.leaf_index for fault in verify(copy).faults] == [512]


def test_an_older_partial_tile_that_was_left_is_checked_too(copy: Path) -> None:
    for path in ("tile/0/002.p/88", "tile/entries/002.p/88"):
        whole = (copy / path).read_bytes()
        bend(copy / path, 33)
        (fault,) = verify(copy).faults
        assert fault.path == path
        assert fault.byte_offset == 33
        (copy / path).unlink()
        os.mkfifo(copy / path)
        assert [fault.what for fault in faults_at(copy, path)] == ["is not a plain file"]
        (copy / path).unlink()
        (copy / path).write_bytes(whole)


def test_a_log_continues_the_checkpoint_kept_from_earlier(tmp_path: Path) -> None:
    files = write_log(tmp_path, 300)
    kept = files.published()
    write_more = files.append([entry(number) for number in range(300, 400)], old_size=300)
    files.publish(sign_checkpoint(Checkpoint(ORIGIN, 400, write_more.root), KEY))
    assert verify(tmp_path, trusted=kept).statement == "self-consistent"


@pytest.mark.parametrize(
    ("trusted", "what"),
    [
        (Checkpoint(ORIGIN, 300, bytes(32)), "does not continue"),
        (Checkpoint(ORIGIN, SIZE + 1, bytes(32)), "cut back"),
        (Checkpoint("another.example.com", 300, bytes(32)), "is of the log"),
    ],
)
def test_a_log_that_was_rewritten_cut_back_or_swapped_is_found(log: Path, trusted: Checkpoint, what: str) -> None:
    (fault,) = verify(log, trusted=trusted).faults
    assert fault.path == "checkpoint"
    assert what in fault.what


def test_a_log_with_gaps_cannot_show_that_it_continues(copy: Path) -> None:
    (copy / "tile/0/000").unlink()
    result = verify(copy, trusted=Checkpoint(ORIGIN, 200, bytes(32)))
    assert any("cannot be compared" in fault.what for fault in result.faults)


def test_with_a_witness_it_is_more_than_self_consistent(copy: Path) -> None:
    note = read_checkpoint(copy)
    body = note.decode().partition("\n\n")[0] + "\n"
    (copy / "checkpoint").write_bytes(note + WITNESS_KEY.cosign(body, time_s=7).encode())
    assert verify(copy).statement == "self-consistent"
    result = verify(copy, witnesses=[WITNESS_KEY.verifier])
    assert result.statement == "witnessed"
    assert result.checkpoint is not None
    assert result.checkpoint.cosigned[0].time_s == 7


def test_without_a_checkpoint_nothing_is_believed(copy: Path) -> None:
    (copy / "checkpoint").unlink()
    result = verify(copy)
    assert (result.statement, result.is_complete) == ("faulty", False)
    assert result.faults == (Fault("checkpoint", "is missing"),)


def test_without_a_key_there_is_nothing_to_verify_with(log: Path) -> None:
    with pytest.raises(Invalid):
        verify_log(log, keys=[])


def test_verifying_stops_when_everything_is_gone(tmp_path: Path) -> None:
    tmp_path.joinpath("checkpoint").write_bytes(sign_checkpoint(Checkpoint(ORIGIN, 1 << 50, bytes(32)), KEY))
    result = verify(tmp_path)
    assert len(result.faults) == MAX_FAULTS
    assert (result.is_complete, result.statement) == (False, "faulty")


def test_progress_reaches_the_end(log: Path) -> None:
    seen: list[tuple[int, int]] = []

    def note(done: int, size: int) -> None:
        seen.append((done, size))

    verify(log, on_progress=note)
    assert seen == [(256, SIZE), (512, SIZE), (SIZE, SIZE)]


def test_a_live_log_may_remove_a_filled_tile_while_it_is_verified(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_after_removal(path: Path, *, limit: int) -> bytes:
        if path.name == "88":
            path.unlink()
        return read_file(path, limit=limit)

    monkeypatch.setattr("headgate.ledger.verify.read_file", read_after_removal)
    assert verify(copy).faults == ()
    assert not list(copy.rglob("88"))


def test_the_list_of_unsigned_files_is_bounded(copy: Path) -> None:
    for number in range(120):
        (copy / ".staging" / str(number)).write_bytes(b"")
    result = verify(copy)
    assert len(result.unsigned) == 100
    assert result.statement == "self-consistent"
