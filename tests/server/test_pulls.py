"""Pulling models through the admin API: who may, what the record says, and how a failure is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from headgate.testing.house import House

MODEL = b"GGUF" + b"weights" * 100_000
DIGEST = hashlib.sha256(MODEL).hexdigest()
PATH = "/api/models/pulled"


@asynccontextmanager
async def mirror() -> AsyncGenerator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 x\r\ncontent-length: %d\r\n\r\n" % len(MODEL) + MODEL)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n", 1) for block in text.split("\n\n") if block.startswith("event: ")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in blocks]


async def test_an_administrator_pulls_a_model_and_the_record_says_from_where(house: House):
    async with house.admin as client, mirror() as port:
        network = {"entry": {"id": "mirror", "allow": [f"127.0.0.1:{port}"]}}
        assert (await client.put("/api/entries/network/mirror", json=network)).status_code == 200
        wanted = {"name": "tiny", "url": f"http://127.0.0.1:{port}/m.gguf?key=secret", "sha256": DIGEST}
        inside = await client.post(PATH, json=wanted)
        assert inside.status_code == 403, "the default network reaches no address inside"
        wanted["network"] = "mirror"
        wrong = await client.post(PATH, json={**wanted, "sha256": "0" * 64})
        (*_, (kind, told)) = events(wrong.text)
        assert (kind, "it was removed" in told["error"]["message"]) == ("error", True)
        pulled = await client.post(PATH, json=wanted)
        (first, *_, (kind, told)) = events(pulled.text)
        assert first[0] == "progress" and first[1]["size_bytes"] == len(MODEL)
        assert (kind, told["model"]["sha256"]) == ("pulled", DIGEST)
        listed = (await client.get(PATH)).json()
        assert [one["name"] for one in listed["models"]] == ["tiny"] and listed["known"]

        records = [one for one in await house.records() if one["verb"] == "model.pull"]
        assert [one["outcome"] for one in records] == ["done", "failed", "refused"]
        shown = json.dumps(records)
        assert DIGEST in shown and "127.0.0.1" in shown and "secret" not in shown

        for body, status in (
            ({"name": "tiny"}, 404),
            ({"name": "tiny", "url": wanted["url"]}, 400),
            ({"name": "local-chat", "url": wanted["url"], "sha256": DIGEST}, 400),
            ({"name": "small.part", "url": wanted["url"], "sha256": DIGEST}, 400),
            ({**wanted, "network": "gone"}, 404),
            ({**wanted, "url": "http://169.254.169.254/x"}, 400),
            ({"name": "../x", "url": wanted["url"], "sha256": DIGEST}, 400),
        ):
            assert (await client.post(PATH, json=body)).status_code == status, body
        assert (await client.delete(f"{PATH}/tiny")).json() == {"name": "tiny", "freed_bytes": len(MODEL)}
        assert (await client.delete(f"{PATH}/tiny")).status_code == 404
        assert (await client.delete(f"{PATH}/..%2Ftiny")).status_code in (400, 404)
    async with house.client(await house.register("eva@example.org")) as client:
        assert (await client.post(PATH, json=wanted)).status_code == 403
        assert (await client.delete(f"{PATH}/tiny")).status_code == 403
