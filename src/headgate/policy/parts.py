"""The parts of the open feature policy, for its handlers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from headgate.admin.callers import AdminCaller
from headgate.admin.notices import APPROVAL_DECIDED, APPROVAL_WAITING, Notice, Notify
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.policy.approval_words import decided_title, title_of
from headgate.policy.approvals import Approval
from headgate.policy.baseline import Baseline
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder, TenantPolicy
from headgate.substrate.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Policy:
    """The feature's parts.

    Args:
        holder: holds the current snapshot.
        names: returns the names of a kind, such as aliases, from the feature that knows them.
        verbs: the titles of verbs by name.
        notify: raises a notice.
    """

    baseline: Baseline
    holder: SnapshotHolder
    service: PolicyService
    database: Database
    clock: Clock
    names: Callable[[str, TenantId], Collection[str]]
    verbs: Mapping[str, str]
    notify: Notify

    def name_of(self, tenant: TenantId, principal: str) -> str:
        """Return the name of a principal for display, or its id."""
        known = self.holder.current.tenants[tenant].principals.get(principal)
        return known.name or known.id if known is not None else principal

    def use_case_title(self, approval: Approval) -> str:
        """Return the title of a request's use case, or its id."""
        use_case = self.holder.current.tenants[approval.tenant].use_cases.get(approval.use_case)
        return use_case.title or use_case.id if use_case is not None else approval.use_case

    def title_of(self, approval: Approval, *, who: str) -> str:
        """Return the title of a request, with the requester under this name."""
        return title_of(approval, who=who, use_case=self.use_case_title(approval), verbs=self.verbs)

    async def tell_approvers(self, approval: Approval, tx: Transaction) -> None:
        """Raise a notice that a request waits."""
        who = self.name_of(approval.tenant, approval.principal)
        await self._tell(approval, tx, event=APPROVAL_WAITING, who=who, title=self.title_of(approval, who=who))

    async def tell_requester(self, approval: Approval, tx: Transaction) -> None:
        """Raise a notice that a request was decided."""
        approver = self.name_of(approval.tenant, approval.approver or "")
        asked = self.title_of(approval, who=self.name_of(approval.tenant, approval.principal))
        title = decided_title(approval, approver=approver, title=asked)
        await self._tell(approval, tx, event=APPROVAL_DECIDED, who=approver, title=title)

    async def _tell(self, approval: Approval, tx: Transaction, *, event: str, who: str, title: str) -> None:
        path = f"/approvals/{quote(approval.id, safe='')}"
        notice = Notice(event, approval.id, title, who, approval.use_case, path)
        await self.notify(tx, notice, tenant=approval.tenant)

    def tenant_of(self, caller: AdminCaller) -> TenantPolicy:
        """Return the caller's tenant from the current snapshot."""
        return self.holder.current.tenants[caller.tenant_id]
