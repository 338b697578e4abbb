"""Policy's sections of headgate.toml: errors that name the key at fault, and plans that are carried out."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headgate.assembly import offline_sections
from headgate.features import baseline
from headgate.kernel.errors import HeadgateError, Invalid, TooLarge
from headgate.kernel.labels import Confidentiality
from headgate.kernel.ports import Change, ConfigSection
from headgate.policy import store
from headgate.policy.entities import DEFAULT_TENANT, CustomPolicy, RegisteredPrincipal
from headgate.policy.sections import Section, policy_sections
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.substrate.database import Database
from headgate.substrate.declarative import read
from headgate.testing.postgres import TemporaryDatabase

PACK = baseline()
CLOCK = SystemClock()
SERVICE = PolicyService(baseline=PACK, holder=SnapshotHolder(CLOCK), clock=CLOCK, ids=SystemIds())
SECTIONS: dict[str, Section[Any]] = {
    section.name: section for section in policy_sections(baseline=PACK, service=SERVICE, clock=CLOCK)
}
NO = '@id("no") @reason("not today") forbid (principal, action, resource);'
DIGEST = "sha256:" + "ab" * 32

CHAT = """
[[use_case]]
id = "chat"
owner = "anna"
purpose = "help"
"""

WHOLE = f"""
[[person]]
id = "ann"
name = "Ann"
roles = ["auditor"]
confidentiality = "internal"
categories = ["pii"]

[[policy]]
id = "own"
text = '{NO}'

[[use_case]]
id = "chat"
owner = "anna"
purpose = "help"
risk = "high"
deployments = ["local"]
confidentiality = "internal"
categories = ["pii"]
ceiling = "confidential"
ceiling_categories = ["pii"]
observe = ["no", "mask-secrets"]
expires = 2027-01-31

