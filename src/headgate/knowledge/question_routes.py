"""Operations on ratings, questions to experts, the quality of collections, and who finds what."""

from __future__ import annotations

from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import CURSOR, LIMIT, Operation, Parameter
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.content import Content, PlainText
from headgate.kernel.errors import Invalid
from headgate.kernel.labels import Labels
from headgate.knowledge import verbs
from headgate.knowledge.access import access_of
from headgate.knowledge.asking_experts import AskingExperts
from headgate.knowledge.bodies import (
    AccessView,
    NewQuestionToExperts,
    QualityView,
    QuestionList,
    QuestionView,
    RatingBody,
    ReplyBody,
)
from headgate.knowledge.payloads import Said
from headgate.knowledge.question_store import QuestionRow
from headgate.knowledge.service import Knowledge
from headgate.knowledge.specs import Collection

_STATE = Parameter("state", "Only questions in this state: open, answered or closed.")
_AS = Parameter("as", "asker: only the caller's own questions. expert: only those that the caller may answer.")


async def rate(knowledge: Knowledge, request: Request) -> None:
    """Say whether an answer is right."""
    body, principal = request.body_as(RatingBody), request.by.principal
    collections = await knowledge.readable(principal, list(body.collections))
    resource = Resource("knowledge", request.tenant, attributes={"owner": principal.id, "is_reader": True})

    async def do(facts: Facts) -> None:
        facts.update({"rated": body.record, "is_right": body.is_right, "collections": ", ".join(collections)[:1000]})
        await AskingExperts(knowledge).rate(body.record, list(collections), is_right=body.is_right, principal=principal)

    await request.perform(verbs.RATE, resource, do, arguments=digest_of(body))


async def ask_experts(knowledge: Knowledge, request: Request) -> QuestionView:
    """Hand a question to the experts of a collection."""
    body, principal = request.body_as(NewQuestionToExperts), request.by.principal
    seen = await knowledge.collection(request.path["collection"], principal)

    if not body.text.strip():
        raise Invalid("the question is empty; write one", param="text")

    async def do(content: Content, labels: Labels) -> QuestionRow:
        text = content.segments()[0].text
        return await AskingExperts(knowledge).ask(text, seen, principal=principal, labels=labels, record=body.record)

    resource = verbs.collection_resource(seen.collection, is_reader=seen.is_reader)
    done = await request.act(verbs.QUESTION_ASK, resource, Said(PlainText((body.text,)), do))
    return _view(knowledge, request, done.result, seen.collection)


async def list_questions(knowledge: Knowledge, request: Request) -> QuestionList:
    """List the questions that the caller may answer, and the caller's own, newest first."""
    request.authorise(verbs.LIST, Resource("collection", "*", attributes={"owner": "", "is_reader": True}))
    limit = max(1, min(200, request.number("limit", 50)))
    found, cursor = await AskingExperts(knowledge).page(
        request.by.principal,
        limit=limit,
        state=request.text("state"),
        of=request.text("as"),
        before=request.text("cursor"),
    )
    return QuestionList(
        questions=[_view(knowledge, request, row, collection) for row, collection in found], next=cursor
    )


async def reply(knowledge: Knowledge, request: Request) -> QuestionView:
    """Answer a question. The reply becomes a document of the collection."""
    body, principal = request.body_as(ReplyBody), request.by.principal
    row, collection = await AskingExperts(knowledge).find(request.path["question"], principal=principal)

    async def do(content: Content, labels: Labels) -> QuestionRow:
        text = content.segments()[0].text
        return await AskingExperts(knowledge).reply(row, collection, text, principal=principal, labels=labels)

    resource = verbs.collection_resource(collection, is_reader=True)
    done = await request.act(verbs.QUESTION_REPLY, resource, Said(PlainText((body.text,)), do))
    return _view(knowledge, request, done.result, collection)


async def close(knowledge: Knowledge, request: Request) -> QuestionView:
    """Close a question without an answer."""
    principal = request.by.principal
    row, collection = await AskingExperts(knowledge).find(request.path["question"], principal=principal)

    async def do(facts: Facts) -> QuestionRow:
        return await AskingExperts(knowledge).close(row, principal=principal)

    resource = verbs.collection_resource(collection, is_reader=True)
    done = await request.perform(verbs.QUESTION_CLOSE, resource, do, arguments=digest_of(row.id))
    return _view(knowledge, request, done.result, collection)


