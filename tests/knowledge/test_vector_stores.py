"""Vector stores of OpenAI's wire, with OpenAI's own client and the embedded embedder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from headgate.testing.lab import Lab, open_lab

pytestmark = pytest.mark.e2e

TRAVEL = b"# Travel\n\nNights in a hotel are paid up to 140 euros. Book trains before flights.\n"
LEAVE = b"# Leave\n\nEmployees have 28 days of leave in a year. Ask two weeks before.\n"

COLLECTIONS = """
[[collection]]
id = "handbook"
title = "Employee handbook"
owner = "clerk"
readers = ["grace"]
confidentiality = "public"
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab") / "data") as lab:
        lab.gate.apply(lab.toml + COLLECTIONS)
        yield lab


def sdk(lab: Lab, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=lab.openai_url, api_key=key, max_retries=0, timeout=60)


@pytest.fixture
def clerk(lab: Lab) -> Iterator[openai.OpenAI]:
    with sdk(lab, lab.clerk) as client:
        yield client


@pytest.fixture
def intern(lab: Lab) -> Iterator[openai.OpenAI]:
    with sdk(lab, lab.intern) as client:
        yield client


@pytest.fixture
def reader(lab: Lab) -> Iterator[openai.OpenAI]:
    with sdk(lab, lab.gate.new_key("reader's", principal="grace", use_case="support")) as client:
        yield client


def texts(found: Any) -> list[str]:
    return [one.content[0].text for one in found]


def upload(client: openai.OpenAI, name: str, text: bytes) -> str:
    return client.files.create(file=(name, text), purpose="assistants").id


def test_a_file_is_found_until_it_is_removed(clerk: openai.OpenAI) -> None:
    store = clerk.vector_stores.create(name="Rules", metadata={"team": "travel"}, expires_after=_DAYS)
    assert (store.name, store.status, store.file_counts.total) == ("Rules", "completed", 0)
    travel = clerk.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("travel.md", TRAVEL))
    leave = clerk.vector_stores.files.create_and_poll(
        upload(clerk, "leave.md", LEAVE), vector_store_id=store.id, attributes={"year": 2026, "draft": False}
    )
    assert (travel.status, leave.status, leave.last_error) == ("completed", "completed", None)
    assert leave.attributes == {"year": 2026, "draft": False}
    assert clerk.vector_stores.retrieve(store.id).file_counts.completed == 2

    found = clerk.vector_stores.search(store.id, query="What does a hotel cost at most?").data
    assert "140 euros" in texts(found)[0]
    assert (found[0].filename, found[0].file_id, found[0].score) == ("travel.md", travel.id, 1.0)
    said = list(clerk.vector_stores.files.content(leave.id, vector_store_id=store.id))
    assert "28 days of leave" in "".join(part.text or "" for part in said)

    clerk.vector_stores.files.delete(travel.id, vector_store_id=store.id)
    assert all("hotel" not in text for text in texts(clerk.vector_stores.search(store.id, query="hotel").data))
    with pytest.raises(openai.NotFoundError):
        clerk.vector_stores.files.retrieve(travel.id, vector_store_id=store.id)
    assert clerk.files.retrieve(travel.id).filename == "travel.md", "the uploaded file stays"
    clerk.files.delete(leave.id)
    assert clerk.vector_stores.search(store.id, query="days of leave").data == [], "a deleted file leaves its stores"

    assert clerk.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        clerk.vector_stores.search(store.id, query="leave")


