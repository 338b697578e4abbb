"""The configuration in force as text, edits of that text, the history of changes, and undo.

An edit changes only the entries that differ from those in force, so that it takes over no other entry. A file that is
applied (`config.py`) manages all of its entries.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from headgate.admin.bodies import Body, Moment
from headgate.admin.callers import AdminCaller
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import CURSOR, LIMIT, Operation, Parameter
from headgate.admin.requests import Change as MakeChange
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY, CONFIG_READ
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.kernel.ports import Document, Edit, EntrySection
from headgate.server import config_history
from headgate.server.api import config_checks
from headgate.server.api.noted_changes import change_noted
from headgate.server.api.parts import ServerParts
from headgate.server.config_history import LATEST, ConfigChange, EntryChange
from headgate.substrate import declarative
from headgate.substrate.database import Transaction
from headgate.substrate.toml_writing import array_of_tables

_FILE = "headgate.toml"
_DRY_RUN = Parameter("dry_run", "Return the changes without making them.", "boolean")
_MOST = 200


class SectionText(Body, frozen=True, kw_only=True):
    """One section of the configuration in force, as text of the file."""

    name: str
    toml: str
    entries: int
    from_file: int


class ConfigState(Body, frozen=True, kw_only=True):
    """The configuration in force, without what Headgate brings itself. It has references to secrets, never a secret.

    Args:
        version: tells an edit's base from another one.
        names: the names that entries may refer to, by section, with those that Headgate brings.
    """

    version: str
    sections: list[SectionText]
    names: dict[str, list[str]]


class ConfigEdit(Body, frozen=True, kw_only=True):
    """The text of some sections as they should be; entries that it leaves out are removed.

    Args:
        sections: the sections that the text is about; null for all.
        version: of the configuration that the text began as. An edit of another one is refused.
    """

    toml: Annotated[str, msgspec.Meta(max_length=4_000_000)]
    sections: list[str] | None = None
    version: str


class EntryChangeView(Body, frozen=True, kw_only=True):
    """One entry before and after a change, as text of the file; null where it did not exist or is not kept."""

    section: str
    id: str
    does: Literal["create", "change", "remove"]
    before: str | None
    after: str | None


class EditPlan(Body, frozen=True, kw_only=True):
    """What an edit changes, or changed, with the text of each entry before and after.

    Args:
        warnings: as in `ConfigPlan`.
    """

    changes: list[EntryChangeView]
    effects: list[str]
    warnings: list[str]
    applied: bool
    record: str | None = None


class ConfigChangeView(Body, frozen=True, kw_only=True):
    """One change of the configuration: who made it, when and how.

    Args:
        can_undo: whether the history has all that an undo needs.
    """

    id: int
    made_at: Moment
    principal: str
    name: str
    way: Literal["file", "console", "undo"]
    record: str | None
    can_undo: bool
    changes: list[EntryChangeView]


class ConfigChangeList(Body, frozen=True, kw_only=True):
    """Changes of the configuration, newest first."""

    changes: list[ConfigChangeView]
    next: str | None


async def get_state(parts: ServerParts, request: Request) -> ConfigState:
    """Show the configuration in force as text, section by section."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))
    async with parts.database.transaction(tenant=request.tenant) as tx:
        stored = await config_checks.stored(parts.sections, tx, tenant=request.tenant)
        origins = await config_history.origins(tx, tenant=request.tenant)
    sections = config_checks.entry_sections(parts.sections)
    own = {name: _own(sections[name], tables) for name, tables in stored.items()}
    catalogue = parts.catalogues(request.tenant)
    names = {name: sorted(table["id"] for table in tables) for name, tables in stored.items()}
    names["deployment"] = sorted(catalogue.deployments.keys() | set(names["deployment"]))
    return ConfigState(
        version=config_history.version_of(stored),
        sections=[
            SectionText(
                name=name,
                toml=array_of_tables(name, tables),
                entries=len(tables),
                from_file=sum(origins.get((name, one["id"])) == "file" for one in tables),
            )
            for name, tables in own.items()
        ],
        names=names,
    )


