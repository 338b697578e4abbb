"""Reads, puts and removes single entries of `headgate.toml`, with the code of `apply`, in one transaction each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.admin.bodies import Body
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY, CONFIG_READ
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.kernel.ports import Change, Document, Edit, EntrySection
from headgate.server.api import config_checks
from headgate.server.api.config import ConfigPlan, plan_view
from headgate.server.api.parts import ServerParts
from headgate.substrate.database import Transaction

_DRY_RUN = Parameter("dry_run", "Return the changes without making them.", "boolean")


class EntryBody(Body, frozen=True, kw_only=True):
    """One entry of a section, with the keys that it has in `headgate.toml`; the id is the path's."""

    entry: dict[str, Any]


class EntryView(Body, frozen=True, kw_only=True):
    """One entry, as a table of the file."""

    section: str
    entry: dict[str, Any]


class EntryList(Body, frozen=True, kw_only=True):
    """The entries of a section by id, as tables of the file."""

    section: str
    entries: list[dict[str, Any]]


async def list_entries(parts: ServerParts, request: Request) -> EntryList:
    """List the entries of a section by id, as tables of the file."""
    caller, section = request.by, _section(parts, request)
    request.authorise(CONFIG_READ, Resource(section.name, caller.tenant_id))
    async with parts.database.transaction(tenant=caller.tenant_id) as tx:
        found = await section.entries(tenant=caller.tenant_id, transaction=tx)
    return EntryList(section=section.name, entries=list(found))


async def get_entry(parts: ServerParts, request: Request) -> EntryView:
    """Show one entry, as a table of the file."""
    caller, section, entry_id = request.by, _section(parts, request), request.path["entry"]
    request.authorise(CONFIG_READ, Resource(section.name, entry_id))
    async with parts.database.transaction(tenant=caller.tenant_id) as tx:
        found = _entry(await section.entries(tenant=caller.tenant_id, transaction=tx), entry_id)
    if found is None:
        raise NotFound(f"there is no {section.name} {entry_id!r}", param="entry")
    return EntryView(section=section.name, entry=found)


async def put_entry(parts: ServerParts, request: Request) -> ConfigPlan:
    """Add an entry, or replace the entry with its id."""
    caller, section, entry_id = request.by, _section(parts, request), request.path["entry"]
    table = {**request.body_as(EntryBody).entry, "id": entry_id}

    async def prepare(tx: Transaction) -> tuple[Any, list[Change]]:
        stored = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
        entry = _with_kept(section, table, _entry(stored[section.name], entry_id))
        document = config_checks.after(stored, {section.name: [entry]}, [])
        try:
            desired = await asyncio.to_thread(section.check, [entry], document)
        except Invalid as error:
            raise _placed(error, section.name, entry_id) from error
        (after,) = section.tables(desired)
        named: Document = {section.name: [after]}
        now = config_checks.after(stored, named, [])
        _refuse(parts, Edit(caller.tenant_id, caller.principal.id, named, stored, now))
        return desired, _changes(section, entry_id, _entry(stored[section.name], entry_id), after)

    async def make(tx: Transaction, facts: Facts) -> list[Change]:
        desired, changes = await prepare(tx)
        await section.put_entries(desired, tenant=caller.tenant_id, transaction=tx)
        return changes

    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, Resource(section.name, entry_id))
        return plan_view(await request.rehearse(make), record=None)
    resource, told = Resource(section.name, entry_id), {"does": "put"}
    done = await request.change(CONFIG_APPLY, resource, make, arguments=digest_of(section.name, table), summary=told)
    return plan_view(done.result, record=done.record)


async def remove_entry(parts: ServerParts, request: Request) -> ConfigPlan:
    """Remove an entry that no other entry uses."""
    caller, section, entry_id = request.by, _section(parts, request), request.path["entry"]

    async def prepare(tx: Transaction) -> list[Change]:
        stored = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
        if _entry(stored[section.name], entry_id) is None:
            raise NotFound(f"there is no {section.name} {entry_id!r}", param="entry")
        changes = [Change(section.name, entry_id, "remove")]
        document = config_checks.after(stored, {}, changes)
        if users := config_checks.users_of(
            config_checks.entry_sections(parts.sections), section.name, entry_id, document
        ):
            raise Conflict(f"{section.name} {entry_id}: {config_checks.in_use(users)}", param="entry")
        _refuse(parts, Edit(caller.tenant_id, caller.principal.id, {}, stored, document))
        return changes

    async def make(tx: Transaction, facts: Facts) -> list[Change]:
        changes = await prepare(tx)
        await section.remove_entry(entry_id, tenant=caller.tenant_id, transaction=tx)
        return changes

    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, Resource(section.name, entry_id))
        return plan_view(await request.rehearse(make), record=None)
    resource, told = Resource(section.name, entry_id), {"does": "remove"}
    arguments = digest_of(section.name, entry_id)
    done = await request.change(CONFIG_APPLY, resource, make, arguments=arguments, summary=told)
    return plan_view(done.result, record=done.record)


def _section(parts: ServerParts, request: Request) -> EntrySection:
    name, sections = request.path["section"], config_checks.entry_sections(parts.sections)
    if name not in sections:
        raise NotFound(f"there is no section of that name; the sections are {', '.join(sections)}", param="section")
    return sections[name]


def _placed(error: Invalid, section: str, entry_id: str) -> Invalid:
    """Return the error with the entry and its key in the message, in place of a line of a file."""
    key = (error.param or "").removeprefix(f"{section}[0]").removeprefix(".")
    return Invalid(": ".join((f"{section} {entry_id}", *filter(None, (key,)), error.message)), param=error.param)


def _entry(entries: Sequence[dict[str, Any]], entry_id: str) -> dict[str, Any] | None:
    return next((one for one in entries if one["id"] == entry_id), None)


def _with_kept(section: EntrySection, table: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return the entry with the kept keys of the stored entry that it leaves out."""
    kept = {name: before[name] for name in section.keeps if before is not None and name in before}
    return {**kept, **table}


def _changes(
    section: EntrySection, entry_id: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> list[Change]:
    if before is None:
        return [Change(section.name, entry_id, "create")]
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [Change(section.name, entry_id, "change", ", ".join(names))] if names else []


def _refuse(parts: ServerParts, edit: Edit) -> None:
    """Raise if the resulting configuration is invalid."""
    if fault := next(config_checks.faults(config_checks.entry_sections(parts.sections), edit), None):
        raise (Conflict if fault.is_conflict else Invalid)(fault.why, param="entry")


OPERATIONS = (
    Operation(
        "listEntries",
        "GET",
        "/api/entries/{section}",
        "A section of the file, as it is.",
        list_entries,
        answer=EntryList,
        verb=CONFIG_READ,
    ),
    Operation(
        "getEntry",
        "GET",
        "/api/entries/{section}/{entry}",
        "One entry of it.",
        get_entry,
        answer=EntryView,
        verb=CONFIG_READ,
    ),
    Operation(
        "putEntry",
        "PUT",
        "/api/entries/{section}/{entry}",
        "Add or replace one entry.",
        put_entry,
        body=EntryBody,
        answer=ConfigPlan,
        verb=CONFIG_APPLY,
        instead=CONFIG_READ,
        parameters=(_DRY_RUN,),
    ),
    Operation(
        "removeEntry",
        "DELETE",
        "/api/entries/{section}/{entry}",
        "Remove one entry.",
        remove_entry,
        answer=ConfigPlan,
        verb=CONFIG_APPLY,
        instead=CONFIG_READ,
        parameters=(_DRY_RUN,),
    ),
)
