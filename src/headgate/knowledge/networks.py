"""The routes by which sources are reached: networks of the configuration, set in the client for outgoing requests."""

from __future__ import annotations

from headgate.admin.networks import Networks
from headgate.kernel.errors import NotFound, Unavailable
from headgate.kernel.identity import TenantId
from headgate.substrate.egress import Egress, NetworkProfile

_OWNER = "knowledge"


class SourceNetworks:
    """Sets the networks that sources use in the egress client."""

    def __init__(self, egress: Egress, networks: Networks) -> None:
        self._egress = egress
        self._networks = networks
        self._profiles: dict[str, NetworkProfile] = {}

    async def profile_of(self, network: str, *, tenant: TenantId) -> str:
        """Return the egress client's name of a network.

        Raises:
            Unavailable: there is no such network.
        """
        name = f"source/{tenant}/{network}"
        try:
            profile = await self._networks.connections(network, tenant=tenant)
        except NotFound as error:
            # NotFound would say of a document that it is gone.
            raise Unavailable(f"{error.message}; add it to the configuration") from error
        if self._profiles.get(name) != profile:
            wanted = {**self._profiles, name: profile}
            self._egress.set_profiles(wanted, owner=_OWNER)
            self._profiles = wanted
        return name
