"""Administration of keys, use cases, people and rules, and explanations of decisions.

A method that writes uses its caller's transaction, and the caller commits. Every worker applies the change within
seconds of the commit (see `jobs.py`). The pipeline checks access before the call.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Mode, Obligations
from headgate.kernel.errors import Conflict, Invalid, NotFound, TooLarge
from headgate.kernel.identity import TenantId, UseCase, UseCaseStatus
from headgate.kernel.labels import BOTTOM, EVERYTHING, Labels
from headgate.kernel.ports import Clock, Ids
from headgate.policy import store
from headgate.policy.baseline import Baseline
from headgate.policy.decider import decide_uncached, sentence_on
from headgate.policy.engine import Engine, mode_of
from headgate.policy.entities import (
    ADMIN,
    BUILT_IN_USE_CASES,
    DEFAULT_TENANT,
    JOBS,
    MAX_PAGE,
    ApiKey,
    CustomPolicy,
    RegisteredPrincipal,
    Source,
)
from headgate.policy.keys import (
    KEY_PATTERN,
    ChangedKey,
    KeyTerms,
    NewKey,
    Rotation,
    key_of_secret,
    make_admin_key,
    make_key,
    program_id,
    terms_of,
)
from headgate.policy.lockout import lockout_reason
from headgate.policy.members import refuse_members
from headgate.policy.rules import Does, Rule, RuleMode
from headgate.policy.snapshot import (
    SnapshotHolder,
    TenantContents,
    TenantPolicy,
    build_snapshot,
    compile_policies,
)
from headgate.substrate.database import Transaction

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Bounds of every expiry; the database checks them too."""

MAX_POLICIES = 1000
"""Policies of one tenant. Each check of a change makes one decision for each of them."""

_MAX_TITLE = 200
_PAST_EXPIRY = "the expiry of a key must be in the future"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SCOPE = re.compile(r"alias:\S{1,200}|[a-z_]+(\.[a-z_]+)+")


class RuleView(NamedTuple):
    """A rule for display. `mode` is its mode for the requested use case; `own_mode` is its `@mode` annotation."""

    id: str
    does: Does
    mode: Mode
    own_mode: RuleMode
    reason: str
    text: str
    source: str
    obligations: Obligations


@dataclass(frozen=True, slots=True)
class Check:
    """A hypothetical action, for an explanation.

    Args:
        roles: roles to use in place of the principal's registered ones, or None.
    """

    principal: str
    use_case: str
    verb: str
    resource: Resource
    labels: Labels = BOTTOM
    roles: frozenset[str] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


class Explanation(NamedTuple):
    """A decision with a sentence of explanation and the text of each matching rule."""

    decision: Decision
    sentence: str
    texts: Mapping[str, str]


