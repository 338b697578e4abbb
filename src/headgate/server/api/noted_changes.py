"""Changes of the configuration that leave an entry in its history, besides their record."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, cast

from headgate.admin.commands import Facts
from headgate.admin.requests import Change as MakeChange
from headgate.admin.requests import Performed, Request
from headgate.admin.verbs import CONFIG_APPLY
from headgate.kernel.action import Resource
from headgate.kernel.ports import Document
from headgate.kernel.record import Fact
from headgate.server import config_history
from headgate.server.api import config_checks
from headgate.server.api.parts import ServerParts
from headgate.server.config_history import Way
from headgate.substrate.database import Transaction


async def change_noted(
    parts: ServerParts,
    request: Request,
    resource: Resource,
    make: MakeChange,
    *,
    arguments: str,
    summary: Mapping[str, Fact],
    way: Way,
    toml: str = "",
) -> Performed:
    """Make a change as `Request.change` does, and note in the same transaction what it changed.

    Args:
        toml: the text of a file, which manages its entries from then on.
    """
    caller = request.by
    noted: list[int] = []

    async def made(tx: Transaction, facts: Facts) -> Any:
        before = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
        result = await make(tx, facts)
        after = await config_checks.stored(parts.sections, tx, tenant=caller.tenant_id)
        changes = config_history.changes_between(before, after)
        number = await config_history.note(
            tx,
            changes,
            tenant=caller.tenant_id,
            principal=caller.principal.id,
            way=way,
            version=config_history.version_of(after),
            now=parts.clock.now(),
        )
        await config_history.set_origins(tx, changes, _named(toml), tenant=caller.tenant_id, way=way)
        noted[:] = [] if number is None else [number]
        return result

    done = await request.change(CONFIG_APPLY, resource, made, arguments=arguments, summary=summary)
    if noted:
        async with request.host.administration.transaction(tenant=caller.tenant_id) as tx:
            await config_history.link(tx, noted[0], done.record, tenant=caller.tenant_id)
    return done


def _named(toml: str) -> Document:
    """Return the entries of a file that was applied. Entries without an id, such as imported keys, are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for section, tables in tomllib.loads(toml).items():
        rows = cast("list[Any]", tables) if isinstance(tables, list) else []
        found[section] = [cast("dict[str, Any]", one) for one in rows if isinstance(one, dict) and "id" in one]
    return found
