"""The directory: names of people for the pseudonyms in records, and titles of keys.

Records hold pseudonyms only. A reader who may list people (verb `person.list`) sees names instead, as long as the key
of the pseudonyms exists and the person is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headgate.admin.commands import ADMINISTER, command_verb
from headgate.admin.offers import Offers, Port
from headgate.admin.register import REGISTER, Registration
from headgate.kernel.identity import TenantId

PERSON_LIST = command_verb("person.list", "read", "See the people", ADMINISTER, on="people")
"""Readers who may do this see names instead of pseudonyms."""


Pseudonym = Callable[[TenantId, str], str]
"""Returns the pseudonym of a principal's id in the tenant's records."""

PSEUDONYM: Port[Pseudonym] = Port("pseudonyms in records")


class Directory:
    """Names the principals and keys in records. Belongs to one thread.

    Args:
        offers: of the features. It asks them for the register of people and for pseudonyms.
    """

    def __init__(self, offers: Offers) -> None:
        self._offers = offers
        self._known: dict[TenantId, tuple[Mapping[str, Registration], Mapping[str, Registration]]] = {}

    def by_pseudonym(self, tenant: TenantId) -> Mapping[str, Registration]:
        """Return the registered principals of a tenant by their pseudonym. Computed once for each change of them."""
        registered = self._offers.ask(REGISTER).everybody(tenant)
        known = self._known.get(tenant)
        if known is None or known[0] is not registered:
            named = {self.pseudonym(tenant, one.id): one for one in registered.values()}
            known = self._known[tenant] = (registered, named)
        return known[1]

    def pseudonym(self, tenant: TenantId, principal: str) -> str:
        """Return the pseudonym of a principal's id, registered or not."""
        return self._offers.ask(PSEUDONYM)(tenant, principal)

    def key_titles(self, tenant: TenantId) -> Mapping[str, str]:
        """Return the names of the tenant's active keys by id, empty for a key without a name."""
        return {key.id: key.name for key in self._offers.ask(REGISTER).keys(tenant)}
