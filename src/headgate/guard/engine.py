"""The scan engine: a prefilter finds the patterns that occur, RE2 their places, detectors judge.

Clean text costs one pass. Offsets are computed only for matches. Every step is linear in the text,
and the number of candidates is bounded, so an attacker cannot make a scan slow.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, cast

from headgate.guard.embedded import PREFILTER, embedded_in
from headgate.guard.kinds import Kinds
from headgate.guard.overlaps import resolved
from headgate.guard.prefilter import Matcher, compiled, prefilter
from headgate.guard.seams import found_across
from headgate.guard.views import Span, View, is_plain, views
from headgate.kernel.content import Content, Finding, Segment
from headgate.kernel.detection import ANY, Candidate, Detector, DetectorManifest, Hit, Pattern
from headgate.kernel.errors import Invalid, TooLarge
from headgate.kernel.extensions import load
from headgate.kernel.labels import UNSCANNED

# The separator of texts in a buffer: no pattern matches it, and no view contains it.
_SEPARATOR = "\x1c"
_CONTROLS = Pattern("controls", r"[\x00-\x08\x0b\x0c\x0e-\x1b\x1d-\x1f\x7f]")
_EMBEDDED = Pattern("embedded", PREFILTER, is_caseless=True)
_LEVELS = 2
"""The maximum depth of nested encodings. Deeper content counts as unscanned."""
_CONTINUATION = bytes(range(0x80, 0xC0))
_CHECKPOINT_BYTES = 4096
_ESCAPES_AND_CLASSES = re.compile(r"\\[^AzZB]|\[\^?\]?(?:\\.|[^\]\\])*\]")
_ANCHOR = re.compile(r"[\^$]|\\[AzZB]")

MOST_CANDIDATES = 300_000
"""Content with more candidates is refused; this many take a few seconds."""

_CHARS_OF_ONE = 64
"""A longer candidate counts as several, because it takes as much work."""


class _Rule(NamedTuple):
    """One pattern of a detector, with the categories of its declared kinds and of all others."""

    detector: Detector
    name: str
    pattern: Pattern
    regex: Any
    categories: Mapping[str, str]
    category: str


class _Scanned(NamedTuple):
    """One view of one segment, and its place in the buffer."""

    segment: int
    view: View


class Engine:
    """Scans text with a set of detectors. Immutable; safe to use from any thread.

    Attributes:
        kinds: the declared kinds of the detectors.
        categories: of all declared kinds.

    Args:
        detectors: the detectors by name.
        cache: the folder of the compiled patterns, to keep between starts, or None.
        matcher: the engine to use instead of the fastest one installed.
        threshold: the minimum confidence of a finding.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        *,
        cache: Path | None = None,
        matcher: Matcher | None = None,
        threshold: float = 0.5,
    ) -> None:
        self.kinds = Kinds(detectors)
        self.categories = self.kinds.categories
        self._rules = [rule for name, detector in detectors.items() for rule in _rules(name, detector)]
        self._threshold = threshold
        self._controls = len(self._rules)
        self._embedded = self._controls + 1
        self._only_embedded = [self._embedded]
        # In a surface, anchors such as `^` do not match at the start or end of a segment.
        self._is_surface_enough = not any(_has_anchor(rule.pattern) for rule in self._rules)
        self._prefilter = prefilter(
            [*(rule.pattern for rule in self._rules), _CONTROLS, _EMBEDDED], cache=cache, matcher=matcher
        )

    def scan_text(self, text: str) -> tuple[Finding, ...]:
        """Return the findings in one text, in order."""
        found = self.scan((Segment(text, "user"),))
        return tuple([one for one in found if one.category != UNSCANNED]) if found else found

    def is_clean(self, surface: bytes | None) -> bool:
        """Tell in one pass whether content with this surface is clean; False means unknown."""
        if surface is None or not self._is_surface_enough or not is_plain(text := surface.decode()):
            return False
        occurring = self._prefilter.occurring(surface)
        # Ids are as long as embedded base64; a check of these spares a scan of every string.
        return not occurring or (occurring == self._only_embedded and next(embedded_in(text), None) is None)

    def scan_content(self, content: Content) -> tuple[Finding, ...]:
        """Return the findings in a content: in each segment, and across the segments of each run.

        Raises:
            TooLarge: the content has too many candidates to judge in bounded time.
        """
        segments = content.segments()
        found = self.scan(segments)
        runs = content.runs()
        if not runs:
            return found
        return resolved((*found, *found_across(segments, runs, scan=self.scan, known=found, kinds=self.kinds)))

    def scan(self, segments: Sequence[Segment], *, levels: int = _LEVELS) -> tuple[Finding, ...]:
        """Return the findings in these segments, in order, without overlaps within a category.

        Media in a segment are findings of the category `unscanned`.

        Args:
            levels: the maximum depth of nested encodings.

        Raises:
            TooLarge: the content has too many candidates to judge in bounded time.
        """
        joined = _SEPARATOR.join([segment[0] for segment in segments])
        if is_plain(joined) and joined.count(_SEPARATOR) == len(segments) - 1:
            data = joined.encode()
            occurring = self._prefilter.occurring(data)
            if not occurring:
                return ()
            if self._controls not in occurring:
                return self._judged(_Buffer(data, _plain_views(segments)), occurring, levels=levels)
        elif not segments:
            return ()
        scanned = [_Scanned(index, view) for index, segment in enumerate(segments) for view in views(segment.text)]
        data = _SEPARATOR.join([view.text for _, view in scanned]).encode("utf-8", "surrogatepass")
        occurring = self._prefilter.occurring(data)
        return self._judged(_Buffer(data, scanned), occurring, levels=levels) if occurring else ()

    def _judged(self, buffer: _Buffer, occurring: Sequence[int], *, levels: int) -> tuple[Finding, ...]:
        """Return the findings of the detectors, including those in embedded text."""
        found = self._judge(buffer, occurring)
        if self._embedded not in occurring:
            return found
        inside, unread = self._inside(buffer.scanned, levels=levels)
        found = resolved((*found, *inside)) if inside else found
        return tuple(sorted((*found, *unread), key=lambda one: (one.segment, one.start))) if unread else found

    def _inside(self, scanned: Sequence[_Scanned], *, levels: int) -> tuple[list[Finding], list[Finding]]:
        """Return the findings in embedded text, at its whole extent, and the media in it."""
        texts: list[Segment] = []
        places: list[tuple[int, Span]] = []
        unread: list[Finding] = []
        for segment, view in scanned:
            for start, end, text in embedded_in(view.text):
                written = view.written(start, end)
                if text is None or not levels:
                    unread.append(Finding("media", UNSCANNED, segment, written.start, written.end, 1.0, "embedded"))
                else:
                    texts.append(Segment(text, "user"))
                    places.append((segment, written))
        found: list[Finding] = []
        inner = self.scan(texts, levels=levels - 1) if texts else ()
        surest: dict[int, float] = {}
        for one in inner:
            surest[one.segment] = max(surest.get(one.segment, 0.0), one.confidence)
        for one in inner:
            segment, (start, end) = places[one.segment]
            # All findings of an embedded text share one place and the highest confidence, so that
            # none counts as a coincidence within another.
            sure = one._replace(segment=segment, start=start, end=end, confidence=surest[one.segment])
            (unread if one.category == UNSCANNED else found).append(sure)
        return found, unread

    def _judge(self, buffer: _Buffer, occurring: Sequence[int]) -> tuple[Finding, ...]:
        found: list[Finding] = []
        room = MOST_CANDIDATES
        for index in occurring:
            if index >= self._controls:
                continue
            rule = self._rules[index]
            at = 0
            while (place := buffer.next(rule, at)) is not None:
                scanned, candidate = place.scanned, place.candidate
                room -= 1 + (place.end - place.start) // _CHARS_OF_ONE
                if room < 0:
                    raise TooLarge(
                        f"the content holds more than {MOST_CANDIDATES} numbers and addresses; send it in parts"
                    )
                hits = [hit for hit in rule.detector.judge(candidate) if hit.confidence >= self._threshold]
                at = place.after(hits, rule.pattern.retry)
                for hit in hits:
                    if hit.end > hit.start:
                        start, end = scanned.view.written(hit.start, hit.end)
                        category = rule.categories.get(hit.kind, rule.category)
                        found.append(
                            Finding(hit.kind, category, scanned.segment, start, end, hit.confidence, rule.name)
                        )
        return resolved(found)


