"""`headgate.toml` through the admin API: planned without effect, applied whole or not at all, recorded."""

from __future__ import annotations

from typing import Any

import httpx2
import psycopg
import pytest

from headgate.kernel.identity import Principal
from headgate.policy import approvals
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.house import House

FILE = """
[[use_case]]
id = "support"
owner = "ann"
purpose = "Answer customers"

[[deployment]]
id = "sim"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ custody = "organisation", level = "restricted" }}

[[alias]]
id = "smart"
deployments = ["sim"]
"""


async def test_a_plan_changes_nothing(house: House):
    planned = await _post(house, "plan", FILE)
    assert planned["applied"] is False
    assert {(one["section"], one["id"]) for one in planned["changes"]} >= {("use_case", "support"), ("alias", "smart")}
    async with house.admin as client:
        assert "smart" not in (await client.get("/api/models")).text
        assert "support" not in (await client.get("/api/use-cases")).text
    assert await house.records() == []


async def test_an_applied_file_is_in_force_at_once_and_recorded_with_its_counts(house: House):
    applied = await _post(house, "apply", FILE)
    assert applied["applied"] is True
    async with house.admin as client:
        models = (await client.get("/api/models")).json()["models"]
        made = (await client.post("/api/keys", json={"name": "s", "use_case": "support"})).json()
    assert [model["id"] for model in models] == ["local-chat", "local-embed", "smart"]
    async with house.client(made["secret"]) as client:
        body = {"model": "smart", "messages": [{"role": "user", "content": "hello"}]}
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    record = next(one for one in await house.records(verb="config.apply"))
    assert record["id"] == applied["record"]
    assert record["facts"]["changes.alias.create"] == 1


async def test_applying_again_changes_nothing(house: House):
    await _post(house, "apply", FILE)
    assert (await _post(house, "plan", FILE))["changes"] == []


async def test_a_file_with_one_mistake_is_applied_not_at_all(house: House):
    wrong = FILE + '[[policy]]\nid = "own"\ntext = "permit (nonsense);"\n'
    async with house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": wrong.format(port=house.simulator.port)})
        assert answer.status_code == 400
        assert "support" not in (await client.get("/api/use-cases")).text


async def test_a_mistake_is_named_with_its_line(house: House):
    async with house.admin as client:
        for text, expected in (
            ("[[deploymint]]\n", "deployment"),
            ('[[use_case]]\nid = "x"\nownr = "y"\n', "owner"),
            ("\n= 3", "headgate.toml:2: "),
            (f"\n{'a.' * 1000}a = 1", "headgate.toml:2: a key has over 200 parts"),
            ("x = " + "9" * 5_000, "headgate.toml"),
        ):
            answer = await client.post("/api/config/plan", json={"toml": text})
            assert answer.status_code == 400
            assert expected in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[[person]]\nid = "joe"\n\n[[person]]\nid = "admin"\n',
            "headgate.toml:4: person[1]: admin: you cannot remove your own role",
        ),
        (
            '[[person]]\nid = "headgate"\nroles = ["admin"]\n',
            "headgate.toml:1: person[0]: headgate: headgate is built in",
        ),
    ],
)
async def test_a_file_locks_nobody_out_as_no_entry_does(house: House, text: str, says: str):
    async with house.admin as client:
        before = (await client.get("/api/entries/person")).json()
        for what in ("plan", "apply"):
            refused = await client.post(f"/api/config/{what}", json={"toml": text})
            assert refused.status_code == 409
            assert says in refused.json()["error"]["message"]
        assert (await client.get("/api/entries/person")).json() == before


async def test_an_administrator_whom_the_file_looks_after_does_not_take_herself_out_of_it(house: House):
    people = '[[person]]\nid = "{}"\nroles = ["admin"]\n'
    async with house.client(await house.register("olga", "admin")) as olga:
        assert (await olga.post("/api/config/apply", json={"toml": people.format("olga")})).status_code == 200
        refused = await olga.post("/api/config/apply", json={"toml": people.format("ada")})
    assert (refused.status_code, refused.json()["error"]["param"]) == (409, "person")
    async with house.admin as somebody_else:
        done = await somebody_else.post("/api/config/apply", json={"toml": people.format("ada")})
    assert {(one["id"], one["does"]) for one in done.json()["changes"]} == {("ada", "create"), ("olga", "remove")}


