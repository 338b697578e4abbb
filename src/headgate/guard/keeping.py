"""The masked copy of content for records: every finding is replaced, whatever policy masked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from headgate.guard.engine import Engine
from headgate.guard.masking import tokenized
from headgate.guard.pseudonyms import Book
from headgate.guard.windows import HELD
from headgate.kernel.content import Content, Finding


class RecordMasker:
    """Replaces every finding by its pseudonym; equal values have equal pseudonyms everywhere.

    Args:
        content: the client's original, or None for an action without content.
        findings: of `content`.
        new_book: makes a book with the exchange's key; pseudonyms made here are never restored.
    """

    def __init__(
        self,
        content: Content | None,
        findings: Sequence[Finding],
        *,
        engine: Engine,
        new_book: Callable[[], Book],
    ) -> None:
        self._content = content
        self._findings = findings
        self._engine = engine
        self._new_book = new_book

    def payload(self) -> bytes | None:
        """Return the masked payload; None if some of it cannot be scanned."""
        return None if self._content is None else self._written(self._content, self._findings)

    def result(self, content: Content) -> bytes | None:
        """Return a masked whole answer; None if some of it cannot be scanned."""
        content = content.without_spelling()
        return self._written(content, self._engine.scan_content(content))

    def channels(self, texts: Mapping[str, str], *, is_whole: bool) -> bytes:
        """Return the masked texts of a stream's channels, as JSON.

        Args:
            is_whole: False if the texts were cut. A value may continue after the cut, so their ends
                are left out.
        """
        book = self._new_book()
        kept = {
            name: tokenized(text if is_whole else text[:-HELD], self._engine.scan_text(text), book)
            for name, text in texts.items()
        }
        return json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace")

    def _written(self, content: Content, findings: Sequence[Finding]) -> bytes | None:
        if content.is_opaque:
            return None
        book, segments = self._new_book(), content.segments()
        of: dict[int, list[Finding]] = {}
        for finding in findings:
            of.setdefault(finding.segment, []).append(finding)
        return content.edit({index: tokenized(segments[index].text, one, book) for index, one in of.items()}).to_bytes()
