"""Operations on the wires of clients beside model calls: each declared by the feature that answers it.

Their callers have keys, their errors have the form of their plane, and what they do are actions of their caller under
the use case of the key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headgate.admin.commands import Command, CommandVerb, Do
from headgate.admin.requests import Performed
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.decision import NOTHING_ALLOWS, Effect
from headgate.kernel.errors import Denied
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.record import Fact
from headgate.wire.plane import Plane


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """An answer with status 200.

    Args:
        body: the whole body, or its pieces.
        kind: the content type.
    """

    body: bytes | AsyncIterator[bytes]
    kind: str = "application/json"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request of a client with a key.

    Args:
        floor: labels that the caller raised by header.
        grant: id of the caller's approval, or None.
        path: the named segments of the path.
        read_body: reads the body up to a number of bytes, unpacked.
        decided: names of the verbs that policy decided during this request.
        records: ids of the records that the request left.
    """

    pipeline: Pipeline
    principal: Principal
    use_case: UseCase
    floor: Labels
    grant: str | None
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    read_body: Callable[[int], Awaitable[bytes]]
    decided: set[str] = field(default_factory=set[str])
    records: list[str] = field(default_factory=list[str])

    @property
    def tenant(self) -> TenantId:
        """The caller's tenant."""
        return self.principal.tenant

    def authorise(self, verb: CommandVerb, resource: Resource) -> None:
        """Check that policy lets the caller read lists or metadata. Leaves no record, as clients poll.

        Raises:
            Denied: policy does not allow it.
        """
        action = self._action(verb, resource, None, floor=BOTTOM)
        stages = self.pipeline.stages
        decision = stages.decider.decide(action, stages.labeller.label(action))
        self.decided.add(verb.name)
        if decision.effect is Effect.ALLOW:
            return
        if not decision.refusing:
            raise Denied(decision.advice or NOTHING_ALLOWS)
        raise Denied(f"{verb.name} is refused: {decision.reasons}", rules=decision.refusing_ids)

    async def perform(
        self,
        verb: CommandVerb,
        resource: Resource,
        do: Do,
        *,
        arguments: str,
        summary: Mapping[str, Fact] | None = None,
        floor: Labels = BOTTOM,
    ) -> Performed:
        """Run a command of the caller; `arguments` and `summary` are as in `Command`.

        Args:
            floor: labels of the content that it reads.

        Raises:
            HeadgateError: refused or failed; `record_id` names the record.
        """
        return await self.act(verb, resource, Command(summary=summary or {}, arguments=arguments, do=do), floor=floor)

    async def act(
        self, verb: Verb[Any, Any, Any], resource: Resource, payload: Any, *, floor: Labels = BOTTOM
    ) -> Performed:
        """Run an action of the caller.

        Args:
            floor: labels of what it reads beyond the content of its payload.

        Raises:
            HeadgateError: refused or failed; `record_id` names the record.
        """
        self.decided.add(verb.name)
        done = await self.pipeline.run(self._action(verb, resource, payload, floor=self.floor.join(floor)))
        self.records.append(done.run.record_id)
        return Performed(done.result, done.run.record_id)

    def _action(
        self, verb: Verb[Any, Any, Any], resource: Resource, payload: Any, *, floor: Labels
    ) -> Action[Any, Any, Any]:
        context = Context(use_case=self.use_case, floor=floor, grant=self.grant)
        return Action(verb=verb, principal=self.principal, resource=resource, payload=payload, context=context)


WireHandler = Callable[[Any, WireRequest], Awaitable[WireAnswer]]
"""Handler of an operation; receives the feature's service."""


@dataclass(frozen=True, slots=True)
class WireOperation:
    """One route on a client's wire.

    Args:
        path: `{name}` is one segment.
        plane: the plane of its clients.
        handler: the function that answers. It lets policy decide at least one verb.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    plane: Plane
    handler: WireHandler
