"""OpenTelemetry export: spans as OTLP over HTTP in JSON, in batches, each sent as an `export.send` action.

While the collector is away, the exporter drops and counts spans that do not fit the queue. Spans contain no content. An
export itself has no span, because that span would cause another export, and so on.
Source: OpenTelemetry Protocol 1.x, "OTLP/HTTP"; semantic conventions for generative AI for attribute names.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import structlog

from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.export import Export
from headgate.kernel.identity import TenantId
from headgate.kernel.run import Run
from headgate.substrate.egress import Egress, NetworkProfile, Request, parse_url

log = structlog.get_logger(__name__)

PROFILE = "telemetry"
_QUEUED = 10_000
_BATCH = 500
_EVERY_S = 5.0
_OK, _ERROR = 1, 2

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Span:
    """One finished piece of work.

    Args:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: 16 hex digits, or None for the first of its trace.
        tenant: the tenant of the work. A batch has spans of one tenant only.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime
    tenant: TenantId
    is_error: bool = False
    attributes: Mapping[str, Value] = field(default_factory=dict[str, Value])


def telemetry_profile(endpoint: str) -> NetworkProfile:
    """Return the egress profile of a collector, which allows the configured address in any network."""
    return NetworkProfile(allow=(parse_url(endpoint).origin.authority,), first_byte_s=10, idle_s=10, total_s=20)


def authority_of(endpoint: str) -> str:
    """Return a collector's `host:port`, its name in records."""
    return parse_url(endpoint).origin.authority


Send = Callable[[TenantId, Export], Awaitable[object]]
"""Runs an export of a tenant's spans through the pipeline."""


class SpanExporter:
    """Queues spans and sends them in batches; `add` never waits. One per worker.

    Args:
        service: the value of `service.name`.
    """

    def __init__(self, *, service: str, instance: str) -> None:
        self._resource = _attributes({"service.name": service, "service.instance.id": instance})
        self._queue: deque[Span] = deque()
        self.dropped = 0

    def add(self, span: Span) -> None:
        """Queue a span. Drops it if the queue is full."""
        if len(self._queue) >= _QUEUED:
            self.dropped += 1
        else:
            self._queue.append(span)

    async def run_forever(self, send: Send) -> None:
        """Send the queue every few seconds until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.flush(send)

    async def flush(self, send: Send) -> None:
        """Send the whole queue. Drops and counts a batch that policy refuses or the collector rejects."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            for tenant in dict.fromkeys(span.tenant for span in batch):
                spans = [span for span in batch if span.tenant == tenant]
                try:
                    await send(tenant, self._export(spans))
                except HeadgateError as error:
                    self.dropped += len(spans)
                    log.warning("spans_dropped", count=len(spans), why=error.code)

    def _export(self, spans: Sequence[Span]) -> Export:
        scope = {"scope": {"name": "headgate"}, "spans": [_span(span) for span in spans]}
        document = {"resourceSpans": [{"resource": {"attributes": self._resource}, "scopeSpans": [scope]}]}
        body = msgspec.json.encode(document)
        return Export(body, "application/json", len(spans), hashlib.sha256(body).hexdigest())


class SpanSender:
    """Performs `export.send`: one POST to the collector.

    Args:
        endpoint: base URL of the collector; `/v1/traces` is appended.
    """

    def __init__(self, egress: Egress, *, endpoint: str) -> None:
        self._egress = egress
        self._url = endpoint.rstrip("/") + "/v1/traces"

    async def run(self, run: Run[Export, object, int]) -> int:
        """Send the batch.

        Raises:
            Upstream: the collector rejected the batch.
        """
        export = run.payload
        run.facts.update(spans=export.count, size_bytes=len(export.body))
        headers = ((b"content-type", export.media_type.encode()),)
        request = Request("POST", self._url, headers, export.body, profile=PROFILE)
        async with self._egress.send(request) as response:
            await response.read(limit=1 << 20)
        run.facts["status"] = response.status
        if response.status >= 300:
            raise Upstream(
                f"the collector answered with status {response.status}",
                upstream_status=response.status,
                retryable=False,
            )
        return response.status

    def stream(self, run: Run[Export, object, int]) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """Raise Invalid, because exports do not stream."""
        raise Invalid(f"{run.action.verb.name} cannot be streamed")


def _span(span: Span) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": 1,
        "startTimeUnixNano": str(_nanoseconds(span.started_at)),
        "endTimeUnixNano": str(_nanoseconds(span.ended_at)),
        "attributes": _attributes(span.attributes),
        "status": {"code": _ERROR if span.is_error else _OK},
    }
    if span.parent_id is not None:
        encoded["parentSpanId"] = span.parent_id
    return encoded


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
