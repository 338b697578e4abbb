"""What the simulator does to a connection: pauses, stalls, cuts, and bytes as the script says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from headgate.testing.simulator import Framing, Script, Simulator
from headgate.testing.simulator.__main__ import options


class Got(NamedTuple):
    """An answer as it came: head, the bodies of its chunks, and whether it ended well."""

    head: bytes
    chunks: list[bytes]
    is_whole: bool

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


class Client:
    """A connection that speaks just enough HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, *, stream: bool = True, anthropic: bool = False, text: str = "hi") -> None:
        request = {"model": "m", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": text}]}
        body = json.dumps(request).encode()
        path = "/v1/messages" if anthropic else "/v1/chat/completions"
        self.writer.write(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (path.encode(), len(body), body))

    async def got(self) -> Got:
        head = await self.reader.readuntil(b"\r\n\r\n")
        chunks: list[bytes] = []
        try:
            if b"content-length" in head:
                size = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
                return Got(head, [await self.reader.readexactly(size)], True)
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                chunks.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readexactly(2)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return Got(head, chunks, False)
        return Got(head, chunks, True)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    connected = Client(*await asyncio.open_connection("127.0.0.1", simulator.port))
    yield connected
    connected.writer.transport.abort()


async def test_one_connection_takes_request_after_request(simulator: Simulator, client: Client) -> None:
    for _ in range(3):
        client.ask(stream=False)
        assert (await client.got()).is_whole
    assert [one.connection for one in simulator.requests] == [1, 1, 1]


async def test_a_stream_ends_with_its_wires_own_end(client: Client) -> None:
    client.ask()
    assert (await client.got()).chunks[-1] == b"data: [DONE]\n\n"
    client.ask(anthropic=True)
    assert (await client.got()).chunks[-1] == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@pytest.mark.parametrize("cut", ["fin", "rst"])
async def test_a_cut_stream_breaks_the_transfer(simulator: Simulator, client: Client, cut: str) -> None:
    simulator.script(Script(cut="fin" if cut == "fin" else "rst", cut_after=2))
    client.ask()
    got = await client.got()
    assert not got.is_whole
    assert len(got.chunks) <= 2
    assert b"[DONE]" not in got.body


async def test_a_short_stream_is_well_formed_http_without_the_end(simulator: Simulator, client: Client) -> None:
    simulator.script(Script(cut="short", cut_after=3))
    client.ask()
    got = await client.got()
    assert got.is_whole
    assert len(got.chunks) == 3
    assert b"[DONE]" not in got.body


@pytest.mark.parametrize("cut", ["fin", "rst"])
async def test_a_cut_whole_answer_is_half_there(simulator: Simulator, client: Client, cut: str) -> None:
    simulator.script(Script(cut="fin" if cut == "fin" else "rst"))
    client.ask(stream=False)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        head = await client.reader.readuntil(b"\r\n\r\n")
        await client.reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))


