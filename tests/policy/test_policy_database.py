"""Administration and the snapshot, on a real PostgreSQL under the roles that production uses."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from headgate.features import baseline, migrations
from headgate.kernel.action import Resource
from headgate.kernel.decision import Effect
from headgate.kernel.errors import Conflict, Denied, Invalid, NotFound, TooLarge, Unauthenticated, Unavailable
from headgate.kernel.identity import TenantId, UseCase
from headgate.kernel.labels import EVERYTHING, Clearance, Confidentiality, Labels
from headgate.policy import store
from headgate.policy.entities import DEFAULT_TENANT, CustomPolicy, KeyLimits, RegisteredPrincipal
from headgate.policy.jobs import load_snapshot, refresh
from headgate.policy.keys import KeyTerms, Rotation, authenticate, make_key
from headgate.policy.register import PolicyRegister
from headgate.policy.service import EARLIEST, LATEST, Check, PolicyService
from headgate.policy.snapshot import SnapshotHolder
from headgate.substrate.clock import SystemIds
from headgate.substrate.database import Database, Transaction
from headgate.substrate.database_address import DatabaseAddress
from headgate.testing.clock import FakeClock
from headgate.testing.postgres import TemporaryDatabase

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHER = TenantId("other")
PACK = baseline()
CHAT = UseCase(
    id="chat",
    tenant=DEFAULT_TENANT,
    owner="anna",
    purpose="help people",
    risk="high",
    floor=Labels(confidentiality=Confidentiality.INTERNAL, categories=frozenset({"pii"})),
    ceiling=store.ceiling(Confidentiality.CONFIDENTIAL, frozenset({"pii", "pci"})),
    deployments=frozenset({"local"}),
    members=frozenset({"app", "group:care"}),
    observe=frozenset({"mask-personal-data"}),
    expires_at=NOW + timedelta(days=30),
    title="Chat",
    status="live",
    review_on=date(2027, 6, 30),
)
TERMS = KeyTerms(
    principal="app",
    use_case="chat",
    name="nightly",
    roles=frozenset({"developer"}),
    scopes=frozenset({"model.invoke", "alias:local-chat"}),
    limits=KeyLimits(requests_per_minute=60, spend_micros_per_day=5_000_000, currency="EUR"),
    expires_at=NOW + timedelta(days=1),
)
NO = '@id("no") @reason("not today") forbid (principal, action, resource);'


@dataclass
class Office:
    """Administration and one worker, on one database."""

    admin: Database
    worker: Database
    holder: SnapshotHolder
    service: PolicyService
    clock: FakeClock

    @asynccontextmanager
    async def change(self, tenant: TenantId = DEFAULT_TENANT) -> AsyncGenerator[Transaction]:
        async with self.admin.transaction(tenant=tenant) as tx:
            yield tx

    async def refresh(self) -> bool:
        return await refresh(self.holder, database=self.worker, baseline=PACK)


@pytest.fixture
async def office(fresh_database: TemporaryDatabase) -> AsyncIterator[Office]:
    clock = FakeClock(NOW)
    holder = SnapshotHolder(clock)
    service = PolicyService(baseline=PACK, holder=holder, clock=clock, ids=SystemIds())
    login = fresh_database.login
    async with Database(login["headgate_admin"]) as admin, Database(login["headgate_app"]) as worker:
        yield Office(admin, worker, holder, service, clock)


async def with_chat(office: Office) -> None:
    async with office.change() as tx:
        await office.service.put_use_case(tx, CHAT, tenant=DEFAULT_TENANT)


# ---- what comes with a tenant


async def test_a_new_database_has_the_default_tenant_with_its_built_in_use_cases(office: Office) -> None:
    snapshot = await load_snapshot(office.worker, PACK)
    tenant = snapshot.tenants[DEFAULT_TENANT]
    assert set(snapshot.tenants) == {"default"}
    assert set(tenant.use_cases) == {"getting-started", "administration", "jobs"}
    assert set(tenant.principals) == {"headgate"}


async def test_a_second_tenant_is_furnished_too_and_sees_nothing_of_the_first(office: Office) -> None:
    await with_chat(office)
    async with office.admin.transaction(tenant=None) as tx:
        await store.add_tenant(tx, OTHER)
        await store.add_tenant(tx, OTHER)
    async with office.change(OTHER) as tx:
        assert [case.id for case in await office.service.use_cases(tx, tenant=OTHER)] == [
            "administration",
            "getting-started",
            "jobs",
        ]
        assert await store.use_cases(tx, tenant=DEFAULT_TENANT) == []
        with pytest.raises(NotFound):
            await office.service.delete_use_case(tx, "chat", tenant=DEFAULT_TENANT)
    with pytest.raises(Denied):
        async with office.change(OTHER) as tx:
            await store.put_use_case(tx, CHAT, tenant=DEFAULT_TENANT, source="api")
    async with office.admin.transaction(tenant=None) as tx:
        assert await store.principals(tx, tenant=DEFAULT_TENANT) == []
    snapshot = await load_snapshot(office.worker, PACK)
    assert "chat" in snapshot.tenants[DEFAULT_TENANT].use_cases
    assert "chat" not in snapshot.tenants[OTHER].use_cases


async def test_a_worker_reads_and_cannot_write(office: Office) -> None:
    with pytest.raises(Denied):
        async with office.worker.transaction(tenant=DEFAULT_TENANT) as tx:
            await store.put_use_case(tx, CHAT, tenant=DEFAULT_TENANT, source="api")


# ---- keys


async def test_a_key_is_kept_as_made_and_recognised_by_the_next_snapshot(office: Office) -> None:
    await with_chat(office)
    async with office.change() as tx:
        secret, key = await office.service.create_key(tx, TERMS, tenant=DEFAULT_TENANT, by="anna")
        assert await store.key(tx, key.id, tenant=DEFAULT_TENANT) == key
    assert await office.refresh()
    principal, use_case, found = authenticate(secret, office.holder.current, NOW)
    assert (principal.id, use_case, found) == ("app", CHAT, key)
    async with office.change() as tx:
        await office.service.revoke_key(tx, key.id, tenant=DEFAULT_TENANT)
        with pytest.raises(NotFound):
            await office.service.revoke_key(tx, key.id, tenant=DEFAULT_TENANT)
        (listed,) = await office.service.keys(tx, tenant=DEFAULT_TENANT)
        assert listed.revoked_at == NOW
    assert await office.refresh()
    with pytest.raises(Unauthenticated):
        authenticate(secret, office.holder.current, NOW)


async def test_keys_are_paged_by_id(office: Office) -> None:
    await with_chat(office)
    async with office.change() as tx:
        made = [(await office.service.create_key(tx, TERMS, tenant=DEFAULT_TENANT, by="a")).key.id for _ in range(5)]
        first = await office.service.keys(tx, tenant=DEFAULT_TENANT, limit=3)
        rest = await office.service.keys(tx, tenant=DEFAULT_TENANT, after=first[-1].id, limit=1_000_000)
    assert [key.id for key in (*first, *rest)] == sorted(made)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"use_case": "nothing"}, NotFound),
        ({"use_case": "jobs"}, NotFound),
        ({"expires_at": NOW}, Invalid),
        ({"scopes": frozenset({"everything"})}, Invalid),
        ({"principal": ""}, Invalid),
        ({"principal": "headgate", "roles": frozenset({"admin"})}, Invalid),
    ],
)
async def test_a_key_for_nothing_registered_or_more_than_its_principal_is_not_made(
    office: Office, change: dict[str, Any], error: type[Exception]
) -> None:
    await with_chat(office)
    async with office.change() as tx:
        with pytest.raises(error):
            await office.service.create_key(tx, replace(TERMS, **change), tenant=DEFAULT_TENANT, by="anna")


async def test_one_foreign_key_is_imported_once_and_never_for_two_tenants(office: Office) -> None:
    await with_chat(office)
    key = replace(make_key(TERMS, tenant=DEFAULT_TENANT, created_by="x", now=NOW, ids=SystemIds()).key, source="file")
    async with office.admin.transaction(tenant=None) as tx:
        await store.add_tenant(tx, OTHER)
    async with office.change() as tx:
        await office.service.import_key(tx, key, tenant=DEFAULT_TENANT)
        await office.service.import_key(tx, replace(key, name="again"), tenant=DEFAULT_TENANT)
        assert [kept.name for kept in await store.imported_keys(tx, tenant=DEFAULT_TENANT)] == ["again"]
    with pytest.raises(Conflict):
        async with office.change(OTHER) as tx:
            await office.service.import_key(tx, replace(key, use_case="getting-started"), tenant=OTHER)


async def test_a_key_of_the_file_or_that_has_ended_is_not_rotated(office: Office) -> None:
    await with_chat(office)
    rotation = Rotation(old_until=NOW, expires_at=None)
    ended = replace(TERMS, name="ended", expires_at=NOW + timedelta(seconds=1))
    made = make_key(TERMS, tenant=DEFAULT_TENANT, created_by="x", now=NOW, ids=SystemIds()).key
    async with office.change() as tx:
        await office.service.import_key(tx, replace(made, source="file"), tenant=DEFAULT_TENANT)
        short = await office.service.create_key(tx, ended, tenant=DEFAULT_TENANT, by="anna")
        office.clock.advance(2)
        for key, words in ((made.id, "headgate.toml manages the key"), (short.key.id, "has ended")):
            with pytest.raises(Conflict, match=words):
                await office.service.rotate_key(tx, key, tenant=DEFAULT_TENANT, rotation=rotation)


async def test_the_register_removes_nobody_who_is_not_there(office: Office) -> None:
    register = PolicyRegister(office.holder, office.service)
    async with office.change() as tx:
        with pytest.raises(NotFound, match="nobody is registered as 'eve'"):
            await register.remove(tx, "eve", tenant=DEFAULT_TENANT, by="anna")
    await office.refresh()
    assert (register.everybody(OTHER), register.keys(OTHER)) == ({}, [])


async def test_the_first_key_is_the_same_at_every_start_and_stays_revoked(office: Office) -> None:
    async with office.change() as tx:
        secret, key = await office.service.ensure_first_key(tx, None)
        again = await office.service.ensure_first_key(tx, secret)
        assert (again.secret, again.key) == (secret, key)
        await office.service.revoke_key(tx, key.id, tenant=DEFAULT_TENANT)
        await office.service.ensure_first_key(tx, secret)
        with pytest.raises(Invalid, match=r"admin\.key"):
            await office.service.ensure_first_key(tx, "what is this")
    await office.refresh()
    with pytest.raises(Unauthenticated):
        authenticate(secret, office.holder.current, NOW)


async def test_the_file_of_the_first_key_is_enough_for_a_new_database(office: Office) -> None:
    secret = make_key(TERMS, tenant=DEFAULT_TENANT, created_by="x", now=NOW, ids=SystemIds()).secret
    async with office.change() as tx:
        await office.service.ensure_first_key(tx, secret)
    await office.refresh()
    found = authenticate(secret, office.holder.current, NOW)
    assert (found.principal.id, found.principal.roles, found.use_case.id) == ("admin", {"admin"}, "getting-started")


# ---- use cases, people


async def test_a_use_case_comes_back_as_it_was_put(office: Office) -> None:
    await with_chat(office)
    bounds = store.ceiling(Confidentiality.RESTRICTED, None)
    plain = UseCase("plain", DEFAULT_TENANT, "bob", "try", ceiling=bounds, members=frozenset(), status="live")
    async with office.change() as tx:
        await office.service.put_use_case(tx, plain, tenant=DEFAULT_TENANT)
        assert await store.use_case(tx, "chat", tenant=DEFAULT_TENANT) == CHAT
        assert await store.use_case(tx, "plain", tenant=DEFAULT_TENANT) == plain


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"id": "Not An Id"}, Invalid, "begins with a letter or digit"),
        ({"id": "administration"}, Conflict, "built in"),
        ({"owner": " "}, Invalid, "owner"),
        ({"purpose": "x" * 2001}, Invalid, "purpose"),
        ({"observe": frozenset({"mask-personal-dat"})}, Invalid, "did you mean mask-personal-data"),
        ({"observe": frozenset({"zzz"})}, Invalid, "no rule 'zzz'"),
        ({"observe": frozenset({"use-case-expired"})}, Invalid, "always enforced"),
    ],
)
async def test_a_use_case_that_does_not_hold_is_not_kept(
    office: Office, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    async with office.change() as tx:
        with pytest.raises(error, match=words):
            await office.service.put_use_case(tx, replace(CHAT, **change), tenant=DEFAULT_TENANT)


async def test_deleting_a_use_case_or_a_person_revokes_their_keys_and_built_in_ones_stay(office: Office) -> None:
    await with_chat(office)
    async with office.change() as tx:
        one = await office.service.create_key(tx, TERMS, tenant=DEFAULT_TENANT, by="anna")
        await office.service.delete_use_case(tx, "chat", tenant=DEFAULT_TENANT)
        other = replace(TERMS, use_case="getting-started")
        two = await office.service.create_key(tx, other, tenant=DEFAULT_TENANT, by="anna")
        await office.service.delete_principal(tx, "app", tenant=DEFAULT_TENANT)
        kept = {key.id: key.revoked_at for key in await office.service.keys(tx, tenant=DEFAULT_TENANT)}
    assert kept == {one.key.id: NOW, two.key.id: NOW}
    for built_in in ("jobs", "administration"):
        with pytest.raises(NotFound):
            async with office.change() as tx:
                await office.service.delete_use_case(tx, built_in, tenant=DEFAULT_TENANT)


@pytest.mark.parametrize("year", [1, 1969, 3001, 9999])
async def test_the_database_takes_no_time_that_a_worker_might_not_read_back(office: Office, year: int) -> None:
    late = datetime(year, 6, 1, tzinfo=UTC)
    key = make_key(TERMS, tenant=DEFAULT_TENANT, created_by="x", now=NOW, ids=SystemIds()).key
    with pytest.raises(Invalid, match="use_cases_expires_at_check"):
        async with office.change() as tx:
            await store.put_use_case(tx, replace(CHAT, expires_at=late), tenant=DEFAULT_TENANT, source="api")
    with pytest.raises(Invalid, match="api_keys_expires_at_check"):
        async with office.change() as tx:
            await store.add_key(tx, replace(key, expires_at=late), tenant=DEFAULT_TENANT)


async def test_an_installation_that_was_stopped_by_such_a_time_is_repaired_by_the_upgrade(
    office: Office, fresh_database: TemporaryDatabase
) -> None:
    """And whom a file took over, from before what is built in stayed so, is built in again."""
    await with_chat(office)
    (repair,) = (migration for migration in migrations() if migration.number == 90)
    async with office.change() as tx:
        _, key = await office.service.ensure_first_key(tx, None)
    with psycopg.connect(fresh_database.owner.conninfo) as owner:
        owner.execute("ALTER TABLE policy.use_cases DROP CONSTRAINT use_cases_expires_at_check")
        owner.execute("ALTER TABLE policy.api_keys DROP CONSTRAINT api_keys_expires_at_check")
        owner.execute("UPDATE policy.use_cases SET expires_at = '10000-01-01 00:59:59+00' WHERE id = 'chat'")
        owner.execute("UPDATE policy.api_keys SET expires_at = '0001-01-01 00:00:00+00 BC'")
        owner.execute("UPDATE policy.principals SET source = 'file'")
    await office.refresh()
    tenant = office.holder.current.tenants[DEFAULT_TENANT]
    assert {(one.kind, one.id) for one in tenant.unreadable} == {("use_case", "chat"), ("key", key.id)}
    with psycopg.connect(fresh_database.owner.conninfo) as owner:
        owner.execute(repair.text)
    await office.refresh()
    tenant = office.holder.current.tenants[DEFAULT_TENANT]
    assert tenant.use_cases["chat"].expires_at == LATEST
    assert tenant.keys[key.id].expires_at == EARLIEST
    async with office.change() as tx:
        assert await store.ids_of_source(tx, "principal", tenant=DEFAULT_TENANT, source="file") == []


async def test_a_person_comes_back_as_registered(office: Office) -> None:
    clearance = Clearance(
        level=Confidentiality.INTERNAL,
        categories=frozenset({"pii"}),
        access=frozenset({"hr"}),
        custody=EVERYTHING.custody,
    )
    person = RegisteredPrincipal("ann", DEFAULT_TENANT, "person", "Ann", frozenset({"auditor"}), clearance)
    async with office.change() as tx:
        await office.service.put_principal(tx, person, tenant=DEFAULT_TENANT)
        assert person in await office.service.principals(tx, tenant=DEFAULT_TENANT)


# ---- rules


async def test_rules_are_listed_with_their_mode_for_a_use_case_and_their_text(office: Office) -> None:
    await with_chat(office)
    async with office.change() as tx:
        general = {rule.id: rule for rule in await office.service.rules(tx, tenant=DEFAULT_TENANT)}
        here = {rule.id: rule for rule in await office.service.rules(tx, tenant=DEFAULT_TENANT, use_case="chat")}
        with pytest.raises(NotFound):
            await office.service.rules(tx, tenant=DEFAULT_TENANT, use_case="nothing")
    assert general["mask-personal-data"].mode == "enforce"
    assert here["mask-personal-data"].mode == "observe"
    assert here["use-case-expired"].own_mode == "always"
    assert '@duty("mask")' in here["mask-personal-data"].text


async def test_the_mode_of_a_rule_is_set_for_one_use_case(office: Office) -> None:
    await with_chat(office)

    async def observing(rule: str, mode: Any) -> frozenset[str]:
        async with office.change() as tx:
            changed = await office.service.set_rule_mode(
                tx, tenant=DEFAULT_TENANT, use_case="chat", rule=rule, mode=mode
            )
            assert await store.use_case(tx, "chat", tenant=DEFAULT_TENANT) == changed
            return changed.observe

    assert await observing("mask-personal-data", "enforce") == set()
    assert await observing("mask-secrets", "observe") == {"mask-secrets"}
    assert await observing("*", "observe") == {"*"}
    assert await observing("mask-secrets", "enforce") == {"*", "!mask-secrets"}
    assert await observing("mask-secrets", "observe") == {"*"}
    assert await observing("*", "enforce") == set()
    with pytest.raises(Invalid, match="always enforced"):
        await observing("key-scope", "observe")


async def test_a_tenants_own_policy_counts_from_the_next_snapshot_and_can_be_taken_away(office: Office) -> None:
    await with_chat(office)
    why = Check("app", "chat", "model.dispatch", Resource("deployment", "local", EVERYTHING))
    async with office.change() as tx:
        await office.service.put_principal(tx, RegisteredPrincipal("app", DEFAULT_TENANT), tenant=DEFAULT_TENANT)
    await office.refresh()
    assert office.service.check(why, tenant=DEFAULT_TENANT).decision.effect is Effect.ALLOW
    async with office.change() as tx:
        policy = CustomPolicy("own", DEFAULT_TENANT, NO, updated_by="anna")
        await office.service.put_policies(tx, [policy], tenant=DEFAULT_TENANT)
        await office.service.put_policies(tx, [policy], tenant=DEFAULT_TENANT)
        assert [kept.text for kept in await office.service.policies(tx, tenant=DEFAULT_TENANT)] == [NO]
    await office.refresh()
    async with office.change() as tx:
        assert "no" in {rule.id for rule in await office.service.rules(tx, tenant=DEFAULT_TENANT)}
    explained = office.service.check(why, tenant=DEFAULT_TENANT)
    assert explained.sentence == "refused by no (not today)"
    assert explained.texts["no"].startswith('@id("no")')
    async with office.change() as tx:
        await office.service.delete_policy(tx, "own", tenant=DEFAULT_TENANT)
    await office.refresh()
    assert office.service.check(why, tenant=DEFAULT_TENANT).decision.effect is Effect.ALLOW


async def test_a_policy_that_does_not_hold_or_takes_anothers_id_is_not_kept(office: Office) -> None:
    broken = NO.replace("resource);", "resource) when { resource.custdy == 1 };")
    cases: list[tuple[CustomPolicy, type[Exception], str]] = [
        (CustomPolicy("a", DEFAULT_TENANT, broken), Invalid, "custdy"),
        (
            CustomPolicy("a", DEFAULT_TENANT, NO.replace('"no"', '"key-scope"')),
            Conflict,
            "and policy a both have a rule key-scope",
        ),
        (CustomPolicy("A", DEFAULT_TENANT, NO), Invalid, "policy's id"),
        (CustomPolicy("b", DEFAULT_TENANT, NO), Conflict, "policy own and policy b both have a rule no"),
    ]
    async with office.change() as tx:
        await office.service.put_policies(tx, [CustomPolicy("own", DEFAULT_TENANT, NO)], tenant=DEFAULT_TENANT)
        for policy, error, words in cases:
            with pytest.raises(error, match=words):
                await office.service.put_policies(tx, [policy], tenant=DEFAULT_TENANT)
        many = [CustomPolicy(f"p{number}", DEFAULT_TENANT, NO) for number in range(1001)]
        with pytest.raises(TooLarge, match="at most 1,000 policies"):
            await office.service.put_policies(tx, many, tenant=DEFAULT_TENANT)


async def test_why_answers_for_other_roles_and_strangers(office: Office) -> None:
    await office.refresh()
    ask = Check("nobody", "administration", "use_case.put", Resource("use_case", "*"))
    assert office.service.check(ask, tenant=DEFAULT_TENANT).sentence == "refused: no rule allows this action"
    admin = replace(ask, principal="headgate", roles=frozenset({"admin"}))
    assert office.service.check(admin, tenant=DEFAULT_TENANT).decision.effect is Effect.ALLOW
    for unknown in (replace(ask, use_case="nothing"), ask):
        with pytest.raises(NotFound):
            office.service.check(unknown, tenant=OTHER if unknown is ask else DEFAULT_TENANT)


# ---- keeping fresh


async def test_every_change_is_counted_when_it_commits_and_only_then(office: Office) -> None:
    assert await office.refresh()
    assert not await office.refresh()
    with pytest.raises(NotFound):
        async with office.change() as tx:
            await office.service.put_use_case(tx, CHAT, tenant=DEFAULT_TENANT)
            raise NotFound("changed my mind")
    assert not await office.refresh()
    await with_chat(office)
    assert await office.refresh()
    assert "chat" in office.holder.current.tenants[DEFAULT_TENANT].use_cases


async def test_nobody_but_the_trigger_sets_the_counter(office: Office) -> None:
    for database in (office.admin, office.worker):
        with pytest.raises(Denied):
            async with database.transaction(tenant=None) as tx:
                await tx.execute("UPDATE policy.versions SET version = 1")


async def test_while_the_database_is_away_the_snapshot_stays(office: Office) -> None:
    await office.refresh()
    before = office.holder.current
    nowhere = Database(DatabaseAddress.parse("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(Unavailable):
        await refresh(office.holder, database=nowhere, baseline=PACK)
    assert office.holder.current is before


class Slow(Database):
    """A database whose every answer comes 50 seconds after it was asked."""

    def __init__(self, address: DatabaseAddress, clock: FakeClock) -> None:
        super().__init__(address)
        self._clock = clock

    @asynccontextmanager
    async def transaction(self, *, tenant: str | None) -> AsyncGenerator[Transaction]:
        async with super().transaction(tenant=tenant) as tx:
            yield tx
        self._clock.advance(50)


async def test_a_late_answer_of_the_database_is_as_old_as_its_question(fresh_database: TemporaryDatabase) -> None:
    clock = FakeClock(NOW)
    holder = SnapshotHolder(clock)
    async with Slow(fresh_database.login["headgate_app"], clock) as database:
        assert await refresh(holder, database=database, baseline=PACK)
        assert holder.age_s() == 50 * 3  # the version, it and the tenants, what the one tenant has
        assert not await refresh(holder, database=database, baseline=PACK)
        assert holder.age_s() == 50


async def test_the_hot_queries_use_their_indexes(fresh_database: TemporaryDatabase, office: Office) -> None:
    await with_chat(office)
    async with office.change() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        for query in ("keys_page", "key"):
            sql: Any = "EXPLAIN " + store.load_queries("headgate.policy")[query]
            plan = await tx.rows(sql, {"tenant": "default", "after": "", "id": "a", "limit": 5}, of=_Line)
            assert any("api_keys_pkey" in line.text or "api_keys_id_key" in line.text for line in plan), plan
        for query, index in (("waiting_approvals", "approvals_waiting"), ("all_approvals", "approvals_pkey")):
            sql = "EXPLAIN " + store.load_queries("headgate.policy")[query]
            where = {"tenant": "default", "before": "default.Z", "now": NOW, "limit": 5}
            plan = await tx.rows(sql, where, of=_Line)
            assert any(f"using {index}" in line.text for line in plan), [line.text for line in plan]


class _Line:
    def __init__(self, **columns: str) -> None:
        self.text = columns["QUERY PLAN"]
