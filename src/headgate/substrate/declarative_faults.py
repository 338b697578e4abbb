"""Finds all mistakes of a `headgate.toml`, where `declarative.read` stops at the first one."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from headgate.kernel.errors import Invalid
from headgate.kernel.ports import ConfigSection
from headgate.substrate.declarative import Desired, Source, unknown_section

MOST_FAULTS = 100

_INDEX = re.compile(r"^(?P<section>[^.\[]+)\[(?P<index>\d+)\]")


@dataclass(slots=True)
class Found:
    """The mistakes of a file, at most a hundred, and the sections without one."""

    faults: list[Invalid] = field(default_factory=list[Invalid])
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def desired(self, sections: Sequence[ConfigSection]) -> Desired:
        """Return the sections without a mistake."""
        return Desired(self.values, {one.name: one for one in sections if one.name in self.values})


def find_faults(source: Source, sections: Sequence[ConfigSection]) -> Found:
    """Check every section of a file.

    Mistakes that only the sections together show are not among them. After a mistake in a key, the entry is checked
    again without that key. So one run reports several mistakes of an entry, but those behind a missing key only once
    the key is there.
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
        if _section(error) not in (section.name, ""):
            return  # the mistake is in a section that this one refers to, which reports it
    checker = _Entries(section, document, limit=MOST_FAULTS - len(found.faults))
    found.faults += checker.faults_of(cast("list[Any]", table))


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
        seen: set[str] = set()
        while (fault := self._try([entry], [place])) is not None and (fault.param or "") not in seen:
            seen.add(fault.param or "")
            yield fault
            if not _drop(entry, fault.param or ""):
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


def _drop(entry: Any, param: str) -> bool:
    """Remove the key at fault from an entry, such as `clearance.level`. Return whether it was there."""
    inner = _INDEX.sub("", param).lstrip(".").split("[")[0]
    *parents, key = inner.split(".")
    table = entry
    for parent in parents:
        table = cast("dict[str, Any]", table).get(parent) if isinstance(table, dict) else None
    if not isinstance(table, dict) or key not in table:
        return False
    del cast("dict[str, Any]", table)[key]
    return True
