"""`model.invoke`: plans candidates and runs one dispatch per attempt, from the client's original.

A retry or a fallback happens only before the first content goes to the client. A deterministic 4xx
is not retried, because it would fail everywhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager

from headgate.admin.model_calls import AGAIN
from headgate.admin.provider_batches import BATCH
from headgate.gateway.attempts import Attempts, InvokeRun, resource_of, until_content
from headgate.gateway.binding import tag_of
from headgate.gateway.cached_answers import CachedAnswers, CacheUse
from headgate.gateway.catalogue import Alias, Catalogues
from headgate.gateway.health import Health
from headgate.gateway.hedging import Hedging
from headgate.gateway.pace import Pace
from headgate.gateway.preferences import ordered
from headgate.gateway.routing import Plan, plan
from headgate.kernel.errors import HeadgateError, Upstream
from headgate.kernel.measures import Measures
from headgate.wire.dialect import TokenCounting
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelDispatch, ModelEvent, ModelReply, Usage

_NO_TOKENS = Usage(0, 0)


class ModelInvoke:
    """Performs `model.invoke`.

    Args:
        counting: the dialects that estimate token counts, by name.
        cached: answers calls of aliases with a cache.
        hedging: makes the attempts of aliases with `hedge`.
    """

    def __init__(
        self,
        *,
        catalogues: Catalogues,
        health: Health,
        pace: Pace,
        counting: Mapping[str, TokenCounting],
        cached: CachedAnswers,
        hedging: Hedging,
    ) -> None:
        self._catalogues = catalogues
        self._health = health
        self._pace = pace
        self._counting = counting
        self._cached = cached
        self._hedging = hedging

    async def run(self, run: InvokeRun) -> ModelReply:
        """Return the answer of the first candidate that answers."""
        attempts = self._attempts(run)
        if attempts.cache is not None:
            return await self._cached.answer(run, attempts.cache, lambda: self._answer(run, attempts))
        return await self._answer(run, attempts)

    async def _answer(self, run: InvokeRun, attempts: Attempts) -> ModelReply:
        if run.payload.operation == "count_tokens" and not attempts.is_offered:
            return self._estimated(run)
        try:
            if attempts.hedge_s is not None:
                return await self._hedging.answer(run, attempts)
            for deployment in attempts:
                try:
                    reply = await run.perform(
                        MODEL_DISPATCH, resource_of(deployment), ModelDispatch(run.payload, deployment, attempts.count)
                    )
                except HeadgateError as error:
                    attempts.failed(deployment, error)
                else:
                    attempts.succeeded(deployment, run.children[-1])
                    return reply
            if run.payload.operation == "count_tokens" and attempts.is_unsayable:
                return self._estimated(run)
            raise attempts.refusal()
        finally:
            attempts.close()

    def _estimated(self, run: InvokeRun) -> ModelReply:
        """Return an estimated token count, where no deployment counts calls of this wire."""
        run.facts["estimated"] = True
        run.measures = Measures(amounts=_NO_TOKENS.amounts(), cost_micros=0)
        return self._counting[run.payload.wire].estimated_count(run.payload)

    def stream(self, run: InvokeRun) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Yield the events of the first candidate that answers; entering does nothing yet."""
        return self._stream(run)

    @asynccontextmanager
    async def _stream(self, run: InvokeRun) -> AsyncGenerator[AsyncIterator[ModelEvent], None]:
        async with aclosing(self._events(run)) as events:
            yield events

    def _events(self, run: InvokeRun) -> AsyncGenerator[ModelEvent, None]:
        attempts = self._attempts(run)
        attempted = self._attempted if attempts.hedge_s is None else self._hedging.events
        if attempts.cache is not None:
            return self._cached.events(run, attempts.cache, lambda: attempted(run, attempts))
        return attempted(run, attempts)

    async def _attempted(self, run: InvokeRun, attempts: Attempts) -> AsyncGenerator[ModelEvent, None]:
        try:
            for deployment in attempts:
                async with AsyncExitStack() as stack:
                    try:
                        dispatch = ModelDispatch(run.payload, deployment, attempts.count)
                        stream = await stack.enter_async_context(
                            run.stream(MODEL_DISPATCH, resource_of(deployment), dispatch)
                        )
                        held = await until_content(stream.items, is_text=not run.payload.answer_type)
                    except HeadgateError as error:
                        attempts.failed(deployment, error)
                        continue
                    attempts.succeeded(deployment, stream.run, is_over=held.is_over)
                    run.preface = stream.run.preface
                    for event in held.events:
                        yield event
                    if not held.is_over:
                        is_well = True
                        try:
                            async for event in stream.items:
                                yield event
                        except Upstream:
                            is_well = False
                            raise
                        finally:
                            attempts.streamed(deployment, is_well=is_well)
                    return
            raise attempts.refusal()
        finally:
            attempts.close()

    def _attempts(self, run: InvokeRun) -> Attempts:
        catalogue = self._catalogues(run.action.principal.tenant)
        # Use the alias that policy decided about: the catalogue may have changed since then.
        alias_id, asked = run.action.resource.id, run.payload.model
        alias = catalogue.alias_of(alias_id, asked=asked)
        if alias_id != asked:
            run.facts["requested_model"] = asked
        if AGAIN in run.action.context.attributes:
            run.facts["again"] = run.action.context.attributes[AGAIN]
        found = plan(
            run.payload,
            alias=alias,
            catalogue=catalogue,
            use_case=run.action.context.use_case,
            labelled=run.labelled,
        )
        if alias.prefer != "order" and len(found.candidates) > 1:
            chosen = ordered(found.candidates, run.payload, alias=alias, caller=run.action.principal, pace=self._pace)
            run.facts["preference"] = alias.prefer
            run.facts["preferred"] = "; ".join(chosen.scores)[:1000]
            if chosen.difficulty is not None:
                run.facts["difficulty"] = chosen.difficulty.score
                run.facts["difficulty_parts"] = chosen.difficulty.words
                run.facts["threshold"] = alias.threshold
            found = found._replace(candidates=chosen.candidates)
        elif len(found.candidates) > 1:
            run.facts["candidates"] = "; ".join([one.id for one in found.candidates])[:1000]
        if run.payload.bound_to and len(found.candidates) > 1:
            found = found._replace(candidates=_issuer_first(found.candidates, run))
        if not self._health.is_all_well:
            healthy = self._health.in_order(found.candidates, tenant=run.action.principal.tenant)
            found = Plan(healthy.candidates, (*found.skipped, *healthy.skipped))
        attempts = Attempts(found, run, health=self._health, pace=self._pace if catalogue.needs_pace else None)
        if alias.cache is not None:
            attempts.cache = self._cache_use(run, alias, found, version=catalogue.version)
        is_hedged = run.payload.operation != "count_tokens" and BATCH not in run.action.context.facts
        if alias.hedge_s is not None and len(found.candidates) > 1 and is_hedged:
            attempts.hedge_s = alias.hedge_s
        return attempts

    def _cache_use(self, run: InvokeRun, alias: Alias, found: Plan, *, version: str) -> CacheUse | None:
        if alias.cache is None or not found.candidates:
            return None
        candidates = [one.id for one in found.candidates]
        return self._cached.use(run, alias.cache, alias=alias.name, catalogue_version=version, candidates=candidates)


def _issuer_first(candidates: Sequence[Deployment], run: InvokeRun) -> list[Deployment]:
    """Return the candidates with the one first that can read the encrypted reasoning in the call."""
    tag = run.payload.bound_to
    if any(tag_of(one) == tag for one in candidates):
        run.facts["issuer_first"] = True
    return sorted(candidates, key=lambda one: tag_of(one) != tag)
