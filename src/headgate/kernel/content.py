"""Content that flows: text in segments that guard can scan and edit on any wire, and what was found in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from headgate.kernel.labels import BOTTOM, Labels

Origin = Literal["system", "user", "assistant", "tool", "schema", "parameter"]
"""Who wrote a segment: `schema` for tool and output definitions, `parameter` for every other string of a request."""


class Segment(NamedTuple):
    """One string of a content, decoded, with whoever wrote it. Its index in `segments()` is its name."""

    text: str
    origin: Origin


class Run(NamedTuple):
    """Segments that a model reads one after the other, by their indices in `segments()`, in order.

    Args:
        is_one_text: whether they are parts of one message; else they are messages of one author in a row.
    """

    segments: Sequence[int]
    is_one_text: bool


class Signed(NamedTuple):
    """A text and the signature over it, by their indices in `segments()`; with an empty signature it is unsigned."""

    text: int
    signature: int


class Content(Protocol):
    """A payload that carries text. Implementations are immutable; `edit` returns another one.

    A new kind of content inherits from this class and writes `segments` and `edit`. The other methods have defaults
    that are slow and safe; a wire overrides them where its format tells more, or tells it faster.
    """

    __slots__ = ()

    def segments(self) -> Sequence[Segment]:
        """Return *every* string in the content, keys included, in one stable order."""
        ...

    def edit(self, texts: Mapping[int, str]) -> Content:
        """Return the content with the segments of these indices replaced; all other bytes stay as they are."""
        ...

    def to_bytes(self) -> bytes:
        """Return the content as it goes over the wire."""
        return json.dumps([(segment.origin, segment.text) for segment in self.segments()]).encode()

    def surface(self) -> bytes | None:
        """Return UTF-8 text in which every segment stands whole, between characters that are no part of a word.

        More may stand in it, such as quotes and a wire's own keys. A value that is not found in it is in no segment;
        where one is found, the segments tell which. None where making it would cost as much as the segments.
        """
        return None

    def may_hold_tool_text(self) -> bool:
        """Tell, faster than `segments`, whether a tool may have written one of them. True where that is not certain.

        The label `untrusted` rests on it: only where this is False is content labelled without a walk over its
        segments.
        """
        return True

    def runs(self) -> Sequence[Run]:
        """Return what is read in one go: the parts of a message, and messages that another wire may put together."""
        return ()

    def spoken(self) -> Sequence[str]:
        """Return what the model said: the texts of the assistant's turns, or those of an answer."""
        return [segment.text for segment in self.segments() if segment.origin == "assistant"]

    def signed(self) -> Sequence[Signed]:
        """Return what of the assistant's turns its provider has signed, and takes back as it gave it or not at all."""
        return ()

    def without_spelling(self) -> Content:
        """Return the content without what spells its text once more, token by token, where no scan can read it."""
        return self

    @property
    def is_opaque(self) -> bool:
        """Whether it holds text that is in none of its segments, for it came as tokens."""
        return False


@runtime_checkable
class NumberedContent(Content, Protocol):
    """A content that knows numbers from strings."""

    def numbers(self) -> frozenset[int]:
        """Return the indices of the segments that are bare numbers."""
        ...

    def with_numbers(self, number_of: Callable[[str], str | None]) -> Content:
        """Return the content with bare numbers in place of strings in the input of tool calls.

        Args:
            number_of: the number that a string stands for; None for every other string.
        """
        ...


class Finding(NamedTuple):
    """Something that a detector recognised: characters `start` to `end` of one segment."""

    kind: str
    category: str
    segment: int
    start: int
    end: int
    confidence: float
    detector: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """What labelling says of an action's content: its joined labels, and what was found where.

    `floor` is the part of the labels that no masking can lower: it comes from the source, the use case and the caller.
    """

    labels: Labels = BOTTOM
    findings: tuple[Finding, ...] = ()
    floor: Labels = BOTTOM


class TextSlot(NamedTuple):
    """Text that a stream item adds to a channel, such as `content/0` or `tool/0/1`.

    `other/PLACE` is for strings of which the wire does not say what they are.
    """

    channel: str
    text: str


class StreamItem(Protocol):
    """An item of a stream that carries text in channels. Implementations are immutable.

    A new kind of item that inherits from this class writes `slots`, `edit` and `insert`.
    """

    __slots__ = ()

    @property
    def slots(self) -> Sequence[TextSlot]:
        """The text that this item carries, in order; several slots of one channel are one text."""
        ...

    def edit(self, texts: Sequence[str]) -> StreamItem:
        """Return the item with its slots' texts replaced, one for one; all other bytes stay as they are."""
        ...

    def insert(self, slot: TextSlot) -> StreamItem:
        """Return a new item of the same stream that carries only `slot`, to be sent before this one."""
        ...

    @property
    def closes(self) -> Sequence[str]:
        """Channels that get no more text after this item; `*` closes every channel."""
        return ()

    @property
    def ends_runs(self) -> bool:
        """Whether no channel's text goes on in another one after this item."""
        return "*" in self.closes

    def run(self, channel: str) -> str | None:
        """Return the name of the text that a channel is a part of; None where it is a text by itself."""
        return None

    def without_spelling(self) -> StreamItem:
        """Return the item without what spells its text once more, token by token, where no scan can read it."""
        return self
