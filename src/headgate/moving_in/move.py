"""A move: the entries for a `headgate.toml`, and notes about everything that has no equal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headgate.substrate.toml_writing import array_of_tables

SECTIONS = ("deployment", "alias", "person", "use_case", "budget", "imported_key")
"""The sections of the file, in the order that people read them."""

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,126}")
_NAME_CHARS = 60


class Note(NamedTuple):
    """A line of the report.

    Args:
        about: the place in the other gateway's configuration.
        text: what happened to it, and what to do.
    """

    about: str
    text: str


@dataclass(slots=True)
class Move:
    """Collects entries and notes. Entries of a section have unique ids."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    notes: list[Note] = field(default_factory=list[Note])

    def add(self, section: str, **entry: Any) -> dict[str, Any]:
        """Add an entry and return it; values of None are left out."""
        added = {key: value for key, value in entry.items() if value is not None}
        self.tables.setdefault(section, []).append(added)
        return added

    def note(self, about: str, text: str) -> None:
        """Add a line to the report."""
        self.notes.append(Note(about, text))

    def ids(self, section: str) -> set[str]:
        """Return the ids of a section's entries."""
        return {str(entry["id"]) for entry in self.tables.get(section, ()) if "id" in entry}

    def free_id(self, section: str, wish: str) -> str:
        """Return an id of allowed characters that no entry of the section has yet."""
        base = name_from(wish)
        taken = self.ids(section)
        return next(name for name in _numbered(base) if name not in taken)

    def free_alias(self, wish: str) -> str:
        """Return an id for an alias; `wish` itself where clients may ask for it and it is free."""
        return wish if _ALIAS.fullmatch(wish) and wish not in self.ids("alias") else self.free_id("alias", wish)

    def toml(self, *, source: str) -> str:
        """Return the file."""
        head = f"# Moved in from {source}. Review it, then: headgate check FILE; headgate apply --dry-run FILE\n"
        parts = [array_of_tables(name, self.tables[name]) for name in SECTIONS if self.tables.get(name)]
        return "\n".join((head, *parts))

    def report(self) -> Iterator[str]:
        """Yield the lines of the report."""
        counts = (f"{len(self.tables[name])} × {name}" for name in SECTIONS if self.tables.get(name))
        yield "Entries: " + (", ".join(counts) or "none")
        for note in self.notes:
            yield f"- {note.about}: {note.text}"


def name_from(wish: str) -> str:
    """Return the nearest name that entries may have."""
    return _NO_NAME.sub("-", wish).strip("-._")[:_NAME_CHARS] or "unnamed"


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
