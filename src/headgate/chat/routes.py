"""The operations on conversations."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from headgate.admin.callers import AdminCaller
from headgate.admin.checks import page_size
from headgate.admin.commands import Command, Do, Facts, digest_of
from headgate.admin.model_calls import ChatDelta, ChatGate
from headgate.admin.operations import CURSOR, LIMIT, Operation, Parameter
from headgate.admin.records import MOST_FORGOTTEN, RECORD_FORGET, Forget
from headgate.admin.requests import Request
from headgate.chat import asking, verbs
from headgate.chat.bodies import (
    AnswerRequest,
    Colleague,
    Colleagues,
    ConversationChange,
    ConversationDetail,
    ConversationList,
    ConversationView,
    Deleted,
    NewConversation,
    NewQuestion,
    Place,
    Rating,
    ReaderView,
    SearchResult,
    Shown,
    TurnBody,
    TurnView,
    WaysView,
)
from headgate.chat.branches import branch_to, settled
from headgate.chat.service import Chat, Kept, NewTurn
from headgate.chat.store import Before, ReaderRow, TurnRow
from headgate.kernel.action import Resource
from headgate.kernel.errors import Invalid, NotFound
from headgate.kernel.labels import Clearance, parse_labels
from headgate.wire.model_call import MODEL_INVOKE

_OWN_LIST = "own"


async def list_conversations(chat: Chat, request: Request) -> ConversationList:
    """List the caller's conversations, newest first."""
    person = _authorised(request)
    limit = page_size(request.number("limit", 50), "conversations")
    found = await chat.list(person, tenant=request.tenant, before=_before(request.text("cursor")), limit=limit + 1)
    shown = found[:limit]
    following = f"{shown[-1].row.changed_at.isoformat()} {shown[-1].row.id}" if len(found) > limit else None
    return ConversationList(conversations=[one.view() for one in shown], next=following)


async def search_conversations(chat: Chat, request: Request) -> SearchResult:
    """Search the caller's conversations by the beginnings of words."""
    person = _authorised(request)
    limit = page_size(request.number("limit", 20), "conversations")
    return await chat.search(
        (request.text("q") or "")[:500],
        tenant=request.tenant,
        person=person,
        before=request.text("cursor"),
        limit=limit,
    )


async def find_by_record(chat: Chat, request: Request) -> Place:
    """Find the caller's own conversation that has an answer with this record."""
    person = _authorised(request)
    found = await chat.of_record(request.path["record"], tenant=request.tenant, person=person)
    return Place(conversation=found)


async def list_shared(chat: Chat, request: Request) -> ConversationList:
    """List the conversations that others share with the caller."""
    person, clearance = _authorised(request), request.by.principal.clearance
    found = await chat.shared_with(person, tenant=request.tenant)
    return ConversationList(conversations=[_shared_view(one, clearance) for one in found])


def _shared_view(kept: Kept, clearance: Clearance) -> ConversationView:
    """Return a shared conversation, without its title if the reader may not open it."""
    if kept.labels.flows_to(clearance):
        return kept.view()
    return kept.view(title=f"Conversation of {kept.owner}")


async def begin_conversation(chat: Chat, request: Request) -> ConversationView:
    """Begin a conversation."""
    body, person = request.body_as(NewConversation), request.by.principal.id
    _known_model(chat, request.by, body.model)
    request.by.use_case(body.use_case)

    async def do(facts: Facts) -> Kept:
        kept = await chat.create(
            tenant=request.tenant,
            person=person,
            model=body.model,
            use_case=body.use_case,
            title=body.title,
            system=body.system,
        )
        facts["conversation"] = kept.row.id
        return kept

    resource = verbs.conversation("new", owner=person)
    return (await request.perform(verbs.CREATE, resource, do, arguments=digest_of(body))).result.view()


async def get_conversation(chat: Chat, request: Request) -> ConversationDetail:
    """Show a conversation: the caller's own, or one that its owner shares with them. The latter leaves a record."""
    kept = await _kept(chat, request)
    is_own = kept.row.person == request.by.principal.id
    if is_own:
        request.authorise(verbs.READ, _resource(kept))
    else:
        await _opened_by_another(request, kept)
    turns = await chat.turns(kept)
    return _detail(chat, kept, turns, request.by, is_own=is_own)


