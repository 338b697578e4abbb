"""The admin API of batches: people see their own, and administrators see and cancel those of everybody."""

from __future__ import annotations

from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import CURSOR, LIMIT, Operation
from headgate.admin.requests import Request
from headgate.batches.bodies import BatchList, BatchView, view_of
from headgate.batches.service import Batches
from headgate.batches.store import BatchRow
from headgate.batches.verbs import BATCH_OVERSEE, BATCH_STOP
from headgate.kernel.action import Resource
from headgate.kernel.errors import NotFound

_EVERYBODY = Resource("batches", "*")


async def list_batches(batches: Batches, request: Request) -> BatchList:
    """Answer `GET /api/batches`."""
    limit = request.number("limit", 50)
    owner = None if request.allows(BATCH_OVERSEE, _EVERYBODY) else request.by.principal.id
    rows = await batches.page(tenant=request.tenant, owner=owner, limit=limit + 1, before=request.text("cursor"))
    following = rows[limit - 1].id if len(rows) > limit else None
    return BatchList(batches=[view_of(row) for row in rows[:limit]], next=following)


async def show(batches: Batches, request: Request) -> BatchView:
    """Answer `GET /api/batches/{batch}`."""
    return view_of(await _found(batches, request))


async def cancel(batches: Batches, request: Request) -> BatchView:
    """Answer `POST /api/batches/{batch}/cancel`."""
    row = await _found(batches, request)

    async def do(_: Facts) -> BatchRow:
        await batches.cancel(row.id, tenant=request.tenant)
        return await batches.find_any(row.id, tenant=request.tenant)

    done = await request.perform(BATCH_STOP, Resource("batch", row.id), do, arguments=digest_of(row.id))
    return view_of(done.result)


async def _found(batches: Batches, request: Request) -> BatchRow:
    row = await batches.find_any(request.path["batch"], tenant=request.tenant)
    if row.owner != request.by.principal.id and not request.allows(BATCH_OVERSEE, _EVERYBODY):
        raise NotFound(f"No batch found with id {row.id!r}.")
    return row


OPERATIONS = (
    Operation(
        id="listBatches",
        method="GET",
        path="/api/batches",
        summary="List your batches; an administrator sees those of everybody.",
        handler=list_batches,
        answer=BatchList,
        parameters=(CURSOR, LIMIT),
    ),
    Operation(
        id="getBatch",
        method="GET",
        path="/api/batches/{batch}",
        summary="Show how a batch stands.",
        handler=show,
        answer=BatchView,
    ),
    Operation(
        id="cancelBatch",
        method="POST",
        path="/api/batches/{batch}/cancel",
        summary="Cancel a batch. Lines on their way still finish.",
        handler=cancel,
        answer=BatchView,
        verb=BATCH_STOP,
    ),
)
