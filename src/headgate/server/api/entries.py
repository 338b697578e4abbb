"""Reads, puts and removes single entries of `headgate.toml`, with the code of `apply`, in one transaction each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from headgate.admin.bodies import Body
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY, CONFIG_READ
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.kernel.ports import Change, Document, Edit, EntrySection
from headgate.server import config_history
from headgate.server.api import config_checks
from headgate.server.api.config import ConfigPlan, Planned, plan_view
from headgate.server.api.noted_changes import change_noted
from headgate.server.api.parts import ServerParts
from headgate.substrate.database import Transaction
from headgate.substrate.toml_writing import array_of_tables

_DRY_RUN = Parameter("dry_run", "Return the changes without making them.", "boolean")


class EntryBody(Body, frozen=True, kw_only=True):
    """One entry of a section, with the keys that it has in `headgate.toml`; the id is the path's.

    With the `version` that was read, the entry is replaced only if nobody has changed it since then.
    """

    entry: dict[str, Any]
    version: str | None = None


class EntryView(Body, frozen=True, kw_only=True):
    """One entry, as a table of the file and as its text.

    Args:
        managed_by: whether the file or single changes made it; null for an entry from before that was noted.
    """

    section: str
    entry: dict[str, Any]
    version: str
    managed_by: Literal["file", "console"] | None
    toml: str


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
        origins = await config_history.origins(tx, tenant=caller.tenant_id)
    if found is None:
        raise NotFound(f"there is no {section.name} {entry_id!r}", param="entry")
    origin = origins.get((section.name, entry_id))
    return EntryView(
        section=section.name,
        entry=found,
        version=config_history.entry_version(found),
        managed_by=None if origin is None else "file" if origin == "file" else "console",
        toml=array_of_tables(section.name, [found]),
    )


async def put_entry(parts: ServerParts, request: Request) -> ConfigPlan:
    """Add an entry, or replace the entry with its id."""
    caller, section, entry_id = request.by, _section(parts, request), request.path["entry"]
    body = request.body_as(EntryBody)
    table = {**body.entry, "id": entry_id}
    known = await _stored_entry(parts, request, section, entry_id)

    async def make(tx: Transaction, facts: Facts) -> Planned:
        stored = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
        before = _entry(stored[section.name], entry_id)
        _refuse_stale(section.name, entry_id, before, version=body.version)
        if before != known:  # policy decided about a change of the other entry
            raise Conflict(f"somebody has just changed {section.name} {entry_id}; try again", param="entry")
        entry = config_checks.with_kept(section, table, before)
        document = config_checks.after(stored, {section.name: [entry]}, [])
        try:
            desired = await asyncio.to_thread(section.check, [entry], document)
        except Invalid as error:
            raise _placed(error, section.name, entry_id) from error
        (after,) = section.tables(desired)
        named: Document = {section.name: [after]}
        now = config_checks.after(stored, named, [])
        edit = Edit(caller.tenant_id, caller.principal.id, named, stored, now)
        _refuse(parts, edit)
        await section.put_entries(desired, tenant=caller.tenant_id, transaction=tx)
        warnings = await asyncio.to_thread(config_checks.warnings, parts, edit)
        return Planned(_changes(section, entry_id, before, after), warnings)

    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, Resource(section.name, entry_id))
        return plan_view(await request.rehearse(make), record=None)
    resource, told = Resource(section.name, entry_id, attributes=_facts(known, table)), {"does": "put"}
    done = await change_noted(
        parts, request, resource, make, arguments=digest_of(section.name, table), summary=told, way="console"
    )
    return plan_view(done.result, record=done.record)


async def remove_entry(parts: ServerParts, request: Request) -> ConfigPlan:
    """Remove an entry that no other entry uses."""
    caller, section, entry_id = request.by, _section(parts, request), request.path["entry"]

    async def make(tx: Transaction, facts: Facts) -> Planned:
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
        await section.remove_entry(entry_id, tenant=caller.tenant_id, transaction=tx)
        return Planned(changes)

    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, Resource(section.name, entry_id))
        return plan_view(await request.rehearse(make), record=None)
    resource, told = Resource(section.name, entry_id), {"does": "remove"}
    arguments = digest_of(section.name, entry_id)
    done = await change_noted(parts, request, resource, make, arguments=arguments, summary=told, way="console")
    return plan_view(done.result, record=done.record)


async def _stored_entry(
    parts: ServerParts, request: Request, section: EntrySection, entry_id: str
) -> dict[str, Any] | None:
    async with parts.database.transaction(tenant=request.tenant) as tx:
        return _entry(await section.entries(tenant=request.tenant, transaction=tx), entry_id)


def _facts(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the keys of an entry, and those that a change changes, for rules. An empty value counts as absent."""
    was, becomes = ({name: value for name, value in one.items() if value} for one in (before or {}, after))
    names = was.keys() | becomes.keys()
    return {
        "keys": frozenset(names),
        "changes": frozenset(name for name in names if was.get(name) != becomes.get(name)),
    }


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


def _refuse_stale(section: str, entry_id: str, stored: Mapping[str, Any] | None, *, version: str | None) -> None:
    """Raise Conflict if the entry is not the one that the caller read."""
    if version is None:
        return
    if stored is None:
        raise Conflict(
            f"somebody has removed {section} {entry_id} since you opened it; nothing was saved", param="version"
        )
    if config_history.entry_version(stored) != version:
        raise Conflict(
            f"somebody has changed {section} {entry_id} since you opened it; nothing was saved."
            " Open it again, and make your change on top of theirs",
            param="version",
        )


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
