"""Administration on its way through the pipeline: who calls, what is decided, and the one performer of all commands."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.administration import Command
from headgate.kernel.decision import Decision, Effect
from headgate.kernel.errors import Denied, Invalid, Unavailable
from headgate.kernel.identity import Principal, RecordId, TenantId, UseCase
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Decider, Labeller
from headgate.kernel.record import Fact
from headgate.kernel.run import Run
from headgate.policy.models import ADMINISTRATION, CONSOLE
from headgate.policy.snapshot import TenantPolicy
from headgate.wire.model_call import MODEL_INVOKE


@dataclass(frozen=True, slots=True)
class AdminCaller:
    """Who calls the admin API.

    Args:
        principal: with the roles that the snapshot gives it at this moment.
        tenant: the tenant's policy in the same snapshot.
        bound: the use case that its key is bound to, or None for a session.
        floor: labels that the caller raised by header.
        grant: id of an approval that the caller presents, or None.
        attributes: what policies may ask about how the caller came in.
    """

    principal: Principal
    tenant: TenantPolicy
    bound: str | None = None
    floor: Labels = BOTTOM
    grant: str | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: CONSOLE)

    @property
    def tenant_id(self) -> TenantId:
        """The tenant's id."""
        return self.tenant.id

    @property
    def administration(self) -> UseCase:
        """The use case under which administration is decided.

        Raises:
            Unavailable: the database lost it, or it cannot be read.
        """
        try:
            return self.tenant.use_cases[ADMINISTRATION]
        except KeyError:
            raise Unavailable(
                f"the built-in use case {ADMINISTRATION} is not there; run `headgate recover` on Headgate's machine"
            ) from None


class Performed(NamedTuple):
    """What a command returned, and the record that tells of it."""

    result: Any
    record: RecordId


class CommandPerformer:
    """Performs every verb of `kernel.administration.COMMANDS`: runs the command and notes what it says of itself."""

    async def run(self, run: Run[Command, Any, Any]) -> Any:
        """Do it. The summary is noted first, so that a failure tells what was tried."""
        run.facts.update(run.payload.summary)
        return await run.payload.do(run.facts)

    def stream(self, run: Run[Command, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Refuse: commands have no items."""
        raise Invalid(f"{run.action.verb.name} cannot be streamed")


async def perform(
    pipeline: Pipeline, caller: AdminCaller, verb: Verb[Command, Any, Any], *, resource: Resource, command: Command
) -> Performed:
    """Run a command through the pipeline, with a record.

    Raises:
        HeadgateError: refused or failed; `record_id` names the record.
    """
    done = await pipeline.run(_action(caller, verb, resource, command))
    return Performed(done.result, done.run.record_id)


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides what is only looked at."""

    labeller: Labeller
    decider: Decider

    def authorise(self, caller: AdminCaller, verb: Verb[Command, Any, Any], resource: Resource) -> None:
        """Raise Denied unless policy allows the caller this look at lists or metadata.

        No record is made of it: such a look reveals no content and changes nothing, a console that stays open does it
        every few seconds, and in the list of records it would bury what an auditor looks for (and each look at that
        list would make it longer). What reveals content or leaves the house is run through the pipeline instead.
        """
        decision = self._decide(caller, verb, resource)
        if decision.effect is not Effect.ALLOW:
            rules = tuple(rule.id for rule in decision.refusing)
            reasons = "; ".join(f"{rule.id} ({rule.reason})" for rule in decision.refusing)
            raise Denied(f"{verb.name} is refused: {reasons or 'no rule allows it to your roles'}", rules=rules)

    def may_use(self, caller: AdminCaller, use_case: UseCase) -> bool:
        """Tell whether policy lets the caller have models answer under a use case, for lists to choose from."""
        context = Context(use_case=use_case, grant=caller.grant, attributes=caller.attributes)
        resource = Resource("use_case", use_case.id)
        asked: Action[Any, Any, Any] = Action(MODEL_INVOKE, caller.principal, resource, None, context)
        try:
            decision = self.decider.decide(asked, self.labeller.label(asked))
        except Unavailable:
            return False
        return decision.effect is not Effect.DENY

    def allows(self, caller: AdminCaller, verb: Verb[Command, Any, Any], resource: Resource) -> bool:
        """Tell whether `authorise` would pass."""
        try:
            self.authorise(caller, verb, resource)
        except Denied:
            return False
        return True

    def offers(self, caller: AdminCaller, verb: Verb[Command, Any, Any], resource: Resource) -> bool:
        """Tell whether the caller may do it, or may ask a person to approve it."""
        return self._decide(caller, verb, resource).effect is not Effect.DENY

    def _decide(self, caller: AdminCaller, verb: Verb[Command, Any, Any], resource: Resource) -> Decision:
        action = _action(caller, verb, resource, None)
        return self.decider.decide(action, self.labeller.label(action))


def digest_of(*arguments: Any) -> str:
    """Return the SHA-256, in hex, that a command's approval is bound to; takes what msgspec can encode."""
    return hashlib.sha256(msgspec.json.encode(arguments, order="sorted")).hexdigest()


def summary(**facts: Fact) -> dict[str, Fact]:
    """Return facts for a record, without those that are None."""
    return {name: value for name, value in facts.items() if value is not None}


def _action(
    caller: AdminCaller, verb: Verb[Command, Any, Any], resource: Resource, payload: Any
) -> Action[Any, Any, Any]:
    context = Context(use_case=caller.administration, grant=caller.grant, attributes=caller.attributes)
    return Action(verb=verb, principal=caller.principal, resource=resource, payload=payload, context=context)
