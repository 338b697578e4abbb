"""The catalogue is declared, planned and applied in one transaction, kept in memory, and survives a broken entry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headgate.gateway.catalogue_cache import CatalogueCache
from headgate.gateway.providers.anthropic import provider as anthropic
from headgate.gateway.providers.local import provider as local
from headgate.gateway.providers.openai import provider as openai
from headgate.gateway.sections import CatalogueSection
from headgate.gateway.specs import DeploymentSpec, deployment_from
from headgate.gateway.store import Kind
from headgate.kernel.errors import Invalid, NotFound, Unavailable
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Confidentiality, Custody
from headgate.substrate.database import Database, PoolLimits
from headgate.substrate.declarative import read
from headgate.substrate.egress import Egress
from headgate.substrate.secrets import SecretStore
from headgate.testing.people import ACME, GLOBEX
from headgate.testing.port_contracts import ConfigSectionContract, SectionUnderTest
from headgate.testing.postgres import TemporaryDatabase
from headgate.wire.conversation import Conversation
from headgate.wire.dialect import Outgoing
from headgate.wire.dialects import load_dialects
from headgate.wire.model_call import Price, PriceTier
from headgate.wire.openai_chat import dialect as openai_chat

PROVIDERS = {"anthropic": anthropic, "local": local, "openai": openai}
KINDS: tuple[Kind, ...] = ("network", "deployment", "alias")
SECTIONS = [CatalogueSection(kind, providers=PROVIDERS, dialects=load_dialects()) for kind in KINDS]

FILE = b"""
[[network]]
id = "lan"
idle_s = 7.5

[[deployment]]
id = "cloud"
provider = "anthropic"
model = "claude-x"
key = "env:CLOUD_KEY"
clearance = { level = "confidential", categories = ["pii"], regions = ["eu"] }
price = { input = 3, output = 15, cache_read = 0.3, tiers = [{ above_input_tokens = 200000, input = 6 }] }

[[deployment]]
id = "ours"
provider = "openai"
model = "llama"
base_url = "http://10.0.0.5:8000/v1"
network = "lan"
clearance = { level = "restricted", custody = "organisation" }

[[alias]]
id = "chat"
deployments = ["ours", "cloud", "local-chat"]
"""


@pytest.fixture
async def admin(fresh_database: TemporaryDatabase) -> AsyncIterator[Database]:
    async with Database(fresh_database.login["headgate_admin"], limits=PoolLimits(size=2)) as opened:
        yield opened


@pytest.fixture
async def database(fresh_database: TemporaryDatabase) -> AsyncIterator[Database]:
    async with Database(fresh_database.login["headgate_app"], limits=PoolLimits(size=2)) as opened:
        yield opened


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    async with Egress() as opened:
        yield opened


def library(database: Database, egress: Egress, *, model_port: int | None = 9) -> CatalogueCache:
    secrets = SecretStore(data=Path("unused"), environment={"PROXY_LOGIN": "user:password"})
    return CatalogueCache(database=database, egress=egress, providers=PROVIDERS, secrets=secrets, model_port=model_port)


async def plan(admin: Database, text: bytes, tenant: TenantId = ACME) -> set[tuple[str, str, str, str]]:
    async with admin.transaction(tenant=tenant) as tx:
        changes = await read(text, SECTIONS).plan(tenant=tenant, transaction=tx)
    return {(change.section, change.id, change.does, change.detail) for change in changes}


async def apply(admin: Database, text: bytes, tenant: TenantId = ACME) -> None:
    async with admin.transaction(tenant=tenant) as tx:
        await read(text, SECTIONS).apply(tenant=tenant, transaction=tx)


async def put(fresh_database: TemporaryDatabase, table: str, id_: str, spec: str) -> None:
    """Write a row behind the catalogue's back, as another version might have."""
    async with Database(fresh_database.owner, limits=PoolLimits(size=1)) as owner, owner.transaction(tenant=ACME) as tx:
        statement: Any = f"INSERT INTO gateway.{table} (tenant, id, spec) VALUES (%s, %s, %s::jsonb)"
        await tx.execute(statement, (ACME, id_, spec))


