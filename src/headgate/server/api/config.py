"""Plans and applies `headgate.toml`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from headgate.admin.bodies import Body
from headgate.admin.callers import AdminCaller
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation
from headgate.admin.requests import Change as MakeChange
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY, CONFIG_READ
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid
from headgate.kernel.ports import Change, Document, Edit, Fault
from headgate.server.api import config_checks
from headgate.server.api.parts import ServerParts
from headgate.substrate import declarative
from headgate.substrate.database import Transaction


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
    """What applying the file changes, or changed."""

    changes: list[ChangeView]
    applied: bool
    record: str | None = None


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
    done = await request.change(
        CONFIG_APPLY,
        Resource("config", caller.tenant_id),
        _applying(parts, caller, body),
        arguments=digest_of(body.toml),
        summary={"size_bytes": size_bytes},
    )
    return plan_view(done.result, record=done.record)


def _applying(parts: ServerParts, caller: AdminCaller, body: ConfigText) -> MakeChange:
    async def make(tx: Transaction, facts: Facts) -> Sequence[Change]:
        # Read after the decision: a caller who may not apply a file cannot make us parse one.
        desired = await _read(parts, body)
        planned = await _planned(parts, caller, desired, tx, body=body)
        facts.update(_counts(planned))
        await desired.apply(tenant=caller.tenant_id, transaction=tx)
        return planned

    return make


async def _read(parts: ServerParts, body: ConfigText) -> declarative.Desired:
    """Read and check the file in a thread; a large one takes a second."""
    return await asyncio.to_thread(declarative.read, body.toml.encode(), parts.sections, file=body.file)


async def _planned(
    parts: ServerParts, caller: AdminCaller, desired: declarative.Desired, tx: Transaction, *, body: ConfigText
) -> Sequence[Change]:
    """Plan the file, and refuse all of it if the resulting configuration is invalid."""
    planned = await desired.plan(tenant=caller.tenant_id, transaction=tx)
    before = await config_checks.stored(parts, tx, tenant=caller.tenant_id)
    sections = config_checks.entry_sections(parts)
    named = {name: sections[name].tables(value) for name, value in desired.values.items() if name in sections}
    now = config_checks.after(before, named, planned)
    edit = Edit(caller.tenant_id, caller.principal.id, named, before, now)
    fault = await asyncio.to_thread(lambda: next(config_checks.faults(sections, edit), None))
    if fault is not None:
        place = _placed(fault, named, body)
        raise (Conflict if fault.is_conflict else Invalid)(place.message, param=place.param)
    return planned


class _Placed(NamedTuple):
    """A fault of a file: a message with its line, and the dotted key."""

    message: str
    param: str


def _placed(fault: Fault, named: Document, body: ConfigText) -> _Placed:
    """Return the fault's message with its line, and the dotted key."""
    ids = [table["id"] for table in named.get(fault.section, ())]
    param = f"{fault.section}[{ids.index(fault.id)}]" if fault.id in ids else fault.section
    message = declarative.placed(f"{fault.id}: {fault.why}", body.toml, param=param, file=body.file)
    return _Placed(message, param)


def _counts(planned: Sequence[Change]) -> dict[str, int]:
    """Count the changes as facts such as `changes.deployment.create`."""
    return dict(sorted(Counter(f"changes.{one.section}.{one.does}" for one in planned).items()))


def plan_view(planned: Sequence[Change], *, record: str | None) -> ConfigPlan:
    """Return the API view of a plan; `record` is set if the plan was applied."""
    return ConfigPlan(
        changes=[ChangeView(section=one.section, id=one.id, does=one.does, detail=one.detail) for one in planned],
        applied=record is not None,
        record=record,
    )


OPERATIONS = (
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
