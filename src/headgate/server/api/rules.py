"""The rules in force, and whether they observe or enforce."""

from __future__ import annotations

from headgate.kernel.action import Resource
from headgate.kernel.administration import POLICY_LIST, RULE_SET_MODE, Facts
from headgate.policy.service import RuleView
from headgate.server.administration import AdminCaller, digest_of, summary
from headgate.server.api import schemas
from headgate.server.api.changes import Pending, change
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.substrate.database import Transaction


async def list_rules(parts: AdminParts, request: Request) -> schemas.RuleList:
    """List every rule with its mode, for one use case or in general."""
    caller = request.by
    parts.gate.authorise(caller, POLICY_LIST, Resource("rules", caller.tenant_id))
    return await _rules(parts, caller, request.text("use_case"))


async def set_rule_mode(parts: AdminParts, request: Request) -> schemas.RuleList:
    """Let a rule observe or be enforced for one use case."""
    caller, use_case, rule = request.by, request.path["use_case"], request.path["rule"]
    mode = request.body_as(schemas.RuleMode).mode

    async def make(tx: Transaction, facts: Facts) -> None:
        await parts.policy.set_rule_mode(tx, tenant=caller.tenant_id, use_case=use_case, rule=rule, mode=mode)

    pending = Pending(summary(rule=rule, mode=mode), digest_of(use_case, rule, mode), make)
    resource = Resource("use_case", use_case)
    done = await change(parts, caller, RULE_SET_MODE, resource=resource, command=pending)
    request.reply_headers.append(("x-headgate-record", done.record))
    return await _rules(parts, caller, use_case)


async def _rules(parts: AdminParts, caller: AdminCaller, use_case: str | None) -> schemas.RuleList:
    async with parts.database.transaction(tenant=caller.tenant_id) as tx:
        found = await parts.policy.rules(tx, tenant=caller.tenant_id, use_case=use_case)
    return schemas.RuleList(
        use_case=use_case, version=caller.tenant.policy_version, rules=[_view(rule) for rule in found]
    )


def _view(rule: RuleView) -> schemas.RuleView:
    return schemas.RuleView(
        id=rule.id, does=rule.does, mode=rule.mode, reason=rule.reason, text=rule.text, pack=rule.source
    )
