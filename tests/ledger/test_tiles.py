"""The files of a log: their names, crashes between any two steps, and what appending refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Conflict, Corrupt, Invalid, NotFound, TooLarge
from headgate.ledger.checkpoint import Checkpoint, SigningKey, sign_checkpoint
from headgate.ledger.layout import ENTRIES, TileName, right_edge, tile_at
from headgate.ledger.merkle import TreeHead, hash_leaves, root_at, root_of
from headgate.ledger.tiles import STAGING, TileFiles, TileReader, read_checkpoint
from headgate.ledger.verify import verify_log

P = ParamSpec("P")
R = TypeVar("R")
ORIGIN = "ledger.example.com/acme/eu"
KEY = SigningKey(ORIGIN, bytes(range(32)))


def entries_of(start: int, stop: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(start, stop)]


def note_of(head: TreeHead) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, head.size, head.root), KEY)


def grow(files: TileFiles, start: int, stop: int) -> TreeHead:
    head = files.append(entries_of(start, stop), old_size=start)
    files.publish(note_of(head))
    return head


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (TileName(0, 0), "tile/0/000"),
        (TileName(1, 1234067), "tile/1/x001/x234/067"),
        (TileName(0, 273, 112), "tile/0/273.p/112"),
        (TileName(ENTRIES, 1000, 1), "tile/entries/x001/000.p/1"),
        (TileName(63, 999), "tile/63/999"),
    ],
)
def test_tiles_lie_where_the_specification_puts_them(name: TileName, path: str) -> None:
    assert name.path == path
    assert TileName.parse(path) == name


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/1",
        "tile/0/x000/001",
        "tile/00/001",
        "tile/64/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001/002",
        "tile/0/x1/002",
        "tile/entries/",
        "tile/0/" + "x999/" * 9 + "999",
        "tile/0/٠٠١",
        "other/0/001",
    ],
)
def test_any_other_path_is_no_tile(path: str) -> None:
    assert TileName.parse(path) is None


def test_a_tree_of_seventy_thousand_has_the_partial_tiles_of_the_specification() -> None:
    assert list(right_edge(70_000)) == [TileName(2, 0, 1), TileName(1, 1, 17), TileName(0, 273, 112)]
    assert list(right_edge(256)) == [TileName(1, 0, 1)]
    assert list(right_edge(0)) == []
    assert tile_at(0, 274, 70_000) is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=5))
def test_batches_of_any_size_lead_to_the_same_root_and_a_sound_log(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int]
) -> None:
    files, size = TileFiles(tmp_path_factory.mktemp("log")), 0
    for batch in batches:
        size = grow(files, size, size + batch).size
    entries = entries_of(0, size)
    assert files.published() == Checkpoint(ORIGIN, size, root_of(hash_leaves(entries)))
    reader = TileReader(files.root, size)
    assert list(reader.entries()) == entries
    assert root_at(reader, size // 2) == root_of(hash_leaves(entries[: size // 2]))
    result = verify_log(files.root, keys=[KEY.verifier])
    assert (result.statement, result.faults, result.unsigned) == ("self-consistent", (), ())
    assert result.entries_checked == size


def test_a_log_with_three_levels_of_tiles_is_sound(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    head = files.append(entries_of(0, 66_000), old_size=0)
    files.publish(note_of(head))
    assert head.root == root_of(hash_leaves(entries_of(0, 66_000)))
    assert (tmp_path / "tile/2/000.p/1").stat().st_size == 32
    assert verify_log(tmp_path, keys=[KEY.verifier]).statement == "self-consistent"


def test_entries_are_read_from_anywhere_to_anywhere(tmp_path: Path) -> None:
    grow(TileFiles(tmp_path), 0, 600)
    reader = TileReader(tmp_path, 600)
    assert list(reader.entries(250, 520)) == entries_of(250, 520)
    assert reader.entry(599) == b"entry 599"
    with pytest.raises(NotFound):
        reader.entry(600)
    with pytest.raises(Invalid):
        reader.tile(0, 9)
    with pytest.raises(Invalid):
        reader.node(9, 1)


@pytest.mark.parametrize("size", [1, 256, 300, 512])
def test_a_new_process_goes_on_where_the_last_one_stopped(tmp_path: Path, size: int) -> None:
    grow(TileFiles(tmp_path), 0, size)
    head = grow(TileFiles(tmp_path), size, size + 1)
    assert head.root == root_of(hash_leaves(entries_of(0, size + 1)))


def test_partial_tiles_go_once_a_checkpoint_covers_the_full_one(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    grow(files, 0, 100)
    grow(files, 100, 200)
    assert (tmp_path / "tile/0/000.p/100").exists(), "a checkpoint was out for it"
    files.append(entries_of(200, 300), old_size=200)
    assert (tmp_path / "tile/0/000.p/200").exists(), "the checkpoint that is out still needs it"
    files.publish(note_of(TreeHead(300, root_of(hash_leaves(entries_of(0, 300))))))
    assert not (tmp_path / "tile/0/000.p").exists()
    assert not (tmp_path / "tile/entries/000.p").exists()
    assert not list((tmp_path / STAGING).iterdir())


def test_a_reader_of_an_older_size_makes_do_with_the_full_tile(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    old = grow(files, 0, 100)
    grow(files, 100, 300)
    reader = TileReader(tmp_path, 100)
    assert root_at(reader, 100) == old.root
    assert reader.bundle(0) == entries_of(0, 100)


class Crash(Exception):
    """The power went."""


@pytest.mark.fault
@pytest.mark.parametrize("step", range(24))
def test_a_crash_at_any_step_leaves_a_sound_log_that_the_same_call_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    grow(TileFiles(tmp_path / "log"), 0, 200)
    steps = iter(range(1_000))
    whole_replace, whole_fsync = Path.replace, os.fsync

    def until_the_crash(act: Callable[P, R]) -> Callable[P, R]:
        def perform(*args: P.args, **kwargs: P.kwargs) -> R:
            if next(steps) >= step:
                raise Crash
            return act(*args, **kwargs)

        return perform

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", until_the_crash(whole_replace))
        broken.setattr(os, "fsync", until_the_crash(whole_fsync))
        try:
            grow(TileFiles(tmp_path / "log"), 200, 530)
        except Crash:
            after = verify_log(tmp_path / "log", keys=[KEY.verifier])
            assert (after.statement, after.faults) == ("self-consistent", ())
            assert after.entries_checked in (200, 530)
    files = TileFiles(tmp_path / "log")
    if files.published() == Checkpoint(ORIGIN, 200, root_of(hash_leaves(entries_of(0, 200)))):
        grow(files, 200, 530)
    done = verify_log(tmp_path / "log", keys=[KEY.verifier])
    assert (done.statement, done.entries_checked) == ("self-consistent", 530)


def test_lost_files_come_back_byte_for_byte_from_the_entries(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    grow(files, 0, 700)
    before = tree(tmp_path)
    for path in ("tile/0/001", "tile/entries/002.p/188", "tile/1/000.p/2"):
        (tmp_path / path).unlink()
    batches = (entries_of(at, min(at + 256, 700)) for at in range(0, 700, 256))
    TileFiles(tmp_path).repair(batches)
    assert before.items() <= tree(tmp_path).items()
    assert verify_log(tmp_path, keys=[KEY.verifier]).statement == "self-consistent"


def test_what_a_checkpoint_covers_is_never_changed(tmp_path: Path) -> None:
    grow(TileFiles(tmp_path), 0, 300)
    before = tree(tmp_path)
    forged = [b"forged", *entries_of(1, 300)]
    with pytest.raises(Conflict, match="covered by the published checkpoint"):
        TileFiles(tmp_path).append(forged, old_size=0)
    assert tree(tmp_path) == before


def test_a_checkpoint_goes_out_only_over_tiles_that_are_there(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    head = files.append(entries_of(0, 10), old_size=0)
    with pytest.raises(Conflict):
        files.publish(note_of(TreeHead(10, bytes(32))))
    with pytest.raises(Corrupt):
        files.publish(note_of(TreeHead(11, bytes(32))))
    assert files.published() is None
    files.publish(note_of(head))
    assert read_checkpoint(tmp_path) == note_of(head)


def test_a_checkpoint_never_takes_entries_back(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    old = grow(files, 0, 10)
    grow(files, 10, 20)
    with pytest.raises(Conflict, match="would remove entries"):
        files.publish(note_of(old))


def test_appending_to_a_damaged_edge_is_refused(tmp_path: Path) -> None:
    grow(TileFiles(tmp_path), 0, 300)
    tile = tmp_path / "tile/0/001.p/44"
    tile.write_bytes(bytes(44 * 32))
    with pytest.raises(Corrupt, match="published root"):
        TileFiles(tmp_path).append([b"next"], old_size=300)
    tile.write_bytes(b"short")
    with pytest.raises(Corrupt, match="wrong length"):
        TileFiles(tmp_path).append([b"next"], old_size=300)
    tile.unlink()
    with pytest.raises(Corrupt, match="missing"):
        TileFiles(tmp_path).append([b"next"], old_size=300)
    tile.symlink_to("/dev/zero")
    with pytest.raises(Corrupt, match="not a plain file"):
        TileFiles(tmp_path).append([b"next"], old_size=300)


def test_a_bundle_cut_short_is_refused(tmp_path: Path) -> None:
    grow(TileFiles(tmp_path), 0, 3)
    bundle = tmp_path / "tile/entries/000.p/3"
    whole = bundle.read_bytes()
    for data in (whole[:-1], whole[: len(whole) // 3 * 2]):
        bundle.write_bytes(data)
        with pytest.raises(Corrupt):
            TileReader(tmp_path, 3).entry(0)


def test_an_unreadable_checkpoint_stops_all_writing(tmp_path: Path) -> None:
    files = TileFiles(tmp_path)
    grow(files, 0, 3)
    (tmp_path / "checkpoint").write_bytes(b"x" * 200_000)
    with pytest.raises(Corrupt):
        TileFiles(tmp_path).append([b"next"], old_size=0)


def test_an_entry_over_the_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    files = TileFiles(tmp_path / "log")
    with pytest.raises(TooLarge):
        files.append([b"fits", bytes(65_536)], old_size=0)
    assert not (tmp_path / "log").exists()
    assert files.append([b"", bytes(65_535)], old_size=0).size == 2
    assert TileReader(tmp_path / "log", 2).bundle(0) == [b"", bytes(65_535)]


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    grow(TileFiles(tmp_path / "log"), 0, 3)
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "log").rglob("*")}
    assert modes == {0}


def test_a_writer_that_was_overtaken_cannot_change_what_the_other_published(tmp_path: Path) -> None:
    overtaken = TileFiles(tmp_path)
    grow(overtaken, 0, 100)
    grow(TileFiles(tmp_path), 100, 200)
    with pytest.raises(Conflict):
        overtaken.append([b"forged"] * 100, old_size=100)
    head = overtaken.append(entries_of(100, 150), old_size=100)
    with pytest.raises(Conflict, match="would remove entries"):
        overtaken.publish(note_of(head))
    assert verify_log(tmp_path, keys=[KEY.verifier]).entries_checked == 200
