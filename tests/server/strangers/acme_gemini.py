"""A stranger's wire, shaped like Gemini's. The path names the model and says whether the answer is a stream.

It serves clients and speaks to providers, and is installed beside Headgate by entry points alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content, TextSlot
from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.conversation import Begin, Conversation, Delta, End, Message, Reply, Text, TextDelta
from headgate.wire.dialect import AnswerHeaders, EventReader, EventWriter, Match, Outgoing, Route, WireEvent
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply, StopReason, Usage
from headgate.wire.plane import HttpError, Plane
from headgate.wire.provider import Endpoint, Headers, Provider
from headgate.wire.retries import retry_after, retry_headers
from headgate.wire.sse import SseEvent, comment, frame

NAME: Final = "acme_gemini"
KEYS: Final = frozenset(
    {
        *("contents", "role", "parts", "text", "model", "generationConfig", "maxOutputTokens", "candidates", "content"),
        *("finishReason", "usageMetadata", "promptTokenCount", "candidatesTokenCount", "modelVersion"),
    }
)
REQUEST: Final = Layout(known_keys=KEYS, turns={"contents": "user"}, roles={"user": "user", "model": "assistant"})
ANSWER: Final = Layout(known_keys=KEYS, fields={"candidates": "assistant"})
REASONS: Final[Mapping[str, StopReason]] = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


def write_error(error: HeadgateError, *, request_id: str) -> HttpError:
    """Render an error as this plane's clients read it."""
    headers = (("x-acme-request", request_id), *retry_headers(error))
    return HttpError(error.status, headers, msgspec.json.encode({"error": said(error)}))


def said(error: HeadgateError) -> dict[str, Any]:
    """What is told of an error, whole or within a stream."""
    return {"code": error.status, "status": error.code.upper(), "message": error.message}


