from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

import pytest

from headgate.kernel.errors import HeadgateError, Unavailable, Upstream, UpstreamTimeout
from headgate.substrate.egress import Egress, NetworkProfile, Request, Response

Serve = Callable[..., Awaitable[int]]
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]

LAN = ("127.0.0.0/8",)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def read_request(reader: Reader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head


def answering(*answers: bytes) -> Handler:
    """Answers the n-th request of a connection with the n-th answer, then closes."""

    async def handler(reader: Reader, writer: Writer) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handler


@pytest.fixture
async def egress() -> AsyncGenerator[Egress]:
    profiles = {
        "lan": NetworkProfile(allow=LAN),
        "small": NetworkProfile(allow=LAN, max_head_bytes=1000, max_body_bytes=1000),
        "begins soon": NetworkProfile(allow=LAN, first_byte_s=0.1),
        "never idle": NetworkProfile(allow=LAN, idle_s=0.1),
        "ends soon": NetworkProfile(allow=LAN, total_s=0.3),
        "hangs up soon": NetworkProfile(allow=LAN, keep_alive_s=0.1),
    }
    async with Egress(profiles=profiles, sweep_s=0.01) as egress:
        yield egress


async def left_open(egress: Egress, *, wanted: int) -> int:
    """How many connections stay open once those being closed are gone, which takes the loop a turn or two."""
    async with asyncio.timeout(30):
        while egress.connections > wanted:  # noqa: ASYNC110 - the transports, not a task of ours, move it
            await asyncio.sleep(0)
    return egress.connections


def get(port: int, *, profile: str = "lan", path: str = "/") -> Request:
    return Request("GET", f"http://127.0.0.1:{port}{path}", profile=profile)


def post(port: int, body: bytes = b"{}", *, profile: str = "lan") -> Request:
    return Request("POST", f"http://127.0.0.1:{port}/v1", ((b"Authorization", b"Bearer k"),), body, profile)


async def fetch(egress: Egress, request: Request) -> bytes:
    async with egress.send(request) as response:
        return await response.read()


async def test_a_post_arrives_as_written_and_its_answer_comes_back(serve: Serve, egress: Egress) -> None:
    seen: list[bytes] = []

    async def handler(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 201 Made\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 5\r\n\r\nhello")

    port = await serve(handler)
    async with egress.send(post(port, b'{"a":1}')) as response:
        assert (response.status, await response.read()) == (201, b"hello")
        assert response.headers.get("X-ONE") == "1"
        assert response.headers.get_all("x-one") == ("1", "2")
        assert response.headers.get("absent") is None
    assert seen == [
        b"POST /v1 HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer k\r\naccept-encoding: identity\r\n"
        b'content-length: 7\r\n\r\n{"a":1}' % port
    ]


async def test_an_answer_that_comes_byte_by_byte_is_read_whole(serve: Serve, egress: Egress) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        for byte in (
            b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + STREAM + b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
        ):
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async with egress.send(get(await serve(handler))) as response:
        assert (response.status, response.framing, response.headers.get("link")) == (200, "chunked", None)
        assert await response.read() == b"abcde"
        assert response.headers.get("t") is None


async def test_a_chunk_is_given_as_soon_as_it_arrives(serve: Serve, egress: Egress) -> None:
    go_on = asyncio.Event()

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM)
        for piece in (b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"):
            writer.write(piece)
            await go_on.wait()
            go_on.clear()

    pieces: list[bytes] = []
    async with egress.send(post(await serve(handler))) as response:
        async for chunk in response.chunks():
            pieces.append(chunk)
            go_on.set()
    assert pieces == [b"a", b"b"]


async def test_one_connection_serves_many_requests_one_after_another(serve: Serve, egress: Egress) -> None:
    connected: list[int] = []

    async def handler(reader: Reader, writer: Writer) -> None:
        connected.append(1)
        while True:
            await read_request(reader)
            writer.write(OK)

    port = await serve(handler)
    assert [await fetch(egress, post(port)) for _ in range(20)] == [b"ok"] * 20
    assert len(connected) == 1
    await asyncio.gather(*(fetch(egress, post(port)) for _ in range(5)))
    assert len(connected) == 5
    egress.set_profiles({"lan": NetworkProfile(allow=LAN, idle_s=9)})
    assert await fetch(egress, post(port)) == b"ok"
    assert len(connected) == 6


@pytest.mark.parametrize("request_of", [get, post])
async def test_an_unused_connection_that_the_server_closed_is_not_used(
    serve: Serve, egress: Egress, request_of: Callable[[int], Request]
) -> None:
    closed: list[asyncio.Event] = []

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        writer.transport.abort()
        closed.append(asyncio.Event())

    port = await serve(handler)
    assert await fetch(egress, request_of(port)) == b"ok"
    assert await fetch(egress, request_of(port)) == b"ok"
    assert len(closed) == 2


async def test_a_get_is_sent_again_when_a_kept_connection_dies_on_it_but_a_post_is_not(
    serve: Serve, egress: Egress
) -> None:
    requests: list[bytes] = []

    async def handler(reader: Reader, writer: Writer) -> None:
        requests.append(await read_request(reader))
        writer.write(OK)
        requests.append(await read_request(reader))

    port = await serve(handler)
    assert [await fetch(egress, get(port)) for _ in range(3)] == [b"ok"] * 3
    assert len(requests) == 5
    with pytest.raises(Upstream, match="before answering") as caught:
        await fetch(egress, post(port))
    assert caught.value.retryable
    assert len(requests) == 6


async def test_bytes_that_nobody_asked_for_end_a_kept_connection(serve: Serve, egress: Egress) -> None:
    smuggled = asyncio.Event()

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        await smuggled.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await reader.read()

    port = await serve(handler)
    assert await fetch(egress, post(port)) == b"ok"
    smuggled.set()
    assert await left_open(egress, wanted=0) == 0
    other = await serve(answering(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK))
    assert await fetch(egress, post(other)) == b"ok"
    assert await fetch(egress, post(other)) == b"ok"


@pytest.mark.parametrize(
    ("answer", "framing"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nall", "eof"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall", "eof"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nall", "length"),
    ],
)
async def test_a_body_may_end_with_the_connection_where_that_was_announced(
    serve: Serve, egress: Egress, answer: bytes, framing: str
) -> None:
    async with egress.send(get(await serve(answering(answer)))) as response:
        assert await response.read() == b"all"
        assert response.framing == framing
    assert await left_open(egress, wanted=0) == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        STREAM + b"4\r\nhalf\r\n",
        STREAM + b"8\r\nhalf",
        STREAM + b"4\r\nhalf\r\n0\r\n",
    ],
)
async def test_a_cut_body_is_delivered_as_far_as_it_came_and_then_raises(
    serve: Serve, egress: Egress, answer: bytes
) -> None:
    pieces: list[bytes] = []
    with pytest.raises(Upstream, match="cut"):
        async with egress.send(get(await serve(answering(answer)))) as response:
            async for piece in response.chunks():
                pieces.append(piece)
    assert b"".join(pieces) == b"half"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n Content-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\n\r\nno length",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + OK,
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok",
        b"SSH-2.0-server\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"Content-Length: 2\r\n\r\nok",
        b"",
    ],
)
async def test_an_answer_that_could_be_read_in_two_ways_is_refused(serve: Serve, egress: Egress, answer: bytes) -> None:
    with pytest.raises(Upstream):
        await fetch(egress, get(await serve(answering(answer))))
    assert await left_open(egress, wanted=0) == 0


