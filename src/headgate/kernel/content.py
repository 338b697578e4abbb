"""Content of payloads and streams: text segments that guard scans and edits in any wire format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from headgate.kernel.labels import BOTTOM, Labels

Origin = Literal["system", "user", "assistant", "tool", "schema", "parameter"]
"""Who wrote a segment: `schema` for tool and output definitions, `parameter` for every other string of a request."""


class Segment(NamedTuple):
    """One decoded string of a content, with its author. Its index in `segments()` is its name."""

    text: str
    origin: Origin


class Run(NamedTuple):
    """Segments that a model reads in sequence, by their indices in `segments()`, in order.

    Args:
        is_one_text: True for parts of one message, False for consecutive messages of one author.
    """

    segments: Sequence[int]
    is_one_text: bool


class Signed(NamedTuple):
    """A text and its signature, by their indices in `segments()`; an empty signature means none."""

    text: int
    signature: int


class Content(Protocol):
    """A payload that carries text. Implementations are immutable; `edit` returns another one.

    A new kind of content inherits from this class and writes `segments` and `edit`. The other
    methods have slow, safe defaults. A wire overrides them where its format allows a faster or more
    exact answer.
    """

    __slots__ = ()

    def segments(self) -> Sequence[Segment]:
        """Return *every* string in the content, including keys, in a stable order."""
        ...

    def edit(self, texts: Mapping[int, str]) -> Content:
        """Return the content with these segments replaced; all other bytes stay as they are."""
        ...

    def to_bytes(self) -> bytes:
        """Return the content as bytes in its wire format."""
        return json.dumps([(segment.origin, segment.text) for segment in self.segments()]).encode()

    def surface(self) -> bytes | None:
        """Return UTF-8 text that contains every segment whole, between non-word characters.

        The text may hold more, such as quotes and a wire's own keys. A value that is absent from
        the text is in no segment, so one scan of the text can spare the scan of the segments. None
        where this text costs as much to make as the segments.
        """
        return None

    def may_hold_tool_text(self) -> bool:
        """Tell faster than `segments` whether a tool may have written a segment; True when unsure.

        The label `untrusted` depends on it: labelling skips the walk over the segments only where
        this is False.
        """
        return True

    def runs(self) -> Sequence[Run]:
        """Return the runs: parts of one message, or messages that another wire may join."""
        return ()

    def spoken(self) -> Sequence[str]:
        """Return the model's own texts: those of the assistant's turns, or those of an answer."""
        return [segment.text for segment in self.segments() if segment.origin == "assistant"]

    def signed(self) -> Sequence[Signed]:
        """Return the signed texts of the assistant's turns; providers reject changed ones."""
        return ()

    def without_spelling(self) -> Content:
        """Return the content without log probabilities and token ids.

        They repeat the text in a form that the scanner cannot read.
        """
        return self

    @property
    def is_opaque(self) -> bool:
        """Whether it holds text outside its segments, such as text sent as token ids."""
        return False


@dataclass(frozen=True, slots=True)
class PlainText(Content):
    """Plain strings of a person, for payloads that have no wire format of their own."""

    texts: tuple[str, ...]

    def segments(self) -> Sequence[Segment]:
        """Return the strings."""
        return tuple(Segment(text, "user") for text in self.texts)

    def edit(self, texts: Mapping[int, str]) -> PlainText:
        """Return the content with some strings replaced."""
        return PlainText(tuple(texts.get(index, text) for index, text in enumerate(self.texts)))

    def to_bytes(self) -> bytes:
        """Return the strings, one a line."""
        return "\n".join(self.texts).encode()


@runtime_checkable
class NumberedContent(Content, Protocol):
    """Content that distinguishes numbers from strings."""

    def numbers(self) -> frozenset[int]:
        """Return the indices of the segments that are bare numbers."""
        ...

    def with_numbers(self, number_of: Callable[[str], str | None]) -> Content:
        """Return the content with bare numbers in place of strings in the input of tool calls.

        Args:
            number_of: returns the number for a pseudonym string; None for every other string.
        """
        ...


class Finding(NamedTuple):
    """A value that a detector found: characters `start` to `end` of one segment."""

    kind: str
    category: str
    segment: int
    start: int
    end: int
    confidence: float
    detector: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """The result of labelling an action's content: the joined labels, and the findings.

    `floor` is the part of the labels that masking cannot lower. It comes from the source, the use
    case and the caller.
    """

    labels: Labels = BOTTOM
    findings: tuple[Finding, ...] = ()
    floor: Labels = BOTTOM


class TextSlot(NamedTuple):
    """Text that a stream item adds to a channel, such as `content/0` or `tool/0/1`.

    The channel `other/PLACE` holds strings of unknown fields.
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
        """The texts of this item, in order; several slots of one channel form one text."""
        ...

    def edit(self, texts: Sequence[str]) -> StreamItem:
        """Return the item with its slots' texts replaced, one for one; all other bytes stay as they are."""
        ...

    def insert(self, slot: TextSlot) -> StreamItem:
        """Return a new item of the same stream with only `slot`, to be sent before this one."""
        ...

    @property
    def closes(self) -> Sequence[str]:
        """Channels that end with this item; `*` closes every channel."""
        return ()

    @property
    def ends_runs(self) -> bool:
        """Whether no text continues in another channel after this item."""
        return "*" in self.closes

    def run(self, channel: str) -> str | None:
        """Return the name of the run that a channel belongs to; None for a channel by itself."""
        return None

    def without_spelling(self) -> StreamItem:
        """Return the item without log probabilities and token ids.

        See `Content.without_spelling`.
        """
        return self
