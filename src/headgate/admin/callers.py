"""Who calls the admin API, and what is decided about a mere look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.admin.commands import Command, CommandVerb
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.decision import NOTHING_ALLOWS, Decision, Effect
from headgate.kernel.errors import Denied, Unavailable
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.ports import Decider, Labeller

ADMINISTRATION = "administration"
"""The built-in use case under which Headgate is administered."""

CONSOLE: Mapping[str, str] = {"channel": "admin-api"}
"""What policies may ask about an action that came in by the admin API."""

MACHINE: Mapping[str, str] = {"channel": "machine"}
"""The same of what is done on Headgate's own machine, by whoever can read its secrets."""


@dataclass(frozen=True, slots=True)
class AdminCaller:
    """Who calls the admin API.

    Args:
        principal: with the roles that policy gives it at this moment.
        use_cases: of the tenant, by id.
        bound: the use case that its key is bound to, or None for a session.
        floor: labels that the caller raised by header.
        grant: id of an approval that the caller presents, or None.
        attributes: what policies may ask about how the caller came in.
    """

    principal: Principal
    use_cases: Mapping[str, UseCase]
    bound: str | None = None
    floor: Labels = BOTTOM
    grant: str | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: CONSOLE)

    @property
    def tenant_id(self) -> TenantId:
        """The tenant's id."""
        return self.principal.tenant

    @property
    def administration(self) -> UseCase:
        """The use case under which administration is decided.

        Raises:
            Unavailable: the database lost it, or it cannot be read.
        """
        try:
            return self.use_cases[ADMINISTRATION]
        except KeyError:
            raise Unavailable(
                f"the built-in use case {ADMINISTRATION} is not there; run `headgate recover` on Headgate's machine"
            ) from None

    def use_case(self, requested: str | None) -> UseCase:
        """Return the use case that a call runs under: the one that is asked for, or the one that the key is bound to.

        Raises:
            Denied: the key is bound to another one, or there is none of that name, or nobody named one.
        """
        return choose_use_case(self.use_cases, bound=self.bound, requested=requested)

    def action(
        self, verb: Verb[Any, Any, Any], resource: Resource, payload: Any, *, use_case: UseCase | None = None
    ) -> Action[Any, Any, Any]:
        """Return an action of the caller; under the use case of administration unless another one is given."""
        context = Context(use_case=use_case or self.administration, grant=self.grant, attributes=self.attributes)
        return Action(verb=verb, principal=self.principal, resource=resource, payload=payload, context=context)


def choose_use_case(use_cases: Mapping[str, UseCase], *, bound: str | None, requested: str | None) -> UseCase:
    """Return the use case that a call runs under.

    Args:
        bound: the use case that the key is bound to; None for a session, which may name any.
        requested: the use case that the caller asks for, or None.

    Raises:
        Denied: the key is bound to another one, or there is none of that name, or nobody named one.
    """
    name = requested or bound
    if name is None:
        raise Denied("name the use case of this call in the header x-headgate-use-case")
    if bound is not None and name != bound:
        raise Denied(f"this key is bound to the use case {bound}; ask for a key for the other one")
    if name not in use_cases:
        raise Denied(f"the use case {name!r} is not registered; register it, or name another one")
    return use_cases[name]


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides what is only looked at."""

    labeller: Labeller
    decider: Decider

    def authorise(self, caller: AdminCaller, verb: CommandVerb, resource: Resource) -> None:
        """Raise Denied unless policy allows the caller this look at lists or metadata.

        No record is made of it: such a look reveals no content and changes nothing, a console that stays open does it
        every few seconds, and in the list of records it would bury what an auditor looks for (and each look at that
        list would make it longer). What reveals content or leaves the house is run through the pipeline instead.
        """
        decision = self._decide(caller, verb, resource)
        if decision.effect is Effect.ALLOW:
            return
        if not decision.refusing:
            raise Denied(decision.advice or NOTHING_ALLOWS)
        rules = tuple(rule.id for rule in decision.refusing)
        reasons = "; ".join(f"{rule.id} ({rule.reason})" for rule in decision.refusing)
        raise Denied(f"{verb.name} is refused: {reasons}", rules=rules)

    def may_use(self, caller: AdminCaller, verb: Verb[Any, Any, Any], use_case: UseCase) -> bool:
        """Tell whether policy lets the caller do something under a use case, for lists to choose from."""
        asked = caller.action(verb, Resource("use_case", use_case.id), None, use_case=use_case)
        try:
            decision = self.decider.decide(asked, self.labeller.label(asked))
        except Unavailable:
            return False
        return decision.effect is not Effect.DENY

    def allows(self, caller: AdminCaller, verb: CommandVerb, resource: Resource) -> bool:
        """Tell whether `authorise` would pass."""
        try:
            self.authorise(caller, verb, resource)
        except Denied:
            return False
        return True

    def offers(self, caller: AdminCaller, verb: Verb[Command, Any, Any], resource: Resource) -> bool:
        """Tell whether the caller may do it, or may ask a person to approve it."""
        return self._decide(caller, verb, resource).effect is not Effect.DENY

    def _decide(self, caller: AdminCaller, verb: CommandVerb, resource: Resource) -> Decision:
        action = caller.action(verb, resource, None)
        return self.decider.decide(action, self.labeller.label(action))
