"""Exports as actions: run by Headgate itself, in the tenant whose they are, to a place that is cleared for so much."""

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
"""What spans are: which use case called which model when, and how much of it; no content."""

COLLECTOR = Clearance(level=Confidentiality.INTERNAL)
"""What may flow to the collector that the operator named."""


def exporting(pipeline: Pipeline, holder: SnapshotHolder, *, endpoint: str, labels: Labels = SPANS) -> Send:
    """Return what sends a tenant's spans to a collector, as an action."""
    collector = Resource("collector", authority_of(endpoint), clearance=COLLECTOR)

    async def send(tenant: TenantId, export: Export) -> object:
        policy = holder.current.tenants.get(tenant)
        if policy is None:
            raise Unavailable(f"the tenant {tenant} is not known here any more")
        context = Context(use_case=policy.use_cases[JOBS], floor=labels)
        principal = policy.principals[HEADGATE].acting()
        return await pipeline.run(Action(EXPORT_SEND, principal, collector, export, context))

    return send
