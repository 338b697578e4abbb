"""What a new kind of stream item gets without declaring it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.kernel.content import StreamItem, TextSlot


@dataclass(frozen=True)
class Line(StreamItem):
    """An item with one text, that declares the least."""

    text: str

    @property
    def slots(self) -> Sequence[TextSlot]:
        return (TextSlot("line", self.text),)

    def edit(self, texts: Sequence[str]) -> StreamItem:
        return Line(texts[0])

    def insert(self, slot: TextSlot) -> StreamItem:
        return Line(slot.text)


def test_an_item_that_declares_no_channels_ends_none_joins_none_and_hides_nothing() -> None:
    item = Line("hello")
    assert (tuple(item.closes), item.ends_runs, item.run("line")) == ((), False, None)
    assert item.without_spelling() is item
