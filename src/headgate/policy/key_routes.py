"""Operations on API keys: list, make, rotate, limit and revoke. Only the response that makes a key has its secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from headgate.admin.bodies import AliasName, Body, Currency, Moment, Name, PrincipalName, Text
from headgate.admin.callers import AdminCaller
from headgate.admin.checks import refuse_unknown
from headgate.admin.commands import Facts, digest_of, summary
from headgate.admin.money import money_words
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.sessions import let_in_by
from headgate.kernel.action import AttributeValue, Resource
from headgate.kernel.errors import Denied, Invalid
from headgate.policy.entities import ADMIN, ADMINISTRATION, JOBS, MAX_PAGE, ApiKey, KeyLimits
from headgate.policy.keys import KeyTerms, Rotation
from headgate.policy.keys import NewKey as MadeKey
from headgate.policy.members import RULE, binding_refusal
from headgate.policy.parts import Policy
from headgate.policy.rules import roles_of
from headgate.policy.service import expiry
from headgate.policy.snapshot import TenantPolicy
from headgate.policy.verbs import KEY_CREATE, KEY_LIST, KEY_REVOKE, KEY_ROTATE, KEY_SET_LIMITS
from headgate.substrate.database import Transaction

_MAX_KEYS = 10_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_OVERLAP = timedelta(hours=24)
_LONGEST_OVERLAP = timedelta(days=30)
_MOST_OWN_KEYS = 50
"""Active keys that a person may have at once without an administrator."""
_NO_CALLS = (ADMINISTRATION, JOBS)

_PerMinute = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
_PerDay = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class NewKey(Body, frozen=True, kw_only=True):
    """A request for a new key.

    Without `principal` Headgate registers a new program with the key's name and the maker's clearance. For a person's
    key, `principal` is that person.
    """

    name: Text
    use_case: Name = "getting-started"
    principal: PrincipalName | None = None
    roles: tuple[Name, ...] = ()
    aliases: list[AliasName] | None = None
    expires_at: Moment | None = None
    requests_per_minute: _PerMinute | None = None
    cost_micros_per_day: _PerDay | None = None
    currency: Currency = "USD"


class KeyRotation(Body, frozen=True, kw_only=True):
    """A rotation. The old key works until `old_until`, by default for a day, and for 30 days at most.

    Without `expires_at` the new key ends with the old one's expiry.
    """

    old_until: Moment | None = None
    expires_at: Moment | msgspec.UnsetType | None = msgspec.UNSET


class NewLimits(Body, frozen=True, kw_only=True):
    """New limits of a key. An omitted field keeps its limit, and null removes it.

    Without `currency` the limit of cost keeps its currency. A key without a limit of cost gets one in USD.
    """

    requests_per_minute: _PerMinute | msgspec.UnsetType | None = msgspec.UNSET
    cost_micros_per_day: _PerDay | msgspec.UnsetType | None = msgspec.UNSET
    currency: Currency | msgspec.UnsetType = msgspec.UNSET
    expires_at: Moment | msgspec.UnsetType | None = msgspec.UNSET


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
    replaced_by: str | None


class OwnKeys(Body, frozen=True, kw_only=True):
    """The caller's own active keys, newest first, and the use cases for which the caller may make keys."""

    keys: list[KeyView]
    use_cases: list[str]


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