class _Place(NamedTuple):
    """A candidate, its view, and its bytes in the buffer."""

    scanned: _Scanned
    candidate: Candidate
    start: int
    end: int

    def after(self, hits: Sequence[Hit], retry: int | None) -> int:
        """Return the byte to continue at: a greedy match may have run into the next value."""
        if not hits:
            return self.end if retry is None else min(self.end, self.start + retry)
        text = self.candidate.text[self.candidate.start : max(hit.end for hit in hits)]
        return self.start + max(1, len(text.encode("utf-8", "surrogatepass")))


class _Buffer:
    """The scanned bytes, with the mapping from bytes to characters of the views."""

    def __init__(self, data: bytes, scanned: Sequence[_Scanned]) -> None:
        self._data = data
        self.scanned = scanned

    def next(self, rule: _Rule, at: int) -> _Place | None:
        """Return the next match of the rule's pattern from this byte on, or None."""
        match = rule.regex.search(self._data, at)
        if match is None:
            return None
        begin, stop = match.span()
        start, end = self._chars(begin), self._chars(stop)
        index = bisect_right(self._char_starts, start) - 1
        scanned, base = self.scanned[index], self._char_starts[index]
        candidate = Candidate(scanned.view.text, start - base, end - base, rule.pattern.id)
        return _Place(scanned, candidate, begin, stop)

    @cached_property
    def _char_starts(self) -> list[int]:
        """The first character of each view in the decoded buffer."""
        return [0, *accumulate(len(scanned.view.text) + 1 for scanned in self.scanned)][:-1]

    @cached_property
    def _is_ascii(self) -> bool:
        return self._data.isascii()

    @cached_property
    def _checkpoints(self) -> list[int]:
        """The number of characters before every 4096th byte."""
        blocks = range(0, len(self._data), _CHECKPOINT_BYTES)
        return [0, *accumulate(_characters(self._data[at : at + _CHECKPOINT_BYTES]) for at in blocks)]

    def _chars(self, at: int) -> int:
        if self._is_ascii:
            return at
        block = at // _CHECKPOINT_BYTES
        return self._checkpoints[block] + _characters(self._data[block * _CHECKPOINT_BYTES : at])