async def change_conversation(chat: Chat, request: Request) -> ConversationView:
    """Rename a conversation, or change its model, use case or system prompt."""
    body, kept = request.body_as(ConversationChange), await _kept(chat, request)
    if body.model is not None:
        _known_model(chat, request.by, body.model)
    if body.use_case is not None:
        request.by.use_case(body.use_case)

    async def do(facts: Facts) -> Kept:
        return await chat.change(
            kept.row.id,
            tenant=request.tenant,
            model=body.model,
            use_case=body.use_case,
            title=body.title,
            system=body.system,
        )

    done = await request.perform(verbs.CHANGE, _resource(kept), do, arguments=digest_of(kept.row.id, body))
    return done.result.view()


async def show_branch(chat: Chat, request: Request) -> None:
    """Remember which branch the caller looks at. Leaves no record, as it changes nothing but the view."""
    body, kept = request.body_as(Shown), await _kept(chat, request)
    request.authorise(verbs.READ, _resource(kept))
    branch_to(settled(await chat.turns(kept), model_of=kept.model_of), body.turn, param="turn")
    await chat.show(kept.row.id, body.turn, tenant=request.tenant)


async def delete_conversation(chat: Chat, request: Request) -> Deleted:
    """Delete a conversation for good, and the content of the records of its calls. The records stay."""
    kept = await _kept(chat, request)
    resource = _resource(kept)
    # Its own decision comes first: who may not delete the conversation forgets no records either.
    request.authorise(verbs.DELETE, resource)
    records = sorted({turn.record for turn in await chat.turns(kept) if turn.record is not None})
    parts = 0
    for start in range(0, len(records), MOST_FORGOTTEN):
        batch = tuple(records[start : start + MOST_FORGOTTEN])
        done = await request.act(RECORD_FORGET, Resource("conversation", kept.row.id), Forget(batch))
        parts += done.result

    async def do(facts: Facts) -> None:
        await chat.delete(kept.row.id, tenant=request.tenant)

    await request.perform(
        verbs.DELETE, resource, do, arguments=digest_of(kept.row.id), summary={"records": len(records)}
    )
    return Deleted(parts=parts)


async def say(chat: Chat, request: Request) -> TurnView:
    """Write a message. Ask for an answer to it next."""
    body, kept = request.body_as(NewQuestion), await _kept(chat, request)
    _check_question(body)
    if body.compare_with is not None:
        _known_model(chat, request.by, body.compare_with)
    request.authorise(verbs.SAY, _resource(kept))
    turns = settled(await chat.turns(kept), model_of=kept.model_of)
    branch = [] if body.parent is None else branch_to(turns, body.parent, param="parent")
    if branch and branch[-1].role != "assistant":
        raise Invalid("a message follows an answer; name the answer before it", param="parent")
    content = TurnBody(
        text=body.text,
        attachments=body.attachments,
        model=body.model or kept.row.model,
        use_case=body.use_case or kept.row.use_case,
        compare_with=body.compare_with,
    )
    turn = NewTurn(chat.ids.ulid(), body.parent, "user", "whole", content, kept.labels)
    labels = await asking.labels_of_question(chat, request, kept, branch, turn)

    async def do(facts: Facts) -> TurnRow:
        facts["turn"] = turn.id
        return await chat.add(kept.row.id, turn.labelled(labels), tenant=request.tenant)

    arguments = digest_of(kept.row.id, body)
    done = await request.perform(verbs.SAY, _resource(kept), do, arguments=arguments)
    return _turn(kept, done.result, request.by, is_own=True)


async def answer(chat: Chat, request: Request) -> None:
    """Stream an answer as events `delta`, then one event `gate` with the summary; or `error`.

    It is kept either way, and goes on when its reader leaves.
    """
    body, kept = request.body_as(AnswerRequest), await _kept(chat, request)
    request.authorise(verbs.SAY, _resource(kept))
    turns = settled(await chat.turns(kept), model_of=kept.model_of)
    branch = branch_to(turns, body.question, param="question")
    if branch[-1].role != "user":
        raise Invalid("an answer follows a message; name the message", param="question")
    model = body.model or kept.body(branch[-1]).model
    earlier = [one for one in turns if one.parent == body.question and one.state == "whole" and one.record]
    again = next((one.record for one in reversed(earlier) if kept.model_of(one) == model), None)
    action = asking.call_of(chat, kept, branch, caller=request.by, model=model, again=again)
    await asking.answer(chat, request, kept, question=branch[-1], action=action)


