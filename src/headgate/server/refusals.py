"""Records of requests that are refused before they become actions, rate-limited against floods of the log.

The limits of each worker: for one kind and source 5 at once, then 1 a minute; for all together 100 at once, then 20 a
minute. A record holds the kind of refusal, the place, a pseudonym of the source, and the number of refusals without
a record before it. It holds nothing of the request itself.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from contextlib import suppress
from typing import Any

import structlog

from headgate.admin.verbs import REQUEST_REFUSE
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.errors import HeadgateError
from headgate.kernel.identity import Principal
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock
from headgate.policy.entities import ADMINISTRATION, DEFAULT_TENANT
from headgate.policy.snapshot import SnapshotHolder
from headgate.server.asgi import Scope
from headgate.server.identity import Caller

log = structlog.get_logger(__name__)

AT_ONCE = 5
EVERY_S = 60.0
ALL_AT_ONCE = 100
ALL_EVERY_S = 3.0
_MOST_SOURCES = 1024

CALLER = "headgate.caller"
"""The key of the `Caller` in a request's scope, set once the caller is known."""


class _Bucket:
    """A token bucket for records, with a count of refusals that were not recorded."""

    __slots__ = ("_at_once", "_every_s", "_left", "_seen_s", "unrecorded")

    def __init__(self, now_s: float, *, at_once: int, every_s: float) -> None:
        self._at_once = float(at_once)
        self._every_s = every_s
        self._left = self._at_once
        self._seen_s = now_s
        self.unrecorded = 0

    def has_room(self, now_s: float) -> bool:
        """Tell whether one more record is allowed."""
        self._left = min(self._at_once, self._left + (now_s - self._seen_s) / self._every_s)
        self._seen_s = now_s
        return self._left >= 1.0

    def take(self) -> None:
        """Use one token."""
        self._left -= 1.0


class RefusalLimit:
    """Limits the recorded refusals of this worker. The metrics count every refusal."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all = _Bucket(clock.monotonic(), at_once=ALL_AT_ONCE, every_s=ALL_EVERY_S)
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def admit(self, kind: str, source: str) -> int | None:
        """Return the unrecorded refusals since the last record of this kind and source; None: this one gets none."""
        now_s = self._clock.monotonic()
        bucket = self._bucket((kind, source), now_s)
        if not bucket.has_room(now_s) or not self._all.has_room(now_s):
            bucket.unrecorded += 1
            return None
        bucket.take()
        self._all.take()
        unrecorded, bucket.unrecorded = bucket.unrecorded, 0
        if unrecorded:
            log.warning("refusals_unrecorded", kind=kind, count=unrecorded)
        return unrecorded

    def _bucket(self, key: tuple[str, str], now_s: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(now_s, at_once=AT_ONCE, every_s=EVERY_S)
            if len(self._buckets) > _MOST_SOURCES:
                _, forgotten = self._buckets.popitem(last=False)
                bucket.unrecorded += forgotten.unrecorded
        self._buckets.move_to_end(key)
        return bucket


class Refusals:
    """Records requests that are refused before they become actions."""

    def __init__(self, pipeline: Pipeline, holder: SnapshotHolder, limit: RefusalLimit) -> None:
        self._pipeline = pipeline
        self._holder = holder
        self.limit = limit

    def note(self, error: HeadgateError, scope: Scope, *, place: str) -> None:
        """Record a refusal within the limit, and set the `record_id` of the error.

        Args:
            place: the declared path of a route, or the plane; never text from the client.
        """
        if error.record_id is not None or not 400 <= error.status < 500:
            return
        caller: Caller | None = scope.get(CALLER)
        source = caller.principal.key_id or caller.principal.id if caller else source_of(scope)
        unrecorded = self.limit.admit(error.code, source)
        action = None if unrecorded is None else self._action(caller, source, place)
        if action is None:
            return
        facts = {"status": error.status, **({"unrecorded": unrecorded} if unrecorded else {})}
        with suppress(HeadgateError):  # a full journal refuses more important records too
            self._pipeline.note_refusal(action, error, facts=facts)

    def has_room(self, kind: str, scope: Scope) -> bool:
        """Return whether one more refusal of this kind and source gets a record, and count it."""
        return self.limit.admit(kind, source_of(scope)) is not None

    def _action(self, caller: Caller | None, source: str, place: str) -> Action[Any, Any, Any] | None:
        resource = Resource("door", place)
        if caller is not None:
            return Action(REQUEST_REFUSE, caller.principal, resource, None, Context(caller.use_case))
        snapshot = self._holder.latest
        tenant = snapshot.tenants.get(DEFAULT_TENANT) if snapshot else None
        use_case = tenant.use_cases.get(ADMINISTRATION) if tenant else None
        if use_case is None:
            return None
        # The ledger stores a pseudonym of it. No registered principal has an id with a blank.
        stranger = Principal(f"address {source}", DEFAULT_TENANT)
        return Action(REQUEST_REFUSE, stranger, resource, None, Context(use_case))


def source_of(scope: Scope) -> str:
    """Return the client's address; for IPv6 its /64 network, which one customer usually has."""
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