async def get_quality(knowledge: Knowledge, request: Request) -> QualityView:
    """Show how fresh a collection is, what people say about its answers, and how its questions stand."""
    seen = await knowledge.collection(request.path["collection"], request.by.principal)
    request.authorise(verbs.QUALITY, verbs.collection_resource(seen.collection, is_reader=seen.is_reader))
    found = await AskingExperts(knowledge).quality(seen.collection, tenant=request.tenant)
    return QualityView(
        documents=found.numbers.documents,
        stale=found.numbers.stale,
        failed=found.numbers.failed,
        right=found.ratings.right,
        wrong=found.ratings.wrong,
        open_questions=found.numbers.open_questions,
        answered_questions=found.numbers.answered_questions,
        shelf_life_days=seen.collection.shelf_life_days,
    )


async def get_access(knowledge: Knowledge, request: Request) -> AccessView:
    """Show what somebody finds in each collection, and why."""
    person = request.path["person"]

    async def do(facts: Facts) -> AccessView:
        return await access_of(knowledge, person, tenant=request.tenant)

    done = await request.perform(verbs.ACCESS, Resource("person", person), do, arguments=digest_of(person))
    return done.result


def _view(knowledge: Knowledge, request: Request, row: QuestionRow, collection: Collection) -> QuestionView:
    everybody, principal = knowledge.register.everybody(request.tenant), request.by.principal
    asker = everybody.get(row.asker)
    expert = everybody.get(row.expert) if row.expert is not None else None
    return QuestionView(
        id=row.id,
        collection=row.collection,
        collection_title=collection.name,
        text=AskingExperts(knowledge).text(row, tenant=request.tenant),
        reply=AskingExperts(knowledge).reply_text(row, principal),
        state=row.state,
        asker=row.asker,
        asker_name=asker.title if asker is not None else row.asker,
        expert=row.expert,
        expert_name=expert.title if expert is not None else row.expert,
        document=row.document,
        record=row.record,
        asked_at=row.asked_at,
        ended_at=row.ended_at,
        can_answer=row.state == "open" and AskingExperts(knowledge).answers(principal, collection),
    )


OPERATIONS = (
    Operation(
        "rateKnowledge",
        "POST",
        "/api/knowledge/ratings",
        "Say whether an answer is right.",
        rate,
        body=RatingBody,
        verb=verbs.RATE,
    ),
    Operation(
        "askExperts",
        "POST",
        "/api/knowledge/collections/{collection}/questions",
        "Hand a question to the experts of a collection.",
        ask_experts,
        body=NewQuestionToExperts,
        answer=QuestionView,
        verb=verbs.QUESTION_ASK,
    ),
    Operation(
        "listQuestions",
        "GET",
        "/api/knowledge/questions",
        "The questions that the caller may answer, and the caller's own, newest first.",
        list_questions,
        answer=QuestionList,
        verb=verbs.LIST,
        parameters=(_STATE, _AS, CURSOR, LIMIT),
    ),
    Operation(
        "replyToQuestion",
        "POST",
        "/api/knowledge/questions/{question}/reply",
        "Answer a question. The reply becomes a document of the collection.",
        reply,
        body=ReplyBody,
        answer=QuestionView,
        verb=verbs.QUESTION_REPLY,
    ),
    Operation(
        "closeQuestion",
        "POST",
        "/api/knowledge/questions/{question}/close",
        "Close a question without an answer.",
        close,
        answer=QuestionView,
        verb=verbs.QUESTION_CLOSE,
    ),
    Operation(
        "getCollectionQuality",
        "GET",
        "/api/knowledge/collections/{collection}/quality",
        "How fresh a collection is, what people say about its answers, and how its questions stand.",
        get_quality,
        answer=QualityView,
        verb=verbs.QUALITY,
    ),
    Operation(
        "getKnowledgeAccess",
        "GET",
        "/api/knowledge/access/{person}",
        "What somebody finds in each collection, and why.",
        get_access,
        answer=AccessView,
        verb=verbs.ACCESS,
    ),
)
