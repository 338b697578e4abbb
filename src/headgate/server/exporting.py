"""Exports of spans as actions: Headgate runs them in the tenant of the spans, to a collector with a clearance."""

from __future__ import annotations

from headgate.admin.features import JobAction
from headgate.kernel.action import Resource
from headgate.kernel.export import EXPORT_SEND, Export
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Clearance, Confidentiality, Labels
from headgate.kernel.pipeline import Pipeline
from headgate.substrate.telemetry import Send, authority_of

SPANS = Labels(confidentiality=Confidentiality.INTERNAL)
"""The labels of spans. Spans hold use case, model, time and amounts, and no content."""

COLLECTOR = Clearance(level=Confidentiality.INTERNAL)
"""The clearance of the collector that the operator configured."""


def exporting(pipeline: Pipeline, job_action: JobAction, *, endpoint: str, labels: Labels = SPANS) -> Send:
    """Return a function that sends a tenant's spans to the collector as an action."""
    collector = Resource("collector", authority_of(endpoint), clearance=COLLECTOR)

    async def send(tenant: TenantId, export: Export) -> object:
        return await pipeline.run(job_action(tenant, EXPORT_SEND, collector, export, floor=labels))

    return send