class PolicyService:
    """Administration of policy. Has no state of its own."""

    def __init__(self, *, baseline: Baseline, holder: SnapshotHolder, clock: Clock, ids: Ids) -> None:
        self._pack = baseline
        self._holder = holder
        self._clock = clock
        self._ids = ids

    # ---- keys

    async def create_key(
        self,
        tx: Transaction,
        terms: KeyTerms,
        *,
        tenant: TenantId,
        by: str,
        by_key: str | None = None,
        seen_by: Collection[str] = (),
    ) -> NewKey:
        """Make a key, and register its principal as a service if the id is not registered yet.

        The new service has the key's roles and its maker's clearance. Its owner is the maker, or the owner of the
        program that makes the key. A key without a principal gets a new service.

        Args:
            by: id of the maker.
            by_key: id of the maker's key, or None for a session.
            seen_by: the others who may have seen the secret.

        Raises:
            NotFound: the use case does not exist.
            Invalid: a scope is malformed, the principal lacks a role, or the expiry is in the past.
        """
        new = make_key(terms, tenant=tenant, created_by=by, now=self._clock.now(), ids=self._ids)
        if terms.principal is None and await store.principal(tx, new.key.principal, tenant=tenant) is not None:
            own = program_id(terms.name, key_id=new.key.id)
            new = NewKey(new.secret, replace(new.key, principal=own))
        await self._refuse_terms(tx, new.key, tenant=tenant)
        await store.add_key(tx, new.key, tenant=tenant, made_by_key=by_key, seen_by=seen_by)
        return new

    async def rotate_key(
        self,
        tx: Transaction,
        key_id: str,
        *,
        tenant: TenantId,
        rotation: Rotation,
        by_key: str | None = None,
        seen_by: Collection[str] = (),
    ) -> NewKey:
        """Make a key with the terms of another key, which ends by `rotation.old_until`.

        The maker stays the same, because a key from somebody else gives its holder access to the use case.

        Args:
            seen_by: who rotates the key, and the others who may have seen the new secret.

        Raises:
            NotFound: the key does not exist or is revoked.
            Conflict: the key has a successor, has ended, or `headgate.toml` manages it.
            Invalid: an expiry is in the past.
        """
        now = self._clock.now()
        old = await self._changeable_key(tx, key_id, tenant=tenant, of_file="make a new key instead")
        terms = replace(terms_of(old), expires_at=rotation.expires_at)
        new = make_key(terms, tenant=tenant, created_by=old.created_by, now=now, ids=self._ids)
        await self._refuse_terms(tx, new.key, tenant=tenant)
        ends = rotation.old_until if old.expires_at is None else min(old.expires_at, rotation.old_until)
        if not await store.replace_key(tx, key_id, tenant=tenant, replaced_by=new.key.id, expires_at=ends):
            raise Conflict(f"the key {key_id} was replaced by {old.replaced_by}; rotate that one", param="key")
        await store.add_key(tx, new.key, tenant=tenant, made_by_key=by_key, seen_by=seen_by)
        return new

    async def set_key_limits(
        self, tx: Transaction, key_id: str, change: Callable[[ApiKey], ApiKey], *, tenant: TenantId
    ) -> ChangedKey:
        """Change the limits and the expiry of a key. `change` returns the key with its new limits.

        Calls in progress keep their reservations. Use of the day counts if the key had a limit of that kind already.

        Raises:
            NotFound: the key does not exist or is revoked.
            Conflict: the key has a successor, has ended, or `headgate.toml` manages it.
            Invalid: the new expiry is in the past, or the limit of cost has another currency than the present one.
        """
        old = await self._changeable_key(tx, key_id, tenant=tenant, of_file="change its [[imported_key]] there")
        if old.replaced_by is not None:
            raise Conflict(f"the key {key_id} was replaced by {old.replaced_by}; change that one", param="key")
        new = change(old)
        currencies = {old.limits.currency, new.limits.currency} - {None}
        if len(currencies) > 1:
            raise Invalid(
                f"the key {key_id} counts its cost in {old.limits.currency}; give the limit in it, or make a new key",
                param="currency",
            )
        if new.expires_at != old.expires_at and new.is_expired(self._clock.now()):
            raise Invalid(_PAST_EXPIRY, param="expires_at")
        await store.set_key_limits(tx, new, tenant=tenant)
        return ChangedKey(old, new)

    async def import_key(self, tx: Transaction, key: ApiKey, *, tenant: TenantId) -> None:
        """Import the digest of another system's key, so that its holder can keep using it.

        Raises:
            NotFound, Invalid: as for `create_key`.
            Conflict: another tenant, or a key made here, has that digest.
        """
        await self._refuse_terms(tx, key, tenant=tenant)
        await store.put_imported_key(tx, key, tenant=tenant)

    async def is_first_key_known(self, tx: Transaction, secret: str) -> bool:
        """Return whether the key in DATA/admin.key is already stored.

        Raises:
            Invalid: the file does not hold a key.
        """
        key = _first_key(secret, like=make_admin_key(now=self._clock.now(), ids=self._ids).key)
        holder = await store.principal(tx, key.principal, tenant=DEFAULT_TENANT)
        return None not in (holder, await store.key(tx, key.id, tenant=DEFAULT_TENANT))

    async def ensure_first_key(self, tx: Transaction, secret: str | None) -> NewKey:
        """Store the first key in the tenant `default` if it is missing. Idempotent; runs at every start.

        Args:
            secret: the content of DATA/admin.key, or None without such a file.

        Raises:
            Invalid: the file does not hold a key.
        """
        new = make_admin_key(now=self._clock.now(), ids=self._ids)
        if secret is not None:
            new = NewKey(secret, _first_key(secret, like=new.key))
        if await store.principal(tx, new.key.principal, tenant=DEFAULT_TENANT) is None:
            admin = store.built_in_administrator()
            await store.put_principal(tx, admin, tenant=DEFAULT_TENANT, source="built_in")
        # A revoked key stays revoked: a start does not restore it.
        if await store.key(tx, new.key.id, tenant=DEFAULT_TENANT) is None:
            await store.add_key(tx, new.key, tenant=DEFAULT_TENANT)
        return new

    async def is_admin_key(self, tx: Transaction, secret: str) -> bool:
        """Return whether this secret is an unrestricted, unexpiring key of the first administrator."""
        if not KEY_PATTERN.fullmatch(secret):
            return False
        key = _first_key(secret, like=make_admin_key(now=self._clock.now(), ids=self._ids).key)
        known = await store.key(tx, key.id, tenant=DEFAULT_TENANT)
        if known is None or known.revoked_at is not None or known.expires_at is not None or known.scopes:
            return False
        return known.digest == key.digest and known.principal == ADMIN and ADMIN in known.roles

    async def new_admin_key(self, tx: Transaction) -> NewKey:
        """Make another first key."""
        new = make_admin_key(now=self._clock.now(), ids=self._ids)
        await store.add_key(tx, new.key, tenant=DEFAULT_TENANT)
        return new

    async def keys(self, tx: Transaction, *, tenant: TenantId, after: str = "", limit: int = 100) -> list[ApiKey]:
        """Return keys, revoked ones included, with ids above `after`, by id; at most `MAX_PAGE`."""
        return await store.keys_page(tx, tenant=tenant, after=after, limit=max(1, min(limit, MAX_PAGE)))

    async def revoke_key(self, tx: Transaction, key_id: str, *, tenant: TenantId) -> None:
        """Revoke a key permanently.

        Raises:
            NotFound: the key does not exist or is already revoked.
        """
        if not await store.revoke_key(tx, key_id, tenant=tenant, now=self._clock.now()):
            raise NotFound(f"there is no active key {key_id}", param="key")

    async def _changeable_key(self, tx: Transaction, key_id: str, *, tenant: TenantId, of_file: str) -> ApiKey:
        key = await store.key(tx, key_id, tenant=tenant)
        if key is None or key.revoked_at is not None:
            raise NotFound(f"there is no active key {key_id}", param="key")
        if key.source == "file":
            raise Conflict(f"headgate.toml manages the key {key_id}; {of_file}", param="key")
        if key.is_expired(self._clock.now()):
            raise Conflict(f"the key {key_id} has ended; make a new key instead", param="key")
        return key

    async def _refuse_terms(self, tx: Transaction, terms: ApiKey, *, tenant: TenantId) -> None:
        if terms.expires_at is not None and terms.expires_at <= self._clock.now():
            raise Invalid(_PAST_EXPIRY, param="expires_at")
        for scope in terms.scopes:
            if not _SCOPE.fullmatch(scope):
                raise Invalid(
                    f"{scope!r} is not a scope; write a verb like model.invoke, or alias:NAME", param="scopes"
                )
        if terms.use_case == JOBS or await store.use_case(tx, terms.use_case, tenant=tenant) is None:
            raise NotFound(f"there is no use case {terms.use_case!r}; register it first", param="use_case")
        if not terms.principal or len(terms.principal) > 200:
            raise Invalid("the principal of a key must have 1 to 200 characters", param="principal")
        holder = await store.principal(tx, terms.principal, tenant=tenant)
        if holder is None:
            maker = await store.principal(tx, terms.created_by, tenant=tenant)
            entry = RegisteredPrincipal(
                terms.principal,
                tenant,
                name=terms.name,
                roles=terms.roles,
                clearance=maker.clearance if maker else EVERYTHING,
                owner=(maker.owner or maker.id) if maker else "",
            )
            await store.put_principal(tx, entry, tenant=tenant, source="api")
        elif not terms.roles <= holder.roles:
            lacking = ", ".join(sorted(terms.roles - holder.roles))
            raise Invalid(f"{terms.principal} does not have the roles: {lacking}", param="roles")

    # ---- protection against lockouts

    async def refuse_lockout(self, contents: TenantContents) -> None:
        """Refuse a change that locks out every administrator. Runs before the commit of each change.

        Args:
            contents: the tenant's entries after the change.

        Raises:
            Conflict: an administrator can undo changes now, but none could after this change.
            Invalid: an entry could not be read back.
        """
        snapshot = self._holder.latest
        known = snapshot.tenants.get(contents.tenant) if snapshot else None
        if known is not None and _is_same(known, contents):
            return
        fresh = set(contents.unreadable) - set(known.unreadable if known else ())
        if fresh:
            one = min(fresh)
            raise Invalid(
                f"the {one.kind.replace('_', ' ')} {one.id} could not be read back: {one.why}", param=one.kind
            )
        after = await asyncio.to_thread(build_snapshot, [contents], baseline=self._pack, version=0, previous=snapshot)
        now = self._clock.now()
        why = await asyncio.to_thread(lockout_reason, after.tenants[contents.tenant], now=now)
        if why is None:
            return
        if known is not None and await asyncio.to_thread(lockout_reason, known, now=now) is not None:
            return
        raise Conflict(f"no administrator could undo this change: {why}. Nothing was changed")

    async def refuse_state_without_administrator(self, contents: TenantContents) -> None:
        """Raise Conflict if nobody can sign in and administer in this state."""
        state = await asyncio.to_thread(build_snapshot, [contents], baseline=self._pack, version=0)
        why = lockout_reason(state.tenants[contents.tenant], now=self._clock.now(), only_by_link=True)
        if why is not None:
            raise Conflict(f"nobody could administer: {why}")

    def policies_in_the_way(self, contents: TenantContents) -> list[CustomPolicy]:
        """Return the policies, in order, that must be removed so that an administrator can sign in."""
        kept: tuple[CustomPolicy, ...] = ()
        in_the_way: list[CustomPolicy] = []
        for policy in contents.policies:
            tried = replace(contents, policies=(*kept, policy))
            state = build_snapshot([tried], baseline=self._pack, version=0).tenants[contents.tenant]
            if lockout_reason(state, now=self._clock.now(), only_by_link=True) is not None:
                in_the_way.append(policy)
            elif state.fault is None:
                kept = tried.policies
        return in_the_way

    # ---- people and programs

    async def principals(self, tx: Transaction, *, tenant: TenantId) -> list[RegisteredPrincipal]:
        """Return all registered principals, by id."""
        return await store.principals(tx, tenant=tenant)

    async def put_principal(
        self, tx: Transaction, entry: RegisteredPrincipal, *, tenant: TenantId, source: Source = "api"
    ) -> None:
        """Register a principal, or replace its registration."""
        await store.put_principal(tx, entry, tenant=tenant, source=source)

    async def delete_principal(self, tx: Transaction, principal_id: str, *, tenant: TenantId) -> None:
        """Unregister a principal and revoke its keys.

        Raises:
            NotFound: the principal is not registered, or is built in.
        """
        await self._delete(tx, "principal", principal_id, tenant=tenant)

    # ---- use cases

    async def use_cases(self, tx: Transaction, *, tenant: TenantId) -> list[UseCase]:
        """Return all use cases, built-in ones included, by id."""
        return await store.use_cases(tx, tenant=tenant)

    async def put_use_case(
        self, tx: Transaction, use_case: UseCase, *, tenant: TenantId, source: Source = "api"
    ) -> None:
        """Register a use case, or replace it.

        Raises:
            Invalid: a field is malformed, or `observe` has an unknown or always enforced rule.
            Conflict: it is built in.
        """
        refuse_use_case(use_case)
        engine = await self._engine(tx, tenant)
        refuse_observe(use_case.observe, engine.rules.values())
        await store.put_use_case(tx, use_case, tenant=tenant, source=source)

    async def use_case(self, tx: Transaction, use_case_id: str, *, tenant: TenantId) -> UseCase:
        """Return a use case.

        Raises:
            NotFound: it does not exist.
        """
        found = await store.use_case(tx, use_case_id, tenant=tenant)
        if found is None:
            raise NotFound(f"there is no use case {use_case_id!r}", param="use_case")
        return found

    async def set_status(
        self, tx: Transaction, use_case_id: str, status: UseCaseStatus, *, tenant: TenantId
    ) -> UseCase:
        """Set the status of a use case, and return it.

        Raises:
            NotFound: it does not exist.
            Conflict: it is built in.
        """
        found = await self.use_case(tx, use_case_id, tenant=tenant)
        refuse_built_in(use_case_id)
        await store.set_status(tx, use_case_id, status, tenant=tenant)
        return replace(found, status=status)

    async def set_member(
        self, tx: Transaction, use_case_id: str, member: str, *, is_in: bool, tenant: TenantId
    ) -> UseCase:
        """Add a member to a use case or remove one, and return the use case. Idempotent.

        Raises:
            NotFound: it does not exist.
            Invalid: the member is malformed, or there are too many.
            Conflict: it is built in.
        """
        found = await self.use_case(tx, use_case_id, tenant=tenant)
        refuse_built_in(use_case_id)
        members = (found.members or frozenset[str]()) - {member} | (frozenset({member}) if is_in else frozenset[str]())
        refuse_members(members)
        await store.set_members(tx, use_case_id, members, tenant=tenant)
        return replace(found, members=members)

    async def delete_use_case(self, tx: Transaction, use_case_id: str, *, tenant: TenantId) -> None:
        """Delete a use case and revoke its keys.

        Raises:
            NotFound: it does not exist, or is built in.
        """
        await self._delete(tx, "use_case", use_case_id, tenant=tenant)

    # ---- rules and policies

    async def rules(self, tx: Transaction, *, tenant: TenantId, use_case: str | None = None) -> list[RuleView]:
        """Return every rule of the tenant, with its mode for a use case or in general.

        Raises:
            NotFound: the use case does not exist.
            Invalid: one of the tenant's policies is not valid; the message names the fault.
        """
        observe = (await self.use_case(tx, use_case, tenant=tenant)).observe if use_case else frozenset[str]()
        engine = await self._engine(tx, tenant)
        return [_view(rule, mode_of(rule, observe)) for rule in engine.rules.values()]

    async def set_rule_mode(
        self, tx: Transaction, *, tenant: TenantId, use_case: str, rule: str, mode: Mode
    ) -> UseCase:
        """Set a rule to observe or enforce for one use case. Return the changed use case.

        Args:
            rule: its id, or `*` for all rules but permits.

        Raises:
            NotFound: the use case does not exist.
            Invalid: the rule does not exist, or is always enforced.
        """
        found = await self.use_case(tx, use_case, tenant=tenant)
        engine = await self._engine(tx, tenant)
        refuse_observe(frozenset({rule}), engine.rules.values())
        observe = found.observe - {rule, "!" + rule}
        if rule == "*":
            # `*` covers every rule, so it replaces the settings of single rules.
            observe = frozenset({"*"}) if mode == "observe" else frozenset[str]()
        elif mode_of(engine.rules[rule], observe) != mode:
            observe |= {rule if mode == "observe" else "!" + rule}
        await store.set_observe(tx, use_case, observe, tenant=tenant)
        return replace(found, observe=observe)

    async def policies(self, tx: Transaction, *, tenant: TenantId) -> list[CustomPolicy]:
        """Return the tenant's own policies by id."""
        return await store.policies(tx, tenant=tenant)

    async def put_policies(self, tx: Transaction, policies: Sequence[CustomPolicy], *, tenant: TenantId) -> None:
        """Check and store policies of the tenant. The others stay.

        Raises:
            Invalid: one does not parse or does not fit the schema; the message names the rule and the fault.
            Conflict: a rule id is already in use.
            TooLarge: the tenant would have more than `MAX_POLICIES`.
        """
        for policy in policies:
            refuse_name(policy.id, "a policy's id")
        put = {policy.id for policy in policies}
        others = [other for other in await store.policies(tx, tenant=tenant) if other.id not in put]
        if len(others) + len(policies) > MAX_POLICIES:
            raise TooLarge(f"a tenant has at most {MAX_POLICIES:,} policies; join some of them", param="policy")
        # On a thread: compiling takes about half a millisecond per rule.
        await asyncio.to_thread(compile_policies, [*others, *policies], self._pack)
        for policy in policies:
            await store.put_policy(tx, policy, tenant=tenant)

    async def delete_policy(self, tx: Transaction, policy_id: str, *, tenant: TenantId) -> None:
        """Delete a policy of the tenant.

        Raises:
            NotFound: it does not exist.
        """
        await self._delete(tx, "policy", policy_id, tenant=tenant)

    # ---- explanations

    def check(self, check: Check, *, tenant: TenantId) -> Explanation:
        """Decide a hypothetical action and explain the decision. Performs and records nothing.

        Raises:
            NotFound: the use case is not registered.
            Unavailable: no policies are loaded.
        """
        snapshot = self._holder.current
        entry = snapshot.tenants.get(tenant)
        use_case = entry.use_cases.get(check.use_case) if entry else None
        if entry is None or use_case is None:
            raise NotFound(f"there is no use case {check.use_case!r}", param="use_case")
        known = entry.principals.get(check.principal) or RegisteredPrincipal(check.principal, tenant)
        principal = known.acting()
        if check.roles is not None:
            principal = replace(principal, roles=check.roles)
        verb: Verb[Any, Any, Any] = Verb(check.verb, object, object, object)
        context = Context(use_case, attributes=check.attributes)
        action = Action(verb, principal, check.resource, None, context)
        decision = decide_uncached(action, Labelled(check.labels), snapshot=snapshot, now=self._clock.now())
        texts = {hit.id: entry.engine.rules[hit.id].text for hit in decision.rules if hit.id in entry.engine.rules}
        return Explanation(decision, sentence_on(decision), texts)

    async def _engine(self, tx: Transaction, tenant: TenantId) -> Engine:
        policies = tuple(await store.policies(tx, tenant=tenant))
        known = self._holder.latest.tenants.get(tenant) if self._holder.latest else None
        if known is not None and known.fault is None and known.policies == policies:
            return known.engine
        return await asyncio.to_thread(compile_policies, policies, self._pack)

    async def _delete(self, tx: Transaction, kind: store.Kind, entry_id: str, *, tenant: TenantId) -> None:
        if not await store.delete(tx, kind, entry_id, tenant=tenant, now=self._clock.now()):
            what = kind.replace("_", " ")
            raise NotFound(f"there is no {what} {entry_id!r}, or it is built in and cannot be deleted", param=kind)


