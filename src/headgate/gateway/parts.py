"""The open gateway: the parts that its handlers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headgate.gateway.admission import KeyAdmitter
from headgate.gateway.board import Board, Sighting
from headgate.gateway.catalogue import Catalogues
from headgate.gateway.catalogue_cache import CatalogueCache
from headgate.gateway.health import Health
from headgate.gateway.outcomes import OutcomeReader
from headgate.kernel.errors import Unavailable
from headgate.kernel.identity import TenantId
from headgate.substrate.secrets import SecretStore
from headgate.wire.dialects import Dialects
from headgate.wire.provider import Provider


@dataclass(frozen=True, slots=True)
class Gateway:
    """The feature's parts.

    Args:
        providers: by name.
        board: the last known health of every deployment.
        secrets: resolves a reference to a credential.
        outcomes: reads the outcomes of aliases that prefer by difficulty.
        models: the folder of pulled models on this machine.
    """

    library: CatalogueCache
    admitter: KeyAdmitter
    providers: Mapping[str, Provider]
    dialects: Dialects
    health: Health
    board: Board
    secrets: SecretStore
    outcomes: OutcomeReader
    models: Path

    @property
    def catalogues(self) -> Catalogues:
        """Returns a tenant's catalogue."""
        return self.library.catalogue

    async def sightings(self, tenant: TenantId) -> Mapping[str, Sighting]:
        """Return the last known health of a tenant's deployments; none while the database is away."""
        try:
            return await self.board.sightings(self.catalogues(tenant).deployments, tenant=tenant)
        except Unavailable:
            return {}
