"""The bodies of the operations on conversations, and the sealed form of a turn."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from headgate.admin.bodies import Body, ErrorDetail, LongText, Name
from headgate.admin.model_calls import ChatGate

Id = Annotated[str, msgspec.Meta(pattern="^[0-9A-HJKMNP-TV-Z]{26}$")]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
System = Annotated[str, msgspec.Meta(max_length=20_000)]
Person = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Role = Literal["user", "assistant"]
State = Literal["whole", "stopped", "failed", "running"]


class Attachment(Body, frozen=True, kw_only=True):
    """A file of a message: its text, or an image as base64."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    media_type: Annotated[str, msgspec.Meta(pattern=r"^(text/plain|image/(png|jpeg|webp|gif))$")]
    text: LongText | None = None
    data: Annotated[str, msgspec.Meta(max_length=4_200_000, pattern="^[A-Za-z0-9+/]+=*$")] | None = None


class TurnBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed content of a turn."""

    text: str = ""
    attachments: list[Attachment] = []
    model: str = ""
    use_case: str = ""
    compare_with: str | None = None
    gate: ChatGate | None = None
    error: ErrorDetail | None = None


class NewConversation(Body, frozen=True, kw_only=True):
    """A conversation to begin. Without a title it takes its first words."""

    model: Name
    use_case: Name = "getting-started"
    title: Title | None = None
    system: System | None = None


class ConversationChange(Body, frozen=True, kw_only=True):
    """Changes of a conversation; null leaves a field as it is, and an empty `system` removes the system prompt."""

    title: Title | None = None
    system: System | None = None
    model: Name | None = None
    use_case: Name | None = None


class Shown(Body, frozen=True, kw_only=True):
    """The last turn of the branch to show."""

    turn: Id


class NewQuestion(Body, frozen=True, kw_only=True):
    """A message; `parent` is the answer before it, or null for the first. An edited one has the same parent.

    `model` and `use_case` change those of the conversation from this message on. `compare_with` is a second model whose
    answer is read side by side; ask for it as well.
    """

    text: LongText = ""
    parent: Id | None = None
    model: Name | None = None
    use_case: Name | None = None
    compare_with: Name | None = None
    attachments: Annotated[list[Attachment], msgspec.Meta(max_length=8)] = msgspec.field(
        default_factory=list[Attachment]
    )


class AnswerRequest(Body, frozen=True, kw_only=True):
    """Asks a model for an answer to a message; several answers to one message are alternatives."""

    question: Id
    model: Name | None = None


class Rating(Body, frozen=True, kw_only=True):
    """Whether an answer was good."""

    answer: Id
    is_good: bool


class ConversationView(Body, frozen=True, kw_only=True):
    """A conversation without its turns."""

    id: str
    title: str
    owner: str
    owner_name: str
    model: str
    use_case: str
    labels: str
    created_at: datetime
    changed_at: datetime


class ConversationList(Body, frozen=True, kw_only=True):
    """Conversations, newest first."""

    conversations: list[ConversationView]
    next: str | None = None


class SearchHit(Body, frozen=True, kw_only=True):
    """A conversation that a search found, with the place; `turn` is null where its title was found."""

    conversation: ConversationView
    turn: str | None
    excerpt: str


class SearchResult(Body, frozen=True, kw_only=True):
    """What a search found, newest first, each conversation once."""

    hits: list[SearchHit]
    next: str | None = None


class TurnView(Body, frozen=True, kw_only=True):
    """A message or an answer.

    `approval` is the request that the answer waits for, and `withheld` says why its content is not shown.
    """

    id: str
    parent: str | None
    role: Role
    state: State
    said_at: datetime
    text: str
    attachments: list[Attachment]
    model: str | None
    compare_with: str | None
    record: str | None
    gate: ChatGate | None
    error: ErrorDetail | None
    approval: str | None
    withheld: str | None


class WayView(Body, frozen=True, kw_only=True):
    """A model that could answer a message, after an approval if it needs one."""

    model: str
    needs_approval: bool
    is_own_machines: bool


class WaysView(Body, frozen=True, kw_only=True):
    """The ways on from a message without an answer.

    `without_images` says whether the same model could answer the message without its images.
    """

    models: list[WayView]
    without_images: bool


class ReaderView(Body, frozen=True, kw_only=True):
    """A person who may read a conversation."""

    person: str
    name: str
    shared_at: datetime


class ConversationDetail(Body, frozen=True, kw_only=True):
    """A conversation with its turns, oldest first. `shown` is the last turn of the branch to show."""

    conversation: ConversationView
    system: str | None
    shown: str | None
    is_own: bool
    readers: list[ReaderView]
    turns: list[TurnView]


class Colleague(Body, frozen=True, kw_only=True):
    """A person of the same organisation. `name` is the id of somebody without a name."""

    id: str
    name: str


class Colleagues(Body, frozen=True, kw_only=True):
    """Up to ten people, by name."""

    people: list[Colleague]


class Place(Body, frozen=True, kw_only=True):
    """The caller's own conversation, or null for none."""

    conversation: str | None


class Deleted(Body, frozen=True, kw_only=True):
    """A deleted conversation: how many parts of records became unreadable with it."""

    parts: int
