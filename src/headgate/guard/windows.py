"""Scan windows over streamed text: one labels it, one removes values above the clearance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headgate.guard.engine import Engine
from headgate.guard.masking import removed
from headgate.guard.quotation import SCALAR, Quotation, begins_json
from headgate.kernel.content import Finding

HELD = 256
"""Characters that are held back for a receiver who may not see everything: no value that is found is longer, or it is
held back whole."""

MOST_HELD = 16_384
"""And never more than this."""

_CONTEXT = 64
_GROWTH = 8
"""An unfinished value is scanned again once the held text has grown by an eighth."""
_SCANNED_AT_ONCE = 1024


class LabelWindow:
    """Reports the findings in one channel's text, without holding text back."""

    __slots__ = ("_engine", "_pending", "_report", "_seam", "_size")

    held = ""

    def __init__(self, engine: Engine, report: Callable[[Sequence[Finding]], object]) -> None:
        self._engine = engine
        self._report = report
        self._pending: list[str] = []
        self._size = 0
        self._seam = ""

    @property
    def recent(self) -> str:
        """The end of the text so far, at least as long as any value that is found, where it is that long."""
        return "".join(self._pending)[-HELD:]

    def follow(self, before: str) -> None:
        """Set the text before the next piece, which the reader sees right before it."""
        self._seam = before

    def feed(self, text: str, *, is_last: bool) -> str:
        """Take the next piece and return it."""
        self._pending.append(text)
        self._size += len(text)
        if self._seam:
            self._seam += text[:HELD]
            if len(self._seam) >= 2 * HELD or is_last:
                self._report(self._engine.scan_text(self._seam))
                self._seam = ""
        if self._size >= _SCANNED_AT_ONCE or is_last:
            whole = "".join(self._pending)
            found = self._engine.scan_text(whole)
            if found:
                self._report(found)
            overlap = whole[-HELD:]
            self._pending = [overlap]
            self._size = len(overlap)
        return text


class RemovalWindow:
    """Releases one channel's text without values that the receiver may not see.

    A value longer than 16,384 characters is removed together with the rest of the channel, because
    its end is unknown.
    """

    __slots__ = ("_engine", "_is_json", "_is_lost", "_least", "_quotation", "_report", "context", "held")

    def __init__(
        self,
        engine: Engine,
        report: Callable[[Sequence[Finding]], Sequence[Finding]],
        *,
        is_json: bool | None,
    ) -> None:
        """Keep what it needs.

        Args:
            report: takes findings and returns those that have to be removed.
            is_json: whether the text is JSON, and is to stay JSON; None to tell by how it begins.
        """
        self._engine = engine
        self._is_json = is_json
        self._quotation = Quotation()
        self._report = report
        self.held = ""
        self.context = ""
        self._is_lost = False
        self._least = HELD + 1

    def feed(self, text: str, *, is_last: bool) -> str:
        """Take the next piece; return the text to release now.

        Text waits for at most 256 more characters, and for another eighth of the length of a long
        value before it. Amortised O(characters).
        """
        held = "" if self._is_lost else self.held + text
        if not held or (len(held) < self._least and not is_last):
            self.held = held
            return ""
        if self._is_json is None:
            # The whole text: nothing of it is released yet.
            self._is_json = begins_json(held) is True
        base = len(self.context)
        findings = [f for f in self._engine.scan_text(self.context + held) if f.end > base]
        cut = len(held) if is_last or len(held) > MOST_HELD else self._cut(held, findings, base)
        forbidden = self._report([f for f in findings if f.end - base <= cut])
        ready, self.held = held[:cut], held[cut:]
        grown = len(self.held) // _GROWTH if len(self.held) > HELD else 1
        self._least = min(max(HELD, len(self.held)) + grown, MOST_HELD + 1)
        self.context = (self.context + ready)[-_CONTEXT:]
        quotation = self._quotation if self._is_json else None
        if not forbidden:
            if quotation is not None:
                quotation.advance(ready)
            return ready
        self._is_lost = not self.held and forbidden[-1].end - base == len(held)
        return removed(ready, [f._replace(start=max(f.start, base)) for f in forbidden], quotation=quotation, base=base)

    def _cut(self, held: str, findings: Sequence[Finding], base: int) -> int:
        """Return the number of characters to release; never splits a value or a JSON number."""
        cut = _cut(findings, base, len(held) - HELD)
        if self._is_json:
            while (whole := _cut(findings, base, len(held[:cut].rstrip(SCALAR)))) < cut:
                cut = whole
        return cut


def _cut(findings: Sequence[Finding], base: int, cut: int) -> int:
    """Move the cut before every finding that it would split."""
    for finding in reversed(findings):
        if finding.end - base > cut:
            cut = min(cut, max(0, finding.start - base))
    return cut