async def test_a_head_trailer_or_body_over_its_bound_is_refused(serve: Serve, egress: Egress) -> None:
    def dripping(start: bytes, endless: bytes) -> Handler:
        async def handler(reader: Reader, writer: Writer) -> None:
            await read_request(reader)
            writer.write(start)
            while True:
                writer.write(endless * 200)
                await writer.drain()
                await asyncio.sleep(0)

        return handler

    for start, endless in (
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"HTTP/1.1 200 ", b"reason"),
        (STREAM + b"0\r\nT: ", b"y" * 100),
        (STREAM + b"1", b";e"),
        (STREAM, b"1\r\nx\r\n"),
    ):
        with pytest.raises(Upstream, match="max_"):
            await fetch(egress, get(await serve(dripping(start, endless)), profile="small"))
    with pytest.raises(Upstream, match="larger than the limit of 1 bytes"):
        async with egress.send(get(await serve(answering(OK)))) as response:
            await response.read(limit=1)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"),
    ],
)
async def test_an_answer_without_a_body_ends_at_its_head(
    serve: Serve, egress: Egress, method: str, answer: bytes
) -> None:
    port = await serve(answering(answer, answer))
    for _ in range(2):
        async with egress.send(Request(method, f"http://127.0.0.1:{port}/", profile="lan")) as response:
            assert (await response.read(), response.framing) == (b"", "none")


