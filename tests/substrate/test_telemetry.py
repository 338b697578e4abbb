"""Telemetry: records become spans at a collector, and a collector that is away harms nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.decision import Decision, Effect
from headgate.kernel.export import EXPORT_SEND, Export
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.record import Closing, Opening
from headgate.server.tracing import TracingRecorder
from headgate.substrate.egress import Egress
from headgate.substrate.telemetry import (
    PROFILE,
    Send,
    Span,
    SpanExporter,
    SpanSender,
    authority_of,
    telemetry_profile,
)
from headgate.testing.people import ACME, BOT, GLOBEX, SUPPORT
from headgate.testing.pipeline import Bench
from headgate.testing.ports import FakeRecorder, journal_full

_NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
_ROOT = RecordId("01KE1ZZZZZ0000000000000001")
_CHILD = RecordId("01KE1ZZZZZ0000000000000002")
SPAN = Span("0" * 31 + "1", "0" * 15 + "1", None, "x", _NOW, _NOW, ACME)


@asynccontextmanager
async def collector(status: int = 200) -> AsyncGenerator[tuple[str, list[dict[str, Any]]]]:
    received: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/traces HTTP/1.1")
        size = int(next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))[15:])
        received.append(json.loads(await reader.readexactly(size)))
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}" % status)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", received


def exporter() -> SpanExporter:
    return SpanExporter(service="headgate", instance="1")


def sending(egress: Egress, endpoint: str, bench: Bench) -> Send:
    """What sends an export through a pipeline whose other stages are fakes."""
    egress.set_profiles({PROFILE: telemetry_profile(endpoint)})
    bench.performers = {EXPORT_SEND.name: SpanSender(egress, endpoint=endpoint)}
    pipeline = bench.pipeline()

    async def send(tenant: TenantId, export: Export) -> object:
        assert tenant == ACME
        action = Action(EXPORT_SEND, BOT, Resource("collector", authority_of(endpoint)), export, Context(SUPPORT))
        return await pipeline.run(action)

    return send


def opening(record: RecordId, *, verb: str, resource: str, parent: RecordId | None = None) -> Opening:
    return Opening(
        id=record,
        tenant=ACME,
        opened_at=_NOW,
        verb=verb,
        principal="jane@example.org",
        use_case="support",
        resource=resource,
        effect="allow",
        would="allow",
        parent=parent,
        root=parent,
        parts={"sent": b"a secret prompt"},
    )


def closing(record: RecordId, **facts: int | str) -> Closing:
    return Closing(id=record, tenant=ACME, closed_at=_NOW + timedelta(seconds=1), outcome="done", facts=facts)


async def test_records_of_one_call_become_spans_of_one_trace_without_content_or_names() -> None:
    bench, spans = Bench(), exporter()
    async with Egress() as egress, collector() as (endpoint, received):
        recorder = TracingRecorder(FakeRecorder(), spans)
        recorder.open(opening(_ROOT, verb="model.invoke", resource="alias:smart"))
        recorder.open(opening(_CHILD, verb="model.dispatch", resource="deployment:gpt", parent=_ROOT))
        recorder.close(closing(_CHILD, input_tokens=7, deployment="gpt"))
        recorder.close(closing(_ROOT))
        await spans.flush(sending(egress, endpoint, bench))
    (child, root) = received[0]["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert root["traceId"] == child["traceId"]
    assert child["parentSpanId"] == root["spanId"]
    assert "parentSpanId" not in root
    assert {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}} in child["attributes"]
    assert int(child["endTimeUnixNano"]) - int(child["startTimeUnixNano"]) == 1_000_000_000
    text = json.dumps(received)
    assert "secret prompt" not in text
    assert "jane@example.org" not in text


async def test_each_batch_is_an_action_with_a_record_that_causes_no_further_span() -> None:
    bench, spans = Bench(), exporter()
    async with Egress() as egress, collector() as (endpoint, received):
        bench.watch = lambda recorder: TracingRecorder(recorder, spans)
        send = sending(egress, endpoint, bench)
        for _ in range(501):
            spans.add(SPAN)
        await spans.flush(send)
        await spans.flush(send)
    assert len(received) == 2
    assert [opening.verb for opening in bench.recorder.openings] == ["export.send"] * 2
    assert [closing.facts["spans"] for closing in bench.recorder.closings] == [500, 1]
    assert bench.recorder.outcomes() == ["done", "done"]


async def test_what_policy_refuses_or_cannot_be_recorded_is_not_sent() -> None:
    async with Egress() as egress, collector() as (endpoint, received):
        for spoil in (_refuse, _fill):
            bench, spans = Bench(), exporter()
            spoil(bench)
            spans.add(SPAN)
            await spans.flush(sending(egress, endpoint, bench))
            assert spans.dropped == 1
    assert received == []


async def test_spans_of_two_tenants_leave_in_two_batches() -> None:
    spans, sent = exporter(), list[tuple[str, int]]()

    async def send(tenant: TenantId, export: Export) -> None:
        sent.append((tenant, export.count))

    for tenant in (ACME, GLOBEX, ACME):
        spans.add(replace(SPAN, tenant=tenant))
    await spans.flush(send)
    assert sent == [(ACME, 2), (GLOBEX, 1)]


async def test_a_collector_that_refuses_or_is_away_costs_only_the_spans() -> None:
    bench, spans = Bench(), exporter()
    async with Egress() as egress:
        async with collector(status=503) as (endpoint, _):
            send = sending(egress, endpoint, bench)
            spans.add(SPAN)
            await spans.flush(send)
            assert spans.dropped == 1
        spans.add(SPAN)
        await spans.flush(send)
        assert spans.dropped == 2
    assert bench.recorder.outcomes() == ["failed", "failed"]


def test_the_queue_is_bounded() -> None:
    spans = exporter()
    for _ in range(10_005):
        spans.add(SPAN)
    assert spans.dropped == 5


def _refuse(bench: Bench) -> None:
    bench.decider.decision = Decision(Effect.DENY)


def _fill(bench: Bench) -> None:
    bench.recorder.open_error = journal_full()
