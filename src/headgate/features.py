"""The features of this Headgate: the one explicit list. Adding one is its folder and a line here."""

from __future__ import annotations

import importlib
import importlib.resources
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from headgate.admin.features import Feature, Rules
from headgate.admin.operations import Operation
from headgate.admin.verbs import OLDER_VERBS as HOUSE_OLDER_VERBS
from headgate.admin.verbs import VERBS as HOUSE_VERBS
from headgate.admin.wire_operations import WireOperation
from headgate.kernel.action import Verb
from headgate.kernel.errors import Conflict
from headgate.policy.baseline import Baseline, compile_baseline
from headgate.substrate.migrate import Migration, migrations_in

NAMES = (
    "policy",
    "people",
    "guard",
    "gateway",
    "ledger",
    "chat",
    "finops",
    "notices",
    "moving_in",
    "batches",
    "knowledge",
)


def _feature(name: str) -> Feature:
    """Return what the module `feature` of a folder says of it."""
    return cast("Feature", importlib.import_module(f"headgate.{name}.feature").FEATURE)


Declared = tuple[str, str]
"""A kind of thing that features declare, such as `command`, and its name."""


def refuse_doubles(features: Sequence[Feature], *, taken: Iterable[Declared] = ()) -> None:
    """Refuse names that two features declare.

    Args:
        taken: names that the house itself uses.

    Raises:
        Conflict: the name is declared twice. The message has both features.
    """
    seen: dict[Declared, str] = {("verb", verb.name): "the house" for verb in HOUSE_VERBS}
    seen |= dict.fromkeys(taken, "the house")
    for feature in features:
        declared = [
            *(("verb", verb.name) for verb in feature.verbs),
            *operation_names(feature.operations),
            *wire_routes(feature.wire_operations),
            *(("command", str(command.name)) for command in feature.commands),
        ]
        for kind, name in declared:
            other = seen.setdefault((kind, name), feature.name)
            if other != feature.name or declared.count((kind, name)) > 1:
                raise Conflict(f"the {kind} {name} is declared by {other} and by {feature.name}; rename one")


def operation_names(operations: Sequence[Operation]) -> list[Declared]:
    """Return the ids and routes of operations, as `refuse_doubles` takes them."""
    routes = (re.sub(r"{[^}]*}", "{}", operation.path) for operation in operations)
    return [
        *(("operation", operation.id) for operation in operations),
        *(("route", f"{operation.method} {route}") for operation, route in zip(operations, routes, strict=True)),
    ]


def wire_routes(operations: Sequence[WireOperation]) -> list[Declared]:
    """Return the routes of operations on clients' wires, as `refuse_doubles` takes them."""
    return [("route", f"{one.method} {re.sub(r'{[^}]*}', '{}', one.path)}") for one in operations]


FEATURES = tuple(_feature(name) for name in NAMES)
refuse_doubles(FEATURES)


def verbs(features: Sequence[Feature] = FEATURES) -> tuple[Verb[Any, Any, Any], ...]:
    """Return the verbs of the house and of these features."""
    return (*HOUSE_VERBS, *(verb for feature in features for verb in feature.verbs))


def older_verbs(features: Sequence[Feature] = FEATURES) -> Mapping[str, tuple[str, ...]]:
    """Return the names that stored rules may mention and that nothing performs, with their groups."""
    found = dict(HOUSE_OLDER_VERBS)
    for feature in features:
        found |= feature.older_verbs
    return found


def rules(features: Sequence[Feature] = FEATURES) -> tuple[Rules, ...]:
    """Return the Cedar text of every feature."""
    return tuple(feature.rules for feature in features)


def baseline() -> Baseline:
    """Return the rules that every tenant starts with, compiled."""
    return compile_baseline(verbs(), rules(), older_verbs=older_verbs())


def migrations() -> tuple[Migration, ...]:
    """Return the migrations of the house and of every feature, in the order of their numbers.

    Raises:
        Invalid: a file has a name of another form, or two have the same number.
    """
    house = [importlib.resources.files(f"headgate.{name}") / "migrations" for name in ("substrate", "server")]
    return migrations_in(*house, *(feature.migrations for feature in FEATURES if feature.migrations is not None))
