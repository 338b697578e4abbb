"""The keys that entries of the configuration may have, for the completion in editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

import msgspec
from msgspec import inspect

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_READ
from headgate.kernel.action import Resource
from headgate.server.api import config_checks
from headgate.server.api.parts import ServerParts

Kind = Literal["text", "number", "switch", "list", "table", "tables", "date"]


class ConfigKey(Body, frozen=True, kw_only=True):
    """One key of an entry.

    Args:
        name: dotted for a key of an inner table, such as `clearance.level`.
        choices: its values, or those of its list; empty if it takes any.
        refers_to: the section whose names it takes, or null.
    """

    name: str
    kind: Kind
    choices: list[str]
    refers_to: str | None
    is_required: bool


class SectionKeys(Body, frozen=True, kw_only=True):
    """The keys of the entries of one section, in the order in which they are declared."""

    name: str
    keys: list[ConfigKey]


class ConfigKeys(Body, frozen=True, kw_only=True):
    """The sections of the file with their keys."""

    sections: list[SectionKeys]


async def list_keys(parts: ServerParts, request: Request) -> ConfigKeys:
    """List the keys that entries may have."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))
    return ConfigKeys(
        sections=[
            SectionKeys(name=name, keys=list(_keys(section.entry_type, "", section.uses)))
            for name, section in config_checks.entry_sections(parts.sections).items()
        ]
    )


def _keys(struct: type[Any], prefix: str, uses: Mapping[str, str]) -> Iterator[ConfigKey]:
    info = cast("inspect.StructType", inspect.type_info(struct))
    for field in info.fields:
        kind, choices, inner = _described(field.type)
        name = prefix + field.encode_name
        yield ConfigKey(name=name, kind=kind, choices=choices, refers_to=uses.get(name), is_required=field.required)
        if inner is not None and kind == "table":
            yield from _keys(inner, f"{name}.", {})


def _described(found: inspect.Type) -> tuple[Kind, list[str], type[msgspec.Struct] | None]:
    """Return the kind of a value, its choices, and the struct of an inner table."""
    match found:
        case inspect.Metadata(type=inner):
            return _described(inner)
        case inspect.UnionType(types=types):
            return _described(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return "text", [str(one) for one in values], None
        case inspect.ListType(item_type=item):
            kind, choices, inner = _described(item)
            return ("tables" if kind == "table" else "list"), choices, inner
        case inspect.StructType(cls=cls):
            return "table", [], cls
        case inspect.BoolType():
            return "switch", ["true", "false"], None
        case inspect.IntType() | inspect.FloatType() | inspect.DecimalType():
            return "number", [], None
        case inspect.DateType():
            return "date", [], None
        case _:
            return "text", [], None


OPERATIONS = (
    Operation(
        "listConfigKeys",
        "GET",
        "/api/config/keys",
        "The keys that entries may have.",
        list_keys,
        answer=ConfigKeys,
        verb=CONFIG_READ,
    ),
)
