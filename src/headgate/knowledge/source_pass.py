"""A pass over a source: lists changes, fetches documents, and deletes those that the source has no more.

Each document is put in one transaction, under the lease of the run and the number of the pass. So a killed worker loses
and doubles nothing, and a pass that another one replaced changes nothing more. The cursor moves after a whole page. A
page that is listed again costs little: the documents that it has put have their revisions by then.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import structlog

from headgate.admin.commands import Command, Facts, digest_of
from headgate.admin.features import JobAction
from headgate.kernel.action import Resource
from headgate.kernel.connector import Access, Change, Fetched, OpenSource, Page
from headgate.kernel.errors import HeadgateError, Invalid, NotFound, TooLarge, Unavailable, Upstream
from headgate.kernel.labels import Labels
from headgate.kernel.pipeline import Pipeline
from headgate.knowledge import store
from headgate.knowledge.documents import MOST_BYTES, DocumentFacts, Documents, NewText
from headgate.knowledge.placing import Placing
from headgate.knowledge.specs import Collection, Source, refuse_readers, sorted_readers
from headgate.knowledge.store import HeldDocument
from headgate.knowledge.verbs import FETCH
from headgate.substrate.database import Database, Transaction
from headgate.substrate.durable import DurableRun, LeaseLost

log = structlog.get_logger(__name__)

T = TypeVar("T")

_ADDED_BY = "headgate"
_CURSOR = "cursor"
_FAILURES_IN_A_ROW = 5
"""The pass waits after so many documents in a row that fail for reasons of the network or a disk."""


_PLACED_AT_ONCE = 50
"""Documents whose readers change in one transaction."""

_Pair = tuple[Change, HeldDocument | None]
"""A change with the document that is here already."""


class PassReplaced(Exception):
    """Raised in a pass when another one has begun, or the source is gone."""


@dataclass(frozen=True, slots=True)
class _Rights:
    """Who may read a document. `fault`: why nobody may, or empty."""

    readers: list[str]
    fault: str = ""


@dataclass(slots=True)
class SourcePass:
    """A pass over a source, as far as this worker goes on with it.

    Args:
        opened: the source, by its connector.
        at_once: the limit of fetches at the same time.
    """

    database: Database
    documents: Documents
    placing: Placing
    job_action: JobAction
    run: DurableRun
    pipeline: Pipeline
    source: Source
    collection: Collection
    opened: OpenSource
    at_once: int
    _failed: int = field(default=0, init=False)
    _in_a_row: int = field(default=0, init=False)
    _stop: HeadgateError | PassReplaced | None = field(default=None, init=False)

    async def go_on(self) -> None:
        """Take page after page until the last one, then delete what the pass did not see.

        Raises:
            PassReplaced: another pass has begun, or the source is gone.
            HeadgateError: the source cannot be read now.
        """
        async with self._held() as (_, sealed):
            cursor = self._opened_cursor(sealed)
        while True:
            page = await self._changes(cursor)
            await self._take(page)
            if page.is_last:
                await self._end(page)
                return
            if page.cursor == cursor:
                raise Invalid(f"the connector {self.source.kind} lists a page twice; report it to its maker")
            cursor = page.cursor
            async with self._held() as (tx, _):
                await self._note(tx, page)

    async def _take(self, page: Page) -> None:
        """Bring the documents of a page to their state at the source: all readers first, then the texts."""
        tenant, refs = self.run.tenant, [self._ref(change) for change in page.changes]
        self._failed, self._in_a_row, self._stop = 0, 0, None
        async with self._held() as (tx, _):
            found = await store.held(tx, refs, collection=self.collection.id, source=self.source.id, tenant=tenant)
        pairs = [(change, found.get(ref)) for change, ref in zip(page.changes, refs, strict=True)]
        pairs = await self._placed(pairs)
        async with self._held() as (tx, _):
            same = [held.id for change, held in pairs if held is not None and self._is_same(change, held)]
            await store.mark_all_seen(tx, same, self._round, tenant=tenant)
        rest = iter([pair for pair in pairs if pair[1] is None or not self._is_same(pair[0], pair[1])])
        async with asyncio.TaskGroup() as group:
            for _ in range(self.at_once):
                group.create_task(self._take_some(rest))
        if self._stop is not None:
            raise self._stop

    async def _placed(self, pairs: Sequence[_Pair]) -> list[_Pair]:
        """Give documents the readers that a listing tells, many in one transaction; return them as they are then."""
        placed = list(pairs)
        moving: list[tuple[int, HeldDocument, _Rights]] = []
        for number, (change, held) in enumerate(pairs):
            if held is not None and change.access is not None and not change.is_deleted:
                rights = self._rights(change.access)
                if not self._is_placed(held, rights):
                    moving.append((number, held, rights))
                    placed[number] = (change, replace(held, readers=rights.readers, given=str(self._given)))
        for start in range(0, len(moving), _PLACED_AT_ONCE):
            async with self._held() as (tx, _):
                for _, held, rights in moving[start : start + _PLACED_AT_ONCE]:
                    await self._place(tx, held.id, rights)
        return placed

    async def _take_some(self, rest: Iterator[_Pair]) -> None:
        for change, held in rest:
            if self.run.cancelled.is_set():
                self._stop = PassReplaced()
            if self._stop is not None:
                return
            try:
                await self._take_one(change, held)
                self._in_a_row = 0
            except (LeaseLost, PassReplaced) as gone:
                self._stop = gone
            except NotFound:
                await self._guarded(self._delete(held))
            except HeadgateError as error:
                await self._guarded(self._fail(change, error))

    async def _guarded(self, note: Awaitable[None]) -> None:
        """Write a note. If that fails, the pass stops."""
        try:
            await note
        except (HeadgateError, PassReplaced) as error:
            self._stop = error

    async def _take_one(self, change: Change, held: HeldDocument | None) -> None:
        """Bring one document to its state at the source: first its readers, then its text."""
        if change.is_deleted:
            await self._delete(held)
            return
        rights = self._rights(change.access or await self._access(change))
        if held is not None and not self._is_placed(held, rights):
            async with self._held() as (tx, _):
                await self._place(tx, held.id, rights)
        if fault := change.fault or rights.fault:
            raise Invalid(fault)
        if held is not None and change.revision and held.revision == change.revision:
            async with self._held() as (tx, _):
                await store.mark_seen(tx, held.id, self._round, tenant=self.run.tenant)
            return
        if (change.size_bytes or 0) > MOST_BYTES:
            raise TooLarge(f"it is larger than {MOST_BYTES >> 20} MiB; split it")
        await self._put(change, await self._fetched(change), rights)

    async def _put(self, change: Change, fetched: Fetched, rights: _Rights) -> None:
        tenant = self.run.tenant
        new = self._new(change, fetched, rights.readers)
        async with self._held() as (tx, _):
            row, is_new = await self.documents.put(tx, new, self.collection, tenant=tenant)
            await self._place(tx, row.id, rights)
            facts = self.documents.facts(row, tenant=tenant)
            named = DocumentFacts(new.name[:500], facts.title, new.url[:2000], facts.authors)
            sealed = self.documents.sealed_facts(row, named, tenant=tenant)
            await store.note_fetched(tx, row.id, self._round, revision=change.revision, facts=sealed, tenant=tenant)
            await store.note_sync(tx, self.source.id, self._round, tenant=tenant, changed=int(is_new))

    async def _place(self, tx: Transaction, document: str, rights: _Rights) -> None:
        row = await store.document(tx, document, tenant=self.run.tenant, is_locked=True)
        if row is not None:
            await self.placing.give(
                tx, row, self.collection, readers=rights.readers, given=self._given, tenant=self.run.tenant
            )

    async def _delete(self, held: HeldDocument | None) -> None:
        if held is None:
            return
        async with self._held() as (tx, _):
            is_gone = await store.delete_document(tx, held.id, tenant=self.run.tenant)
            await store.note_sync(tx, self.source.id, self._round, tenant=self.run.tenant, removed=int(is_gone))

    async def _fail(self, change: Change, error: HeadgateError) -> None:
        """Note why a document could not be read, or stop the pass if that is not the document's fault."""
        if error.retry_after_s is not None:
            self._stop = error
            return
        if isinstance(error, Unavailable | Upstream):
            self._in_a_row += 1
            if self._in_a_row >= _FAILURES_IN_A_ROW:
                self._stop = error
                return
        self._failed += 1
        why = f"it could not be fetched: {error.message}"
        new = self._new(change, Fetched(change.ref, b""), [])
        async with self._held() as (tx, _):
            await self.documents.put_fault(tx, new, self.collection, why=why, tenant=self.run.tenant)

    async def _end(self, page: Page) -> None:
        """Delete what a full listing did not see, and end the pass."""
        tenant, is_over = self.run.tenant, not self.run.input["is_full"]
        while not is_over:
            async with self._held() as (tx, _):
                removed = await store.delete_unseen(tx, self.source.id, self._round, tenant=tenant)
                await store.note_sync(tx, self.source.id, self._round, tenant=tenant, removed=removed)
            is_over = not removed
        now = self.documents.clock.now()
        due_at = now + timedelta(minutes=self.source.every_minutes)
        async with self._held() as (tx, _):
            await self._note(tx, page)
            await store.end_sync(tx, self.source.id, self._round, tenant=tenant, now=now, due_at=due_at)

    async def _note(self, tx: Transaction, page: Page) -> None:
        """Note a whole page."""
        found = sum(not change.is_deleted for change in page.changes)
        await store.note_sync(
            tx,
            self.source.id,
            self._round,
            tenant=self.run.tenant,
            cursor=self._sealed_cursor(page.cursor),
            found=found,
            failed=self._failed,
        )

    @asynccontextmanager
    async def _held(self) -> AsyncGenerator[tuple[Transaction, str]]:
        """Open a transaction in which this pass is the only one; yield the sealed cursor with it.

        Raises:
            LeaseLost: another worker has the run.
            PassReplaced: another pass has begun, or the source is gone.
        """
        async with self.database.transaction(tenant=self.run.tenant) as tx:
            await self.run.hold(tx, is_progress=True)
            sealed = await store.hold_sync(tx, self.source.id, self._round, tenant=self.run.tenant)
            if sealed is None:
                raise PassReplaced
            yield tx, sealed

    async def _changes(self, cursor: str) -> Page:
        async def do(facts: Facts) -> Page:
            page = await _shielded(self.opened.changes(cursor))
            facts["changes"] = len(page.changes)
            return page

        return await self._ask("changes", do)

    async def _fetched(self, change: Change) -> Fetched:
        async def do(facts: Facts) -> Fetched:
            fetched = await _shielded(self.opened.fetch(change.ref, revision=change.revision))
            facts["size_bytes"] = len(fetched.data)
            return fetched

        return await self._ask("fetch", do, self._ref(change).hex())

    async def _access(self, change: Change) -> Access:
        async def do(_: Facts) -> Access:
            return await _shielded(self.opened.access(change.ref))

        return await self._ask("access", do, self._ref(change).hex())

    async def _ask(self, what: str, do: Callable[[Facts], Awaitable[T]], *arguments: str) -> T:
        """Ask the source, as an action of Headgate."""
        command = Command(
            summary={"source": self.source.id, "connector": self.source.kind, "asked": what, "round": self._round},
            arguments=digest_of(self.source, self._round, what, arguments),
            do=do,
        )
        action = self.job_action(self.run.tenant, FETCH, Resource("source", self.source.id), command)
        done = await self.pipeline.run(action)
        result: T = done.result
        return result

    def _is_same(self, change: Change, held: HeldDocument) -> bool:
        """Return whether a document is at its source as it is here."""
        if change.is_deleted or change.fault or change.access is None or not change.revision:
            return False
        rights = self._rights(change.access)
        return self._is_placed(held, rights) and not rights.fault and held.revision == change.revision

    def _is_placed(self, held: HeldDocument, rights: _Rights) -> bool:
        return held.readers == rights.readers and held.given == str(self._given)

    def _rights(self, access: Access) -> _Rights:
        """Return who may read a document. Readers in a form that nobody has close it."""
        if access.readers is None:
            return _Rights(sorted_readers(self.source.readers))
        try:
            refuse_readers(access.readers, param="readers")
        except Invalid as error:
            return _Rights([], f"nobody may read it, because its source says of its readers: {error.message}")
        return _Rights(sorted_readers(access.readers))

    def _new(self, change: Change, fetched: Fetched, readers: list[str]) -> NewText:
        return NewText(
            ref=change.ref,
            name=fetched.name,
            data=fetched.data,
            by=_ADDED_BY,
            source=self.source.id,
            url=fetched.url,
            readers=readers,
            floor=self._given,
            as_of=fetched.as_of,
            round=self._round,
        )

    def _ref(self, change: Change) -> bytes:
        return self.documents.ref_of(change.ref, self.collection, tenant=self.run.tenant)

    def _sealed_cursor(self, cursor: str) -> str:
        if not cursor:
            return ""
        key = self.documents.keys.new(tenant=self.run.tenant, owner=self.source.id, item=_CURSOR)
        sealed = key.seal(cursor.encode(), name=_CURSOR)
        return ".".join(base64.b64encode(part).decode() for part in (key.wrapped, sealed))

    def _opened_cursor(self, sealed: str) -> str:
        if not sealed:
            return ""
        wrapped, body = map(base64.b64decode, sealed.split("."))
        key = self.documents.keys.unwrap(wrapped, tenant=self.run.tenant, owner=self.source.id, item=_CURSOR)
        return key.open(body, name=_CURSOR).decode()

    @property
    def _round(self) -> int:
        return int(self.run.input["round"])

    @property
    def _given(self) -> Labels:
        """The labels that the source gives its documents."""
        return self.source.given


async def _shielded(answer: Awaitable[T]) -> T:
    """Return the answer of a connector, with a mistake of its own as an error of ours."""
    try:
        return await answer
    except HeadgateError:
        raise
    except Exception as error:
        log.exception("connector_failed")
        raise Unavailable("the connector failed; Headgate's log has its cause") from error
