"""API keys: made, recognised, refused; and which use case a call runs under."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.admin.callers import choose_use_case
from headgate.features import baseline
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision
from headgate.kernel.errors import Denied, Invalid, Unauthenticated
from headgate.kernel.identity import Limits, Principal, TenantId, UseCase
from headgate.policy.decider import decide_uncached
from headgate.policy.entities import DEFAULT_TENANT, ApiKey, KeyLimits, RegisteredPrincipal
from headgate.policy.key_holders import PolicyKeyHolders
from headgate.policy.keys import (
    KEY_PATTERN,
    KeyTerms,
    authenticate,
    digest_of,
    key_of_secret,
    make_admin_key,
    make_key,
    parse_digest,
)
from headgate.policy.snapshot import Snapshot, SnapshotHolder, TenantContents, build_snapshot
from headgate.substrate.clock import SystemIds
from headgate.testing.clock import FakeClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACK = baseline()
IDS = SystemIds()
CHAT = UseCase("chat", DEFAULT_TENANT, "anna", "help people")
START = replace(CHAT, id="getting-started")
ADMINISTRATION = replace(CHAT, id="administration")
OURS = Resource("deployment", "local")


def made(**terms: Any) -> tuple[str, ApiKey]:
    wanted = KeyTerms(principal="app", use_case="chat", **terms)
    return make_key(wanted, tenant=DEFAULT_TENANT, created_by="anna", now=NOW, ids=IDS)


def snapshot(*keys: ApiKey, roles: frozenset[str] = frozenset({"admin", "developer"})) -> Snapshot:
    principals = tuple(RegisteredPrincipal(name, DEFAULT_TENANT, roles=roles) for name in ("app", "admin"))
    contents = TenantContents(DEFAULT_TENANT, (CHAT, START, ADMINISTRATION), principals, keys)
    return build_snapshot([contents], baseline=PACK, version=1)


def test_a_key_looks_like_ours_and_is_recognised_with_its_bindings() -> None:
    secret, key = made(roles=frozenset({"developer"}), expires_at=NOW + timedelta(days=1))
    assert KEY_PATTERN.fullmatch(secret)
    assert secret.startswith(key.prefix)
    assert secret.endswith(key.last_four)
    principal, use_case, found = authenticate(secret, snapshot(key), NOW)
    assert (principal.id, principal.roles, principal.key_id) == ("app", {"developer"}, key.id)
    assert (use_case, found) == (CHAT, key)


def test_what_a_key_may_use_goes_with_its_principal() -> None:
    limits = KeyLimits(requests_per_minute=60, spend_micros_per_day=5_000_000, currency="EUR")
    secret, key = made(limits=limits, scopes=frozenset({"alias:local-chat"}))
    principal = authenticate(secret, snapshot(key), NOW).principal
    assert (principal.limits, principal.aliases) == (Limits(60, 5_000_000, "EUR"), {"local-chat"})


def test_the_secret_is_kept_nowhere() -> None:
    secret, key = made()
    assert secret.split("_", 2)[2] not in repr(key)


def refused(presented: str, at: Snapshot, now: datetime = NOW) -> str:
    with pytest.raises(Unauthenticated) as error:
        authenticate(presented, at, now)
    return error.value.message


def test_unknown_revoked_and_orphaned_keys_get_one_same_message() -> None:
    secret, key = made()
    gone = snapshot(replace(key, revoked_at=NOW))
    keyed = snapshot(key)
    marked = replace(keyed, keys={(key.algorithm, key.digest): replace(key, revoked_at=NOW)})
    orphans = [snapshot(replace(key, use_case="nothing")), snapshot(replace(key, principal="nobody"))]
    messages = {refused(secret, at) for at in (gone, marked, *orphans, snapshot())}
    messages |= {
        refused(other, keyed) for other in ("", "hg_", secret[:-1], secret + "x", "x" * 600, "\udce4", made()[0])
    }
    assert len(messages) == 1


def test_an_expired_key_says_when_it_expired_and_what_to_do() -> None:
    secret, key = made(expires_at=NOW)
    assert refused(secret, snapshot(key)) == "this key expired at 2026-03-01 12:00 UTC; ask for a new one"
    assert refused(secret[:-1] + "?", snapshot(key)).startswith("this API key is unknown or revoked")


def test_work_that_goes_on_finds_the_holder_of_its_key_by_id() -> None:
    secret, key = made()
    holder, clock = SnapshotHolder(FakeClock(NOW)), FakeClock(NOW)
    holder.swap(snapshot(key), asked_s=0.0)
    holders = PolicyKeyHolders(holder, clock)
    found = holders.holder(key.id, tenant=DEFAULT_TENANT, use_case="chat")
    assert found == (authenticate(secret, snapshot(key), NOW).principal, CHAT)
    with pytest.raises(Denied, match="use case chat by now"):
        holders.holder(key.id, tenant=DEFAULT_TENANT, use_case="getting-started")
    for key_id, tenant in (("gone", DEFAULT_TENANT), (key.id, TenantId("other"))):
        with pytest.raises(Unauthenticated, match="was revoked"):
            holders.holder(key_id, tenant=tenant, use_case="chat")


def test_a_role_that_the_principal_lost_is_lost_to_the_key() -> None:
    secret, key = made(roles=frozenset({"admin", "developer"}))
    assert authenticate(secret, snapshot(key, roles=frozenset({"developer"})), NOW).principal.roles == {"developer"}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "blake2b"])
def test_a_foreign_key_works_by_its_digest_alone(algorithm: Any) -> None:
    foreign = "sk-1234abcd"
    kept = parse_digest(f"{algorithm}:{hashlib.new(algorithm, foreign.encode()).hexdigest()}")
    key = replace(made()[1], algorithm=kept[0], digest=kept[1], prefix="sk-", last_four="")
    both = snapshot(key, made()[1])
    assert authenticate(foreign, both, NOW).key == key
    assert refused("sk-1234abce", both)


@pytest.mark.parametrize(
    "text", ["bcrypt:$2b$12$abc", "sha256:", "sha256:zz", "sha256:" + "0" * 63, "sha512:" + "0" * 64, ""]
)
def test_a_digest_of_another_form_is_not_imported(text: str) -> None:
    with pytest.raises(Invalid) as error:
        parse_digest(text)
    assert error.value.param == "digest"


def test_the_first_key_administers_and_is_found_again_from_its_file() -> None:
    secret, key = make_admin_key(now=NOW, ids=IDS)
    assert (key.tenant, key.principal, key.use_case, key.roles) == ("default", "admin", "getting-started", {"admin"})
    assert key_of_secret(secret, like=make_admin_key(now=NOW, ids=IDS).key) == key


def decided(key: ApiKey, name: str, resource: Resource, now: datetime = NOW, keys: tuple[ApiKey, ...] = ()) -> Decision:
    at = snapshot(*(keys or (key,)))
    principal = Principal(key.principal, DEFAULT_TENANT, roles=key.roles, key_id=key.id)
    verb: Verb[Any, Any, Any] = Verb(name, object, object, object)
    return decide_uncached(Action(verb, principal, resource, None, Context(CHAT)), Labelled(), snapshot=at, now=now)


def denied_by(decision: Decision) -> set[str]:
    return {hit.id for hit in decision.refusing}


def test_a_key_does_only_what_its_scopes_say() -> None:
    _, key = made(scopes=frozenset({"model.invoke", "alias:local-chat"}))
    assert not denied_by(decided(key, "model.invoke", Resource("alias", "local-chat")))
    assert not denied_by(decided(key, "model.dispatch", OURS))
    assert denied_by(decided(key, "model.invoke", Resource("alias", "gpt"))) == {"key-scope"}
    assert "key-scope" in denied_by(decided(key, "use_case.put", OURS))
    _, reader = made(scopes=frozenset({"record.read"}))
    assert denied_by(decided(reader, "model.dispatch", OURS)) == {"key-scope"}


def test_a_key_that_expires_or_is_revoked_during_a_long_run_stops_it() -> None:
    _, key = made(expires_at=NOW + timedelta(seconds=30))
    decision = decided(key, "model.dispatch", OURS)
    assert decision.valid_until == key.expires_at
    assert denied_by(decided(key, "model.dispatch", OURS, now=NOW + timedelta(seconds=30))) == {"credential-not-live"}
    assert denied_by(decided(key, "model.dispatch", OURS, keys=(made()[1],))) == {"credential-not-live"}


def test_a_call_runs_under_the_use_case_its_key_is_bound_to() -> None:
    tenant = snapshot().tenants[DEFAULT_TENANT]
    assert choose_use_case(tenant.use_cases, bound="chat", requested=None) is CHAT
    assert choose_use_case(tenant.use_cases, bound="chat", requested="chat") is CHAT
    assert choose_use_case(tenant.use_cases, bound=None, requested="getting-started") is START
    for bound, requested in (("chat", "getting-started"), (None, None), (None, "nothing")):
        with pytest.raises(Denied):
            choose_use_case(tenant.use_cases, bound=bound, requested=requested)


ONE = snapshot(made()[1])


@settings(max_examples=50, deadline=None)
@given(presented=st.text(max_size=600))
def test_no_other_text_is_a_key(presented: str) -> None:
    assert refused(presented, ONE)
    assert ("sha256", digest_of(presented, "sha256")) not in ONE.keys


def test_a_tenants_keys_name_the_tenant() -> None:
    other = TenantId("other")
    secret, key = make_key(KeyTerms("app", "chat"), tenant=other, created_by="x", now=NOW, ids=IDS)
    contents = TenantContents(other, (replace(CHAT, tenant=other),), (RegisteredPrincipal("app", other),), (key,))
    at = build_snapshot([TenantContents(DEFAULT_TENANT), contents], baseline=PACK, version=1)
    assert authenticate(secret, at, NOW).principal.tenant == other