async def stop(chat: Chat, request: Request) -> None:
    """Stop the answers on their way in a conversation. What came so far is kept."""
    kept = await _kept(chat, request)
    request.authorise(verbs.SAY, _resource(kept))
    await chat.stop(kept)


async def ways_on(chat: Chat, request: Request) -> WaysView:
    """List the ways on from a message that its model did not answer. Sends nothing, and leaves no record."""
    kept = await _kept(chat, request)
    request.authorise(verbs.READ, _resource(kept))
    branch = branch_to(
        settled(await chat.turns(kept), model_of=kept.model_of), request.path["message"], param="message"
    )
    if branch[-1].role != "user":
        raise Invalid("only a message has ways on, and this is an answer", param="message")
    model = request.text("model") or kept.body(branch[-1]).model
    return await asking.ways_on(chat, request, kept, branch, model=model)


async def share(chat: Chat, request: Request) -> ConversationDetail:
    """Let a person read a conversation. They can open it only if its labels may flow to them."""
    kept, reader = await _kept(chat, request), request.path["person"]
    if reader == kept.row.person:
        raise Invalid("the conversation is yours; name somebody else", param="person")

    async def do(facts: Facts) -> None:
        await chat.share(kept.row.id, reader, tenant=request.tenant)

    await _change_readers(request, kept, reader, do)
    return await get_conversation(chat, request)


async def unshare(chat: Chat, request: Request) -> ConversationDetail:
    """Stop sharing a conversation with a person."""
    kept, reader = await _kept(chat, request), request.path["person"]

    async def do(facts: Facts) -> None:
        await chat.unshare(kept.row.id, reader, tenant=request.tenant)

    await _change_readers(request, kept, reader, do)
    return await get_conversation(chat, request)


async def find_colleagues(chat: Chat, request: Request) -> Colleagues:
    """Find people by name, to share a conversation with them. Tells names and ids only."""
    person = request.by.principal.id
    request.authorise(verbs.SHARE, verbs.conversation(_OWN_LIST, owner=person))
    found = chat.find_people((request.text("q") or "")[:200], tenant=request.tenant, but=person)
    return Colleagues(people=[Colleague(id=one.id, name=one.title) for one in found])


async def _change_readers(request: Request, kept: Kept, reader: str, do: Do) -> None:
    arguments = digest_of(request.operation.id, kept.row.id, reader)
    await request.perform(verbs.SHARE, _resource(kept), do, arguments=arguments)


async def _kept(chat: Chat, request: Request) -> Kept:
    return await chat.get(request.path["conversation"], tenant=request.tenant)


async def _opened_by_another(request: Request, kept: Kept) -> None:
    """Run the action of opening a conversation of somebody else. Its labels must flow to the caller's clearance."""
    by = request.by

    async def do(facts: Facts) -> None:
        facts["conversation"] = kept.row.id

    command = Command(summary={}, arguments=digest_of(kept.row.id), do=do)
    opening = by.action(verbs.OPEN, _resource(kept), command)
    await request.run(replace(opening, context=replace(opening.context, floor=kept.labels)))


def _authorised(request: Request) -> str:
    """Check that the caller may list their own conversations, and return their id."""
    person = request.by.principal.id
    request.authorise(verbs.LIST, verbs.conversation(_OWN_LIST, owner=person))
    return person


def _resource(kept: Kept) -> Resource:
    return verbs.conversation(kept.row.id, owner=kept.row.person, readers=[one.reader for one in kept.readers])


def _known_model(chat: Chat, caller: AdminCaller, model: str) -> None:
    if model not in chat.aliases(caller.tenant_id):
        raise NotFound(f"there is no model {model!r}; choose another one", param="model")