async def test_a_server_that_does_not_answer_is_given_up(serve: Serve, egress: Egress) -> None:
    gone = asyncio.Event()

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        await reader.read()
        gone.set()

    with pytest.raises(UpstreamTimeout, match=r"begin to answer within 0\.1 s"):
        await fetch(egress, post(await serve(handler), profile="begins soon"))
    await gone.wait()


async def test_a_head_without_a_body_does_not_stop_the_first_byte_clock(serve: Serve, egress: Egress) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM)
        await reader.read()

    with pytest.raises(UpstreamTimeout, match="begin to answer"):
        await fetch(egress, post(await serve(handler), profile="begins soon"))


async def test_a_body_that_stalls_is_given_up_after_what_arrived(serve: Serve, egress: Egress) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM + b"1\r\na\r\n")
        await reader.read()

    pieces: list[bytes] = []
    with pytest.raises(UpstreamTimeout, match=r"stopped answering for 0\.1 s"):
        async with egress.send(post(await serve(handler), profile="never idle")) as response:
            async for piece in response.chunks():
                pieces.append(piece)
    assert pieces == [b"a"]


async def test_a_body_that_never_ends_is_given_up_after_the_total_time(serve: Serve, egress: Egress) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM)
        while True:
            writer.write(b"1\r\na\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(UpstreamTimeout, match=r"did not finish within 0\.3 s"):
        await fetch(egress, post(await serve(handler), profile="ends soon"))


async def test_a_kept_connection_is_closed_after_its_time_and_the_sweep_rests(serve: Serve, egress: Egress) -> None:
    gone = asyncio.Event()

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(OK)
        await reader.read()
        gone.set()

    assert await fetch(egress, get(await serve(handler), profile="hangs up soon")) == b"ok"
    assert egress.connections == 1
    await gone.wait()
    assert await left_open(egress, wanted=0) == 0


async def test_leaving_a_stream_early_is_seen_by_the_server(serve: Serve, egress: Egress) -> None:
    gone = asyncio.Event()

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM + b"1\r\na\r\n")
        try:
            assert await reader.read() == b""
        finally:
            gone.set()

    async with egress.send(post(await serve(handler))) as response:
        assert await anext(response.chunks()) == b"a"
    await gone.wait()
    with pytest.raises(Upstream, match="left before its end"):
        await response.read()


async def test_cancelling_a_request_before_its_answer_is_seen_by_the_server(serve: Serve, egress: Egress) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()
        gone.set()

    port = await serve(handler)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(fetch(egress, post(port)))
        await arrived.wait()
        task.cancel()
    await gone.wait()
    assert task.cancelled()


async def test_a_hundred_slow_readers_hold_back_their_senders(serve: Serve, egress: Egress) -> None:
    written: dict[int, int] = {}
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    pieces = 48

    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        me = len(written)
        written[me] = 0
        writer.write(STREAM)
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            written[me] += len(piece)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async def read_slowly(port: int, all_stuck: asyncio.Barrier) -> tuple[int, int]:
        async with egress.send(get(port)) as response:
            await all_stuck.wait()
            sizes = [len(chunk) async for chunk in response.chunks()]
            return sum(sizes), max(sizes)

    port = await serve(handler)
    start = asyncio.Barrier(101)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(read_slowly(port, start)) for _ in range(100)]
        before = -1
        while len(written) < 100 or before != sum(written.values()):
            before = sum(written.values())
            await asyncio.sleep(0.1)
        # Whatever was written lies in the kernel's buffers or in ours; ours are bounded, so no server got to its end.
        assert max(written.values()) < pieces * len(piece)
        await start.wait()
    assert [task.result()[0] for task in tasks] == [pieces * 65536] * 100
    assert max(task.result()[1] for task in tasks) <= 2 * 256 * 1024


