"""The two halves of a record: the opening before an action, and the closing after it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple

from headgate.kernel.decision import LogLevel, RuleHit
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import BOTTOM, Labels

Outcome = Literal["done", "refused", "withheld", "failed", "interrupted", "abandoned", "in_doubt"]
"""How an action ended.

- `withheld`: the action ran, but its result was not released, or not to its end.
- `abandoned`: the caller disconnected.
- `interrupted`: the process died.
- `in_doubt`: the request was sent, but its effect is unknown.
"""

Fact = str | int | float | bool | None

_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})
_NO_PARTS: Mapping[str, bytes] = MappingProxyType({})


class Opening(NamedTuple):
    """The half of a record that is on disk before the effect.

    The recorder seals `parts`; it never stores them in the clear. It replaces ids of people by
    pseudonyms. `facts` hold no content and no personal data.

    `Opening` and `Closing` are tuples: a frozen dataclass of so many fields takes three times as
    long to create, twice a call.
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
    """The new parent of a record that opened for a plan and became one of its actions' record.

    See `kernel.run.Deferred`.
    """

    parent: RecordId
    root: RecordId
    verb: str
    resource: str


class Closing(NamedTuple):
    """The half of a record that is written after the effect. Each opening has exactly one closing.

    `within` corrects the verb, resource and parent of a record that opened for a plan.
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
