"""Inputs of rules: the facts of an action as a cache key and as a Cedar request.

Both functions read the same list of facts, so every input of a rule is part of the cache key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast

from headgate.kernel.action import Action, AttributeType, AttributeValue
from headgate.kernel.identity import PrincipalKind, UseCase
from headgate.kernel.labels import EMPTY, Confidentiality, Custody, Integrity, Labels
from headgate.policy.engine import Question
from headgate.policy.entities import ApiKey
from headgate.policy.schema import resource_type

Credential = Literal["key", "session", "expired", "unknown"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Facts from the snapshot on an action's principal and use case.

    Args:
        groups: of the principal.
        is_member: whether the use case's members include the principal.
    """

    registered: bool
    credential: Credential
    key: ApiKey | None
    use_case_registered: bool
    groups: frozenset[str] = EMPTY
    is_member: bool = False


def cache_key(action: Action[Any, Any, Any], labels: Labels) -> tuple[object, ...]:
    """Return the cache key of an action: actions with equal keys have the same inputs of rules.

    Leaves out `as_of`, which rules do not see, and `Standing`, which follows from the ids within one snapshot.
    """
    resource, context = action.resource, action.context
    return (
        action.principal,
        action.verb.name,
        resource.id,
        resource.kind,
        resource.clearance,
        _hashable(resource.attributes) if resource.attributes else None,
        context.use_case,
        frozenset(context.attributes.items()) if context.attributes else None,
        labels if labels.as_of is None else replace(labels, as_of=None),
    )


def question(action: Action[Any, Any, Any], labels: Labels, *, standing: Standing, now: datetime) -> Question:
    """Encode an action as a Cedar request under the baseline's schema."""
    principal, resource = action.principal, action.resource
    entities = [
        _entity("Principal", principal.id, _principal(action, standing), parents=_parents(action, standing)),
        _entity(resource_type(action.verb), f"{resource.kind}:{resource.id}", _resource(action)),
    ]
    context: dict[str, Any] = {
        "verb": action.verb.name,
        "use_case": _use_case(action.context.use_case, registered=standing.use_case_registered, now=now),
        "labels": _labels(labels),
        "now": {"__extn": {"fn": "datetime", "arg": f"{now:%Y-%m-%dT%H:%M:%SZ}"}},
        "attributes": _pairs(action.context.attributes),
    }
    request = {
        "principal": entities[0]["uid"],
        "action": {"type": "Headgate::Action", "id": action.verb.name},
        "resource": entities[1]["uid"],
        "context": json.dumps(context),
    }
    return Question(request, json.dumps(entities))


