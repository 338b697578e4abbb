"""`model.invoke`: plans candidates and runs one dispatch per attempt, from the client's original.

A retry or a fallback happens only before the first content goes to the client. A deterministic 4xx
is not retried, because it would fail everywhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from headgate.gateway.catalogue import Catalogues
from headgate.gateway.pricing import FREE
from headgate.gateway.routing import Health, Plan, plan
from headgate.kernel.action import Resource
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NeedsApproval, Unavailable, Upstream
from headgate.kernel.labels import Custody
from headgate.kernel.measures import Measures
from headgate.kernel.run import Run
from headgate.wire.dialect import TokenCounting
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply, Usage

_NO_TOKENS = Usage(0, 0)
_HELD_EVENTS = 1000
_HELD_UNKNOWN = 8
"""The number of events of unknown form held back. More of them count as an answer."""
_UNKNOWN = "other/"

_TOLD = ("masked.", "restored.", "withheld.", "removed.", "altered.")

InvokeRun = Run[ModelCall, ModelEvent, ModelReply]
DispatchRun = Run[ModelDispatch, ModelEvent, ModelReply]


class ModelInvoke:
    """Performs `model.invoke`.

    Args:
        counting: the dialects that estimate token counts, by name.
    """

    def __init__(self, *, catalogues: Catalogues, health: Health, counting: Mapping[str, TokenCounting]) -> None:
        self._catalogues = catalogues
        self._health = health
        self._counting = counting

    async def run(self, run: InvokeRun) -> ModelReply:
        """Return the answer of the first candidate that answers."""
        attempts = _Attempts(self._plan(run), run, self._health)
        if run.payload.operation == "count_tokens" and not attempts.is_offered:
            run.facts["estimated"] = True
            run.measures = Measures(amounts=_NO_TOKENS.amounts(), cost_micros=0)
            return self._counting[run.payload.wire].estimated_count(run.payload)
        try:
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
            raise attempts.refusal()
        finally:
            attempts.report()

    def stream(self, run: InvokeRun) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Yield the events of the first candidate that answers; entering does nothing yet."""
        return self._stream(run)

    @asynccontextmanager
    async def _stream(self, run: InvokeRun) -> AsyncGenerator[AsyncIterator[ModelEvent], None]:
        async with aclosing(self._events(run)) as events:
            yield events

    async def _events(self, run: InvokeRun) -> AsyncGenerator[ModelEvent, None]:
        attempts = _Attempts(self._plan(run), run, self._health)
        try:
            for deployment in attempts:
                async with AsyncExitStack() as stack:
                    try:
                        dispatch = ModelDispatch(run.payload, deployment, attempts.count)
                        stream = await stack.enter_async_context(
                            run.stream(MODEL_DISPATCH, resource_of(deployment), dispatch)
                        )
                        held = await _until_content(stream.items)
                    except HeadgateError as error:
                        attempts.failed(deployment, error)
                        continue
                    attempts.succeeded(deployment, stream.run)
                    run.preface = stream.run.preface
                    for event in held.events:
                        yield event
                    if not held.is_over:
                        async for event in stream.items:
                            yield event
                    return
            raise attempts.refusal()
        finally:
            attempts.report()

    def _plan(self, run: InvokeRun) -> Plan:
        catalogue = self._catalogues(run.action.principal.tenant)
        # Use the alias that policy decided about: the catalogue may have changed since then.
        alias_id, asked = run.action.resource.id, run.payload.model
        alias = catalogue.alias_of(alias_id, asked=asked)
        if alias_id != asked:
            run.facts["requested_model"] = asked
        found = plan(
            run.payload,
            alias=alias,
            catalogue=catalogue,
            use_case=run.action.context.use_case,
            labelled=run.labelled,
        )
        candidates = self._health.in_order(found.candidates, tenant=run.action.principal.tenant)
        return found if candidates is found.candidates else found._replace(candidates=candidates)


class _Held(NamedTuple):
    """Events up to the first one with content, held back so that a fallback is still possible."""

    events: list[ModelEvent]
    is_over: bool


async def _until_content(events: AsyncIterator[ModelEvent]) -> _Held:
    held: list[ModelEvent] = []
    unknown = 0
    async for event in events:
        held.append(event)
        channels = [slot.channel for slot in event.slots if slot.text]
        is_known = any(not channel.startswith(_UNKNOWN) for channel in channels)
        unknown += bool(channels)
        if is_known or unknown > _HELD_UNKNOWN or event.stop_reason is not None or len(held) >= _HELD_EVENTS:
            return _Held(held, is_over=False)
    return _Held(held, is_over=True)


