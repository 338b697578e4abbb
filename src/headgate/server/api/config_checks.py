"""Computes the configuration after a change, and checks it for faults."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from headgate.kernel.errors import HeadgateError
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, ConfigSection, Document, Edit, EntrySection, Fault
from headgate.server.api.parts import ServerParts
from headgate.substrate import declarative
from headgate.substrate.database import Transaction


def entry_sections(sections: Sequence[ConfigSection]) -> Mapping[str, EntrySection]:
    """Return the sections with single entries, by name."""
    return {one.name: cast("EntrySection", one) for one in sections if one.lists_entries}


def tables_of(values: Mapping[str, object], sections: Mapping[str, EntrySection]) -> Document:
    """Return decoded sections as tables of the file."""
    return {name: sections[name].tables(value) for name, value in values.items() if name in sections}


async def stored(sections: Sequence[ConfigSection], tx: Transaction, *, tenant: TenantId) -> Document:
    """Return the stored configuration in the form of the file."""
    listed = entry_sections(sections).items()
    return {name: await section.entries(tenant=tenant, transaction=tx) for name, section in listed}


def after(before: Document, named: Document, changes: Sequence[Change]) -> Document:
    """Return the configuration after the changes.

    Args:
        named: the entries of the file or request, by section.
    """
    gone = {(change.section, change.id) for change in changes if change.does == "remove"}
    gone |= {(name, table["id"]) for name, tables in named.items() for table in tables}
    return {
        name: [*(table for table in tables if (name, table["id"]) not in gone), *named.get(name, ())]
        for name, tables in before.items()
    }


def with_kept(section: EntrySection, table: dict[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the entry with the kept keys of the stored entry that it leaves out."""
    kept = {name: before[name] for name in section.keeps if before is not None and name in before}
    return {**kept, **table}


class _FaultySectionError(Exception):
    """A check asked for a section whose entries are not known, because it has mistakes."""


class _Sound(dict[str, Sequence[dict[str, Any]]]):
    """The sections without mistakes. Asking for another one raises `_FaultySectionError`."""

    def __missing__(self, name: str) -> Sequence[dict[str, Any]]:
        raise _FaultySectionError(name)


def without(document: Document, faulty: Collection[str]) -> Document:
    """Return a configuration without the sections that have mistakes. `faults` skips the checks that need them."""
    return _Sound({name: tables for name, tables in document.items() if name not in faulty})


def faults(sections: Mapping[str, EntrySection], edit: Edit) -> Iterator[Fault]:
    """Yield the faults of an edit: removed entries that others still use, then the faults of each section."""
    for name in sorted({name for section in sections.values() for name in section.uses.values()}):
        with contextlib.suppress(_FaultySectionError):
            yield from _dangling(sections, edit, name)
    for name, section in sections.items():
        try:
            yield from section.faults(edit)
        except _FaultySectionError:
            continue
        except HeadgateError:
            raise
        except Exception as error:
            error.add_note(f"while checking the section [[{name}]]")
            raise


def warnings(parts: ServerParts, edit: Edit) -> list[str]:
    """Return the warnings about a valid edit, each with its entry."""
    return [f"{one.section.replace('_', ' ')} {one.id}: {one.why}" for one in parts.warnings(edit)]


class Placed(NamedTuple):
    """A fault of a file: a message with its line, and the dotted key."""

    message: str
    param: str


def placed(fault: Fault, named: Document, *, text: str, file: str) -> Placed:
    """Return a fault's message with its line in the file, and the dotted key."""
    ids = [table["id"] for table in named.get(fault.section, ())]
    param = f"{fault.section}[{ids.index(fault.id)}]" if fault.id in ids else fault.section
    return Placed(declarative.placed(f"{fault.id}: {fault.why}", text, param=param, file=file), param)


def users_of(sections: Mapping[str, EntrySection], name: str, entry_id: str, document: Document) -> str:
    """Return the users of an entry, such as `alias smart, use case support`, or an empty text."""
    return ", ".join(
        f"{user.replace('_', ' ')} {table['id']}"
        for user, section in sections.items()
        for key, used in section.uses.items()
        if used == name
        for table in document[user]
        if entry_id == table.get(key) or (isinstance(table.get(key), list) and entry_id in table[key])
    )


def in_use(users: str) -> str:
    """Return the reason why an entry in use cannot be removed."""
    return f"it is still used by {users}; remove it there first, or remove both in one file"


def _dangling(sections: Mapping[str, EntrySection], edit: Edit, name: str) -> Iterator[Fault]:
    left = {table["id"] for table in edit.now[name]}
    for table in edit.before[name]:
        if table["id"] not in left and (users := users_of(sections, name, table["id"], edit.now)):
            yield Fault(name, table["id"], in_use(users), is_conflict=True)