@pytest.mark.parametrize("where", ["headers", "first byte", "stream"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_stall_lasts_until_it_is_released(
    simulator: Simulator, client: Client, where: str, stream: bool
) -> None:
    simulator.script(Script(stall="headers" if where == "headers" else "stream" if where == "stream" else "first byte"))
    client.ask(stream=stream)
    received = await simulator.received()
    assert not received.answered.is_set()
    simulator.release()
    assert (await client.got()).is_whole
    assert received.answered.is_set()
    assert not received.left.is_set()


async def test_a_client_that_leaves_is_noticed(simulator: Simulator, client: Client) -> None:
    simulator.script(Script(stall="stream"))
    client.ask()
    received = await simulator.received()
    client.writer.close()
    async with asyncio.timeout(30):
        await received.left.wait()
    assert not received.answered.is_set()


async def test_a_spaced_stream_comes_event_by_event(simulator: Simulator, client: Client) -> None:
    simulator.script(Script(text=("a", "b"), spacing_s=0.001, delay_s=0.001))
    client.ask()
    assert len((await client.got()).chunks) == 5


async def test_framing_is_as_unusual_as_the_standard_allows(simulator: Simulator, client: Client) -> None:
    simulator.script(Script(framing=Framing(crlf=True, space=False, comments=True, bom=True, last_blank_line=False)))
    client.ask()
    body = (await client.got()).body
    assert body.startswith(b'\xef\xbb\xbf: keep-alive\r\n\r\ndata:{"id"')
    assert body.endswith(b"data:[DONE]\r\n")


async def test_bytes_can_be_split_anywhere(simulator: Simulator, client: Client) -> None:
    simulator.script(Script(text="ü", framing=Framing(split_bytes=1)), Script(text="ü"))
    client.ask()
    pieces = await client.got()
    client.ask()
    assert {len(chunk) for chunk in pieces.chunks} == {1}
    assert pieces.body.replace(b"-1", b"-2") == (await client.got()).body


async def test_malformed_events_bodies_and_types_are_sent_as_they_are(simulator: Simulator, client: Client) -> None:
    simulator.script(
        Script(malformed=b"data: {]\n\n", malformed_at=0),
        Script(body=b"<html>", content_type="text/html", status=502, headers=(("X-Extra", "1"),), close=True),
    )
    client.ask()
    assert (await client.got()).chunks[0].startswith(b"data: {]\n\ndata: {")
    client.ask(stream=False)
    got = await client.got()
    assert got.head.startswith(b"HTTP/1.1 502 ")
    assert b"content-type: text/html\r\n" in got.head
    assert b"x-extra: 1\r\nconnection: close" in got.head.lower() or b"connection: close\r\nx-extra: 1" in got.head
    assert got.body == b"<html>"
    assert await client.reader.read() == b"", "the connection is closed"


async def test_an_echo_answers_with_the_users_last_message(simulator: Simulator, client: Client) -> None:
    simulator.default = Script(echo=True)
    client.ask(stream=False, text="Grüezi <1>")
    assert json.loads((await client.got()).body)["choices"][0]["message"]["content"] == "Grüezi <1>"
    client.ask(stream=False, anthropic=True, text="Grüezi <1>")
    assert json.loads((await client.got()).body)["content"][0]["text"] == "Grüezi <1>"


async def test_a_script_may_be_a_function_of_the_request(simulator: Simulator, client: Client) -> None:
    simulator.script(lambda received: Script(text=received.json["model"]))
    client.ask(stream=False)
    assert json.loads((await client.got()).body)["choices"][0]["message"]["content"] == "m"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (b"/v1/chat/completions", b"{", 400),
        (b"/v1/chat/completions", b'{"model":"m","messages":[]}', 400),
        (b"/v1/chat/completions", b'{"model":"m","messages":[{}],"stream_options":{}}', 400),
        (b"/v1/embeddings", b'{"model":"m","input":"a","encoding_format":null}', 400),
        (b"/v1/messages", b'{"model":"m","messages":[{"role":"user","content":"x"}]}', 400),
        (
            b"/v1/messages",
            b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":""}]}]}',
            400,
        ),
        (b"/v1/other", b"{}", 404),
    ],
)
async def test_what_the_provider_refuses_is_refused(client: Client, path: bytes, body: bytes, status: int) -> None:
    client.writer.write(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (path, len(body), body))
    assert (await client.got()).head.startswith(b"HTTP/1.1 %d " % status)


async def test_what_is_no_http_is_cut_off(client: Client) -> None:
    client.writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.got()


async def test_it_runs_as_a_process_that_prints_its_address() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headgate.testing.simulator", "--chunks", "3", "--spacing-ms", "1"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        client = Client(*await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2])))
        client.ask()
        assert len((await client.got()).chunks) == 6
        client.writer.transport.abort()
    finally:
        process.terminate()
        await process.wait()


def test_the_command_line_makes_a_script() -> None:
    chosen = options(["--port", "1", "--chunks", "2", "--chunk-chars", "30", "--status", "429", "--delay-ms", "5"])
    assert chosen.port == 1
    assert [len(chunk) for chunk in chosen.script.chunks] == [30, 30]
    assert chosen.script.failure is not None
    assert (chosen.script.failure.status, chosen.script.delay_s) == (429, 0.005)