class _Attempts:
    """The attempts of one call: iterates over the candidates and collects the results."""

    def __init__(self, plan: Plan, run: InvokeRun, health: Health) -> None:
        self._plan = plan
        self._run = run
        self._health = health
        self._tenant = run.action.principal.tenant
        self._why = [f"{skipped.deployment}: {skipped.why}" for skipped in plan.skipped]
        self._recorded = list(self._why)  # with hosts and addresses, for the record only
        self._failed: Upstream | None = None
        self._denied: Denied | None = None
        self._unsayable: Invalid | None = None
        self._recovers_in_s: list[float] = []
        self._earlier = 0
        self.count = 0
        if self._why:
            run.facts["skipped"] = "; ".join(self._why)[:1000]

    @property
    def is_offered(self) -> bool:
        """Whether any deployment offers the operation."""
        return bool(self._plan.candidates)

    def __iter__(self) -> _Attempts:
        self._left = list(self._plan.candidates)
        return self

    def __next__(self) -> Deployment:
        if not self._left:
            raise StopIteration
        self.count += 1
        self._run.facts["attempts"] = self.count
        self._earlier = len(self._run.children)
        return self._left.pop(0)

    def succeeded(self, deployment: Deployment, dispatched: DispatchRun) -> None:
        """Note the deployment that answered, and the fields that it did not get."""
        self._health.succeeded(deployment, tenant=self._tenant)
        self._run.facts["deployment"] = deployment.id
        if "dropped" in dispatched.facts:
            self._run.facts["dropped"] = dispatched.facts["dropped"]

    def failed(self, deployment: Deployment, error: HeadgateError) -> None:
        """Go on to the next candidate, or raise if another one would not help."""
        self._why.append(f"{deployment.id}: {error.message}")
        self._recorded.append(f"{deployment.id}: {error.recorded}")
        if error.is_final:
            # The deployment answered. A second attempt would cost the same again.
            self._health.succeeded(deployment, tenant=self._tenant)
            self._run.facts["deployment"] = deployment.id
            raise error
        match error:
            case _ if self._was_answered and not isinstance(error, Upstream):
                # The answer is paid for but cannot be released. A second one would cost the same.
                self.report()
                raise error
            case Upstream(retryable=True):
                self._health.failed(
                    deployment, tenant=self._tenant, retry_after_s=error.retry_after_s, reason=error.recorded
                )
                self._failed = error
                if error.retry_after_s is not None:
                    self._recovers_in_s.append(error.retry_after_s)
            case Denied():
                # Of several refusals, report the one that an approval can lift.
                self._denied = self._denied if isinstance(self._denied, NeedsApproval) else error
            case Invalid():
                # This wire format cannot express the call; another deployment's may.
                self._unsayable = self._unsayable or error
            case _:
                self.report()
                raise error

    @property
    def _was_answered(self) -> bool:
        """Whether the current attempt got an answer before it failed."""
        children = self._run.children
        return len(children) > self._earlier and children[-1].measures.first_item_us is not None

    def refusal(self) -> HeadgateError:
        """Return the error of a call without an answer.

        In this order: a temporary failure, a necessary approval, an untranslatable call, a refusal.
        """
        self.report()
        if self._failed is not None:
            self._failed.retry_after_s = min(self._recovers_in_s, default=None)
            return self._failed
        if isinstance(self._denied, NeedsApproval):
            return self._denied
        if self._unsayable is not None:
            return self._unsayable
        if not self._why:
            return Unavailable(f"{self._run.payload.model} has no deployment; add one to its alias")
        if self._denied is None and all(one.is_unable for one in self._plan.skipped):
            return Invalid(f"no deployment of {self._run.payload.model} can answer this: " + "; ".join(self._why))
        rules = self._denied.rules if self._denied is not None else ("lattice.flow",)
        told = f"no deployment of {self._run.payload.model} may answer this: "
        return Denied(told + "; ".join(self._why), rules=rules, detail=told + "; ".join(self._recorded))

    def report(self) -> None:
        """Set the run's measures to the sum over its dispatches."""
        children = [child.measures for child in self._run.children]
        if children:
            self._run.measures = children[0] if len(children) == 1 else _summed(children)
        if self._run.payload.operation in FREE:
            self._run.measures = replace(self._run.measures, cost_micros=0)
        if not children:
            return
        # Copy the masking counts of the last dispatch to the call's record, for lists of calls.
        answered = self._run.children[-1].facts
        for name, value in answered.items():
            if "." in name and name.startswith(_TOLD):
                self._run.facts[name] = value


def _summed(children: Sequence[Measures]) -> Measures:
    """Join the measures of several dispatches: the tokens of the last answer, the cost of all."""
    charged = [child for child in children if child.amounts]
    costs = [child.cost_micros for child in charged]
    is_one_currency = len({child.currency for child in charged}) == 1
    last = (charged or children)[-1]
    return Measures(
        amounts=last.amounts,
        is_estimate=last.is_estimate,
        cost_micros=sum(cost or 0 for cost in costs) if is_one_currency and None not in costs else None,
        currency=last.currency,
        first_item_us=children[-1].first_item_us,
        sent_us=children[-1].sent_us,
    )


@lru_cache(maxsize=4096)
def resource_of(deployment: Deployment) -> Resource:
    """Return the deployment as the resource of a dispatch, with its attributes for policies."""
    clearance = deployment.clearance
    return Resource(
        kind="deployment",
        id=deployment.id,
        clearance=clearance,
        attributes={
            "provider": deployment.provider,
            "custody": "organisation" if clearance.custody is Custody.ORGANISATION else "any",
            "level": int(clearance.level),
            "regions": clearance.regions or frozenset[str](),
        },
    )