def test_filters_count_before_any_cut(clerk: openai.OpenAI) -> None:
    store = clerk.vector_stores.create()
    given: Any = [
        {"file_id": upload(clerk, f"{year}.md", LEAVE.replace(b"28", days)), "attributes": {"year": year}}
        for year, days in ((2024, b"24"), (2025, b"26"), (2026, b"28"))
    ]
    batch = clerk.vector_stores.file_batches.create_and_poll(store.id, files=given)
    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 3, 3)
    listed = [
        one.id for one in clerk.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, limit=2)
    ]
    assert sorted(listed) == sorted(one["file_id"] for one in given), "every page, each file once"

    def names(filters: Any, most: int = 10) -> list[str]:
        found = clerk.vector_stores.search(store.id, query="days of leave", filters=filters, max_num_results=most)
        return sorted(one.filename for one in found.data)

    old: Any = {"type": "lt", "key": "year", "value": 2026}
    assert names(old) == ["2024.md", "2025.md"]
    assert names({"type": "eq", "key": "year", "value": 2024}, most=1) == ["2024.md"]
    assert names({"type": "and", "filters": [old, {"type": "ne", "key": "year", "value": 2024}]}) == ["2025.md"]
    assert names({"type": "in", "key": "team", "value": ["a"]}) == []
    with pytest.raises(openai.BadRequestError, match="filters"):
        names({"type": "like", "key": "year", "value": 2024})
    clerk.vector_stores.delete(store.id)


def test_a_store_of_somebody_else_is_not_there(clerk: openai.OpenAI, intern: openai.OpenAI) -> None:
    store, file = clerk.vector_stores.create(name="Mine"), upload(clerk, "travel.md", TRAVEL)
    clerk.vector_stores.files.create_and_poll(file, vector_store_id=store.id)
    other, stores = intern.vector_stores.create(name="Other"), intern.vector_stores
    for ask in (
        lambda: stores.retrieve(store.id),
        lambda: stores.search(store.id, query="hotel"),
        lambda: stores.delete(store.id),
        lambda: stores.update(store.id, name="Theirs"),
        lambda: stores.files.list(store.id),
        lambda: stores.files.content(file, vector_store_id=store.id),
        lambda: stores.files.create(file_id=file, vector_store_id=other.id),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    assert store.id not in [one.id for one in stores.list()]
    assert store.id in [one.id for one in clerk.vector_stores.list(limit=1)], "every page"


def test_a_collection_is_a_store_of_its_readers(
    lab: Lab, clerk: openai.OpenAI, reader: openai.OpenAI, intern: openai.OpenAI
) -> None:
    file = clerk.vector_stores.files.upload_and_poll(vector_store_id="handbook", file=("travel.md", TRAVEL))
    assert file.status == "completed"
    shown = reader.vector_stores.retrieve("handbook")
    assert (shown.name, shown.file_counts.completed) == ("Employee handbook", 1)
    assert "140 euros" in texts(reader.vector_stores.search("handbook", query="hotel").data)[0]
    mine = upload(reader, "leave.md", LEAVE)
    with pytest.raises(openai.BadRequestError, match="role"):
        reader.vector_stores.files.create(file_id=mine, vector_store_id="handbook")
    with pytest.raises(openai.BadRequestError, match="role"):
        reader.vector_stores.files.delete(file.id, vector_store_id="handbook")
    with pytest.raises(openai.BadRequestError, match="collection of the organisation"):
        clerk.vector_stores.delete("handbook")
    with pytest.raises(openai.NotFoundError):
        intern.vector_stores.search("handbook", query="hotel")
    assert "handbook" not in [one.id for one in intern.vector_stores.list()]
    lab.gate.apply(lab.toml + COLLECTIONS.replace('readers = ["grace"]', "readers = []"))
    with pytest.raises(openai.NotFoundError):
        reader.vector_stores.search("handbook", query="hotel")
    lab.gate.apply(lab.toml + COLLECTIONS)


def test_an_unreadable_file_says_why(clerk: openai.OpenAI) -> None:
    store = clerk.vector_stores.create()
    file = clerk.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("broken.pdf", b"%PDF-1.7 broken"))
    assert file.status == "failed"
    assert file.last_error is not None
    assert file.last_error.message
    counts = clerk.vector_stores.retrieve(store.id).file_counts
    assert (counts.failed, counts.total) == (1, 1)


def test_a_search_is_recorded(lab: Lab, clerk: openai.OpenAI) -> None:
    store = clerk.vector_stores.create()
    answer = clerk.vector_stores.with_raw_response.search(store.id, query="hotel")
    record = lab.record(answer.headers["x-headgate-record"])["record"]
    assert (record["verb"], record["outcome"]) == ("knowledge.search", "done")


_DAYS: Any = {"anchor": "last_active_at", "days": 7}
