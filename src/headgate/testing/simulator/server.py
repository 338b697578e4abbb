"""The simulator's HTTP server: it reads requests and answers them by script."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType, TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote

import httptools

from headgate.testing.simulator import (
    anthropic_wire,
    batch_wire,
    bedrock_wire,
    completions_wire,
    gemini_wire,
    media_wire,
    openai_wire,
    ranking_wire,
    responses_wire,
    stores_wire,
)
from headgate.testing.simulator.answer import Answer, Refused, last_user_text
from headgate.testing.simulator.clouds import CloudPath, Issuer, cloud_path
from headgate.testing.simulator.playing import Player, steps
from headgate.testing.simulator.script import Failure, Script
from headgate.wire.aws_signing import AwsKey

MODELS = ("gpt-sim", "claude-sim", "gemini-sim", "org/model-with-slash")


@dataclass(slots=True)
class Received:
    """One request that came in.

    Attributes:
        headers: headers with lower-case names; the last of several with one name.
        connection: the number of the connection, from 1.
        left: set when the client has closed the connection before the end of the answer.
        answered: set when the whole answer has been sent.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    left: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        """The decoded body; raises ValueError if it is not JSON."""
        return json.loads(self.body)

    @property
    def is_anthropic(self) -> bool:
        """Whether the request is on Anthropic's wire."""
        return self.path.startswith("/v1/messages") or "anthropic" in self.path or "anthropic-version" in self.headers

    @property
    def is_gemini(self) -> bool:
        """Whether the request is on Gemini's wire."""
        return self.path.startswith("/v1beta/") or "/publishers/google/" in self.path


Answering = Callable[[Received], Script]


