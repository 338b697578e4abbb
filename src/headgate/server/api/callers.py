"""Authenticates callers of the admin API by API key or browser session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from headgate.admin.callers import CONSOLE, AdminCaller
from headgate.admin.requests import Request
from headgate.admin.sessions import Session, attribute_of, cookie_of
from headgate.kernel.errors import Denied, Unauthenticated
from headgate.kernel.identity import Principal
from headgate.policy.keys import authenticate
from headgate.policy.snapshot import Snapshot
from headgate.server.api.parts import ServerParts
from headgate.server.hosts import HostRule
from headgate.server.identity import floor_of, presented_key

CSRF_HEADER = "x-headgate-csrf"
GRANT_HEADER = "x-headgate-grant"
_SAFE = ("GET", "HEAD")
_ENDED = "this session has ended: sign in again"


class Recognised(NamedTuple):
    """A caller and its session, if any."""

    caller: AdminCaller
    session: Session | None


async def recognise(parts: ServerParts, headers: dict[str, str], *, method: str) -> Recognised:
    """Authenticate the caller; a key takes precedence over a cookie.

    Raises:
        Unauthenticated: there is neither, or it is no longer valid.
        Denied: a change came by cookie from a foreign page.
    """
    snapshot = parts.policy.holder.current
    key = presented_key(headers)
    if key:
        found = authenticate(key, snapshot, parts.clock.now())
        principal = found.principal
        tenant = snapshot.tenants[principal.tenant]
        parts.sessions.saw(principal)
        return Recognised(
            AdminCaller(principal, tenant.use_cases, found.key.use_case, floor_of(headers), headers.get(GRANT_HEADER)),
            None,
        )
    cookie = cookie_of(headers)
    if not cookie:
        raise Unauthenticated("sign in, or send an API key as `authorization: Bearer KEY`")
    if method not in _SAFE:
        refuse_foreign_page(headers)
    session = await parts.sessions.find(cookie)
    if session is None:
        raise Unauthenticated(_ENDED)
    caller = caller_of_session(snapshot, session.tenant, session.principal, headers)
    caller = replace(caller, attributes={**CONSOLE, **attribute_of(session)})
    parts.sessions.saw(caller.principal, session)
    return Recognised(caller, session)


def caller_of_session(snapshot: Snapshot, tenant_id: str, principal_id: str, headers: Mapping[str, str]) -> AdminCaller:
    """Return the caller of a session with its current roles.

    Raises:
        Unauthenticated: the principal is no longer registered.
    """
    tenant = next((one for name, one in snapshot.tenants.items() if name == tenant_id), None)
    registered = tenant.principals.get(principal_id) if tenant else None
    if tenant is None or registered is None:
        raise Unauthenticated("your account is no longer registered; ask an administrator")
    principal = Principal(
        id=registered.id,
        tenant=tenant.id,
        kind=registered.kind,
        roles=registered.roles,
        clearance=registered.clearance,
    )
    return AdminCaller(principal, tenant.use_cases, None, floor_of(headers), headers.get(GRANT_HEADER))


async def as_of_now(parts: ServerParts, request: Request) -> AdminCaller:
    """Return the caller of a long request as the current snapshot has it.

    Raises:
        Unauthenticated: the session has ended, the principal is no longer registered, or its key is no longer valid.
    """
    caller = request.by
    if request.session is not None and await parts.sessions.find(cookie_of(request.headers) or "") is None:
        raise Unauthenticated(_ENDED)
    snapshot, principal = parts.policy.holder.current, caller.principal
    if principal.key_id is None:
        now = caller_of_session(snapshot, principal.tenant, principal.id, {})
        return replace(now, attributes=caller.attributes)
    tenant = snapshot.tenants.get(principal.tenant)
    key = tenant.keys.get(principal.key_id) if tenant else None
    registered = tenant.principals.get(principal.id) if tenant else None
    if tenant is None or key is None or registered is None or key.is_expired(parts.clock.now()):
        raise Unauthenticated("this key is no longer valid; ask for a new one")
    return replace(caller, use_cases=tenant.use_cases, principal=replace(principal, roles=key.roles & registered.roles))


def refuse_foreign_page(headers: dict[str, str]) -> None:
    """Raise Denied unless our own page sent the request; browsers send the cookie for every page."""
    if not headers.get(CSRF_HEADER) or not HostRule.is_same_origin(headers):
        raise Denied(
            f"a change by cookie needs the header {CSRF_HEADER} and an Origin that is this host", rules=("gate.csrf",)
        )
