"""Principals and use cases for tests."""

from __future__ import annotations

from headgate.kernel.identity import Limits, Principal, TenantId, UseCase
from headgate.kernel.labels import EMPTY, EVERYTHING, Clearance, Confidentiality, Labels

ACME = TenantId("acme")
GLOBEX = TenantId("globex")

ADA = Principal("ada", ACME, kind="person", roles=frozenset({"admin"}))
"""The administrator at Acme, who may see everything."""

GRACE = Principal("grace", ACME, kind="person", roles=frozenset({"auditor"}))
"""The person who approves and audits at Acme."""

BOT = Principal("support-bot", ACME, key_id="key-bot")
"""A program at Acme with a key without limits."""

METERED = Principal(
    "metered-bot", ACME, key_id="key-metered", limits=Limits(requests_per_minute=10, cost_micros_per_day=1_000_000)
)
"""A program at Acme with a key for ten requests a minute and one dollar a day."""

VISITOR = Principal("visitor", ACME, kind="person", clearance=Clearance(level=Confidentiality.PUBLIC, categories=EMPTY))
"""A person at Acme who may see only public content without personal data."""

AGENT = Principal("agent-7", ACME, kind="agent", on_behalf_of=("ada",))
"""An agent that acts for Ada."""

STRANGER = Principal("mallory", GLOBEX, kind="person")
"""A person of another tenant."""

SUPPORT = UseCase("support", ACME, owner="ada", purpose="Answer customers' questions.")
"""An ordinary use case."""

HEALTH_RECORDS = UseCase(
    "health-records",
    ACME,
    owner="ada",
    purpose="Summarise patients' files.",
    risk="high",
    floor=Labels(tenant=ACME, confidentiality=Confidentiality.RESTRICTED),
    ceiling=EVERYTHING,
)
"""A use case whose content is always restricted."""