async def list_own_keys(policy: Policy, request: Request) -> OwnKeys:
    """List the caller's own active keys, newest first."""
    caller, tenant = request.by, policy.tenant_of(request.by)
    keys = [key for key in tenant.keys.values() if key.principal == caller.principal.id]
    keys.sort(key=lambda key: key.created_at or _LONG_AGO, reverse=True)
    soon = policy.clock.now() + timedelta(days=1)
    return OwnKeys(
        keys=[_view(key) for key in keys],
        use_cases=[
            name
            for name in sorted(tenant.use_cases)
            if name not in _NO_CALLS
            and request.host.gate.offers(
                caller,
                KEY_CREATE,
                Resource("key", "new", attributes=_terms(policy, caller, caller.principal.id, name, soon)),
            )
            and _not_a_member(caller, tenant, name) is None
        ],
    )


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
        new = await policy.service.create_key(
            tx,
            terms,
            tenant=caller.tenant_id,
            by=who.id,
            by_key=who.key_id,
            seen_by=let_in_by(caller.attributes),
        )
        facts["key"] = new.key.id
        return new

    told = summary(use_case=terms.use_case, roles=",".join(sorted(terms.roles)) or None)
    rules_see = _terms(policy, caller, terms.principal, terms.use_case, terms.expires_at)
    resource = Resource("key", "new", attributes=rules_see)
    done = await request.change(KEY_CREATE, resource, make, arguments=digest_of(body), summary=told)
    new: MadeKey = done.result
    return CreatedKey(key=_view(new.key), secret=new.secret)


async def rotate_key(policy: Policy, request: Request) -> CreatedKey:
    """Make a key that replaces another one. The old key works until a chosen time."""
    caller, key_id, body = request.by, request.path["key"], request.body_as(KeyRotation)
    old = policy.tenant_of(caller).keys.get(key_id)
    now = policy.clock.now()
    kept = old.expires_at if old is not None else None
    expires_at = kept if body.expires_at is msgspec.UNSET else expiry(body.expires_at)
    old_until = body.old_until or now + _OVERLAP
    if old_until > now + _LONGEST_OVERLAP:
        raise Invalid("the old key may work for 30 more days at most; choose an earlier time", param="old_until")

    async def make(tx: Transaction, facts: Facts) -> MadeKey:
        who = caller.principal
        new = await policy.service.rotate_key(
            tx,
            key_id,
            tenant=caller.tenant_id,
            rotation=Rotation(max(old_until, now), expires_at),
            by_key=who.key_id,
            seen_by={who.id, *let_in_by(caller.attributes)},
        )
        facts["key"] = new.key.id
        return new

    rules_see = _terms(policy, caller, old.principal if old else None, old.use_case if old else "", expires_at)
    resource = Resource("key", key_id, attributes=rules_see)
    done = await request.change(KEY_ROTATE, resource, make, arguments=digest_of(key_id, body))
    new: MadeKey = done.result
    return CreatedKey(key=_view(new.key), secret=new.secret)


async def set_key_limits(policy: Policy, request: Request) -> KeyView:
    """Change the limits of a key. Every worker applies them to the next call."""
    caller, key_id, body = request.by, request.path["key"], request.body_as(NewLimits)
    old = policy.tenant_of(caller).keys.get(key_id)
    kept = old.expires_at if old is not None else None
    expires_at = kept if body.expires_at is msgspec.UNSET else expiry(body.expires_at)

    async def make(tx: Transaction, facts: Facts) -> ApiKey:
        changed = await policy.service.set_key_limits(
            tx, key_id, lambda key: _limited(key, body, expires_at), tenant=caller.tenant_id
        )
        facts["limits_before"], facts["limits_after"] = map(_limits_in_words, changed)
        return changed.after

    maker = old.created_by if old is not None and old.created_by == old.principal else None
    rules_see = _terms(policy, caller, maker, old.use_case if old else "", expires_at)
    resource = Resource("key", key_id, attributes=rules_see)
    done = await request.change(KEY_SET_LIMITS, resource, make, arguments=digest_of(key_id, body))
    new: ApiKey = done.result
    return _view(new)


def _limited(key: ApiKey, body: NewLimits, expires_at: datetime | None) -> ApiKey:
    """Return a key with new limits."""
    rate, spend = body.requests_per_minute, body.cost_micros_per_day
    rate = key.limits.requests_per_minute if rate is msgspec.UNSET else rate
    spend = key.limits.spend_micros_per_day if spend is msgspec.UNSET else spend
    currency = key.limits.currency or "USD" if body.currency is msgspec.UNSET else body.currency
    limits = KeyLimits(rate, spend, None if spend is None else currency)
    return replace(key, limits=limits, expires_at=key.expires_at if body.expires_at is msgspec.UNSET else expires_at)


