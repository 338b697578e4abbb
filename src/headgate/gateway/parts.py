"""The open gateway: the parts that its handlers use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headgate.gateway.admission import KeyAdmitter
from headgate.gateway.board import Board
from headgate.gateway.catalogue import Catalogues
from headgate.gateway.catalogue_cache import CatalogueCache
from headgate.gateway.routing import Health
from headgate.wire.dialects import Dialects
from headgate.wire.provider import Provider


@dataclass(frozen=True, slots=True)
class Gateway:
    """The feature's parts.

    Args:
        providers: by name.
        board: the last known health of every deployment.
        secrets: resolves a reference to a credential.
    """

    library: CatalogueCache
    admitter: KeyAdmitter
    providers: Mapping[str, Provider]
    dialects: Dialects
    health: Health
    board: Board
    secrets: Callable[[str], str]

    @property
    def catalogues(self) -> Catalogues:
        """Returns a tenant's catalogue."""
        return self.library.catalogue