def expiry(moment: datetime | None, *, param: str = "expires_at") -> datetime | None:
    """Return an expiry in UTC.

    Raises:
        Invalid: the year is out of range. PostgreSQL stores times that Python cannot read.
    """
    if moment is None:
        return None
    if not EARLIEST <= moment <= LATEST:
        raise Invalid("an expiry must be in the years 1970 to 2999; leave it out for no expiry", param=param)
    return moment.astimezone(UTC)


def refuse_name(name: str, what: str) -> None:
    """Raise Invalid unless `name` may be an id."""
    if not _NAME.fullmatch(name):
        raise Invalid(f"{what} has up to 63 of a-z, 0-9, '.', '_', '-', and begins with a letter or digit", param="id")


def refuse_use_case(use_case: UseCase) -> None:
    """Raise Invalid for a malformed field, Conflict for a built-in use case."""
    refuse_name(use_case.id, "a use case's id")
    refuse_built_in(use_case.id)
    refuse_members(use_case.members)
    for field_name, value, limit in (("owner", use_case.owner, 200), ("purpose", use_case.purpose, 2000)):
        if not value.strip() or len(value) > limit:
            raise Invalid(f"{field_name} of a use case must have 1 to {limit} characters", param=field_name)
    if len(use_case.title) > _MAX_TITLE:
        raise Invalid(f"the title of a use case has at most {_MAX_TITLE} characters", param="title")
    if use_case.review_on is not None and not EARLIEST.date() <= use_case.review_on < LATEST.date():
        raise Invalid("a review date must be in the years 1970 to 2999; leave it out for none", param="review")