[[imported_key]]
digest = "{DIGEST}"
principal = "app"
use_case = "chat"
prefix = "sk-"
scopes = ["model.invoke"]
requests_per_minute = 60
spend_micros_per_day = 1000000
currency = "EUR"
expires = 2027-01-31
"""


def check(name: str, text: str) -> tuple[Any, ...]:
    document = tomllib.loads(text)
    return SECTIONS[name].check(document[name], document)


def test_a_use_case_is_read_with_all_its_fields() -> None:
    (case,) = check("use_case", WHOLE)
    assert (case.risk, case.deployments, case.observe) == ("high", {"local"}, {"no", "mask-secrets"})
    assert (case.floor.confidentiality, case.floor.categories) == (Confidentiality.INTERNAL, {"pii"})
    assert (case.ceiling.level, case.ceiling.categories) == (Confidentiality.CONFIDENTIAL, {"pii"})
    assert case.expires_at == datetime(2027, 2, 1, tzinfo=UTC)


def test_each_section_is_what_the_kernel_asks_for() -> None:
    sections: Sequence[ConfigSection] = tuple(SECTIONS.values())
    assert [section.name for section in sections] == ["person", "policy", "use_case", "imported_key"]


@pytest.mark.parametrize(
    ("name", "text", "param", "words"),
    [
        ("use_case", CHAT * 2 + CHAT.replace("owner", "ownr"), "use_case[2].ownr", "did you mean 'owner'?"),
        ("use_case", CHAT + "zzz = 1", "use_case[0].zzz", "known: id, owner"),
        ("use_case", "[[use_case]]\nid = 'chat'\nowner = 'a'", "use_case[0].purpose", "needs purpose"),
        ("use_case", CHAT + "risk = 'hgh'", "use_case[0].risk", "hgh"),
        ("use_case", CHAT + "deployments = ['a', 1]", "use_case[0].deployments[1]", "expected a text"),
        ("use_case", CHAT + "observe = ['mask-secret']", "use_case[0].observe", "did you mean mask-secrets?"),
        ("use_case", CHAT + "observe = ['key-scope']", "use_case[0].observe", "always enforced"),
        ("use_case", CHAT.replace('"chat"', '"Chat"'), "use_case[0].id", "begins with"),
        ("use_case", CHAT.replace('"chat"', '"jobs"'), "use_case[0].id", "built in"),
        ("use_case", CHAT.replace('"anna"', '""'), "use_case[0].owner", "1 to 200"),
        ("use_case", CHAT + "expires = 9999-12-31", "use_case[0].expires", "1970 to 2999"),
        ("use_case", CHAT + "expires = 1960-01-01", "use_case[0].expires", "1970 to 2999"),
        ("use_case", CHAT * 2, "use_case[1]", "two entries of [[use_case]] have the id chat"),
        ("use_case", "use_case = 3", "use_case", "as a table [[use_case]]"),
        ("policy", "[[policy]]\nid = 'a'", "policy[0].text", "either text or file"),
        ("policy", "[[policy]]\nid = 'a'\nfile = 'a.cedar'", "policy[0].file", "cannot read files"),
        ("policy", "[[policy]]\nid = 'a'\ntext = 'permit('", "policy[0].text", "policy a is not valid Cedar"),
        ("policy", f"[[policy]]\nid = 'A'\ntext = '{NO}'", "policy[0].id", "begins with"),
        (
            "policy",
            f"[[policy]]\nid = 'a'\ntext = '{NO.replace('no', 'key-scope', 1)}'",
            "policy[0].text",
            "both have a rule",
        ),
        (
            "imported_key",
            "[[imported_key]]\ndigest='md5:x'\nprincipal='a'\nuse_case='b'",
            "imported_key[0].digest",
            "bcrypt",
        ),
        (
            "imported_key",
            f"[[imported_key]]\ndigest='{DIGEST}'\nprincipal='a'\nuse_case='b'\nexpires=9999-12-31",
            "imported_key[0].expires",
            "1970 to 2999",
        ),
        ("person", "[[person]]\nid = 'a'\nconfidentiality = 'top'", "person[0].confidentiality", "top"),
    ],
)
def test_a_mistake_is_named_by_its_place_in_the_file(name: str, text: str, param: str, words: str) -> None:
    with pytest.raises(HeadgateError) as refused:
        check(name, text)
    assert isinstance(refused.value, Invalid)
    assert refused.value.param == param
    assert words in refused.value.message


def test_there_is_a_bound_to_the_entries_of_a_section() -> None:
    with pytest.raises(TooLarge):
        SECTIONS["person"].check([{}] * 10_001, {})


def test_a_policy_may_stand_in_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "own.cedar").write_text(NO)
    sections = policy_sections(
        baseline=PACK, service=SERVICE, clock=CLOCK, read_file=lambda name: (tmp_path / name).read_text()
    )
    policies = next(section for section in sections if section.name == "policy")
    assert policies.check([{"id": "own", "file": "own.cedar"}], {})[0].text == NO
    with pytest.raises(Invalid, match=r"other\.cedar cannot be read"):
        policies.check([{"id": "own", "file": "other.cedar"}], {})


@dataclass
class Applier:
    """What `headgate apply` does with a document."""

    database: Database

    async def run(self, text: str, *, dry: bool = False) -> list[Change]:
        document = tomllib.loads(text)
        desired = {name: section.check(document.get(name, []), document) for name, section in SECTIONS.items()}
        changes: list[Change] = []
        async with self.database.transaction(tenant=DEFAULT_TENANT) as tx:
            for name, section in SECTIONS.items():
                changes += await section.plan(desired[name], tenant=DEFAULT_TENANT, transaction=tx)
                if not dry:
                    await section.apply(desired[name], tenant=DEFAULT_TENANT, transaction=tx)
        return changes


@pytest.fixture
async def apply(fresh_database: TemporaryDatabase) -> AsyncIterator[Applier]:
    async with Database(fresh_database.login["headgate_admin"]) as database:
        yield Applier(database)


def outline(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.section, change.id, change.does) for change in changes]


KEY_ID = "ab" * 8


async def test_a_document_is_applied_once_and_changes_nothing_the_second_time(apply: Applier) -> None:
    added = [
        ("person", "ann", "create"),
        ("policy", "own", "create"),
        ("use_case", "chat", "create"),
        ("imported_key", KEY_ID, "create"),
    ]
    assert outline(await apply.run(WHOLE, dry=True)) == added
    assert outline(await apply.run(WHOLE)) == added
    assert outline(await apply.run(WHOLE)) == []
    async with apply.database.transaction(tenant=DEFAULT_TENANT) as tx:
        case = await store.use_case(tx, "chat", tenant=DEFAULT_TENANT)
        (key,) = await store.imported_keys(tx, tenant=DEFAULT_TENANT)
    assert case is not None
    assert case.observe == {"no", "mask-secrets"}
    assert (key.prefix, key.limits.currency, key.scopes) == ("sk-", "EUR", {"model.invoke"})


async def test_a_change_is_named_by_its_fields(apply: Applier) -> None:
    await apply.run(WHOLE)
    changes = await apply.run(
        WHOLE.replace('owner = "anna"', 'owner = "bob"').replace('risk = "high"', 'risk = "limited"')
    )
    assert changes == [Change("use_case", "chat", "change", "owner, risk")]


async def test_what_the_file_no_longer_names_is_gone_and_what_the_api_made_stays(apply: Applier) -> None:
    await apply.run(WHOLE)
    async with apply.database.transaction(tenant=DEFAULT_TENANT) as tx:
        await SERVICE.put_principal(tx, RegisteredPrincipal("bob", DEFAULT_TENANT), tenant=DEFAULT_TENANT)
        also = CustomPolicy("api", DEFAULT_TENANT, NO.replace('"no"', '"also"'))
        await SERVICE.put_policies(tx, [also], tenant=DEFAULT_TENANT)
    gone = [
        ("person", "ann", "remove"),
        ("policy", "own", "remove"),
        ("use_case", "chat", "remove"),
        ("imported_key", KEY_ID, "remove"),
    ]
    assert outline(await apply.run("", dry=True)) == gone
    assert [entry for entry in outline(await apply.run("")) if entry[0] != "imported_key"] == gone[:3]
    async with apply.database.transaction(tenant=DEFAULT_TENANT) as tx:
        names = {person.id for person in await store.principals(tx, tenant=DEFAULT_TENANT)}
        policies = [policy.id for policy in await store.policies(tx, tenant=DEFAULT_TENANT)]
        assert await store.imported_keys(tx, tenant=DEFAULT_TENANT) == []
    # `app` came with the key, through no section of the file.
    assert (names, policies) == ({"headgate", "app", "bob"}, ["api"])
    assert outline(await apply.run("")) == []


async def test_an_imported_key_that_the_file_no_longer_names_is_revoked(apply: Applier) -> None:
    await apply.run(WHOLE)
    assert outline(await apply.run(WHOLE[: WHOLE.index("[[imported_key]]")])) == [("imported_key", KEY_ID, "remove")]
    async with apply.database.transaction(tenant=DEFAULT_TENANT) as tx:
        kept = await store.key(tx, KEY_ID, tenant=DEFAULT_TENANT)
    assert kept is not None
    assert kept.revoked_at is not None


async def test_an_entry_of_the_api_is_taken_over_when_the_file_names_it(apply: Applier) -> None:
    async with apply.database.transaction(tenant=DEFAULT_TENANT) as tx:
        await SERVICE.put_principal(tx, RegisteredPrincipal("ann", DEFAULT_TENANT, "person"), tenant=DEFAULT_TENANT)
    named = "[[person]]\nid = 'ann'"
    assert await apply.run(named) == [Change("person", "ann", "change", "the file now manages it")]
    assert await apply.run(named) == []


async def test_what_is_built_in_stays_so_when_a_file_names_it_and_when_the_next_one_does_not(apply: Applier) -> None:
    async with apply.database.transaction(tenant=DEFAULT_TENANT) as tx:
        await SERVICE.ensure_first_key(tx, None)
    named = "[[person]]\nid = 'admin'\nname = 'Boss'\nkind = 'person'\nroles = ['admin']"
    assert await apply.run(named) == [Change("person", "admin", "change", "name")]
    assert await apply.run(named) == []
    assert await apply.run("") == []
    async with apply.database.transaction(tenant=DEFAULT_TENANT) as tx:
        admin = await store.principal(tx, "admin", tenant=DEFAULT_TENANT)
    assert admin is not None
    assert (admin.name, admin.roles) == ("Boss", {"admin"})


async def test_a_renamed_policy_keeps_the_ids_of_its_rules(apply: Applier) -> None:
    await apply.run(f"[[policy]]\nid = 'one'\ntext = '{NO}'")
    changes = await apply.run(f"[[policy]]\nid = 'two'\ntext = '{NO}'")
    assert outline(changes) == [("policy", "two", "create"), ("policy", "one", "remove")]


def test_a_file_is_checked_without_a_database() -> None:
    sections = offline_sections()
    assert read(WHOLE.encode(), sections).values.keys() == {"person", "policy", "use_case", "imported_key"}
    with pytest.raises(Invalid, match=r"headgate\.toml:4: person\[0\]\.roels: .*roles"):
        read(b'\n[[person]]\nid = "ann"\nroels = []\n', sections)
