"""Questions to experts: who sees them, who sees the replies, and what people say about answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headgate.admin.client import ApiError, Client
from headgate.testing.running import RunningHeadgate, running_headgate

CONFIG = """
[[person]]
id = "ana@example.com"
name = "Ana Lima"
confidentiality = "internal"
categories = []

[[person]]
id = "ben@example.com"
name = "Ben Ode"

[[person]]
id = "maria@example.com"
name = "Maria Kim"

[[use_case]]
id = "research"
owner = "admin"
purpose = "Questions over documents"
members = ["*"]

[[collection]]
id = "handbook"
title = "Employee handbook"
owner = "admin"
readers = ["*"]
experts = ["maria@example.com"]

[[collection]]
id = "board"
title = "Board papers"
owner = "maria@example.com"
readers = []
"""

QUESTIONS = "/api/knowledge/questions"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHeadgate]:
    with running_headgate(tmp_path_factory.mktemp("questions") / "data") as running:
        running.apply(CONFIG)
        yield running


@pytest.fixture(scope="module")
def people(gate: RunningHeadgate) -> dict[str, Client]:
    """Clients of three people, each with a key of their own."""
    made = {
        name: gate.new_key(name, use_case="research", principal=f"{name}@example.com")
        for name in ("ana", "ben", "maria")
    }
    return {name: Client(gate.base_url, secret) for name, secret in made.items()}


def test_a_collection_names_its_experts_to_its_readers(people: dict[str, Client]) -> None:
    [seen] = people["ben"].call("GET", "/api/knowledge/collections")["collections"]

    assert seen["expert_names"] == ["Maria Kim"]


def test_only_the_asker_and_the_experts_see_a_question(people: dict[str, Client]) -> None:
    made = ask(people["ben"], "Where is the bicycle cellar?")

    assert made["id"] in ids(people["maria"], "as=expert&state=open")
    assert made["id"] in ids(people["ben"], "as=asker")
    assert made["id"] not in ids(people["ben"], "as=expert")
    assert made["id"] not in ids(people["ana"])
    for what, body in (("reply", {"text": "Below the yard."}), ("close", None)):
        assert refused(people["ana"], f"{QUESTIONS}/{made['id']}/{what}", body) == 404
    assert refused(people["ben"], f"{QUESTIONS}/{made['id']}/reply", {"text": "I know it now."}) == 403
    assert refused(people["ben"], "/api/knowledge/collections/board/questions", {"text": "What was said?"}) == 404


def test_a_question_ends_once(people: dict[str, Client]) -> None:
    asked = [ask(people["ben"], f"Which door is number {number}?")["id"] for number in (1, 2)]
    told = people["maria"].call("POST", f"{QUESTIONS}/{asked[0]}/reply", {"text": "The red one."})
    gone = people["ben"].call("POST", f"{QUESTIONS}/{asked[1]}/close")

    assert (told["state"], told["expert_name"], told["reply"]) == ("answered", "Maria Kim", "The red one.")
    assert (gone["state"], gone["expert"], gone["can_answer"]) == ("closed", "ben@example.com", False)
    for one in asked:
        assert refused(people["maria"], f"{QUESTIONS}/{one}/reply", {"text": "The blue one."}) == 409
        assert refused(people["maria"], f"{QUESTIONS}/{one}/close") == 409


def test_a_reply_is_kept_from_an_asker_without_the_clearance(people: dict[str, Client]) -> None:
    made = ask(people["ana"], "Whom do I write to about parking?")
    people["maria"].call("POST", f"{QUESTIONS}/{made['id']}/reply", {"text": "Write to ada.byron@example.org."})

    seen = next(one for one in questions(people["ana"]) if one["id"] == made["id"])
    assert (seen["state"], seen["reply"]) == ("answered", None)
    by_expert = next(one for one in questions(people["maria"]) if one["id"] == made["id"])
    assert by_expert["reply"] == "Write to ada.byron@example.org."


def test_pages_go_on_past_questions_that_the_reader_may_not_see(people: dict[str, Client]) -> None:
    wanted = {ask(people["ben"], f"What is room {number} for?")["id"] for number in range(3)}
    found: set[str] = set()
    cursor: str | None = ""
    while cursor is not None:
        page = people["maria"].call("GET", f"{QUESTIONS}?limit=1" + (f"&cursor={cursor}" if cursor else ""))
        found |= {one["id"] for one in page["questions"]}
        cursor = page["next"]

    assert wanted <= found


def test_the_last_word_of_each_person_on_an_answer_counts(gate: RunningHeadgate, people: dict[str, Client]) -> None:
    record = people["ben"].call("POST", "/api/knowledge/ask", {"question": "Where is the canteen?"})["record"]
    for name, is_right in (("ana", False), ("ben", False), ("ben", True)):
        body = {"record": record, "collections": ["handbook"], "is_right": is_right}
        people[name].call("POST", "/api/knowledge/ratings", body)

    quality = gate.api.call("GET", "/api/knowledge/collections/handbook/quality")
    assert (quality["right"], quality["wrong"]) == (1, 1)
    with pytest.raises(ApiError) as caught:
        people["ben"].call("GET", "/api/knowledge/collections/handbook/quality")
    assert caught.value.api_status == 403


def ask(client: Client, text: str) -> dict[str, Any]:
    return client.call("POST", "/api/knowledge/collections/handbook/questions", {"text": text})


def questions(client: Client, query: str = "") -> list[dict[str, Any]]:
    return client.call("GET", f"{QUESTIONS}?{query}")["questions"]


def ids(client: Client, query: str = "") -> set[str]:
    return {one["id"] for one in questions(client, query)}


def refused(client: Client, path: str, body: Any = None) -> int:
    """Return the status of a refusal."""
    with pytest.raises(ApiError) as caught:
        client.call("POST", path, body)
    return caught.value.api_status