ACME: Final = Plane(
    name="acme",
    base_path="",
    write_error=write_error,
    request_id_header="x-acme-request",
    key_headers=("x-acme-key",),
    known_by=frozenset({"x-acme-client"}),
    path_parts=(":answer", ":streamAnswer"),
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream: text, and at the end why it ends; implements `WireEvent`."""

    data: bytes
    text: str
    stop_reason: StopReason | None = None
    usage: Usage | None = None
    is_first: bool = False

    @property
    def wire(self) -> str:
        return NAME

    @property
    def slots(self) -> Sequence[TextSlot]:
        return (TextSlot("content/0", self.text),) if self.text else ()

    @property
    def closes(self) -> Sequence[str]:
        return () if self.stop_reason is None else ("*",)

    @property
    def ends_runs(self) -> bool:
        return bool(self.closes)

    def run(self, channel: str) -> str | None:
        return None

    def edit(self, texts: Sequence[str]) -> Chunk:
        return replace(self, text=texts[0], data=answer_of(texts[0]))

    def without_spelling(self) -> Chunk:
        return self

    def insert(self, slot: TextSlot) -> Chunk:
        return Chunk(answer_of(slot.text), slot.text)

    def deltas(self) -> Sequence[Delta]:
        deltas: list[Delta] = [Begin("", "")] if self.is_first else []
        deltas += [TextDelta(self.text)] if self.text else []
        deltas += [End(self.stop_reason, usage=self.usage)] if self.stop_reason is not None else []
        return deltas


class Reader:
    """Decodes one stream; implements `EventReader`."""

    def __init__(self) -> None:
        self._seen: list[Chunk] = []

    def feed(self, event: SseEvent) -> Sequence[WireEvent]:
        text, reason, usage = read_answer(msgspec.json.decode(event.data))
        self._seen.append(Chunk(event.data, text, reason, usage, is_first=not self._seen))
        return self._seen[-1:]

    def finish(self) -> None:
        if not self._seen or self._seen[-1].stop_reason is None:
            raise Upstream("the stream was cut")


class Writer:
    """Encodes one stream, from events of any wire; implements `EventWriter`."""

    def write(self, event: ModelEvent) -> bytes:
        frames = b""
        for delta in cast("WireEvent", event).deltas():
            match delta:
                case TextDelta(text=text):
                    frames += frame(answer_of(text))
                case End(stop_reason=reason, usage=usage):
                    frames += frame(answer_of("", reason, usage))
                case _:
                    pass
        return frames

    def end(self) -> bytes:
        return b""

    def fail(self, error: HeadgateError) -> bytes:
        return frame(msgspec.json.encode({"error": said(error)}))

    def heartbeat(self) -> bytes:
        return comment("still here")


class AcmeGemini:
    """The dialect, for clients and for providers."""

    manifest = Manifest("dialects", NAME, "A wire that names the model in the path.")
    name = NAME
    plane = ACME
    routes = (
        Route("POST", "/acme/models/{model}:answer", "chat", stream=False),
        Route("POST", "/acme/models/{model}:streamAnswer", "chat", stream=True),
    )
    quirks = EMPTY
    answer_headers = AnswerHeaders(request_ids=("x-acme-request",))

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match) -> ModelCall:
        document = JsonDocument.parse(body, layout=REQUEST)
        if not isinstance(document.fields().get("contents"), list):
            raise Invalid("contents must be a list", param="contents")
        named = document.edit_fields({("model",): msgspec.json.encode(match.model)})
        return ModelCall(NAME, named, match.model or "", match.operation, stream=bool(match.stream))

    def to_conversation(self, content: Content) -> Conversation:
        turns: list[dict[str, Any]] = msgspec.json.decode(content.to_bytes())["contents"]
        return Conversation(
            tuple(
                Message("assistant" if turn.get("role") == "model" else "user", (Text(text_of(turn)),))
                for turn in turns
            )
        )

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        text = "".join(part.text for part in reply.parts if isinstance(part, Text))
        return answer_of(text, reply.stop_reason, reply.usage, modelVersion=model)

    def write_events(self, call: ModelCall, *, created: int = 0) -> EventWriter:
        return Writer()

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        contents = [
            {
                "role": "model" if turn.role == "assistant" else "user",
                "parts": [{"text": part.text} for part in turn.parts if isinstance(part, Text)],
            }
            for turn in conversation.messages
        ]
        return msgspec.json.encode({"contents": contents})

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        return ("temperature",) if conversation.temperature is not None else ()

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        _, reason, usage = read_answer(msgspec.json.decode(body))
        document = JsonDocument.parse(body, layout=ANSWER)
        return ModelReply(NAME, document, usage or Usage(), reason or "unknown", tuple(headers.items()))

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        return reply  # it calls none

    def to_reply(self, reply: ModelReply) -> Reply:
        text, reason, usage = read_answer(msgspec.json.decode(reply.content.to_bytes()))
        return Reply("acme", "acme", (Text(text),), reason or "unknown", usage=usage or Usage())

    def read_events(self) -> EventReader:
        return Reader()

    def replay(self, body: bytes) -> bytes:
        return frame(body)

    def assembler(self) -> None:
        return

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        return Upstream("it refused", upstream_status=status, retry_after_s=retry_after(headers))


def text_of(turn: Mapping[str, Any]) -> str:
    """The text of one turn, or of a candidate's content."""
    return "".join(str(part.get("text", "")) for part in turn.get("parts", ()))


def read_answer(answer: dict[str, Any]) -> tuple[str, StopReason | None, Usage | None]:
    """The text of an answer or of a piece of one, why it ends, and what it used."""
    if "candidates" not in answer:
        raise Upstream("the provider's answer has no candidates")
    (candidate,) = answer["candidates"]
    used = answer.get("usageMetadata")
    usage = Usage(input_tokens=used["promptTokenCount"], output_tokens=used["candidatesTokenCount"]) if used else None
    return text_of(candidate.get("content", {})), REASONS.get(candidate.get("finishReason")), usage


def answer_of(text: str, reason: StopReason | None = None, usage: Usage | None = None, **more: Any) -> bytes:
    """An answer, or a piece of one."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if reason is not None:
        candidate["finishReason"] = next((word for word, ours in REASONS.items() if ours == reason), "OTHER")
    answer: dict[str, Any] = {"candidates": [candidate], **more}
    if usage is not None:
        counts = {"promptTokenCount": usage.input_tokens, "candidatesTokenCount": usage.output_tokens}
        answer["usageMetadata"] = counts
    return msgspec.json.encode(answer)


def credential(secret: str | None) -> Headers:
    """Send the secret in the header that this provider reads."""
    return (("x-acme-key", secret),) if secret else ()


dialect = AcmeGemini()
provider = Provider(
    manifest=Manifest("providers", "acme", "Acme, which names the model in the path."),
    base_url="https://api.acme.example",
    endpoints={
        "chat": Endpoint(
            NAME,
            "/acme/models/{model}:answer",
            stream_path="/acme/models/{model}:streamAnswer?alt=sse",
        )
    },
    credential=credential,
)
