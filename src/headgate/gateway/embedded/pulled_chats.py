"""The pulled chat models of this process. Each runs in a child, which its first request starts.

Loading a large model blocks its whole process for many seconds, and the supervisor restarts a blocked process.
A file counts only with its manifest, which a pull writes after it has checked the digest.
"""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headgate.gateway.embedded.llama import SLOTS
from headgate.gateway.embedded.slots import Slots
from headgate.kernel.errors import NotFound, Unavailable

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]")
_MOST_LOADED: Final = 2
_LOADS_WITHIN_S: Final = 300.0
_CHILD: Final = ("-m", "headgate.gateway.embedded.pulled_chat")


@dataclass(slots=True)
class ChatModel:
    """A loaded chat model.

    Args:
        socket: of its llama.cpp.
        keeper: keeps it loaded: the server of this process, or the child.
        version: of the file.

    Attributes:
        running: the number of its requests.
    """

    socket: Path
    keeper: object
    version: int = 0
    slots: Slots = field(default_factory=lambda: Slots(SLOTS))
    running: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not isinstance(self.keeper, Process) or self.keeper.returncode is None


class PulledChats:
    """The pulled chat models; use from one event loop.

    Args:
        folder: their files; None has none.
        sockets: a folder that only this user can enter.
        threads: of each model.
    """

    def __init__(self, folder: Path | None, *, sockets: Path, threads: int) -> None:
        self._folder, self._sockets, self._threads = folder, sockets, threads
        self._loaded: dict[str, ChatModel] = {}  # the least recently used one first
        self._started = 0
        self._loading = asyncio.Lock()

    def names(self) -> Sequence[str]:
        """Return the names of the models that may be asked, sorted."""
        found = self._folder.glob("*.gguf") if self._folder is not None else ()
        return sorted(path.stem for path in found if path.with_suffix(".json").is_file())

    def has(self, name: str) -> bool:
        """Whether there is such a model."""
        return self._file(name) is not None

    @asynccontextmanager
    async def using(self, name: str) -> AsyncGenerator[ChatModel]:
        """Give a model, loaded first if need be; that may take many seconds.

        Raises:
            NotFound: there is no such model.
            Unavailable: it cannot be loaded, or answers of other models fill the memory.
        """
        async with self._loading:
            model = self._loaded.pop(name, None)
            file = self._file(name)
            if file is None:
                raise NotFound(f"The model {name[:80]!r} was not pulled to this machine.")
            if model is not None and model.version != _version(file):
                _end(model)  # another file has the name since
            if model is None or not model.is_alive or model.version != _version(file):
                model = await self._load(name, file)
            self._loaded[name] = model
        model.running += 1
        try:
            yield model
        finally:
            model.running -= 1

    def close(self) -> None:
        """End the children."""
        for model in self._loaded.values():
            _end(model)
        self._loaded.clear()

    async def _load(self, name: str, file: Path) -> ChatModel:
        self._make_room()
        self._started += 1
        socket = self._sockets / f"pulled-{self._started}.sock"
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, *_CHILD, str(file), "--name", name),
            *("--socket", str(socket), "--threads", str(self._threads)),
            stdin=PIPE,
            stdout=PIPE,
        )
        model = ChatModel(socket, child, version=_version(file))
        is_ready = False
        try:
            assert child.stdout is not None
            async with asyncio.timeout(_LOADS_WITHIN_S):
                is_ready = bool(await child.stdout.readline())
        except TimeoutError as exc:
            raise Unavailable(f"The pulled model {name} was not loaded within five minutes.") from exc
        finally:
            if not is_ready:
                _end(model)
        if not is_ready:
            raise Unavailable(f"The pulled model {name} cannot be loaded; the log of the model process says why.")
        return model

    def _make_room(self) -> None:
        """End the least recently used model if the memory is to hold no more."""
        self._loaded = {name: model for name, model in self._loaded.items() if model.is_alive}
        if len(self._loaded) < _MOST_LOADED:
            return
        idle = next((name for name, model in self._loaded.items() if not model.running), None)
        if idle is None:
            raise Unavailable(f"{_MOST_LOADED} other pulled models are answering; retry later.", retry_after_s=5)
        _end(self._loaded.pop(idle))

    def _file(self, name: str) -> Path | None:
        if self._folder is None or not _NAME.fullmatch(name):
            return None
        file = self._folder / f"{name}.gguf"
        return file if file.is_file() and file.with_name(f"{name}.json").is_file() else None


def _version(file: Path) -> int:
    return file.stat().st_mtime_ns


def _end(model: ChatModel) -> None:
    if isinstance(model.keeper, Process) and model.keeper.returncode is None:
        model.keeper.kill()