def _before(cursor: str | None) -> Before | None:
    if cursor is None:
        return None
    moment, _, conversation_id = cursor.partition(" ")
    try:
        return Before(datetime.fromisoformat(moment), conversation_id)
    except ValueError:
        raise Invalid("the cursor is not valid; begin without one", param="cursor") from None


def _check_question(body: NewQuestion) -> None:
    if not body.text.strip() and not body.attachments:
        raise Invalid("the message is empty; write something, or attach a file", param="text")
    for file in body.attachments:
        is_image = file.media_type.startswith("image/")
        if (file.data is None) == is_image or (file.text is None) != is_image:
            raise Invalid(f"{file.name} needs `data` if it is an image, and `text` otherwise", param="attachments")


def _reader(chat: Chat, row: ReaderRow, caller: AdminCaller) -> ReaderView:
    name = chat.name_of(row.reader, tenant=caller.tenant_id)
    return ReaderView(person=row.reader, name=name, shared_at=row.shared_at)


def _detail(chat: Chat, kept: Kept, turns: list[TurnRow], caller: AdminCaller, *, is_own: bool) -> ConversationDetail:
    approvals = _approvals(kept, turns) if is_own else {}
    return ConversationDetail(
        conversation=kept.view(),
        system=kept.system,
        shown=kept.row.shown,
        is_own=is_own,
        readers=[_reader(chat, one, caller) for one in kept.readers] if is_own else [],
        turns=[
            _turn(kept, turn, caller, approval=approvals.get(turn.id), is_own=is_own)
            for turn in settled(turns, model_of=kept.model_of)
        ],
    )


def _approvals(kept: Kept, turns: list[TurnRow]) -> dict[str, str]:
    """Return the request for approval of each failed answer: its own, or that of the try before it."""
    found: dict[str, str] = {}
    asked: dict[tuple[str | None, str], str] = {}
    for turn in turns:
        if turn.state != "failed":
            continue
        body = kept.body(turn)
        place = turn.parent, body.model
        approval = (body.error.approval if body.error else None) or asked.get(place)
        if approval is not None:
            found[turn.id] = asked[place] = approval
    return found


def _turn(kept: Kept, turn: TurnRow, caller: AdminCaller, *, is_own: bool, approval: str | None = None) -> TurnView:
    withheld = _withheld(turn, caller)
    body = kept.body(turn) if withheld is None else TurnBody()
    return TurnView(
        id=turn.id,
        parent=turn.parent,
        role=turn.role,
        state=turn.state,
        said_at=turn.said_at,
        text=body.text,
        attachments=body.attachments,
        model=body.model or None,
        compare_with=body.compare_with,
        record=turn.record,
        gate=body.gate,
        error=body.error if is_own else None,
        approval=approval,
        withheld=withheld,
    )


def _withheld(turn: TurnRow, caller: AdminCaller) -> str | None:
    """Return why an answer may not be shown, such as after the caller's clearance was lowered. Own words may be."""
    if turn.role == "user":
        return None
    return "; ".join(parse_labels(turn.labels).obstacles(caller.principal.clearance)) or None


_SEARCH = Parameter("q", "The beginnings of words; all must be in one message or title.")


async def rate(chat: Chat, request: Request) -> None:
    """Say whether an answer was good. The record of it has no content: it names the rated record and its model."""
    body, kept = request.body_as(Rating), await _kept(chat, request)
    answers = [one for one in await chat.turns(kept) if one.id == body.answer and one.role == "assistant"]
    if not answers or (rated := answers[0].record) is None:
        raise NotFound("the conversation has no such answer with a record", param="answer")
    told = kept.body(answers[0])

    async def do(facts: Facts) -> None:
        gate = told.gate
        facts.update(
            {"rated": rated, "is_good": body.is_good, "alias": told.model, "deployment": gate and gate.deployment}
        )
        if gate is not None and gate.difficulty is not None:
            facts["difficulty"] = gate.difficulty

    await request.perform(verbs.RATE, _resource(kept), do, arguments=digest_of(kept.row.id, body))


