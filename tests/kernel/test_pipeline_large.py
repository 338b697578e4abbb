"""Large content is labelled beside the event loop, small content on it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from headgate.kernel.action import Action
from headgate.kernel.content import Labelled
from headgate.testing.notes import send
from headgate.testing.pipeline import Bench
from headgate.testing.ports import FakeLabeller


class Watched(FakeLabeller):
    """Remembers on which thread it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def label(self, action: Action[Any, Any, Any]) -> Labelled:
        self.threads.append(threading.get_ident())
        return super().label(action)


@pytest.mark.parametrize(("size", "is_on_loop"), [(1000, True), (300_000, False)])
async def test_only_small_content_is_labelled_on_the_event_loop(size: int, is_on_loop: bool) -> None:
    labeller = Watched()
    await Bench(labeller=labeller).pipeline().run(send("x" * size))
    assert [thread == threading.get_ident() for thread in labeller.threads] == [is_on_loop]
