"""The deployments and aliases that a tenant can use, as one immutable object swapped whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from headgate.kernel.errors import Invalid, NotFound
from headgate.kernel.identity import Principal, TenantId
from headgate.wire.model_call import Deployment, Operation

ANY = "*"
"""Stands for any text in the name of an alias, once; in the model of a deployment, for the name that was asked for."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,255}")
"""The names that a pattern may answer to."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The name that clients call; its deployments are tried in this order.

    Args:
        name: or a pattern with one `*`, which answers to every name that no alias has of its own.
    """

    name: str
    deployments: tuple[str, ...]
    operation: Operation = "chat"
    description: str = ""


class _Pattern(NamedTuple):
    before: str
    after: str
    name: str

    def matches(self, name: str) -> bool:
        is_long_enough = len(name) >= len(self.before) + len(self.after)
        return is_long_enough and name.startswith(self.before) and name.endswith(self.after)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One tenant's deployments by id and aliases by name."""

    deployments: Mapping[str, Deployment] = field(default_factory=dict[str, Deployment])
    aliases: Mapping[str, Alias] = field(default_factory=dict[str, Alias])
    version: str = ""
    _patterns: tuple[_Pattern, ...] = field(init=False, repr=False, compare=False)
    """The longest text before the `*` first, then the longest after it."""

    def __post_init__(self) -> None:
        parts = (name.partition(ANY) for name in self.aliases if ANY in name)
        found = [_Pattern(before, after, before + ANY + after) for before, _, after in parts]
        found.sort(key=lambda pattern: (-len(pattern.before), -len(pattern.after), pattern.name))
        object.__setattr__(self, "_patterns", tuple(found))

    def alias_id(self, name: str) -> str:
        """Return the id of the alias that answers to a name; the name itself where none does.

        The alias of that very name goes first, then the pattern with the longest text before its `*`.
        """
        if name in self.aliases or not self._patterns or not _NAME.fullmatch(name):
            return name
        return next((pattern.name for pattern in self._patterns if pattern.matches(name)), name)

    def alias(self, name: str) -> Alias:
        """Return the alias that answers to a name.

        Raises:
            NotFound: there is none.
        """
        return self.alias_of(self.alias_id(name), asked=name)

    def alias_of(self, alias_id: str, *, asked: str) -> Alias:
        """Return the alias of an id; `asked` is the name that the caller gave.

        Raises:
            NotFound: there is none.
        """
        try:
            return self.aliases[alias_id]
        except KeyError:
            raise NotFound(
                f"the model {asked!r} does not exist; GET /v1/models lists those there are", param="model"
            ) from None

    def candidates(self, alias: Alias) -> tuple[Deployment, ...]:
        """Return the alias's deployments in order."""
        return tuple(self.deployments[name] for name in alias.deployments if name in self.deployments)


Catalogues = Callable[[TenantId], Catalogue]
"""Gives the current catalogue of a tenant; costs nothing."""


def model_for(deployment: Deployment, asked: str) -> str:
    """Return the model that a deployment is asked for: a `*` in its own stands for the name that the caller gave.

    Raises:
        Invalid: the caller gave a pattern as it stands in the list, where a name is needed.
    """
    if ANY not in deployment.model:
        return deployment.model
    if ANY in asked:
        raise Invalid(f"the model {asked!r} stands for many; send the name of one of them", param="model")
    return deployment.model.replace(ANY, asked)


def visible_aliases(catalogue: Catalogue, principal: Principal) -> list[str]:
    """Return the names of the models that the principal may call, sorted."""
    return sorted(name for name in catalogue.aliases if principal.aliases is None or name in principal.aliases)
