"""One action's content on its way out and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from headgate.guard.answers import MOST_CHARS
from headgate.guard.engine import Engine
from headgate.guard.masking import removed
from headgate.guard.pseudonyms import FRAME, Book, Entry
from headgate.guard.quotation import Quotation, is_json
from headgate.guard.restore import Restorer
from headgate.guard.windows import LabelWindow, RemovalWindow
from headgate.kernel.action import Carrier, is_carrier
from headgate.kernel.content import Finding, TextSlot
from headgate.kernel.labels import BOTTOM, EMPTY, UNSCANNED, Clearance, Labels
from headgate.kernel.record import Fact

T = TypeVar("T")

_FRAME = FRAME.encode()
_WORDS = "content/"
"""Channels that begin like this carry what a client sends back as the assistant's words."""

_THOUGHTS = "reasoning/"
"""Channels that begin like this carry what some providers sign."""

_KEPT = (_WORDS, _THOUGHTS)

_ARGUMENTS = "tool/"
"""Channels that begin like this carry pieces of JSON: the arguments of a tool call."""


@dataclass(frozen=True, slots=True)
class TransparentExchange:
    """The exchange of an action that does nothing by itself: what it runs is guarded there.

    Its output is labelled by those inner actions, so that it adds no label of its own.
    """

    payload: Any
    labels: Labels
    output_labels: Labels = BOTTOM
    is_transparent: bool = True
    facts: Mapping[str, Fact] = field(default_factory=dict[str, Fact])

    def item(self, item: Any) -> Sequence[Any]:
        """Return the item."""
        return (item,)

    def finish(self) -> Sequence[Any]:
        """Return nothing: nothing was held back."""
        return ()

    def result(self, result: Any) -> Any:
        """Return the result."""
        return result

    def closing_facts(self) -> Mapping[str, Fact]:
        """Return nothing."""
        return {}


