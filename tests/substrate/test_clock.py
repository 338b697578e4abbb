"""Ids: in order, of the specified form, and never twice."""

from __future__ import annotations

import time

import pytest

from headgate.substrate.clock import SystemIds, format_ulid

ALPHABET = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_ids_grow_and_never_repeat_however_fast_they_are_made() -> None:
    ids = SystemIds()
    made = [ids.ulid() for _ in range(50_000)]
    assert made == sorted(set(made))
    assert all(len(one) == 26 and set(one) <= ALPHABET for one in made)


@pytest.mark.parametrize("ms", [0, 1, 1_789_000_000_123, (1 << 48) - 1])
def test_an_id_begins_with_the_millisecond_in_which_it_was_made(monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: ms * 1_000_000)
    assert SystemIds().ulid()[:10] == format_ulid(ms << 80)[:10]


def test_ids_grow_though_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, now_s = SystemIds(), 1_789_000_000
    made: list[str] = []
    for back_s in range(100):
        monkeypatch.setattr(time, "time_ns", lambda back_s=back_s: (now_s - back_s) * 1_000_000_000)
        made.append(ids.ulid())
    assert made == sorted(set(made))


def test_a_millisecond_that_is_full_lends_from_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_789_000_000_000_000_000)
    ids = SystemIds()
    made = [ids.ulid() for _ in range(2_000)]
    assert made == sorted(set(made))
    assert 2 <= len({one[:10] for one in made}) <= 5


def test_processes_that_start_in_the_same_millisecond_make_different_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_789_000_000_000_000_000)
    made = [ids.ulid() for ids in (SystemIds() for _ in range(300)) for _ in range(20)]
    assert len(set(made)) == len(made)
