"""Operations on notifications: list them with their state, and send a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headgate.admin.bodies import Body
from headgate.admin.commands import Facts, digest_of
from headgate.admin.notices import EVENTS, Notice
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY
from headgate.kernel.action import Resource
from headgate.kernel.errors import NotFound
from headgate.kernel.ports import Ids
from headgate.notices import store
from headgate.notices.destinations import Channel, Destination
from headgate.notices.queue import NoticeQueue
from headgate.notices.sections import NAME
from headgate.notices.verbs import NOTICE_LIST, NOTICE_TEST
from headgate.substrate.database import Database


@dataclass(frozen=True, slots=True)
class Notices:
    """The parts of the open feature."""

    database: Database
    queue: NoticeQueue
    ids: Ids


class NotificationView(Body, frozen=True, kw_only=True):
    """A destination of notices and its deliveries of the last 30 days. `place` is its address without secrets."""

    id: str
    channel: Channel
    place: str
    to: list[str]
    events: list[str]
    use_cases: list[str] | None
    waiting: int
    sent: int
    given_up: int
    last_sent_at: datetime | None
    last_error: str


class NotificationList(Body, frozen=True, kw_only=True):
    """The tenant's destinations of notices, by id, and whether this reader may add, change and remove them."""

    notifications: list[NotificationView]
    can_change: bool


class TestResult(Body, frozen=True, kw_only=True):
    """The status of the destination's answer: of HTTP, or 250 of SMTP."""

    status: int


async def list_notifications(notices: Notices, request: Request) -> NotificationList:
    """List the destinations with the state of their deliveries."""
    request.authorise(NOTICE_LIST, Resource("notifications", request.tenant))
    async with notices.database.transaction(tenant=request.tenant) as tx:
        found = await store.destinations(tx, tenant=request.tenant)
        standing = {one.destination: one for one in await store.standing(tx, tenant=request.tenant)}
    return NotificationList(
        notifications=[_view(one, standing.get(one.id)) for one in found],
        can_change=request.allows(CONFIG_APPLY, Resource(NAME, "new")),
    )


async def send_test(notices: Notices, request: Request) -> TestResult:
    """Send a test notice now, and return the destination's answer or its error."""
    name, tenant, by = request.path["notification"], request.tenant, request.by.principal
    async with notices.database.transaction(tenant=tenant) as tx:
        found = {one.id: one for one in await store.destinations(tx, tenant=tenant)}
    if name not in found:
        raise NotFound(f"there is no notification {name!r}", param="notification")
    test = Notice("test", name, "This is a test from Headgate", by.id, "administration", "/approvals")

    async def do(facts: Facts) -> int:
        delivery = f"test.{notices.ids.ulid()}"
        return await notices.queue.send_now(request.host.pipeline, found[name], test, tenant=tenant, delivery=delivery)

    done = await request.perform(NOTICE_TEST, Resource("notification", name), do, arguments=digest_of(name))
    return TestResult(status=done.result)


def _view(destination: Destination, standing: store.Standing | None) -> NotificationView:
    known = standing or store.Standing(destination.id, 0, 0, 0, None, "")
    return NotificationView(
        id=destination.id,
        channel=destination.channel,
        place=destination.place,
        to=destination.to,
        events=list(EVENTS) if destination.events is None else destination.events,
        use_cases=destination.use_cases,
        waiting=known.waiting,
        sent=known.sent,
        given_up=known.given_up,
        last_sent_at=known.last_sent_at,
        last_error=known.last_error,
    )


OPERATIONS = (
    Operation(
        "listNotifications",
        "GET",
        "/api/notifications",
        "The destinations of notices, and how their deliveries stand.",
        list_notifications,
        answer=NotificationList,
        verb=NOTICE_LIST,
    ),
    Operation(
        "testNotification",
        "POST",
        "/api/notifications/{notification}/test",
        "Send a test notice now.",
        send_test,
        answer=TestResult,
        verb=NOTICE_TEST,
    ),
)