def refuse_built_in(use_case_id: str) -> None:
    """Raise Conflict for a built-in use case."""
    if use_case_id in BUILT_IN_USE_CASES:
        raise Conflict(f"the use case {use_case_id} is built in and cannot be changed; register your own", param="id")


def refuse_observe(observe: frozenset[str], rules: Iterable[Rule]) -> None:
    """Raise Invalid if `observe` has an unknown or always enforced rule."""
    known = {rule.id: rule for rule in rules}
    for entry in sorted(observe - {"*"}):
        rule = known.get(entry.removeprefix("!"))
        if rule is None:
            nearest = get_close_matches(entry.removeprefix("!"), known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise Invalid(f"there is no rule {entry.removeprefix('!')!r}{hint}", param="observe")
        if rule.mode == "always":
            raise Invalid(f"rule {rule.id} cannot observe; it is always enforced: {rule.reason}", param="observe")


def _first_key(secret: str, *, like: ApiKey) -> ApiKey:
    if not KEY_PATTERN.fullmatch(secret):
        raise Invalid("admin.key holds no API key; delete the file, and the next start makes a new key")
    return key_of_secret(secret, like=like)


def _is_same(known: TenantPolicy, contents: TenantContents) -> bool:
    """Return whether a change leaves all inputs of decisions the same."""
    return (
        known.policies == contents.policies
        and known.unreadable == contents.unreadable
        and tuple(known.use_cases.values()) == contents.use_cases
        and tuple(known.principals.values()) == contents.principals
        and tuple(known.keys.values()) == contents.keys
    )


def _view(rule: Rule, mode: Mode) -> RuleView:
    return RuleView(rule.id, rule.does, mode, rule.mode, rule.reason, rule.text, rule.source, rule.obligations)
