"""Exports under the real policies: Headgate itself sends them, and the collector gets what it is cleared for."""

from __future__ import annotations

from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Confidentiality, Labels
from headgate.policy.entities import DEFAULT_TENANT
from headgate.server.exporting import exporting
from headgate.substrate.clock import SystemClock
from headgate.substrate.telemetry import Span, SpanExporter
from headgate.testing.house import House

ENDPOINT = "http://127.0.0.1:9"


async def test_an_export_is_recorded_as_headgates_own_work_and_fails_where_nobody_listens(house: House) -> None:
    assert await _flush(house) == 1
    (record,) = await house.records(verb="export.send")
    assert (record["resource"], record["use_case"]) == ("collector:127.0.0.1:9", "jobs")
    assert (record["outcome"], record["effect"]) == ("failed", "allow")
    assert record["labels"] == "confidentiality=internal"
    assert record["facts"]["spans"] == 1


async def test_what_a_collector_is_not_cleared_for_is_refused_by_the_lattice(house: House) -> None:
    for labels in (Labels(confidentiality=Confidentiality.CONFIDENTIAL), Labels(categories=frozenset({"pii"}))):
        assert await _flush(house, labels=labels) == 1
    records = await house.records(verb="export.send")
    assert [record["outcome"] for record in records] == ["refused", "refused"]
    assert {record["facts"]["refused_by"] for record in records} == {"lattice.flow"}


async def test_spans_of_a_tenant_that_is_gone_are_dropped(house: House) -> None:
    assert await _flush(house, tenant=TenantId("gone")) == 1
    assert await house.records(verb="export.send") == []


async def _flush(
    house: House,
    *,
    tenant: TenantId = DEFAULT_TENANT,
    labels: Labels = Labels(confidentiality=Confidentiality.INTERNAL),  # noqa: B008 - immutable
) -> int:
    """Export one span; returns how many were dropped."""
    now = SystemClock().now()
    spans = SpanExporter(service="headgate", instance="1")
    spans.add(Span("0" * 31 + "1", "0" * 15 + "1", None, "x", now, now, tenant))
    await spans.flush(
        exporting(house.worker.pipeline, house.worker.platform.job_action, endpoint=ENDPOINT, labels=labels)
    )
    return spans.dropped
