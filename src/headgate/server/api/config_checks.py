"""What would be there after a change of configuration, and what of that is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, Document, Edit, EntrySection, Fault
from headgate.server.api.parts import ServerParts
from headgate.substrate.database import Transaction


def entry_sections(parts: ServerParts) -> Mapping[str, EntrySection]:
    """Return the sections that are read and written entry by entry, by name."""
    return {one.name: cast("EntrySection", one) for one in parts.sections if one.lists_entries}


async def stored(parts: ServerParts, tx: Transaction, *, tenant: TenantId) -> Document:
    """Return what is stored, as a file would have it."""
    sections = entry_sections(parts).items()
    return {name: await section.entries(tenant=tenant, transaction=tx) for name, section in sections}


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


def faults(sections: Mapping[str, EntrySection], edit: Edit) -> Iterator[Fault]:
    """Give what is wrong with an edit: entries that would go while others name them, then what the sections find."""
    yield from _dangling(sections, edit)
    for section in sections.values():
        yield from section.faults(edit)


def users_of(sections: Mapping[str, EntrySection], name: str, entry_id: str, document: Document) -> str:
    """Return what names this entry, such as `alias smart, use case support`; empty where nothing does."""
    return ", ".join(
        f"{user.replace('_', ' ')} {table['id']}"
        for user, section in sections.items()
        for key, used in section.uses.items()
        if used == name
        for table in document[user]
        if entry_id == table.get(key) or (isinstance(table.get(key), list) and entry_id in table[key])
    )


def in_use(users: str) -> str:
    """Return why an entry cannot be removed."""
    return f"it is still used by {users}; take it out there first, or remove both in one file"


def _dangling(sections: Mapping[str, EntrySection], edit: Edit) -> Iterator[Fault]:
    used = {name for section in sections.values() for name in section.uses.values()}
    for name in sorted(used):
        left = {table["id"] for table in edit.now[name]}
        for table in edit.before[name]:
            if table["id"] not in left and (users := users_of(sections, name, table["id"], edit.now)):
                yield Fault(name, table["id"], in_use(users), is_conflict=True)
