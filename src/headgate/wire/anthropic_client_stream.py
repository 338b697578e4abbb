"""Writes one stream for an Anthropic client, from events of any wire format.

Anthropic events pass unchanged except for the model's name. The writer splits events of other
formats into deltas, and joins the deltas into content blocks. This format sends one block after
the other. Interleaved blocks, such as parallel tool calls, therefore wait until the block before
them is complete.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

import msgspec

from headgate.kernel.errors import HeadgateError, Upstream
from headgate.wire.anthropic_encoding import refusal_details
from headgate.wire.anthropic_errors import error_event
from headgate.wire.anthropic_provider_stream import AnthropicEvent
from headgate.wire.anthropic_words import (
    anthropic_message_id,
    anthropic_reason_of,
    anthropic_tool_id,
    estimated_tokens,
    tokens_of,
)
from headgate.wire.conversation import (
    Begin,
    Delta,
    End,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolBegin,
    UsageUpdate,
)
from headgate.wire.dialect import WireEvent
from headgate.wire.json_document import TooDeep, decoded_inside
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import ModelCall, ModelEvent, StopReason, Usage
from headgate.wire.sse import frame

MAX_WAITING_CHARS: Final = 4 * 1024 * 1024
"""The maximum number of waiting characters in later blocks."""

MAX_BLOCKS: Final = 1024
_PING: Final = frame(b'{"type": "ping"}', "ping")
_STOP: Final = frame(b'{"type":"message_stop"}', "message_stop")
_CHARS_PER_TOKEN: Final = 4

_Json = dict[str, Any]
_Kind = Literal["text", "thinking", "redacted", "tool"]
_FIELDS: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool": ("input_json_delta", "partial_json"),
}


@dataclass(slots=True)
class _Block:
    """A content block in the queue; the writer writes the first block, and the others wait."""

    kind: _Kind
    start: _Json
    waiting: list[str] = field(default_factory=list[str])
    written: list[str] = field(default_factory=list[str])
    signature: str | None = None
    tool: int = -1
    is_done: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the block is complete, so that the writer may begin the next block.

        Raises:
            Upstream: a tool call's arguments are nested deeper than a body may be.
        """
        if self.is_done or self.kind != "tool":
            return True
        arguments = "".join((*self.written, *self.waiting))
        if not arguments.rstrip().endswith("}"):
            return False
        try:
            return decoded_inside(arguments) is not None
        except TooDeep as error:
            raise Upstream(
                "the provider nests a tool call's arguments deeper than any body may be", retryable=False
            ) from error


