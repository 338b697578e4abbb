"""Finds all mistakes of a `headgate.toml`, where `declarative.read` stops at the first one."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from headgate.kernel.errors import Invalid
from headgate.kernel.ports import ConfigSection
from headgate.substrate.declarative import Desired, Source, unknown_section
from headgate.substrate.misfits import type_at

MOST_FAULTS = 100

_PLACEHOLDERS = ("unnamed", 1, ["unnamed"])
"""Values for a missing key, of which one may be of its type."""
_INDEX = re.compile(r"^(?P<section>[^.\[]+)\[(?P<index>\d+)\]")


@dataclass(slots=True)
class Found:
    """The mistakes of a file, at most a hundred, and the sections without one."""

    faults: list[Invalid] = field(default_factory=list[Invalid])
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def faulty(self, source: Source) -> frozenset[str]:
        """Return the sections of the file with a mistake."""
        return frozenset(source.document) - self.values.keys()

    def desired(self, sections: Sequence[ConfigSection]) -> Desired:
        """Return the sections without a mistake."""
        return Desired(self.values, {one.name: one for one in sections if one.name in self.values})


def find_faults(source: Source, sections: Sequence[ConfigSection]) -> Found:
    """Check every section of a file.

    Mistakes that only the sections together show are not among them. After a mistake in a key, the entry is checked
    again without that key, and after a missing key with a placeholder. So one run reports several mistakes of an entry.
    """
    known = {section.name: section for section in sections}
    found = Found([unknown_section(name, known) for name in source.document if name not in known])
    for name, section in known.items():
        if name in source.document:
            _check(section, source.document, found)
    found.faults = found.faults[:MOST_FAULTS]
    return found


def _check(section: ConfigSection, document: Mapping[str, Any], found: Found) -> None:
    table = document[section.name]
    try:
        found.values[section.name] = section.check(table, document)
        return
    except Invalid as error:
        if not isinstance(table, list):
            found.faults.append(error)
            return
    checker = _Entries(section, document, limit=MOST_FAULTS - len(found.faults))
    # A mistake in a section that this one refers to is reported there.
    own = (fault for fault in checker.faults_of(cast("list[Any]", table)) if _section(fault) in (section.name, ""))
    found.faults += own


class _Entries:
    """Finds the mistakes in the entries of one section."""

    def __init__(self, section: ConfigSection, document: Mapping[str, Any], *, limit: int) -> None:
        self._section = section
        self._document = document
        self._left = limit

    def faults_of(self, entries: Sequence[Any]) -> list[Invalid]:
        """Return the mistakes in the order of the file."""
        faulty: list[Invalid] = []
        places = list(range(len(entries)))
        for fault in self._each(entries, places):
            faulty.append(fault)
            if len(faulty) >= self._left:
                return faulty
        # What is left contradicts other entries, such as an id that is declared twice.
        wrong = {_index(fault) for fault in faulty}
        places = [place for place in places if place not in wrong]
        while len(faulty) < self._left and (fault := self._try([entries[place] for place in places], places)):
            faulty.append(fault)
            if _index(fault) not in places:
                break
            places.remove(_index(fault))
        return sorted(faulty, key=_index)

    def _each(self, entries: Sequence[Any], places: Sequence[int]) -> Iterator[Invalid]:
        """Yield the mistakes of entries by themselves. Halves the entries, so that a valid file costs one check."""
        if not places or self._try([entries[place] for place in places], places) is None:
            return
        if len(places) == 1:
            yield from self._of_entry(entries[places[0]], places[0])
            return
        middle = len(places) // 2
        yield from self._each(entries, places[:middle])
        yield from self._each(entries, places[middle:])

    def _of_entry(self, entry: Any, place: int) -> Iterator[Invalid]:
        entry = copy.deepcopy(entry)
        filled: dict[str, int] = {}
        seen: set[str] = set()
        while (fault := self._try([entry], [place])) is not None:
            param = fault.param or ""
            if _section(fault) not in (self._section.name, ""):
                return
            if param not in seen and not any(one.startswith(f"{param}.") for one in filled):
                yield fault
            seen.add(param)
            if param not in filled and _drop(entry, param):
                continue
            tried = filled[param] = filled.get(param, -1) + 1
            placeholders = (*_choices(self._section, param), *_PLACEHOLDERS)
            if tried < len(placeholders):
                if not _fill(entry, param, placeholders[tried]):
                    return
            elif not _drop(entry, param.rpartition(".")[0]):
                return

    def _try(self, entries: Sequence[Any], places: Sequence[int]) -> Invalid | None:
        """Return the first mistake, with the entry's place in the file; None if there is none."""
        try:
            self._section.check(list(entries), self._document)
        except Invalid as error:
            place = _INDEX.match(error.param or "")
            if place is None or int(place["index"]) >= len(places):
                return error
            param = f"{place['section']}[{places[int(place['index'])]}]{(error.param or '')[place.end() :]}"
            return Invalid(error.message, param=param)
        return None


def _section(fault: Invalid) -> str:
    return (fault.param or "").partition("[")[0].partition(".")[0]


def _index(fault: Invalid) -> int:
    found = _INDEX.match(fault.param or "")
    return int(found["index"]) if found else -1


def _choices(section: ConfigSection, param: str) -> tuple[Any, ...]:
    """Return a valid value of a key with few of them."""
    info = type_at(getattr(section, "entry_type", object), _INDEX.sub("", param))
    values = (value for one in getattr(info, "types", (info,)) for value in getattr(one, "values", ()))
    return tuple(islice(values, 1))


def _drop(entry: Any, param: str) -> bool:
    """Remove the key at fault from an entry, such as `clearance.level`. Return whether it was there."""
    table, key = _place(entry, param)
    return table.pop(key, None) is not None


def _fill(entry: Any, param: str, value: Any) -> bool:
    """Put a placeholder for a missing key. Return whether the key has a place."""
    table, key = _place(entry, param)
    if key:
        table[key] = value
    return key != ""


def _place(entry: Any, param: str) -> tuple[dict[str, Any], str]:
    """Return the table of a dotted key, and the key in it; an empty key if there is no such table."""
    inner = _INDEX.sub("", param).lstrip(".").split("[")[0]
    *parents, key = inner.split(".")
    table = entry
    for parent in parents:
        table = cast("dict[str, Any]", table).get(parent) if isinstance(table, dict) else None
    return (cast("dict[str, Any]", table), key) if isinstance(table, dict) else ({}, "")
