"""What would be there after a change of configuration, and what of that is refused: a lockout, a name of nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from headgate.kernel.errors import Invalid
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, EntrySection
from headgate.policy.models import ADMIN, HEADGATE
from headgate.server.administration import AdminCaller
from headgate.server.api.parts import AdminParts
from headgate.substrate.database import Transaction

SECTIONS = ("person", "use_case", "policy", "deployment", "alias", "network")
"""What is read and written entry by entry; keys have operations of their own."""

REFERRING: Mapping[str, str] = {"deployment": "alias", "network": "deployment"}
"""The sections whose entries name entries of others: they have to hold when one of those is gone."""

Document = dict[str, Sequence[dict[str, Any]]]
"""Entries by section, as tables of the file."""


class Fault(NamedTuple):
    """The entry at fault, and what is wrong with it."""

    section: str
    id: str
    why: str


def section_of(parts: AdminParts, name: str) -> EntrySection:
    """Return the section of that name in `SECTIONS`."""
    return cast("EntrySection", next(section for section in parts.sections if section.name == name))


async def stored(parts: AdminParts, tx: Transaction, *, tenant: TenantId) -> Document:
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


def dangling(parts: AdminParts, before: Document, now: Document, *, named: Document) -> Fault | None:
    """Return an entry of a section that nobody spoke of, and that would name what is not there any more."""
    for name, referring in REFERRING.items():
        if name not in named or referring in named:
            continue
        section = section_of(parts, referring)
        for table in now[referring]:
            why = _why_not(section, table, now)
            if why is not None and _why_not(section, table, before) is None:
                return Fault(name, table["id"], f"the {referring} stays and needs it: {why}")
    return None


def _administrators(people: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {name for name, table in people.items() if ADMIN in table["roles"]}


def _why_not(section: EntrySection, table: dict[str, Any], document: Document) -> str | None:
    try:
        section.check([table], document)
    except Invalid as error:
        return error.message
    return None
