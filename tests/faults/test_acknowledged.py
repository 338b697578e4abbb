"""What was acknowledged survives kill -9: the system has the closing before the last byte of the answer leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.faults.conftest import body_of

from headgate.ledger.leaves import decode_entry
from headgate.ledger.parts import Ledger
from headgate.server.asgi import Message
from headgate.substrate import journal as journals
from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase, fresh_database, postgres

__all__ = ["fresh_database", "postgres"]

pytestmark = pytest.mark.fault


@pytest.fixture
async def house(fresh_database: TemporaryDatabase, tmp_path: Path) -> AsyncGenerator[House]:
    """The application in this process, so that a test can look between two of its steps."""
    (tmp_path / "static").mkdir()
    async with open_house(fresh_database, folder=tmp_path / "data", console=tmp_path / "static") as opened:
        yield opened


def closed_on_disk(house: House) -> set[str]:
    """The ids of the records whose closing the operating system has."""
    entries = map(decode_entry, journals.read(house.worker.service(Ledger).journal.folder, journals.START).payloads)
    return {entry.id for entry in entries if entry.is_closing}


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("model", ["local-chat", "there-is-no-such-model"])
@pytest.mark.parametrize("stream", [False, True])
async def test_when_the_last_byte_of_an_answer_leaves_its_record_is_closed_on_disk(
    house: House, stream: bool, model: str, wire: str
) -> None:
    body = body_of("hello", stream=stream, wire=wire).replace(b'"smart"', f'"{model}"'.encode())
    at_the_end: list[set[str]] = []
    records: list[str] = []
    is_sent = False

    async def receive() -> Message:
        nonlocal is_sent
        if not is_sent:
            is_sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            records.extend(value.decode() for name, value in message["headers"] if name == b"x-headgate-record")
        elif not message.get("more_body", False):
            at_the_end.append(closed_on_disk(house))

    path = "/v1/messages" if wire == "anthropic" else "/v1/chat/completions"
    headers = {
        "host": "127.0.0.1:8080",
        "authorization": f"Bearer {house.admin_key}",
        "content-type": "application/json",
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await house.app(scope, receive, send)
    assert len(records) == len(at_the_end) == 1
    assert records[0] in at_the_end[0]
