"""Operations on sessions: list and end one's own, and those of others."""

from __future__ import annotations

from headgate.admin.bodies import Body
from headgate.admin.commands import Facts, digest_of
from headgate.admin.directory import PERSON_LIST
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import SESSION_CLOSE
from headgate.kernel.action import Resource
from headgate.kernel.errors import NotFound
from headgate.people.parts import People
from headgate.people.verbs import SESSION_END
from headgate.people.views import SessionList, session_views


class Ended(Body, frozen=True, kw_only=True):
    """The number of sessions that ended."""

    ended: int


async def list_own_sessions(people: People, request: Request) -> SessionList:
    """List the caller's open sessions, newest first."""
    found = await people.sessions.of(request.by.principal.id, tenant=request.tenant)
    return session_views(found, current=request.session)


async def list_sessions(people: People, request: Request) -> SessionList:
    """List the open sessions of a person, newest first."""
    request.authorise(PERSON_LIST, Resource("people", request.tenant))
    return session_views(
        await people.sessions.of(_registered(people, request), tenant=request.tenant), current=request.session
    )


async def end_session(people: People, request: Request) -> None:
    """End one session: an own one, or that of somebody else."""
    name, me = request.path["session"], request.by.principal.id
    owner = await people.sessions.owner_of(name, tenant=request.tenant)

    async def do(facts: Facts) -> None:
        if owner is None:
            raise NotFound(f"there is no open session {name}; it may have ended already", param="session")
        await people.sessions.end(name, tenant=request.tenant, principal=owner)

    if owner == me:
        await request.perform(SESSION_CLOSE, Resource("session", name), do, arguments=digest_of(name))
        return
    await request.perform(SESSION_END, Resource("person", owner or "unknown"), do, arguments=digest_of(name))


async def end_own_sessions(people: People, request: Request) -> Ended:
    """End the caller's other sessions. The session of this request stays open."""
    me, current = request.by.principal.id, request.session.name if request.session else ""

    async def do(facts: Facts) -> int:
        ended = await people.sessions.end_all(me, tenant=request.tenant, but=current)
        facts["sessions"] = ended
        return ended

    done = await request.perform(SESSION_CLOSE, Resource("session", "others"), do, arguments=digest_of("others", me))
    return Ended(ended=done.result)


async def end_sessions(people: People, request: Request) -> Ended:
    """End all sessions of a person, and make unused sign-in links invalid."""
    person = _registered(people, request)

    async def do(facts: Facts) -> int:
        ended = await people.sessions.end_all(person, tenant=request.tenant)
        facts["sessions"] = ended
        return ended

    done = await request.perform(SESSION_END, Resource("person", person), do, arguments=digest_of("all", person))
    return Ended(ended=done.result)


def _registered(people: People, request: Request) -> str:
    person = request.path["person"]
    if person not in people.register.everybody(request.tenant):
        raise NotFound(f"nobody is registered as {person!r}", param="person")
    return person


OPERATIONS = (
    Operation(
        "listOwnSessions",
        "GET",
        "/api/sessions",
        "Your open sessions.",
        list_own_sessions,
        answer=SessionList,
    ),
    Operation(
        "endOwnSessions",
        "DELETE",
        "/api/sessions",
        "End your other sessions.",
        end_own_sessions,
        answer=Ended,
        verb=SESSION_CLOSE,
    ),
    Operation(
        "endSession",
        "DELETE",
        "/api/sessions/{session}",
        "End one session.",
        end_session,
        verb=SESSION_END,
        instead=SESSION_CLOSE,
    ),
    Operation(
        "listSessions",
        "GET",
        "/api/people/{person}/sessions",
        "The open sessions of a person.",
        list_sessions,
        answer=SessionList,
        verb=PERSON_LIST,
    ),
    Operation(
        "endSessions",
        "DELETE",
        "/api/people/{person}/sessions",
        "End all sessions of a person.",
        end_sessions,
        answer=Ended,
        verb=SESSION_END,
    ),
)
