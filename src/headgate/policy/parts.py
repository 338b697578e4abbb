"""The parts of the open feature policy, for its handlers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from headgate.admin.callers import AdminCaller
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.policy.baseline import Baseline
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder, TenantPolicy
from headgate.substrate.database import Database


@dataclass(frozen=True, slots=True)
class Policy:
    """The feature's parts.

    Args:
        holder: holds the current snapshot.
        names: returns the names of a kind, such as aliases, from the feature that knows them.
    """

    baseline: Baseline
    holder: SnapshotHolder
    service: PolicyService
    database: Database
    clock: Clock
    names: Callable[[str, TenantId], Collection[str]]

    def tenant_of(self, caller: AdminCaller) -> TenantPolicy:
        """Return the caller's tenant from the current snapshot."""
        return self.holder.current.tenants[caller.tenant_id]
