"""Saved views: the filters of the list of records under a name, of one person or for all of the tenant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from headgate.admin.bodies import Body
from headgate.admin.checks import refuse_unknown
from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.kernel.errors import Conflict, Invalid, NotFound, OverBudget
from headgate.ledger import store
from headgate.ledger.filter_parameters import NAMES
from headgate.ledger.parts import Ledger
from headgate.ledger.verbs import RECORD_LIST, VIEW_DELETE, VIEW_SAVE

MOST_VIEWS = 100
"""Limit of saved views per person."""

ViewName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
FilterText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class SavedView(Body, frozen=True, kw_only=True):
    """A view. `filters` are parameters of the list of records.

    Args:
        is_own: whether the reader may change it.
        is_shared: whether everybody who may list records sees it; `is_built_in`: whether Headgate comes with it.
    """

    name: str
    filters: dict[str, str]
    is_own: bool
    is_shared: bool
    is_built_in: bool
    saved_at: datetime | None


class SavedViews(Body, frozen=True, kw_only=True):
    """Built-in views, one's own, and those that others share."""

    views: list[SavedView]


class SaveView(Body, frozen=True, kw_only=True):
    """A view to save under its name, in place of one's own view of this name."""

    filters: Annotated[dict[str, FilterText], msgspec.Meta(max_length=20)]
    is_shared: bool = False


_BUILT_IN = {
    "Refused today": {"kind": "calls", "outcome": "refused", "period": "24h"},
    "Masked this week": {"kind": "calls", "masked": "any", "period": "7d"},
    "Failed": {"kind": "calls", "outcome": "failed", "period": "7d"},
    "Administration": {"kind": "administration", "period": "7d"},
}


async def list_views(ledger: Ledger, request: Request) -> SavedViews:
    """List the views that the reader may use."""
    request.authorise(RECORD_LIST, Resource("ledger", request.tenant))
    owner = request.by.principal.id
    async with ledger.database.transaction(tenant=request.tenant) as tx:
        stored = await store.views_of(tx, tenant=request.tenant, owner=owner)
    built_in = [
        SavedView(name=name, filters=dict(filters), is_own=False, is_shared=True, is_built_in=True, saved_at=None)
        for name, filters in _BUILT_IN.items()
    ]
    return SavedViews(views=[*built_in, *(_view(one, owner=owner) for one in stored)])


async def save_view(ledger: Ledger, request: Request) -> SavedView:
    """Save a view under its name."""
    body, name, owner = request.body_as(SaveView), _name(request), request.by.principal.id
    refuse_unknown("filter", body.filters, NAMES, param="filters")
    view = store.StoredView(owner, name, dict(body.filters), body.is_shared, ledger.clock.now())

    async def do(facts: Facts) -> None:
        async with ledger.database.transaction(tenant=request.tenant) as tx:
            if await store.count_other_views(tx, tenant=request.tenant, owner=owner, name=name) >= MOST_VIEWS:
                raise OverBudget(f"you have {MOST_VIEWS} saved views; delete one first")
            await store.save_view(tx, view, tenant=request.tenant)

    await request.perform(
        VIEW_SAVE,
        Resource("views", request.tenant),
        do,
        arguments=digest_of(name, body),
        summary={"is_shared": body.is_shared, "filters": len(body.filters)},
    )
    return _view(view, owner=owner)


async def delete_view(ledger: Ledger, request: Request) -> None:
    """Delete one's own view."""
    name, owner = _name(request), request.by.principal.id

    async def do(facts: Facts) -> None:
        async with ledger.database.transaction(tenant=request.tenant) as tx:
            if not await store.delete_view(tx, tenant=request.tenant, owner=owner, name=name):
                raise NotFound("you have no view of this name; only its owner deletes a shared one", param="view")

    await request.perform(VIEW_DELETE, Resource("views", request.tenant), do, arguments=digest_of(name))


def _name(request: Request) -> str:
    """Return the name in the path.

    Raises:
        Invalid: it is empty, too long, or begins or ends with a space.
        Conflict: a built-in view has this name.
    """
    try:
        name = msgspec.convert(request.path["view"], ViewName)
    except msgspec.ValidationError as error:
        raise Invalid("a view's name has 1 to 100 characters, and no space at its ends", param="view") from error
    if name in _BUILT_IN:
        raise Conflict(f"{name} is a built-in view; choose another name", param="view")
    return name


def _view(stored: store.StoredView, *, owner: str) -> SavedView:
    return SavedView(
        name=stored.name,
        filters=stored.filters,
        is_own=stored.owner == owner,
        is_shared=stored.is_shared,
        is_built_in=False,
        saved_at=stored.saved_at,
    )


OPERATIONS = (
    Operation("listViews", "GET", "/api/views", "Saved views.", list_views, answer=SavedViews, verb=RECORD_LIST),
    Operation(
        "saveView",
        "PUT",
        "/api/views/{view}",
        "Save a view under its name.",
        save_view,
        body=SaveView,
        answer=SavedView,
        verb=VIEW_SAVE,
    ),
    Operation("deleteView", "DELETE", "/api/views/{view}", "Delete a view.", delete_view, verb=VIEW_DELETE),
)