OPERATIONS = (
    Operation(
        "rateAnswer",
        "POST",
        "/api/conversations/{conversation}/rating",
        "Say whether an answer was good.",
        rate,
        body=Rating,
        verb=verbs.RATE,
    ),
    Operation(
        "listConversations",
        "GET",
        "/api/conversations",
        "The caller's conversations, newest first.",
        list_conversations,
        answer=ConversationList,
        verb=verbs.LIST,
        parameters=(CURSOR, LIMIT),
    ),
    Operation(
        "searchConversations",
        "GET",
        "/api/conversations/search",
        "Conversations of the caller with all these words in one message or title.",
        search_conversations,
        answer=SearchResult,
        verb=verbs.LIST,
        parameters=(_SEARCH, CURSOR, LIMIT),
    ),
    Operation(
        "findConversationOfRecord",
        "GET",
        "/api/conversations/of-record/{record}",
        "The caller's own conversation that a record belongs to.",
        find_by_record,
        answer=Place,
        verb=verbs.LIST,
    ),
    Operation(
        "listSharedConversations",
        "GET",
        "/api/conversations/shared",
        "Conversations that others share with the caller.",
        list_shared,
        answer=ConversationList,
        verb=verbs.LIST,
    ),
    Operation(
        "beginConversation",
        "POST",
        "/api/conversations",
        "Begin a conversation.",
        begin_conversation,
        body=NewConversation,
        answer=ConversationView,
        verb=verbs.CREATE,
    ),
    Operation(
        "getConversation",
        "GET",
        "/api/conversations/{conversation}",
        "A conversation with its messages and answers.",
        get_conversation,
        answer=ConversationDetail,
        verb=verbs.READ,
        instead=verbs.OPEN,
    ),
    Operation(
        "changeConversation",
        "PUT",
        "/api/conversations/{conversation}",
        "Rename a conversation, or change its model, use case or system prompt.",
        change_conversation,
        body=ConversationChange,
        answer=ConversationView,
        verb=verbs.CHANGE,
    ),
    Operation(
        "deleteConversation",
        "DELETE",
        "/api/conversations/{conversation}",
        "Delete a conversation for good, and the content of its calls' records.",
        delete_conversation,
        answer=Deleted,
        verb=verbs.DELETE,
    ),
    Operation(
        "showBranch",
        "PUT",
        "/api/conversations/{conversation}/shown",
        "Remember which branch the caller looks at.",
        show_branch,
        body=Shown,
        verb=verbs.READ,
    ),
    Operation(
        "writeMessage",
        "POST",
        "/api/conversations/{conversation}/messages",
        "Write a message in a conversation.",
        say,
        body=NewQuestion,
        answer=TurnView,
        verb=verbs.SAY,
    ),
    Operation(
        "askForAnswer",
        "POST",
        "/api/conversations/{conversation}/answers",
        "Ask a model for an answer to a message, and follow it event by event.",
        answer,
        body=AnswerRequest,
        answer=str,
        verb=MODEL_INVOKE,
        events=(ChatDelta, ChatGate),
    ),
    Operation(
        "stopAnswers",
        "POST",
        "/api/conversations/{conversation}/stop",
        "Stop the answers on their way in a conversation.",
        stop,
        verb=verbs.SAY,
    ),
    Operation(
        "listWaysOn",
        "GET",
        "/api/conversations/{conversation}/messages/{message}/ways",
        "What the caller can do about a message that its model may not answer.",
        ways_on,
        answer=WaysView,
        verb=verbs.READ,
        parameters=(Parameter("model", "The model that did not answer; that of the message by default."),),
    ),
    Operation(
        "findColleagues",
        "GET",
        "/api/colleagues",
        "People to share a conversation with, by name.",
        find_colleagues,
        answer=Colleagues,
        verb=verbs.SHARE,
        parameters=(Parameter("q", "A part of the name or id, of at least two letters."),),
    ),
    Operation(
        "shareConversation",
        "PUT",
        "/api/conversations/{conversation}/readers/{person}",
        "Let a person read a conversation.",
        share,
        answer=ConversationDetail,
        verb=verbs.SHARE,
    ),
    Operation(
        "unshareConversation",
        "DELETE",
        "/api/conversations/{conversation}/readers/{person}",
        "Stop sharing a conversation with a person.",
        unshare,
        answer=ConversationDetail,
        verb=verbs.SHARE,
    ),
)
