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
            result = await _made(parts, caller, tx, command.make, facts)
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


async def rehearse(parts: AdminParts, caller: AdminCaller, make: Change) -> Any:
    """Return what a change would return: it is made, checked and taken back.

    Raises:
        HeadgateError: the change would be refused or fail.
    """
    try:
        async with parts.admin_database.transaction(tenant=caller.tenant_id) as tx:
            raise _RehearsedError(await _made(parts, caller, tx, make, {}))
    except _RehearsedError as rehearsed:
        return rehearsed.result


class _RehearsedError(Exception):
    """Ends a transaction without committing it."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


async def _made(parts: AdminParts, caller: AdminCaller, tx: Transaction, make: Change, facts: Facts) -> Any:
    """Make a change and refuse what would leave nobody to undo it, or could not be read back."""
    # One after the other: of two changes at once, each could leave only whom the other takes away.
    await store.lock_configuration(tx, tenant=caller.tenant_id)
    result = await make(tx, facts)
    await parts.policy.refuse_lockout(await store.contents(tx, tenant=caller.tenant_id))
    return result
