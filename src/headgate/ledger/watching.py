"""The live stream of new records."""

from __future__ import annotations

from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import Unavailable
from headgate.ledger.parts import Ledger
from headgate.ledger.verbs import RECORD_LIST

_LONGEST_S = 3600.0


async def watch_records(ledger: Ledger, request: Request) -> None:
    """Stream new records for at most one hour. The console then reconnects.

    Session and policy are checked for each batch, so that none comes after the caller loses either.
    """
    resource = Resource("ledger", request.tenant)
    request.authorise(RECORD_LIST, resource)
    ends_s = ledger.clock.monotonic() + _LONGEST_S
    async with request.events() as stream, ledger.live.watch(request.tenant) as watcher:
        await stream.begin()
        await stream.heartbeat()
        while ledger.clock.monotonic() < ends_s:
            events = [await watcher.waiting.get()]
            while not watcher.waiting.empty():
                events.append(watcher.waiting.get_nowait())
            await request.authorise_again(RECORD_LIST, resource)
            await stream.send(b"".join(events))
            if watcher.is_behind:
                raise Unavailable("the client reads too slowly; reload the list and reconnect")
