"""Search in the content of records: a bounded scan, newest first, of the parts that the reader may see.

Content is sealed part by part, so there is no index of it. The scan opens the parts of one page of records after
another, and stops at a limit of records, bytes or hits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, NamedTuple

from headgate.kernel.identity import TenantId
from headgate.ledger.conversations import search_text
from headgate.ledger.filters import RecordFilters
from headgate.ledger.reader import LedgerReader, OpenedPart, StoredRecord
from headgate.wire.dialects import Dialects

PAGE = 25
"""Records of a page; its parts are in memory together."""

MAX_PAGE_BYTES = 32 << 20
"""Sealed bytes of a page. A part that does not fit is counted as skipped."""

_BEFORE, _AFTER = 60, 120

Readable = Callable[[StoredRecord], frozenset[str]]
"""Returns the names of the parts that the reader may see."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Limits of one search. The parts of a page of records are in memory together."""

    page_records: int = PAGE
    records: int = 5_000
    size_bytes: int = 256 << 20
    hits: int = 200


class Excerpt(NamedTuple):
    """The first place of a text in a part, with the words around it."""

    part: str
    before: str
    match: str
    after: str


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of one page, and how far the search has come.

    Args:
        looked: records looked at so far; `withheld`: those among them with a part that the reader may not see, or that
            was too large to search.
        back_to: id of the oldest of them.
        ended: why the search ended, or None if it goes on.
    """

    hits: Sequence[tuple[StoredRecord, Excerpt]]
    looked: int
    withheld: int
    size_bytes: int
    back_to: str | None
    ended: Literal["all", "records", "bytes", "hits"] | None


class ContentSearch:
    """Searches the content of one tenant's records.

    Args:
        limits: of one search.
    """

    def __init__(self, reader: LedgerReader, dialects: Dialects, limits: SearchLimits | None = None) -> None:
        self._reader = reader
        self._dialects = dialects
        self._limits = limits or SearchLimits()

    async def pages(
        self, text: str, filters: RecordFilters, *, tenant: TenantId, readable: Readable
    ) -> AsyncGenerator[Page]:
        """Yield the pages of a search, newest records first."""
        looked = withheld = size_bytes = hits = 0
        limits = self._limits
        listing = self._reader.pages(filters, tenant=tenant, page_size=limits.page_records, most=limits.records)
        async with aclosing(listing) as lists:
            async for listed in lists:
                chosen = {record.id: small_parts(record, readable(record)) for record in listed.records}
                searched = [record for record in listed.records if chosen[record.id]]
                found = await self._found(text, searched, chosen, tenant=tenant)
                looked += len(listed.records)
                withheld += sum(len(chosen[record.id]) < len(record.parts) for record in listed.records)
                size_bytes += sum(record.parts[name].size_bytes for record in searched for name in chosen[record.id])
                hits += len(found)
                ended = self._ended(looked, size_bytes, hits, is_last=listed.cursor is None)
                back_to = listed.records[-1].id if listed.records else None
                yield Page(found, looked, withheld, size_bytes, back_to, ended)
                if ended is not None:
                    return

    async def _found(
        self, text: str, records: Sequence[StoredRecord], chosen: dict[str, frozenset[str]], *, tenant: TenantId
    ) -> list[tuple[StoredRecord, Excerpt]]:
        if not records:
            return []
        opened = await self._reader.open_batch(records, tenant=tenant)
        wanted = {key: [part for part in parts if part.name in chosen[key]] for key, parts in opened.items()}
        return await asyncio.to_thread(self._matching, text, records, wanted)

    def _matching(
        self, text: str, records: Sequence[StoredRecord], opened: dict[str, list[OpenedPart]]
    ) -> list[tuple[StoredRecord, Excerpt]]:
        found: list[tuple[StoredRecord, Excerpt]] = []
        for record in records:
            excerpts = (self._excerpt(text, part) for part in sorted(opened[record.id], key=_order))
            if (excerpt := next((one for one in excerpts if one is not None), None)) is not None:
                found.append((record, excerpt))
        return found

    def _excerpt(self, text: str, part: OpenedPart) -> Excerpt | None:
        if part.text is None:
            return None
        return excerpt_of(text, search_text(part.name, part.text, dialects=self._dialects), part=part.name)

    def _ended(
        self, looked: int, size_bytes: int, hits: int, *, is_last: bool
    ) -> Literal["all", "records", "bytes", "hits"] | None:
        if is_last:
            return "all"
        if hits >= self._limits.hits:
            return "hits"
        if size_bytes >= self._limits.size_bytes:
            return "bytes"
        return "records" if looked >= self._limits.records else None


def excerpt_of(text: str, words: str, *, part: str) -> Excerpt | None:
    """Return the first place of a text in words, whatever the case of its letters; None if it is not in them."""
    # Lower case may have another length than the text, so the place is looked for in it only where the lengths agree.
    lowered = words.lower()
    place = lowered.find(text.lower()) if len(lowered) == len(words) else words.find(text)
    if place < 0:
        return None
    end = place + len(text)
    before, after = words[max(0, place - _BEFORE) : place], words[end : end + _AFTER]
    return Excerpt(part, before, words[place:end], after)


def _order(part: OpenedPart) -> bool:
    """Sort the answer after the question."""
    return part.name != "sent"


def small_parts(record: StoredRecord, readable: frozenset[str]) -> frozenset[str]:
    """Return the readable parts that fit into the memory of a page."""
    return frozenset(name for name in readable if record.parts[name].size_bytes <= MAX_PAGE_BYTES // PAGE)
