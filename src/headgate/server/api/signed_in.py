"""Long responses end when the session or the key of their caller ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from headgate.admin.requests import Request
from headgate.kernel.errors import HeadgateError, Unauthenticated

LOOK_S = 2.0
"""The interval in which the session is looked up."""

_UNKNOWN_S = 30.0
"""The time without a lookup, such as while the database is away, after which a response ends."""


@asynccontextmanager
async def while_signed_in(request: Request) -> AsyncGenerator[None]:
    """Run a block until the caller's session or key ends.

    Raises:
        Unauthenticated: it has ended.
        HeadgateError: the lookup has failed for too long.
    """
    if request.caller is None:
        yield
        return
    ended: list[HeadgateError] = []
    scope = asyncio.timeout(None)

    async def look() -> None:
        clock = asyncio.get_running_loop().time
        known_s = clock()
        while not ended:
            await asyncio.sleep(LOOK_S)
            try:
                await request.host.as_of_now(request)
                known_s = clock()
            except HeadgateError as error:
                if isinstance(error, Unauthenticated) or clock() - known_s > _UNKNOWN_S:
                    ended.append(error)
        scope.reschedule(clock())

    failure: Exception | None = None
    try:
        async with scope, asyncio.TaskGroup() as group:
            looking = group.create_task(look())
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below, as the group would wrap it
                failure = error
            finally:
                looking.cancel()
    except TimeoutError:
        raise ended[0] from None
    if failure is not None:
        raise failure
