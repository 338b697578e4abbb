"""Decisions: what the baseline and a tenant's own rules say of an action, observed or enforced, cached or not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.admin.commands import ADMINISTER, AUDIT
from headgate.features import baseline, verbs
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import NO_OBLIGATIONS, Effect, Obligations, RuleHit
from headgate.kernel.errors import Unavailable
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import EVERYTHING, Clearance, Confidentiality, Custody, Integrity, Labels
from headgate.kernel.ports import Decider
from headgate.policy.attributes import Standing, question
from headgate.policy.decider import PolicyDecider, decide_uncached, sentence_on
from headgate.policy.engine import Question, compile_rules, mode_of
from headgate.policy.entities import CustomPolicy, RegisteredPrincipal
from headgate.policy.rules import read_rules
from headgate.policy.snapshot import Snapshot, SnapshotHolder, TenantContents, build_snapshot
from headgate.testing.clock import FakeClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOME = TenantId("home")
PACK = baseline()
CLOUD = Resource("deployment", "gpt", Clearance(level=Confidentiality.CONFIDENTIAL, categories=None))
OURS = Resource("deployment", "local", EVERYTHING)
CHAT = UseCase("chat", HOME, "anna", "help people", members=frozenset({"*"}))
ADMINISTRATION = UseCase("administration", HOME, "headgate", "administer")
PII = Labels(categories=frozenset({"pii"}))


def verb(name: str) -> Verb[Any, Any, Any]:
    return Verb(name, object, object, object)


def action(
    name: str = "model.dispatch",
    *,
    resource: Resource = CLOUD,
    use_case: UseCase = CHAT,
    principal: Principal | None = None,
    attributes: dict[str, str] | None = None,
) -> Action[Any, Any, Any]:
    context = Context(use_case, attributes=attributes or {})
    return Action(verb(name), principal or Principal("app", HOME), resource, None, context)


def snapshot(*texts: str, use_cases: tuple[UseCase, ...] = ()) -> Snapshot:
    contents = TenantContents(
        HOME,
        use_cases=(CHAT, ADMINISTRATION, *use_cases),
        principals=(RegisteredPrincipal("app", HOME), RegisteredPrincipal("root", HOME, roles=frozenset({"admin"}))),
        policies=tuple(CustomPolicy(f"p{i}", HOME, text) for i, text in enumerate(texts)),
    )
    return build_snapshot([contents], baseline=PACK, version=1)


BASELINE = snapshot()


def decide(asked: Action[Any, Any, Any], labels: Labels = Labels(), at: Snapshot = BASELINE) -> Any:  # noqa: B008 - frozen
    return decide_uncached(asked, Labelled(labels), snapshot=at, now=NOW)


def enforced(hits: tuple[RuleHit, ...], does: str = "deny") -> set[str]:
    return {hit.id for hit in hits if hit.does == does and hit.mode == "enforce"}


# ---- the baseline


def test_a_registered_program_uses_a_model_under_a_registered_use_case() -> None:
    decision = decide(action())
    assert (decision.effect, decision.would, decision.obligations) == (Effect.ALLOW, Effect.ALLOW, NO_OBLIGATIONS)
    assert enforced(decision.rules, "allow") == {"models-for-registered"}
    assert decision.version.startswith("baseline-1+")
    assert sentence_on(decision).startswith("allowed by models-for-registered")


def test_strangers_and_unregistered_use_cases_get_nothing() -> None:
    assert decide(action(principal=Principal("stranger", HOME))).effect is Effect.DENY
    nowhere = decide(action(use_case=replace(CHAT, id="other")))
    assert nowhere.effect is Effect.DENY
    assert sentence_on(nowhere) == "refused: no rule allows this action"
    assert nowhere.advice == "The use case other is not registered. Ask an administrator to register it."


@pytest.mark.parametrize(
    ("name", "groups", "principal", "advice"),
    [
        ("policy.list", (ADMINISTER,), "app", "for one of the roles auditor, officer or admin."),
        ("use_case.put", (ADMINISTER,), "app", "for one of the roles officer or admin."),
        ("use_case.put", (ADMINISTER,), "stranger", "stranger is not registered. Ask an administrator to register it."),
    ],
)
def test_a_caller_without_the_role_is_told_which_role_to_ask_for(
    name: str, groups: tuple[str, ...], principal: str, advice: str
) -> None:
    asked = action(
        name, resource=Resource("policy", "*"), use_case=ADMINISTRATION, principal=Principal(principal, HOME)
    )
    decision = decide(replace(asked, verb=replace(asked.verb, groups=groups)))
    assert decision.effect is Effect.DENY
    assert decision.advice.endswith(advice)


def test_a_caller_whom_no_role_would_help_gets_no_advice() -> None:
    assert decide(action("session.open", resource=Resource("session", "new"))).advice == ""


def test_a_use_case_of_another_tenant_and_an_unknown_tenant_are_refused() -> None:
    elsewhere = TenantId("elsewhere")
    for asked in (
        action(use_case=replace(CHAT, tenant=elsewhere)),
        action(use_case=replace(CHAT, tenant=elsewhere), principal=Principal("app", elsewhere)),
    ):
        decision = decide(asked)
        assert (decision.effect, enforced(decision.rules)) == (Effect.DENY, {"gate.tenant"})


def test_an_expired_use_case_is_refused_and_no_observing_helps() -> None:
    over = replace(CHAT, expires_at=NOW, observe=frozenset({"*", "use-case-expired"}))
    decision = decide(action(use_case=over))
    assert (decision.effect, enforced(decision.rules)) == (Effect.DENY, {"use-case-expired"})
    assert decide(action(use_case=replace(CHAT, expires_at=NOW + timedelta(seconds=1)))).effect is Effect.ALLOW


def test_a_use_case_reaches_only_the_deployments_it_lists() -> None:
    listed = replace(CHAT, deployments=frozenset({"local"}))
    assert enforced(decide(action(use_case=listed)).rules) == {"deployment-not-allowed"}
    assert decide(action(use_case=listed, resource=OURS)).effect is Effect.ALLOW
    assert decide(action("model.invoke", use_case=listed, resource=Resource("alias", "gpt"))).effect is Effect.ALLOW


def test_content_above_the_use_cases_ceiling_is_refused() -> None:
    low = replace(CHAT, ceiling=replace(EVERYTHING, level=Confidentiality.INTERNAL, categories=frozenset({"pii"})))
    for labels in (Labels(confidentiality=Confidentiality.CONFIDENTIAL), Labels(categories=frozenset({"phi"}))):
        assert enforced(decide(action(use_case=low), labels).rules) == {"use-case-ceiling"}
    assert decide(action(use_case=low), PII).effect is Effect.ALLOW


def test_getting_started_stays_on_our_own_machines_and_administration_calls_no_models() -> None:
    start = replace(CHAT, id="getting-started", observe=frozenset({"*"}))
    at = snapshot(use_cases=(start,))
    assert enforced(decide(action(use_case=start), at=at).rules) == {"getting-started-on-prem-only"}
    assert decide(action(use_case=start, resource=OURS), at=at).effect is Effect.ALLOW
    assert "built-in-use-cases-call-no-models" in enforced(decide(action(use_case=ADMINISTRATION)).rules)


def test_personal_payment_and_secret_data_is_masked_for_the_cloud_and_secrets_for_every_model() -> None:
    labels = Labels(categories=frozenset({"phi", "pci", "secret"}))
    assert decide(action(), labels).obligations.mask == {"pii", "phi", "pci", "secret"}
    assert decide(action(resource=OURS), labels).obligations.mask == {"secret"}
    assert decide(action("model.invoke", resource=Resource("alias", "a")), labels).obligations.mask == set()


def test_restricted_content_is_bound_to_our_own_machines_from_the_alias_on() -> None:
    for labels in (Labels(confidentiality=Confidentiality.RESTRICTED), Labels(custody=Custody.ORGANISATION)):
        for name in ("model.invoke", "model.dispatch"):
            assert decide(action(name), labels).obligations.restrict is Custody.ORGANISATION


@pytest.mark.parametrize(
    ("roles", "name", "use_case", "effect"),
    [
        ({"admin"}, "use_case.put", ADMINISTRATION, Effect.ALLOW),
        ({"admin"}, "use_case.put", CHAT, Effect.DENY),
        ({"developer"}, "use_case.put", ADMINISTRATION, Effect.DENY),
        ({"auditor"}, "use_case.put", ADMINISTRATION, Effect.DENY),
        ({"auditor"}, "record.read", ADMINISTRATION, Effect.ALLOW),
        ({"auditor"}, "policy.check", ADMINISTRATION, Effect.ALLOW),
        ({"developer"}, "record.read", ADMINISTRATION, Effect.DENY),
    ],
)
def test_administration_needs_the_role_and_the_use_case(
    roles: set[str], name: str, use_case: UseCase, effect: Effect
) -> None:
    asked = action(name, principal=Principal("root", HOME, roles=frozenset(roles)), use_case=use_case)
    assert decide(asked).effect is effect


def test_an_administrator_may_do_everything_that_administration_declares() -> None:
    root = Principal("root", HOME, roles=frozenset({"admin"}))
    administered = [verb for verb in verbs() if {ADMINISTER, AUDIT} & {*verb.groups}]
    for declared in administered:
        plain: dict[str, Any] = {name: of() for name, of in declared.attributes.items() if isinstance(of, type)}
        on = Resource(declared.usual, "one", attributes=plain)
        asked = replace(action(principal=root, use_case=ADMINISTRATION, resource=on), verb=declared)
        assert decide(asked).effect is Effect.ALLOW, declared.name


def test_observing_everything_makes_nobody_an_administrator() -> None:
    lax = replace(ADMINISTRATION, observe=frozenset({"*"}))
    assert decide(action("config.apply", use_case=lax)).effect is Effect.DENY
    agent = Principal("root", HOME, kind="agent", roles=frozenset({"admin"}))
    assert enforced(decide(action("config.apply", use_case=lax, principal=agent)).rules) == {"agents-do-not-administer"}


def test_a_verb_that_nobody_declared_is_refused_even_by_a_rule_that_allows_everything() -> None:
    at = snapshot('@id("all") @reason("x") permit (principal, action, resource);')
    decision = decide(action("rocket.launch"), at=at)
    assert (decision.effect, enforced(decision.rules)) == (Effect.DENY, {"gate.evaluation"})


# ---- errors deny


def test_a_forbid_that_errs_on_a_missing_attribute_denies_where_cedar_would_allow() -> None:
    text = '@id("open") @reason("x") permit (principal, action, resource);\n'
    text += '@id("err") @reason("x") forbid (principal, action, resource) when { resource.missing == "a" };'
    engine = compile_rules([read_rules(text, source="unchecked")], schema=PACK.schema)
    asked = question(action(), Labels(), standing=Standing(True, "session", None, True), now=NOW)
    assert cedarpy.is_authorized(asked.request, text, asked.entities).allowed
    verdict = engine.decide(asked)
    assert (verdict.effect, enforced(verdict.rules)) == (Effect.DENY, {"err"})
    observed = engine.decide(asked, observe=frozenset({"err"}))
    assert (observed.effect, observed.would) == (Effect.ALLOW, Effect.DENY)


OVERFLOW = "context.labels.level * 9223372036854775807 > 5"


@pytest.mark.parametrize("kind", ["forbid", '@does("ask") forbid', '@duty("log") @level("none") permit', "permit"])
def test_a_rule_that_passes_the_schema_and_errs_still_denies(kind: str) -> None:
    at = snapshot(f'@id("err") @reason("x") {kind} (principal, action, resource) when {{ {OVERFLOW} }};')
    decision = decide(action(), Labels(confidentiality=Confidentiality.RESTRICTED), at)
    assert (decision.effect, enforced(decision.rules)) == (Effect.DENY, {"err"})
    assert decide(action(), at=at).effect is not Effect.DENY or "permit" not in kind


def test_a_request_that_cedar_cannot_read_is_refused() -> None:
    engine = BASELINE.tenants[HOME].engine
    for broken in (Question({"principal": "?", "action": "?", "resource": "?"}, "[]"), Question({}, "no json")):
        verdict = engine.decide(broken)
        assert (verdict.effect, enforced(verdict.rules)) == (Effect.DENY, {"gate.evaluation"})


def test_a_tenant_whose_policies_do_not_hold_can_only_be_administered() -> None:
    at = snapshot("no cedar at all")
    refused = decide(action(), at=at)
    assert (refused.effect, enforced(refused.rules)) == (Effect.DENY, {"gate.policies"})
    root = Principal("root", HOME, roles=frozenset({"admin"}))
    assert decide(action("policy.put", principal=root, use_case=ADMINISTRATION), at=at).effect is Effect.ALLOW


# ---- ask, duties, observe


def test_ask_stands_between_deny_and_allow() -> None:
    ask = '@id("ask") @reason("a person looks first") @does("ask") forbid (principal, action, resource);'
    assert decide(action(), at=snapshot(ask)).effect is Effect.ASK
    assert sentence_on(decide(action(), at=snapshot(ask))).endswith("required by ask (a person looks first)")
    both = decide(action(), at=snapshot(ask, '@id("no") @reason("x") forbid (principal, action, resource);'))
    assert both.effect is Effect.DENY
    assert {(hit.id, hit.does) for hit in both.rules} >= {("ask", "ask"), ("no", "deny")}
    nobody = decide(action(principal=Principal("stranger", HOME)), at=snapshot(ask))
    assert nobody.effect is Effect.DENY


def test_duties_are_unioned_and_the_strictest_wins() -> None:
    duties = "".join(
        f'@id("d{i}") @reason("x") {duty} permit (principal, action, resource);'
        for i, duty in enumerate(
            [
                '@duty("cap") @output_tokens("512")',
                '@duty("cap") @output_tokens("64")',
                '@duty("mask") @categories("code")',
                '@duty("log") @level("none")',
            ]
        )
    )
    asked = decide(action(), PII, snapshot(duties)).obligations
    assert (asked.cap_output_tokens, asked.mask, asked.log.name) == (64, {"pii", "phi", "code"}, "NONE")


def test_a_rule_set_to_observe_records_what_it_would_do_and_does_not() -> None:
    watched = replace(CHAT, deployments=frozenset({"local"}), observe=frozenset({"deployment-not-allowed"}))
    decision = decide(action(use_case=watched), PII)
    assert (decision.effect, decision.would) == (Effect.ALLOW, Effect.DENY)
    assert (
        RuleHit("deployment-not-allowed", "deny", "observe", "the use case does not list this deployment")
        in decision.rules
    )
    assert decision.obligations.mask == {"pii", "phi"}


def test_observing_every_rule_spares_permits_and_what_is_excepted() -> None:
    everything = replace(CHAT, deployments=frozenset({"local"}), observe=frozenset({"*", "!mask-payment-data"}))
    decision = decide(action(use_case=everything), Labels(categories=frozenset({"pii", "pci"})))
    assert (decision.effect, decision.would) == (Effect.ALLOW, Effect.DENY)
    assert decision.obligations == Obligations(mask=frozenset({"pci"}))
    assert decision.observed == Obligations(mask=frozenset({"pii", "phi"}))


def test_a_rule_may_observe_by_itself_until_a_use_case_enforces_it() -> None:
    at = snapshot('@id("draft") @reason("x") @mode("observe") forbid (principal, action, resource);')
    assert decide(action(), at=at).effect is Effect.ALLOW
    assert decide(action(use_case=replace(CHAT, observe=frozenset({"!draft"}))), at=at).effect is Effect.DENY


def test_observing_a_permit_takes_back_what_it_allows() -> None:
    decision = decide(action(use_case=replace(CHAT, observe=frozenset({"models-for-registered"}))))
    assert (decision.effect, decision.would) == (Effect.DENY, Effect.ALLOW)


def test_a_delegated_agent_and_attributes_are_visible_to_rules() -> None:
    at = snapshot(
        '@id("no-agents-for-bob") @reason("x") forbid (principal, action, resource)'
        ' when { principal.on_behalf_of.contains("bob") };'
        '@id("vendor") @reason("x") forbid (principal, action, resource)'
        ' when { resource.attributes.containsAll(["vendor=acme", "beta=true", "zone=a", "zone=b", "size=3"]) };'
        '@id("channel") @reason("x") forbid (principal, action, resource)'
        ' when { context.attributes.contains("channel=console") };'
        '@id("later") @reason("x") forbid (principal, action, resource)'
        ' when { context.now < datetime("2026-03-01T00:00:00Z") };'
        '@id("eu") @reason("x") forbid (principal, action, resource) when {'
        " context.labels has regions && !context.labels.regions.containsAll(resource.regions) };"
    )
    agent = Principal("app", HOME, kind="agent", on_behalf_of=("bob", "ann"))
    assert enforced(decide(action(principal=agent), at=at).rules) == {"no-agents-for-bob"}
    marked = {"vendor": "acme", "beta": True, "zone": frozenset({"b", "a"}), "size": 3}
    assert enforced(decide(action(resource=replace(CLOUD, attributes=marked)), at=at).rules) == {"vendor"}
    assert enforced(decide(action(attributes={"channel": "console"}), at=at).rules) == {"channel"}
    abroad = replace(CLOUD, clearance=replace(CLOUD.clearance, regions=frozenset({"us"})))
    assert enforced(decide(action(resource=abroad), Labels(regions=frozenset({"eu"})), at).rules) == {"eu"}


@pytest.mark.parametrize(
    ("name", "effect"), [('x"; permit', Effect.ALLOW), ("a\nb\x00", Effect.ALLOW), ("\ud800", Effect.DENY)]
)
def test_hostile_names_are_names_or_refused(name: str, effect: Effect) -> None:
    assert decide(action(resource=replace(CLOUD, id=name))).effect is effect


# ---- Cedar itself is the measure

LEVELS = st.integers(0, 3)


@settings(max_examples=60, deadline=None)
@given(
    rules=st.lists(st.tuples(st.sampled_from(["permit", "forbid"]), LEVELS, st.booleans()), min_size=1, max_size=6),
    level=LEVELS,
)
def test_the_effect_equals_cedars_own_answer(rules: list[tuple[str, int, bool]], level: int) -> None:
    text = "".join(
        f'@id("r{i}") @reason("x") {effect} (principal, action, resource)'
        f" when {{ context.labels.level {'>' if above else '<='} {bound} }};"
        for i, (effect, bound, above) in enumerate(rules)
    )
    engine = compile_rules([read_rules(text, source="x")], schema=PACK.schema)
    labels = Labels(confidentiality=Confidentiality(level))
    asked = question(action(), labels, standing=Standing(True, "session", None, True), now=NOW)
    theirs = cedarpy.is_authorized(asked.request, text, asked.entities)
    ours = engine.decide(asked)
    assert (ours.effect is Effect.ALLOW) == theirs.allowed
    named = cast("dict[str, str]", theirs.diagnostics.id_annotations_by_reason)
    assert set(named.values()) <= {hit.id for hit in ours.rules}


# ---- the cache


WORDS = st.frozensets(st.sampled_from(["pii", "pci", "secret", "code"]), max_size=3)
ACTIONS = st.builds(
    action,
    st.sampled_from(["model.dispatch", "model.invoke", "use_case.put"]),
    resource=st.sampled_from([CLOUD, OURS, replace(CLOUD, attributes={"vendor": "acme"}), Resource("alias", "gpt")]),
    use_case=st.sampled_from(
        [
            CHAT,
            ADMINISTRATION,
            replace(CHAT, deployments=frozenset({"local"})),
            replace(CHAT, observe=frozenset({"*"})),
            replace(CHAT, expires_at=NOW + timedelta(seconds=20)),
        ]
    ),
    principal=st.sampled_from(
        [
            Principal("app", HOME),
            Principal("root", HOME, roles=frozenset({"admin"})),
            Principal("app", HOME, key_id="gone"),
            Principal("app", HOME, kind="agent", on_behalf_of=("bob",)),
        ]
    ),
    attributes=st.sampled_from([None, {"channel": "console"}]),
)
LABELS = st.builds(
    Labels,
    confidentiality=st.sampled_from(Confidentiality),
    categories=WORDS,
    custody=st.sampled_from(Custody),
    integrity=st.sampled_from(Integrity),
    regions=st.none() | st.just(frozenset({"eu"})),
    as_of=st.none() | st.just(NOW),
)
OWN = (
    '@id("bob") @reason("x") forbid (principal, action, resource) when { principal.on_behalf_of.contains("bob") };'
    '@id("acme") @reason("x") forbid (principal, action, resource) when {'
    ' resource.attributes.contains("vendor=acme") && context.labels.untrusted };'
    '@id("console") @reason("x") @does("ask") forbid (principal, action, resource) when {'
    ' context.attributes.contains("channel=console") };'
)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(ACTIONS, LABELS, st.sampled_from([0.0, 7.0, 61.0])), min_size=2, max_size=12))
def test_a_cached_decision_is_the_one_that_would_be_made_afresh(
    steps: list[tuple[Action[Any, Any, Any], Labels, float]],
) -> None:
    clock = FakeClock(NOW)
    holder = SnapshotHolder(clock)
    at = snapshot(OWN)
    holder.swap(at, asked_s=holder.now_s())
    decider = PolicyDecider(holder, clock=clock, cached=4)
    for asked, labels, passes_s in [*steps, *((asked, labels, 0.0) for asked, labels, _ in steps)]:
        clock.advance(passes_s)
        holder.confirm(clock.monotonic())
        cached = decider.decide(asked, Labelled(labels))
        fresh = decide_uncached(asked, Labelled(labels), snapshot=at, now=clock.now())
        assert replace(cached, valid_until=None) == replace(fresh, valid_until=None)


def held(*texts: str) -> tuple[FakeClock, SnapshotHolder, Decider]:
    clock = FakeClock(NOW)
    holder = SnapshotHolder(clock)
    holder.swap(snapshot(*texts), asked_s=holder.now_s())
    return clock, holder, PolicyDecider(holder, clock=clock, cached=2)


def test_the_same_question_is_answered_from_memory_until_the_answer_may_change() -> None:
    clock, _, decider = held()
    first = decider.decide(action(), Labelled())
    assert decider.decide(action(), Labelled()) is first
    assert first.valid_until == NOW + timedelta(seconds=60)
    clock.advance(60)
    assert decider.decide(action(), Labelled()) is not first


def test_a_decision_ends_when_its_use_case_does() -> None:
    clock, _, decider = held()
    ending = action(use_case=replace(CHAT, expires_at=NOW + timedelta(seconds=10)))
    assert decider.decide(ending, Labelled()).effect is Effect.ALLOW
    clock.advance(10)
    assert decider.decide(ending, Labelled()).effect is Effect.DENY


def test_the_cache_is_bounded_and_forgets_what_was_decided_longest_ago() -> None:
    _, _, decider = held()
    asked = [action(principal=Principal(name, HOME)) for name in ("a", "b", "c")]
    one, two = (decider.decide(each, Labelled()) for each in asked[:2])
    assert decider.decide(asked[0], Labelled()) is one
    decider.decide(asked[2], Labelled())
    assert decider.decide(asked[1], Labelled()) is two
    assert decider.decide(asked[0], Labelled()) is not one


def test_a_new_snapshot_forgets_every_decision() -> None:
    _, holder, decider = held()
    assert decider.decide(action(), Labelled()).effect is Effect.ALLOW
    holder.swap(snapshot('@id("no") @reason("x") forbid (principal, action, resource);'), asked_s=holder.now_s())
    assert decider.decide(action(), Labelled()).effect is Effect.DENY


@pytest.mark.parametrize(("risk", "limit_s"), [("minimal", 3600), ("limited", 900), ("high", 60)])
def test_policies_older_than_the_risk_class_allows_decide_nothing(risk: Any, limit_s: float) -> None:
    clock, holder, decider = held()
    asked = action(use_case=replace(CHAT, risk=risk))
    clock.advance(limit_s)
    assert decider.decide(asked, Labelled()).effect is Effect.ALLOW
    clock.advance(1)
    with pytest.raises(Unavailable, match=f"risk class {risk}"):
        decider.decide(asked, Labelled())
    holder.confirm(clock.monotonic())
    assert decider.decide(asked, Labelled()).effect is Effect.ALLOW


def test_before_the_first_snapshot_nothing_is_decided() -> None:
    clock = FakeClock(NOW)
    holder = SnapshotHolder(clock)
    assert holder.latest is None
    with pytest.raises(Unavailable, match="still loading"):
        PolicyDecider(holder, clock=clock).decide(action(), Labelled())


def test_an_unchanged_tenant_keeps_its_compiled_rules() -> None:
    contents = TenantContents(HOME)
    before = build_snapshot([contents], baseline=PACK, version=1)
    after = build_snapshot([contents, TenantContents(TenantId("b"))], baseline=PACK, version=2, previous=before)
    assert after.tenants[HOME].engine is before.tenants[HOME].engine
    assert after.tenants[TenantId("b")].engine is before.tenants[HOME].engine


def test_the_policy_version_changes_with_the_rules_and_with_nothing_else() -> None:
    own = '@id("no") @reason("x") forbid (principal, action, resource);'
    versions = [at.tenants[HOME].policy_version for at in (snapshot(), snapshot(use_cases=(CHAT,)), snapshot(own))]
    assert versions[0] == versions[1] != versions[2]


def test_the_mode_of_a_rule_follows_its_order_of_precedence() -> None:
    (rule,) = read_rules('@id("r") @reason("x") forbid (principal, action, resource);', source="x")
    observing = {mode_of(rule, frozenset(names)) for names in ({"r"}, {"*"})}
    enforcing = {mode_of(rule, frozenset(names)) for names in ({"!r", "r"}, {"!r", "*"}, {"other"}, set[str]())}
    assert (observing, enforcing) == ({"observe"}, {"enforce"})


def test_what_rules_see_is_json_without_the_payload() -> None:
    asked = question(action(), PII, standing=Standing(True, "session", None, True), now=NOW)
    assert json.loads(asked.request["context"])["labels"]["categories"] == ["pii"]
    assert "payload" not in asked.entities
