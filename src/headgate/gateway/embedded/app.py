"""The routes of the model process, as one bare ASGI application.

    POST /v1/chat/completions   POST /v1/embeddings   POST /tokenize
    GET  /v1/models             GET  /v1/models/{id}  GET  /healthz

There is no authentication: the process listens on loopback and holds no data. The `Origin` check
refuses pages of a browser on this machine; the `Host` check refuses DNS rebinding.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import msgspec
import numpy as np
import numpy.typing as npt

from headgate.gateway.embedded.llama import CONTEXT_TOKENS, VOCABULARY, Reply
from headgate.gateway.embedded.model_files import Models
from headgate.gateway.embedded.overflow import context_overflow
from headgate.gateway.embedded.requests import (
    MAX_BODY_BYTES,
    ChatRequest,
    EmbeddingsRequest,
    ModelNotServed,
    TokenizeRequest,
    chat_body,
    decode,
    plain_messages,
    texts_of,
    unheard,
)
from headgate.gateway.embedded.weights import CHAT_MODEL, EMBED_MODEL
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NotFound, TooLarge, Upstream

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = logging.getLogger("headgate.embedded")
CALLER = b"x-headgate-caller"
DROPPED = "x-headgate-dropped"
_LOCAL_NAMES = ("127.0.0.1", "localhost")


class _ClientGone(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(slots=True)
class _Exchange:
    """One request and its answer."""

    scope: Scope
    send: Send
    body: bytes = b""
    has_begun: bool = field(default=False, init=False)

    async def begin(self, status: int, content_type: str, **headers: str) -> None:
        self.has_begun = True
        lines = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        pairs = [(name.encode(), value.encode()) for name, value in lines.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def part(self, data: bytes, *, is_last: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def answer(self, status: int, payload: Any, **headers: str) -> None:
        data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        await self.begin(status, "application/json", content_length=str(len(data)), **headers)
        await self.part(data, is_last=True)


class EmbeddedApp:
    """The ASGI application over both models."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; all its tasks have ended when this returns."""
        if scope["type"] != "http":
            return
        exchange = _Exchange(scope, send)
        try:
            _check_origin(scope)
            exchange.body = await _read_body(receive)
        except HeadgateError as exc:
            await _fail(exchange, exc)
            return
        except _ClientGone:
            return
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self._answer(exchange))
            watch = tasks.create_task(_cancel_when_gone(receive, work))
            work.add_done_callback(lambda _: watch.cancel())

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            await self._route(exchange)
        except HeadgateError as exc:
            await _fail(exchange, exc)
        except Exception:  # noqa: BLE001 - the request edge
            _log.exception("request_failed")
            await _fail(exchange, HeadgateError("The model process failed; its log on stderr says where."))

    async def _route(self, exchange: _Exchange) -> None:
        match exchange.scope["method"], exchange.scope["path"]:
            case "POST", "/v1/chat/completions":
                await self._chat(exchange)
            case "POST", "/v1/embeddings":
                await self._embeddings(exchange)
            case "POST", "/tokenize":
                await self._tokenize(exchange)
            case "GET", "/healthz":
                await self._health(exchange)
            case "GET", "/v1/models":
                names = (CHAT_MODEL, EMBED_MODEL, *self._models.pulled.names())
                await exchange.answer(200, {"object": "list", "data": [_model(name) for name in names]})
            case "GET", path if self._serves(name := path.removeprefix("/v1/models/")):
                await exchange.answer(200, _model(name))
            case method, path:
                raise NotFound(f"There is no route {method} {path}.")

    def _serves(self, name: str) -> bool:
        return name in (CHAT_MODEL, EMBED_MODEL) or self._models.pulled.has(name)

    async def _health(self, exchange: _Exchange) -> None:
        progress = {CHAT_MODEL: self._models.chat_progress, EMBED_MODEL: self._models.embed_progress}
        is_ready = set(progress.values()) == {"ready"}
        status = "ready" if is_ready else "loading"
        await exchange.answer(200 if is_ready else 503, {"status": status, "models": progress})

    async def _chat(self, exchange: _Exchange) -> None:
        request = decode(exchange.body, ChatRequest)
        is_pulled = self._models.pulled.has(request.model)
        if not is_pulled:
            _check_model(request.model, CHAT_MODEL)
        body = chat_body(request, vocabulary=None if is_pulled else VOCABULARY)
        choices, caller = request.n or 1, _caller(exchange.scope)
        headers = _dropped(exchange, ChatRequest)
        async with self._models.chat(body, model=request.model, caller=caller, choices=choices) as reply:
            if reply.status != 200:
                _raise_refusal(await reply.read())
            if not reply.content_type.startswith("text/event-stream"):
                await exchange.answer(200, await reply.read(), **headers)
                return
            await _relay(exchange, reply, headers)

    async def _embeddings(self, exchange: _Exchange) -> None:
        request = decode(exchange.body, EmbeddingsRequest)
        _check_model(request.model, EMBED_MODEL)
        if request.dimensions not in (None, self._models.embedder.dimensions):
            raise Invalid(f"The model always has {self._models.embedder.dimensions} dimensions.", param="dimensions")
        sentences = await self._models.sentences(texts_of(request))
        vectors = await self._models.embed(sentences)
        tokens = sum(len(sentence) for sentence in sentences)
        is_base64 = request.encoding_format == "base64"
        body = await asyncio.to_thread(_embeddings_answer, vectors, tokens, is_base64=is_base64)
        await exchange.answer(200, body, **_dropped(exchange, EmbeddingsRequest))

    async def _tokenize(self, exchange: _Exchange) -> None:
        request = decode(exchange.body, TokenizeRequest)
        if (request.content is None) == (request.messages is None):
            raise Invalid("Send either content or messages to count.", param="content")
        match request:
            case TokenizeRequest(model=name, content=str(text)) if name == EMBED_MODEL:
                await exchange.answer(200, _tokens_answer(name, await self._models.tokens(text)))
            case TokenizeRequest(model=name, content=str(text)) if self._serves(name):
                body = {"content": text, "parse_special": False}
                answer = await self._ask_tokenizer(name, "/tokenize", body)
                await exchange.answer(200, _tokens_answer(name, answer["tokens"]))
            case TokenizeRequest(model=name, messages=list(messages)) if name != EMBED_MODEL and self._serves(name):
                body = {"messages": plain_messages(messages)}
                answer = await self._ask_tokenizer(name, "/v1/chat/completions/input_tokens", body)
                await exchange.answer(200, {"model": name, "count": answer["input_tokens"]})
            case _:
                _check_model(request.model, CHAT_MODEL)

    async def _ask_tokenizer(self, model: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._models.chat_tokens(path, msgspec.json.encode(body), model=model) as reply:
            data = await reply.read()
            if reply.status != 200:
                _raise_refusal(data)
            return msgspec.json.decode(data, type=dict[str, Any])


def _check_origin(scope: Scope) -> None:
    headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
    host = next((value.decode("latin-1") for name, value in headers if name == b"host"), "")
    if any(name == b"origin" for name, _ in headers) or host.partition(":")[0] not in _LOCAL_NAMES:
        raise Denied("The model process answers only programs on this machine, not pages or other hosts.")


def _caller(scope: Scope) -> str | None:
    """Return the caller's pseudonym from the gate, or None; without one, no cache is shared."""
    headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
    return next((value.decode("latin-1")[:128] for name, value in headers if name == CALLER), None) or None


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size_bytes = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _ClientGone
        parts.append(event.get("body", b""))
        size_bytes += len(parts[-1])
        if size_bytes > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES >> 20} MiB.")
        if not event.get("more_body", False):
            return b"".join(parts)


