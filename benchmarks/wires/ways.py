"""The calls that are compared: a client's wire, and the alias whose deployment speaks some dialect."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gateway.candidates import Candidate
from benchmarks.gateway.prompts import COUNT, prompt
from benchmarks.machine import WORK

_SEED = 20_260_102
_SYSTEM, _MOST_TOKENS = "Answer briefly.", 4000
_LONG_CHARS = 100_000


@dataclass(frozen=True)
class _Wire:
    path: str
    body: Callable[[str, str], dict[str, Any]]
    """From the model and the prompt."""
    streams_at: str | None = None
    """The path of streams, where it is another one; such a wire has no `stream` in its body."""


def _openai(model: str, text: str) -> dict[str, Any]:
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}]
    return {"model": model, "messages": messages, "max_tokens": _MOST_TOKENS}


def _anthropic(model: str, text: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "system": _SYSTEM, "messages": messages, "max_tokens": _MOST_TOKENS}


def _responses(model: str, text: str) -> dict[str, Any]:
    return {**_kept(model, text), "store": False}


def _kept(model: str, text: str) -> dict[str, Any]:
    return {"model": model, "instructions": _SYSTEM, "input": text, "max_output_tokens": _MOST_TOKENS}


def _gemini(_: str, text: str) -> dict[str, Any]:
    return {
        "systemInstruction": {"parts": [{"text": _SYSTEM}]},
        "contents": [{"role": "user", "parts": [{"text": text}]}],
        "generationConfig": {"maxOutputTokens": _MOST_TOKENS},
    }


_WIRES: Mapping[str, _Wire] = {
    "openai": _Wire("/v1/chat/completions", _openai),
    "anthropic": _Wire("/v1/messages", _anthropic),
    "responses": _Wire("/v1/responses", _responses),
    "responses, kept": _Wire("/v1/responses", _kept),
    "gemini": _Wire(
        "/v1beta/models/{model}:generateContent", _gemini, "/v1beta/models/{model}:streamGenerateContent?alt=sse"
    ),
}


@dataclass(frozen=True)
class Way(Candidate):
    """Calls of one client's wire to one alias.

    Args:
        wire: of the client, a key of the table of wires.
        is_long: whether the prompts have 100 kB.
    """

    wire: str = "openai"
    is_long: bool = False

    def bodies(self) -> Path:
        """Return the file with its request bodies."""
        file, random_ = WORK / f"wires-{self.name.replace(' ', '-')}.jsonl", random.Random(_SEED)
        lines = [json.dumps(_WIRES[self.wire].body(self.model, self._prompt(random_))) for _ in range(COUNT)]
        file.write_text("\n".join(lines) + "\n")
        return file

    def request(self, *, text: str) -> bytes:
        """Return a whole streaming request."""
        wire = _WIRES[self.wire]
        body = wire.body(self.model, text)
        data = json.dumps(body if wire.streams_at else {**body, "stream": True}).encode()
        path = (wire.streams_at or wire.path).format(model=self.model)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n"
            f"content-type: application/json\r\nauthorization: Bearer {self.key}\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def _prompt(self, random_: random.Random) -> str:
        text = prompt(random_, personal=False)
        while self.is_long and len(text) < _LONG_CHARS:
            text += prompt(random_, personal=False)
        return text


def way(name: str, wire: str, model: str, *, port: int, key: str, groups: Any, is_long: bool = False) -> Way:
    """Return a way by the names of its wire and its alias."""
    path = _WIRES[wire].path.format(model=model)
    return Way(name, port, path, model, key, groups=groups, wire=wire, is_long=is_long)
