"""Scripts of answers for the simulator: frozen data, the same for every wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Stop = Literal["stop", "stop_sequence", "length", "tool_use", "refusal", "pause"]
Where = Literal["headers", "first byte", "stream"]
Cut = Literal["fin", "rst", "short"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token counts that an answer reports, which may be wrong.

    `input` counts the tokens that were neither read from a cache nor written to one.

    OpenAI's wire reports the sum of input, cache reads and cache writes as `prompt_tokens`.
    Anthropic's wire reports each.
    """

    input: int = 12
    output: int = 7
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """The sum of all tokens of the prompt."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call of the model.

    `arguments` is JSON text. A stream splits it into pieces.
    """

    name: str
    arguments: str = "{}"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer, or an error event within a stream.

    Args:
        message: replaces the usual message of that status.
        code: replaces the usual code (OpenAI) or type (Anthropic) of that status.
        retry_after_s: sent as `retry-after`; 429 also has rate limit headers.
        used_tokens: with `limit_tokens`, a context overflow in each wire's exact words.
    """

    status: int
    message: str | None = None
    code: str | None = None
    retry_after_s: float | None = None
    used_tokens: int | None = None
    limit_tokens: int | None = None


def context_overflow(*, used: int = 9001, limit: int = 8192) -> Failure:
    """Return the failure of a prompt over the context limit."""
    return Failure(400, used_tokens=used, limit_tokens=limit)


@dataclass(frozen=True, slots=True)
class Framing:
    """The format of the events of a stream. The default is the providers' format.

    Args:
        crlf: lines end in CRLF.
        space: `data: ` rather than `data:`.
        comments: every event follows a comment.
        bom: the stream begins with a byte order mark.
        last_blank_line: the last event ends in a blank line.
        split_bytes: bytes per write, so that writes cut events, lines and characters.
    """

    crlf: bool = False
    space: bool = True
    comments: bool = False
    bom: bool = False
    last_blank_line: bool = True
    split_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """The answer to one request.

    Args:
        text: the answer. A tuple has the chunks of a stream; a string is split by `chunk_chars`.
        echo: answer with the user's last message instead.
        reasoning: reasoning before the answer, in chunks.
        tool_calls: tool calls after the text; several are parallel.
        interleaved: deltas of parallel calls take turns (only on OpenAI's wire).
        refusal: the explanation of a refusal by the model.
        stop: the reason for the stop; the default follows from the content.
        stop_sequence: the sequence that stopped the answer, with `stop="stop_sequence"`.
        tokens: None leaves usage out.
        failure: answer with this error instead.
        breaks: an error event to send after the chunks of a stream.
        headers: additional headers; they replace usual ones of the same name.
        delay_s: seconds before the head of the answer.
        spacing_s: seconds between two events of a stream.
        stall: stop until `Simulator.release`: before the head (`headers`), after it
            (`first byte`), or after `stall_after` events (`stream`).
        cut: end after `cut_after` events: `fin` closes the connection, `rst` resets it, and
            `short` ends the HTTP body correctly, but without the wire's last event.
        malformed: raw bytes to send before event `malformed_at` of a stream.
        body: raw bytes to send as the whole body, even to a request for a stream.
        content_type: replaces the correct content type.
        close: close the connection after the answer, with the header `connection: close`.
    """

    text: str | tuple[str, ...] = "Hello from the simulator."
    echo: bool = False
    chunk_chars: int = 8
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    interleaved: bool = True
    refusal: str | None = None
    stop: Stop | None = None
    stop_sequence: str | None = None
    tokens: Tokens | None = Tokens()
    failure: Failure | None = None
    breaks: Failure | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    spacing_s: float = 0.0
    stall: Where | None = None
    stall_after: int = 2
    cut: Cut | None = None
    cut_after: int = 2
    malformed: bytes | None = None
    malformed_at: int = 1
    body: bytes | None = None
    content_type: str | None = None
    close: bool = False
    framing: Framing = Framing()

    @property
    def chunks(self) -> tuple[str, ...]:
        """The chunks of the answer's text in a stream."""
        return self.text if isinstance(self.text, tuple) else pieces(self.text, self.chunk_chars)

    @property
    def whole(self) -> str:
        """The answer's text."""
        return "".join(self.text)

    @property
    def ending(self) -> Stop:
        """The reason for the stop."""
        if self.stop is not None:
            return self.stop
        if self.refusal is not None:
            return "refusal"
        return "tool_use" if self.tool_calls else "stop"


def pieces(text: str, size: int) -> tuple[str, ...]:
    """Split the text into pieces of `size` characters."""
    return tuple(text[start : start + size] for start in range(0, len(text), size))


def turns(lists: Sequence[Sequence[bytes]], *, interleaved: bool) -> list[bytes]:
    """Join several lists one after the other, or with their entries in turns."""
    if not interleaved:
        return [entry for entries in lists for entry in entries]
    longest = max((len(entries) for entries in lists), default=0)
    return [entries[place] for place in range(longest) for entries in lists if place < len(entries)]