async def test_a_plan_says_what_applying_does_and_changes_nothing(admin: Database) -> None:
    wanted = {("network", "lan"), ("deployment", "cloud"), ("deployment", "ours"), ("alias", "chat")}
    for _ in range(2):
        assert {(section, id_) for section, id_, does, _ in await plan(admin, FILE) if does == "create"} == wanted
    await apply(admin, FILE)
    assert await plan(admin, FILE) == set()
    await apply(admin, FILE)
    assert await plan(admin, FILE) == set()


async def test_a_change_names_the_keys_and_what_is_gone_from_the_file_is_removed(admin: Database) -> None:
    await apply(admin, FILE)
    changed = FILE.replace(b"claude-x", b"claude-y").replace(
        b'[[network]]\nid = "lan"\nidle_s = 7.5', b'[[network]]\nid = "wan"'
    )
    changed = changed.replace(b'network = "lan"', b'network = "wan"')
    assert await plan(admin, changed) == {
        ("deployment", "cloud", "change", "model"),
        ("deployment", "ours", "change", "network"),
        ("network", "wan", "create", ""),
        ("network", "lan", "remove", ""),
    }
    await apply(admin, changed)
    assert await plan(admin, changed) == set()


async def test_a_section_that_the_file_does_not_mention_stays(admin: Database) -> None:
    await apply(admin, FILE)
    assert await plan(admin, b"") == set()


async def test_tenants_do_not_see_one_anothers_catalogue(admin: Database) -> None:
    await apply(admin, FILE)
    assert {does for *_, does, _ in await plan(admin, FILE, GLOBEX)} == {"create"}
    await apply(admin, b"deployment = []\nalias = []\nnetwork = []", GLOBEX)
    assert await plan(admin, FILE) == set()


@pytest.mark.parametrize(
    ("old", "new", "param", "why"),
    [
        (b'"ours", "cloud"', b'"our", "cloud"', "alias[0].deployments", "did you mean 'ours'"),
        (b'"ours", "cloud"', b'"zzz"', "alias[0].deployments", "declared: cloud, ours"),
        (b'network = "lan"', b'network = "lam"', "deployment[1].network", "did you mean 'lan'"),
        (
            b'provider = "openai"',
            b'provider = "opanai"',
            "deployment[1].provider",
            "installed: anthropic, local, openai",
        ),
        (b'id = "chat"', b'id = "local-chat"', "alias[0].id", "built in"),
        (b'id = "cloud"', b'id = "local-chat"', "deployment[0].id", "built in"),
        (b'id = "cloud"', b'id = "ours"', "deployment[1].id", "declared twice"),
        (b"env:CLOUD_KEY", b"sk-live-1234567890", "deployment[0].key", "write a reference"),
        (b"http://10.0.0.5:8000/v1", b"10.0.0.5:8000", "deployment[1].base_url", "not an absolute"),
        (b"model =", b"modle =", "deployment[0].modle", "did you mean 'model'"),
        (b"input = 3", b"input = -3", "deployment[0].price", "not be negative"),
        (b"input = 3", b"input = 0.0000001", "deployment[0].price", "at most six decimals"),
        (b"input = 3", b"input = nan", "deployment[0].price", "a number up to"),
        (b"input = 3", b"input = -inf", "deployment[0].price", "a number up to"),
        (b"input = 3", b"input = 1e300", "deployment[0].price", "a number up to"),
        (b"input = 6", b"input = -6", "deployment[0].price", "not be negative"),
        (b", input = 6", b"", "deployment[0].price.tiers", "at least one price"),
        (b"= 200000", b"= 0", "deployment[0].price.tiers[0].above_input_tokens", ">= 1"),
        (
            b"[{ above",
            b"[{ above_input_tokens = 200000, input = 1 }, { above",
            "deployment[0].price.tiers",
            "sort the tiers",
        ),
        (b"idle_s = 7.5", b"idle_s = 0", "network[0].idle_s", ""),
        (b"idle_s = 7.5", b'proxy_login = "user:secret"', "network[0].proxy_login", "write a reference"),
        (b'level = "restricted"', b'level = "top"', "deployment[1].clearance.level", ""),
    ],
)
def test_a_bad_reference_is_refused_at_its_key_and_nothing_secret_is_repeated(
    old: bytes, new: bytes, param: str, why: str
) -> None:
    assert old in FILE
    with pytest.raises(Invalid) as caught:
        read(FILE.replace(old, new, 1), SECTIONS)
    assert caught.value.param == param
    assert why in caught.value.message
    assert "sk-live" not in caught.value.message
    assert "user:secret" not in caught.value.message


