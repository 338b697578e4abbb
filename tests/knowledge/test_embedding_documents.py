"""Documents whose texts the embedder refuses, and those that go away while they are embedded."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from headgate.kernel.errors import Upstream
from headgate.knowledge.embedding import AT_ONCE, DIMENSIONS, Embedding
from headgate.knowledge.index import Vector
from headgate.testing.eventually import eventually
from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase

SHELF = '[[collection]]\nid = "shelf"\nowner = "admin"\nreaders = ["*"]\n'


@dataclass(slots=True)
class Embedder:
    """An embedder that refuses texts with a word, and can be made to wait."""

    refused: str = ""
    calls: list[int] = field(default_factory=list[int])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def vectors(self, texts: Sequence[str]) -> list[Vector]:
        self.calls.append(len(texts))
        self.asked.set()
        await self.goes_on.wait()
        if self.refused and any(self.refused in text for text in texts):
            raise Upstream(
                "the text is too long",
                upstream_status=400,
                upstream_code="context_length_exceeded",
                retryable=False,
            )
        return [np.ones(DIMENSIONS, np.float32) for _ in texts]


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> Embedder:
    made = Embedder()

    async def vectors(_self: Embedding, _run: object, texts: Sequence[str]) -> list[Vector]:
        return await made.vectors(texts)

    monkeypatch.setattr(Embedding, "vectors", vectors)
    return made


@pytest_asyncio.fixture
async def house(fresh_database: TemporaryDatabase, tmp_path: Path) -> AsyncGenerator[House]:
    console = tmp_path / "static"
    console.mkdir()
    (console / "index.html").write_text("<!doctype html>")
    (tmp_path / "data").mkdir(mode=0o700)
    async with open_house(fresh_database, folder=tmp_path / "data", console=console) as opened:
        async with opened.admin as admin:
            assert (await admin.post("/api/config/apply", json={"toml": SHELF})).status_code == 200
        yield opened


async def add(house: House, text: str) -> str:
    body = {"name": "book.md", "data": base64.b64encode(text.encode()).decode()}
    async with house.admin as admin:
        answer = await admin.post("/api/knowledge/collections/shelf/documents", json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()["id"]


async def stands(house: House, document: str, state: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        async with house.admin as admin:
            found = (await admin.get("/api/knowledge/collections/shelf/documents")).json()["documents"]
        return next((one for one in found if one["id"] == document and one["state"] == state), None)

    return await eventually(look)


def chapters(count: int) -> str:
    return "\n\n".join(f"# Chapter {number}\n\n" + "The pump needs oil. " * 40 for number in range(count))


async def test_a_passage_that_the_embedder_refuses_goes_without_a_vector(house: House, embedder: Embedder) -> None:
    embedder.refused = "Chapter 2"
    embedder.goes_on.set()
    document = await add(house, chapters(4))
    assert (await stands(house, document, "ready"))["passages"] == sum(embedder.calls[1:])
    assert embedder.calls == [embedder.calls[0], *[1] * embedder.calls[0]]


async def test_a_document_that_is_gone_is_embedded_no_further(house: House, embedder: Embedder) -> None:
    document = await add(house, chapters(AT_ONCE * 3))
    await embedder.asked.wait()
    async with house.admin as admin:
        assert (await admin.delete(f"/api/knowledge/documents/{document}")).status_code < 300
    embedder.goes_on.set()
    other = await add(house, "# Another\n\nThe valve regulates the pressure.")
    await stands(house, other, "ready")
    assert sorted(embedder.calls) == [1, AT_ONCE]