async def _cancel_when_gone(receive: Receive, work: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()


def _dropped(exchange: _Exchange, kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the header with the ignored fields of a checked request."""
    names = unheard(exchange.body, heard=kind.__struct_fields__)
    return {} if names is None else {DROPPED: names}


async def _relay(exchange: _Exchange, reply: Reply, headers: dict[str, str]) -> None:
    await exchange.begin(200, reply.content_type, cache_control="no-cache", **headers)
    try:
        async with aclosing(reply.parts) as parts:
            async for part in parts:
                await exchange.part(part)
    except ConnectionError as exc:
        raise Upstream(str(exc)) from exc
    await exchange.part(b"", is_last=True)


async def _fail(exchange: _Exchange, exc: HeadgateError) -> None:
    """Send the error in OpenAI's format: as a response, or as an event of a started stream.

    Such a stream has no end marker.
    """
    kind = "invalid_request_error" if 400 <= exc.status < 500 else "server_error"
    payload = {"error": {"message": exc.message, "type": kind, "param": exc.param, "code": exc.code}}
    if exchange.has_begun:
        await exchange.part(b"data: " + msgspec.json.encode(payload) + b"\n\n", is_last=True)
        return
    retry = {} if exc.retry_after_s is None else {"retry_after": str(int(exc.retry_after_s))}
    closing = {"connection": "close"} if isinstance(exc, TooLarge) else {}
    await exchange.answer(exc.status, payload, **retry, **closing)


def _raise_refusal(body: bytes) -> NoReturn:
    """Raise llama.cpp's error response as a Headgate error."""
    error = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["error"]
    if error.get("type") == "exceed_context_size_error":
        raise context_overflow(error["n_prompt_tokens"], limit=CONTEXT_TOKENS, param="messages")
    message = str(error.get("message"))
    if error.get("code") == 400:
        raise Invalid(f"The embedded chat model refused the request: {message}.")
    raise Upstream(f"The embedded chat model failed: {message}.")


def _check_model(asked: str, served: str) -> None:
    if asked != served:
        raise ModelNotServed(f"The model {asked[:80]!r} is not served here; this route serves {served}.", param="model")


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "headgate"}


def _tokens_answer(model: str, tokens: list[int]) -> dict[str, Any]:
    return {"model": model, "count": len(tokens), "tokens": tokens}


def _embeddings_answer(vectors: npt.NDArray[np.float32], tokens: int, *, is_base64: bool) -> bytes:
    """Return the whole answer as JSON; run it in a thread, because many vectors take a while."""
    shown: list[Any] = [base64.b64encode(row.tobytes()).decode() for row in vectors] if is_base64 else vectors.tolist()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(shown)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": EMBED_MODEL, "usage": usage})