def test_a_provider_without_a_usual_address_needs_one() -> None:
    lonely = CatalogueSection("deployment", providers={"lonely": local}, dialects=load_dialects())
    with pytest.raises(Invalid, match="has no default address"):
        lonely.check([{"id": "d", "provider": "lonely", "model": "m"}], {})


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ({}, "max_completion_tokens"),
        ({"base_url": "https://api.openai.com/v1/"}, "max_completion_tokens"),
        ({"quirks": ["max_tokens"]}, "max_tokens"),
        ({"base_url": "http://vllm.example/v1"}, "max_tokens"),
        ({"base_url": "http://vllm.example/v1", "quirks": ["max_completion_tokens"]}, "max_completion_tokens"),
    ],
)
def test_trap_6_a_limit_that_crosses_wires_has_the_name_that_all_models_of_openai_itself_take(
    declared: dict[str, Any], name: str
) -> None:
    spec = msgspec.convert({"id": "gpt", "provider": "openai", "model": "gpt-5-mini", **declared}, DeploymentSpec)
    outgoing = Outgoing("gpt-5-mini", deployment_from(spec, PROVIDERS, tenant=ACME).quirks)
    crossed = openai_chat.from_conversation(Conversation((), max_tokens=9), outgoing)
    assert json.loads(crossed) == {"model": "gpt-5-mini", "messages": [], name: 9}
    own = b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"x"}],"max_tokens":9}'
    if "quirks" not in declared:
        assert openai_chat.write_call(openai_chat.read_call(own, headers={}), outgoing) == own


async def test_what_was_applied_is_what_calls_are_routed_by(
    admin: Database, database: Database, egress: Egress
) -> None:
    await apply(admin, FILE)
    shelf = library(database, egress)
    assert await shelf.refresh([ACME]) is True
    assert await shelf.refresh([ACME]) is False
    catalogue = shelf.catalogue(ACME)
    ours, cloud, embedded = catalogue.candidates(catalogue.alias("chat"))
    assert (ours.id, cloud.id, embedded.id) == ("ours", "cloud", "local-chat")
    assert cloud.clearance.level is Confidentiality.CONFIDENTIAL
    assert cloud.clearance.categories is not None
    assert {"pii", "pii_pseudonymous", "secret_masked"} <= cloud.clearance.categories
    assert "phi" not in cloud.clearance.categories
    assert cloud.clearance.custody is Custody.ANY
    assert (ours.clearance.custody, embedded.clearance.custody) == (Custody.ORGANISATION, Custody.ORGANISATION)
    longer = PriceTier(200_000, Price("USD", 6_000_000, 15_000_000, 300_000))
    assert cloud.price == Price("USD", 3_000_000, 15_000_000, 300_000, tiers=(longer,))
    assert ours.price is None
    assert embedded.price == Price("USD", 0, 0, 0, 0, 0), "also where the model says that it took tokens from its cache"


async def test_a_tenant_that_declared_nothing_has_the_embedded_models(database: Database, egress: Egress) -> None:
    shelf = library(database, egress)
    await shelf.refresh([GLOBEX])
    for tenant in (GLOBEX, TenantId("unheard-of")):
        assert sorted(shelf.catalogue(tenant).aliases) == ["local-chat", "local-embed"]
    bare = library(database, egress, model_port=None)
    with pytest.raises(NotFound):
        bare.catalogue(GLOBEX).alias("local-chat")


