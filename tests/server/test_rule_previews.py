"""Before a rule changes its mode: the preview of past calls says what the records say."""

from __future__ import annotations

from typing import Any

from headgate.policy.entities import DEFAULT_TENANT, CustomPolicy
from headgate.policy.parts import Policy
from headgate.testing.house import House

RULES = """
[[use_case]]
id = "claims"
owner = "grace"
purpose = "Sort claims"
members = ["*"]
observe = ["no-ada", "ask-for-bob", "short-answers"]

[[policy]]
id = "own"
text = '''
@id("no-ada")
@reason("e-mail addresses stay here")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when { context.labels.categories.contains("pii") };

@id("ask-for-bob")
@reason("bob asks first")
@does("ask")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when { principal.id == "bob" };

@id("short-answers")
@reason("answers are short")
@duty("cap")
@output_tokens("50")
permit (principal, action == Headgate::Action::"model.dispatch", resource);
'''
"""


async def used(house: House) -> None:
    """Declare observing rules, and make three calls: two with an address, one of them by bob."""
    async with house.admin as admin:
        answer = await admin.post("/api/config/apply", json={"toml": RULES})
        assert answer.status_code == 200, answer.text
    anna, bob = await house.register("anna", use_case="claims"), await house.register("bob", use_case="claims")
    for key, text in ((anna, "Write to ada@example.org"), (bob, "Write to ada@example.org"), (bob, "Hello")):
        await call(house, key, text)
    await house.log_everything()


async def call(house: House, key: str, text: str) -> int:
    body = {"model": "local-chat", "messages": [{"role": "user", "content": text}]}
    async with house.client(key) as client:
        return (await client.post("/v1/chat/completions", json=body)).status_code


async def preview(house: House, rule: str, mode: str = "enforce", **query: Any) -> dict[str, Any]:
    async with house.admin as admin:
        found = {"use_case": "claims", "mode": mode, **query}
        answer = await admin.get(f"/api/rules/{rule}/preview", params=found)
    assert answer.status_code == 200, answer.text
    counted: dict[str, Any] = answer.json()
    return counted


def counts(previewed: dict[str, Any]) -> dict[str, int]:
    names = ("calls", "refused", "asked", "allowed", "more_duties", "fewer_duties")
    return {name: previewed[name] for name in names if previewed[name]}


async def test_a_preview_counts_the_calls_that_the_records_show_and_links_to_them(house: House):
    await used(house)
    strict = await preview(house, "no-ada")
    assert (counts(strict), strict["is_complete"]) == ({"calls": 2, "refused": 2}, True)
    marked = await house.records(rule="no-ada", use_case="claims")
    assert [one["record"]["id"] for one in strict["examples"]] == [one["id"] for one in marked]
    assert {one["record"]["would"] for one in strict["examples"]} == {"deny"}
    assert counts(await preview(house, "ask-for-bob")) == {"calls": 2, "asked": 2}
    assert counts(await preview(house, "short-answers")) == {"calls": 3, "more_duties": 3}
    assert counts(await preview(house, "no-ada", "observe")) == {"calls": 2}
    assert counts(await preview(house, "no-ada", use_case="getting-started")) == {}
    access = await preview(house, "models-for-registered", "observe")
    assert counts(access) == {"calls": 3, "refused": 3}


async def test_after_the_change_the_calls_end_as_previewed_and_the_way_back_is_previewed_too(house: House):
    await used(house)
    bob = await house.register("bob", use_case="claims")
    async with house.admin as admin:
        for rule in ("no-ada", "ask-for-bob", "short-answers"):
            await admin.put(f"/api/use-cases/claims/rules/{rule}", json={"mode": "enforce"})
    assert await call(house, bob, "Write to ada@example.org") == 400
    assert await call(house, bob, "Hello again") == 400
    await house.log_everything()
    assert counts(await preview(house, "no-ada", "observe")) == {"calls": 3, "asked": 1}
    assert counts(await preview(house, "ask-for-bob", "observe")) == {"calls": 4, "allowed": 1}
    async with house.admin as admin:
        await admin.put("/api/use-cases/claims/rules/ask-for-bob", json={"mode": "observe"})
        assert await call(house, bob, "Hello again") == 200
        await house.log_everything()
        fewer = counts(await preview(house, "short-answers", "observe"))
        assert fewer["fewer_duties"] == 2  # the one that asked, and the one that was allowed
        matches = (await admin.get("/api/rules/matches")).json()
        by_rule = {one["rule"]: one["days"] for one in matches["matches"]}
        assert by_rule["short-answers"] == [*(0 for _ in range(29)), 6]
        for query in ({}, {"use_case": "claims"}, {"use_case": "claims", "mode": "enforce", "days": 32}):
            assert (await admin.get("/api/rules/no-ada/preview", params=query)).status_code == 400
    async with house.client(bob) as client:
        query = {"use_case": "claims", "mode": "enforce"}
        assert (await client.get("/api/rules/no-ada/preview", params=query)).status_code == 403
        assert (await client.get("/api/rules/matches")).status_code == 403


async def test_rules_say_in_words_what_they_do_and_where_they_come_from(house: House):
    await used(house)
    duties = {
        "Masks health data, other things and personal data as pseudonyms": (
            '@duty("mask") @categories("phi,pii_pseudonymous,other_things")'
        ),
        "Limits answers to 1,500 tokens": '@duty("cap") @output_tokens("1500")',
        "Records no content": '@duty("log") @level("none")',
        "Records content only masked": '@duty("log") @level("masked")',
        "Keeps calls on our own machines": '@duty("restrict") @custody("organisation")',
    }
    text = "".join(
        f'@id("duty-{number}") @reason("r") {duty}'
        ' permit (principal, action == Headgate::Action::"model.dispatch", resource);'
        for number, duty in enumerate(duties.values())
    )
    async with house.worker.platform.administration.transaction(tenant=DEFAULT_TENANT) as tx:
        policy = CustomPolicy("duties", DEFAULT_TENANT, text)
        await house.worker.service(Policy).service.put_policies(tx, [policy], tenant=DEFAULT_TENANT)
    async with house.admin as admin:
        rules = {one["id"]: one for one in (await admin.get("/api/rules")).json()["rules"]}
    assert [rules[f"duty-{number}"]["effect"] for number in range(len(duties))] == list(duties)
    origin = {name: (rules[name]["source"], rules[name]["policy"]) for name in ("duty-0", "no-ada", "mask-secrets")}
    assert origin == {"duty-0": ("own", "duties"), "no-ada": ("file", "own"), "mask-secrets": ("built_in", None)}
    assert (rules["no-ada"]["effect"], rules["ask-for-bob"]["effect"]) == ("Refuses", "Asks for approval")
    assert (rules["key-scope"]["is_always"], rules["no-ada"]["is_always"]) == (True, False)
