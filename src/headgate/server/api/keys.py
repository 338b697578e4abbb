"""API keys: listed, made, revoked. A secret is in the answer that makes it and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime

from headgate.kernel.action import Resource
from headgate.kernel.administration import KEY_CREATE, KEY_LIST, KEY_REVOKE, Facts
from headgate.kernel.errors import Denied, Invalid
from headgate.policy.keys import KeyTerms, NewKey
from headgate.policy.members import RULE, why_not_bound
from headgate.policy.models import ADMIN, ApiKey, KeyLimits
from headgate.policy.rules import roles_of
from headgate.policy.service import MAX_PAGE, expiry
from headgate.server.administration import AdminCaller, digest_of, summary
from headgate.server.api import config_checks, schemas
from headgate.server.api.changes import Pending, change
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.substrate.database import Transaction

_MAX_KEYS = 10_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


async def list_keys(parts: AdminParts, request: Request) -> schemas.KeyList:
    """List the tenant's keys, newest first; the 10,000 with the lowest ids where there are more."""
    caller = request.by
    parts.gate.authorise(caller, KEY_LIST, Resource("keys", caller.tenant_id))
    keys: list[ApiKey] = []
    async with parts.database.transaction(tenant=caller.tenant_id) as tx:
        while len(keys) < _MAX_KEYS:
            after = keys[-1].id if keys else ""
            page = await parts.policy.keys(tx, tenant=caller.tenant_id, after=after, limit=MAX_PAGE)
            keys += page
            if len(page) < MAX_PAGE:
                break
    keys.sort(key=lambda key: key.created_at or _LONG_AGO, reverse=True)
    return schemas.KeyList(keys=[_view(key) for key in keys])


async def create_key(parts: AdminParts, request: Request) -> schemas.CreatedKey:
    """Make a key."""
    caller, body = request.by, request.body_as(schemas.NewKey)
    aliases = parts.catalogues(caller.tenant_id).aliases
    if why := config_checks.unknown("alias", body.aliases or (), aliases):
        raise Invalid(why, param="aliases")
    if why := config_checks.unknown("role", body.roles, roles_of(caller.tenant.engine.rules.values())):
        raise Invalid(why, param="roles")
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

    async def make(tx: Transaction, facts: Facts) -> NewKey:
        who = caller.principal
        _refuse_beyond(caller, terms)
        new = await parts.policy.create_key(tx, terms, tenant=caller.tenant_id, by=who.id, by_key=who.key_id)
        facts["key"] = new.key.id
        return new

    pending = Pending(
        summary(use_case=terms.use_case, roles=",".join(sorted(terms.roles)) or None),
        digest_of(body),
        make,
    )
    done = await change(parts, caller, KEY_CREATE, resource=Resource("key", "new"), command=pending)
    new: NewKey = done.result
    request.reply_headers.append(("x-headgate-record", done.record))
    return schemas.CreatedKey(key=_view(new.key), secret=new.secret)


async def revoke_key(parts: AdminParts, request: Request) -> None:
    """Revoke a key."""
    caller, key_id = request.by, request.path["key"]

    async def make(tx: Transaction, facts: Facts) -> None:
        await parts.policy.revoke_key(tx, key_id, tenant=caller.tenant_id)

    pending = Pending({}, digest_of(key_id), make)
    done = await change(parts, caller, KEY_REVOKE, resource=Resource("key", key_id), command=pending)
    request.reply_headers.append(("x-headgate-record", done.record))


def _refuse_beyond(caller: AdminCaller, terms: KeyTerms) -> None:
    """Raise Denied where a key would let its maker do what the maker may not; administrators may give everything.

    The baseline lets administrators alone make keys; a tenant's own rules may let others.
    """
    who = caller.principal
    if ADMIN in who.roles:
        return
    tenant = caller.tenant
    if not terms.roles <= who.roles:
        lacking = ", ".join(sorted(terms.roles - who.roles))
        raise Denied(f"you do not have the roles {lacking}, so a key of yours has not; ask an administrator")
    other = tenant.principals.get(terms.principal or "")
    if other is not None and who.id not in (other.id, other.owner):
        raise Denied("you make keys for yourself and for your own programs; ask an administrator for others")
    use_case = tenant.use_cases.get(terms.use_case)
    registered = tenant.principals.get(who.id)
    if use_case is not None and (why_not := why_not_bound(use_case, maker=who, registered=registered)):
        raise Denied(why_not, rules=(RULE,), detail=f"no member of the use case {use_case.id}")


def _view(key: ApiKey) -> schemas.KeyView:
    aliases = key.aliases
    return schemas.KeyView(
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
