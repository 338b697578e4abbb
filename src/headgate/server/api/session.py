"""Signing in and out: actions like all others, so that the ledger says who was here, and who tried to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.kernel.action import Resource, Verb
from headgate.kernel.administration import (
    APPROVAL_DECIDE,
    APPROVAL_LIST,
    CONFIG_APPLY,
    CONFIG_READ,
    KEY_CREATE,
    KEY_LIST,
    KEY_REVOKE,
    POLICY_LIST,
    RECORD_LIST,
    RULE_SET_MODE,
    SESSION_CLOSE,
    SESSION_OPEN,
    USE_CASE_DELETE,
    USE_CASE_LIST,
    USE_CASE_PUT,
    Command,
    Facts,
)
from headgate.kernel.errors import Denied, Unauthenticated
from headgate.kernel.identity import Principal
from headgate.policy.snapshot import Snapshot
from headgate.server.administration import AdminCaller, digest_of, perform
from headgate.server.api import schemas
from headgate.server.api.callers import caller_of_session
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
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

_OFFERED: Mapping[Verb[Command, Any, Any], str] = {
    APPROVAL_DECIDE: "approval",
    APPROVAL_LIST: "approvals",
    CONFIG_APPLY: "config",
    CONFIG_READ: "config",
    KEY_CREATE: "key",
    KEY_LIST: "keys",
    KEY_REVOKE: "key",
    POLICY_LIST: "rules",
    RECORD_LIST: "ledger",
    RULE_SET_MODE: "use_case",
    USE_CASE_DELETE: "use_case",
    USE_CASE_LIST: "use_cases",
    USE_CASE_PUT: "use_case",
}
"""The verbs behind the console's pages and buttons, with the kind of resource that each is decided on."""

UNKNOWN = "unknown"
"""The principal of attempts by links that do not hold; were somebody registered by that name, they would fail too."""


async def sign_in(parts: AdminParts, request: Request) -> schemas.Session:
    """Redeem a link, and give the browser its cookie."""
    snapshot = parts.holder.current
    token = read_token(request.body_as(schemas.SignIn).token, tenants=snapshot.tenants)
    if token is None:
        parts.attempts.count()
        refused = Unauthenticated("this is no sign-in link of this Headgate: ask for a new one")
        parts.refusals.note(refused, request.scope, place="sign-in")
        raise refused
    async with parts.database.transaction(tenant=token.tenant) as tx:
        invited = await parts.sessions.invited(tx, token)
    if invited is None or invited not in snapshot.tenants[token.tenant].principals:
        parts.attempts.count()
        raise await _refused(parts, snapshot, token, source=source_of(request.scope))
    caller = caller_of_session(snapshot, token.tenant, invited, {})
    opened = await _open(parts, request, caller, token)
    request.reply_headers.append(("set-cookie", set_cookie(opened.cookie, is_secure=parts.is_secure)))
    return _view(parts, caller, opened.session)


async def get_session(parts: AdminParts, request: Request) -> schemas.Session:
    """Say who is signed in; a key looks like a session that ends when a new one would."""
    session = request.session or SessionRow(request.by.principal.id, parts.clock.now() + SESSION_LASTS)
    return _view(parts, request.by, session)


async def sign_out(parts: AdminParts, request: Request) -> None:
    """End the session; a key stays as it is."""
    cookie = cookie_of(request.headers)
    token = read_token(cookie, tenants=parts.holder.current.tenants) if cookie else None
    if request.session is None or token is None:
        return

    async def do(facts: Facts) -> None:
        async with parts.database.transaction(tenant=token.tenant) as tx:
            await parts.sessions.end(tx, token)

    command = Command(summary={}, arguments=digest_of(token.name), do=do)
    resource = Resource("session", token.name)
    done = await perform(parts.pipeline, request.by, SESSION_CLOSE, resource=resource, command=command)
    request.reply_headers.append(("x-headgate-record", done.record))
    request.reply_headers.append(("set-cookie", set_cookie("", is_secure=parts.is_secure)))


async def _open(parts: AdminParts, request: Request, caller: AdminCaller, token: Token) -> Opened:
    async def do(facts: Facts) -> Opened:
        async with parts.database.transaction(tenant=token.tenant) as tx:
            opened = await parts.sessions.redeem(tx, token)
        facts["session"] = opened.name
        return opened

    command = Command(summary={"link": token.name}, arguments=digest_of(token.name), do=do)
    done = await perform(parts.pipeline, caller, SESSION_OPEN, resource=Resource("session", "new"), command=command)
    request.reply_headers.append(("x-headgate-record", done.record))
    opened: Opened = done.result
    return opened


async def _refused(parts: AdminParts, snapshot: Snapshot, token: Token, *, source: str) -> Unauthenticated:
    """Return the refusal of a link that does not hold, once the pipeline has refused and recorded the attempt."""
    unrecorded = parts.refusals.limit.admit("sign_in", source)
    if unrecorded is None:
        return Unauthenticated(USED_LINK)

    async def do(facts: Facts) -> None:
        raise Unauthenticated(USED_LINK)

    stranger = AdminCaller(Principal(UNKNOWN, token.tenant, kind="person"), snapshot.tenants[token.tenant])
    command = Command(summary={}, arguments=digest_of(token.name), do=do)
    try:
        await perform(parts.pipeline, stranger, SESSION_OPEN, resource=Resource("session", "new"), command=command)
    except (Denied, Unauthenticated) as refusal:
        return Unauthenticated(USED_LINK, record_id=refusal.record_id)
    raise AssertionError("a link that does not hold opened a session")


def _view(parts: AdminParts, caller: AdminCaller, session: SessionRow) -> schemas.Session:
    return schemas.Session(
        principal=caller.principal.id,
        tenant=caller.tenant_id,
        roles=sorted(caller.principal.roles),
        may=sorted(
            verb.name
            for verb, kind in _OFFERED.items()
            if parts.gate.offers(caller, verb, Resource(kind, caller.tenant_id))
        ),
        expires_at=session.expires_at,
    )
