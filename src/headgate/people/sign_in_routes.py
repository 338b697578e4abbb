"""Sign-in and sign-out as recorded actions, including failed sign-ins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from headgate.admin.bodies import Body
from headgate.admin.callers import AdminCaller
from headgate.admin.commands import Command, Facts, digest_of
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import SESSION_CLOSE, SESSION_OPEN
from headgate.kernel.action import Resource
from headgate.kernel.errors import Denied, Unauthenticated
from headgate.kernel.identity import Principal
from headgate.people.parts import People
from headgate.people.rights import rights_of
from headgate.people.sessions import USED_LINK, OpenedSession
from headgate.people.tokens import Token, set_cookie


class SignIn(Body, frozen=True, kw_only=True):
    """Redeems a sign-in link, once."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Session(Body, frozen=True, kw_only=True):
    """Who is signed in, by id and name; `may` names the verbs of administration that they may do, or ask for."""

    principal: str
    name: str
    tenant: str
    roles: list[str]
    may: list[str]
    expires_at: datetime


UNKNOWN = "unknown"
"""The principal of sign-ins with invalid links. They fail even if a principal has this id."""


async def sign_in(people: People, request: Request) -> Session:
    """Redeem a link and set the session cookie."""
    token = people.sessions.read(request.body_as(SignIn).token)
    if token is None:
        people.attempts.count()
        refused = Unauthenticated("this is not a sign-in link of this Headgate: ask for a new one")
        request.host.refusals.note(refused, request.scope, place="sign-in")
        raise refused
    invited = await people.sessions.invited(token)
    if invited is None or invited not in people.register.everybody(token.tenant):
        people.attempts.count()
        raise await _refused(people, request, token)
    caller = request.host.caller_of(token.tenant, invited)
    opened = await _open(people, request, caller, token)
    request.reply_headers.append(("set-cookie", _cookie(people, opened.cookie)))
    people.sessions.saw(caller.principal, opened.session)
    return _view(people, request, caller, opened.session.expires_at)


async def get_session(people: People, request: Request) -> Session:
    """Return the session; a key is shown as a session that begins now."""
    lasts_until = people.clock.now() + people.sessions.lifetimes.session
    return _view(people, request, request.by, request.session.expires_at if request.session else lasts_until)


async def sign_out(people: People, request: Request) -> None:
    """End the session; does nothing for a key."""
    session = request.session
    if session is None:
        return

    async def do(facts: Facts) -> None:
        await people.sessions.end(session.name, tenant=session.tenant, principal=session.principal)

    await request.perform(SESSION_CLOSE, Resource("session", session.name), do, arguments=digest_of(session.name))
    request.reply_headers.append(("set-cookie", _cookie(people, "")))


async def _open(people: People, request: Request, caller: AdminCaller, token: Token) -> OpenedSession:
    async def do(facts: Facts) -> OpenedSession:
        agent = request.headers.get("user-agent", "")
        opened = await people.sessions.redeem(token, roles=caller.principal.roles, agent=agent)
        facts["session"] = opened.session.name
        return opened

    command = Command(summary={"link": token.name}, arguments=digest_of(token.name), do=do)
    done = await request.run(caller.action(SESSION_OPEN, Resource("session", "new"), command))
    opened: OpenedSession = done.result
    return opened


def _cookie(people: People, value: str) -> str:
    return set_cookie(value, lasts=people.sessions.lifetimes.session, is_secure=people.is_secure)


async def _refused(people: People, request: Request, token: Token) -> Unauthenticated:
    """Record a sign-in with an invalid link through the pipeline, and return the error."""
    if not request.host.refusals.has_room("sign_in", request.scope):
        return Unauthenticated(USED_LINK)

    async def do(facts: Facts) -> None:
        raise Unauthenticated(USED_LINK)

    stranger = AdminCaller(Principal(UNKNOWN, token.tenant, kind="person"), people.register.use_cases(token.tenant))
    command = Command(summary={}, arguments=digest_of(token.name), do=do)
    try:
        await request.host.pipeline.run(stranger.action(SESSION_OPEN, Resource("session", "new"), command))
    except (Denied, Unauthenticated) as refusal:
        return Unauthenticated(USED_LINK, record_id=refusal.record_id)
    raise AssertionError("a link that does not hold opened a session")


def _view(people: People, request: Request, caller: AdminCaller, expires_at: datetime) -> Session:
    me = people.register.everybody(caller.tenant_id).get(caller.principal.id)
    return Session(
        principal=caller.principal.id,
        name=caller.principal.id if me is None else me.title,
        tenant=caller.tenant_id,
        roles=sorted(caller.principal.roles),
        may=sorted(verb.name for verb in rights_of(request.host.gate, caller, people.verbs)),
        expires_at=expires_at,
    )


OPERATIONS = (
    Operation(
        "signIn",
        "POST",
        "/api/session",
        "Redeem a sign-in link.",
        sign_in,
        body=SignIn,
        answer=Session,
        public=True,
    ),
    Operation("getSession", "GET", "/api/session", "Who is signed in.", get_session, answer=Session),
    Operation("signOut", "DELETE", "/api/session", "End the session.", sign_out),
)