@pytest.mark.parametrize(
    "spec",
    [
        '{"id": "odd", "provider": "gone", "model": "m"}',
        '{"id": "odd", "provider": "openai", "model": "m", "price": {"input": "-1"}}',
        '{"id": "odd", "provider": "openai", "model": "m", "network": "pierced"}',
        '{"id": "odd", "provider": "openai", "model": "m", "network": "unknown-authority"}',
        '{"id": "odd", "provider": "openai", "model": "m", "network": "absent"}',
        '{"id": "odd", "provider": "openai", "model": "m", "network": "unreadable"}',
        '{"id": "odd", "provider": "openai", "model": "m", "from_a_later_version": true}',
        '{"id": "odd", "provider": 7}',
        '"not even a table"',
    ],
)
async def test_a_broken_entry_is_left_out_and_everything_else_works(
    fresh_database: TemporaryDatabase, admin: Database, database: Database, egress: Egress, tmp_path: Path, spec: str
) -> None:
    await apply(admin, FILE)
    await put(fresh_database, "networks", "pierced", '{"id": "pierced", "proxy_login": "env:ABSENT_LOGIN"}')
    absent = tmp_path / "absent.pem"
    await put(fresh_database, "networks", "unknown-authority", f'{{"id": "unknown-authority", "ca_file": "{absent}"}}')
    await put(fresh_database, "networks", "unreadable", '{"id": "unreadable", "proxy": "from a later version"}')
    await put(fresh_database, "deployments", "odd", spec)
    await put(fresh_database, "aliases", "odd", '{"id": "odd", "deployments": ["odd", "cloud"]}')
    shelf = library(database, egress)
    assert await shelf.refresh([ACME, GLOBEX]) is True
    assert await shelf.refresh([ACME, GLOBEX]) is False
    catalogue = shelf.catalogue(ACME)
    assert "odd" not in catalogue.deployments
    assert [one.id for one in catalogue.candidates(catalogue.alias("odd"))] == ["cloud"]
    assert [one.id for one in catalogue.candidates(catalogue.alias("chat"))] == ["ours", "cloud", "local-chat"]
    assert {("deployment", "odd", "remove", ""), ("network", "unreadable", "remove", "")} < await plan(admin, FILE)
    repaired = FILE + b'[[deployment]]\nid = "odd"\nprovider = "openai"\nmodel = "m"\n'
    assert [does for _, id_, does, _ in await plan(admin, repaired) if id_ == "odd" and does == "create"] == []
    await apply(admin, repaired)
    assert await plan(admin, repaired) == set(), "applying the file again repairs it"
    assert await shelf.refresh([ACME, GLOBEX]) is True
    assert "odd" in shelf.catalogue(ACME).deployments


async def test_no_deployment_takes_the_place_of_an_embedded_model(
    fresh_database: TemporaryDatabase, database: Database, egress: Egress
) -> None:
    await put(fresh_database, "deployments", "local-chat", '{"id": "local-chat", "provider": "openai", "model": "m"}')
    shelf = library(database, egress)
    await shelf.refresh([ACME])
    catalogue = shelf.catalogue(ACME)
    [embedded] = catalogue.candidates(catalogue.alias("local-chat"))
    assert embedded.provider == "local"


async def test_a_database_that_is_away_leaves_what_is_in_memory(
    fresh_database: TemporaryDatabase, admin: Database, egress: Egress
) -> None:
    await apply(admin, FILE)
    async with Database(fresh_database.login["headgate_app"], limits=PoolLimits(size=1, wait_s=0.2)) as database:
        shelf = library(database, egress)
        await shelf.refresh([ACME])
    with pytest.raises(Unavailable):
        await shelf.refresh([ACME])
    assert "chat" in shelf.catalogue(ACME).aliases


async def test_only_administration_writes_the_catalogue(database: Database) -> None:
    with pytest.raises(Exception, match="refused access"):
        await apply(database, FILE)


class TestCatalogueSections(ConfigSectionContract):
    @pytest.fixture(params=KINDS)
    def subject(self, request: pytest.FixtureRequest, admin: Database) -> SectionUnderTest:
        one = {
            "network": [{"id": "a"}, {"id": "b", "idle_s": 7.5}],
            "deployment": [{"id": "a", "provider": "openai", "model": "m"}],
            "alias": [{"id": "a", "deployments": ["local-chat"]}],
        }[request.param]
        other = {
            "network": [{"id": "b", "idle_s": 8.5}],
            "deployment": [{"id": "a", "provider": "openai", "model": "n"}],
            "alias": [{"id": "b", "deployments": ["local-chat", "local-embed"]}],
        }[request.param]
        return SectionUnderTest(
            section=CatalogueSection(request.param, providers=PROVIDERS, dialects=load_dialects()),
            one=one,
            other=other,
            invalid=[{"id": "a", "provider": "none", "model": "m", "deployments": ["none"]}],
            transaction=lambda tenant: admin.transaction(tenant=tenant),
            document={},
        )


async def test_two_that_apply_at_once_leave_one_of_the_two_files(admin: Database) -> None:
    other = FILE.replace(b"claude-x", b"claude-y")
    await asyncio.gather(apply(admin, FILE), apply(admin, other))
    assert set() in (await plan(admin, FILE), await plan(admin, other))
