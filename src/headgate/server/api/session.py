"""Sign-in and sign-out as recorded actions, including failed sign-ins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec

from headgate.admin.bodies import Body
from headgate.admin.callers import AdminCaller
from headgate.admin.commands import Command, Facts, digest_of
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import SESSION_CLOSE, SESSION_OPEN
from headgate.kernel.action import AttributeType, AttributeValue, Resource, Verb
from headgate.kernel.errors import Denied, Unauthenticated
from headgate.kernel.identity import Principal
from headgate.policy.snapshot import Snapshot
from headgate.server.api.callers import caller_of_session
from headgate.server.api.parts import ServerParts
from headgate.server.refusals import source_of
from headgate.server.sessions import (
    SESSION_LASTS,
    USED_LINK,
    Opened,
    SessionRow,
    Token,
    cookie_of,
    read_token,
    set_cookie,
)


class SignIn(Body, frozen=True, kw_only=True):
    """Redeems a sign-in link, once."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Session(Body, frozen=True, kw_only=True):
    """Who is signed in; `may` names the verbs of administration that they may do, or ask for."""

    principal: str
    tenant: str
    roles: list[str]
    may: list[str]
    expires_at: datetime


UNKNOWN = "unknown"
"""The principal of sign-ins with invalid links. They fail even if a principal has this id."""


async def sign_in(parts: ServerParts, request: Request) -> Session:
    """Redeem a link and set the session cookie."""
    snapshot = parts.policy.holder.current
    token = read_token(request.body_as(SignIn).token, tenants=snapshot.tenants)
    if token is None:
        parts.attempts.count()
        refused = Unauthenticated("this is not a sign-in link of this Headgate: ask for a new one")
        parts.refusals.note(refused, request.scope, place="sign-in")
        raise refused
    async with parts.database.transaction(tenant=token.tenant) as tx:
        invited = await parts.sessions.invited(tx, token)
    if invited is None or invited not in snapshot.tenants[token.tenant].principals:
        parts.attempts.count()
        raise await _refused(parts, request, snapshot, token)
    caller = caller_of_session(snapshot, token.tenant, invited, {})
    opened = await _open(parts, request, caller, token)
    request.reply_headers.append(("set-cookie", set_cookie(opened.cookie, is_secure=parts.is_secure)))
    return _view(parts, request, caller, opened.session)


async def get_session(parts: ServerParts, request: Request) -> Session:
    """Return the session; a key is shown as a session that begins now."""
    session = request.session or SessionRow(request.by.principal.id, parts.clock.now() + SESSION_LASTS)
    return _view(parts, request, request.by, session)


async def sign_out(parts: ServerParts, request: Request) -> None:
    """End the session; does nothing for a key."""
    cookie = cookie_of(request.headers)
    token = read_token(cookie, tenants=parts.policy.holder.current.tenants) if cookie else None
    if request.session is None or token is None:
        return

    async def do(facts: Facts) -> None:
        async with parts.database.transaction(tenant=token.tenant) as tx:
            await parts.sessions.end(tx, token)

    await request.perform(SESSION_CLOSE, Resource("session", token.name), do, arguments=digest_of(token.name))
    request.reply_headers.append(("set-cookie", set_cookie("", is_secure=parts.is_secure)))


async def _open(parts: ServerParts, request: Request, caller: AdminCaller, token: Token) -> Opened:
    async def do(facts: Facts) -> Opened:
        async with parts.database.transaction(tenant=token.tenant) as tx:
            opened = await parts.sessions.redeem(tx, token)
        facts["session"] = opened.name
        return opened

    command = Command(summary={"link": token.name}, arguments=digest_of(token.name), do=do)
    done = await request.run(caller.action(SESSION_OPEN, Resource("session", "new"), command))
    opened: Opened = done.result
    return opened


async def _refused(parts: ServerParts, request: Request, snapshot: Snapshot, token: Token) -> Unauthenticated:
    """Record a sign-in with an invalid link through the pipeline, and return the error."""
    unrecorded = parts.refusals.limit.admit("sign_in", source_of(request.scope))
    if unrecorded is None:
        return Unauthenticated(USED_LINK)

    async def do(facts: Facts) -> None:
        raise Unauthenticated(USED_LINK)

    stranger = AdminCaller(Principal(UNKNOWN, token.tenant, kind="person"), snapshot.tenants[token.tenant].use_cases)
    command = Command(summary={}, arguments=digest_of(token.name), do=do)
    try:
        await request.host.pipeline.run(stranger.action(SESSION_OPEN, Resource("session", "new"), command))
    except (Denied, Unauthenticated) as refusal:
        return Unauthenticated(USED_LINK, record_id=refusal.record_id)
    raise AssertionError("a link that does not hold opened a session")


def _view(parts: ServerParts, request: Request, caller: AdminCaller, session: SessionRow) -> Session:
    return Session(
        principal=caller.principal.id,
        tenant=caller.tenant_id,
        roles=sorted(caller.principal.roles),
        may=sorted(verb.name for _, verb in parts.verbs if _is_offered(request, caller, verb)),
        expires_at=session.expires_at,
    )


def _is_offered(request: Request, caller: AdminCaller, verb: Verb[Any, Any, Any]) -> bool:
    """Whether the caller may do the verb, or request approval, on its usual kind of resource."""
    resource = Resource(verb.usual, caller.tenant_id, attributes=_plain(verb.attributes))
    return bool(verb.groups) and request.host.gate.offers(caller, verb, resource)


def _plain(types: Mapping[str, AttributeType]) -> dict[str, AttributeValue]:
    """Return the empty value of each attribute by its type."""
    return {name: _plain(of) if isinstance(of, Mapping) else of() for name, of in types.items()}


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
