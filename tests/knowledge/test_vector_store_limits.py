"""The time and the limits of private vector stores, in one worker."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest_asyncio

from headgate.knowledge.service import Knowledge
from headgate.knowledge.vector_stores import MOST_STORES
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase


@pytest_asyncio.fixture
async def house(fresh_database: TemporaryDatabase, tmp_path: Path) -> AsyncGenerator[House]:
    console = tmp_path / "static"
    console.mkdir()
    (console / "index.html").write_text("<!doctype html>")
    (tmp_path / "data").mkdir(mode=0o700)
    async with open_house(fresh_database, folder=tmp_path / "data", console=console) as house:
        yield house


async def uploaded(client: httpx2.AsyncClient, name: str) -> str:
    answer = await client.post(
        "/v1/files", files={"file": (name, b"# Rules\n\nBe kind.")}, data={"purpose": "user_data"}
    )
    return str(answer.raise_for_status().json()["id"])


async def made(client: httpx2.AsyncClient, **terms: Any) -> dict[str, Any]:
    return (await client.post("/v1/vector_stores", json=terms)).raise_for_status().json()


def expire(house: House, store: str) -> None:
    with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
        connection.execute(
            "UPDATE knowledge.vector_stores SET expires_at = now() - interval '1 minute' WHERE id = %s", (store,)
        )


async def test_an_expired_store_answers_nothing_and_loses_its_documents(house: House) -> None:
    key = await house.register("ana")
    async with house.client(key) as client:
        expires_after = {"anchor": "last_active_at", "days": 1}
        store = await made(client, expires_after=expires_after, file_ids=[await uploaded(client, "rules.md")])
        assert store["expires_at"] - store["last_active_at"] == 86_400
        assert store["file_counts"]["total"] == 1
        expire(house, store["id"])
        path = f"/v1/vector_stores/{store['id']}"
        searched = await client.post(f"{path}/search", json={"query": "kind"})
        assert (searched.status_code, "has expired" in searched.text) == (400, True)
        call = {"model": "any", "input": "kind?", "tools": [{"type": "file_search", "vector_store_ids": [store["id"]]}]}
        assert "has expired" in (await client.post("/v1/responses", json=call)).text
        await house.worker.service(Knowledge).stores.sweep(tenant=DEFAULT_TENANT)
        shown = (await client.get(path)).json()
        assert (shown["status"], shown["file_counts"]["total"]) == ("expired", 0)


async def test_a_cancelled_batch_leaves_no_file_on_its_way(house: House) -> None:
    key = await house.register("ana")
    async with house.client(key) as client:
        path = f"/v1/vector_stores/{(await made(client))['id']}"
        files = [await uploaded(client, f"{at}.md") for at in range(4)]
        begun = (await client.post(f"{path}/file_batches", json={"file_ids": files})).raise_for_status().json()
        assert begun["file_counts"]["total"] == 4
        ended = (await client.post(f"{path}/file_batches/{begun['id']}/cancel")).raise_for_status().json()
        counts = ended["file_counts"]
        assert (ended["status"], counts["in_progress"], counts["failed"]) == ("cancelled", 0, 0)
        listed = (await client.get(f"{path}/files", params={"filter": "cancelled"})).json()["data"]
        assert len(listed) == counts["cancelled"] == 4 - counts["completed"]


async def test_a_store_goes_with_its_owner(house: House) -> None:
    kept, gone = [await house.register(name) for name in ("ana", "ben")]
    for key in (kept, gone):
        async with house.client(key) as client:
            await made(client)
    with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
        connection.execute("UPDATE knowledge.vector_stores SET active_at = active_at - interval '2 days'")
        async with house.admin as admin:
            (await admin.delete("/api/people/ben")).raise_for_status()
        await house.worker.service(Knowledge).stores.sweep(tenant=DEFAULT_TENANT)
        left = connection.execute("SELECT owner FROM knowledge.vector_stores").fetchall()
    assert left == [("ana",)]


async def test_a_principal_has_a_limit_of_stores(house: House) -> None:
    key = await house.register("ana")
    async with house.client(key) as client:
        for _ in range(MOST_STORES):
            await made(client)
        refused = await client.post("/v1/vector_stores", json={})
        assert (refused.status_code, "delete one" in refused.text) == (429, True)
        one = (await client.get("/v1/vector_stores", params={"limit": 1})).json()
        assert (len(one["data"]), one["has_more"]) == (1, True)
        await client.delete(f"/v1/vector_stores/{one['last_id']}")
        await made(client)
