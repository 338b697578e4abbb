"""Access to `/metrics` by the settings. Metrics show who uses models and how much."""

from __future__ import annotations

import ipaddress

from headgate.admin.callers import AdminCaller, Gate
from headgate.kernel.action import Resource
from headgate.kernel.errors import Unauthenticated
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.ledger.verbs import RECORD_LIST
from headgate.policy.keys import authenticate
from headgate.policy.snapshot import SnapshotHolder
from headgate.server.asgi import Scope
from headgate.server.identity import presented_key
from headgate.substrate.settings import MetricsAccess

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class MetricsReaders:
    """Decides who may read the metrics.

    Args:
        access: `open` allows everyone; `loopback` allows programs on this machine and keys; `key` allows keys only.
        is_behind_proxy: whether connections come from a proxy, which hides the address of the client.
        gate: decides whether a key may list records, as auditors and administrators may.
    """

    def __init__(
        self, access: MetricsAccess, *, is_behind_proxy: bool, holder: SnapshotHolder, gate: Gate, clock: Clock
    ) -> None:
        self._access: MetricsAccess = access
        self._is_behind_proxy = is_behind_proxy
        self._holder = holder
        self._gate = gate
        self._clock = clock

    def check(self, scope: Scope, headers: dict[str, str]) -> TenantId | None:
        """Return the tenant whose names the caller may see in the metrics, or None for all tenants.

        A key limits what its holder sees to its tenant, also on this machine.

        Raises:
            Unauthenticated: a key is needed, and there is none or it is invalid.
            Denied: the key's roles do not allow it.
        """
        presented = presented_key(headers)
        is_local = self._access == "loopback" and self._is_local(scope, headers)
        if self._access == "open" or (is_local and not presented):
            return None
        if not presented:
            raise Unauthenticated(
                "send a key with the role auditor or admin as `authorization: Bearer KEY`; "
                "HEADGATE_METRICS sets who may read the metrics"
            )
        snapshot = self._holder.current
        found = authenticate(presented, snapshot, self._clock.now())
        caller = AdminCaller(found.principal, snapshot.tenants[found.principal.tenant].use_cases, found.key.use_case)
        self._gate.authorise(caller, RECORD_LIST, Resource("ledger", caller.tenant_id))
        return caller.tenant_id

    def _is_local(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Whether the client is a program on this machine, without a proxy in between."""
        if self._is_behind_proxy or any(name in headers for name in _FORWARDED):
            return False
        client = scope.get("client")
        if client is None:
            return False
        try:
            address = ipaddress.ip_address(client[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback
