"""`headgate.toml`: decodes and checks the whole file, plans the changes, and applies them in one transaction.

An error message has the line, the key and the nearest valid name. The features own the sections; this module knows
only their port.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from headgate.kernel.errors import Invalid, TooLarge
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, ConfigSection
from headgate.substrate.misfits import misfit_of, type_at

_T = TypeVar("_T")

MAX_ENTRIES = 10_000

_MAX_BYTES = 4 << 20
_MAX_DOTS = 200
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<field>[^`]*)`")
_WRONG_CHOICE = re.compile(r"nvalid enum value '(?P<value>[^']*)'")
_MISSING_FIELD = re.compile(r"missing required field `(?P<field>[^`]*)`")
_SYNTAX_PLACE = re.compile(r"\(at line (?P<line>\d+), column \d+\)$")
_TABLE = re.compile(r"^\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<key>"[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=""")


@dataclass(frozen=True, slots=True)
class Desired:
    """A checked file: the decoded sections by name, with their ports."""

    values: Mapping[str, Any]
    sections: Mapping[str, ConfigSection]

    async def plan(self, *, tenant: TenantId, transaction: Any) -> tuple[Change, ...]:
        """Return the changes that `apply` would make."""
        changes: list[Change] = []
        for name, section in self.sections.items():
            changes += await section.plan(self.values[name], tenant=tenant, transaction=transaction)
        return tuple(changes)

    async def apply(self, *, tenant: TenantId, transaction: Any) -> None:
        """Apply the file. The caller commits."""
        for name, section in self.sections.items():
            await section.apply(self.values[name], tenant=tenant, transaction=transaction)


@dataclass(frozen=True, slots=True)
class Source:
    """A file with valid syntax: its text, its tables, and its name for error messages."""

    text: str
    document: Mapping[str, Any]
    file: str

    def placed(self, error: Invalid) -> Invalid:
        """Return an error of a section with the line and the dotted key in its message."""
        param = error.param or ""
        return Invalid(placed(error.message, self.text, param=param, file=self.file), param=error.param)


def parse(text: bytes, *, file: str = "headgate.toml") -> Source:
    """Parse a file.

    Raises:
        Invalid: it is not TOML. The message has the line.
        TooLarge: it is too large.
    """
    if len(text) > _MAX_BYTES:
        raise TooLarge(f"{file} is larger than {_MAX_BYTES} bytes")
    try:
        source = text.decode()
        _refuse_long_keys(source, file)
        return Source(source, tomllib.loads(source), file)
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not valid UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_PLACE.search(str(error))
        place = f"{file}:{found['line']}" if found else file
        raise Invalid(f"{place}: {error}") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise Invalid(f"{file}: a number in it is too long") from error
    except RecursionError as error:
        raise Invalid(f"{file} is nested too deeply") from error


def read(
    text: bytes,
    sections: Sequence[ConfigSection],
    *,
    file: str = "headgate.toml",
    beside: Mapping[str, Any] | None = None,
) -> Desired:
    """Decode and check a whole file.

    Args:
        beside: sections to which the file may refer without having them.

    A section in the file replaces the stored section completely. A section that is not in the file stays unchanged.

    Raises:
        Invalid: `file:line: key: message`, with the nearest valid name if there is one.
    """
    source = parse(text, file=file)
    known = {section.name: section for section in sections}
    values: dict[str, Any] = {}
    try:
        for name in source.document:
            if name not in known:
                raise unknown_section(name, known)
        for name, section in known.items():
            if name in source.document:
                values[name] = section.check(source.document[name], {**(beside or {}), **source.document})
    except Invalid as error:
        raise source.placed(error) from error
    return Desired(values, {name: known[name] for name in values})


def _refuse_long_keys(source: str, file: str) -> None:
    """Refuse dotted keys of hundreds of parts: the parser's time grows with the square of their number."""
    for number, line in enumerate(source.split("\n"), 1):
        is_long = line.count(".") > _MAX_DOTS and not line.lstrip().startswith("#")
        if is_long and _QUOTED.sub("", line).count(".") > _MAX_DOTS:
            raise Invalid(f"{file}:{number}: a key has over {_MAX_DOTS} parts; shorten it")


