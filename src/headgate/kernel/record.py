"""What is written of an action before and after it is done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple

from headgate.kernel.decision import LogLevel, RuleHit
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import BOTTOM, Labels

Outcome = Literal["done", "refused", "withheld", "failed", "interrupted", "abandoned", "in_doubt"]
"""`withheld`: done, but what came back was not released, or not to its end; `abandoned`: the caller went away;
`interrupted`: we died; `in_doubt`: sent, whether it took effect is unknown."""

Fact = str | int | float | bool | None

_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})
_NO_PARTS: Mapping[str, bytes] = MappingProxyType({})


class Opening(NamedTuple):
    """What is durable before the effect. `parts` are sealed by the recorder, never stored in the clear.

    Ids of people are pseudonymised by the recorder. `facts` hold no content and no personal data.

    A tuple, as `Closing`: of so many fields a frozen dataclass takes three times as long to make, twice a call.
    """

    id: RecordId
    tenant: TenantId
    opened_at: datetime
    verb: str
    principal: str
    use_case: str
    resource: str
    effect: str
    would: str
    rules: tuple[RuleHit, ...] = ()
    policy_version: str = ""
    labels: Labels = BOTTOM
    parent: RecordId | None = None
    root: RecordId | None = None
    key_id: str | None = None
    log: LogLevel = LogLevel.FULL
    facts: Mapping[str, Fact] = _NO_FACTS
    parts: Mapping[str, bytes] = _NO_PARTS


class Within(NamedTuple):
    """What a record tells of that opened as a whole plan's and is of one of its actions: see `kernel.run.Deferred`."""

    parent: RecordId
    root: RecordId
    verb: str
    resource: str


class Closing(NamedTuple):
    """What is known once the effect is over. Exactly one closing follows an opening.

    `within` says what the record turned out to be, where that was not known when it opened.
    """

    id: RecordId
    tenant: TenantId
    closed_at: datetime
    outcome: Outcome
    labels: Labels = BOTTOM
    error: str | None = None
    duration_us: int = 0
    facts: Mapping[str, Fact] = _NO_FACTS
    parts: Mapping[str, bytes] = _NO_PARTS
    within: Within | None = None
