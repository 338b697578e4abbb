"""`headgate.toml`, planned and applied."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from headgate.kernel.action import Resource
from headgate.kernel.administration import CONFIG_APPLY, CONFIG_READ, Facts
from headgate.kernel.errors import Conflict, Invalid
from headgate.kernel.ports import Change
from headgate.server.administration import AdminCaller, digest_of, summary
from headgate.server.api import changes, config_checks, schemas
from headgate.server.api.changes import Pending, change, rehearse
from headgate.server.api.config_checks import SECTIONS, Document, Fault, section_of
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.substrate import declarative
from headgate.substrate.database import Transaction


async def plan_config(parts: AdminParts, request: Request) -> schemas.ConfigPlan:
    """Say what applying the file would change; nothing stays changed."""
    caller = request.by
    parts.gate.authorise(caller, CONFIG_READ, Resource("config", caller.tenant_id))
    body = request.body_as(schemas.ConfigText)
    return plan_view(await rehearse(parts, caller, _applying(parts, caller, body)), record=None)


async def apply_config(parts: AdminParts, request: Request) -> schemas.ConfigPlan:
    """Apply the file, whole or not at all; what is reported was planned in the same transaction."""
    caller = request.by
    body = request.body_as(schemas.ConfigText)
    size_bytes = len(body.toml.encode())
    pending = Pending(summary(size_bytes=size_bytes), digest_of(body.toml), _applying(parts, caller, body))
    resource = Resource("config", caller.tenant_id)
    done = await change(parts, caller, CONFIG_APPLY, resource=resource, command=pending)
    return plan_view(done.result, record=done.record)


def _applying(parts: AdminParts, caller: AdminCaller, body: schemas.ConfigText) -> changes.Change:
    async def make(tx: Transaction, facts: Facts) -> Sequence[Change]:
        # Read here, after the decision: whoever may not apply a file cannot have us read one either.
        desired = await _read(parts, body)
        planned = await _planned(parts, caller, desired, tx, body=body)
        facts.update(_counts(planned))
        await desired.apply(tenant=caller.tenant_id, transaction=tx)
        return planned

    return make


async def _read(parts: AdminParts, body: schemas.ConfigText) -> declarative.Desired:
    """Read and check the file beside the event loop: a large one takes a second."""
    return await asyncio.to_thread(declarative.read, body.toml.encode(), parts.sections, file=body.file)


async def _planned(
    parts: AdminParts, caller: AdminCaller, desired: declarative.Desired, tx: Transaction, *, body: schemas.ConfigText
) -> Sequence[Change]:
    """Plan the file, and refuse it whole where what would be there config_checks does not hold."""
    planned = await desired.plan(tenant=caller.tenant_id, transaction=tx)
    before = await config_checks.stored(parts, tx, tenant=caller.tenant_id)
    named = {name: section_of(parts, name).tables(value) for name, value in desired.values.items() if name in SECTIONS}
    now = config_checks.after(before, named, planned)
    if fault := config_checks.lockout(caller, before, now) or config_checks.dangling(before, now):
        place = _placed(fault, named, body)
        raise Conflict(place.message, param=place.param)
    rules = caller.tenant.engine.rules.values()
    if fault := await asyncio.to_thread(config_checks.unknown_name, named, now, rules=rules):
        place = _placed(fault, named, body)
        raise Invalid(place.message, param=place.param)
    return planned


class _Placed(NamedTuple):
    """What is wrong with a file, with its line, and the dotted key at fault."""

    message: str
    param: str


def _placed(fault: Fault, named: Document, body: schemas.ConfigText) -> _Placed:
    """Return the fault's message with the line that it is about, and its dotted key."""
    ids = [table["id"] for table in named.get(fault.section, ())]
    param = f"{fault.section}[{ids.index(fault.id)}]" if fault.id in ids else fault.section
    message = declarative.placed(f"{fault.id}: {fault.why}", body.toml, param=param, file=body.file)
    return _Placed(message, param)


def _counts(planned: Sequence[Change]) -> dict[str, int]:
    """Count the changes as facts such as `changes.deployment.create`."""
    return dict(sorted(Counter(f"changes.{one.section}.{one.does}" for one in planned).items()))


def plan_view(planned: Sequence[Change], *, record: str | None) -> schemas.ConfigPlan:
    """Return a plan as the API shows it; with a record where it was applied."""
    return schemas.ConfigPlan(
        changes=[
            schemas.ChangeView(section=one.section, id=one.id, does=one.does, detail=one.detail) for one in planned
        ],
        applied=record is not None,
        record=record,
    )