async def test_an_administrator_is_left_whoever_applies_the_file(house: House):
    text = '@id("ed") @reason("r") permit (principal, action == Headgate::Action::"config.apply", resource) ' + (
        'when { principal.roles.contains("editor") };'
    )
    async with house.admin as client:
        allowed = await client.put("/api/entries/policy/editors", json={"entry": {"text": text}})
        assert allowed.status_code == 200, allowed.text
    async with house.client(await house.register("ed", "editor")) as editor:
        refused = await editor.post("/api/config/apply", json={"toml": '[[person]]\nid = "admin"\n'})
    assert refused.status_code == 409
    assert "at least one person must keep the role admin" in refused.json()["error"]["message"]


async def test_a_file_takes_nothing_away_that_what_stays_needs(house: House):
    whole = """
[[network]]
id = "corporate"
proxy_url = "http://127.0.0.1:9"

[[deployment]]
id = "gpt"
provider = "openai"
model = "m"
network = "corporate"

[[alias]]
id = "smart"
deployments = ["gpt"]
"""
    other = '[[deployment]]\nid = "other"\nprovider = "openai"\nmodel = "m"\n'
    async with house.admin as client:
        assert (await client.post("/api/config/apply", json={"toml": whole})).status_code == 200
        for text, says in (
            ('[[network]]\nid = "other"\n', "other.toml:1: network: corporate: it is still used by deployment gpt"),
            (other, "other.toml:1: deployment: gpt: it is still used by alias smart"),
        ):
            for what in ("plan", "apply"):
                refused = await client.post(f"/api/config/{what}", json={"toml": text, "file": "other.toml"})
                assert refused.status_code == 409
                assert says in refused.json()["error"]["message"]
        assert (await client.post("/api/config/plan", json={"toml": whole})).json()["changes"] == []
        both = other + '[[alias]]\nid = "smart"\ndeployments = ["other"]\n'
        assert (await client.post("/api/config/apply", json={"toml": both})).status_code == 200


async def test_what_did_not_hold_before_keeps_no_file_out(house: House):
    with psycopg.connect(house.database.owner.conninfo) as owner:
        spec = '{"id": "odd", "provider": "openai", "model": "m", "network": "gone"}'
        owner.execute("INSERT INTO gateway.deployments (tenant, id, spec) VALUES ('default', 'odd', %s)", (spec,))
    async with house.admin as client:
        done = await client.post("/api/config/apply", json={"toml": '[[network]]\nid = "other"\n'})
    assert done.status_code == 200, done.text


async def _post(house: House, what: str, text: str) -> dict[str, Any]:
    async with house.admin as client:
        answer: httpx2.Response = await client.post(
            f"/api/config/{what}", json={"toml": text.format(port=house.simulator.port)}
        )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_needs_approval_is_done_with_the_grant_of_somebody_else_and_with_no_other_argument(house: House):
    asks = '[[policy]]\nid = "four-eyes"\ntext = """\n@id("four-eyes")\n@reason("keys are made by two")\n@does("ask")\n'
    asks += 'forbid (principal, action == Headgate::Action::"key.create", resource);\n"""\n'
    await _post(house, "apply", asks.replace("{", "{{").replace("}", "}}"))
    async with house.admin as client:
        asked = await client.post("/api/keys", json={"name": "ci"})
        assert asked.status_code == 403
        assert asked.json()["error"]["code"] == "needs_approval"
        grant = await _approve(house)
        headers = {"x-headgate-grant": grant}
        other = await client.post("/api/keys", json={"name": "something else"}, headers=headers)
        done = await client.post("/api/keys", json={"name": "ci"}, headers=headers)
        again = await client.post("/api/keys", json={"name": "ci"}, headers=headers)
    assert (other.status_code, done.status_code, again.status_code) == (403, 200, 403)


async def _approve(house: House) -> str:
    """Approve the one request that waits, as another administrator."""
    approver = Principal("anna", DEFAULT_TENANT, "person", frozenset({"admin"}))
    async with house.worker.platform.administration.transaction(tenant=DEFAULT_TENANT) as tx:
        now = house.worker.base.clock.now()
        waiting = await approvals.waiting(tx, tenant=DEFAULT_TENANT, now=now)
        decided = await approvals.decide(tx, waiting[0].id, approver=approver, approved=True, now=now)
    return decided.id


