"""Watching records as they are logged."""

from __future__ import annotations

from headgate.kernel.action import Resource
from headgate.kernel.administration import RECORD_LIST
from headgate.kernel.errors import Unavailable
from headgate.server.api.callers import as_of_now
from headgate.server.api.event_streams import event_stream, start
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request

_LONGEST_S = 3600.0


async def watch_records(parts: AdminParts, request: Request) -> None:
    """Stream records as they are logged, for an hour at most; the console begins again then.

    Whether the caller may still look is asked anew for each batch, so that a role that is taken away ends the stream.
    """
    caller, resource = request.by, Resource("ledger", request.by.tenant_id)
    parts.gate.authorise(caller, RECORD_LIST, resource)
    ends_s = parts.clock.monotonic() + _LONGEST_S
    async with (
        event_stream(request, streams=parts.streams, clock=parts.clock) as stream,
        parts.live.watch(caller.tenant_id) as watcher,
    ):
        await start(stream)
        await stream.send(stream.writer.heartbeat())
        while parts.clock.monotonic() < ends_s:
            events = [await watcher.waiting.get()]
            while not watcher.waiting.empty():
                events.append(watcher.waiting.get_nowait())
            parts.gate.authorise(as_of_now(parts, caller), RECORD_LIST, resource)
            await stream.send(b"".join(events))
            if watcher.is_behind:
                raise Unavailable("records came faster than you read them: begin again with the list")
