"""The search in files that a call of a model asks for: `knowledge.search` under the rights of the caller."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headgate.admin.file_search import FoundFiles, SearchCaller
from headgate.kernel.action import Action, Context
from headgate.kernel.content import PlainText
from headgate.kernel.errors import Invalid, NotFound
from headgate.knowledge import verbs
from headgate.knowledge.attribute_filters import read_filter
from headgate.knowledge.payloads import Found, Question
from headgate.knowledge.specs import PRIVATE
from headgate.knowledge.vector_store_bodies import scored
from headgate.knowledge.vector_stores import IS_PRIVATE, VectorStores, refuse_expired
from headgate.wire.file_search import FoundText, WantedFiles


@dataclass(frozen=True, slots=True)
class StoreSearches:
    """Implements `FileSearches`."""

    stores: VectorStores

    async def search(self, wanted: WantedFiles, caller: SearchCaller) -> FoundFiles | None:
        """As the port `FileSearches`."""
        if not any(map(_is_ours, wanted.stores)):
            return None
        await self._check(wanted, caller)
        collections = tuple(sorted(set(wanted.stores)))
        question = Question(PlainText((wanted.query,)), collections, wanted.limit)
        if wanted.filters is not None:
            question = replace(question, filter=read_filter(wanted.filters))
        principal = caller.principal
        context = Context(use_case=caller.use_case, floor=caller.floor)
        resource = verbs.knowledge_resource(principal.tenant, collections)
        done = await caller.pipeline.run(Action(verbs.SEARCH, principal, resource, question, context))
        texts = await self._texts(done.result, wanted, caller)
        return FoundFiles(texts, done.run.labelled.labels.join(done.run.output_labels), done.run.record_id)

    async def _check(self, wanted: WantedFiles, caller: SearchCaller) -> None:
        """Check that the caller reads every store.

        Raises:
            NotFound: it has no such store.
            Invalid: a store is not here, or has expired.
        """
        for one in wanted.stores:
            if not _is_ours(one):
                raise Invalid(f"file_search: {one[:128]!r} is no vector store of this Headgate", param="tools")
            seen = await self.stores.find(one, caller.principal)
            refuse_expired(seen, self.stores.clock.now())
            if not seen.is_reader:
                raise NotFound(f"you may not read the vector store {seen.id}; ask its owner", param="tools")

    async def _texts(self, found: Found, wanted: WantedFiles, caller: SearchCaller) -> list[FoundText]:
        documents = list({one.document for one in found.passages})
        files = await self.stores.behind(documents, wanted.stores, tenant=caller.principal.tenant)
        best = max((one.score for one in found.passages), default=0.0)
        ranked = [scored(one, files[one.document], best=best) for one in found.passages if one.document in files]
        return [
            FoundText(one.file_id, one.filename, one.text, one.score, one.attributes)
            for one in ranked
            if one.score >= wanted.threshold
        ]


def _is_ours(store: str) -> bool:
    """Return whether an id can be that of a store here: OpenAI's begin with `vs_` too, and are longer or shorter."""
    return IS_PRIVATE.fullmatch(store) is not None or not store.startswith(PRIVATE)