class GuardExchange:
    """Masks on the way out, restores, removes and labels on the way back. Belongs to one task.

    Args:
        payload: what will be performed, masked.
        labels: what it is, after masking.
        book: the tokens in it.
        receiver: whoever gets what comes back.
        masked: how many values of each kind were masked.
    """

    is_transparent = False

    def __init__(
        self,
        payload: Any,
        labels: Labels,
        *,
        engine: Engine,
        book: Book,
        receiver: Clearance,
        masked: Mapping[str, int],
    ) -> None:
        self.payload = payload
        self.labels = labels
        self.output_labels = labels
        self.facts: Mapping[str, Fact] = {f"masked.{kind}": count for kind, count in sorted(masked.items())}
        self._engine = engine
        self._book = book
        self._receiver = receiver
        self._forbidden = _forbidden(labels, receiver, engine.categories)
        self._channels: dict[str, _Channel] = {}
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._last: Any = None
        self._said: dict[str, list[str]] = {}
        self._room_chars = self._room_for_thoughts_chars = MOST_CHARS
        self.remember: Callable[[Iterable[str], Labels], None] | None = None
        """Takes the texts that were released, with the labels of the answer, once it is over."""
        self._thoughts: dict[str, list[tuple[str, str]]] = {}
        self._has_found = False
        self.remember_thought: Callable[[str, str], None] | None = None
        """Takes a thought as it came and as it was released, where a client may have to give it back as it came."""

    def item(self, item: Any) -> Sequence[Any]:
        """Take one stream item; return what may be released now, in order."""
        if self._forbidden and hasattr(item, "without_spelling"):
            item = self._unspelled(item, item.without_spelling())
        slots: Sequence[TextSlot] = getattr(item, "slots", ())
        closes: Sequence[str] = getattr(item, "closes", ())
        if not slots and not closes:
            return (item,)
        self._last = item
        texts: list[str] = []
        is_changed = False
        for name, text in slots:
            released = self._channel(name).feed(text, is_last=name in closes or "*" in closes)
            is_changed = is_changed or released is not text
            texts.append(released)
            if self.remember is not None and name.startswith(_KEPT):
                self._say(name, text, released)
        if is_changed:
            item = item.edit(texts)
        return (*self._flushed(closes, except_for=slots), item) if closes else (item,)

    def finish(self) -> Sequence[Any]:
        """Release what was held back when the stream ended without closing its channels."""
        return self._flushed(("*",), except_for=())

    def result(self, result: Any) -> Any:
        """Take the whole result; return it restored, without what its receiver may not see."""
        if not is_carrier(result):
            return result
        came, result = result, self._seen(result)
        if self.remember is not None:
            for text, _ in came.content.signed() if self._has_found or _FRAME in came.content.to_bytes() else ():
                self._keep_thought(came.content.segments()[text].text, result.content.segments()[text].text)
            self.remember(result.content.spoken(), self.output_labels)
        return result

    def _seen(self, result: Carrier) -> Carrier:
        """Return the result restored, without what its receiver may not see."""
        if self._forbidden:
            content = result.content.without_spelling()
            result = self._unspelled(result, result.with_content(content) if content is not result.content else result)
        surface = result.content.surface()
        if self._engine.is_clean(surface) and not (self._book and surface is not None and _FRAME in surface):
            return result
        segments = result.content.segments()
        forbidden: dict[int, list[Finding]] = {}
        for finding in self._found(self._engine.scan_content(result.content)):
            forbidden.setdefault(finding.segment, []).append(finding)
        texts: dict[int, str] = {}
        for index, segment in enumerate(segments):
            text = segment.text
            if index in forbidden:
                text = removed(text, forbidden[index], quotation=Quotation() if is_json(text) else None)
            if self._book and FRAME in text:
                restorer = Restorer(self._book, may_see=self._may_see, is_json=is_json(text))
                text = restorer.feed(text, is_last=True)
            if text != segment.text:
                texts[index] = text
        return result.with_content(result.content.edit(texts)) if texts else result

    def _unspelled(self, before: T, after: T) -> T:
        """Count what was taken out, if anything: no removal reaches a value that is cut into tokens, or into bytes."""
        if after is not before:
            self._counts["removed.logprobs"] += 1
        return after

    def _say(self, channel: str, said: str, released: str) -> None:
        """Note words and thoughts of the answer, as long as there is room."""
        if channel.startswith(_WORDS):
            self._room_chars -= len(released)
            if self._room_chars >= 0:
                self._said.setdefault(channel, []).append(released)
        else:
            self._room_for_thoughts_chars -= len(said)
            if self._room_for_thoughts_chars >= 0:
                self._thoughts.setdefault(channel, []).append((said, released))

    def _keep_thought(self, said: str, shown: str) -> None:
        """Remember a thought in which there may be something to mask when it comes back."""
        if self.remember_thought is not None and (self._has_found or FRAME in said):
            self.remember_thought(said, shown)

    def closing_facts(self) -> Mapping[str, Fact]:
        """Return how many values were restored, left as tokens (`withheld`) and removed; remember what was said."""
        if self.remember is not None and self._said and self._room_chars >= 0:
            texts = ["".join(pieces) for pieces in self._said.values()]
            # A client of another wire gets all of it as one text.
            self.remember(texts if len(texts) < 2 else [*texts, "".join(texts)], self.output_labels)
            self._said.clear()
        if self._room_for_thoughts_chars >= 0:
            for pieces in self._thoughts.values():
                self._keep_thought("".join(said for said, _ in pieces), "".join(shown for _, shown in pieces))
            self._thoughts.clear()
        return dict(sorted(self._counts.items()))

    def _channel(self, name: str) -> _Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = self._new_channel(name)
        return channel

    def _new_channel(self, name: str) -> _Channel:
        is_json = True if name.startswith(_ARGUMENTS) else None
        window = (
            RemovalWindow(self._engine, self._found, is_json=is_json)
            if self._forbidden
            else LabelWindow(self._engine, self._found)
        )
        if not self._book:
            return _Channel(window, None)
        return _Channel(window, Restorer(self._book, may_see=self._may_see, is_json=is_json))

    def _flushed(self, closes: Sequence[str], *, except_for: Sequence[TextSlot]) -> list[Any]:
        """End the channels that close, and give what they still held as items of their own."""
        names = list(self._channels) if "*" in closes else [name for name in closes if name in self._channels]
        done = {slot.channel for slot in except_for}
        items: list[Any] = []
        for name in names:
            channel = self._channels.pop(name)
            if name in done:
                continue
            rest = channel.feed("", is_last=True)
            if rest:
                if self.remember is not None and name.startswith(_KEPT):
                    self._say(name, "", rest)
                items.append(self._last.insert(TextSlot(name, rest)))
        return items

    def _may_flow(self, category: str) -> bool:
        return self.labels.with_categories(frozenset((category,))).flows_to(self._receiver)

    def _may_see(self, entry: Entry, is_inside_url: bool) -> bool:
        """Decide on one token at the place where it goes to; what is seen raises the output's labels."""
        if entry.category is None:
            return True
        if is_inside_url or not self._may_flow(entry.category):
            self._counts[f"withheld.{entry.kind}"] += 1
            return False
        self._counts[f"restored.{entry.kind}"] += 1
        self.output_labels = self.output_labels.with_categories(frozenset((entry.category,)))
        return True

    def _found(self, findings: Sequence[Finding]) -> list[Finding]:
        """Label the output by what was found in it; return what has to be removed instead."""
        forbidden: list[Finding] = []
        raised = EMPTY
        # Media in an answer are its model's, and no scan looks at those that stand by themselves either.
        findings = [finding for finding in findings if finding.category != UNSCANNED]
        self._has_found = self._has_found or bool(findings)
        for finding in findings:
            if finding.category in self._forbidden:
                forbidden.append(finding)
                self._counts[f"removed.{finding.kind}"] += 1
            else:
                raised |= {finding.category}
        self.output_labels = self.output_labels.with_categories(raised)
        return forbidden


class _Channel:
    """One channel's way: what may not be seen is removed first, then tokens are restored."""

    __slots__ = ("_restorer", "_window")

    def __init__(self, window: LabelWindow | RemovalWindow, restorer: Restorer | None) -> None:
        self._window = window
        self._restorer = restorer

    def feed(self, text: str, *, is_last: bool) -> str:
        released = self._window.feed(text, is_last=is_last)
        return released if self._restorer is None else self._restorer.feed(released, is_last=is_last)


@lru_cache(maxsize=1024)
def _forbidden(labels: Labels, receiver: Clearance, categories: frozenset[str]) -> frozenset[str]:
    """Return the categories that content of these labels may not have for the receiver; calls repeat a few of them."""
    return frozenset(c for c in categories if not labels.with_categories(frozenset((c,))).flows_to(receiver))
