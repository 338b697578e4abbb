"""The feature policy: decisions, use cases, keys, rules and approvals."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from headgate.admin.features import CheckContext, Feature, OfflineParts, Opened, Platform
from headgate.admin.key_holders import KEY_HOLDERS
from headgate.admin.notices import NOTIFY, Notice, notify_nobody
from headgate.admin.register import REGISTER
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.errors import Unavailable
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import BOTTOM, Labels
from headgate.policy import approval_routes, key_routes, owner_routes, rule_routes, store, use_case_routes
from headgate.policy.approvals import PolicyApprovals
from headgate.policy.baseline import compile_baseline
from headgate.policy.commands import COMMANDS
from headgate.policy.decider import PolicyDecider
from headgate.policy.entities import DEFAULT_TENANT, HEADGATE, JOBS
from headgate.policy.jobs import refresh
from headgate.policy.key_holders import PolicyKeyHolders
from headgate.policy.parts import Policy
from headgate.policy.register import PolicyRegister
from headgate.policy.rules import roles_of
from headgate.policy.sections import policy_sections
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder, baseline_snapshot
from headgate.policy.verbs import OLDER_VERBS, VERBS
from headgate.substrate.database import Transaction


class LockoutCheck:
    """Refuses changes of the configuration that lock out every administrator."""

    def __init__(self, service: PolicyService) -> None:
        self._service = service

    async def begin(self, transaction: Transaction, *, tenant: TenantId) -> None:
        """Wait for other changes of this tenant."""
        await store.lock_configuration(transaction, tenant=tenant)

    async def end(self, transaction: Transaction, *, tenant: TenantId) -> None:
        """Check the entries that the transaction would commit.

        Raises:
            Conflict: no administrator could undo the change.
            Invalid: an entry could not be read back.
        """
        await self._service.refuse_lockout(await store.contents(transaction, tenant=tenant))


async def open_policy(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Compile the rules of every feature and load the stored entries."""
    clock, ids, database = platform.base.clock, platform.base.ids, platform.database
    baseline, holder = (
        compile_baseline(platform.verbs, platform.rules, older_verbs=platform.older_verbs),
        SnapshotHolder(clock),
    )
    service = PolicyService(baseline=baseline, holder=holder, clock=clock, ids=ids)

    async def notify(transaction: Transaction, notice: Notice, *, tenant: TenantId) -> None:
        send = platform.offers.find(NOTIFY) or notify_nobody
        await send(transaction, notice, tenant=tenant)

    titles = {verb.name: verb.title for verb in platform.verbs}
    policy = Policy(baseline, holder, service, database, clock, platform.names, titles, notify)

    async def look() -> None:
        if platform.is_baseline_alone:
            holder.swap(baseline_snapshot(baseline), asked_s=holder.now_s())
        else:
            await refresh(holder, database=database, baseline=baseline)

    def job_action(
        tenant: TenantId, verb: Verb[Any, Any, Any], resource: Resource, payload: Any, *, floor: Labels = BOTTOM
    ) -> Action[Any, Any, Any]:
        known = holder.current.tenants.get(tenant)
        if known is None:
            raise Unavailable(f"the tenant {tenant} no longer exists")
        context = Context(use_case=known.use_cases[JOBS], floor=floor)
        return Action(verb, known.principals[HEADGATE].acting(), resource, payload, context)

    def left_out() -> list[str]:
        tenants = holder.latest.tenants.values() if holder.latest is not None else ()
        return [f"{tenant.id}: {one.kind} {one.id}" for tenant in tenants for one in tenant.unreadable]

    return Opened(
        service=policy,
        stages={
            "decider": PolicyDecider(holder, clock=clock),
            "approvals": PolicyApprovals(database, clock=clock, ids=ids, asked=policy.tell_approvers),
        },
        sections=policy_sections(
            baseline=baseline,
            service=service,
            clock=clock,
            rules_in_force=lambda tenant: holder.current.tenants[tenant].engine.rules.values(),
            built_in_deployments=lambda: platform.names("built-in deployment", DEFAULT_TENANT),
            categories=lambda: platform.names("category", DEFAULT_TENANT),
        ),
        refresh=look,
        names={
            "role": lambda tenant: roles_of(holder.current.tenants[tenant].engine.rules.values()),
            "principal": lambda tenant: holder.current.tenants[tenant].principals,
        },
        left_out=left_out,
        tenants=lambda: tuple(holder.latest.tenants) if holder.latest is not None else (),
        check=LockoutCheck(service),
        job_action=job_action,
        offers=[REGISTER.by(PolicyRegister(holder, service)), KEY_HOLDERS.by(PolicyKeyHolders(holder, clock))],
    )


def offline_policy(context: CheckContext) -> OfflineParts:
    """Return the sections with the built-in rules."""
    baseline = compile_baseline(context.verbs, context.rules, older_verbs=context.older_verbs)
    holder = SnapshotHolder(context.clock)
    return OfflineParts(
        sections=policy_sections(
            baseline=baseline,
            service=PolicyService(baseline=baseline, holder=holder, clock=context.clock, ids=context.ids),
            clock=context.clock,
            rules_in_force=lambda tenant: baseline.rules,
            built_in_deployments=lambda: context.names("built-in deployment", DEFAULT_TENANT),
            categories=lambda: context.names("category", DEFAULT_TENANT),
        )
    )


FEATURE = Feature(
    name="policy",
    summary="Decisions, use cases, keys, rules and approvals.",
    package="headgate.policy",
    verbs=VERBS,
    older_verbs=OLDER_VERBS,
    operations=(
        *key_routes.OPERATIONS,
        *use_case_routes.OPERATIONS,
        *owner_routes.OPERATIONS,
        *rule_routes.OPERATIONS,
        *approval_routes.OPERATIONS,
    ),
    commands=COMMANDS,
    open=open_policy,
    offline=offline_policy,
)
