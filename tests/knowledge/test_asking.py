"""Knowledge through the front door: documents added, read, searched, asked, and closed to others."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.admin.client import ApiError, Client
from headgate.testing.lab import until
from headgate.testing.running import RunningHeadgate, running_headgate

CONFIG = """
[[person]]
id = "ana@example.com"
name = "Ana Lima"
groups = ["finance"]

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
owner = "maria@example.com"
readers = ["*"]
experts = ["maria@example.com"]
shelf_life_days = 365

[[collection]]
id = "ledger"
title = "Finance"
owner = "maria@example.com"
readers = ["group:finance"]
"""

LEAVE = """# Leave

## Annual leave

Employees have 28 days of annual leave in their first year. Unused days expire at the end of March.

## Parental leave

Parents take up to 16 weeks of parental leave. Tell your manager eight weeks before it begins.
"""

TRAVEL = """# Travel

Book flights with the travel desk. Hotels cost at most 140 euros a night. Keep receipts for seven years.
"""

BONUS = "# Bonus plan\n\nThe bonus pool of 2027 is 4.2 million euros. It is paid in May.\n"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHeadgate]:
    with running_headgate(tmp_path_factory.mktemp("knowledge") / "data") as running:
        running.apply(CONFIG)
        yield running


@pytest.fixture(scope="module")
def people(gate: RunningHeadgate) -> dict[str, Client]:
    """Clients of three people, each with a key of their own."""
    names = ("ana", "ben", "maria")
    made = {name: gate.new_key(name, use_case="research", principal=f"{name}@example.com") for name in names}
    return {name: Client(gate.base_url, secret) for name, secret in made.items()}


@pytest.fixture(scope="module")
def library(people: dict[str, Client]) -> dict[str, str]:
    """The ids of the documents by name, all of them ready."""
    files = [("handbook", "leave.md", LEAVE), ("handbook", "travel.md", TRAVEL), ("ledger", "bonus.md", BONUS)]
    return {name: add(people["maria"], collection, name, text.encode())["id"] for collection, name, text in files}


def test_answers_cite_the_passage_that_they_come_from(people: dict[str, Client], library: dict[str, str]) -> None:
    answer = ask(people["ben"], "How many days of annual leave are there in the first year?")

    said = answer["sentences"][0]
    source = answer["passages"][said["cites"][0]]
    assert "28 days of annual leave" in said["text"]
    assert source["document"] == library["leave.md"]
    assert source["passage"]["headings"] == ["Leave", "Annual leave"]
    assert answer["is_quoted"]


def test_a_question_finds_what_it_means_without_its_words(people: dict[str, Client], library: dict[str, str]) -> None:
    found = people["ben"].call("POST", "/api/knowledge/search", {"question": "price limit for accommodation"})

    assert found["legs"] == ["words", "meaning"]
    assert found["passages"][0]["document"] == library["travel.md"]


def test_a_quotation_may_have_other_words_than_the_question(people: dict[str, Client], library: dict[str, str]) -> None:
    answer = ask(people["ben"], "What is the price limit for overnight accommodation?")

    assert "140 euros a night" in str(answer["sentences"])


def test_nobody_finds_what_they_may_not_read(people: dict[str, Client], library: dict[str, str]) -> None:
    question = "How large is the bonus pool of 2027?"

    assert "4.2 million" in ask(people["ana"], question)["sentences"][0]["text"]
    answer = ask(people["ben"], question)
    assert library["bonus.md"] not in {one["document"] for one in answer["passages"]}
    assert "4.2 million" not in str(answer)
    for path in (library["bonus.md"], f"{library['bonus.md']}/file"):
        assert refused(people["ben"], "GET", f"/api/knowledge/documents/{path}") == 404
    assert [one["id"] for one in collections(people["ben"])] == ["handbook"]


def test_counts_tell_nothing_of_closed_documents(people: dict[str, Client]) -> None:
    maria, ben = people["maria"], people["ben"]
    secret = add(maria, "handbook", "pin.md", b"# Door\n\nThe card of the vault is 4111 1111 1111 1111.\n")
    try:
        assert "pci" in secret["labels"]
        seen = {name: collections(client)[0]["documents"] for name, client in (("maria", maria), ("ben", ben))}
        listed = len(ben.call("GET", "/api/knowledge/collections/handbook/documents")["documents"])
        assert seen["ben"] == listed
        assert seen["maria"] >= listed
    finally:
        maria.call("DELETE", f"/api/knowledge/documents/{secret['id']}")


def test_an_administrator_manages_but_does_not_read(gate: RunningHeadgate, library: dict[str, str]) -> None:
    detail = gate.api.call("GET", f"/api/knowledge/documents/{library['bonus.md']}")

    assert detail["passages"] == []
    assert not detail["is_reader"]
    assert refused(gate.api, "GET", f"/api/knowledge/documents/{library['bonus.md']}/file") == 403


def test_a_question_without_an_answer_says_so(people: dict[str, Client], library: dict[str, str]) -> None:
    answer = ask(people["ben"], "Who won the chess championship in 1972?")

    assert answer["sentences"] == []
    assert "No sentence" in answer["why"]
    assert answer["passages"]


def test_a_deleted_document_is_found_no_more(people: dict[str, Client]) -> None:
    maria = people["maria"]
    made = add(maria, "handbook", "parking.md", b"# Parking\n\nThe garage opens at 6 a.m. for bicycles and cars.\n")
    question = "When does the garage open?"
    assert ask(people["ben"], question)["sentences"]

    maria.call("DELETE", f"/api/knowledge/documents/{made['id']}")

    assert made["id"] not in {one["document"] for one in ask(people["ben"], question)["passages"]}


def test_a_new_text_of_a_name_replaces_the_old_one(people: dict[str, Client]) -> None:
    maria = people["maria"]
    first = add(maria, "handbook", "canteen.md", b"# Canteen\n\nLunch in the canteen costs 5 euros.\n")
    second = add(maria, "handbook", "canteen.md", b"# Canteen\n\nLunch in the canteen costs 6 euros.\n")

    assert second["id"] == first["id"]
    said = str(ask(people["ben"], "What does lunch in the canteen cost?")["sentences"])
    assert "6 euros" in said
    assert "5 euros" not in said


def test_a_file_that_cannot_be_read_is_set_aside_with_its_reason(people: dict[str, Client]) -> None:
    made = add(people["maria"], "handbook", "broken.pdf", b"%PDF-1.7\nno more of it", state="failed")

    assert made["fault"]
    assert refused(people["ben"], "DELETE", f"/api/knowledge/documents/{made['id']}") in (403, 404)
    people["maria"].call("DELETE", f"/api/knowledge/documents/{made['id']}")


def test_only_owners_add_documents(people: dict[str, Client]) -> None:
    body = {"name": "mine.md", "data": base64.b64encode(b"# Mine\n\nText.").decode()}

    assert refused(people["ben"], "POST", "/api/knowledge/collections/handbook/documents", body) == 403


def test_the_reply_of_an_expert_becomes_a_document(people: dict[str, Client], library: dict[str, str]) -> None:
    ben, maria = people["ben"], people["maria"]
    question = "May I bring my dog to the office?"
    made = ben.call("POST", "/api/knowledge/collections/handbook/questions", {"text": question})
    open_ones = maria.call("GET", "/api/knowledge/questions?state=open")["questions"]
    assert [one["id"] for one in open_ones if one["can_answer"]] == [made["id"]]

    told = maria.call(
        "POST", f"/api/knowledge/questions/{made['id']}/reply", {"text": "Dogs are welcome in the office on Fridays."}
    )

    until(lambda: document(maria, told["document"])["state"] == "ready" or None, what="the reply is indexed")
    answer = ask(ben, question)
    assert "Dogs are welcome" in str(answer["sentences"])
    assert ben.call("GET", "/api/knowledge/questions")["questions"][0]["reply"] is not None


def test_the_record_of_a_question_names_its_passages(
    gate: RunningHeadgate, people: dict[str, Client], library: dict[str, str]
) -> None:
    answer = ask(people["ben"], "How many weeks of parental leave do parents take?")

    record = until(lambda: shipped(gate.api, answer["record"]), what="the record is shipped")
    assert record["verb"] == "knowledge.answer"
    kept = str(gate.api.call("GET", f"/api/records/{answer['record']}"))
    assert "16 weeks" in kept
    assert "28 days of annual leave" not in kept  # other passages that were found are only named


def test_an_auditor_sees_what_somebody_finds_and_why(gate: RunningHeadgate, library: dict[str, str]) -> None:
    found = gate.api.call("GET", "/api/knowledge/access/ana@example.com")

    reaches = {one["collection"]: one for one in found["collections"]}
    assert reaches["ledger"]["because"] == ["a member of finance"]
    assert reaches["ledger"]["readable"] == 1
    ben = gate.api.call("GET", "/api/knowledge/access/ben@example.com")
    assert next(one for one in ben["collections"] if one["collection"] == "ledger")["readable"] == 0


def add(client: Client, collection: str, name: str, data: bytes, *, state: str = "ready") -> dict[str, Any]:
    """Add a document, and wait until it is in this state."""
    body = {"name": name, "data": base64.b64encode(data).decode()}
    made = client.call("POST", f"/api/knowledge/collections/{collection}/documents", body)

    def read() -> dict[str, Any] | None:
        now = document(client, made["id"])
        return now if now["state"] in ("ready", "failed") else None

    read_one = until(read, what=f"{name} is read")
    assert read_one["state"] == state, read_one["fault"]
    return read_one


def document(client: Client, document_id: str) -> dict[str, Any]:
    return client.call("GET", f"/api/knowledge/documents/{document_id}")["document"]


def ask(client: Client, question: str) -> dict[str, Any]:
    return client.call("POST", "/api/knowledge/ask", {"question": question})


def collections(client: Client) -> list[dict[str, Any]]:
    return client.call("GET", "/api/knowledge/collections")["collections"]


def refused(client: Client, method: str, path: str, body: Any = None) -> int:
    """Return the status of a refusal."""
    with pytest.raises(ApiError) as caught:
        client.call(method, path, body)
    return caught.value.api_status


def shipped(client: Client, record: str) -> dict[str, Any] | None:
    try:
        found = client.call("GET", f"/api/records/{record}")["record"]
    except ApiError:
        return None
    return found if found["outcome"] else None
