"""What would be there after a change of configuration, and what of that is refused: a lockout, a name of nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from headgate.admin.callers import AdminCaller
from headgate.admin.checks import unknown
from headgate.gateway.sections import BUILT_IN_DEPLOYMENTS
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, EntrySection
from headgate.policy.models import ADMIN, HEADGATE
from headgate.policy.rules import Rule, read_rules, roles_of
from headgate.server.api.parts import ServerParts
from headgate.substrate.database import Transaction

SECTIONS = ("person", "use_case", "policy", "deployment", "alias", "network")
"""What is read and written entry by entry; keys have operations of their own."""

_USES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "deployment": (("alias", "deployments"), ("use_case", "deployments")),
    "network": (("deployment", "network"),),
}
"""By section, which keys of which other sections name its entries."""

Document = dict[str, Sequence[dict[str, Any]]]
"""Entries by section, as tables of the file."""


class Fault(NamedTuple):
    """The entry at fault, and what is wrong with it."""

    section: str
    id: str
    why: str


def section_of(parts: ServerParts, name: str) -> EntrySection:
    """Return the section of that name in `SECTIONS`."""
    return cast("EntrySection", next(section for section in parts.sections if section.name == name))


async def stored(parts: ServerParts, tx: Transaction, *, tenant: TenantId) -> Document:
    """Return what is stored, as a file would have it."""
    return {name: await section_of(parts, name).entries(tenant=tenant, transaction=tx) for name in SECTIONS}


def after(before: Document, named: Document, changes: Sequence[Change]) -> Document:
    """Return what is there once the changes are made.

    Args:
        named: what the file or request says of the sections that it is about.
    """
    gone = {(change.section, change.id) for change in changes if change.does == "remove"}
    gone |= {(name, table["id"]) for name, tables in named.items() for table in tables}
    return {
        name: [*(table for table in tables if (name, table["id"]) not in gone), *named.get(name, ())]
        for name, tables in before.items()
    }


def lockout(caller: AdminCaller, before: Document, now: Document) -> Fault | None:
    """Return what would leave nobody to undo it, or would change Headgate's own principal."""
    were, are = ({table["id"]: table for table in document["person"]} for document in (before, now))
    if were.get(HEADGATE) != are.get(HEADGATE):
        return Fault("person", HEADGATE, f"{HEADGATE} is built in and stays as it is")
    administrators, left = _administrators(were), _administrators(are)
    if caller.principal.id in administrators - left:
        why = "somebody else has to take the role admin from you, so that one is left"
        return Fault("person", caller.principal.id, why)
    if administrators and not left:
        return Fault("person", min(administrators), "one with the role admin has to be left")
    return None


def users_of(section: str, entry_id: str, document: Document) -> str:
    """Return what names this entry, such as `alias smart, use case support`; empty where nothing does."""
    return ", ".join(
        f"{user.replace('_', ' ')} {table['id']}"
        for user, key in _USES.get(section, ())
        for table in document[user]
        if entry_id == table.get(key) or (isinstance(table.get(key), list) and entry_id in table[key])
    )


def dangling(before: Document, now: Document) -> Fault | None:
    """Return an entry that would go while others still name it."""
    for section in _USES:
        left = {table["id"] for table in now[section]}
        for table in before[section]:
            if table["id"] not in left and (users := users_of(section, table["id"], now)):
                return Fault(section, table["id"], in_use(users))
    return None


def in_use(users: str) -> str:
    """Return why an entry cannot be removed."""
    return f"it is still used by {users}; take it out there first, or remove both in one file"


def unknown_name(named: Document, now: Document, *, rules: Iterable[Rule]) -> Fault | None:
    """Return an entry that names a role or a deployment that there is not.

    Args:
        rules: in force now; the roles that they name, and that policies of `now` name, are known.
    """
    roles = roles_of([*rules, *(rule for table in now["policy"] for rule in _rules_of(table))])
    for table in named.get("person", ()):
        if why := unknown("role", table.get("roles") or (), roles):
            return Fault("person", table["id"], why)
    deployments = {*BUILT_IN_DEPLOYMENTS, *(table["id"] for table in now["deployment"])}
    for table in named.get("use_case", ()):
        if why := unknown("deployment", table.get("deployments") or (), deployments):
            return Fault("use_case", table["id"], why)
    return None


def _rules_of(policy: Mapping[str, Any]) -> tuple[Rule, ...]:
    return read_rules(policy["text"], source=policy["id"]) if policy.get("text") else ()


def _administrators(people: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {name for name, table in people.items() if ADMIN in table["roles"]}
