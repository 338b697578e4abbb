"""Operations on API keys: list, make and revoke. Only the response that makes a key has its secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from headgate.admin.bodies import AliasName, Body, Moment, Name, Text
from headgate.admin.callers import AdminCaller
from headgate.admin.checks import refuse_unknown
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import Denied
from headgate.policy.entities import ADMIN, MAX_PAGE, ApiKey, KeyLimits
from headgate.policy.keys import KeyTerms
from headgate.policy.keys import NewKey as MadeKey
from headgate.policy.members import RULE, binding_refusal
from headgate.policy.parts import Policy
from headgate.policy.rules import roles_of
from headgate.policy.service import expiry
from headgate.policy.snapshot import TenantPolicy
from headgate.policy.verbs import KEY_CREATE, KEY_LIST, KEY_REVOKE
from headgate.substrate.database import Transaction

_MAX_KEYS = 10_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class NewKey(Body, frozen=True, kw_only=True):
    """A request for a new key.

    Without `principal` Headgate registers a new program with the key's name and the maker's clearance. For a person's
    key, `principal` is that person.
    """

    name: Text
    use_case: Name = "getting-started"
    principal: Name | None = None
    roles: tuple[Name, ...] = ()
    aliases: list[AliasName] | None = None
    expires_at: Moment | None = None
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    cost_micros_per_day: Annotated[int, msgspec.Meta(ge=0, le=10**15)] | None = None
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"


class KeyView(Body, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: str
    name: str
    prefix: str
    principal: str
    created_by: str
    use_case: str
    roles: list[str]
    aliases: list[str] | None
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None
    cost_micros_per_day: int | None
    currency: str


class CreatedKey(Body, frozen=True, kw_only=True):
    """A new key with its secret. The secret is not shown again."""

    key: KeyView
    secret: str


class KeyList(Body, frozen=True, kw_only=True):
    """The tenant's keys, newest first."""

    keys: list[KeyView]


async def list_keys(policy: Policy, request: Request) -> KeyList:
    """List the tenant's keys, newest first. Of more than 10,000 keys, lists those with the lowest ids."""
    caller = request.by
    request.authorise(KEY_LIST, Resource("keys", caller.tenant_id))
    keys: list[ApiKey] = []
    async with policy.database.transaction(tenant=caller.tenant_id) as tx:
        while len(keys) < _MAX_KEYS:
            after = keys[-1].id if keys else ""
            page = await policy.service.keys(tx, tenant=caller.tenant_id, after=after, limit=MAX_PAGE)
            keys += page
            if len(page) < MAX_PAGE:
                break
    keys.sort(key=lambda key: key.created_at or _LONG_AGO, reverse=True)
    return KeyList(keys=[_view(key) for key in keys])


async def create_key(policy: Policy, request: Request) -> CreatedKey:
    """Make a key."""
    caller, body = request.by, request.body_as(NewKey)
    tenant = policy.tenant_of(caller)
    refuse_unknown("alias", body.aliases or (), policy.names("alias", tenant.id), param="aliases")
    refuse_unknown("role", body.roles, roles_of(tenant.engine.rules.values()), param="roles")
    spend = body.cost_micros_per_day
    terms = KeyTerms(
        principal=body.principal,
        use_case=body.use_case,
        name=body.name,
        roles=frozenset(body.roles),
        scopes=frozenset(f"alias:{alias}" for alias in body.aliases or ()),
        limits=KeyLimits(body.requests_per_minute, spend, None if spend is None else body.currency),
        expires_at=expiry(body.expires_at),
    )

    async def make(tx: Transaction, facts: Facts) -> MadeKey:
        who = caller.principal
        _refuse_beyond(caller, tenant, terms)
        new = await policy.service.create_key(tx, terms, tenant=caller.tenant_id, by=who.id, by_key=who.key_id)
        facts["key"] = new.key.id
        return new

    told = summary(use_case=terms.use_case, roles=",".join(sorted(terms.roles)) or None)
    done = await request.change(KEY_CREATE, Resource("key", "new"), make, arguments=digest_of(body), summary=told)
    new: MadeKey = done.result
    return CreatedKey(key=_view(new.key), secret=new.secret)


async def revoke_key(policy: Policy, request: Request) -> None:
    """Revoke a key."""
    caller, key_id = request.by, request.path["key"]

    async def make(tx: Transaction, facts: Facts) -> None:
        await policy.service.revoke_key(tx, key_id, tenant=caller.tenant_id)

    await request.change(KEY_REVOKE, Resource("key", key_id), make, arguments=digest_of(key_id))


def _refuse_beyond(caller: AdminCaller, tenant: TenantPolicy, terms: KeyTerms) -> None:
    """Raise Denied if a key has more rights than its maker. Administrators may grant everything.

    In the baseline only administrators make keys; a tenant's policy may let others make them.
    """
    who = caller.principal
    if ADMIN in who.roles:
        return
    if not terms.roles <= who.roles:
        lacking = ", ".join(sorted(terms.roles - who.roles))
        raise Denied(f"you cannot give a key the roles {lacking}, as you do not have them; ask an administrator")
    other = tenant.principals.get(terms.principal or "")
    if other is not None and who.id not in (other.id, other.owner):
        raise Denied("you may make keys only for yourself and your own programs; ask an administrator")
    use_case = tenant.use_cases.get(terms.use_case)
    registered = tenant.principals.get(who.id)
    if use_case is not None and (why_not := binding_refusal(use_case, maker=who, registered=registered)):
        raise Denied(why_not, rules=(RULE,), detail=f"no member of the use case {use_case.id}")


def _view(key: ApiKey) -> KeyView:
    aliases = key.aliases
    return KeyView(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        principal=key.principal,
        created_by=key.created_by,
        use_case=key.use_case,
        roles=sorted(key.roles),
        aliases=None if aliases is None else sorted(aliases),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        requests_per_minute=key.limits.requests_per_minute,
        cost_micros_per_day=key.limits.spend_micros_per_day,
        currency=key.limits.currency or "USD",
    )


OPERATIONS = (
    Operation("listKeys", "GET", "/api/keys", "The tenant's keys.", list_keys, answer=KeyList, verb=KEY_LIST),
    Operation(
        "createKey",
        "POST",
        "/api/keys",
        "Make a key; its secret is shown once.",
        create_key,
        body=NewKey,
        answer=CreatedKey,
        verb=KEY_CREATE,
    ),
    Operation("revokeKey", "DELETE", "/api/keys/{key}", "Revoke a key.", revoke_key, verb=KEY_REVOKE),
)
