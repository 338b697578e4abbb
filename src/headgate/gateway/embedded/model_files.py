"""Both models: their loading progress, and the queues in front of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from headgate.gateway.embedded.embedder import Embedder, batches
from headgate.gateway.embedded.llama import Reply, ask_llama, start_llama
from headgate.gateway.embedded.pulled_chats import ChatModel, PulledChats
from headgate.gateway.embedded.weights import CHAT_MODEL, Weights
from headgate.kernel.errors import Unavailable

Progress = Literal["waiting", "loading", "ready"]

_MAX_WAITING = 64

P = ParamSpec("P")
T = TypeVar("T")


class Models:
    """The chat model and the embedder of this process; use from one event loop.

    Args:
        weights: their files.
        threads: the number of compute threads for each model.
        socket: the path for llama.cpp's socket, in a folder that only this user can enter.
        pulled: the pulled models.
    """

    def __init__(self, weights: Weights, *, threads: int, socket: Path, pulled: PulledChats) -> None:
        self._weights, self._threads, self._socket = weights, threads, socket
        self.pulled = pulled
        self.chat_progress: Progress = "waiting"
        self.embed_progress: Progress = "waiting"
        self._chat: ChatModel | None = None
        self._embedder: Embedder | None = None
        self._embed_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        self._waiting = 0

    async def load(self) -> None:
        """Load the embedder, then the chat model, which blocks the whole process for 0.4 s."""
        self.embed_progress = "loading"
        self._embedder = await self._in_thread(Embedder, self._weights.embedder_folder, threads=self._threads)
        self.embed_progress, self.chat_progress = "ready", "loading"
        # Let a waiting health check see "loading" before the loading blocks the process.
        await asyncio.sleep(0)
        server = await asyncio.to_thread(
            start_llama, self._weights.chat_gguf, socket=self._socket, threads=self._threads
        )
        self._chat = ChatModel(self._socket, server)
        self.chat_progress = "ready"

    def close(self) -> None:
        """End running work and free the memory; blocks for one step of the model at most."""
        self._embed_thread.shutdown(cancel_futures=True)
        self._chat = self._embedder = None
        self.pulled.close()

    @property
    def embedder(self) -> Embedder:
        """The loaded embedder, for calls that take microseconds.

        Raises:
            Unavailable: the embedder is still loading.
        """
        if self._embedder is None:
            raise Unavailable("The embedder is still loading; try again in a second.", retry_after_s=1)
        return self._embedder

    async def sentences(self, given: Sequence[str]) -> list[list[int]]:
        """Return the embedder's input for each text."""
        embedder = self.embedder
        return await self._in_thread(lambda: [embedder.sentence(text) for text in given])

    async def tokens(self, text: str) -> list[int]:
        """Return the embedder's tokens of a text."""
        return await self._in_thread(self.embedder.tokens, text)

    async def embed(self, sentences: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Return vectors `(n, dimensions)` in the given order; requests alternate by batch."""
        embedder = self.embedder
        vectors = np.empty((len(sentences), embedder.dimensions), np.float32)
        for batch in batches([len(sentence) for sentence in sentences]):
            vectors[batch] = await self._in_thread(embedder.embed, [sentences[place] for place in batch])
        return vectors

    @asynccontextmanager
    async def chat(
        self, body: bytes, *, model: str = CHAT_MODEL, caller: str | None, choices: int
    ) -> AsyncGenerator[Reply]:
        """Wait for a free slot and ask a chat model for a completion.

        Args:
            body: a JSON object.
            model: the embedded model, or a pulled one, which is loaded first if need be.
            caller: the caller whose prompt cache may be used; None for no cache.
            choices: the number of answers in the request.

        Raises:
            Unavailable: the model is still loading, or too many requests wait already.
        """
        if self._waiting >= _MAX_WAITING:
            raise Unavailable("Too many requests wait for the embedded chat model; retry later.", retry_after_s=5)
        async with AsyncExitStack() as stack:
            self._waiting += 1
            try:
                chat = await stack.enter_async_context(self._chat_model(model))
                slots = chat.slots.one(caller) if choices == 1 else chat.slots.several()
                place = await stack.enter_async_context(slots)
            finally:
                self._waiting -= 1
            placed = body[:-1] + b',"cache_prompt":' + (b"true" if place.may_continue else b"false")
            if place.slot is not None:
                placed += b',"id_slot":%d' % place.slot
            yield await stack.enter_async_context(ask_llama(chat.socket, "/v1/chat/completions", placed + b"}"))

    @asynccontextmanager
    async def chat_tokens(self, path: str, body: bytes, *, model: str = CHAT_MODEL) -> AsyncGenerator[Reply]:
        """Ask llama.cpp's tokenizer of a chat model, without waiting for a slot.

        Raises:
            Unavailable: the model is still loading.
        """
        async with self._chat_model(model) as chat, ask_llama(chat.socket, path, body) as reply:
            yield reply

    @asynccontextmanager
    async def _chat_model(self, model: str) -> AsyncGenerator[ChatModel]:
        if model != CHAT_MODEL:
            async with self.pulled.using(model) as chat:
                yield chat
            return
        if self._chat is None:
            raise Unavailable("The embedded chat model is still loading; try again in a second.", retry_after_s=1)
        yield self._chat

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._embed_thread, lambda: work(*args, **kwargs))