FULL = (
    """
[[network]]
id = "corporate"
proxy_url = "http://proxy.example.com:3128"
proxy_login = "env:PROXY_LOGIN"
first_byte_s = 12.5

[[deployment]]
id = "gpt"
provider = "openai"
model = "gpt-5-mini"
key = "env:OPENAI_API_KEY"
network = "corporate"
context_tokens = 400_000
quirks = ["top_k"]
tools = false
[deployment.clearance]
level = "confidential"
categories = ["pii", "unscanned"]
[deployment.price]
input = 0.25
output = 2
tiers = [{ above_input_tokens = 200000, input = 0.5 }]

[[alias]]
id = "smart-*"
deployments = ["gpt", "local-chat"]
description = "It's \\"quoted\\" — ü, 日本"

[[person]]
id = "admin"
name = "Administrator"
roles = ["admin"]

[[person]]
id = "anna@example.com"
name = "Anna"
roles = ["auditor"]
categories = []
access = ["hr"]
groups = ["care"]

[[policy]]
id = "own"
text = '''
@id("no-night")
@reason("not at \\"night\\"")
forbid (principal, action == Headgate::Action::"model.invoke", resource) when { principal.id == "x" };
'''

[[use_case]]
id = "support"
owner = "anna@example.com"
purpose = """
    + '"Answer customers\' questions"'
    + """
deployments = ["gpt"]
confidentiality = "internal"
categories = ["pii"]
ceiling = "confidential"
ceiling_categories = ["pii", "pci"]
members = ["group:care", "bob@example.com"]
observe = ["mask-personal-data", "no-night"]
expires = 2027-12-31
"""
)


async def test_what_is_exported_can_be_applied_and_changes_nothing(house: House):
    async with house.admin as client:
        applied = await client.post("/api/config/apply", json={"toml": FULL})
        assert applied.status_code == 200, applied.text
        exported = (await client.get("/api/config")).json()["toml"]
        for section in ("network", "deployment", "alias", "person", "policy", "use_case"):
            assert f"[[{section}]]" in exported
        assert (await client.post("/api/config/check", json={"toml": exported})).json()["faults"] == []
        plan = (await client.post("/api/config/plan", json={"toml": exported})).json()["changes"]
        assert plan == []
        assert (await client.post("/api/config/apply", json={"toml": exported})).status_code == 200
        assert (await client.get("/api/config")).json()["toml"] == exported
        # Built-in entries survive a file that once had them and no longer does.
        only = '[[use_case]]\nid = "x"\nowner = "admin"\npurpose = "p"'
        fewer = (await client.post("/api/config/plan", json={"toml": only})).json()
        assert {(one["does"], one["id"]) for one in fewer["changes"]} == {("create", "x"), ("remove", "support")}


async def test_a_plan_says_which_entries_of_single_changes_the_file_takes_over(house: House):
    async with house.admin as client:
        for path, entry in (
            ("person/eve", {"name": "Eve"}),
            ("deployment/gpt", {"provider": "openai", "model": "gpt"}),
            ("alias/smart", {"deployments": ["gpt"]}),
        ):
            assert (await client.put(f"/api/entries/{path}", json={"entry": entry})).status_code == 200
        made = await client.post("/api/keys", json={"name": "billing", "use_case": "getting-started"})
        assert made.status_code == 200, made.text
        exported = (await client.get("/api/config")).json()["toml"]
        assert "billing" not in exported, "the program comes with its key"
        for path in ("/api/config/plan", "/api/config/apply"):
            changes = (await client.post(path, json={"toml": exported})).json()["changes"]
            taken = {(one["section"], one["id"]) for one in changes if one["detail"] == "the file now manages it"}
            assert taken - {("person", "admin")} == {("person", "eve"), ("deployment", "gpt"), ("alias", "smart")}, path
            assert len(changes) == len(taken)
        assert (await client.post("/api/config/plan", json={"toml": exported})).json()["changes"] == []
        keys = (await client.get("/api/keys")).json()["keys"]
        assert [one["revoked_at"] for one in keys if one["name"] == "billing"] == [None]


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[[alias]\n", "headgate.toml:1"),
        ('[[person]]\nid = "a"\nroles = ["adminn"]\n', "did you mean 'admin'"),
        ("[alias]\nid = 'x'\n", "write each entry as a table [[alias]]"),
        ("[[person]]\nid = 'headgate'\n", "built in"),
    ],
)
async def test_a_check_tells_what_only_the_whole_configuration_shows_too(house: House, toml: str, says: str):
    async with house.admin as client:
        faults = (await client.post("/api/config/check", json={"toml": toml})).json()["faults"]
    assert len(faults) == 1
    assert says in faults[0]


