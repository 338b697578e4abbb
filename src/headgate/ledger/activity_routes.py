"""Operations of the page Activity: counts over time, search in content, and export."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, cast

import msgspec

from headgate.admin.bodies import Body
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Request, event
from headgate.kernel.action import Resource
from headgate.kernel.errors import Invalid
from headgate.ledger.clearing import readable_parts
from headgate.ledger.conversations import search_text
from headgate.ledger.counting import grid_of, time_of
from headgate.ledger.exporting import FORMATS, MEDIA_TYPES, Format, head, row
from headgate.ledger.filter_parameters import FILTERS, MAX_TEXT_CHARS, filters_of, told_filters
from headgate.ledger.filters import RecordFilters
from headgate.ledger.names import Names, names_for
from headgate.ledger.parts import Ledger
from headgate.ledger.reader import OpenedPart, StoredRecord
from headgate.ledger.search import PAGE, ContentSearch, Page, small_parts
from headgate.ledger.verbs import RECORD_EXPORT, RECORD_LIST, RECORD_SEARCH
from headgate.ledger.views import RecordView, record_view
from headgate.wire.dialects import Dialects

MAX_EXPORTED = 50_000
MAX_EXPORTED_WITH_CONTENT = 5_000
_PAGE = 500
_USUAL = timedelta(days=1)


class CountsView(Body, frozen=True, kw_only=True):
    """Counts of closed records over time.

    Args:
        starts: the beginning of each bucket; the last one ends at `until`.
        outcomes: for each outcome the counts by bucket.
        is_exact: false if some counts are estimates, because their buckets have too many records to count.
    """

    starts: list[datetime]
    until: datetime
    step_s: int
    outcomes: dict[str, list[int]]
    total: int
    is_exact: bool


class SearchRequest(Body, frozen=True, kw_only=True):
    """A text to look for in the content of records, whatever the case of its letters."""

    text: Annotated[str, msgspec.Meta(min_length=2, max_length=MAX_TEXT_CHARS)]


class ContentHit(Body, frozen=True, kw_only=True):
    """A record with the text, and the words around its first place. Data of the event `hit`."""

    record: RecordView
    part: str
    before: str
    match: str
    after: str


class SearchProgress(Body, frozen=True, kw_only=True):
    """How far a search has come. Data of the events `progress` and `done`.

    Args:
        looked: records looked at; `withheld`: those among them with content that the reader may not see.
        back_to: the time of the oldest one.
        ended: `all` if every matching record was looked at, or the limit that ended it: `records`, `bytes` or `hits`.
            None in `progress`.
    """

    looked: int
    withheld: int
    size_bytes: int
    back_to: datetime | None
    ended: str | None


async def count_records(ledger: Ledger, request: Request) -> CountsView:
    """Count records over time, by outcome; by default over the last 24 hours."""
    request.authorise(RECORD_LIST, Resource("ledger", request.tenant))
    now = ledger.clock.now()
    filters = filters_of(request, names_for(request, ledger.directory), now=now)
    until = filters.until or now
    grid = grid_of(filters.since or until - _USUAL, until)
    counts = await ledger.reader.count_records(filters, grid, tenant=request.tenant, now=now)
    return CountsView(
        starts=list(grid.starts),
        until=until,
        step_s=int(grid.step.total_seconds()),
        outcomes=counts.by_outcome,
        total=counts.total,
        is_exact=counts.is_exact,
    )


async def search_records(ledger: Ledger, request: Request) -> None:
    """Search the content of the filtered records that the reader may see, newest first. This leaves a record."""
    text = request.body_as(SearchRequest).text
    names = names_for(request, ledger.directory)
    filters = filters_of(request, names, now=ledger.clock.now())
    resource = Resource("ledger", request.tenant)
    request.authorise(RECORD_SEARCH, resource)
    told = told_filters(filters)
    search = ContentSearch(ledger.reader, ledger.dialects)
    async with request.events() as stream:

        async def do(facts: Facts) -> None:
            pages = search.pages(
                text, filters, tenant=request.tenant, readable=lambda record: readable_parts(request, record)
            )
            await stream.begin()
            hits = 0
            async for page in pages:
                hits += len(page.hits)
                facts.update(records=page.looked, hits=hits, ended=page.ended or "")
                await stream.send(_frames(page, names))

        await request.perform(
            RECORD_SEARCH, resource, do, arguments=digest_of(text, told), summary={"filters": told[:500]}
        )


async def export_records(ledger: Ledger, request: Request) -> None:
    """Send the filtered records as a file, newest first. This leaves a record."""
    form, with_content = request.text("format") or "csv", request.switch("content")
    if form not in FORMATS:
        raise Invalid(f"format must be one of: {', '.join(FORMATS)}", param="format")
    now = ledger.clock.now()
    names = names_for(request, ledger.directory)
    filters = filters_of(request, names, now=now)
    resource = Resource("ledger", request.tenant)
    request.authorise(RECORD_EXPORT, resource)
    told = told_filters(filters)
    export = _Export(ledger, request, names, filters, cast("Format", form), with_content)
    async with request.download() as file:

        async def do(facts: Facts) -> None:
            await file.begin(media_type=MEDIA_TYPES[form], file_name=f"headgate-records-{now:%Y-%m-%d}.{form}")
            await file.send(head(export.form, with_content=with_content))
            count = 0
            async for lines in export.pages():
                count += len(lines)
                facts["records"] = count
                await file.send(b"".join(lines))

        summary = {"filters": told[:500], "format": form, "content": with_content}
        await request.perform(
            RECORD_EXPORT, resource, do, arguments=digest_of(told, form, with_content), summary=summary
        )


@dataclass(frozen=True, slots=True)
class _Export:
    """The lines of one export."""

    ledger: Ledger
    request: Request
    names: Names
    filters: RecordFilters
    form: Format
    with_content: bool

    async def pages(self) -> AsyncGenerator[Sequence[bytes]]:
        """Yield the lines of one page of records after another."""
        most, page_size = (MAX_EXPORTED_WITH_CONTENT, PAGE) if self.with_content else (MAX_EXPORTED, _PAGE)
        async with aclosing(
            self.ledger.reader.pages(self.filters, tenant=self.request.tenant, page_size=page_size, most=most)
        ) as pages:
            async for page in pages:
                contents = await self._contents(page.records)
                yield [row(self.form, record_view(one, self.names), contents.get(one.id)) for one in page.records]

    async def _contents(self, records: Sequence[StoredRecord]) -> Mapping[str, Mapping[str, str]]:
        if not self.with_content:
            return {}
        readable = {one.id: small_parts(one, readable_parts(self.request, one)) for one in records}
        opened = await self.ledger.reader.open_batch(
            [one for one in records if readable[one.id]], tenant=self.request.tenant
        )
        return await asyncio.to_thread(_words, records, readable, opened, self.ledger.dialects)


def _words(
    records: Sequence[StoredRecord],
    readable: Mapping[str, frozenset[str]],
    opened: Mapping[str, Sequence[OpenedPart]],
    dialects: Dialects,
) -> Mapping[str, Mapping[str, str]]:
    """Return the words of the parts of each record. Withheld and erased ones are named as such."""
    found: dict[str, dict[str, str]] = {}
    for record in records:
        words = dict.fromkeys(record.parts, "(withheld)")
        for part in (one for one in opened.get(record.id, ()) if one.name in readable[record.id]):
            told = f"({part.state})"
            words[part.name] = told if part.text is None else search_text(part.name, part.text, dialects=dialects)
        found[record.id] = words
    return found


def _frames(page: Page, names: Names) -> bytes:
    hits = [
        event(
            "hit",
            ContentHit(
                record=record_view(record, names),
                part=found.part,
                before=found.before,
                match=found.match,
                after=found.after,
            ),
        )
        for record, found in page.hits
    ]
    progress = SearchProgress(
        looked=page.looked,
        withheld=page.withheld,
        size_bytes=page.size_bytes,
        back_to=None if page.back_to is None else time_of(page.back_to),
        ended=page.ended,
    )
    return b"".join((*hits, event("progress" if page.ended is None else "done", progress)))


OPERATIONS = (
    Operation(
        "countRecords",
        "GET",
        "/api/records/counts",
        "Counts of closed records over time, by outcome.",
        count_records,
        answer=CountsView,
        verb=RECORD_LIST,
        parameters=FILTERS,
    ),
    Operation(
        "searchRecords",
        "POST",
        "/api/records/search",
        "Search the content of records (events `hit`, `progress` and `done`).",
        search_records,
        body=SearchRequest,
        answer=str,
        verb=RECORD_SEARCH,
        parameters=FILTERS,
        events=(ContentHit, SearchProgress),
    ),
    Operation(
        "exportRecords",
        "GET",
        "/api/records/export",
        "Records as a file, at most 50,000, or 5,000 with content.",
        export_records,
        answer=bytes,
        files=[kind.partition(";")[0] for kind in MEDIA_TYPES.values()],
        verb=RECORD_EXPORT,
        parameters=(
            Parameter("format", "`csv` or `jsonl`; csv by default."),
            Parameter("content", "With the content that the reader may see.", "boolean"),
            *FILTERS,
        ),
    ),
)
