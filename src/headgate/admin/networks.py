"""The networks of the configuration, as a port: routes of outgoing traffic for features other than the gateway."""

from __future__ import annotations

from typing import Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import TenantId
from headgate.substrate.egress import NetworkProfile


class Networks(Protocol):
    """Knows the networks of a tenant."""

    async def connections(self, network: str, *, tenant: TenantId) -> NetworkProfile:
        """Return the connections by a network; `default` is there always.

        Raises:
            NotFound: there is no such network.
            Unavailable: the database is down, or a credential of the network cannot be read.
        """
        ...


NETWORKS: Port[Networks] = Port("networks of the configuration")
