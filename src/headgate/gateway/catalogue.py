"""The deployments and aliases that a tenant can use, as one immutable object swapped whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headgate.kernel.errors import NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.model_call import Deployment, Operation


@dataclass(frozen=True, slots=True)
class Alias:
    """The name that clients call; its deployments are tried in this order."""

    name: str
    deployments: tuple[str, ...]
    operation: Operation = "chat"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One tenant's deployments by id and aliases by name."""

    deployments: Mapping[str, Deployment] = field(default_factory=dict[str, Deployment])
    aliases: Mapping[str, Alias] = field(default_factory=dict[str, Alias])
    version: str = ""

    def alias(self, name: str) -> Alias:
        """Return the alias of that name.

        Raises:
            NotFound: there is none.
        """
        try:
            return self.aliases[name]
        except KeyError:
            raise NotFound(
                f"the model {name!r} does not exist; GET /v1/models lists those there are", param="model"
            ) from None

    def candidates(self, alias: Alias) -> tuple[Deployment, ...]:
        """Return the alias's deployments in order."""
        return tuple(self.deployments[name] for name in alias.deployments if name in self.deployments)


Catalogues = Callable[[TenantId], Catalogue]
"""Gives the current catalogue of a tenant; costs nothing."""