class Simulator:
    """A provider on loopback with scripted answers; use with `async with`.

    Each request takes the next queued script. Without a queued script, `default` answers; it may
    be a function of the request. Answers need no tasks, so thousands of streams cost little.

    Args:
        port: the port on loopback; 0 takes a free one.
        key: the bearer token, `x-api-key` or `x-goog-api-key` that clients must send; None accepts any.
        keep: the number of newest requests in `requests`.
        aws_key: the access key that signs calls of Bedrock; None accepts any.

    Attributes:
        batches: files and batches of OpenAI's and Anthropic's wires.
        issuer: issues tokens to an Entra application with the secret `key`, and to a service account.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        key: str | None = None,
        default: Script | Answering | None = None,
        keep: int = 10_000,
        aws_key: AwsKey | None = None,
    ) -> None:
        self.issuer = Issuer(client_secret=key, aws_key=aws_key)
        self.batches = batch_wire.Batches(self._line)
        self.requests: deque[Received] = deque(maxlen=keep)
        self.connections = 0
        self.default: Script | Answering = default or Script()
        self._port = port
        self._key = key
        self._queued: deque[Script | Answering] = deque()
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._arrival = asyncio.Event()

    @property
    def port(self) -> int:
        """The port on loopback."""
        assert self._server is not None, "the simulator is not running; use `async with`"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def base_url(self) -> str:
        """The address for Anthropic's and Gemini's wires; OpenAI's is below `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """The address for OpenAI's wire."""
        return f"{self.base_url}/v1"

    def script(self, *scripts: Script | Answering) -> None:
        """Queue the answers to the next requests."""
        self._queued.extend(scripts)

    async def received(self, count: int = 1) -> Received:
        """Wait for `count` requests and return the last of them."""
        while len(self.requests) < count:
            await self._arrival.wait()
        return self.requests[count - 1]

    def forget(self) -> None:
        """Forget the received requests and the queued answers."""
        self.requests.clear()
        self._queued.clear()
        self.batches.reset()

    def release(self) -> None:
        """Continue every stalled answer."""
        for connection in tuple(self._open):
            connection.release()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port, backlog=1024)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for connection in tuple(self._open):
                connection.abort()
            await self._server.wait_closed()

    def answer(self, received: Received) -> tuple[Answer, Script]:
        """Return the answer to a request, and its script."""
        self.requests.append(received)
        self._arrival.set()
        self._arrival = asyncio.Event()
        if (issued := self.issuer.token(received.path, received.body)) is not None:
            return issued, Script()
        wire = _wire_of(received)
        if received.method == "GET" and received.path.startswith(("/v1/models", "/v1beta/models")):
            return self._models(received), Script()
        if self.batches.serves(received.path):
            return self._batch(received), Script()
        wire = _wire_of(received)
        chosen = self._queued.popleft() if self._queued else self.default
        script = chosen(received) if callable(chosen) else chosen
        try:
            self._check_key(received)
            if script.failure is not None:
                return wire.failed(script.failure), script
            if received.path.startswith(stores_wire.PLACE):
                return stores_wire.stores(received.method, received.path, received.body), script
            if media_wire.has_form(path := received.path.partition("?")[0]):
                form = media_wire.form_in(received.body, received.headers.get("content-type", ""))
                return media_wire.by_form(path, form, script), script
            return self._route(received, _request(received), script)
        except Refused as refused:
            return wire.failed(refused.failure), Script()

    def _batch(self, received: Received) -> Answer:
        try:
            self._check_key(received)
            content_type = received.headers.get("content-type", "")
            return self.batches.answer(received.method, received.path, received.body, content_type)
        except Refused as refused:
            answer: Answer = _wire_of(received).failed(refused.failure)
            return answer

    def _line(self, path: str, body: Any) -> Answer:
        """Answer a line of a batch like a request of its own."""
        headers = {"anthropic-version": "2023-06-01"} if path == "/v1/messages" else {}
        received = Received("POST", path, headers, json.dumps(body).encode(), 0)
        chosen = self._queued.popleft() if self._queued else self.default
        script = chosen(received) if callable(chosen) else chosen
        try:
            if script.failure is not None:
                raise Refused(script.failure)
            return self._route(received, body, script)[0]
        except Refused as refused:
            answer: Answer = _wire_of(received).failed(refused.failure)
            return answer

    def opened(self, connection: _Connection) -> int:
        """Register a new connection and return its number."""
        self._open.add(connection)
        self.connections += 1
        return self.connections

    def closed(self, connection: _Connection) -> None:
        """Remove a closed connection."""
        self._open.discard(connection)

    def _check_key(self, received: Received) -> None:
        if received.path.startswith("/model/"):
            url = f"http://{received.headers['host']}{received.path}"
            self.issuer.check_aws(received.method, url, received.headers, received.body)
            return
        headers = received.headers
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        given = headers.get("x-api-key") or headers.get("api-key") or headers.get("x-goog-api-key") or bearer
        if self._key is not None and given not in (self._key, *self.issuer.issued):
            raise Refused(Failure(401))

    def _route(self, received: Received, request: dict[str, Any], script: Script) -> tuple[Answer, Script]:
        if script.echo:
            text = gemini_wire.last_user_text(request) if received.is_gemini else last_user_text(request)
            script = replace(script, text=text)
        number = len(self.requests)
        if received.is_gemini:
            model, _, method = received.path.partition("?")[0].rpartition("/models/")[2].rpartition(":")
            return gemini_wire.answer(method, unquote(model), request, script, number=number), script
        if (place := cloud_path(received.path.partition("?")[0])) is not None:
            return _in_cloud(received, request, script, place, number=number), script
        match received.path.partition("?")[0]:
            case "/v1/chat/completions":
                return openai_wire.chat(request, script, number=number), script
            case "/v1/responses":
                return responses_wire.responses(request, script, number=number), script
            case "/v1/completions":
                return completions_wire.completions(request, script, number=number), script
            case "/v1/moderations":
                return ranking_wire.moderations(request), script
            case "/v1/rerank" | "/v2/rerank" | "/rerank" as path:
                return ranking_wire.rerank(request, script, path=path), script
            case "/v1/images/generations":
                return media_wire.images(request), script
            case "/v1/audio/speech":
                return media_wire.speech(request), script
            case "/v1/embeddings":
                return openai_wire.embeddings(request, script), script
            case "/v1/messages":
                return anthropic_wire.messages(request, script, number=number), script
            case "/v1/messages/count_tokens":
                return anthropic_wire.count_tokens(request, script), script
            case _:
                raise Refused(Failure(404, "Not found"))

    def _models(self, received: Received) -> Answer:
        wire = _wire_of(received)
        name = unquote(received.path.partition("?")[0].partition("/models")[2].strip("/"))
        if not name:
            return wire.models(MODELS)
        return wire.model(name) if name in MODELS else wire.failed(Failure(404))


def _wire_of(received: Received) -> ModuleType:
    """Return the wire in whose form a failure is told."""
    if received.is_gemini:
        return gemini_wire
    if received.path.startswith("/model/"):
        return bedrock_wire
    return anthropic_wire if received.is_anthropic else openai_wire


def _in_cloud(received: Received, request: dict[str, Any], script: Script, place: CloudPath, *, number: int) -> Answer:
    """Return the answer to a call with a path of one of the clouds."""
    match place.does:
        case "chat" | "embeddings":
            if place.model and "api-version=" not in received.path:
                raise Refused(Failure(404, "Resource not found"))
            asked = {**request, "model": place.model or request.get("model")}
            if place.does == "embeddings":
                return openai_wire.embeddings(asked, script)
            return openai_wire.chat(asked, script, number=number)
        case "messages":
            if request.get("anthropic_version") != "vertex-2023-10-16" or "model" in request:
                raise Refused(Failure(400, "anthropic_version: Field required"))
            if bool(request.get("stream")) != place.streams:
                raise Refused(Failure(400, "stream: does not fit the method"))
            return anthropic_wire.messages({**request, "model": place.model}, script, number=number)
        case "count_tokens":
            return anthropic_wire.count_tokens(request, script)
        case "converse":
            return bedrock_wire.converse(request, script, streams=place.streams)
        case "invoke":
            return bedrock_wire.invoke(request, script, model=place.model, number=number, streams=place.streams)


def _request(received: Received) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = received.json
    except ValueError:
        raise Refused(Failure(400, "We could not parse the JSON body of your request.")) from None
    return decoded


class _Connection(asyncio.Protocol):
    """One connection: reads a request, plays the answer, reads the next request."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._parser: Any = httptools.HttpRequestParser(self)  # pyright: ignore[reportUnknownMemberType] - it has no stubs
        self._player: Player | None = None
        self._received: Received | None = None
        self._path = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._number = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No isinstance check: uvloop's transports are not instances of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._number = self._simulator.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._simulator.closed(self)
        if self._player is not None:
            self._player.stop()
        if self._received is not None and not self._received.answered.is_set():
            self._received.left.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def on_message_begin(self) -> None:
        self._path, self._headers, self._body = b"", {}, bytearray()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        assert self._transport is not None
        received = self._received = Received(
            self._parser.get_method().decode("latin-1"),
            self._path.decode("latin-1"),
            self._headers,
            bytes(self._body),
            self._number,
        )
        answer, script = self._simulator.answer(received)
        self._player = Player(self._transport, steps(answer, script), self._over)
        self._player.play()

    def release(self) -> None:
        """Continue a stalled answer."""
        if self._player is not None:
            self._player.resume()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _over(self, was_whole: bool) -> None:
        assert self._received is not None
        if was_whole:
            self._received.answered.set()
        self._player = None