def _own(section: EntrySection, tables: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that people declared."""
    return [table for table in tables if table["id"] not in section.built_in]


async def edit_config(parts: ServerParts, request: Request) -> EditPlan:
    """Change the entries that differ from the configuration in force."""
    body = request.body_as(ConfigEdit)
    resource = Resource("config", request.tenant)
    make = _editing(parts, request.by, body)
    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, resource)
        return _plan(await request.rehearse(make), record=None)
    arguments = digest_of(body.toml, body.sections)
    told = {"size_bytes": len(body.toml.encode())}
    done = await change_noted(parts, request, resource, make, arguments=arguments, summary=told, way="console")
    return _plan(done.result, record=done.record)


def _editing(parts: ServerParts, caller: AdminCaller, body: ConfigEdit) -> MakeChange:
    async def make(tx: Transaction, facts: Facts) -> _Made:
        stored = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
        await _refuse_stale(parts, tx, caller, stored, version=body.version)
        sections = config_checks.entry_sections(parts.sections)
        scope = _scope(body, sections)
        wanted = await asyncio.to_thread(_wanted, parts, body, scope, stored)
        target = {name: wanted.get(name, tables) for name, tables in stored.items()}
        return await _make(parts, tx, caller, stored, target, text=body.toml)

    return make


class _Made(NamedTuple):
    changes: tuple[EntryChange, ...]
    effects: tuple[str, ...]
    warnings: Sequence[str] = ()


def _scope(body: ConfigEdit, sections: Mapping[str, EntrySection]) -> Sequence[str]:
    names = list(sections) if body.sections is None else body.sections
    if unknown := [name for name in names if name not in sections]:
        raise NotFound(f"there is no section {unknown[0]!r}; the sections are {', '.join(sections)}", param="sections")
    return names


def _wanted(
    parts: ServerParts, body: ConfigEdit, scope: Sequence[str], stored: Document
) -> Mapping[str, list[dict[str, Any]]]:
    """Return the entries that the sections of the text should have."""
    sections = config_checks.entry_sections(parts.sections)
    beside = {name: list(tables) for name, tables in stored.items() if name not in scope}
    desired = declarative.read(body.toml.encode(), parts.sections, file=_FILE, beside=beside)
    if outside := [name for name in desired.values if name not in scope]:
        raise Invalid(f"the section [[{outside[0]}]] is not among those that are edited here", param=outside[0])
    wanted: dict[str, list[dict[str, Any]]] = {}
    for name in scope:
        section, before = sections[name], {table["id"]: table for table in stored[name]}
        named = section.tables(desired.values[name]) if name in desired.values else ()
        kept = [table for table in stored[name] if table["id"] in section.built_in]
        own = [config_checks.with_kept(section, one, before.get(one["id"])) for one in named]
        wanted[name] = [*(one for one in kept if one["id"] not in {own_["id"] for own_ in own}), *own]
    return wanted


async def _make(
    parts: ServerParts, tx: Transaction, caller: AdminCaller, stored: Document, target: Document, *, text: str
) -> _Made:
    """Turn the stored configuration into another one: put the entries that differ, and remove those that are gone."""
    sections = config_checks.entry_sections(parts.sections)
    changes = config_history.changes_between(stored, target)
    named = {
        name: [table for table in tables if any((one.section, one.id) == (name, table["id"]) for one in changes)]
        for name, tables in target.items()
    }
    edit = Edit(caller.tenant_id, caller.principal.id, named, stored, target)
    fault = await asyncio.to_thread(lambda: next(config_checks.faults(sections, edit), None))
    if fault is not None:
        param = _place(fault.section, fault.id, text)
        message = f"{fault.section.replace('_', ' ')} {fault.id}: {fault.why}"
        told = declarative.placed(message, text, param=param, file=_FILE) if text else message
        raise (Conflict if fault.is_conflict else Invalid)(told, param=param)
    for name, section in sections.items():
        if named.get(name):
            desired = await asyncio.to_thread(section.check, named[name], target)
            await section.put_entries(desired, tenant=caller.tenant_id, transaction=tx)
    for change in reversed(changes):
        if change.does == "remove":
            section = sections[change.section]
            await section.remove_entry(change.id, tenant=caller.tenant_id, transaction=tx)
    warnings = await asyncio.to_thread(config_checks.warnings, parts, edit)
    return _Made(changes, tuple(_effects(sections, changes, stored)), warnings)


def _place(section: str, entry: str, text: str) -> str:
    """Return the dotted key of an entry in the text, or of its section."""
    if not text:
        return section
    document = tomllib.loads(text)
    ids = [table.get("id") for table in document.get(section, ())]
    return f"{section}[{ids.index(entry)}]" if entry in ids else section


def _effects(sections: Mapping[str, EntrySection], changes: Sequence[EntryChange], stored: Document) -> Sequence[str]:
    """Return what changes for others, such as the aliases that use a changed deployment."""
    found: list[str] = []
    for change in changes:
        if change.does != "create" and (users := config_checks.users_of(sections, change.section, change.id, stored)):
            found.append(f"{change.section.replace('_', ' ')} {change.id} is used by {users}")
    return found


async def _refuse_stale(
    parts: ServerParts, tx: Transaction, caller: AdminCaller, stored: Document, *, version: str
) -> None:
    """Raise Conflict if the configuration is not the one that the caller read, and say who changed what."""
    if config_history.version_of(stored) == version:
        return
    later: list[ConfigChange] = []
    for change in await config_history.changes(tx, tenant=caller.tenant_id, before=LATEST, limit=_MOST):
        if change.version == version:
            break
        later.append(change)
    people = _people(parts, caller)
    told = "; ".join(
        f"{people.get(one.principal, one.principal)} changed {_listed(one.changes)}" for one in reversed(later[:5])
    )
    why = f" ({told})" if told else ""
    raise Conflict(
        f"somebody has changed the configuration since you opened it{why}; nothing was overwritten."
        " Reload the page, and make your change on top of theirs",
        param="version",
    )


def _listed(changes: Sequence[EntryChange]) -> str:
    names = [f"{one.section.replace('_', ' ')} {one.id}" for one in changes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


async def list_changes(parts: ServerParts, request: Request) -> ConfigChangeList:
    """List the last changes of the configuration."""
    request.authorise(CONFIG_READ, Resource("config", request.tenant))
    limit = min(max(request.number("limit", 20), 1), _MOST)
    before = _cursor(request.text("cursor"))
    async with parts.database.transaction(tenant=request.tenant) as tx:
        found = await config_history.changes(tx, tenant=request.tenant, before=before, limit=limit)
    people = _people(parts, request.by)
    more = str(found[-1].id) if len(found) == limit else None
    return ConfigChangeList(changes=[_change_view(one, people) for one in found], next=more)


def _cursor(text: str | None) -> int:
    if text is None:
        return LATEST
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid("this cursor is not one of this list", param="cursor")
    return int(text)


async def undo_change(parts: ServerParts, request: Request) -> EditPlan:
    """Bring the entries of one change back to what they were before it."""
    caller, number = request.by, _cursor(request.path["change"])
    resource = Resource("config", request.tenant)

    async def make(tx: Transaction, facts: Facts) -> _Made:
        change = await config_history.change(tx, number, tenant=caller.tenant_id)
        if change is None:
            raise NotFound("there is no such change, or it is too old", param="change")
        stored = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
        facts["undoes"] = number
        return await _make(parts, tx, caller, stored, _before(change, stored), text="")

    if request.switch("dry_run"):
        request.authorise(CONFIG_READ, resource)
        return _plan(await request.rehearse(make), record=None)
    done = await change_noted(
        parts, request, resource, make, arguments=digest_of("undo", number), summary={"does": "undo"}, way="undo"
    )
    return _plan(done.result, record=done.record)


def _before(change: ConfigChange, stored: Document) -> Document:
    """Return the configuration with the entries of a change as they were before it.

    Raises:
        Conflict: an entry has changed since then, or the history does not keep it.
    """
    target = {name: list(tables) for name, tables in stored.items()}
    for one in change.changes:
        what = f"{one.section.replace('_', ' ')} {one.id}"
        if not one.is_kept:
            raise Conflict(f"the history does not keep the content of {what}; change it by hand")
        now = next((table for table in target.get(one.section, ()) if table["id"] == one.id), None)
        if digest_of(now) != digest_of(one.after):
            raise Conflict(f"{what} has changed again since then; undo that change first, or change it by hand")
        rest = [table for table in target[one.section] if table["id"] != one.id]
        target[one.section] = rest if one.before is None else [*rest, one.before]
    return target


def _plan(made: _Made, *, record: str | None) -> EditPlan:
    return EditPlan(
        changes=[_entry_view(one) for one in made.changes],
        effects=list(made.effects),
        warnings=list(made.warnings),
        applied=record is not None,
        record=record,
    )


def _change_view(change: ConfigChange, people: Mapping[str, str]) -> ConfigChangeView:
    return ConfigChangeView(
        id=change.id,
        made_at=change.made_at,
        principal=change.principal,
        name=people.get(change.principal, change.principal),
        way=change.way,
        record=change.record,
        can_undo=all(one.is_kept for one in change.changes),
        changes=[_entry_view(one) for one in change.changes],
    )


def _entry_view(change: EntryChange) -> EntryChangeView:
    does: Literal["create", "change", "remove"] = "change"
    match change.does:
        case "create":
            does = "create"
        case "remove":
            does = "remove"
        case _:
            pass
    return EntryChangeView(
        section=change.section,
        id=change.id,
        does=does,
        before=None if change.before is None else array_of_tables(change.section, [change.before]),
        after=None if change.after is None else array_of_tables(change.section, [change.after]),
    )


def _people(parts: ServerParts, caller: AdminCaller) -> Mapping[str, str]:
    """Return the names of people by id. Readers of the configuration may see all its people."""
    return {one.id: one.title for one in parts.directory.by_pseudonym(caller.tenant_id).values()}


OPERATIONS = (
    Operation(
        "getConfigState",
        "GET",
        "/api/config/state",
        "The configuration in force, section by section.",
        get_state,
        answer=ConfigState,
        verb=CONFIG_READ,
    ),
    Operation(
        "editConfig",
        "PUT",
        "/api/config/state",
        "Change the entries that differ from the configuration in force.",
        edit_config,
        body=ConfigEdit,
        answer=EditPlan,
        verb=CONFIG_APPLY,
        instead=CONFIG_READ,
        parameters=(_DRY_RUN,),
    ),
    Operation(
        "listConfigChanges",
        "GET",
        "/api/config/changes",
        "The last changes of the configuration.",
        list_changes,
        answer=ConfigChangeList,
        verb=CONFIG_READ,
        parameters=(CURSOR, LIMIT),
    ),
    Operation(
        "undoConfigChange",
        "POST",
        "/api/config/changes/{change}/undo",
        "Bring the entries of one change back.",
        undo_change,
        answer=EditPlan,
        verb=CONFIG_APPLY,
        instead=CONFIG_READ,
        parameters=(_DRY_RUN,),
    ),
)
