"""The chat model: llama.cpp inside this process on a private Unix socket, with a client for it.

The binding also has in-process calls. But these end a stream only at its next token, cannot end
another request at all, and offer no tokenizer. Over the socket, llama.cpp notices a disconnect.
The socket lies in a folder that only this user can enter, so no other user reaches the routes of
llama.cpp.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httptools
import xllamacpp

from headgate.gateway.embedded.weights import CHAT_MODEL
from headgate.kernel.errors import UpstreamTimeout

SLOTS = 4  # requests decoded together
CONTEXT_TOKENS = 4096  # of each slot: prompt and answer
VOCABULARY = 49_152  # tokens that the model knows
DEFAULT_ANSWER_TOKENS = 1024  # a model this small may never end by itself

_llama_cpp = cast(Any, xllamacpp)  # a compiled module without types

# More threads than slots, so that tokenization does not wait behind running streams.
_HTTP_THREADS = SLOTS + 4
_DEADLINE_S = 600.0
_PING_EVERY_S = 15
_READ_BYTES = 1 << 16


def start_llama(gguf: Path, *, name: str = CHAT_MODEL, socket: Path, threads: int) -> object:
    """Load the model and listen on `socket`; blocks the whole process for about 0.4 s.

    The server stops when the last reference to the returned object is dropped.

    Args:
        name: of the model, in answers.

    Raises:
        RuntimeError: the model cannot be loaded.
    """
    params = _llama_cpp.CommonParams()
    params.model.path = str(gguf)
    params.model_alias = {name}
    params.hostnames = [str(socket)]
    params.n_threads_http = _HTTP_THREADS
    params.sse_ping_interval = _PING_EVERY_S
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 0  # higher levels print prompts
    params.n_parallel = SLOTS
    # In a shared cache one request could fill the cache and end every other running answer.
    params.kv_unified = False
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    # The cache stays at 16 bits (377 MB): 8 would halve it, but also the speed of reading a prompt of 2,000 tokens.
    params.cache_ram_mib = 0
    params.n_batch = params.n_ubatch = 256  # also the longest that a running stream pauses for a new prompt: 2 s
    params.n_predict = DEFAULT_ANSWER_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = 0
    params.fit_params = False
    params.warmup = False
    return _llama_cpp.Server(params)


@dataclass(slots=True)
class Reply:
    """The answer of llama.cpp.

    Attributes:
        parts: the body as it arrives, in pieces of any size; read it once, inside the `async with`.
    """

    status: int
    content_type: str
    parts: AsyncGenerator[bytes]

    async def read(self) -> bytes:
        """Return the whole body."""
        return b"".join([part async for part in self.parts])


@asynccontextmanager
async def ask_llama(socket: Path, path: str, body: bytes) -> AsyncGenerator[Reply]:
    """POST a JSON body. Leaving the block closes the connection, which ends llama.cpp's work.

    Raises:
        UpstreamTimeout: the whole exchange took more than ten minutes.
        ConnectionError: llama.cpp closed the connection early.
    """
    try:
        async with asyncio.timeout(_DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                head = f"POST {path} HTTP/1.1\r\nHost: llama\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
                writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
                parser = _Parser()
                while not parser.has_head:
                    await parser.more(reader)
                yield Reply(parser.status, parser.content_type, parser.parts(reader))
            finally:
                writer.transport.abort()
    except TimeoutError as exc:
        raise UpstreamTimeout("The embedded chat model took more than ten minutes; ask for fewer tokens.") from exc


@dataclass(slots=True)
class _Parser:
    """One HTTP/1.1 answer, parsed as it arrives; the `on_` methods are the parser's callbacks."""

    status: int = 0
    content_type: str = ""
    has_head: bool = False
    _is_complete: bool = False
    _body: list[bytes] = field(default_factory=list[bytes])
    _http: httptools.HttpResponseParser = field(init=False)

    def __post_init__(self) -> None:
        self._http = httptools.HttpResponseParser(self)

    async def more(self, reader: asyncio.StreamReader) -> None:
        data = await reader.read(_READ_BYTES)
        if not data:
            raise ConnectionError("The embedded chat model closed the connection before its answer was complete.")
        self._http.feed_data(data)

    async def parts(self, reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
        while True:
            if self._body:
                yield b"".join(self._body)
                self._body.clear()
            if self._is_complete:
                return
            await self.more(reader)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.content_type = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._http.get_status_code()
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._is_complete = True
