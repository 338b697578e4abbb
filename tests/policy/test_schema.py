"""The schema that rules are written against: made from the verbs that features declare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from headgate.features import older_verbs, rules, verbs
from headgate.kernel.action import Action, AttributeValue, Context, Resource, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Effect
from headgate.kernel.errors import Invalid
from headgate.kernel.identity import Principal, UseCase
from headgate.policy.baseline import compile_baseline
from headgate.policy.decider import PolicyDecider
from headgate.policy.entities import DEFAULT_TENANT, CustomPolicy, RegisteredPrincipal
from headgate.policy.schema import schema_text
from headgate.policy.snapshot import SnapshotHolder, TenantContents, build_snapshot
from headgate.testing.clock import FakeClock

RING: Verb[None, object, None] = Verb(
    "bell.ring",
    type(None),
    object,
    type(None),
    groups=("use-bells",),
    attributes={"loudness": int, "rooms": frozenset[str], "at_night": bool, "tower": {"name": str, "floors": int}},
)
LET = '@id("let") @reason("x") permit (principal, action in Headgate::Action::"use-bells", resource);'
QUIET = """@id("quiet") @reason("x") forbid (principal, action == Headgate::Action::"bell.ring", resource)
when { resource.loudness >= 100 || resource.rooms.contains("chapel") || resource.tower.floors > 9 };"""


def decided(attributes: Mapping[str, AttributeValue]) -> Effect:
    pack = compile_baseline([*verbs(), RING], rules(), older_verbs=older_verbs())
    contents = TenantContents(
        DEFAULT_TENANT,
        use_cases=(UseCase("bells", DEFAULT_TENANT, owner="o", purpose="p"),),
        principals=(RegisteredPrincipal("ada", DEFAULT_TENANT, "person"),),
        policies=(CustomPolicy("bells", DEFAULT_TENANT, LET + QUIET),),
    )
    snapshot = build_snapshot([contents], baseline=pack, version=1)
    tenant = snapshot.tenants[DEFAULT_TENANT]
    assert tenant.fault is None, tenant.fault
    resource = Resource("bell", "big", attributes=attributes)
    asked: Action[Any, Any, Any] = Action(
        RING, Principal("ada", DEFAULT_TENANT), resource, None, Context(tenant.use_cases["bells"])
    )
    clock = FakeClock()
    holder = SnapshotHolder(clock)
    holder.swap(snapshot, asked_s=holder.now_s())
    decider = PolicyDecider(holder, clock=clock)
    decision = decider.decide(asked, Labelled())
    assert decider.decide(asked, Labelled()).effect is decision.effect
    return decision.effect


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({}, Effect.ALLOW),
        ({"loudness": 100}, Effect.DENY),
        ({"rooms": frozenset({"hall", "chapel"})}, Effect.DENY),
        ({"tower": {"name": "north", "floors": 10}}, Effect.DENY),
        ({"loudness": "loud"}, Effect.DENY),
        ({"loudness": True}, Effect.DENY),
        ({"rooms": frozenset({1})}, Effect.DENY),
        ({"tower": "north"}, Effect.DENY),
        ({"tower": {"name": "north"}}, Effect.DENY),
        ({"tower": {"name": "north", "floors": "9"}}, Effect.DENY),
    ],
)
def test_rules_ask_for_numbers_sets_and_records(change: dict[str, Any], effect: Effect) -> None:
    usual = {"loudness": 50, "rooms": frozenset({"hall"}), "at_night": False, "tower": {"name": "north", "floors": 3}}
    assert decided({**usual, **change}) is effect


@pytest.mark.parametrize("attributes", [{}, {"loudness": 50}])
def test_an_action_without_a_declared_attribute_is_refused(attributes: dict[str, AttributeValue]) -> None:
    assert decided(attributes) is Effect.DENY


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (Verb("Ring", object, object, object), "is not a valid verb"),
        (Verb("bell.ring", object, object, object, groups=('a" ]',)), "is not a valid group of verbs"),
        (Verb("bell.ring", object, object, object, attributes={"id": str}), "is not a valid attribute"),
        (Verb("bell.ring", object, object, object, attributes={"a b": str}), "is not a valid attribute"),
        (Verb("bell.ring", object, object, object, attributes={"ring": float}), "the attribute ring must be a number"),  # pyright: ignore[reportArgumentType] - the fault at test
    ],
)
def test_what_rules_could_not_name_is_refused(verb: Verb[object, object, object], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        schema_text([verb], {})


def test_the_schema_names_every_verb_and_what_older_versions_knew() -> None:
    text = schema_text(verbs(), older_verbs())
    assert 'action "key.create" in ["administer"]' in text
    assert 'action "record.erase" in ["administer"]' in text
    assert all(f'action "{verb.name}"' in text for verb in verbs())
