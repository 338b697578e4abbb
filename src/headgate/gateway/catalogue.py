"""A tenant's catalogue: its deployments and aliases, as one immutable object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from headgate.gateway.cache_rules import CacheRule
from headgate.kernel.errors import Invalid, NotFound
from headgate.kernel.identity import Principal, TenantId
from headgate.wire.model_call import Deployment, Operation, Preference, Price

ANY = "*"
"""The wildcard: any text in an alias's name, once; the requested name in a deployment's model."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,255}")
"""The names that a pattern may match."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A model name for clients, with its deployments in the order of attempts.

    Args:
        name: the exact name, or a pattern with one `*` for every name without an exact alias.
        prefer: chooses among the deployments that a call may go to; `order` tries them as listed.
        weights: the shares of deployments for `weighted`, by id; the default is 1.
        cache: the exact cache of its answers, or None without one.
        threshold: the difficulty from which `auto` prefers a dearer deployment.
        hedge_s: after this time without content the next deployment is asked too; None for never.
    """

    name: str
    deployments: tuple[str, ...]
    operation: Operation = "chat"
    description: str = ""
    prefer: Preference = "order"
    weights: Mapping[str, int] = field(default_factory=dict[str, int])
    cache: CacheRule | None = None
    hedge_s: float | None = None
    threshold: int = 40


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
    price_of: Callable[[Deployment, str], Price | None] | None = field(default=None, repr=False, compare=False)
    """Returns the price of a model at a deployment that serves every name and has no price of its own."""
    needs_pace: bool = field(init=False, repr=False, compare=False)
    """Whether an alias prefers by the pace of deployments; otherwise nothing measures it."""
    _patterns: tuple[_Pattern, ...] = field(init=False, repr=False, compare=False)
    """Sorted by the length of the text before the `*`, then after it, longest first."""

    def __post_init__(self) -> None:
        parts = (name.partition(ANY) for name in self.aliases if ANY in name)
        found = [_Pattern(before, after, before + ANY + after) for before, _, after in parts]
        found.sort(key=lambda pattern: (-len(pattern.before), -len(pattern.after), pattern.name))
        object.__setattr__(self, "_patterns", tuple(found))
        needs_pace = any(alias.prefer in ("fastest", "least_loaded") for alias in self.aliases.values())
        object.__setattr__(self, "needs_pace", needs_pace)

    def alias_id(self, name: str) -> str:
        """Return the id of the alias for a name; the name itself if there is none.

        An exact alias wins, then the pattern with the longest text before its `*`.
        """
        if name in self.aliases or not self._patterns or not _NAME.fullmatch(name):
            return name
        return next((pattern.name for pattern in self._patterns if pattern.matches(name)), name)

    def alias(self, name: str) -> Alias:
        """Return the alias for a name.

        Raises:
            NotFound: no alias matches.
        """
        return self.alias_of(self.alias_id(name), asked=name)

    def alias_of(self, alias_id: str, *, asked: str) -> Alias:
        """Return the alias of an id; `asked` is the caller's name for it.

        Raises:
            NotFound: no alias has that id.
        """
        try:
            return self.aliases[alias_id]
        except KeyError:
            raise NotFound(self._why_unknown(asked), param="model") from None

    def _why_unknown(self, asked: str) -> str:
        if asked not in self.deployments:
            return f"the model {asked!r} does not exist; GET /v1/models lists the available models"
        aliases = [alias.name for alias in self.aliases.values() if asked in alias.deployments]
        told = f"call it by its alias {' or '.join(sorted(aliases))}" if aliases else "it has no alias to call it by"
        return f"{asked!r} is a deployment and no model; {told}"

    def candidates(self, alias: Alias, *, asked: str = "") -> tuple[Deployment, ...]:
        """Return the alias's deployments in order.

        Args:
            asked: the caller's name for the model. It decides the price of a deployment that serves every name.
        """
        found = tuple(self.deployments[name] for name in alias.deployments if name in self.deployments)
        if self.price_of is None or not asked:
            return found
        return tuple(self._priced(one, asked) for one in found)

    def _priced(self, deployment: Deployment, asked: str) -> Deployment:
        if self.price_of is None or deployment.price is not None or ANY not in deployment.model or ANY in asked:
            return deployment
        return replace(deployment, price=self.price_of(deployment, model_for(deployment, asked)))


Catalogues = Callable[[TenantId], Catalogue]
"""Returns the current catalogue of a tenant, without I/O."""


def model_for(deployment: Deployment, asked: str) -> str:
    """Return the model name to send to a deployment.

    A `*` in it becomes the caller's name, without a first part that names the provider: `openai/gpt-4o` is `gpt-4o` at
    the provider `openai`.

    Raises:
        Invalid: the caller sent a pattern instead of a name.
    """
    if ANY not in deployment.model:
        return deployment.model
    if ANY in asked:
        raise Invalid(f"{asked!r} is a pattern; send the name of one model that it matches", param="model")
    return deployment.model.replace(ANY, asked.removeprefix(f"{deployment.provider}/"))


def visible_aliases(catalogue: Catalogue, principal: Principal) -> list[str]:
    """Return the names of the models that the principal may call, sorted."""
    return sorted(name for name in catalogue.aliases if principal.aliases is None or name in principal.aliases)
