"""Operations on rules: list them and set their modes."""

from __future__ import annotations

from typing import Literal

from headgate.admin.bodies import Body
from headgate.admin.callers import AdminCaller
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.decision import CHECKS, LogLevel
from headgate.policy.category_words import listed_categories
from headgate.policy.entities import CustomPolicy
from headgate.policy.parts import Policy
from headgate.policy.service import RuleView as ShownRule
from headgate.policy.verbs import POLICY_LIST, RULE_SET_MODE
from headgate.substrate.database import Transaction


class RuleView(Body, frozen=True, kw_only=True):
    """A rule with its source text, or a check in the code that refuses under a name.

    `effect` says in words what it does when it matches. `source` is where it comes from: built in, an own policy, or
    the file; `policy` names that policy. Nobody can set a rule to observe that is `is_always` enforced.
    """

    id: str
    effect: str
    is_always: bool
    source: Literal["built_in", "own", "file"]
    policy: str | None
    does: Literal["allow", "deny", "ask", "duty"]
    mode: Literal["observe", "enforce"]
    reason: str
    text: str
    pack: str


class RuleList(Body, frozen=True, kw_only=True):
    """The rules in force, with their modes for one use case."""

    use_case: str | None
    version: str
    rules: list[RuleView]


class RuleMode(Body, frozen=True, kw_only=True):
    """The mode to set. An observing rule only records its effect."""

    mode: Literal["observe", "enforce"]


class RuleSchema(Body, frozen=True, kw_only=True):
    """The Cedar schema that rules are written against: who acts, on what, and every verb with its attributes."""

    text: str


_EFFECTS = {"allow": "Allows", "deny": "Refuses", "ask": "Asks for approval"}


async def get_rule_schema(policy: Policy, request: Request) -> RuleSchema:
    """Show the schema, which is made from the verbs of the features."""
    request.authorise(POLICY_LIST, Resource("rules", request.tenant))
    return RuleSchema(text=policy.baseline.schema_text)


async def list_rules(policy: Policy, request: Request) -> RuleList:
    """List every rule with its mode, for one use case or in general."""
    caller = request.by
    request.authorise(POLICY_LIST, Resource("rules", caller.tenant_id))
    return await _rules(policy, caller, request.text("use_case"))


async def set_rule_mode(policy: Policy, request: Request) -> RuleList:
    """Set a rule to observe or enforce for one use case."""
    caller, use_case, rule = request.by, request.path["use_case"], request.path["rule"]
    mode = request.body_as(RuleMode).mode

    async def make(tx: Transaction, facts: Facts) -> None:
        await policy.service.set_rule_mode(tx, tenant=caller.tenant_id, use_case=use_case, rule=rule, mode=mode)

    await request.change(
        RULE_SET_MODE,
        Resource("use_case", use_case),
        make,
        arguments=digest_of(use_case, rule, mode),
        summary=summary(rule=rule, mode=mode),
    )
    return await _rules(policy, caller, use_case)


async def _rules(policy: Policy, caller: AdminCaller, use_case: str | None) -> RuleList:
    async with policy.database.transaction(tenant=caller.tenant_id) as tx:
        found = await policy.service.rules(tx, tenant=caller.tenant_id, use_case=use_case)
        own = {one.source_name: one for one in await policy.service.policies(tx, tenant=caller.tenant_id)}
    rules = [*(_check(id_, reason) for id_, reason in CHECKS.items())]
    rules += [_view(rule, own.get(rule.source)) for rule in found]
    return RuleList(use_case=use_case, version=policy.tenant_of(caller).policy_version, rules=rules)


def _check(id_: str, reason: str) -> RuleView:
    """Return the view of a check in the code, which refuses under a name as rules do."""
    return RuleView(
        id=id_,
        effect=_EFFECTS["deny"],
        is_always=True,
        source="built_in",
        policy=None,
        does="deny",
        mode="enforce",
        reason=reason,
        text="// A check in Headgate's code, not a rule in Cedar. No configuration turns it off.",
        pack="checks",
    )


def _view(rule: ShownRule, policy: CustomPolicy | None) -> RuleView:
    source = "built_in" if policy is None else "file" if policy.source == "file" else "own"
    return RuleView(
        id=rule.id,
        effect=_effect(rule),
        is_always=rule.own_mode == "always",
        source=source,
        policy=None if policy is None else policy.id,
        does=rule.does,
        mode=rule.mode,
        reason=rule.reason,
        text=rule.text,
        pack=rule.source,
    )


def _effect(rule: ShownRule) -> str:
    """Return what a rule does when it matches, in words."""
    if rule.does != "duty":
        return _EFFECTS[rule.does]
    duty = rule.obligations
    if duty.mask:
        return f"Masks {listed_categories(duty.mask)}"
    if duty.cap_output_tokens is not None:
        return f"Limits answers to {duty.cap_output_tokens:,} tokens"
    if duty.log is not LogLevel.FULL:
        return "Records no content" if duty.log is LogLevel.NONE else "Records content only masked"
    return "Keeps calls on our own machines"


OPERATIONS = (
    Operation(
        "setRuleMode",
        "PUT",
        "/api/use-cases/{use_case}/rules/{rule}",
        "Set a rule to observe or enforce for one use case.",
        set_rule_mode,
        body=RuleMode,
        answer=RuleList,
        verb=RULE_SET_MODE,
    ),
    Operation(
        "listRules",
        "GET",
        "/api/rules",
        "The rules in force.",
        list_rules,
        answer=RuleList,
        verb=POLICY_LIST,
        parameters=(Parameter("use_case", "Show the modes for this use case."),),
    ),
    Operation(
        "getRuleSchema",
        "GET",
        "/api/rules/schema",
        "The schema that rules are written against.",
        get_rule_schema,
        answer=RuleSchema,
        verb=POLICY_LIST,
    ),
)
