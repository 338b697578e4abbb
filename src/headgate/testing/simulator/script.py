"""What a test tells the simulator to answer: frozen data, the same for both wires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Stop = Literal["stop", "stop_sequence", "length", "tool_use", "refusal", "pause"]
Where = Literal["headers", "first byte", "stream"]
Cut = Literal["fin", "rst", "short"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the answer says of tokens; may be a lie. `input` counts what was neither read from a cache nor written.

    OpenAI's wire shows the sum of input, cache reads and cache writes as `prompt_tokens`; Anthropic's shows each.
    """

    input: int = 12
    output: int = 7
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """All tokens that went in."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model calls; `arguments` is JSON text, cut into pieces in a stream."""

    name: str
    arguments: str = "{}"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer, or an error event within a stream.

    Args:
        message: in place of the usual one of that status.
        code: in place of the usual code (OpenAI) or type (Anthropic) of that status.
        retry_after_s: sent as `retry-after`; 429 has rate limit headers besides.
        used_tokens: with `limit_tokens`: a context overflow, in each wire's exact words.
    """

    status: int
    message: str | None = None
    code: str | None = None
    retry_after_s: float | None = None
    used_tokens: int | None = None
    limit_tokens: int | None = None


def context_overflow(*, used: int = 9001, limit: int = 8192) -> Failure:
    """Return the failure of a prompt that is too long."""
    return Failure(400, used_tokens=used, limit_tokens=limit)


@dataclass(frozen=True, slots=True)
class Framing:
    """How the events of a stream are written; the default is what the providers do.

    Args:
        crlf: lines end in CRLF.
        space: `data: ` rather than `data:`.
        comments: a comment stands before every event.
        bom: the stream begins with a byte order mark.
        last_blank_line: the last event ends in a blank line.
        split_bytes: bytes that are sent at a time, so that events, lines and characters are cut.
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
        text: the answer; a tuple gives the chunks of a stream, a string is cut into pieces of `chunk_chars`.
        echo: answer with the user's last message instead.
        reasoning: reasoning before the answer, in chunks.
        tool_calls: tools that are called after the text; several are parallel.
        interleaved: deltas of parallel calls take turns (OpenAI's wire; Anthropic's has none of that).
        refusal: the model refuses, with this explanation.
        stop: why it stopped; by default what the content says.
        stop_sequence: the sequence that stopped it, with `stop="stop_sequence"`.
        tokens: None leaves usage out.
        failure: answer with this error instead.
        breaks: after the chunks, send this error within the stream.
        headers: sent besides the usual ones; same names replace.
        delay_s: seconds before the head of the answer.
        spacing_s: seconds between two events of a stream.
        stall: stop for good, until `Simulator.release`: before the head (`headers`), after it (`first byte`), or after
            `stall_after` events (`stream`).
        cut: end after `cut_after` events: `fin` closes the connection, `rst` resets it, `short` ends the answer well
            formed, but without the wire's end.
        malformed: bytes to send as they are before event `malformed_at` of a stream.
        body: bytes to send as they are in one piece, also where a stream was asked for.
        content_type: in place of the right one.
        close: close the connection after the answer and say so.
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
        """The answer's text as a stream gives it."""
        return self.text if isinstance(self.text, tuple) else pieces(self.text, self.chunk_chars)

    @property
    def whole(self) -> str:
        """The answer's text."""
        return "".join(self.text)

    @property
    def ending(self) -> Stop:
        """Why it stopped."""
        if self.stop is not None:
            return self.stop
        if self.refusal is not None:
            return "refusal"
        return "tool_use" if self.tool_calls else "stop"


def pieces(text: str, size: int) -> tuple[str, ...]:
    """Return the text in pieces of `size` characters."""
    return tuple(text[start : start + size] for start in range(0, len(text), size))


def turns(lists: Sequence[Sequence[bytes]], *, interleaved: bool) -> list[bytes]:
    """Return the entries of several lists: one list after the other, or taking turns."""
    if not interleaved:
        return [entry for entries in lists for entry in entries]
    longest = max((len(entries) for entries in lists), default=0)
    return [entries[place] for place in range(longest) for entries in lists if place < len(entries)]
