"""Reading rules: what an annotation means, and how a text that does not hold is refused."""

from __future__ import annotations

import pytest

from headgate.admin.features import Rules
from headgate.features import baseline, verbs
from headgate.kernel.decision import LogLevel, Obligations
from headgate.kernel.errors import Conflict, Invalid, TooLarge
from headgate.kernel.labels import Custody
from headgate.policy.baseline import compile_baseline
from headgate.policy.members import refuse_members
from headgate.policy.rules import checked_rules, read_rules, roles_of

ANY = "(principal, action, resource)"
PACK = baseline()


def one(annotations: str, effect: str = "permit") -> str:
    return f'@id("r") @reason("because") {annotations} {effect} {ANY};'


@pytest.mark.parametrize(
    ("annotations", "obligations"),
    [
        ('@duty("mask") @categories("pii, pci")', Obligations(mask=frozenset({"pii", "pci"}))),
        ('@duty("restrict") @custody("organisation")', Obligations(restrict=Custody.ORGANISATION)),
        ('@duty("cap") @output_tokens("512")', Obligations(cap_output_tokens=512)),
        ('@duty("log") @level("masked")', Obligations(log=LogLevel.MASKED)),
    ],
)
def test_a_duty_says_what_it_asks_for(annotations: str, obligations: Obligations) -> None:
    (rule,) = read_rules(one(annotations), source="x")
    assert (rule.does, rule.obligations) == ("duty", obligations)


