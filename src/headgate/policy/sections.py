"""Policy's sections of `headgate.toml`: `[[use_case]]`, `[[person]]`, `[[policy]]` and `[[imported_key]]`.

A section owns the entries that it created: it deletes an entry that is gone from the file. An entry from the admin API
stays unchanged until the file has an entry with its id.

    [[use_case]]
    id = "support-chat"
    owner = "anna@example.com"
    purpose = "Answer customers' questions"
    risk = "limited"                        # minimal, limited, high
    deployments = ["gpt-eu", "local-chat"]  # absent: every deployment that is cleared for the content
    confidentiality = "internal"            # all of its content is at least this
    categories = ["pii"]                    # and holds at least these
    ceiling = "confidential"                # and at most this
    ceiling_categories = ["pii", "pci"]     # and these; absent: any
    members = ["group:support", "bob@example.com"]  # besides its owner and administrators; "*": everyone
    observe = ["mask-personal-data"]        # rules that only record; "*": all that can, "!id": but this one
    expires = 2027-12-31                    # the last day
    title = "Support chat"                  # its name for people; absent: the id
    status = "live"                         # draft, live, paused, retired; absent: a stored one keeps its status
    review = 2027-06-30                     # its owner reviews it by this day
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

import msgspec

from headgate.admin.bodies import Level
from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.kernel.identity import TenantId, UseCase, UseCaseStatus
from headgate.kernel.labels import EVERYTHING, Clearance, Confidentiality, Labels
from headgate.kernel.ports import Change, Clock, Edit, Fault
from headgate.policy import store
from headgate.policy.baseline import Baseline
from headgate.policy.engine import joined_rules
from headgate.policy.entities import (
    BUILT_IN_USE_CASES,
    HEADGATE,
    ApiKey,
    CustomPolicy,
    KeyLimits,
    RegisteredPrincipal,
    Source,
)
from headgate.policy.keys import parse_digest
from headgate.policy.rules import Rule, checked_rules, read_rules
from headgate.policy.section_checks import category_faults, deployment_faults, lockout_faults, role_faults
from headgate.policy.service import PolicyService, expiry, refuse_name, refuse_observe, refuse_use_case
from headgate.substrate.database import Transaction
from headgate.substrate.declarative import decode_table

_BY = "headgate.toml"


class _Entry(Protocol):
    @property
    def id(self) -> str: ...


E = TypeVar("E", bound=_Entry)

Put = Callable[[Transaction, TenantId, Sequence[E], Source], Awaitable[None]]
"""Adds or replaces entries of a tenant."""


class UseCaseEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One `[[use_case]]`."""

    id: str
    owner: str
    purpose: str
    risk: Literal["minimal", "limited", "high"] = "limited"
    deployments: list[str] | None = None
    confidentiality: Level = "public"
    categories: list[str] = []
    ceiling: Level = "restricted"
    ceiling_categories: list[str] | None = None
    members: list[str] | None = None
    observe: list[str] = []
    expires: date | None = None
    title: str = ""
    status: UseCaseStatus | None = None
    review: date | None = None


class PersonEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One `[[person]]`: a person, service or agent, with its clearance."""

    id: str
    name: str = ""
    kind: Literal["person", "service", "agent"] = "person"
    roles: list[str] = []
    confidentiality: Level = "restricted"
    categories: list[str] | None = None
    access: list[str] | None = None
    groups: list[str] = []
    owner: str = ""


class PolicyEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One `[[policy]]`: Cedar text here, or in a file beside `headgate.toml`."""

    id: str
    text: str | None = None
    file: str | None = None


class ImportedKeyEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One `[[imported_key]]`: the digest of another system's key."""

    digest: str
    principal: str
    use_case: str
    name: str = ""
    prefix: str = ""
    last_four: str = ""
    roles: list[str] = []
    scopes: list[str] = []
    requests_per_minute: int | None = None
    spend_micros_per_day: int | None = None
    currency: str | None = None
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Section(Generic[E]):
    """A `ConfigSection` of entries with ids.

    Args:
        name: of the table in the file.
        kind: of the entries in the store.
        noun: word for an entry in the plan.
        read: decodes and checks the table; receives the whole document.
        stored: returns the stored entries.
        put: adds or replaces entries, with the file or the admin API as their source.
        write: converts an entry to a table of the file.
        uses, keeps, built_in, implied, find: as in `EntrySection`, where `implied` is its `is_implied`, and `find` its
            `faults`.
        lists_entries: whether entries can be read back.
        entry_type: as in `EntrySection`.
    """

    name: str
    kind: store.Kind
    noun: str
    read: Callable[[Any, Mapping[str, Any]], tuple[E, ...]]
    stored: Callable[[Transaction, TenantId], Awaitable[Sequence[E]]]
    put: Put[E]
    write: Callable[[E], dict[str, Any]]
    clock: Clock
    uses: Mapping[str, str] = field(default_factory=dict[str, str])
    keeps: Sequence[str] = ()
    built_in: Collection[str] = ()
    implied: Callable[[Mapping[str, Any]], bool] = lambda table: False
    find: Callable[[Edit], Iterable[Fault]] = lambda edit: ()
    lists_entries: bool = True
    entry_type: type[Any] = object

    def is_implied(self, table: Mapping[str, Any]) -> bool:
        """As `EntrySection.is_implied`."""
        return self.implied(table)

    def faults(self, edit: Edit) -> Iterable[Fault]:
        """As `EntrySection.faults`."""
        return self.find(edit)

    def check(self, table: Any, document: Mapping[str, Any]) -> tuple[E, ...]:
        """As `ConfigSection.check`."""
        entries = self.read(table, document)
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            if entry.id in seen:
                raise Invalid(f"two entries of [[{self.name}]] have the id {entry.id}", param=f"{self.name}[{index}]")
            seen.add(entry.id)
        return entries

    async def plan(self, desired: Any, *, tenant: TenantId, transaction: Any) -> Sequence[Change]:
        """As `ConfigSection.plan`."""
        entries = cast("tuple[E, ...]", desired)
        stored = {entry.id: entry for entry in await self.stored(transaction, tenant)}
        mine = await store.ids_of_source(transaction, self.kind, tenant=tenant, source="file")
        built_in = await store.ids_of_source(transaction, self.kind, tenant=tenant, source="built_in")
        changes: list[Change] = []
        for entry in entries:
            there = stored.get(entry.id)
            wanted = _like(there, _of_tenant(entry, tenant))
            if there is None:
                changes.append(Change(self.name, entry.id, "create", f"a new {self.noun}"))
            elif detail := _difference(there, wanted):
                changes.append(Change(self.name, entry.id, "change", detail))
            elif entry.id not in (*mine, *built_in):
                changes.append(Change(self.name, entry.id, "change", "the file now manages it"))
        ids = {entry.id for entry in entries}
        return [
            *changes,
            *(
                Change(self.name, old, "remove", f"the {self.noun} is not in the file")
                for old in mine
                if old not in ids
            ),
        ]

    async def apply(self, desired: Any, *, tenant: TenantId, transaction: Any) -> None:
        """As `ConfigSection.apply`."""
        entries = cast("tuple[E, ...]", desired)
        for change in await self.plan(entries, tenant=tenant, transaction=transaction):
            if change.does == "remove":
                await store.delete(transaction, self.kind, change.id, tenant=tenant, now=self.clock.now())
        await self.put(transaction, tenant, [_of_tenant(entry, tenant) for entry in entries], "file")

    def tables(self, desired: Any) -> Sequence[dict[str, Any]]:
        """As `EntrySection.tables`."""
        tables = (self.write(entry) for entry in cast("tuple[E, ...]", desired))
        return [{name: value for name, value in table.items() if value is not None} for table in tables]

    async def entries(self, *, tenant: TenantId, transaction: Any) -> Sequence[dict[str, Any]]:
        """As `EntrySection.entries`."""
        return self.tables(await self.stored(transaction, tenant))

    async def put_entries(self, desired: Any, *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.put_entries`. The source of the entries becomes the admin API."""
        entries = [_of_tenant(entry, tenant) for entry in cast("tuple[E, ...]", desired)]
        await self.put(transaction, tenant, entries, "api")

    async def remove_entry(self, entry_id: str, *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.remove_entry`."""
        if not await store.delete(transaction, self.kind, entry_id, tenant=tenant, now=self.clock.now()):
            raise NotFound(
                f"there is no {self.noun} {entry_id!r}, or it is built in and cannot be removed", param="entry"
            )


def policy_sections(
    *,
    baseline: Baseline,
    service: PolicyService,
    clock: Clock,
    read_file: Callable[[str], str] | None = None,
    rules_in_force: Callable[[TenantId], Iterable[Rule]] = lambda tenant: (),
    built_in_deployments: Callable[[], Collection[str]] = tuple,
    categories: Callable[[], Collection[str]] = tuple,
) -> tuple[Section[Any], ...]:
    """Return policy's sections in the order of their application.

    Args:
        rules_in_force: returns a tenant's rules. Roles in them are known.
        built_in_deployments: deployments that use cases may name without a declaration in the file.
        categories: what the detectors find, and so what rules can mask.
        read_file: reads the file of a `[[policy]]`, relative to `headgate.toml`; None if files cannot be read.
    """

    async def put_person(tx: Transaction, tenant: TenantId, entry: RegisteredPrincipal, source: Source) -> None:
        await service.put_principal(tx, entry, tenant=tenant, source=source)

    async def put_policies(tx: Transaction, tenant: TenantId, entries: Sequence[CustomPolicy], source: Source) -> None:
        await service.put_policies(tx, [replace(entry, source=source) for entry in entries], tenant=tenant)

    async def put_use_case(tx: Transaction, tenant: TenantId, entry: UseCase, source: Source) -> None:
        await service.put_use_case(tx, entry, tenant=tenant, source=source)

    async def put_key(tx: Transaction, tenant: TenantId, entry: ApiKey, source: Source) -> None:
        await service.import_key(tx, replace(entry, source=source), tenant=tenant)

    def people_faults(edit: Edit) -> Iterable[Fault]:
        return (*lockout_faults(edit), *role_faults(edit, rules_in_force(edit.tenant)))

    def use_case_faults(edit: Edit) -> Iterable[Fault]:
        return deployment_faults(edit, built_in_deployments())

    def policy_faults(edit: Edit) -> Iterable[Fault]:
        return category_faults(edit, categories())

    return (
        Section(
            "person", "principal", "person",
            lambda table, _: _people(table),
            lambda tx, tenant: store.principals(tx, tenant=tenant),
            _each(put_person), _person_table, clock,
            keeps=("owner",), built_in=(HEADGATE,), implied=_is_of_a_key, find=people_faults, entry_type=PersonEntry,
        ),
        Section(
            "policy", "policy", "policy",
            lambda table, _: _policies(table, baseline, read_file),
            lambda tx, tenant: store.policies(tx, tenant=tenant),
            put_policies, _policy_table, clock, find=policy_faults, entry_type=PolicyEntry,
        ),
        Section(
            "use_case", "use_case", "use case",
            lambda table, document: _use_cases(table, lambda: _rules_of(document, baseline, read_file)),
            lambda tx, tenant: store.use_cases(tx, tenant=tenant),
            _each(put_use_case), _use_case_table, clock,
            uses={"deployments": "deployment"}, keeps=("members", "status"),
            built_in=BUILT_IN_USE_CASES, find=use_case_faults, entry_type=UseCaseEntry,
        ),
        Section(
            "imported_key", "key", "imported key",
            lambda table, _: _keys(table, clock.now()),
            lambda tx, tenant: store.imported_keys(tx, tenant=tenant),
            _each(put_key), lambda entry: {"id": entry.id}, clock, lists_entries=False,  # digests are not read back
        ),
    )  # fmt: skip


def _each(put: Callable[[Transaction, TenantId, E, Source], Awaitable[None]]) -> Put[E]:
    """Put entries one by one."""

    async def put_all(tx: Transaction, tenant: TenantId, entries: Sequence[E], source: Source) -> None:
        for entry in entries:
            await put(tx, tenant, entry, source)

    return put_all


_NOBODY = TenantId("")
"""Placeholder: checks run before the tenant is known, and `_of_tenant` fills it in."""


def _people(table: Any) -> tuple[RegisteredPrincipal, ...]:
    return tuple(
        RegisteredPrincipal(
            id=entry.id,
            tenant=_NOBODY,
            kind=entry.kind,
            name=entry.name,
            roles=frozenset(entry.roles),
            clearance=Clearance(
                level=_level(entry.confidentiality),
                categories=_set(entry.categories),
                access=_set(entry.access),
                custody=EVERYTHING.custody,
            ),
            groups=frozenset(entry.groups),
            owner=entry.owner,
        )
        for entry in decode_table(table, PersonEntry, section="person")
    )


def _person_table(entry: RegisteredPrincipal) -> dict[str, Any]:
    clearance = entry.clearance
    return {
        "id": entry.id,
        "name": entry.name,
        "kind": entry.kind,
        "roles": sorted(entry.roles),
        "confidentiality": clearance.level.name.lower(),
        "categories": _list(clearance.categories),
        "access": _list(clearance.access),
        "groups": sorted(entry.groups),
        "owner": entry.owner or None,
    }


def _is_of_a_key(table: Mapping[str, Any]) -> bool:
    """Return whether a person's table is that of a program as making its key makes it."""
    return table["kind"] == "service" and bool(table.get("owner")) and not table["roles"] and not table["groups"]


def _policy_table(entry: CustomPolicy) -> dict[str, Any]:
    return {"id": entry.id, "text": entry.text}


def _use_case_table(entry: UseCase) -> dict[str, Any]:
    return {
        "id": entry.id,
        "owner": entry.owner,
        "purpose": entry.purpose,
        "risk": entry.risk,
        "deployments": _list(entry.deployments),
        "confidentiality": entry.floor.confidentiality.name.lower(),
        "categories": sorted(entry.floor.categories),
        "ceiling": entry.ceiling.level.name.lower(),
        "ceiling_categories": _list(entry.ceiling.categories),
        "members": _list(entry.members),
        "observe": sorted(entry.observe),
        "expires": _last_day(entry.expires_at),
        "title": entry.title or None,
        "status": entry.status,
        "review": entry.review_on,
    }


def _use_cases(table: Any, rules: Callable[[], Sequence[Rule]]) -> tuple[UseCase, ...]:
    """Decode use cases. Reads the rules only if one observes some, so that faulty policies hide no other mistake."""
    read: list[UseCase] = []
    entries = decode_table(table, UseCaseEntry, section="use_case")
    known = rules() if any(entry.observe for entry in entries) else ()
    for index, entry in enumerate(entries):
        floor = Labels(confidentiality=_level(entry.confidentiality), categories=frozenset(entry.categories))
        use_case = UseCase(
            id=entry.id,
            tenant=_NOBODY,
            owner=entry.owner,
            purpose=entry.purpose,
            risk=entry.risk,
            floor=floor,
            ceiling=store.ceiling(_level(entry.ceiling), _set(entry.ceiling_categories)),
            deployments=_set(entry.deployments),
            members=_set(entry.members),
            observe=frozenset(entry.observe),
            expires_at=with_position(f"use_case[{index}]", lambda day=entry.expires: _end_of(day)),
            title=entry.title,
            status=entry.status,
            review_on=entry.review,
        )
        with_position(f"use_case[{index}]", lambda use_case=use_case: _refuse(use_case, known))
        read.append(use_case)
    return tuple(read)


def _refuse(use_case: UseCase, rules: Sequence[Rule]) -> None:
    refuse_use_case(use_case)
    refuse_observe(use_case.observe, rules)


def _policies(table: Any, baseline: Baseline, read_file: Callable[[str], str] | None) -> tuple[CustomPolicy, ...]:
    read: list[CustomPolicy] = []
    for index, entry in enumerate(decode_table(table, PolicyEntry, section="policy")):
        text = _text(entry, f"policy[{index}]", read_file)
        policy = CustomPolicy(entry.id, _NOBODY, text, updated_by=_BY, source="file")
        with_position(f"policy[{index}]", lambda policy=policy: refuse_name(policy.id, "a policy's id"))
        # Reads the policies one by one, to report the position. Saving checks all of them for duplicate ids.
        with_position(f"policy[{index}]", lambda policy=policy: _rules_beside(baseline, policy), param="text")
        read.append(policy)
    return tuple(read)


def _rules_beside(baseline: Baseline, policy: CustomPolicy) -> None:
    """Check a policy's rules, also against the ids of the baseline's."""
    joined_rules([baseline.rules, checked_rules(policy.text, baseline.schema, source=policy.source_name)])


def _rules_of(document: Mapping[str, Any], baseline: Baseline, read_file: Callable[[str], str] | None) -> list[Rule]:
    """Return the rules that `observe` may name: the baseline's and this file's."""
    rules = list(baseline.rules)
    for policy in _policies(document.get("policy", []), baseline, read_file):
        rules += read_rules(policy.text, source=policy.source_name)
    return rules


def _keys(table: Any, now: datetime) -> tuple[ApiKey, ...]:
    read: list[ApiKey] = []
    for index, entry in enumerate(decode_table(table, ImportedKeyEntry, section="imported_key")):
        algorithm, digest = with_position(f"imported_key[{index}]", lambda text=entry.digest: parse_digest(text))
        key = ApiKey(
            id=digest.hex()[:16],
            tenant=_NOBODY,
            principal=entry.principal,
            use_case=entry.use_case,
            algorithm=algorithm,
            digest=digest,
            prefix=entry.prefix,
            last_four=entry.last_four,
            name=entry.name,
            roles=frozenset(entry.roles),
            scopes=frozenset(entry.scopes),
            limits=KeyLimits(entry.requests_per_minute, entry.spend_micros_per_day, entry.currency),
            created_at=now,
            created_by=_BY,
            expires_at=with_position(f"imported_key[{index}]", lambda day=entry.expires: _end_of(day)),
            source="file",
        )
        read.append(key)
    return tuple(read)


def _text(entry: PolicyEntry, where: str, read_file: Callable[[str], str] | None) -> str:
    if (entry.text is None) == (entry.file is None):
        raise Invalid("a policy needs either text or file, not both", param=f"{where}.text")
    if entry.text is not None:
        return entry.text
    if read_file is None or entry.file is None:
        raise Invalid("the admin API cannot read files; give the policy's text", param=f"{where}.file")
    try:
        return read_file(entry.file)
    except (OSError, UnicodeDecodeError) as exc:
        raise Invalid(f"the policy file {entry.file} cannot be read", param=f"{where}.file") from exc


T = TypeVar("T")


def with_position(where: str, check: Callable[[], T], *, param: str | None = None) -> T:
    """Run a check and add the position `where` in the file to its error.

    Args:
        param: the field at fault, or None to take it from the error.

    Raises:
        Invalid: the check's error, with the dotted key.
    """
    try:
        return check()
    except (Invalid, Conflict) as error:
        raise Invalid(error.message, param=f"{where}.{param or error.param or 'id'}") from error


def _difference(there: _Entry, wanted: _Entry) -> str:
    """Return the names of the fields that would change, without the time and author of the last change."""
    names = [field.name for field in fields(cast("Any", wanted)) if field.name not in _BOOKKEEPING]
    return ", ".join(name for name in names if getattr(there, name) != getattr(wanted, name))


_BOOKKEEPING = {"source", "created_at", "created_by", "updated_at", "updated_by"}


def _like(there: _Entry | None, wanted: E) -> E:
    """Return the entry with missing fields from the stored one: members and status, and a program's owner."""
    if isinstance(wanted, UseCase) and isinstance(there, UseCase):
        members = there.members if wanted.members is None else wanted.members
        return cast("E", replace(wanted, members=members, status=wanted.status or there.status))
    if isinstance(wanted, RegisteredPrincipal) and not wanted.owner and isinstance(there, RegisteredPrincipal):
        return cast("E", replace(wanted, owner=there.owner))
    return wanted


def _of_tenant(entry: E, tenant: TenantId) -> E:
    return cast("E", replace(cast("Any", entry), tenant=tenant))


def _end_of(day: date | None) -> datetime | None:
    """Return the end of the day in UTC.

    Raises:
        Invalid: as `expiry`.
    """
    if day is None:
        return None
    next_day = min(day, date.max - timedelta(days=1)) + timedelta(days=1)  # none follows the last; too late, either
    return expiry(datetime.combine(next_day, time(), UTC), param="expires")


def _last_day(moment: datetime | None) -> date | None:
    """Return the last day that begins before the moment, in UTC. An entry is valid on the day of its expiry."""
    return None if moment is None else (moment.astimezone(UTC) - timedelta(microseconds=1)).date()


def _list(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


def _level(word: Level) -> Confidentiality:
    return Confidentiality[word.upper()]


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