async def test_the_configuration_in_force_is_edited_planned_and_undone(house: House) -> None:
    async with house.admin as client:
        await client.put("/api/entries/deployment/gpt", json={"entry": {"provider": "openai", "model": "gpt"}})
        await client.put("/api/entries/alias/smart", json={"entry": {"deployments": ["gpt"]}})
        state = (await client.get("/api/config/state")).json()
        texts = {one["name"]: one["toml"] for one in state["sections"]}
        assert texts["deployment"] == '[[deployment]]\nid = "gpt"\nprovider = "openai"\nmodel = "gpt"\n'
        assert "getting-started" not in texts["use_case"]
        assert "getting-started" in state["names"]["use_case"]
        whole = "\n".join(texts.values())

        async def edit(toml: str, *, dry: bool = False, **given: Any) -> httpx2.Response:
            body = {"toml": toml, "version": state["version"], **given}
            return await client.put("/api/config/state", json=body, params={"dry_run": "true"} if dry else {})

        assert (await edit(whole, dry=True)).json()["changes"] == []
        faulty = await edit(whole.replace('model = "gpt"', 'modle = "gpt"'), dry=True)
        assert "did you mean 'model'" in faulty.text
        gone = await edit(texts["alias"], sections=["deployment", "alias"])
        assert (gone.status_code, "headgate.toml:3" in gone.text, "no deployment 'gpt'" in gone.text) == (
            400,
            True,
            True,
        )
        unused = (await edit("", sections=["deployment"], dry=True)).json()["error"]["message"]
        assert "still used by alias smart" in unused
        told = texts["alias"] + 'description = "Clever"\n'
        assert len((await edit(told, sections=["alias"], dry=True)).json()["changes"]) == 1
        dearer = texts["deployment"].replace('model = "gpt"', 'model = "gpt-2"')
        planned = (await edit(dearer, sections=["deployment"], dry=True)).json()
        assert planned["effects"] == ["deployment gpt is used by alias smart"]
        assert 'model = "gpt-2"' in planned["changes"][0]["after"]
        made = (await edit(dearer, sections=["deployment"])).json()
        assert (made["applied"], [one["does"] for one in made["changes"]]) == (True, ["change"])
        stale = await edit(whole)
        assert (stale.status_code, "changed deployment gpt" in stale.text) == (409, True)
        history = (await client.get("/api/config/changes")).json()["changes"]
        assert [(one["way"], one["changes"][0]["id"]) for one in history] == [
            ("console", "gpt"),
            ("console", "smart"),
            ("console", "gpt"),
        ]
        assert history[0]["record"] == made["record"]
        early = await client.post(f"/api/config/changes/{history[2]['id']}/undo")
        assert (early.status_code, "changed again" in early.text) == (409, True)
        undone = await client.post(f"/api/config/changes/{history[0]['id']}/undo")
        assert undone.json()["applied"], undone.text
        assert (await client.get("/api/entries/deployment/gpt")).json()["entry"]["model"] == "gpt"


async def test_an_entry_says_whether_the_file_manages_it_and_refuses_a_stale_change(house: House) -> None:
    file = '[[deployment]]\nid = "gpt"\nprovider = "openai"\nmodel = "gpt"\n'
    async with house.admin as client:
        assert (await client.post("/api/config/apply", json={"toml": file})).status_code == 200
        found = (await client.get("/api/entries/deployment/gpt")).json()
        assert (found["managed_by"], found["toml"]) == ("file", file)
        changed = {"entry": {**found["entry"], "model": "gpt-2"}, "version": found["version"]}
        assert (await client.put("/api/entries/deployment/gpt", json=changed)).status_code == 200
        assert (await client.get("/api/entries/deployment/gpt")).json()["managed_by"] == "console"
        late = await client.put("/api/entries/deployment/gpt", json=changed)
        assert (late.status_code, "since you opened it" in late.text) == (409, True)


async def test_editors_learn_the_keys_of_every_section(house: House) -> None:
    async with house.admin as client:
        sections = (await client.get("/api/config/keys")).json()["sections"]
    keys = {(one["name"], key["name"]): key for one in sections for key in one["keys"]}
    assert keys["deployment", "clearance.level"]["choices"] == ["confidential", "internal", "public", "restricted"]
    assert keys["deployment", "price"]["kind"] == "table"
    assert keys["alias", "deployments"]["refers_to"] == "deployment"
    assert (keys["use_case", "owner"]["is_required"], keys["use_case", "expires"]["kind"]) == (True, "date")