def test_permits_forbids_and_asks_are_told_apart_and_keep_their_order() -> None:
    text = "\n".join(
        f'@id("r{i}") @reason("because") {extra} {effect} {ANY};'
        for i, (effect, extra) in enumerate([("permit", ""), ("forbid", '@does("ask")'), ("forbid", "")] * 4)
    )
    rules = read_rules(text, source="x")
    assert [rule.does for rule in rules] == ["allow", "ask", "deny"] * 4
    assert [rule.id for rule in rules] == [f"r{i}" for i in range(12)]
    assert "forbid(principal, action, resource)" in " ".join(rules[2].text.split()).replace(" (", "(").replace(
        "( ", "("
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"permit {ANY};", ["no @id"]),
        (f'@id("Upper") @reason("x") permit {ANY};', ["'Upper'"]),
        (f'@id("r") permit {ANY};', ["rule r", "no @reason"]),
        (one('@mode("observed")'), ["@mode", "did you mean observe"]),
        (one('@mode("xyz")'), ["enforce, observe, always", "'xyz'"]),
        (one('@does("ask")'), ["needs a forbid"]),
        (one('@duty("cite")'), ["rule r", "mask, restrict, cap, log"]),
        (one('@duty("watermark")'), ["rule r", "mask, restrict, cap, log"]),
        (one('@does("tell")', "forbid"), ["@does", "ask"]),
        (one('@duty("mask") @categories("pii")', "forbid"), ["a duty must be a permit"]),
        (one('@duty("mask") @does("ask") @categories("pii")'), ["a duty must be a permit"]),
        (one('@duty("masc")'), ["did you mean mask"]),
        (one('@duty("mask")'), ["needs @categories"]),
        (one('@duty("mask") @categories(" , ")'), ["needs @categories"]),
        (one('@duty("restrict") @custody("eu")'), ["'eu'"]),
        (one('@duty("cap") @output_tokens("0")'), ["'0'"]),
        (one('@duty("cap") @output_tokens("many")'), ["'many'"]),
        (one('@duty("log") @level("loud")'), ["'loud'"]),
        (one('@reasn("x")'), ["did you mean @reason"]),
        (one('@zzz("x")'), ["@zzz is unknown", "known are"]),
        (one('@custody("organisation")'), ["@custody", "not allowed here"]),
        ("permit(", ["not valid Cedar"]),
        ('@id("r") @reason("x") permit(principal == ?principal, action, resource);', ["?principal"]),
    ],
)
def test_a_text_that_does_not_hold_is_refused_with_its_fault(text: str, words: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read_rules(text, source="policy mine")
    assert "policy mine" in refused.value.message
    assert all(word in refused.value.message for word in words), refused.value.message


def test_two_rules_of_one_id_are_refused() -> None:
    with pytest.raises(Conflict, match="two rules have the id r"):
        read_rules(one("") + one(""), source="x")


def when(condition: str) -> str:
    return f'@id("r") @reason("x") permit {ANY} when {{ {condition} }};'


@pytest.mark.parametrize(
    "text",
    [
        when("(" * 2_000 + "true" + ")" * 2_000),
        when("[" * 25 + "1" + "]" * 25 + " == 1"),
        when("true && " * 600 + "true"),
        when('"//" == "//" && ' + "true && " * 20_000 + "true"),
        when("// a comment ends here\r" + "true && " * 20_000 + "true"),
        when("context" + ".a" * 1_900 + " == 1"),
        "true && " * 10_000,
        "x" * 300_000,
        "".join(f'@id("r{i}")@reason("x")permit{ANY};' for i in range(1_001)),
    ],
)
def test_a_text_that_would_exhaust_the_parser_never_reaches_it(text: str) -> None:
    with pytest.raises(TooLarge):
        read_rules(text, source="x")


def test_a_rule_of_more_steps_than_the_engine_takes_is_too_large_and_one_of_as_many_is_read() -> None:
    with pytest.raises(TooLarge, match="too many steps"):
        read_rules(when("true && " * 61 + "true"), source="x")
    (rule,) = read_rules(when("true && " * 60 + "true"), source="x")
    assert rule.id == "r"


def test_a_long_comment_is_welcome() -> None:
    (rule,) = read_rules(f"// {'why ' * 2_000}\n" + one(""), source="x")
    assert rule.id == "r"


def test_the_schema_refuses_attributes_that_do_not_exist_and_optional_ones_not_asked_for() -> None:
    text = (
        '@id("typo") @reason("x") forbid (principal, action, resource) when { resource.custdy == "any" };'
        '@id("optional") @reason("x") forbid (principal, action, resource)'
        ' when { context.use_case.deployments.contains("a") };'
    )
    with pytest.raises(Invalid) as refused:
        checked_rules(text, PACK.schema, source="policy mine")
    assert "typo: attribute `custdy`" in refused.value.message
    assert "optional: unable to guarantee safety of access to optional attribute" in refused.value.message


def test_a_verb_that_the_schema_does_not_know_is_refused() -> None:
    text = '@id("v") @reason("x") forbid (principal, action == Headgate::Action::"model.invok", resource);'
    with pytest.raises(Invalid, match=r"model\.invok"):
        checked_rules(text, PACK.schema, source="x")


def test_every_rule_of_the_baseline_says_why_it_is_there() -> None:
    assert len(PACK.rules) == len({rule.id for rule in PACK.rules}) >= 15
    assert all(len(rule.reason) > 20 for rule in PACK.rules)


def test_a_rule_in_the_wrong_file_and_one_id_in_two_features_are_refused() -> None:
    duty = one('@duty("log") @level("none")')
    with pytest.raises(Invalid, match=r"baseline/mine/access\.cedar: rule r belongs in the other file"):
        compile_baseline(verbs(), [Rules("mine", access=duty, duties="")])
    with pytest.raises(
        Conflict, match=r"baseline/mine/duties\.cedar and baseline/yours/duties\.cedar both have a rule r"
    ):
        compile_baseline(verbs(), [Rules("mine", "", duty), Rules("yours", "", duty)])


@pytest.mark.parametrize("members", [frozenset(map(str, range(2_001))), {"group:"}, {"an*"}, {" "}])
def test_members_of_no_allowed_form_are_refused(members: frozenset[str]) -> None:
    with pytest.raises(Invalid, match="member"):
        refuse_members(frozenset(members))


def test_the_roles_that_rules_name_are_those_they_test() -> None:
    tests = ('principal.roles.contains("one")', 'principal.roles.containsAny(["two", "three"])')
    policies = [f'@id("r{at}") @reason("because") permit {ANY} when {{ {test} }};' for at, test in enumerate(tests)]
    other = f'@id("o") @reason("because") permit {ANY} when {{ context.labels.categories.contains("pii") && 1 < 2 }};'
    assert roles_of(read_rules("\n".join([*policies, other]), source="own")) == {"one", "two", "three"}
