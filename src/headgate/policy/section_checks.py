"""What is wrong with an edit of people and use cases: a lockout, or a name of nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from headgate.admin.checks import unknown
from headgate.kernel.ports import Edit, Fault
from headgate.policy.models import ADMIN, HEADGATE
from headgate.policy.rules import Rule, read_rules, roles_of


def lockout_faults(edit: Edit) -> Iterator[Fault]:
    """Give what would leave nobody to undo it, or would change Headgate's own principal."""
    were, are = ({table["id"]: table for table in document["person"]} for document in (edit.before, edit.now))
    if were.get(HEADGATE) != are.get(HEADGATE):
        yield Fault("person", HEADGATE, f"{HEADGATE} is built in and stays as it is", is_conflict=True)
    administrators, left = _administrators(were), _administrators(are)
    if edit.by in administrators - left:
        why = "somebody else has to take the role admin from you, so that one is left"
        yield Fault("person", edit.by, why, is_conflict=True)
    if administrators and not left:
        yield Fault("person", min(administrators), "one with the role admin has to be left", is_conflict=True)


def role_faults(edit: Edit, rules: Iterable[Rule]) -> Iterator[Fault]:
    """Give people whose roles no rule knows.

    Args:
        rules: in force now; the roles that they name, and that policies of the edit name, are known.
    """
    roles = roles_of([*rules, *(rule for table in edit.now["policy"] for rule in _rules_of(table))])
    for table in edit.named.get("person", ()):
        if why := unknown("role", table.get("roles") or (), roles):
            yield Fault("person", table["id"], why)


def deployment_faults(edit: Edit, built_in: Collection[str]) -> Iterator[Fault]:
    """Give use cases that name a deployment that there is not."""
    deployments = {*built_in, *(table["id"] for table in edit.now["deployment"])}
    for table in edit.named.get("use_case", ()):
        if why := unknown("deployment", table.get("deployments") or (), deployments):
            yield Fault("use_case", table["id"], why)


def _rules_of(policy: Mapping[str, Any]) -> tuple[Rule, ...]:
    return read_rules(policy["text"], source=policy["id"]) if policy.get("text") else ()


def _administrators(people: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {name for name, table in people.items() if ADMIN in table["roles"]}