def builtin_detectors() -> Mapping[str, Detector]:
    """Return the installed detectors by name, built-in and third-party ones.

    Raises:
        Invalid: an installed extension is not a detector.
    """
    detectors: dict[str, Detector] = {}
    for name, extension in load("detectors").items():
        is_declared = isinstance(getattr(extension, "manifest", None), DetectorManifest)
        if not is_declared or not all(hasattr(extension, part) for part in ("patterns", "judge")):
            raise Invalid(f"the extension {name} is no detector: it needs a DetectorManifest, patterns and judge")
        detectors[name] = cast("Detector", extension)
    return detectors


def _rules(name: str, detector: Detector) -> list[_Rule]:
    kinds = detector.manifest.kinds
    categories = {kind.name: kind.category for kind in kinds}
    category = categories.get(ANY, kinds[0].category)
    return [_Rule(detector, name, pattern, compiled(pattern), categories, category) for pattern in detector.patterns]


def _has_anchor(pattern: Pattern) -> bool:
    return _ANCHOR.search(_ESCAPES_AND_CLASSES.sub("", pattern.regex)) is not None


def _characters(data: bytes) -> int:
    """Count the characters that begin in these bytes of UTF-8."""
    return len(data.translate(None, _CONTINUATION))


def _plain_views(segments: Sequence[Segment]) -> list[_Scanned]:
    return [_Scanned(index, View(segment.text)) for index, segment in enumerate(segments)]
