"""The small laws of the shared words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.admin.commands import Command, command_verb
from headgate.kernel.action import Action, Context, Resource, canonical, is_carrier
from headgate.kernel.content import PlainText
from headgate.kernel.decision import Decision, Effect, LogLevel, Obligations, RuleHit
from headgate.kernel.detection import Candidate
from headgate.kernel.labels import BOTTOM, Clearance, Custody
from headgate.testing.notes import note
from headgate.testing.people import ADA, SUPPORT
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelCall, ModelDispatch, ModelReply
from headgate.wire.provider import bearer

WORDS = st.frozensets(st.sampled_from(["pii", "phi", "secret"]))
OBLIGATIONS = st.builds(
    Obligations,
    mask=WORDS,
    restrict=st.sampled_from(Custody),
    cap_output_tokens=st.none() | st.integers(1, 9),
    log=st.sampled_from(LogLevel),
)


@given(OBLIGATIONS, OBLIGATIONS, OBLIGATIONS)
def test_obligations_are_unioned_in_any_order_and_the_strictest_wins(
    a: Obligations, b: Obligations, c: Obligations
) -> None:
    both = a | b
    assert both == b | a
    assert both | c == a | (b | c)
    assert a | a == a | Obligations() == a
    assert both.mask == a.mask | b.mask
    assert both.restrict >= a.restrict
    assert both.log >= b.log
    assert a.cap_output_tokens is None or (both.cap_output_tokens or 0) <= a.cap_output_tokens


def test_of_several_effects_the_highest_holds() -> None:
    assert max(Effect.ALLOW, Effect.ASK) is Effect.ASK
    assert max(Effect.ASK, Effect.DENY) is Effect.DENY


def test_only_enforced_rules_that_deny_or_ask_refuse() -> None:
    rules = (
        RuleHit("a", "deny", "enforce", ""),
        RuleHit("b", "deny", "observe", ""),
        RuleHit("c", "allow", "enforce", ""),
        RuleHit("d", "ask", "enforce", ""),
    )
    assert [rule.id for rule in Decision(Effect.DENY, rules=rules).refusing] == ["a", "d"]


def test_a_candidate_shows_its_value_and_what_surrounds_it() -> None:
    candidate = Candidate("card 4111 ok", 5, 9, "digits")
    assert (candidate.value, candidate.before(3), candidate.after(20), candidate.before(99)) == (
        "4111",
        "rd ",
        " ok",
        "card ",
    )


def test_a_payload_of_a_model_call_is_a_carrier_whose_content_can_be_exchanged() -> None:
    call = ModelCall("w", PlainText(("one",)), "alias")
    dispatch = ModelDispatch(call, Deployment("d", "p", "m", Clearance()))
    reply = ModelReply("w", PlainText(("one",)))
    other = PlainText(("two",))
    for carrier in (call, dispatch, reply, note("one")):
        assert is_carrier(carrier)
        changed = carrier.with_content(other)
        assert (carrier.content.to_bytes(), changed.content.to_bytes()) == (b"one", b"two")
        assert type(changed) is type(carrier)


def test_a_bearer_credential_is_sent_only_where_there_is_a_secret() -> None:
    assert bearer("s") == (("authorization", "Bearer s"),)
    assert bearer(None) == bearer("") == ()


def test_an_approval_of_a_command_is_bound_to_its_arguments_and_not_to_its_closure() -> None:
    async def do(facts: object) -> None: ...

    async def again(facts: object) -> None: ...

    def digest(command: Command) -> bytes:
        action = Action(
            command_verb("key.create", "write", "Make a key"), ADA, Resource("key", "new"), command, Context(SUPPORT)
        )
        return action.digest(labels=BOTTOM, policy_version="1")

    assert digest(Command({}, "a" * 64, do)) == digest(Command({}, "a" * 64, again))
    assert digest(Command({}, "a" * 64, do)) != digest(Command({}, "b" * 64, do))


@pytest.mark.parametrize(
    "moved",
    [
        {"base_url": "http://elsewhere"},
        {"model": "other"},
        {"provider": "other"},
        {"key": "env:OTHER_ACCOUNT"},
        {"network": "other"},
        {"clearance": Clearance(regions=frozenset({"eu", "us"}))},
        {"clearance": Clearance(not_before=datetime(2026, 1, 1, tzinfo=UTC))},
    ],
)
def test_an_approval_of_a_dispatch_is_bound_to_what_stands_behind_the_deployments_id(moved: dict[str, Any]) -> None:
    def digest(deployment: Deployment) -> bytes:
        dispatch = ModelDispatch(ModelCall("w", PlainText(("one",)), "alias"), deployment)
        action = Action(MODEL_DISPATCH, ADA, Resource("deployment", "d"), dispatch, Context(SUPPORT))
        return action.digest(labels=BOTTOM, policy_version="1")

    deployment = Deployment("d", "p", "m", Clearance())
    assert digest(deployment) == digest(replace(deployment, timeout_s=1.0))
    assert digest(deployment) != digest(replace(deployment, **moved))


def test_an_approval_is_bound_to_a_payload_whatever_the_order_of_its_sets() -> None:
    @dataclass(frozen=True)
    class Wanted:
        names: frozenset[str]
        options: Mapping[str, object]
        do: object = field(default=None, repr=False)

    one = Wanted(frozenset("abc"), {"x": [1, 2], "y": (True, None)}, do=1)
    same = Wanted(frozenset("cba"), {"y": (True, None), "x": [1, 2]}, do=2)
    assert canonical(one) == canonical(same)
    assert canonical(one) == "Wanted(names={'a', 'b', 'c'}, options={'x': [1, 2], 'y': [True, None]})"
    assert canonical(Wanted) == repr(Wanted)


def test_an_approval_is_bound_to_the_attributes_of_the_destination() -> None:
    def digest(severity: int) -> bytes:
        resource = Resource("notice", "new", attributes={"severity": severity})
        verb = command_verb("notice.publish", "write", "Publish")
        asked: Action[Any, Any, Any] = Action(verb, ADA, resource, None, Context(SUPPORT))
        return asked.digest(labels=BOTTOM, policy_version="1")

    assert digest(1) != digest(9)
