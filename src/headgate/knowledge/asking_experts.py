"""Questions that the documents do not answer: handed to the experts of a collection, whose reply becomes a document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from headgate.admin.notices import QUESTION_ANSWERED, QUESTION_OPEN, Notice
from headgate.kernel.errors import Conflict, Denied, Invalid, NotFound, OverBudget
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import Labels, parse_labels
from headgate.kernel.run import Run
from headgate.knowledge import question_store
from headgate.knowledge.documents import NewText
from headgate.knowledge.payloads import Said
from headgate.knowledge.question_store import Quality, QuestionRow, Ratings
from headgate.knowledge.service import Knowledge, SeenCollection
from headgate.knowledge.specs import EVERYONE, Collection
from headgate.substrate.database import Transaction

MOST_OPEN = 100
"""The limit of open questions of one asker."""

PERIOD = timedelta(days=30)


class Keeper:
    """Performs the verbs of words that a callback keeps."""

    async def run(self, run: Run[Said, object, object]) -> object:
        """Keep the words under the labels that they were found to have."""
        return await run.payload.do(run.payload.content, run.labelled.labels)

    def stream(self, run: Run[Said, object, object]) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """Raise Invalid, because it does not stream."""
        raise Invalid(f"{run.action.verb.name} cannot be streamed")


@dataclass(frozen=True, slots=True)
class CollectionQuality:
    """A collection in numbers, with what people said about its answers in the last 30 days."""

    numbers: Quality
    ratings: Ratings


@dataclass(frozen=True, slots=True)
class AskingExperts:
    """Questions to experts, and the quality of collections."""

    knowledge: Knowledge

    def answers(self, principal: Principal, collection: Collection) -> bool:
        """Return whether a principal may answer questions to a collection: an expert of it, or its owner."""
        return principal.id in collection.experts or principal.id == collection.owner

    async def ask(
        self, text: str, seen: SeenCollection, *, principal: Principal, labels: Labels, record: str | None
    ) -> QuestionRow:
        """Hand a question to the experts of a collection.

        Raises:
            Invalid: the collection has nobody who answers.
            OverBudget: the asker has too many open questions.
        """
        if not seen.is_reader:
            raise NotFound(f"there is no collection {seen.collection.id!r} that you may read", param="collection")
        documents, tenant = self.knowledge.documents, principal.tenant
        question_id = f"q_{documents.ids.ulid().lower()}"
        key = documents.keys.new(tenant=tenant, owner=seen.collection.id, item=question_id)
        row = QuestionRow(
            id=question_id,
            collection=seen.collection.id,
            asker=principal.id,
            key=key.wrapped,
            text=key.seal(text.encode(), name="text"),
            reply=None,
            labels=str(labels.join(seen.collection.floor)),
            state="open",
            record=record,
            expert=None,
            document=None,
            asked_at=documents.clock.now(),
            ended_at=None,
        )
        async with self.knowledge.database.transaction(tenant=tenant) as tx:
            if await question_store.count_open(tx, principal.id, tenant=tenant) >= MOST_OPEN:
                raise OverBudget(f"{MOST_OPEN} questions of yours are open; wait for an answer", retry_after_s=3600)
            await question_store.add(tx, row, tenant=tenant)
            await self._tell(tx, QUESTION_OPEN, row, seen.collection, by=principal.id, tenant=tenant)
        return row

    async def page(
        self, principal: Principal, *, limit: int, state: str | None, of: str | None, before: str | None
    ) -> tuple[list[tuple[QuestionRow, Collection]], str | None]:
        """Return a page of the questions that a principal may answer and of its own, with the cursor of the next page.

        Args:
            of: "asker" for its own only, "expert" for those that it may answer only.
        """
        found = {one.collection.id: one.collection for one in await self.knowledge.collections(principal)}
        answered = [one.id for one in found.values() if self.answers(principal, one)]
        async with self.knowledge.database.transaction(tenant=principal.tenant) as tx:
            rows = await question_store.questions(
                tx,
                tenant=principal.tenant,
                collections=[] if of == "asker" else answered,
                asker=None if of == "expert" else principal.id,
                limit=limit,
                state=state,
                before=before,
            )
        shown = [row for row in rows if row.collection in found and self._may_read(row, principal)]
        cursor = rows[-1].id if len(rows) == limit else None
        return [(row, found[row.collection]) for row in shown], cursor

    async def find(self, question_id: str, *, principal: Principal) -> tuple[QuestionRow, Collection]:
        """Return a question that a principal may answer.

        Raises:
            NotFound: it has no such question.
        """
        tenant = principal.tenant
        async with self.knowledge.database.transaction(tenant=tenant) as tx:
            row = await question_store.question(tx, question_id, tenant=tenant)
        found = {one.collection.id: one.collection for one in await self.knowledge.collections(principal)}
        if row is None or row.collection not in found or not self._may_read(row, principal):
            raise NotFound(f"there is no question {question_id[:128]!r} for you", param="question")
        if not self.answers(principal, found[row.collection]) and row.asker != principal.id:
            raise NotFound(f"there is no question {question_id[:128]!r} for you", param="question")
        return row, found[row.collection]

    async def reply(
        self, row: QuestionRow, collection: Collection, text: str, *, principal: Principal, labels: Labels
    ) -> QuestionRow:
        """Answer a question. The reply becomes a document of the collection, for all of its readers.

        Raises:
            Denied: the principal is no expert of the collection.
            Conflict: the question is no longer open.
        """
        if not self.answers(principal, collection):
            raise Denied(f"only the owner and the experts of {collection.name} answer its questions")
        if not text.strip():
            raise Invalid("the reply is empty; write an answer", param="text")
        tenant, question = principal.tenant, " ".join(self.text(row, tenant=principal.tenant).split())
        key = self.knowledge.documents.keys.unwrap(row.key, tenant=tenant, owner=row.collection, item=row.id)
        now, joined = self.knowledge.documents.clock.now(), parse_labels(row.labels).join(labels)
        new = NewText(
            ref=f"question/{row.id}",
            name=f"{question[:80]}.md",
            data=f"# {question}\n\n{text}\n".encode(),
            by=principal.id,
            readers=(EVERYONE,),
            floor=joined,
            as_of=now,
        )
        async with self.knowledge.database.transaction(tenant=tenant) as tx:
            document, _ = await self.knowledge.documents.put(tx, new, collection, tenant=tenant)
            sealed = key.seal(text.encode(), name="reply")
            is_ended = await question_store.end(
                tx,
                row.id,
                "answered",
                tenant=tenant,
                now=now,
                expert=principal.id,
                labels=str(joined),
                reply=sealed,
                document=document.id,
            )
            if not is_ended:
                raise Conflict("somebody has answered or closed this question already", param="question")
            await self._tell(tx, QUESTION_ANSWERED, row, collection, by=principal.id, tenant=tenant)
        return replace(
            row,
            state="answered",
            reply=sealed,
            labels=str(joined),
            expert=principal.id,
            document=document.id,
            ended_at=now,
        )

    async def close(self, row: QuestionRow, *, principal: Principal) -> QuestionRow:
        """Close a question without an answer.

        Raises:
            Conflict: the question is no longer open.
        """
        tenant, now = principal.tenant, self.knowledge.documents.clock.now()
        async with self.knowledge.database.transaction(tenant=tenant) as tx:
            if not await question_store.end(
                tx, row.id, "closed", tenant=tenant, now=now, expert=principal.id, labels=row.labels
            ):
                raise Conflict("somebody has answered or closed this question already", param="question")
        return replace(row, state="closed", expert=principal.id, ended_at=now)

    async def rate(self, record: str, collections: list[str], *, is_right: bool, principal: Principal) -> None:
        """Note whether an answer was right."""
        async with self.knowledge.database.transaction(tenant=principal.tenant) as tx:
            await question_store.rate(
                tx,
                record,
                tenant=principal.tenant,
                rater=principal.id,
                collections=collections,
                is_right=is_right,
                now=self.knowledge.documents.clock.now(),
            )

    async def quality(self, collection: Collection, *, tenant: TenantId) -> CollectionQuality:
        """Return the quality of a collection in the last 30 days."""
        now = self.knowledge.documents.clock.now()
        days, since = collection.shelf_life_days, now - PERIOD
        stale_before: datetime | None = None if days is None else now - timedelta(days=days)
        async with self.knowledge.database.transaction(tenant=tenant) as tx:
            numbers = await question_store.quality(
                tx, collection.id, tenant=tenant, since=since, stale_before=stale_before
            )
            return CollectionQuality(
                numbers, await question_store.ratings(tx, collection.id, tenant=tenant, since=since)
            )

    def text(self, row: QuestionRow, *, tenant: TenantId) -> str:
        """Return the words of a question."""
        key = self.knowledge.documents.keys.unwrap(row.key, tenant=tenant, owner=row.collection, item=row.id)
        return key.open(row.text, name="text").decode()

    def reply_text(self, row: QuestionRow, principal: Principal) -> str | None:
        """Return the words of its reply. Return None without one, or if its labels may not flow to the principal."""
        is_open_to = row.expert == principal.id or self.knowledge.reader(principal).is_cleared_for(row.labels)
        if row.reply is None or not is_open_to:
            return None
        tenant = principal.tenant
        key = self.knowledge.documents.keys.unwrap(row.key, tenant=tenant, owner=row.collection, item=row.id)
        return key.open(row.reply, name="reply").decode()

    def _may_read(self, row: QuestionRow, principal: Principal) -> bool:
        return row.asker == principal.id or self.knowledge.reader(principal).is_cleared_for(row.labels)

    async def _tell(
        self, tx: Transaction, event: str, row: QuestionRow, collection: Collection, *, by: str, tenant: TenantId
    ) -> None:
        title = f"{'A question to' if event == QUESTION_OPEN else 'An answer from'} {collection.name}"
        notice = Notice(event, row.id, title, by, "administration", "/knowledge/questions")
        await self.knowledge.notify()(tx, notice, tenant=tenant)