class AnthropicWriter:
    """Encodes one stream; implements `EventWriter`. Belongs to one task.

    Args:
        answer_id: the id of the answer; None takes that of the provider.
    """

    def __init__(self, call: ModelCall, *, answer_id: str | None = None) -> None:
        self._call = call
        self._fixed_id = answer_id
        self._blocks: deque[_Block] = deque()
        self._tools: dict[int, _Block] = {}
        self._ids: set[str] = set()
        self._index = 0
        self._is_open = False
        self._waiting_chars = 0
        self._written_chars = 0
        self._reply_id = ""
        self._is_begun = False
        self._is_passing = False
        self._end: End | None = None
        self._usage: Usage | None = None
        self._refusal: list[str] = []
        self._is_over = False

    def write(self, event: ModelEvent) -> bytes:
        """Return the frames for an event; empty if the event has to wait.

        Raises:
            Upstream: this format cannot express the stream, such as more of a finished tool call.
        """
        if self._is_over:
            return b""
        if isinstance(event, AnthropicEvent):
            return self._pass(event)
        out: list[bytes] = []
        for delta in cast("WireEvent", event).deltas():
            self._take(delta, out)
        return b"".join(out)

    def end(self) -> bytes:
        """Return the final frames of a successful stream; empty after a failure."""
        if self._is_over:
            return b""
        self._is_over = True
        if self._is_passing:
            return _STOP
        out: list[bytes] = []
        self._begin(None, out)
        self._drain(out, is_last=True)
        out += [self._message_delta(), _STOP]
        return b"".join(out)

    def fail(self, error: HeadgateError) -> bytes:
        """Return the error event; nothing follows it."""
        self._is_over = True
        return frame(error_event(error), "error")

    def heartbeat(self) -> bytes:
        """Return a `ping` event."""
        return _PING

    def _pass(self, event: AnthropicEvent) -> bytes:
        self._is_passing = True
        data = event.data
        if event.kind == "message_start":
            edits: dict[Path, bytes | None] = {("message", "model"): msgspec.json.encode(self._call.model)}
            if self._fixed_id is not None:
                edits["message", "id"] = msgspec.json.encode(self._fixed_id)
            data = edit_fields(data, edits)
        return frame(data, event.kind)

    def _take(self, delta: Delta, out: list[bytes]) -> None:
        match delta:
            case Begin():
                self._begin(delta, out)
                return
            case End():
                self._end = delta
                self._learn(delta.usage)
            case UsageUpdate(usage):
                self._learn(usage)
            case TextDelta(text):
                self._add("text", text)
            case RefusalDelta(text):
                # Clients show text only. The refusal is text here, and the explanation at the end.
                self._refusal.append(text)
                self._add("text", text)
            case ReasoningDelta():
                self._reason(delta)
            case ToolBegin(index, tool_id, name):
                block_id = anthropic_tool_id(tool_id or f"{self._reply_id}.{index}")
                if block_id in self._ids:
                    # Tool calls with a repeated or missing id get distinct ids.
                    block_id = anthropic_tool_id(f"{self._reply_id}.{index}.{tool_id}")
                self._ids.add(block_id)
                start: _Json = {"type": "tool_use", "id": block_id, "name": name, "input": {}}
                self._tools[index] = self._queue(_Block("tool", start, tool=index))
            case _:
                self._call_more(delta.index, delta.arguments)
        self._begin(None, out)
        self._drain(out, is_last=False)

    def _begin(self, begin: Begin | None, out: list[bytes]) -> None:
        if self._is_begun:
            return
        self._is_begun = True
        if begin is not None:
            self._reply_id = begin.id
            self._learn(begin.usage)
        usage = self._usage or Usage()
        if not usage.input_tokens:
            # Clients show this estimate at once. The exact prompt size may arrive at the end.
            usage = replace(usage, input_tokens=estimated_tokens(self._call.content), is_estimate=True)
            self._usage = usage
        message: _Json = {
            "id": self._fixed_id or anthropic_message_id(self._reply_id),
            "type": "message",
            "role": "assistant",
            "model": self._call.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": tokens_of(usage),
        }
        out.append(_frame({"type": "message_start", "message": message}))

    def _learn(self, usage: Usage | None) -> None:
        """Take a cumulative report; the estimated input stays until the provider reports it."""
        if usage is not None and not usage.input_tokens and self._usage is not None:
            usage = replace(usage, input_tokens=self._usage.input_tokens, is_estimate=True)
        self._usage = usage or self._usage

    def _add(self, kind: Literal["text", "thinking"], text: str) -> None:
        if not text:
            return
        last = self._blocks[-1] if self._blocks else None
        if last is None or last.kind != kind or last.is_done:
            last = self._queue(_Block(kind, _empty_block(kind)))
        self._wait(last, text)

    def _reason(self, delta: ReasoningDelta) -> None:
        if delta.redacted is not None:
            self._queue(_Block("redacted", {"type": "redacted_thinking", "data": delta.redacted}))
            return
        self._add("thinking", delta.text)
        if delta.signature is not None:
            last = self._blocks[-1] if self._blocks else None
            if last is None or last.kind != "thinking" or last.is_done:
                # A provider signs its reasoning even if it does not show it.
                last = self._queue(_Block("thinking", _empty_block("thinking")))
            last.signature = delta.signature
            last.is_done = True

    def _call_more(self, index: int, arguments: str) -> None:
        block = self._tools.get(index)
        if block is None:
            raise Upstream("the provider sent arguments of a tool call that it had not begun")
        if block.is_done:
            if arguments.strip():
                raise Upstream("the provider went on with a tool call that was complete")
            return
        self._wait(block, arguments)

    def _queue(self, block: _Block) -> _Block:
        if len(self._blocks) >= MAX_BLOCKS:
            raise Upstream(f"the provider interleaves more than {MAX_BLOCKS} content blocks")
        self._blocks.append(block)
        return block

    def _wait(self, block: _Block, text: str) -> None:
        block.waiting.append(text)
        self._waiting_chars += len(text)
        if self._waiting_chars > MAX_WAITING_CHARS:
            raise Upstream(f"the provider interleaves more than {MAX_WAITING_CHARS} characters of tool calls")

    def _drain(self, out: list[bytes], *, is_last: bool) -> None:
        """Write the first block's new text; continue with the next block after a complete one."""
        while self._blocks:
            block = self._blocks[0]
            self._write_waiting(block, out)
            if not (is_last or block.is_done or len(self._blocks) > 1):
                return
            if not is_last and not block.is_complete:
                return
            self._close(block, out)
            self._blocks.popleft()

    def _write_waiting(self, block: _Block, out: list[bytes]) -> None:
        if not self._is_open:
            self._is_open = True
            out.append(_frame({"type": "content_block_start", "index": self._index, "content_block": block.start}))
        text = "".join(block.waiting)
        if not text:
            return
        block.waiting.clear()
        self._waiting_chars -= len(text)
        self._written_chars += len(text)
        if block.kind == "tool":
            block.written.append(text)
        kind, name = _FIELDS[block.kind]
        out.append(self._delta({"type": kind, name: text}))

    def _close(self, block: _Block, out: list[bytes]) -> None:
        if block.signature:
            out.append(self._delta({"type": "signature_delta", "signature": block.signature}))
        out.append(_frame({"type": "content_block_stop", "index": self._index}))
        block.is_done = True
        block.written.clear()
        self._index += 1
        self._is_open = False

    def _delta(self, delta: _Json) -> bytes:
        return _frame({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _message_delta(self) -> bytes:
        # Some servers end a stream successfully without a stop reason.
        reason: StopReason = self._end.stop_reason if self._end else "tool_use" if self._tools else "stop"
        refusal = "".join(self._refusal)
        delta: _Json = {
            "stop_reason": "refusal" if refusal else anthropic_reason_of(reason),
            "stop_sequence": self._end.stop_sequence if self._end is not None else None,
        }
        if refusal:
            delta["stop_details"] = refusal_details(refusal)
        usage = self._usage or Usage()
        if not usage.output_tokens and self._written_chars:
            usage = replace(usage, output_tokens=self._written_chars // _CHARS_PER_TOKEN + 1, is_estimate=True)
        return _frame({"type": "message_delta", "delta": delta, "usage": tokens_of(usage)})


def _empty_block(kind: Literal["text", "thinking"]) -> _Json:
    if kind == "text":
        return {"type": "text", "text": ""}
    return {"type": "thinking", "thinking": "", "signature": ""}


def _frame(event: _Json) -> bytes:
    return frame(msgspec.json.encode(event), event["type"])
