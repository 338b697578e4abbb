"""Rights in administration: the verbs that policy offers to a caller, now or with other roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from headgate.admin.callers import AdminCaller, Gate
from headgate.kernel.action import AttributeType, AttributeValue, Resource, Verb


class Difference(NamedTuple):
    """The titles of the verbs that a caller gains and loses."""

    gains: list[str]
    loses: list[str]


def rights_of(gate: Gate, caller: AdminCaller, verbs: Iterable[Verb[Any, Any, Any]]) -> list[Verb[Any, Any, Any]]:
    """Return the verbs that the caller may do, or ask for, on their usual kind of resource."""
    return [verb for verb in verbs if verb.groups and gate.offers(caller, verb, usual_resource(verb, caller.tenant_id))]


def titles(verbs: Iterable[Verb[Any, Any, Any]]) -> list[str]:
    """Return the titles of verbs in alphabetical order."""
    return sorted(verb.title for verb in verbs)


def difference(
    gate: Gate, caller: AdminCaller, verbs: Iterable[Verb[Any, Any, Any]], *, roles: frozenset[str]
) -> Difference:
    """Return what the caller would gain and lose with these roles. Asks the rules in force, one decision a verb."""
    every = list(verbs)
    other = replace(caller, principal=replace(caller.principal, roles=roles))
    now, then = (set(titles(rights_of(gate, one, every))) for one in (caller, other))
    return Difference(gains=sorted(then - now), loses=sorted(now - then))


def usual_resource(verb: Verb[Any, Any, Any], name: str) -> Resource:
    """Return a resource of the verb's usual kind, with the empty value of each attribute."""
    return Resource(verb.usual, name, attributes=_plain(verb.attributes))


def _plain(types: Mapping[str, AttributeType]) -> dict[str, AttributeValue]:
    """Return the empty value of each attribute by its type."""
    return {name: _plain(of) if isinstance(of, Mapping) else of() for name, of in types.items()}