def _limits_in_words(key: ApiKey) -> str:
    limits: list[str] = []
    if key.limits.requests_per_minute is not None:
        limits.append(f"{key.limits.requests_per_minute:,} a minute")
    if key.limits.spend_micros_per_day is not None:
        limits.append(f"{money_words(key.limits.spend_micros_per_day, key.limits.currency or '')} a day")
    if key.expires_at is not None:
        limits.append(f"until {key.expires_at:%Y-%m-%d %H:%M} UTC")
    return ", ".join(limits) or "none"


async def revoke_key(policy: Policy, request: Request) -> None:
    """Revoke a key."""
    caller, key_id = request.by, request.path["key"]

    async def make(tx: Transaction, facts: Facts) -> None:
        await policy.service.revoke_key(tx, key_id, tenant=caller.tenant_id)

    found = policy.tenant_of(caller).keys.get(key_id)
    is_own = found is not None and found.principal == caller.principal.id
    resource = Resource("key", key_id, attributes={"own": is_own})
    await request.change(KEY_REVOKE, resource, make, arguments=digest_of(key_id))


def _terms(
    policy: Policy, caller: AdminCaller, holder: str | None, use_case: str, expires_at: datetime | None
) -> Mapping[str, AttributeValue]:
    """Return the terms of a key as rules see them."""
    tenant = policy.tenant_of(caller)
    left = timedelta() if expires_at is None else expires_at - policy.clock.now()
    return {
        "own": holder == caller.principal.id,
        "member": use_case in tenant.use_cases and _not_a_member(caller, tenant, use_case) is None,
        "days": max(0, -(-left // timedelta(days=1))),
    }


def _not_a_member(caller: AdminCaller, tenant: TenantPolicy, use_case: str) -> str | None:
    """Return why the caller may not make keys for a use case, or None for its members, owner and administrators."""
    registered = tenant.principals.get(caller.principal.id)
    return binding_refusal(tenant.use_cases[use_case], maker=caller.principal, registered=registered)


def _refuse_beyond(caller: AdminCaller, tenant: TenantPolicy, terms: KeyTerms) -> None:
    """Raise Denied if a key has more rights than its maker. Administrators may grant everything.

    In the baseline people make keys for themselves only; a tenant's policy may let others make more.
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
    if terms.use_case in tenant.use_cases and (why_not := _not_a_member(caller, tenant, terms.use_case)):
        raise Denied(why_not, rules=(RULE,), detail=f"no member of the use case {terms.use_case}")
    if sum(key.principal == who.id for key in tenant.keys.values()) >= _MOST_OWN_KEYS:
        raise Denied(f"you have {_MOST_OWN_KEYS} keys; revoke one that you no longer need, then make another")


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
        replaced_by=key.replaced_by,
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
    Operation("listOwnKeys", "GET", "/api/keys/own", "Your own keys.", list_own_keys, answer=OwnKeys),
    Operation(
        "rotateKey",
        "POST",
        "/api/keys/{key}/rotate",
        "Replace a key; the new secret is shown once.",
        rotate_key,
        body=KeyRotation,
        answer=CreatedKey,
        verb=KEY_ROTATE,
    ),
    Operation(
        "setKeyLimits",
        "POST",
        "/api/keys/{key}/limits",
        "Change the limits and the end of a key.",
        set_key_limits,
        body=NewLimits,
        answer=KeyView,
        verb=KEY_SET_LIMITS,
    ),
    Operation("revokeKey", "DELETE", "/api/keys/{key}", "Revoke a key.", revoke_key, verb=KEY_REVOKE),
)
