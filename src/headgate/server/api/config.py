"""Plans and applies `headgate.toml`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import msgspec

from headgate.admin.bodies import Body
from headgate.admin.callers import AdminCaller
from headgate.admin.checks import refuse_unknown
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Change as MakeChange
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY, CONFIG_READ
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid
from headgate.kernel.ports import Change, Edit, EntrySection
from headgate.server import config_history
from headgate.server.api import config_checks
from headgate.server.api.noted_changes import change_noted
from headgate.server.api.parts import ServerParts
from headgate.substrate import declarative
from headgate.substrate.database import Transaction
from headgate.substrate.declarative_faults import Found, find_faults
from headgate.substrate.toml_writing import array_of_tables


class ConfigText(Body, frozen=True, kw_only=True):
    """A declarative file; `file` is its name in errors."""

    toml: Annotated[str, msgspec.Meta(max_length=4_000_000)]
    file: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] = "headgate.toml"


class ChangeView(Body, frozen=True, kw_only=True):
    """One line of a plan."""

    section: str
    id: str
    does: str
    detail: str


class ConfigPlan(Body, frozen=True, kw_only=True):
    """What applying the file changes, or changed.

    Args:
        warnings: what it will not do as meant, such as calls that fail because a secret is not set.
    """

    changes: list[ChangeView]
    warnings: list[str]
    applied: bool
    record: str | None = None


class ConfigFaults(Body, frozen=True, kw_only=True):
    """The mistakes of a file, each with its line and the nearest valid name. Empty if the file can be applied.

    Args:
        warnings: what the file will not do as meant, though it can be applied.
    """

    faults: list[str]
    warnings: list[str]


class ConfigExport(Body, frozen=True, kw_only=True):
    """The configuration in force, as a file that can be applied."""

    toml: str


class Planned(NamedTuple):
    """The changes of a plan, and the warnings about them."""

    changes: Sequence[Change]
    warnings: Sequence[str] = ()


async def plan_config(parts: ServerParts, request: Request) -> ConfigPlan:
    """Return the changes that the file would make, without making them."""
    caller = request.by
    request.authorise(CONFIG_READ, Resource("config", caller.tenant_id))
    body = request.body_as(ConfigText)
    return plan_view(await request.rehearse(_applying(parts, caller, body)), record=None)


async def apply_config(parts: ServerParts, request: Request) -> ConfigPlan:
    """Apply the file in one transaction; the reported changes are planned in it."""
    caller = request.by
    body = request.body_as(ConfigText)
    size_bytes = len(body.toml.encode())
    done = await change_noted(
        parts,
        request,
        Resource("config", caller.tenant_id),
        _applying(parts, caller, body),
        arguments=digest_of(body.toml),
        summary={"size_bytes": size_bytes},
        way="file",
        toml=body.toml,
    )
    return plan_view(done.result, record=done.record)


def _applying(parts: ServerParts, caller: AdminCaller, body: ConfigText) -> MakeChange:
    async def make(tx: Transaction, facts: Facts) -> Planned:
        # Read after the decision: a caller who may not apply a file cannot make us parse one.
        desired = await _read(parts, body)
        planned = await _planned(parts, caller, desired, tx, body=body)
        facts.update(_counts(planned.changes))
        await desired.apply(tenant=caller.tenant_id, transaction=tx)
        return planned

    return make


async def _read(parts: ServerParts, body: ConfigText) -> declarative.Desired:
    """Read and check the file in a thread; a large one takes a second."""
    return await asyncio.to_thread(declarative.read, body.toml.encode(), parts.sections, file=body.file)


async def _planned(
    parts: ServerParts, caller: AdminCaller, desired: declarative.Desired, tx: Transaction, *, body: ConfigText
) -> Planned:
    """Plan the file, and refuse all of it if the resulting configuration is invalid."""
    planned = await desired.plan(tenant=caller.tenant_id, transaction=tx)
    sections = config_checks.entry_sections(parts.sections)
    edit = await _edit(parts, caller, desired, planned, tx)
    fault = await asyncio.to_thread(lambda: next(config_checks.faults(sections, edit), None))
    if fault is not None:
        place = config_checks.placed(fault, edit.named, text=body.toml, file=body.file)
        raise (Conflict if fault.is_conflict else Invalid)(place.message, param=place.param)
    changes = [*planned, *await _taken_over(edit, planned, tx)]
    return Planned(changes, await asyncio.to_thread(config_checks.warnings, parts, edit))


async def _taken_over(edit: Edit, planned: Sequence[Change], tx: Transaction) -> list[Change]:
    """Return a change for each unchanged entry that a single change made and that the file manages from now on."""
    origins = await config_history.origins(tx, tenant=edit.tenant)
    told = {(one.section, one.id) for one in planned}
    places = [(name, str(table["id"])) for name, tables in edit.named.items() for table in tables]
    return [
        Change(*place, "change", "the file now manages it")
        for place in places
        if origins.get(place) == "console" and place not in told
    ]


async def _edit(
    parts: ServerParts, caller: AdminCaller, desired: declarative.Desired, planned: Sequence[Change], tx: Transaction
) -> Edit:
    """Return what a planned file would change."""
    before = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
    named = config_checks.tables_of(desired.values, config_checks.entry_sections(parts.sections))
    now = config_checks.after(before, named, planned)
    return Edit(caller.tenant_id, caller.principal.id, named, before, now)


async def check_config(parts: ServerParts, request: Request) -> ConfigFaults:
    """Return all mistakes of the file, where planning it stops at the first one."""
    caller = request.by
    request.authorise(CONFIG_READ, Resource("config", caller.tenant_id))
    body = request.body_as(ConfigText)
    try:
        source = await asyncio.to_thread(declarative.parse, body.toml.encode(), file=body.file)
        found = await asyncio.to_thread(find_faults, source, parts.sections)
        told = [source.placed(fault).message for fault in found.faults]
        told += await _faults_together(parts, caller, found, source)
        if told:
            return ConfigFaults(faults=told, warnings=[])
        planned: Planned = await request.rehearse(_applying(parts, caller, body))
    except (Invalid, Conflict) as error:
        return ConfigFaults(faults=[error.message], warnings=[])
    return ConfigFaults(faults=[], warnings=list(planned.warnings))


async def _faults_together(
    parts: ServerParts, caller: AdminCaller, found: Found, source: declarative.Source
) -> list[str]:
    """Return the mistakes that only a look at the whole configuration shows, as far as its sections are right."""
    desired = found.desired(parts.sections)
    async with parts.database.transaction(tenant=caller.tenant_id) as tx:
        planned = await desired.plan(tenant=caller.tenant_id, transaction=tx)
        edit = await _edit(parts, caller, desired, planned, tx)
    edit = replace(edit, now=config_checks.without(edit.now, found.faulty(source)))
    sections = config_checks.entry_sections(parts.sections)
    faults = await asyncio.to_thread(lambda: list(config_checks.faults(sections, edit)))
    return [config_checks.placed(fault, edit.named, text=source.text, file=source.file).message for fault in faults]


async def export_config(parts: ServerParts, request: Request) -> ConfigExport:
    """Return the configuration in force as a file. It has references to secrets, and never a secret."""
    tenant, wanted = request.tenant, request.text("section")
    request.authorise(CONFIG_READ, Resource("config", tenant))
    sections = config_checks.entry_sections(parts.sections)
    if wanted is not None:
        refuse_unknown("section", [wanted], sections, param="section")
    async with parts.database.transaction(tenant=tenant) as tx:
        stored = await config_checks.stored(parts.sections, tx, tenant=tenant)
        declared = await config_history.origins(tx, tenant=tenant)
    chosen = {
        name: _exported(tables, sections[name], declared) for name, tables in stored.items() if wanted in (None, name)
    }
    return ConfigExport(toml="\n".join(array_of_tables(name, tables) for name, tables in chosen.items() if tables))


def _exported(
    tables: Sequence[dict[str, Any]], section: EntrySection, declared: Collection[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return the entries that a file may have, without those that another action brings again."""
    return [
        table
        for table in tables
        if table["id"] not in section.built_in
        and ((section.name, table["id"]) in declared or not section.is_implied(table))
    ]


