"""The attempts of one call: which deployment is next, and what the earlier ones said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from headgate.gateway.cached_answers import CacheUse
from headgate.gateway.health import Health
from headgate.gateway.pace import Pace
from headgate.gateway.pricing import FREE
from headgate.gateway.routing import Plan, Skipped
from headgate.kernel.action import Resource
from headgate.kernel.decision import FLOW_RULE
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NeedsApproval, Unavailable, Upstream
from headgate.kernel.labels import Custody
from headgate.kernel.measures import NO_MEASURES, Measures
from headgate.kernel.ports import Reservation
from headgate.kernel.run import Run
from headgate.wire.model_call import Deployment, ModelCall, ModelDispatch, ModelEvent, ModelReply

_HELD_EVENTS = 1000
_HELD_UNKNOWN = 8
"""The number of events of unknown form held back. More of them count as an answer."""
_UNKNOWN = "other/"

_OF_SOME_CALLS = frozenset({403, 404})
"""Statuses by which some providers refuse single calls, such as flagged ones."""

_TOLD = ("masked.", "restored.", "withheld.", "removed.", "altered.")

InvokeRun = Run[ModelCall, ModelEvent, ModelReply]
DispatchRun = Run[ModelDispatch, ModelEvent, ModelReply]


class Held(NamedTuple):
    """Events up to the first one with content, held back so that a fallback is still possible."""

    events: list[ModelEvent]
    is_over: bool


async def until_content(events: AsyncIterator[ModelEvent], *, is_text: bool) -> Held:
    """Read a stream up to its first event with content; of an answer that is no text, the first event."""
    held: list[ModelEvent] = []
    unknown = 0
    async for event in events:
        held.append(event)
        if not is_text:
            return Held(held, is_over=False)
        channels = [slot.channel for slot in event.slots if slot.text]
        is_known = any(not channel.startswith(_UNKNOWN) for channel in channels)
        unknown += bool(channels)
        if is_known or unknown > _HELD_UNKNOWN or event.stop_reason is not None or len(held) >= _HELD_EVENTS:
            return Held(held, is_over=False)
    return Held(held, is_over=True)


class Attempts:
    """The attempts of one call: iterates over the candidates and collects the results."""

    def __init__(self, plan: Plan, run: InvokeRun, *, health: Health, pace: Pace | None) -> None:
        self._plan = plan
        self._left = list(plan.candidates)
        self._run = run
        self._health = health
        self._pace = pace
        self._current: Deployment | None = None
        self._trying: Deployment | None = None
        self._began_us = 0
        self._tenant = run.action.principal.tenant
        self._why = [f"{skipped.deployment}: {skipped.why}" for skipped in plan.skipped]
        self._recorded = list(self._why)  # with hosts and addresses, for the record only
        self._failed: Upstream | None = None
        self._denied: Denied | None = None
        self._unsayable: Invalid | None = None
        self._recovers_in_s: list[float] = []
        self._earlier = 0
        self.count = 0
        self.cache: CacheUse | None = None
        self.hedge_s: float | None = None
        self.holds: Reservation | None = None
        """The second reservation of a hedged call; held until its cost is counted with the call's."""
        if self._why:
            run.facts["skipped"] = "; ".join(self._why)[:1000]

    @property
    def is_offered(self) -> bool:
        """Whether any deployment offers the operation."""
        return bool(self._plan.candidates)

    @property
    def is_unsayable(self) -> bool:
        """Whether the call failed only because no deployment's wire format can express it."""
        return self._unsayable is not None and self._failed is None and self._denied is None

    def __iter__(self) -> Attempts:
        self._left = list(self._plan.candidates)
        return self

    def __next__(self) -> Deployment:
        if not self._left:
            raise StopIteration
        deployment = self._left.pop(0)
        if not self._health.is_all_well:
            deployment = self._tried(deployment)
        self.count += 1
        self._run.facts["attempts"] = self.count
        self._earlier = len(self._run.children)
        if self._pace is not None:
            self._over(self._pace)
            self._current = deployment
            self._pace.began(deployment, tenant=self._tenant)
            self._began_us = self._run.elapsed_us()
        return deployment

    def _tried(self, deployment: Deployment) -> Deployment:
        """Return the deployment, or the next one if another call tries this one whether it works again."""
        while (why := self._health.begins(deployment, tenant=self._tenant)) is not None and self._left:
            self._skip(why)
            deployment = self._left.pop(0)
        self._trying = deployment
        return deployment

    def _skip(self, skipped: Skipped) -> None:
        self._why.append(f"{skipped.deployment}: {skipped.why}")
        self._recorded.append(self._why[-1])
        told = self._run.facts.get("skipped")
        self._run.facts["skipped"] = "; ".join([str(told), self._why[-1]] if told else [self._why[-1]])[:1000]

    def _over(self, pace: Pace) -> None:
        if self._current is not None:
            pace.ended(self._current, tenant=self._tenant)
            self._current = None

    def succeeded(self, deployment: Deployment, dispatched: DispatchRun, *, is_over: bool = True) -> None:
        """Note the deployment that answered, its time, and the fields that it did not get.

        Args:
            is_over: whether the answer is complete, which shows that the deployment is well.
        """
        is_own = "provider_batch" not in dispatched.facts  # a batch says nothing about the pace of single calls
        if self._pace is not None and deployment is self._current and is_own:
            seconds = (self._run.elapsed_us() - self._began_us) / 1_000_000
            self._pace.answered(deployment, tenant=self._tenant, streams=self._run.payload.stream, seconds=seconds)
        if is_over:
            self._health.succeeded(deployment, tenant=self._tenant)
            self._trying = None
        self._run.facts["deployment"] = deployment.id
        if "dropped" in dispatched.facts:
            self._run.facts["dropped"] = dispatched.facts["dropped"]

    @property
    def has_more(self) -> bool:
        """Whether a candidate was not tried yet."""
        return bool(self._left)

    def counts(self, deployment: Deployment) -> None:
        """Put a deployment's nested run last, as the one that counts for the call."""
        children = self._run.children
        for at, child in enumerate(children):
            if child.action.resource.id == deployment.id:
                children.append(children.pop(at))
                self._earlier = len(children) - 1
                return

    def streamed(self, deployment: Deployment, *, is_well: bool) -> None:
        """Note how the rest of a stream ended. A client that disconnects says nothing against the deployment."""
        self._trying = None
        if is_well:
            self._health.succeeded(deployment, tenant=self._tenant)
        else:
            self._health.failed(deployment, tenant=self._tenant)

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
                    deployment,
                    tenant=self._tenant,
                    retry_after_s=error.retry_after_s,
                    may_be_the_call=error.upstream_status in _OF_SOME_CALLS,
                )
                self._trying = None
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
        rules = self._denied.rules if self._denied is not None else (FLOW_RULE,)
        told = f"no deployment of {self._run.payload.model} may answer this: "
        return Denied(told + "; ".join(self._why), rules=rules, detail=told + "; ".join(self._recorded))

    def close(self) -> None:
        """End the current attempt, and set the run's measures to the sum over its dispatches."""
        if self._pace is not None:
            self._over(self._pace)
        if self._trying is not None:
            self._health.left(self._trying, tenant=self._tenant)
        self.report()
        if self.holds is not None:
            # The call's own reservation is settled with the cost of all its attempts, in the same step of the loop.
            self.holds.settle(NO_MEASURES, performed=False)
            self.holds = None

    def report(self) -> None:
        """Set the run's measures to the sum over its dispatches."""
        children = [child.measures for child in self._run.children]
        if children:
            self._run.measures = children[0] if len(children) == 1 else _summed(children)
        if self._run.payload.operation in FREE:
            self._run.measures = replace(self._run.measures, cost_micros=0)
        if children:
            note_masking(self._run)


def note_masking(run: InvokeRun) -> None:
    """Copy the masking counts of the last dispatch to the call's record, for lists of calls."""
    for name, value in run.children[-1].facts.items():
        if "." in name and name.startswith(_TOLD):
            run.facts[name] = value


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
