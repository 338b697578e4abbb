"""Callers of the admin API, and policy decisions on reads that leave no record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headgate.admin.commands import Command
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.decision import NOTHING_ALLOWS, Decision, Effect
from headgate.kernel.errors import Denied, Unavailable
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.ports import Decider, Labeller

ADMINISTRATION = "administration"
"""The built-in use case of administration."""

CONSOLE: Mapping[str, str] = {"channel": "admin-api"}
"""Attributes of actions that arrive through the admin API, for policies."""

MACHINE: Mapping[str, str] = {"channel": "machine"}
"""Attributes of actions that the operator runs on Headgate's machine, for policies."""


@dataclass(frozen=True, slots=True)
class AdminCaller:
    """An authenticated caller.

    Args:
        principal: with its current roles.
        use_cases: of the tenant, by id.
        bound: the use case of the caller's key, or None for a session.
        floor: labels from the caller's request header.
        grant: id of the approval that the caller presents, or None.
        attributes: facts on the channel of the call, for policies.
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
        """The built-in use case of administration.

        Raises:
            Unavailable: it is missing in the database or cannot be read.
        """
        try:
            return self.use_cases[ADMINISTRATION]
        except KeyError:
            raise Unavailable(
                f"the built-in use case {ADMINISTRATION} is missing; run `headgate recover` on Headgate's machine"
            ) from None

    def use_case(self, requested: str | None) -> UseCase:
        """Return the use case of a call: the requested one, or the key's.

        Raises:
            Denied: the key is bound to another use case, the name is unknown, or there is no name.
        """
        return choose_use_case(self.use_cases, bound=self.bound, requested=requested)

    def action(
        self, verb: Verb[Any, Any, Any], resource: Resource, payload: Any, *, use_case: UseCase | None = None
    ) -> Action[Any, Any, Any]:
        """Return an action of the caller, by default under the use case administration."""
        context = Context(use_case=use_case or self.administration, grant=self.grant, attributes=self.attributes)
        return Action(verb=verb, principal=self.principal, resource=resource, payload=payload, context=context)


def choose_use_case(use_cases: Mapping[str, UseCase], *, bound: str | None, requested: str | None) -> UseCase:
    """Return the use case of a call.

    Args:
        bound: the use case of the key; None for a session, which may choose any.
        requested: the use case from the request, or None.

    Raises:
        Denied: the key is bound to another use case, the name is unknown, or there is no name.
    """
    name = requested or bound
    if name is None:
        raise Denied("this call has no use case; name one in the header x-headgate-use-case")
    if bound is not None and name != bound:
        raise Denied(f"this key is bound to the use case {bound}; ask for a key for {name}")
    if name not in use_cases:
        raise Denied(f"the use case {name!r} is not registered; register it, or name another one")
    return use_cases[name]


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides reads of lists and metadata, without a record."""

    labeller: Labeller
    decider: Decider

    def authorise(self, caller: AdminCaller, verb: Verb[Any, Any, Any], resource: Resource) -> None:
        """Raise Denied unless policy lets the caller read these lists or metadata.

        Such a read leaves no record. It reveals no content and changes nothing, and an open console repeats it every
        few seconds. Records of it would hide the records that an auditor looks for. Actions that reveal or export
        content run through the pipeline.
        """
        decision = self._decide(caller, verb, resource)
        if decision.effect is Effect.ALLOW:
            return
        if not decision.refusing:
            raise Denied(decision.advice or NOTHING_ALLOWS)
        raise Denied(f"{verb.name} is refused: {decision.reasons}", rules=decision.refusing_ids)

    def may_use(
        self, caller: AdminCaller, verb: Verb[Any, Any, Any], use_case: UseCase, resource: Resource | None = None
    ) -> bool:
        """Return whether policy lets the caller use a verb under a use case, for lists of choices.

        Args:
            resource: what the verb is done to; None asks about the use case itself.
        """
        asked = caller.action(verb, resource or Resource("use_case", use_case.id), None, use_case=use_case)
        try:
            decision = self.decider.decide(asked, self.labeller.label(asked))
        except Unavailable:
            return False
        return decision.effect is not Effect.DENY

    def masking(
        self,
        caller: AdminCaller,
        verb: Verb[Any, Any, Any],
        use_case: UseCase,
        *,
        resource: Resource,
        categories: frozenset[str],
    ) -> frozenset[str]:
        """Return those of the categories that rules mask on their way to a place, for descriptions of it."""
        asked = caller.action(verb, resource, None, use_case=use_case)
        labelled = self.labeller.label(asked)
        labelled = replace(labelled, labels=labelled.labels.with_categories(categories))
        try:
            return categories & self.decider.decide(asked, labelled).obligations.mask
        except Unavailable:
            return frozenset()

    def allows(self, caller: AdminCaller, verb: Verb[Any, Any, Any], resource: Resource) -> bool:
        """Return whether `authorise` would pass."""
        try:
            self.authorise(caller, verb, resource)
        except Denied:
            return False
        return True

    def offers(self, caller: AdminCaller, verb: Verb[Command, Any, Any], resource: Resource) -> bool:
        """Return whether policy allows the action to the caller, or asks for an approval."""
        return self._decide(caller, verb, resource).effect is not Effect.DENY

    def _decide(self, caller: AdminCaller, verb: Verb[Any, Any, Any], resource: Resource) -> Decision:
        action = caller.action(verb, resource, None)
        return self.decider.decide(action, self.labeller.label(action))
