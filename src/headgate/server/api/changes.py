"""Changes of configuration: through the pipeline, in one transaction of the role that may write it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.kernel.action import Resource, Verb
from headgate.kernel.administration import Command, Facts
from headgate.kernel.errors import HeadgateError
from headgate.kernel.record import Fact
from headgate.policy import store
from headgate.server.administration import AdminCaller, Performed, perform
from headgate.server.api.parts import AdminParts
from headgate.substrate.database import Transaction

CHANNEL = "headgate_config"

Change = Callable[[Transaction, Facts], Awaitable[Any]]
"""Does the change within the transaction and returns the result; may add facts for the record."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A change that was not made yet; `summary` and `arguments` as in `Command`."""

    summary: Mapping[str, Fact]
    arguments: str
    make: Change


async def change(
    parts: AdminParts, caller: AdminCaller, verb: Verb[Command, Any, Any], *, resource: Resource, command: Pending
) -> Performed:
    """Decide, record and make a change; every worker hears of it when it commits, this one before we return.

    Raises:
        HeadgateError: refused or failed; nothing was changed.
    """

    async def do(facts: Facts) -> Any:
        async with parts.admin_database.transaction(tenant=caller.tenant_id) as tx:
            result = await command.make(tx, facts)
            # What could not be read back would stop every worker, for good: it is not committed.
            await store.contents(tx, tenant=caller.tenant_id)
            await tx.notify(CHANNEL)
        return result

    done = await perform(
        parts.pipeline,
        caller,
        verb,
        resource=resource,
        command=Command(summary=command.summary, arguments=command.arguments, do=do),
    )
    with contextlib.suppress(HeadgateError):  # what was committed stays; the worker's own look follows
        await parts.changed()
    return done
