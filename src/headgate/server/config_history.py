"""The history of the configuration, schema `server`: who changed which entries, with the entries before and after.

Entries about people and keys are kept without their content, so that the history does not outlive a person's erasure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from headgate.admin.commands import digest_of
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Document
from headgate.substrate.database import Transaction, load_queries

_QUERIES = load_queries("headgate.server", file="config_history.sql")
_KEPT: Final = 500
"""The number of changes that are kept for each tenant."""
_ABOUT_PEOPLE: Final = frozenset({"person", "imported_key"})
LATEST: Final = 1 << 62
"""A cursor before which every change lies."""

Way = Literal["file", "console", "undo"]


class EntryChange(msgspec.Struct, frozen=True):
    """One entry before and after a change; None where it did not exist.

    Args:
        is_kept: whether the history has the entry's content.
    """

    section: str
    id: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    is_kept: bool = True
    does: str = "change"


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One change of the configuration.

    Args:
        version: of the configuration after it.
        record: id of its record; None for the moment between the change and its record's id.
    """

    id: int
    made_at: datetime
    principal: str
    way: Way
    version: str
    changes: tuple[EntryChange, ...]
    record: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    made_at: datetime
    principal: str
    way: str
    version: str
    changes: str
    record: str | None


@dataclass(frozen=True, slots=True)
class _Origin:
    section: str
    entry: str
    origin: str


def version_of(document: Document) -> str:
    """Return the version of a configuration: a digest of all its entries."""
    return digest_of({name: list(tables) for name, tables in document.items()})[:32]


def entry_version(entry: Mapping[str, Any]) -> str:
    """Return the version of one entry."""
    return digest_of(entry)[:32]


def changes_between(before: Document, after: Document) -> tuple[EntryChange, ...]:
    """Return the entries that differ, by section and id."""
    found: list[EntryChange] = []
    for section in after:
        old = {table["id"]: table for table in before.get(section, ())}
        new = {table["id"]: table for table in after[section]}
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                found.append(_change(section, name, old.get(name), new.get(name)))
    return tuple(found)


def _change(section: str, name: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> EntryChange:
    does = "create" if before is None else "remove" if after is None else "change"
    if section in _ABOUT_PEOPLE:
        return EntryChange(section, name, is_kept=False, does=does)
    return EntryChange(section, name, before, after, does=does)


async def note(
    tx: Transaction,
    changes: Sequence[EntryChange],
    *,
    tenant: TenantId,
    principal: str,
    way: Way,
    version: str,
    now: datetime,
) -> int | None:
    """Add a change to the history, and forget the oldest ones; None if nothing changed."""
    if not changes:
        return None
    values = {
        "tenant": tenant,
        "made_at": now,
        "principal": principal,
        "way": way,
        "version": version,
        "changes": msgspec.json.encode(changes).decode(),
    }
    number = int(str(await tx.value(_QUERIES["add_config_change"], values)))
    await tx.execute(_QUERIES["forget_config_changes"], {"tenant": tenant, "kept": _KEPT})
    return number


async def link(tx: Transaction, number: int, record: str, *, tenant: TenantId) -> None:
    """Set the record of a change."""
    await tx.execute(_QUERIES["link_config_change"], {"tenant": tenant, "id": number, "record": record})


async def changes(tx: Transaction, *, tenant: TenantId, before: int, limit: int) -> Sequence[ConfigChange]:
    """Return changes before a cursor, newest first."""
    values = {"tenant": tenant, "before": before, "limit": limit}
    return [_read(row) for row in await tx.rows(_QUERIES["config_changes"], values, of=_Row)]


async def change(tx: Transaction, number: int, *, tenant: TenantId) -> ConfigChange | None:
    """Return one change, or None."""
    rows = await tx.rows(_QUERIES["config_change"], {"tenant": tenant, "id": number}, of=_Row)
    return _read(rows[0]) if rows else None


async def set_origins(
    tx: Transaction, changed: Sequence[EntryChange], named: Document, *, tenant: TenantId, way: Way
) -> None:
    """Set where entries come from.

    Args:
        changed: the entries that a change made, changed or removed.
        named: all entries of a file, which manages them from now on, also those that it did not change.
    """
    for one in changed:
        place = {"tenant": tenant, "section": one.section, "entry": one.id}
        if one.does == "remove":
            await tx.execute(_QUERIES["forget_entry_origin"], place)
        elif way != "file":
            await tx.execute(_QUERIES["put_entry_origin"], {**place, "origin": "console"})
    if way != "file":
        return
    for section, tables in named.items():
        for table in tables:
            place = {"tenant": tenant, "section": section, "entry": table["id"]}
            await tx.execute(_QUERIES["put_entry_origin"], {**place, "origin": "file"})


async def origins(tx: Transaction, *, tenant: TenantId) -> Mapping[tuple[str, str], str]:
    """Return where entries come from, `file` or `console`, by section and id; those of an older version are absent."""
    rows = await tx.rows(_QUERIES["entry_origins"], {"tenant": tenant}, of=_Origin)
    return {(row.section, row.entry): row.origin for row in rows}


def _read(row: _Row) -> ConfigChange:
    found = msgspec.json.decode(row.changes, type=tuple[EntryChange, ...])
    way: Way = "file" if row.way == "file" else "undo" if row.way == "undo" else "console"
    return ConfigChange(row.id, row.made_at, row.principal, way, row.version, found, row.record)