def _entity(
    kind: str, name: str, attributes: dict[str, Any], *, parents: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    return {"uid": _uid(kind, name), "attrs": attributes, "parents": list(parents)}


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": f"Headgate::{kind}", "id": name}


def _parents(action: Action[Any, Any, Any], standing: Standing) -> list[dict[str, str]]:
    """Return the parents of the principal: its groups, and the members of the action's use case."""
    parents = [_uid("Group", group) for group in sorted(standing.groups)]
    return [*parents, _uid("Members", action.context.use_case.id)] if standing.is_member else parents


def _principal(action: Action[Any, Any, Any], standing: Standing) -> dict[str, Any]:
    principal, key = action.principal, standing.key
    kind: PrincipalKind = principal.kind
    return {
        "id": principal.id,
        "kind": kind,
        "roles": sorted(principal.roles),
        "on_behalf_of": sorted(set(principal.on_behalf_of)),
        "level": int(principal.clearance.level),
        "registered": standing.registered,
        "credential": standing.credential,
        **({} if key is None or key.created_by == principal.id else {"key_given_for": key.use_case}),
        **_given("key_verbs", key.verbs if key else None),
        **_given("key_aliases", key.aliases if key else None),
    }


def _resource(action: Action[Any, Any, Any]) -> dict[str, Any]:
    resource = action.resource
    return {
        "id": resource.id,
        "kind": resource.kind,
        "custody": _word(resource.clearance.custody),
        "level": int(resource.clearance.level),
        "regions": sorted(resource.clearance.regions or ()),
        "attributes": _pairs(resource.attributes),
        **{name: _cedar(resource.attributes[name]) for name in action.verb.attributes if name in resource.attributes},
    }


def _use_case(use_case: UseCase, *, registered: bool, now: datetime) -> dict[str, Any]:
    return {
        "id": use_case.id,
        "owner": use_case.owner,
        "members": {"__entity": _uid("Members", use_case.id)},
        "risk": use_case.risk,
        "registered": registered,
        "status": use_case.status or "live",
        "expired": use_case.expires_at is not None and use_case.expires_at <= now,
        "ceiling": int(use_case.ceiling.level),
        **_given("ceiling_categories", use_case.ceiling.categories),
        **_given("deployments", use_case.deployments),
    }


def _labels(labels: Labels) -> dict[str, Any]:
    return {
        "level": int(labels.confidentiality),
        "confidentiality": _word(labels.confidentiality),
        "categories": sorted(labels.categories),
        "readers": sorted(labels.readers),
        "custody": _word(labels.custody),
        "untrusted": labels.integrity is Integrity.UNTRUSTED,
        **_given("regions", labels.regions),
        **_given("purposes", labels.purposes),
    }


def _word(value: Confidentiality | Custody) -> str:
    return value.name.lower()


def _given(name: str, values: frozenset[str] | None) -> dict[str, list[str]]:
    return {} if values is None else {name: sorted(values)}


def _pairs(attributes: Mapping[str, str] | Mapping[str, AttributeValue]) -> list[str]:
    pairs: list[str] = []
    for name, value in attributes.items():
        match value:
            case bool():
                pairs.append(f"{name}={'true' if value else 'false'}")
            case frozenset():
                pairs += [f"{name}={word}" for word in sorted(value)]
            case Mapping():
                continue  # rules read records by field
            case _:
                pairs.append(f"{name}={value}")
    return pairs


def _cedar(value: AttributeValue) -> Any:
    """Encode a typed attribute for Cedar."""
    match value:
        case frozenset():
            return sorted(value)
        case Mapping():
            return {name: _cedar(inner) for name, inner in value.items()}
        case _:
            return value


def _hashable(attributes: Mapping[str, AttributeValue]) -> frozenset[tuple[str, str, object]]:
    """Return a hashable value that tells `1`, `1.0` and `True` apart."""
    return frozenset(
        (name, type(value).__name__, _hashable(value) if isinstance(value, Mapping) else value)
        for name, value in attributes.items()
    )


def undeclared(action: Action[Any, Any, Any]) -> str | None:
    """Return how the resource's attributes differ from the declaration of the verb; None if they do not."""
    given = action.resource.attributes
    for name, of in action.verb.attributes.items():
        if name not in given:
            return f"the resource of {action.verb.name} has no {name}"
        if (why := _mismatch(given[name], of)) is not None:
            return f"{name} of the resource of {action.verb.name} {why}"
    return None


def _mismatch(value: object, of: AttributeType) -> str | None:
    if isinstance(of, Mapping):
        if not isinstance(value, Mapping):
            return "must be a record"
        record = cast("Mapping[str, object]", value)
        if record.keys() != of.keys():
            return f"must be a record of {', '.join(sorted(of))}"
        return next((why for name, kind in of.items() if (why := _mismatch(record[name], kind)) is not None), None)
    if of in (int, str, bool):
        return None if type(value) is of else f"must be of type {getattr(of, '__name__', of)}"
    members = cast("frozenset[object]", value) if isinstance(value, frozenset) else None
    is_set = members is not None and all(isinstance(member, str) for member in members)
    return None if is_set else "must be a set of strings"
