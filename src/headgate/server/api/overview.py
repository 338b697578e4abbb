"""The first page, and the words of the console."""

from __future__ import annotations

from typing import Literal

from headgate import __version__
from headgate.admin.bodies import Body
from headgate.admin.callers import ADMINISTRATION
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.gateway.catalogue import visible_aliases
from headgate.kernel.action import Resource
from headgate.ledger.reader import RecordFilters
from headgate.ledger.verbs import RECORD_LIST
from headgate.policy.entities import JOBS
from headgate.server.api.parts import ServerParts
from headgate.wire.model_call import MODEL_INVOKE

_CALLS = RecordFilters(verb=MODEL_INVOKE.name)


class Overview(Body, frozen=True, kw_only=True):
    """What a newcomer needs on the first page."""

    version: str
    tenant: str
    openai_base_url: str
    anthropic_base_url: str
    models: list[str]
    use_cases: list[str]
    records: int
    has_called: bool
    embedded_model: Literal["ready", "loading", "absent"]


class VerbView(Body, frozen=True, kw_only=True):
    """A verb in words for people, and the feature that it belongs to."""

    name: str
    title: str
    effect: Literal["plan", "read", "write", "send"]
    feature: str


class Vocabulary(Body, frozen=True, kw_only=True):
    """The words that records and rules use."""

    verbs: list[VerbView]


async def get_overview(parts: ServerParts, request: Request) -> Overview:
    """Say what a newcomer needs; the number of records only to whoever may list them."""
    caller = request.by
    count, has_called = 0, False
    if request.allows(RECORD_LIST, Resource("ledger", caller.tenant_id)):
        head = await parts.records.log_head(tenant=caller.tenant_id)
        calls = await parts.records.list_records(_CALLS, tenant=caller.tenant_id, limit=1)
        count, has_called = head.size if head else 0, bool(calls.records)
    scheme = "https" if parts.is_secure else "http"
    base_url = f"{scheme}://{request.headers['host']}"
    return Overview(
        version=__version__,
        tenant=caller.tenant_id,
        openai_base_url=f"{base_url}/v1",
        anthropic_base_url=base_url,
        models=visible_aliases(parts.catalogues(caller.tenant_id), caller.principal),
        use_cases=_use_cases(request),
        records=count,
        has_called=has_called,
        embedded_model=parts.model_state(),
    )


def _use_cases(request: Request) -> list[str]:
    """Return the use cases that the caller may use: of a key, the one that it is bound to."""
    caller = request.by
    return sorted(
        name
        for name, use_case in caller.use_cases.items()
        if name not in (ADMINISTRATION, JOBS)
        and caller.bound in (None, name)
        and request.host.gate.may_use(caller, MODEL_INVOKE, use_case)
    )


async def get_vocabulary(parts: ServerParts, request: Request) -> Vocabulary:
    """List the verbs of every feature by name."""
    found = sorted(parts.verbs, key=lambda one: one[1].name)
    return Vocabulary(
        verbs=[
            VerbView(name=verb.name, title=verb.title, effect=verb.effect, feature=feature) for feature, verb in found
        ]
    )


OPERATIONS = (
    Operation("getOverview", "GET", "/api/overview", "What the first page shows.", get_overview, answer=Overview),
    Operation("getVocabulary", "GET", "/api/vocabulary", "The verbs, in words.", get_vocabulary, answer=Vocabulary),
)
