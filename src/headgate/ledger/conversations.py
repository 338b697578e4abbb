"""The content of a model call as a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from headgate.admin.bodies import Body, PartView
from headgate.wire.conversation import Image, Message, Part, Reasoning, Refusal, Text, ToolResult, ToolUse
from headgate.wire.dialects import Dialects
from headgate.wire.transcript import plain_text, read_answer, read_messages

MAX_IMAGE_CHARS = 4 << 20
"""Size of a shown image in base64. The raw part has larger ones."""


class Piece(Body, frozen=True, kw_only=True):
    """A piece of a message.

    Args:
        kind: `text`, `reasoning`, `refusal`, `tool_call`, `tool_result`, `image` or `file`.
        text: the text, or the arguments of a tool call.
        name: of the tool or file.
        call: id of the tool call.
        image: an image as `data:` URL. None for one that is remote, too large, or not an image.
        pieces: of a tool's result.
    """

    kind: str
    text: str = ""
    name: str = ""
    call: str = ""
    image: str | None = None
    pieces: list[Piece] = msgspec.field(default_factory=list["Piece"])


class Turn(Body, frozen=True, kw_only=True):
    """One message of a conversation; `role` is system, user or assistant."""

    role: str
    pieces: list[Piece]


class RecordConversation(Body, frozen=True, kw_only=True):
    """A conversation in the order of its messages.

    Args:
        record: the record that has the content: the shown one, or the attempt that decided it.
        sent: the messages of the call. None if they are withheld or not a chat.
        answer: the answer, put together from a stream. None if there is none, or it is withheld or not a chat.
        is_whole: whether the stored answer has an end.
    """

    record: str
    sent: list[Turn] | None
    answer: list[Piece] | None
    is_whole: bool


_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def conversation_of(record: str, parts: Sequence[PartView], *, dialects: Dialects) -> RecordConversation | None:
    """Return the conversation in opened parts, or None if none of them is readable as a chat. Takes milliseconds."""
    texts = {part.name: part.text for part in parts if part.text is not None}
    sent = texts.get("sent")
    messages = None if sent is None else read_messages(sent.encode(), dialects)
    answer = texts.get("answer")
    read = None if answer is None else read_answer(answer.encode(), dialects)
    if messages is None and read is None:
        return None
    return RecordConversation(
        record=record,
        sent=None if messages is None else list(map(_turn, messages)),
        answer=None if read is None else _pieces(read.parts),
        is_whole=read is None or read.is_whole,
    )


def _turn(message: Message) -> Turn:
    return Turn(role=message.role, pieces=_pieces(message.parts))


def _pieces(parts: Iterable[Part]) -> list[Piece]:
    return list(map(_piece, parts))


def _piece(part: Part) -> Piece:
    match part:
        case Text(text=text):
            return Piece(kind="text", text=text)
        case Reasoning(text=text):
            return Piece(kind="reasoning", text=text)
        case Refusal(text=text):
            return Piece(kind="refusal", text=text)
        case ToolUse(id=call, name=name, arguments=arguments):
            return Piece(kind="tool_call", text=arguments, name=name, call=call)
        case ToolResult(tool_use_id=call, parts=inner):
            return Piece(kind="tool_result", call=call, pieces=_pieces(inner))
        case Image():
            return Piece(kind="image", image=_data_url(part))
        case _:
            return Piece(kind="file", name=part.name or "")


def _data_url(image: Image) -> str | None:
    """Return an inline image as URL. A remote one is never loaded: that would tell its host who reads the record."""
    if image.data is None or image.media_type not in _IMAGES or len(image.data) > MAX_IMAGE_CHARS:
        return None
    return f"data:{image.media_type};base64,{image.data}"


def search_text(name: str, part: bytes, *, dialects: Dialects) -> str:
    """Return the words of a part for a search: those of the chat, or the raw text of anything else."""
    if name == "sent" and (messages := read_messages(part, dialects)) is not None:
        return "\n".join(plain_text(message.parts) for message in messages)
    if name == "answer" and (read := read_answer(part, dialects)) is not None:
        return plain_text(read.parts)
    return part.decode("utf-8", "replace")