def _counts(planned: Sequence[Change]) -> dict[str, int]:
    """Count the changes as facts such as `changes.deployment.create`."""
    return dict(sorted(Counter(f"changes.{one.section}.{one.does}" for one in planned).items()))


def plan_view(planned: Planned, *, record: str | None) -> ConfigPlan:
    """Return the API view of a plan; `record` is set if the plan was applied."""
    return ConfigPlan(
        changes=[
            ChangeView(section=one.section, id=one.id, does=one.does, detail=one.detail) for one in planned.changes
        ],
        warnings=list(planned.warnings),
        applied=record is not None,
        record=record,
    )


OPERATIONS = (
    Operation(
        "checkConfig",
        "POST",
        "/api/config/check",
        "All mistakes of a file.",
        check_config,
        body=ConfigText,
        answer=ConfigFaults,
        verb=CONFIG_READ,
    ),
    Operation(
        "exportConfig",
        "GET",
        "/api/config",
        "The configuration in force, as a file.",
        export_config,
        answer=ConfigExport,
        verb=CONFIG_READ,
        parameters=(Parameter("section", "Only this section."),),
    ),
    Operation(
        "planConfig",
        "POST",
        "/api/config/plan",
        "What a file would change.",
        plan_config,
        body=ConfigText,
        answer=ConfigPlan,
        verb=CONFIG_READ,
    ),
    Operation(
        "applyConfig",
        "POST",
        "/api/config/apply",
        "Apply a file.",
        apply_config,
        body=ConfigText,
        answer=ConfigPlan,
        verb=CONFIG_APPLY,
    ),
)
