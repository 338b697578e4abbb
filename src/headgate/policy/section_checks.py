"""Checks of edits of people and use cases for lockouts and unknown names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from headgate.admin.checks import unknown
from headgate.kernel.ports import Edit, Fault
from headgate.policy.entities import ADMIN, HEADGATE
from headgate.policy.rules import Rule, read_rules, roles_of


def lockout_faults(edit: Edit) -> Iterator[Fault]:
    """Yield a fault if an edit removes the last administrator or changes the principal headgate."""
    were, are = ({table["id"]: table for table in document["person"]} for document in (edit.before, edit.now))
    if were.get(HEADGATE) != are.get(HEADGATE):
        yield Fault("person", HEADGATE, f"{HEADGATE} is built in and cannot be changed", is_conflict=True)
    administrators, left = _administrators(were), _administrators(are)
    if edit.by in administrators - left:
        why = "you cannot remove your own role admin; ask another administrator"
        yield Fault("person", edit.by, why, is_conflict=True)
    if administrators and not left:
        yield Fault("person", min(administrators), "at least one person must keep the role admin", is_conflict=True)


def role_faults(edit: Edit, rules: Iterable[Rule]) -> Iterator[Fault]:
    """Yield a fault for each person with an unknown role.

    Args:
        rules: the rules in force. Roles in them and in the edit's policies are known.
    """
    roles = roles_of([*rules, *(rule for table in edit.now["policy"] for rule in _rules_of(table))])
    for table in edit.named.get("person", ()):
        if why := unknown("role", table.get("roles") or (), roles):
            yield Fault("person", table["id"], why)


def deployment_faults(edit: Edit, built_in: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for each use case with an unknown deployment."""
    deployments = {*built_in, *(table["id"] for table in edit.now["deployment"])}
    for table in edit.named.get("use_case", ()):
        if why := unknown("deployment", table.get("deployments") or (), deployments):
            yield Fault("use_case", table["id"], why)


def category_faults(edit: Edit, categories: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for each policy that masks a category which no detector finds."""
    for table in edit.named.get("policy", ()):
        masked = sorted({category for rule in _rules_of(table) for category in rule.obligations.mask})
        if why := unknown("category", masked, categories):
            yield Fault("policy", table["id"], why)


def _rules_of(policy: Mapping[str, Any]) -> tuple[Rule, ...]:
    return read_rules(policy["text"], source=policy["id"]) if policy.get("text") else ()


def _administrators(people: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {name for name, table in people.items() if ADMIN in table["roles"]}
