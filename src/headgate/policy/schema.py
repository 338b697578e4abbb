"""The Cedar schema of rules, built from the common vocabulary and the verbs of the features."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable, Mapping
from typing import Any

from headgate.kernel.action import AttributeType, Verb
from headgate.kernel.errors import Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_GROUP = re.compile(r"[a-z][a-z0-9-]*")
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TYPES: Mapping[object, str] = {int: "Long", str: "String", bool: "Bool", frozenset: "Set<String>"}
_PLAIN = "Resource"
_COMMON = frozenset({"id", "kind", "custody", "level", "regions", "attributes"})


def resource_type(verb: Verb[Any, Any, Any]) -> str:
    """Return the Cedar type of a verb's resource. A verb with typed attributes has its own type."""
    if not verb.attributes:
        return _PLAIN
    return "".join(word.capitalize() for word in re.split(r"[._]", verb.name)) + _PLAIN


def schema_text(verbs: Iterable[Verb[Any, Any, Any]], older: Mapping[str, tuple[str, ...]]) -> str:
    """Return the schema as Cedar text.

    Args:
        older: names of removed verbs that stored rules may contain, with their groups.

    Raises:
        Invalid: a verb, group or attribute has an invalid name, or an attribute has an unsupported type.
    """
    base = (importlib.resources.files("headgate.policy") / "schema.cedarschema").read_text("utf-8")
    vocabulary, end, _ = base.rpartition("}")
    every = sorted(verbs, key=lambda verb: verb.name)
    groups = {group for verb in every for group in verb.groups}.union(*older.values())
    for group in groups:
        if not _GROUP.fullmatch(group):
            raise Invalid(f"{group!r} is not a valid group of verbs; write lower case letters, digits and '-'")
    resource = _common_attributes(vocabulary)
    lines = ["", "  // What can be done, in groups. An action that is not listed here is always refused."]
    lines += [f'  action "{group}";' for group in sorted(groups)]
    lines += [line for verb in every for line in _verb(verb, resource)]
    lines += [_action(name, older[name], _PLAIN) for name in sorted(older)]
    return vocabulary + "\n".join(lines) + "\n" + end + "\n"


def _common_attributes(vocabulary: str) -> str:
    """Return the common attributes of resources as Cedar text."""
    found = re.search(r"entity Resource = \{(.*?)\n  \};", vocabulary, re.DOTALL)
    assert found is not None
    return found.group(1)


def _verb(verb: Verb[Any, Any, Any], common: str) -> list[str]:
    if not _NAME.fullmatch(verb.name):
        raise Invalid(f"{verb.name!r} is not a valid verb; write NOUN.VERB in lower case")
    kind = resource_type(verb)
    action = _action(verb.name, verb.groups, kind)
    if kind == _PLAIN:
        return [action]
    own = [f"    {name}: {_type(name, of)}," for name, of in sorted(verb.attributes.items())]
    return [f"  entity {kind} = {{{common}", *own, "  };", action]


def _action(name: str, groups: tuple[str, ...], resource: str) -> str:
    named = ", ".join(f'"{group}"' for group in groups)
    within = f" in [{named}]" if groups else ""
    applies = f"principal: Principal, resource: {resource}, context: Circumstances"
    return f'  action "{name}"{within} appliesTo {{ {applies} }};'


def _type(name: str, of: AttributeType) -> str:
    if not _ATTRIBUTE.fullmatch(name) or name in _COMMON:
        raise Invalid(f"{name!r} is not a valid attribute; the name is malformed or already taken")
    if isinstance(of, Mapping):
        fields = ", ".join(f"{inner}: {_type(inner, kind)}" for inner, kind in sorted(of.items()))
        return f"{{ {fields} }}"
    written = _TYPES.get(getattr(of, "__origin__", of))
    if written is None:
        raise Invalid(f"the attribute {name} must be a number, string, boolean, set of strings or record")
    return written