async def test_a_plan_warns_of_secrets_that_are_not_set_and_of_models_that_a_budget_would_refuse(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MISSING_API_KEY", raising=False)
    text = FILE + (
        '[[deployment]]\nid = "cloud"\nprovider = "openai"\nmodel = "gpt-4o"\nkey = "env:MISSING_API_KEY"\n'
        '[[alias]]\nid = "listed"\ndeployments = ["cloud"]\n'
        '[[budget]]\nid = "all"\nscope = "organisation"\nlimit = 10.0\nperiod = "month"\n'
        '[[notification]]\nid = "chat"\nchannel = "slack"\nurl = "env:MISSING_SECRET"\n'
    )
    for what in ("plan", "check", "apply"):
        deployment, budget, notification = (await _post(house, what, text))["warnings"]
        assert deployment.startswith("deployment cloud: the environment variable MISSING_API_KEY is not set; set it")
        assert "refuses calls of smart, because no price in USD is known of sim; give each" in budget
        assert notification.startswith("notification chat: the environment variable MISSING_SECRET is not set")
    async with house.admin as client:
        state = (await client.get("/api/status")).json()
        told = {one["id"]: one["warning"] for one in state["deployments"]}
        assert (told["sim"], told["cloud"][:43]) == ("", "the environment variable MISSING_API_KEY is")
        models = {one["id"]: one["deployments"][0] for one in (await client.get("/api/models")).json()["models"]}
        assert models["listed"]["health"]["warning"] == told["cloud"]
        # A single change is warned of its own models alone.
        (loose,) = (await client.get("/api/entries/alias/listed")).json()["entry"]["deployments"]
        renamed = {"entry": {"deployments": [loose], "description": "new"}}
        assert (await client.put("/api/entries/alias/listed", json=renamed)).json()["warnings"] == []
        euros = {"scope": "organisation", "limit": 5, "period": "day", "currency": "EUR"}
        (warning,) = (await client.put("/api/entries/budget/all?dry_run=true", json={"entry": euros})).json()[
            "warnings"
        ]
        assert "refuses calls of listed, smart, because no price in EUR is known of cloud, sim" in warning
        soft = {"entry": {**euros, "hard": False}}
        assert (await client.put("/api/entries/budget/all?dry_run=true", json=soft)).json()["warnings"] == []


async def test_a_check_tells_every_mistake_in_words(house: House) -> None:
    wrong = """
[[deployment]]
id = "Bad Name!"
provider = "openai"
model = ""
price = { currency = "usd", images = { "A B" = 1.0 } }
[[alias]]
id = "**"
deployments = []
hedge = "10"
cache = { ttl = "x" }
[[budget]]
id = "b"
scope = "organisation"
limit = "much"
period = "months"
[[budget]]
id = "c"
scope = "organisation"
limit = -1
"""
    async with house.admin as client:
        faults = (await client.post("/api/config/check", json={"toml": wrong})).json()["faults"]
        refused = await client.put("/api/entries/budget/Bad%20Name", json={"entry": {"scope": "organisation"}})
    assert refused.json()["error"]["message"].startswith("budget Bad Name: id: write a name of at most 127 letters")
    assert [one.partition(": ")[2].replace("letters, digits and . _ : / -", "LETTERS") for one in faults] == [
        "deployment[0].id: write a name of at most 127 LETTERS that begins with a letter or digit",
        "deployment[0].model: it is empty",
        "deployment[0].price.currency: write a currency of three capital letters, such as USD",
        "deployment[0].price.images: write a size, such as 1024x1024, or a quality and a size, such as high/1024x1024",
        "alias[0].id: write a name of LETTERS with at most one *",
        "alias[0].deployments: it needs at least 1 entry",
        "alias[0].hedge: write a duration, such as 800ms, 30s, 10m or 2h",
        "alias[0].cache.ttl: write a duration, such as 800ms, 30s, 10m or 2h",
        "budget[0].limit: write a number, such as 0.25",
        "budget[0].period: invalid enum value 'months'; did you mean 'month'?",
        "budget[1].period: a budget needs a period, such as month",
        "budget[1].limit: a limit is a number above 0, at most 1,000,000,000",
    ]
