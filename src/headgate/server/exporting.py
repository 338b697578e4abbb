"""Exports of spans as actions: Headgate runs them in the tenant of the spans, to a collector with a clearance."""

from __future__ import annotations

from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.errors import Unavailable
from headgate.kernel.export import EXPORT_SEND, Export
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Clearance, Confidentiality, Labels
from headgate.kernel.pipeline import Pipeline
from headgate.policy.models import HEADGATE, JOBS
from headgate.policy.snapshot import SnapshotHolder
from headgate.substrate.telemetry import Send, authority_of

SPANS = Labels(confidentiality=Confidentiality.INTERNAL)
"""The labels of spans. Spans hold use case, model, time and amounts, and no content."""

COLLECTOR = Clearance(level=Confidentiality.INTERNAL)
"""The clearance of the collector that the operator configured."""


def exporting(pipeline: Pipeline, holder: SnapshotHolder, *, endpoint: str, labels: Labels = SPANS) -> Send:
    """Return a function that sends a tenant's spans to the collector as an action."""
    collector = Resource("collector", authority_of(endpoint), clearance=COLLECTOR)

    async def send(tenant: TenantId, export: Export) -> object:
        policy = holder.current.tenants.get(tenant)
        if policy is None:
            raise Unavailable(f"the tenant {tenant} no longer exists")
        context = Context(use_case=policy.use_cases[JOBS], floor=labels)
        principal = policy.principals[HEADGATE].acting()
        return await pipeline.run(Action(EXPORT_SEND, principal, collector, export, context))

    return send
