"""The exchange: masks the content of one action, and restores and labels its results."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from headgate.guard.answers import MOST_CHARS
from headgate.guard.boundaries import Boundary, Channel, mended
from headgate.guard.engine import Engine
from headgate.guard.keeping import RecordMasker
from headgate.guard.masking import removed
from headgate.guard.pseudonyms import FRAME, Book, Entry
from headgate.guard.quotation import Quotation, is_json
from headgate.guard.restore import Answers, Restorer, is_number
from headgate.guard.sent_urls import SentUrls
from headgate.guard.spellings import BEGINNING, spelled
from headgate.guard.windows import LabelWindow, RemovalWindow
from headgate.kernel.action import Carrier, is_carrier
from headgate.kernel.content import Finding, NumberedContent, TextSlot
from headgate.kernel.labels import BOTTOM, EMPTY, UNSCANNED, Clearance, Labels
from headgate.kernel.record import Fact

T = TypeVar("T")

_FRAME = FRAME.encode()
_MARK = re.compile(rb"[hH][gG]")
"""Occurs in every surface with a pseudonym, in any spelling."""
_WORDS = "content/"
"""The prefix of channels with answer text, which a client sends back as the assistant's."""

_THOUGHTS = "reasoning/"
"""The prefix of channels with reasoning, which some providers sign."""

_KEPT = (_WORDS, _THOUGHTS)

_OBJECT = "object/"
"""The prefix of channels with strings of complete objects, such as citations."""

_AT_ONCE = (_OBJECT, "other/whole/", "tool_name/")
"""Prefixes of channels whose text is complete in one item."""

_MOST_OBJECTS = 256

_UNREAD = frozenset({UNSCANNED})

_ARGUMENTS = "tool/"
"""The prefix of channels with pieces of JSON: the arguments of a tool call."""


@dataclass(frozen=True, slots=True)
class TransparentExchange:
    """The exchange of a plan: each of its nested actions has an exchange of its own.

    The nested actions label the output, so this exchange adds no label.
    """

    payload: Any
    labels: Labels
    output_labels: Labels = BOTTOM
    is_transparent: bool = True
    facts: Mapping[str, Fact] = field(default_factory=dict[str, Fact])
    keeper: None = None

    def item(self, item: Any) -> Sequence[Any]:
        """Return the item."""
        return (item,)

    def finish(self) -> Sequence[Any]:
        """Return nothing: this exchange holds nothing back."""
        return ()

    def result(self, result: Any) -> Any:
        """Return the result."""
        return result

    def closing_facts(self) -> Mapping[str, Fact]:
        """Return nothing."""
        return {}