async def test_a_slow_reader_is_not_taken_for_a_stalled_server(serve: Serve) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)
        await writer.drain()
        await reader.read()

    slow = NetworkProfile(allow=LAN, idle_s=0.05, total_s=20)
    port = await serve(handler)
    async with (
        Egress(profiles={"slow": slow}, sweep_s=0.01) as egress,
        egress.send(get(port, profile="slow")) as response,
    ):
        first = await anext(response.chunks())
        await asyncio.sleep(0.2)
        assert len(first) + len(await response.read()) == 8_000_000


async def test_a_connection_that_was_paused_at_the_end_of_its_answer_serves_the_next(
    serve: Serve, egress: Egress
) -> None:
    connected: list[int] = []

    async def handler(reader: Reader, writer: Writer) -> None:
        connected.append(1)
        while True:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 270000\r\n\r\n" + b"x" * 270_000)

    port = await serve(handler)
    for _ in range(3):
        async with egress.send(get(port, profile="lan")) as response:
            await asyncio.sleep(0.05)
            assert len(await response.read()) == 270_000
    assert len(connected) == 1


async def test_a_large_body_is_sent_whole_and_an_early_answer_does_not_keep_the_connection(
    serve: Serve, egress: Egress
) -> None:
    async def early(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async def counting(reader: Reader, writer: Writer) -> None:
        size = len((await read_request(reader)).partition(b"\r\n\r\n")[2])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % size)
        await reader.read()

    body = b"z" * 20_000_000
    assert await fetch(egress, post(await serve(counting), body)) == b"20000000"
    async with egress.send(post(await serve(early), body)) as response:
        assert response.status == 413
    assert await left_open(egress, wanted=1) == 1


async def test_closing_ends_what_runs_and_refuses_what_comes(serve: Serve) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM)
        await reader.read()

    port = await serve(handler)
    egress = Egress(profiles={"lan": NetworkProfile(allow=LAN)})
    async with egress.send(get(port)) as response:
        await egress.aclose()
        with pytest.raises(Unavailable):
            await response.read()
    with pytest.raises(Unavailable):
        await fetch(egress, get(port))
    await egress.aclose()
    assert egress.connections == 0


async def test_connections_are_bounded_in_number(serve: Serve) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM)
        await reader.read()

    port = await serve(handler)
    async with Egress(profiles={"lan": NetworkProfile(allow=LAN)}, max_connections=1) as egress, egress.send(get(port)):
        with pytest.raises(Unavailable) as caught:
            await fetch(egress, get(port))
    assert caught.value.retry_after_s == 1.0


async def test_a_port_where_nobody_listens_is_an_upstream_error(egress: Egress) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = int(bound.getsockname()[1])
    with pytest.raises(Upstream, match=f"127.0.0.1:{port} could not be connected to") as caught:
        await fetch(egress, get(port))
    assert caught.value.retryable


async def test_redirects_are_answers_unless_asked_for(serve: Serve, egress: Egress) -> None:
    port = await serve(answering(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"))
    async with egress.send(get(port)) as response:
        assert (response.status, response.headers.get("location")) == (302, "/next")


async def test_errors_hold_neither_headers_nor_bodies(serve: Serve, egress: Egress) -> None:
    port = await serve(answering(b"HTTP/1.1 200 OK\r\nX-Secret: secret\r\nContent-Length: 99\r\n\r\nsecret"))
    request = Request("POST", f"http://127.0.0.1:{port}/?key=secret", ((b"a", b"secret"),), b"secret", "lan")
    with pytest.raises(HeadgateError) as caught:
        await fetch(egress, request)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_body_has_one_reader(serve: Serve, egress: Egress) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(STREAM)
        await reader.read()

    async def read(response: Response) -> None:
        await response.read()

    async with egress.send(get(await serve(handler))) as response:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(read(response))
                group.create_task(read(response))
    assert caught.group_contains(RuntimeError, match="one reader")


async def test_a_request_may_have_less_time_than_its_profile_and_never_more(serve: Serve, egress: Egress) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")
        await reader.read()

    port = await serve(handler)
    async with asyncio.timeout(30):
        with pytest.raises(UpstreamTimeout, match=r"did not finish within 0\.05 s"):
            await fetch(egress, replace(get(port), within_s=0.05))
