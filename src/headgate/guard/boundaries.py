"""Values that span two channels of one text, such as two text blocks of one answer.

A client shows the channels as one text, so half a card number in each is a card number. Items after
the boundary wait until it is scanned. Then the rest of a value moves to the channel of its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from headgate.guard.engine import Engine
from headgate.guard.pseudonyms import Book
from headgate.guard.restore import Restorer
from headgate.guard.spellings import spelled
from headgate.guard.windows import HELD, MOST_HELD, LabelWindow, RemovalWindow
from headgate.kernel.content import Finding
from headgate.wire.stream_strings import WHOLE_CHANNEL

_MOST_ITEMS = 1024
_ENDING = ("tool", WHOLE_CHANNEL)
"""Prefixes of channels that separate two texts, so that nobody reads them as one."""


class Channel:
    """The stages of one channel: first remove forbidden values, then restore pseudonyms."""

    __slots__ = ("restorer", "window")

    def __init__(self, window: LabelWindow | RemovalWindow, restorer: Restorer | None) -> None:
        self.window = window
        self.restorer = restorer

    def feed(self, text: str, *, is_last: bool) -> str:
        """Take the next piece; return the text to release now."""
        released = self.window.feed(text, is_last=is_last)
        return released if self.restorer is None else self.restorer.feed(released, is_last=is_last)

    @property
    def has_held(self) -> bool:
        """Whether text is held back."""
        return bool(self.window.held) or (self.restorer is not None and bool(self.restorer.held))


@dataclass(slots=True)
class Boundary:
    """The end of a channel's text, and the items after it.

    Args:
        run: the run of the channel.
        is_closed: whether the channel has ended.
        ahead: the text of the run's next channels.
        items: the waiting items, in order.
    """

    run: str
    name: str
    channel: Channel
    is_closed: bool
    ahead: str = ""
    chars_elsewhere: int = 0
    items: list[Any] = field(default_factory=list[Any])

    def add(self, item: Any) -> bool:
        """Take the next item; tell whether the run ends with it or continues elsewhere."""
        self.items.append(item)
        for name, text in item.slots:
            if not text:
                continue
            if name.startswith(_ENDING) or (name == self.name and not self.is_closed):
                return True
            if item.run(name) == self.run:
                self.ahead += text
            else:
                self.chars_elsewhere += len(text)
        if len(self.items) > _MOST_ITEMS or len(self.ahead) > MOST_HELD or self.chars_elsewhere > HELD:
            return True
        return item.ends_runs

    def crossing(self, engine: Engine, forbidden: frozenset[str], book: Book, *, is_last: bool) -> int | None:
        """Return how many characters ahead belong to a value before them; None if undecided yet."""
        window, restorer = self.channel.window, self.channel.restorer
        moved = 0
        if isinstance(window, RemovalWindow):
            if len(self.ahead) < HELD and not is_last:
                return None
            before = window.context + window.held
            for one in engine.scan_text(before + self.ahead):
                if one.category in forbidden and one.start < len(before) < one.end:
                    if one.end == len(before) + len(self.ahead) and not is_last:
                        return None
                    moved = max(moved, one.end - len(before))
        if restorer is not None:
            before = restorer.held + window.held
            for place in spelled(before + self.ahead, book, is_last=is_last):
                if place.start < len(before) and place.is_open:
                    return None
                if place.token is not None and place.start < len(before):
                    moved = max(moved, place.end - len(before))
        return moved


def mended(pieces: Sequence[str], book: Book, findings: Sequence[Finding]) -> list[str]:
    """Return the pieces of a text cut elsewhere: behind every finding and every token that was cut in two."""
    text = "".join(pieces)
    values = [(one.start, one.end) for one in findings]
    values += [(one.start, one.end) for one in spelled(text, book, is_last=True) if one.token is not None]
    cuts = [0]
    for edge in accumulate(map(len, pieces)):
        cuts.append(max((end for start, end in values if start < edge < end), default=edge))
    cuts = list(accumulate(cuts, max))
    return [text[start:end] for start, end in pairwise(cuts)]