class GuardExchange:
    """Masks the payload; restores, removes and labels values in results. Belongs to one task.

    Args:
        payload: the masked payload.
        labels: of the masked payload.
        book: the pseudonyms in it.
        receiver: the clearance of the principal that receives the result.
        masked: the number of masked values by kind.
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
        self._channels: dict[str, Channel] = {}
        self._words: dict[str, str] = {}
        self._word = ""
        self._labelled: dict[str, LabelWindow] = {}
        self._boundary: Boundary | None = None
        self._skipped: dict[str, int] = {}
        self._objects: list[Any] = []
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._last: Any = None
        self._sent: SentUrls | None = None
        self._answers = Answers(self._may_see, self._sent_urls, self._tell_altered)
        self._said: dict[str, list[str]] = {}
        self._room_chars = self._room_for_thoughts_chars = MOST_CHARS
        self.remember: Callable[[Iterable[str], Labels], None] | None = None
        """Callback at the end of the answer, with the released texts and the answer's labels."""
        self._thoughts: dict[str, list[tuple[str, str]]] = {}
        self._has_found = False
        self.keeper: RecordMasker | None = None
        """As `Exchange.keeper`."""
        self.remember_thought: Callable[[str, str], None] | None = None
        """Callback with the original and the released form of a possibly signed reasoning text."""

    def item(self, item: Any) -> Sequence[Any]:
        """Take one stream item; return the items to release now, in order."""
        if self._forbidden and hasattr(item, "without_spelling"):
            item = self._unspelled(item, item.without_spelling())
        slots: Sequence[TextSlot] = getattr(item, "slots", ())
        closes: Sequence[str] = getattr(item, "closes", ())
        if self._boundary is not None:
            return self._wait(self._boundary, item)
        if not slots and not closes:
            if getattr(item, "is_opaque", False):
                self.output_labels = self.output_labels.with_categories(_UNREAD)
            return (item,)
        if slots and closes and slots[0].channel.startswith(_OBJECT) and (self._book or self._forbidden):
            held = self._gathered(item)
            if held is not None:
                return held
        if self._objects and closes and not all(name.startswith(_AT_ONCE) for name in closes):
            return [*self._objects_released(), *self.item(item)]
        self._last = item
        if slots[1:] and (self._book or self._forbidden) and len(parts := _parts(item)) > 1:
            return [out for part in parts for out in self.item(part)]
        texts: list[str] = []
        is_changed = False
        for at, (name, text) in enumerate(slots, 1):
            if name != self._word and text and hasattr(item, "run"):
                boundary = self._switched(item.run(name), name)
                if boundary is not None:
                    return self._wait(boundary, item)
            is_last = bool(closes) and (name in closes or "*" in closes)
            if is_last and len(slots) > 1:
                is_last = not any(slot.channel == name for slot in slots[at:])
            said = text if not self._skipped else self._unmoved(item, name, text)
            released = self._channel(name).feed(said, is_last=is_last)
            is_changed = is_changed or released is not text
            texts.append(released)
            if self.remember is not None and name.startswith(_KEPT):
                self._say(name, text, released)
        if closes and not slots and (boundary := self._left_open(item, closes)) is not None:
            return self._wait(boundary, item)
        if is_changed:
            item = item.edit(texts)
        return (*self._flushed(closes, except_for=slots), item) if closes else (item,)

    def finish(self) -> Sequence[Any]:
        """Return the items still held back when the stream ended without closing its channels."""
        items: list[Any] = []
        while self._boundary is not None:
            items += self._passed(self._boundary, is_last=True) or ()
        return [*items, *self._objects_released(), *self._flushed(("*",), except_for=())]

    def _gathered(self, item: Any) -> Sequence[Any] | None:
        """Hold an item with only complete objects until the last of them; None for other items."""
        if not all(slot.channel.startswith(_OBJECT) for slot in item.slots):
            return None
        if getattr(item, "stop_reason", None) is not None:
            return None
        self._objects.append(item)
        return self._objects_released() if len(self._objects) >= _MOST_OBJECTS else ()

    def _objects_released(self) -> Sequence[Any]:
        """Release the held objects; the same field of all objects is guarded as one text."""
        items, self._objects = self._objects, []
        texts = [[slot.text for slot in item.slots] for item in items]
        places: dict[str, list[tuple[int, int]]] = {}
        for at, item in enumerate(items):
            for index, slot in enumerate(item.slots):
                places.setdefault(slot.channel, []).append((at, index))
        for name, spots in places.items():
            said = [texts[at][index] for at, index in spots]
            found = self._engine.scan_text("".join(said)) if self._forbidden else ()
            pieces = mended(said, self._book, [one for one in found if one.category in self._forbidden])
            for (at, index), piece in zip(spots, pieces, strict=True):
                texts[at][index] = self._new_channel(name).feed(piece, is_last=True)
        return [item.edit(said) for item, said in zip(items, texts, strict=True)]

    def _switched(self, run: str | None, name: str) -> Boundary | None:
        """Take the first text of another channel; return the boundary before it if text is held."""
        if run is None:
            return None
        previous = self._words.get(run)
        self._enter(run, name)
        channel = self._channels.get(previous) if previous not in (None, name) else None
        if previous is None or channel is None or not channel.has_held:
            return None
        return Boundary(run, previous, channel, is_closed=False)

    def _enter(self, run: str, name: str) -> None:
        """Note that a run continues in this channel, so that values across the cut are labelled."""
        self._words[run] = self._word = name
        window = None if self._forbidden else self._channel(name).window
        if isinstance(window, LabelWindow):
            before = self._labelled.get(run)
            if before is not None and before is not window:
                window.follow(before.recent)
            self._labelled[run] = window

    def _left_open(self, item: Any, closes: Sequence[str]) -> Boundary | None:
        """Return the boundary after a channel that the item closes, if its text may continue."""
        if not hasattr(item, "run") or item.ends_runs:
            return None
        for name in closes:
            channel = self._channels.get(name)
            if channel is not None and channel.has_held and (run := item.run(name)) is not None:
                return Boundary(run, name, channel, is_closed=True)
        return None

    def _wait(self, boundary: Boundary, item: Any) -> Sequence[Any]:
        self._boundary = boundary
        return self._passed(boundary, is_last=boundary.add(item)) or ()

    def _passed(self, boundary: Boundary, *, is_last: bool) -> Sequence[Any] | None:
        """Release the items at a boundary; None while its scan is undecided."""
        moved = boundary.crossing(self._engine, self._forbidden, self._book, is_last=is_last)
        if moved is None:
            return None
        self._boundary = None
        name, channel = boundary.name, boundary.channel
        items: list[Any] = []
        if boundary.is_closed:
            del self._channels[name]
        if moved or boundary.is_closed:
            text = channel.feed(boundary.ahead[:moved], is_last=boundary.is_closed)
            if text:
                if self.remember is not None and name.startswith(_KEPT):
                    self._say(name, "", text)
                items.append(boundary.items[0].insert(TextSlot(name, text)))
        if moved:
            self._skipped[boundary.run] = moved
        return [*items, *(out for item in boundary.items for out in self.item(item))]

    def _unmoved(self, item: Any, name: str, text: str) -> str:
        """Return the text without the part that moved to the previous channel."""
        run: str | None = item.run(name)
        moved = 0 if run is None else self._skipped.pop(run, 0)
        if run is not None and moved > len(text):
            self._skipped[run] = moved - len(text)
        return text[moved:]

    def result(self, result: Any) -> Any:
        """Take the whole result; return it restored, without values the receiver may not see."""
        if not is_carrier(result):
            return result
        if result.content.is_opaque:
            self.output_labels = self.output_labels.with_categories(_UNREAD)
        came, result = result, self._seen(result)
        if self.remember is not None:
            for text, _ in came.content.signed() if self._has_found or _FRAME in came.content.to_bytes() else ():
                self._keep_thought(came.content.segments()[text].text, result.content.segments()[text].text)
            self.remember(result.content.spoken(), self.output_labels)
        return result

    def _seen(self, result: Carrier) -> Carrier:
        """Return the result restored, without values that the receiver may not see."""
        if self._forbidden:
            content = result.content.without_spelling()
            result = self._unspelled(result, result.with_content(content) if content is not result.content else result)
        surface = result.content.surface()
        if surface is not None and self._engine.is_clean(surface) and not (self._book and _MARK.search(surface)):
            return result
        if self._book.has_numbers and isinstance(result.content, NumberedContent):
            result = result.with_content(result.content.with_numbers(self._number_of))
        segments = result.content.segments()
        forbidden: dict[int, list[Finding]] = {}
        for finding in self._found(self._engine.scan_content(result.content)):
            forbidden.setdefault(finding.segment, []).append(finding)
        said = [segment.text for segment in segments]
        for index, found in forbidden.items():
            said[index] = removed(said[index], found, quotation=Quotation() if is_json(said[index]) else None)
        for run in result.content.runs() if self._book else ():
            # A pseudonym across two parts moves to the part of its start.
            places = run.segments
            for index, text in zip(places, mended([said[at] for at in places], self._book, ()), strict=True):
                said[index] = text
        texts: dict[int, str] = {}
        for index, text in enumerate(said):
            if self._book and BEGINNING.search(text):
                restorer = Restorer(self._book, answers=self._answers, is_json=is_json(text))
                text = restorer.feed(text, is_last=True)
            if text != segments[index].text:
                texts[index] = text
        return result.with_content(result.content.edit(texts)) if texts else result

    def _number_of(self, text: str) -> str | None:
        """Return the number behind this pseudonym, if the receiver may see it."""
        place = next(spelled(text, self._book, is_last=True), None) if BEGINNING.match(text) else None
        entry = None if place is None or place.end < len(text) else self._book.entry(place.token or "")
        if entry is None or not is_number(entry) or not self._book.is_restored(entry):
            return None
        if entry.category is not None and not self._may_flow(entry.category):
            return None
        self._may_see(entry, False)
        return entry.value

    def _unspelled(self, before: T, after: T) -> T:
        """Count removed log probabilities and token ids; value removal cannot reach into them."""
        if after is not before:
            self._counts["removed.logprobs"] += 1
        return after

    def _say(self, channel: str, said: str, released: str) -> None:
        """Keep answer and reasoning texts while there is room."""
        if channel.startswith(_WORDS):
            self._room_chars -= len(released)
            if self._room_chars >= 0:
                self._said.setdefault(channel, []).append(released)
        else:
            self._room_for_thoughts_chars -= len(said)
            if self._room_for_thoughts_chars >= 0:
                self._thoughts.setdefault(channel, []).append((said, released))

    def _keep_thought(self, said: str, shown: str) -> None:
        """Cache a reasoning text that may need masking when the client sends it back."""
        if self.remember_thought is not None and (self._has_found or FRAME in said):
            self.remember_thought(said, shown)

    def closing_facts(self) -> Mapping[str, Fact]:
        """Return the counts of restored, withheld and removed values; cache the answer's labels.

        A withheld value stays a pseudonym.
        """
        if self.remember is not None and self._said and self._room_chars >= 0:
            texts = ["".join(pieces) for pieces in self._said.values()]
            # In another wire format the client gets all parts as one text.
            self.remember(texts if len(texts) < 2 else [*texts, "".join(texts)], self.output_labels)
            self._said.clear()
        if self._room_for_thoughts_chars >= 0:
            for pieces in self._thoughts.values():
                self._keep_thought("".join(said for said, _ in pieces), "".join(shown for _, shown in pieces))
            self._thoughts.clear()
        return dict(sorted(self._counts.items()))

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = self._new_channel(name)
        return channel

    def _new_channel(self, name: str) -> Channel:
        is_json = True if name.startswith(_ARGUMENTS) else None
        window = (
            RemovalWindow(self._engine, self._found, is_json=is_json)
            if self._forbidden
            else LabelWindow(self._engine, self._found)
        )
        if not self._book:
            return Channel(window, None)
        return Channel(window, Restorer(self._book, answers=self._answers, is_json=is_json))

    def _flushed(self, closes: Sequence[str], *, except_for: Sequence[TextSlot]) -> list[Any]:
        """End the closing channels and return the text that they held, as separate items."""
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
        """Decide whether to restore a pseudonym here; a restored value raises the labels."""
        if entry.category is None:
            return True
        if is_inside_url or not self._book.is_restored(entry) or not self._may_flow(entry.category):
            self._counts[f"withheld.{entry.kind}"] += 1
            return False
        self._counts[f"restored.{entry.kind}"] += 1
        self.output_labels = self.output_labels.with_categories(frozenset((entry.category,)))
        return True

    def _sent_urls(self) -> SentUrls:
        """Return the sent URLs with pseudonyms in them; computed at first use and cached."""
        if self._sent is None:
            content = self.payload.content if is_carrier(self.payload) else None
            self._sent = SentUrls([] if content is None else [segment.text for segment in content.segments()])
        return self._sent

    def _tell_altered(self) -> None:
        self._counts["altered.tokens"] += 1

    def _found(self, findings: Sequence[Finding]) -> list[Finding]:
        """Raise the output's labels by the findings; return the findings to remove instead."""
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


def _parts(item: Any) -> Sequence[Any]:
    """Split the item by channel of a run, because a value may span two channels."""
    if not hasattr(item, "run"):
        return (item,)
    spoken = [at for at, (name, text) in enumerate(item.slots) if text and item.run(name) is not None]
    if len({item.slots[at].channel for at in spoken}) < 2:
        return (item,)
    before = [item.insert(item.slots[at]) for at in spoken[:-1]]
    return (*before, item.edit(["" if at in spoken[:-1] else text for at, (_, text) in enumerate(item.slots)]))


@lru_cache(maxsize=1024)
def _forbidden(labels: Labels, receiver: Clearance, categories: frozenset[str]) -> frozenset[str]:
    """Return the categories that the receiver may not see in content of these labels. Cached."""
    return frozenset(c for c in categories if not labels.with_categories(frozenset((c,))).flows_to(receiver))
