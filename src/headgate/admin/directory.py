"""The directory: names of people for the pseudonyms in records, and titles of keys.

Records hold pseudonyms only. A reader who may list people (verb `person.list`) sees names instead, as long as the key
of the pseudonyms exists and the person is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headgate.admin.commands import ADMINISTER, command_verb
from headgate.kernel.identity import PrincipalKind, TenantId

PERSON_LIST = command_verb("person.list", "read", "See the people", ADMINISTER, on="people")
"""Readers who may do this see names instead of pseudonyms."""


@dataclass(frozen=True, slots=True)
class Named:
    """A registered person, service or agent; `name` is for display and may be empty."""

    id: str
    name: str
    kind: PrincipalKind

    @property
    def title(self) -> str:
        """The name for display, or the id of someone without a name."""
        return self.name or self.id


Registered = Callable[[TenantId], Mapping[str, Named]]
"""Returns the registered principals of a tenant by id: the same object until one of them changes."""

KeyTitles = Callable[[TenantId], Mapping[str, str]]
"""Returns the names of a tenant's active keys by id, empty for a key without a name."""

Pseudonym = Callable[[TenantId, str], str]
"""Returns the pseudonym of a principal's id in the tenant's records."""


class Directory:
    """Names the principals in records. Belongs to one thread.

    Args:
        registered: of the feature that registers people.
        pseudonym: of the feature that writes records.
        key_titles: of the feature that knows the keys.
    """

    def __init__(self, registered: Registered, pseudonym: Pseudonym, key_titles: KeyTitles) -> None:
        self._registered = registered
        self._pseudonym = pseudonym
        self._key_titles = key_titles
        self._known: dict[TenantId, tuple[Mapping[str, Named], Mapping[str, Named]]] = {}

    def by_pseudonym(self, tenant: TenantId) -> Mapping[str, Named]:
        """Return the registered principals of a tenant by their pseudonym. Computed once for each change of them."""
        registered = self._registered(tenant)
        known = self._known.get(tenant)
        if known is None or known[0] is not registered:
            named = {self._pseudonym(tenant, one.id): one for one in registered.values()}
            known = self._known[tenant] = (registered, named)
        return known[1]

    def pseudonym(self, tenant: TenantId, principal: str) -> str:
        """Return the pseudonym of a principal's id, registered or not."""
        return self._pseudonym(tenant, principal)

    def key_titles(self, tenant: TenantId) -> Mapping[str, str]:
        """Return the names of the tenant's active keys by id, empty for a key without a name."""
        return self._key_titles(tenant)
