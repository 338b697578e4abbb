"""Names for the people and keys in records, as far as one reader may know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headgate.admin.bodies import Body
from headgate.admin.directory import PERSON_LIST, Directory
from headgate.admin.register import Registration
from headgate.admin.requests import Request
from headgate.kernel.action import Resource


class Who(Body, frozen=True, kw_only=True):
    """A registered person, service or agent."""

    id: str
    name: str
    kind: str


class KeyRef(Body, frozen=True, kw_only=True):
    """The key of a call; `name` is empty if it has none, or was revoked."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a reader may know.

    Args:
        people: by pseudonym.
        keys: names by id; None hides the keys.
    """

    people: Mapping[str, Registration]
    keys: Mapping[str, str] | None = None

    def who(self, pseudonym: str) -> Who | None:
        """Return the person behind a pseudonym, or None if the reader may not know."""
        named = self.people.get(pseudonym)
        return None if named is None else Who(id=named.id, name=named.title, kind=named.kind)

    def key(self, key_id: str | None) -> KeyRef | None:
        """Return the key, or None if the reader may not know."""
        if key_id is None or self.keys is None:
            return None
        return KeyRef(id=key_id, name=self.keys.get(key_id, ""))

    def pseudonyms_of(self, name: str) -> tuple[str, ...]:
        """Return the pseudonyms of the people with this name or id, whatever the case of its letters."""
        wanted = name.casefold()
        return tuple(
            pseudonym
            for pseudonym, one in self.people.items()
            if wanted in (one.id.casefold(), one.title.casefold(), pseudonym)
        )

    def key_of(self, name: str) -> str:
        """Return the id of the key with this name; the name itself if no key has it."""
        wanted, keys = name.casefold(), self.keys or {}
        return next((key for key, title in keys.items() if title.casefold() == wanted), name)


NO_NAMES = Names({})


def names_for(request: Request, directory: Directory) -> Names:
    """Return every name to a reader who may list people, and to any other only the reader's own."""
    tenant = request.tenant
    people = directory.by_pseudonym(tenant)
    if request.allows(PERSON_LIST, Resource("people", tenant)):
        return Names(people, directory.key_titles(tenant))
    own = directory.pseudonym(tenant, request.by.principal.id)
    return Names({own: people[own]} if own in people else {})