def unknown_section(name: str, known: Mapping[str, Any]) -> Invalid:
    """Return the error for a section that no feature has."""
    return Invalid(f"unknown section{_nearest(name, known)}", param=name)


def decode_table(table: Any, of: type[_T], *, section: str) -> list[_T]:
    """Decode the array of tables `[[section]]`.

    Raises:
        Invalid: `param` is the dotted key at fault, such as `deployment[2].modle`, counted from 0; the message
            names the nearest valid name where a name or a choice is unknown.
        TooLarge: there are more than `MAX_ENTRIES`.
    """
    if not isinstance(table, list):
        raise Invalid(f"write each entry as a table [[{section}]]", param=section)
    rows = cast("list[Any]", table)
    if len(rows) > MAX_ENTRIES:
        raise TooLarge(f"there are more than {MAX_ENTRIES} entries of [[{section}]]", param=section)
    try:
        return msgspec.convert(rows, list[of], strict=True)
    except msgspec.ValidationError as error:
        raise _as_invalid(error, of, section) from error


def _as_invalid(error: msgspec.ValidationError, of: type[Any], section: str) -> Invalid:
    misfit = misfit_of(error, of, item=r"\[\d+\]")
    where, below = section + misfit.path, misfit.path.partition("]")[2]
    if unknown := _UNKNOWN_FIELD.search(misfit.raw):
        field = unknown["field"]
        return Invalid(f"unknown key{_nearest(field, _fields(of, below))}", param=f"{where}.{field}")
    if missing := _MISSING_FIELD.search(misfit.raw):
        return Invalid(f"[[{section}]] needs {missing['field']}", param=f"{where}.{missing['field']}")
    return Invalid(misfit.words + _choices(misfit.raw, of, below), param=where)


def _choices(message: str, of: type[Any], path: str) -> str:
    """Return a hint for a wrong choice: the nearest valid value, or all valid values."""
    if not (wrong := _WRONG_CHOICE.search(message)):
        return ""
    info = type_at(of, path)
    options = getattr(info, "types", (info,))
    known = [str(value) for one in options for value in getattr(one, "values", ())]
    return _nearest(wrong["value"], known) if known else ""


def _fields(of: type[Any], path: str) -> Sequence[str]:
    """Return the fields of the struct at a dotted path below `of`."""
    return [field.encode_name for field in getattr(type_at(of, path), "fields", ())]


def _nearest(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def placed(message: str, source: str, *, param: str, file: str = "headgate.toml") -> str:
    """Return the message with its line and dotted key."""
    line = locate(source, param)
    where = f"{file}:{line}" if line else file
    return f"{where}: {param}: {message}"


def locate(source: str, param: str) -> int | None:
    """Return the line, from 1, of a dotted key such as `deployment[2].model`, or of its nearest parent."""
    steps = [step for step in re.split(r"[.\[\]]+", param) if step]
    if not steps:
        return None
    table, names = steps[0], [step for step in steps[1:] if not step.isdigit()]
    index = int(steps[1]) if len(steps) > 1 and steps[1].isdigit() else 0
    best: int | None = None
    depth, seen = -1, -1
    current: list[str] = []
    for number, line in enumerate(source.splitlines(), 1):
        if header := _TABLE.match(line):
            current = [part.strip("\"' ") for part in header["name"].split(".")]
            if current == [table]:
                seen += 1
            inside = seen == index and current[0] == table
            if inside and current[1:] == names[: len(current) - 1] and len(current) - 1 > depth:
                best, depth = number, len(current) - 1
            continue
        key = _KEY.match(line)
        if key and current[:1] == [table] and seen == index:
            path = [*current[1:], *key["key"].strip("\"'").split(".")]
            if path == names[: len(path)] and len(path) > depth:
                best, depth = number, len(path)
        elif key and not current and key["key"].strip("\"'").split(".")[0] == table and best is None:
            best = number
    return best
