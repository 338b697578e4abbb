"""The port `KeyHolders`: the holder of a key by its id, for work that goes on after its request."""

from __future__ import annotations

from headgate.admin.key_holders import Holder
from headgate.kernel.errors import Denied, Unauthenticated
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.policy.keys import authenticated
from headgate.policy.snapshot import SnapshotHolder


class PolicyKeyHolders:
    """The holders of keys in the current snapshot."""

    def __init__(self, holder: SnapshotHolder, clock: Clock) -> None:
        self._snapshots = holder
        self._clock = clock

    def holder(self, key_id: str, *, tenant: TenantId, use_case: str) -> Holder:
        """As `KeyHolders.holder`."""
        snapshot = self._snapshots.current
        of_tenant = snapshot.tenants.get(tenant)
        key = None if of_tenant is None else of_tenant.keys.get(key_id)
        if key is None:
            raise Unauthenticated("the API key that began this work was revoked; begin it again with another key")
        found = authenticated(key, snapshot, self._clock.now())
        if use_case != found.use_case.id:
            raise Denied(f"this key is for the use case {found.use_case.id} by now; begin this work again")
        return Holder(found.principal, found.use_case)
