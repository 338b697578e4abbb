"""Passes over a stranger's source: told changes, limits that are waited for, and passes that replace others."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from headgate.kernel.errors import Invalid, Unavailable
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.eventually import eventually
from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase

STRANGERS = Path(__file__).parent / "strangers"
SHELF = '[[collection]]\nid = "shelf"\nowner = "admin"\nreaders = ["*"]\n'


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stranger's package is installed, for this test."""
    monkeypatch.syspath_prepend(str(STRANGERS))
    yield importlib.import_module("wandering").connector.shelf
    sys.modules.pop("wandering", None)


@dataclass(slots=True)
class Site:
    """A worker with a shelf as its source."""

    house: House
    shelf: Any

    async def declare(self, *lines: str) -> None:
        source = '[[source]]\nid = "books"\ncollection = "shelf"\nkind = "wandering"'
        async with self.house.admin as admin:
            answer = await admin.post("/api/config/apply", json={"toml": "\n".join((SHELF, source, *lines, ""))})
        assert answer.status_code == 200, answer.text

    async def standing(self) -> dict[str, Any]:
        async with self.house.admin as admin:
            return (await admin.get("/api/knowledge/sources")).json()["sources"][0]

    async def ended(self, round_: int) -> dict[str, Any]:
        """Return how the source stands once a pass has ended."""

        async def look() -> dict[str, Any] | None:
            found = await self.standing()
            return found if found["round"] >= round_ and found["ended_at"] is not None else None

        return await eventually(look)

    async def sync(self) -> dict[str, Any]:
        async with self.house.admin as admin:
            begun = (await admin.post("/api/knowledge/sources/books/sync")).json()
        return await self.ended(begun["round"])

    async def documents(self) -> dict[str, dict[str, Any]]:
        async with self.house.admin as admin:
            found = (await admin.get("/api/knowledge/collections/shelf/documents")).json()["documents"]
        return {one["name"]: one for one in found}


@pytest_asyncio.fixture
async def site(shelf: Any, fresh_database: TemporaryDatabase, tmp_path: Path) -> AsyncGenerator[Site]:
    console = tmp_path / "static"
    console.mkdir()
    (console / "index.html").write_text("<!doctype html>")
    (tmp_path / "data").mkdir(mode=0o700)
    async with open_house(fresh_database, folder=tmp_path / "data", console=console) as house:
        yield Site(house, shelf)


async def test_a_source_that_tells_changes_is_listed_once_and_again_when_it_forgets(site: Site) -> None:
    for ref in ("a", "b", "c", "d", "e"):
        site.shelf.put(ref, f"The book {ref}.")
    await site.declare()
    first = await site.ended(1)
    assert (first["found"], first["changed"], first["removed"]) == (5, 5, 0)
    assert site.shelf.listed == ["", "from:2", "from:4"]
    assert (await site.documents())["a.md"]["url"] == "https://shelf.example/a"

    site.shelf.put("a", "Another book a.")
    site.shelf.put("b", "The book b.", readers=("ana@example.com",))
    site.shelf.drop("c")
    second = await site.sync()
    assert (second["found"], second["changed"], second["removed"]) == (2, 1, 1)
    assert site.shelf.listed[3:] == ["since:5"]
    assert site.shelf.fetched == ["a", "b", "c", "d", "e", "a"]
    documents = await site.documents()
    assert documents.keys() == {"a.md", "b.md", "d.md", "e.md"}
    assert documents["b.md"]["readers"] == ["ana@example.com"]

    site.shelf.drop("d")
    site.shelf.oldest = 99
    await site.sync()
    third = await site.ended(4)
    assert (third["found"], third["changed"], third["removed"]) == (3, 0, 1)
    assert (await site.documents()).keys() == {"a.md", "b.md", "e.md"}


async def test_a_limit_is_waited_for_and_a_document_that_fails_fails_alone(site: Site) -> None:
    for ref in ("a", "b", "c", "d"):
        site.shelf.put(ref, f"The book {ref}.")
    site.shelf.refusals |= {
        "b": Unavailable("slowly", retry_after_s=0.05),
        "c": Invalid("it is locked"),
        "d": ValueError(),
    }
    await site.declare()
    first = await site.ended(1)
    assert (first["found"], first["changed"], first["failed"], first["fault"]) == (4, 2, 2, "")
    assert site.shelf.fetched == ["a", "b", "b", "c", "d"]
    documents = await site.documents()
    assert documents["c"]["fault"] == "it could not be fetched: it is locked"
    assert "log has its cause" in documents["d"]["fault"]

    await site.declare("every_minutes = 5")
    second = await site.ended(2)
    assert (second["found"], second["changed"], second["failed"]) == (4, 2, 0)
    assert site.shelf.fetched[5:] == ["c", "d"]
    assert (await site.documents()).keys() == {"a.md", "b.md", "c.md", "d.md"}


async def test_a_changed_entry_replaces_a_pass_and_its_late_document_is_not_put(site: Site) -> None:
    site.shelf.put("a", "The book a.")
    held = site.shelf.held["a"] = asyncio.Event()
    await site.declare('readers = ["*"]')

    async def asked() -> bool:
        return site.shelf.fetched == ["a"]

    await eventually(asked)
    await site.declare('readers = ["group:finance"]')
    await site.ended(2)
    held.set()

    async def is_over() -> bool:
        status = await site.house.worker.platform.durable.status("source.books.1", tenant=DEFAULT_TENANT)
        return status is not None and status.state in ("done", "cancelled")

    await eventually(is_over)
    (document,) = (await site.documents()).values()
    assert document["readers"] == ["group:finance"]
    assert (await site.standing())["changed"] == 1


async def test_each_reading_of_a_source_leaves_a_record_without_names(site: Site) -> None:
    site.shelf.put("salaries of 2027", "The book.")
    await site.declare()
    await site.ended(1)
    records = await site.house.records(verb="connector.fetch")
    assert [(one["outcome"], one["facts"]["asked"]) for one in records] == [("done", "fetch"), ("done", "changes")]
    assert records[0]["facts"]["source"] == "books"
    assert "salaries" not in str(records)
