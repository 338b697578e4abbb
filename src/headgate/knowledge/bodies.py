"""The bodies of the admin API of knowledge."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from headgate.admin.bodies import Body, Moment, Name, Text

Data = Annotated[bytes, msgspec.Meta(description="The bytes of the file, in base64.")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=50)]


class SourceView(Body, frozen=True, kw_only=True):
    """A source, and how its reading stands. The numbers are of the pass that runs, or of the last one.

    `round` counts passes, and is 0 before the first one. `fault` says why a pass waits or has failed. `failed` counts
    documents that could not be fetched.
    """

    id: str
    collection: str
    kind: str
    every_minutes: int
    round: int
    begun_at: Moment | None
    ended_at: Moment | None
    due_at: Moment | None
    fault: str
    found: int
    changed: int
    removed: int
    failed: int


class CollectionView(Body, frozen=True, kw_only=True):
    """A collection, and how its documents stand.

    `expert_names` are those of `experts`, in their order. `oldest` is the age of its oldest text. `can_keep`: whether
    the caller adds and deletes documents.
    `can_ask`: whether the caller may search it.
    """

    id: str
    title: str
    purpose: str
    owner: str
    owner_name: str
    readers: list[str]
    experts: list[str]
    expert_names: list[str]
    labels: str
    shelf_life_days: int | None
    model: str | None
    documents: int
    passages: int
    waiting: int
    failed: int
    size_bytes: int
    oldest: Moment | None
    changed_at: Moment | None
    sources: list[SourceView]
    can_keep: bool
    can_ask: bool


class SourceList(Body, frozen=True, kw_only=True):
    """The sources of the collections that the caller reads or keeps."""

    sources: list[SourceView]


class CollectionList(Body, frozen=True, kw_only=True):
    """The collections that the caller reads or keeps, and whether the caller may make one."""

    collections: list[CollectionView]
    can_make: bool


class DocumentView(Body, frozen=True, kw_only=True):
    """A document. `stage` is what happens to it now, and `fault` why it could not be read."""

    id: str
    collection: str
    source: str | None
    name: str
    title: str
    url: str | None
    media_type: str
    size_bytes: int
    state: Literal["waiting", "reading", "ready", "failed"]
    stage: str
    fault: str
    pages: int | None
    passages: int
    language: str
    labels: str
    readers: list[str]
    added_by: str
    as_of: Moment
    created_at: Moment
    changed_at: Moment
    is_stale: bool


class DocumentList(Body, frozen=True, kw_only=True):
    """A page of documents, newest first; `next` is the cursor of the next page, or null."""

    documents: list[DocumentView]
    next: str | None


class BoxView(Body, frozen=True, kw_only=True):
    """A rectangle on a page, in parts of its width and height from its top left corner."""

    page: int
    left: float
    top: float
    right: float
    bottom: float


class PassageView(Body, frozen=True, kw_only=True):
    """A passage of a document. `part` names its place in a format without pages."""

    number: int
    text: str
    headings: list[str]
    boxes: list[BoxView]
    part: str


class DocumentDetail(Body, frozen=True, kw_only=True):
    """A document with its passages, for a reader of it. `passages` is empty for an owner who may not read it."""

    document: DocumentView
    passages: list[PassageView]
    can_keep: bool
    is_reader: bool


class NewDocument(Body, frozen=True, kw_only=True):
    """A file to add. One with the name of an earlier upload replaces it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    data: Data


class SearchRequest(Body, frozen=True, kw_only=True):
    """A search. Without `collections` it covers all that the caller may read."""

    question: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    collections: list[Name] | None = None
    limit: Limit = 8
    use_case: Name | None = None


class AskRequest(Body, frozen=True, kw_only=True):
    """A question. Without `model` the answer consists of quotations."""

    question: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    collections: list[Name] | None = None
    model: Name | None = None
    use_case: Name | None = None


class FoundView(Body, frozen=True, kw_only=True):
    """A passage that was found. `is_stale`: whether it is older than the shelf life of its collection."""

    document: str
    title: str
    name: str
    collection: str
    collection_title: str
    source: str | None
    passage: PassageView
    score: float
    as_of: Moment
    is_stale: bool
    labels: str


class SearchAnswer(Body, frozen=True, kw_only=True):
    """The passages of a search, best first. `legs`: whether it went by words, by meaning, or by both."""

    passages: list[FoundView]
    legs: list[str]
    record: str


class SentenceView(Body, frozen=True, kw_only=True):
    """A sentence of an answer; `cites` are indices of the passages."""

    text: str
    cites: list[int]


class AskAnswer(Body, frozen=True, kw_only=True):
    """An answer with its passages.

    `why` says why there is no answer, or no written one. `removed` counts sentences of the model that no passage
    supports. `oldest` is the age of the oldest cited text. `confidence` is null until it is calibrated.
    """

    sentences: list[SentenceView]
    passages: list[FoundView]
    is_quoted: bool
    why: Text
    removed: int
    model: str | None
    oldest: Moment | None
    confidence: float | None
    labels: str
    record: str


class RatingBody(Body, frozen=True, kw_only=True):
    """Whether an answer is right. `record` is that of the answer."""

    record: Name
    collections: list[Name]
    is_right: bool


class NewQuestionToExperts(Body, frozen=True, kw_only=True):
    """A question for the experts of a collection. `record` is that of the answer that did not do."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    record: Name | None = None


class ReplyBody(Body, frozen=True, kw_only=True):
    """An expert's reply. It becomes a document of the collection, for all of its readers."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]


class QuestionView(Body, frozen=True, kw_only=True):
    """A question to experts. `can_answer`: whether the caller may answer it.

    `reply` is null before the answer, and for a caller whose clearance does not cover it.
    """

    id: str
    collection: str
    collection_title: str
    text: str
    reply: str | None
    state: Literal["open", "answered", "closed"]
    asker: str
    asker_name: str
    expert: str | None
    expert_name: str | None
    document: str | None
    record: str | None
    asked_at: Moment
    ended_at: Moment | None
    can_answer: bool


class QuestionList(Body, frozen=True, kw_only=True):
    """A page of questions, newest first; `next` is the cursor of the next page, or null."""

    questions: list[QuestionView]
    next: str | None


class QualityView(Body, frozen=True, kw_only=True):
    """A collection in numbers. Ratings and answered questions are of the last 30 days."""

    documents: int
    stale: int
    failed: int
    right: int
    wrong: int
    open_questions: int
    answered_questions: int
    shelf_life_days: int | None


class ReachView(Body, frozen=True, kw_only=True):
    """What somebody finds in a collection, and why.

    `because` names what makes them a reader; it is empty if they are none. `closed_by_readers` and `closed_by_labels`
    count documents of the collection that they do not find.
    """

    collection: str
    title: str
    because: list[str]
    documents: int
    readable: int
    closed_by_readers: int
    closed_by_labels: int
    obstacles: list[str]


class AccessView(Body, frozen=True, kw_only=True):
    """What a person or program finds. `entries` are what opens documents to them."""

    person: str
    name: str
    entries: list[str]
    collections: list[ReachView]
