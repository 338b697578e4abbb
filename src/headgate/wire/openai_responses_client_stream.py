"""Writes streams for clients of OpenAI's Responses wire, from events of any wire.

Events of this wire keep their bytes, except for the fields that repeat the request, the copies of
the text, and the sequence numbers. The writer turns events of other wires into output items. Tool
calls may interleave, as each event names its item.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

import msgspec

from headgate.kernel.errors import HeadgateError, Upstream
from headgate.wire.conversation import (
    Begin,
    Delta,
    End,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolBegin,
    ToolUse,
    UsageUpdate,
)
from headgate.wire.dialect import WireEvent
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import ModelCall, ModelEvent, StopReason, Usage
from headgate.wire.openai_errors import envelope
from headgate.wire.openai_responses_encoding import (
    message_item,
    output_text,
    reasoning_item,
    refusal_part,
    response_head,
    tool_item,
)
from headgate.wire.openai_responses_event import ResponsesEvent
from headgate.wire.openai_responses_words import (
    REQUEST,
    CalledTool,
    called_tools,
    echoed,
    incomplete_reason,
    response_id,
    text_input,
    usage_of,
)
from headgate.wire.openai_words import document_of
from headgate.wire.sse import comment, frame
from headgate.wire.token_counts import object_of

_HEARTBEAT: Final = comment("keep-alive")
_LIFECYCLE: Final = frozenset(
    {"response.created", "response.in_progress", "response.queued", "response.completed", "response.incomplete"}
)
_MAX_ITEMS: Final = 1024

_Json = dict[str, Any]
_Kind = Literal["message", "reasoning", "tool"]


@dataclass(slots=True)
class _Item:
    """An output item that is being written."""

    kind: _Kind
    index: int
    parts: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])
    """The parts of a message, as kinds with pieces of text; reasoning and calls have one part."""
    call: ToolUse | None = None
    tool: CalledTool | None = None


class _Last(msgspec.Struct):
    response: msgspec.Raw


_RESPONSE: Final = msgspec.json.Decoder(_Last)


class ResponsesWriter:
    """Encodes one stream for the client that sent `call`; implements `KeepingWriter`.

    Args:
        answer_id: the id of the answer; None takes that of the provider.

    Attributes:
        answer: the whole answer as the client has it, once it is complete.
    """

    def __init__(self, call: ModelCall, *, created: int = 0, answer_id: str | None = None) -> None:
        self._fields = document_of(call.content, REQUEST).fields()
        self._called = called_tools(self._fields)
        self._model = call.model
        self._created = created
        self._number = 0
        self._fixed_id = answer_id
        self._id = answer_id or "resp_unnamed"
        self.answer: bytes | None = None
        self._is_begun = False
        self._is_passing = False
        self._is_over = False
        self._has_refused = False
        self._texts: dict[str, list[str]] = {}
        self._count = 0
        self._open: _Item | None = None
        self._tools: dict[int, _Item] = {}
        self._done: dict[int, _Json] = {}
        self._end: End | None = None
        self._usage: Usage | None = None

    def write(self, event: ModelEvent) -> bytes:
        """Return the frames for an event.

        Raises:
            Upstream: this format cannot express the stream, such as arguments of an unknown call.
        """
        if self._is_over:
            return b""
        if isinstance(event, ResponsesEvent):
            return self._pass(event)
        out: list[bytes] = []
        for delta in cast("WireEvent", event).deltas():
            self._take(delta, out)
        return b"".join(out)

    def end(self) -> bytes:
        """Return the final frames of a successful stream; empty after a failure."""
        if self._is_over or self._is_passing:
            return b""
        out: list[bytes] = []
        self._begin(out)
        self._is_over = True
        reason = self._reason()
        self._close_all(out, is_whole=reason is None)
        response: _Json = {
            **self._head(),
            "status": "incomplete" if reason else "completed",
            "completed_at": None if reason else self._created,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": [self._done[index] for index in sorted(self._done)],
            "usage": usage_of(self._usage or Usage()),
        }
        self.answer = msgspec.json.encode(response)
        out.append(self._frame("response.incomplete" if reason else "response.completed", response=response))
        return b"".join(out)

    def fail(self, error: HeadgateError) -> bytes:
        """Return the event of a failed response; nothing follows it."""
        out: list[bytes] = []
        self._begin(out)
        self._is_over = True
        told = msgspec.json.decode(envelope(error))["error"]
        fault = {"code": told["code"] or "server_error", "message": told["message"]}
        output = [self._done[index] for index in sorted(self._done)]
        response = {**self._head(), "status": "failed", "error": fault, "output": output}
        out.append(self._frame("response.failed", response=response))
        return b"".join(out)

    def heartbeat(self) -> bytes:
        """Return a comment frame."""
        return _HEARTBEAT

    def _pass(self, event: ResponsesEvent) -> bytes:
        """Return an event of this wire, with the client's own values and the released text."""
        self._is_passing = self._is_begun = True
        for channel, text in event.slots:
            self._texts.setdefault(channel, []).append(text)
        edits: dict[Path, bytes | None] = {("sequence_number",): b"%d" % self._number}
        self._number += 1
        for path, channel in event.fills:
            edits[path] = msgspec.json.encode("".join(self._texts.get(channel, ())))
        if event.kind in _LIFECYCLE:
            response = object_of(msgspec.json.decode(event.data).get("response"))
            self._id = self._fixed_id or str(response.get("id") or self._id)
            told = {**echoed(self._fields), "model": self._model, "id": self._id}
            kept = [name for name in told if name in response and name != "service_tier"]
            if told["conversation"] is not None:
                kept.append("conversation")
            edits.update({("response", name): msgspec.json.encode(told[name]) for name in kept})
        data = edit_fields(event.data, edits)
        if event.stop_reason is not None:
            self.answer = bytes(_RESPONSE.decode(data).response)
        return frame(data, event.kind)

    def _take(self, delta: Delta, out: list[bytes]) -> None:
        match delta:
            case Begin(answer_id, _, usage):
                self._id = self._fixed_id or response_id(answer_id)
                self._learn(usage)
                self._begin(out)
                return
            case End(usage=usage):
                self._end = delta
                self._learn(usage)
                return
            case UsageUpdate(usage):
                self._learn(usage)
                return
            case _:
                self._begin(out)
        match delta:
            case TextDelta(text):
                self._add_text("output_text", text, out)
            case RefusalDelta(text):
                self._add_text("refusal", text, out)
            case ReasoningDelta(text):
                # Signatures and redacted blocks are useful only on their own wire.
                self._add_reasoning(text, out)
            case ToolBegin():
                self._begin_tool(delta, out)
            case _:
                self._add_arguments(delta.index, delta.arguments, out)

    def _learn(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.updated(usage)

    def _begin(self, out: list[bytes]) -> None:
        if self._is_begun:
            return
        self._is_begun = True
        head = self._head()
        out.append(self._frame("response.created", response=head))
        out.append(self._frame("response.in_progress", response=head))

    def _head(self) -> _Json:
        return response_head(self._fields, answer=self._id, model=self._model, created=self._created)

    def _reason(self) -> str | None:
        """Return why the answer is incomplete, or None."""
        # Some servers end a stream successfully without a stop reason.
        reason: StopReason = self._end.stop_reason if self._end is not None else "stop"
        return incomplete_reason(reason, has_called=bool(self._tools), has_refused=self._has_refused)

    def _new_item(self, kind: _Kind) -> _Item:
        if self._count >= _MAX_ITEMS:
            raise Upstream(f"the provider sent more than {_MAX_ITEMS} pieces of an answer in turns", retryable=False)
        item = _Item(kind, self._count)
        self._count += 1
        return item

    def _add_text(self, kind: str, text: str, out: list[bytes]) -> None:
        if not text:
            return
        self._has_refused = self._has_refused or kind == "refusal"
        item = self._open
        if item is None or item.kind != "message":
            self._close_open(out)
            item = self._open = self._new_item("message")
            out.append(self._added(item, message_item(self._id, item.index, [], status="in_progress")))
        if not item.parts or item.parts[-1][0] != kind:
            self._close_part(item, out)
            item.parts.append((kind, []))
            out.append(self._part_event("response.content_part.added", item, part=_part(kind, "")))
        item.parts[-1][1].append(text)
        logprobs: _Json = {"logprobs": []} if kind == "output_text" else {}
        out.append(self._part_event(f"response.{kind}.delta", item, delta=text, **logprobs))

    def _close_part(self, item: _Item, out: list[bytes]) -> None:
        """End the last part of a message, if it has one."""
        if not item.parts:
            return
        kind, pieces = item.parts[-1]
        text = "".join(pieces)
        said: _Json = {"text": text, "logprobs": []} if kind == "output_text" else {"refusal": text}
        out.append(self._part_event(f"response.{kind}.done", item, **said))
        out.append(self._part_event("response.content_part.done", item, part=_part(kind, text)))

    def _part_event(self, kind: str, item: _Item, **said: Any) -> bytes:
        place = {"item_id": self._item_id(item), "output_index": item.index, "content_index": len(item.parts) - 1}
        return self._frame(kind, **place, **said)

    def _add_reasoning(self, text: str, out: list[bytes]) -> None:
        if not text:
            return
        item = self._open
        if item is None or item.kind != "reasoning":
            self._close_open(out)
            item = self._open = self._new_item("reasoning")
            item.parts.append(("summary_text", []))
            out.append(self._added(item, reasoning_item(self._id, item.index, None)))
            part = {"type": "summary_text", "text": ""}
            out.append(self._summary_event("response.reasoning_summary_part.added", item, part=part))
        item.parts[0][1].append(text)
        out.append(self._summary_event("response.reasoning_summary_text.delta", item, delta=text))

    def _summary_event(self, kind: str, item: _Item, **said: Any) -> bytes:
        place = {"item_id": self._item_id(item), "output_index": item.index, "summary_index": 0}
        return self._frame(kind, **place, **said)

    def _begin_tool(self, begin: ToolBegin, out: list[bytes]) -> None:
        self._close_open(out)
        item = self._new_item("tool")
        item.call = ToolUse(begin.id, begin.name, "")
        item.tool = self._called.get(begin.name)
        item.parts.append(("arguments", []))
        self._tools[begin.index] = item
        out.append(self._added(item, self._tool(item, "", "in_progress")))

    def _add_arguments(self, index: int, arguments: str, out: list[bytes]) -> None:
        item = self._tools.get(index)
        if item is None:
            raise Upstream("the provider sent arguments of a tool call that it had not begun")
        item.parts[0][1].append(arguments)
        if arguments and (item.tool is None or not item.tool.is_custom):
            place = {"item_id": self._item_id(item), "output_index": item.index}
            out.append(self._frame("response.function_call_arguments.delta", **place, delta=arguments))

    def _close_all(self, out: list[bytes], *, is_whole: bool) -> None:
        status = "completed" if is_whole else "incomplete"
        for item in self._tools.values():
            self._close_tool(item, out, status)
        self._close_open(out, status)

    def _close_tool(self, item: _Item, out: list[bytes], status: str) -> None:
        arguments = "".join(item.parts[0][1]) or "{}"
        place = {"item_id": self._item_id(item), "output_index": item.index}
        said = self._tool(item, arguments, status)
        if item.tool is not None and item.tool.is_custom:
            text = text_input(arguments)
            out.append(self._frame("response.custom_tool_call_input.delta", **place, delta=text))
            out.append(self._frame("response.custom_tool_call_input.done", **place, input=text))
        else:
            if not item.parts[0][1]:
                out.append(self._frame("response.function_call_arguments.delta", **place, delta=arguments))
            told = {"name": said["name"], "arguments": arguments}
            out.append(self._frame("response.function_call_arguments.done", **place, **told))
        self._finish(item, said, out)

    def _close_open(self, out: list[bytes], status: str = "completed") -> None:
        """End the message or the reasoning that is open."""
        item, self._open = self._open, None
        if item is None:
            return
        if item.kind == "message":
            self._close_part(item, out)
            content = [_part(kind, "".join(pieces)) for kind, pieces in item.parts]
            self._finish(item, message_item(self._id, item.index, content, status=status), out)
            return
        text = "".join(item.parts[0][1])
        out.append(self._summary_event("response.reasoning_summary_text.done", item, text=text))
        part = {"type": "summary_text", "text": text}
        out.append(self._summary_event("response.reasoning_summary_part.done", item, part=part))
        self._finish(item, reasoning_item(self._id, item.index, text), out)

    def _finish(self, item: _Item, said: _Json, out: list[bytes]) -> None:
        self._done[item.index] = said
        out.append(self._frame("response.output_item.done", output_index=item.index, item=said))

    def _added(self, item: _Item, said: _Json) -> bytes:
        return self._frame("response.output_item.added", output_index=item.index, item=said)

    def _tool(self, item: _Item, arguments: str, status: str) -> _Json:
        call = cast("ToolUse", item.call)
        return tool_item(self._id, item.index, ToolUse(call.id, call.name, arguments), item.tool, status=status)

    def _item_id(self, item: _Item) -> str:
        if item.kind == "message":
            said = message_item(self._id, item.index, (), status="")
        elif item.kind == "reasoning":
            said = reasoning_item(self._id, item.index, None)
        else:
            said = self._tool(item, "", "")
        return str(said["id"])

    def _frame(self, kind: str, **said: Any) -> bytes:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **said})
        self._number += 1
        return frame(data, kind)


def _part(kind: str, text: str) -> _Json:
    return output_text(text) if kind == "output_text" else refusal_part(text)
