"""The compiled patterns' cache, and what happens to patterns that no engine can take."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.guard import Engine, builtin_detectors
from headgate.guard.prefilter import HyperscanPrefilter, prefilter
from headgate.kernel.detection import Detector, Pattern
from headgate.kernel.errors import Invalid

pytest.importorskip("hyperscan", reason="hyperscan has no wheel for this machine")

PATTERNS = [Pattern("one", r"ab[0-9]{2}\b"), Pattern("two", "CD", is_caseless=True)]


def cached(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_a_second_start_loads_what_the_first_compiled(tmp_path: Path) -> None:
    HyperscanPrefilter(PATTERNS, cache=tmp_path)
    written = cached(tmp_path).stat()
    assert HyperscanPrefilter(PATTERNS, cache=tmp_path).occurring(b"xx ab12 cd") == [0, 1]
    assert cached(tmp_path).stat().st_mtime_ns == written.st_mtime_ns


@pytest.mark.parametrize("damage", [b"", b"short", b"headgate-hyperscan-1\n" + b"\0" * 200])
def test_a_damaged_cache_is_compiled_anew(tmp_path: Path, damage: bytes) -> None:
    HyperscanPrefilter(PATTERNS, cache=tmp_path)
    cached(tmp_path).write_bytes(damage)
    assert HyperscanPrefilter(PATTERNS, cache=tmp_path).occurring(b"ab12") == [0]
    assert cached(tmp_path).read_bytes() != damage


def test_other_patterns_have_another_cache(tmp_path: Path) -> None:
    HyperscanPrefilter(PATTERNS, cache=tmp_path)
    HyperscanPrefilter(PATTERNS[:1], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert HyperscanPrefilter(PATTERNS, cache=tmp_path / "file" / "below").occurring(b"cD") == [1]


@pytest.mark.parametrize("matcher", ["hyperscan", "re2"])
def test_a_pattern_of_another_syntax_is_refused(matcher: str) -> None:
    with pytest.raises(Invalid):
        prefilter([Pattern("bad", r"(?<=a)b(")], matcher="re2" if matcher == "re2" else "hyperscan")


def test_threads_scan_at_the_same_time(detectors: Mapping[str, Detector]) -> None:
    engine = Engine(detectors)
    text = "filler text " * 2000 + "jane@example.org"
    kinds: list[list[str]] = []

    def scan() -> None:
        for _ in range(20):
            kinds.append([finding.kind for finding in engine.scan_text(text)])

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds == [["email"]] * 80


def test_installed_detectors_come_by_the_public_door() -> None:
    assert all(hasattr(detector, "judge") for detector in builtin_detectors().values())
