"""The bodies of the admin API. Times are RFC 3339 in UTC, money is micro-units with its currency, ids are opaque."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from headgate.gateway.models import AliasName, Name, Text
from headgate.kernel.labels import Confidentiality

Body = Annotated[str, msgspec.Meta(max_length=200_000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Level = Literal["public", "internal", "confidential", "restricted"]


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body of the admin API; unknown fields are refused."""


class ErrorDetail(Schema, frozen=True, kw_only=True):
    """What went wrong: a stable code, words for people, the rules that refused, and the approval to wait for."""

    code: str
    message: str
    param: str | None = None
    rules: list[str] = []
    record: str | None = None
    retry_after_s: float | None = None
    approval: str | None = None


class ErrorBody(Schema, frozen=True, kw_only=True):
    """Every error answer of the admin API."""

    error: ErrorDetail


class SignIn(Schema, frozen=True, kw_only=True):
    """Redeems a sign-in link, once."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Session(Schema, frozen=True, kw_only=True):
    """Who is signed in; `may` names the verbs of administration that they may do, or ask for."""

    principal: str
    tenant: str
    roles: list[str]
    may: list[str]
    expires_at: datetime


class Overview(Schema, frozen=True, kw_only=True):
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


class PriceTierView(Schema, frozen=True, kw_only=True):
    """Micro-units for a million tokens of calls with a longer prompt."""

    above_input_tokens: int
    input_micros: int | None
    output_micros: int | None


class PriceView(Schema, frozen=True, kw_only=True):
    """Micro-units for a million tokens; null is unknown."""

    currency: str
    input_micros: int | None
    output_micros: int | None
    tiers: list[PriceTierView]


class DeploymentView(Schema, frozen=True, kw_only=True):
    """A model at a provider, with what may flow there."""

    id: str
    provider: str
    model: str
    custody: Literal["any", "organisation"]
    level: str
    categories: list[str] | None
    regions: list[str]
    price: PriceView | None
    is_built_in: bool


class ModelView(Schema, frozen=True, kw_only=True):
    """An alias and the deployments behind it, in order."""

    id: str
    operation: str
    description: str
    deployments: list[DeploymentView]


class ModelList(Schema, frozen=True, kw_only=True):
    """Every alias that the caller may see."""

    models: list[ModelView]


class NewKey(Schema, frozen=True, kw_only=True):
    """A key to be made.

    Without `principal` it stands for a program of its own, named after the key, with the maker's clearance. A person's
    own key names that person.
    """

    name: Text
    use_case: Name = "getting-started"
    principal: Name | None = None
    roles: list[Name] = []
    aliases: list[AliasName] | None = None
    expires_at: Moment | None = None
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    cost_micros_per_day: Annotated[int, msgspec.Meta(ge=0, le=10**15)] | None = None
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"


class KeyView(Schema, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: str
    name: str
    prefix: str
    principal: str
    created_by: str
    use_case: str
    roles: list[str]
    aliases: list[str] | None
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None
    cost_micros_per_day: int | None
    currency: str


class CreatedKey(Schema, frozen=True, kw_only=True):
    """A key with its secret, shown this once."""

    key: KeyView
    secret: str


class KeyList(Schema, frozen=True, kw_only=True):
    """The tenant's keys, newest first."""

    keys: list[KeyView]


_LEVELS: Mapping[Confidentiality, Level] = {
    Confidentiality.PUBLIC: "public",
    Confidentiality.INTERNAL: "internal",
    Confidentiality.CONFIDENTIAL: "confidential",
    Confidentiality.RESTRICTED: "restricted",
}


def level_of(confidentiality: Confidentiality) -> Level:
    """Return the API's word for a level."""
    return _LEVELS[confidentiality]


class UseCaseBody(Schema, frozen=True, kw_only=True):
    """A registered purpose.

    `members` may use it besides its owner and administrators: ids, `group:NAME`, or `*` for everyone. Without them
    a use case keeps the members that it has, and a new one has none.
    """

    owner: Text
    purpose: Text
    risk: Literal["minimal", "limited", "high"] = "limited"
    confidentiality: Level = "public"
    categories: list[Name] = []
    deployments: list[Name] | None = None
    members: list[Text] | None = None
    observe: list[Name] = []
    expires_at: Moment | None = None


class UseCaseView(UseCaseBody, frozen=True, kw_only=True):
    """A registered purpose with its id; built-in ones cannot be changed."""

    id: str
    is_built_in: bool


class UseCaseList(Schema, frozen=True, kw_only=True):
    """The tenant's use cases."""

    use_cases: list[UseCaseView]


class RuleView(Schema, frozen=True, kw_only=True):
    """A rule of policy, as its author wrote it."""

    id: str
    does: Literal["allow", "deny", "ask", "duty"]
    mode: Literal["observe", "enforce"]
    reason: str
    text: str
    pack: str


class RuleList(Schema, frozen=True, kw_only=True):
    """The rules in force, with the mode that they have for one use case."""

    use_case: str | None
    version: str
    rules: list[RuleView]


class RuleMode(Schema, frozen=True, kw_only=True):
    """Whether a rule only records what it would do."""

    mode: Literal["observe", "enforce"]


class RuleHitView(Schema, frozen=True, kw_only=True):
    """A rule that matched an action."""

    id: str
    does: str
    mode: str
    reason: str


class RecordView(Schema, frozen=True, kw_only=True):
    """One record, as lists show it."""

    id: str
    parent: str | None
    root: str | None
    verb: str
    principal: str
    use_case: str
    resource: str
    effect: str
    would: str
    outcome: str | None
    error: str | None
    opened_at: datetime
    closed_at: datetime | None
    duration_us: int | None
    labels: str
    policy_version: str
    rules: list[RuleHitView]
    facts: dict[str, Any]
    leaf_index: int | None


class RecordList(Schema, frozen=True, kw_only=True):
    """A page of records, newest first; `next` is the cursor of the following page."""

    records: list[RecordView]
    next: str | None


class PartView(Schema, frozen=True, kw_only=True):
    """A sealed part, opened for this reader: `text` is null where it is no text, was erased, or `withheld` says why."""

    name: str
    text: str | None
    size_bytes: int
    digest: str
    erased: bool
    withheld: str | None


class RecordDetail(Schema, frozen=True, kw_only=True):
    """Everything about one record: itself, the actions inside it, and its parts."""

    record: RecordView
    output_labels: str
    children: list[RecordView]
    parts: list[PartView]


class ProofStep(Schema, frozen=True, kw_only=True):
    """One hash of an inclusion proof, in hex."""

    hash: str


class ProofView(Schema, frozen=True, kw_only=True):
    """What a stranger needs to check a record; see `headgate ledger prove`."""

    bundle: dict[str, Any]


class LedgerView(Schema, frozen=True, kw_only=True):
    """The state of the tenant's log."""

    origin: str
    size: int
    root_hash: str
    vkey: str
    checkpoint: str


class PreviewRequest(Schema, frozen=True, kw_only=True):
    """Text to be put before the gate without sending it anywhere."""

    text: Body
    model: AliasName
    use_case: Name = "getting-started"


class FindingView(Schema, frozen=True, kw_only=True):
    """Something that a detector recognised, in characters of the text."""

    kind: str
    category: str
    start: int
    end: int
    detector: str
    confidence: float


class PreviewDestination(Schema, frozen=True, kw_only=True):
    """What would happen at one deployment; `bytes_out` is the exact body that would leave, null when refused."""

    deployment: str
    custody: str
    effect: str
    why: str
    rules: list[RuleHitView]
    labels: str
    bytes_out: str | None


class Preview(Schema, frozen=True, kw_only=True):
    """What the gate sees in a text, and what it would do with it at each deployment behind the model."""

    findings: list[FindingView]
    labels: str
    destinations: list[PreviewDestination]


class ChatMessage(Schema, frozen=True, kw_only=True):
    """One turn of the console's chat."""

    role: Literal["system", "user", "assistant"]
    content: Body


class ChatRequest(Schema, frozen=True, kw_only=True):
    """A turn of the console's chat; answered as server-sent events `delta`, `gate` and `error`."""

    model: AliasName
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=200)]
    use_case: Name = "getting-started"


class ChatDelta(Schema, frozen=True, kw_only=True):
    """Data of the event `delta`: more answer text."""

    text: str


class ChatGate(Schema, frozen=True, kw_only=True):
    """Data of the event `gate`, after the answer: what the gate did."""

    record: str
    deployment: str | None
    labels: str
    masked: dict[str, int]
    restored: dict[str, int]
    input_tokens: int | None
    output_tokens: int | None
    cost_micros: int | None
    currency: str | None
    duration_us: int
    skipped: str | None


class ApprovalRule(Schema, frozen=True, kw_only=True):
    """A rule that asks, and why."""

    id: str
    reason: str


class ApprovalView(Schema, frozen=True, kw_only=True):
    """A request for approval and what became of it.

    `makers` made the key that asks. `record` tells of the action that was asked about, `labels` of what would be sent;
    `details` are what is known of the destination or the change. `can_decide` says whether whoever looks may decide it.
    """

    id: str
    state: Literal["waiting", "approved", "refused", "used", "expired"]
    principal: str
    on_behalf_of: list[str]
    makers: list[str]
    use_case: str
    verb: str
    resource: str
    labels: str
    details: dict[str, str]
    rules: list[ApprovalRule]
    policy_version: str
    record: str
    requested_at: datetime
    expires_at: datetime
    approver: str | None
    decided_at: datetime | None
    reason: str
    used_at: datetime | None
    can_decide: bool


class ApprovalList(Schema, frozen=True, kw_only=True):
    """A page of requests, newest first; `next` is the cursor of the following page."""

    approvals: list[ApprovalView]
    next: str | None


class ApprovalDetail(Schema, frozen=True, kw_only=True):
    """One request with what would be sent: `content` says whether it is shown, withheld from this reader, or absent."""

    approval: ApprovalView
    content: Literal["shown", "withheld", "absent"]
    parts: list[PartView]


class ApprovalDecision(Schema, frozen=True, kw_only=True):
    """Why it is approved or refused, for whoever looks later."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class ConfigText(Schema, frozen=True, kw_only=True):
    """A declarative file; `file` is its name in errors."""

    toml: Annotated[str, msgspec.Meta(max_length=4_000_000)]
    file: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] = "headgate.toml"


class ChangeView(Schema, frozen=True, kw_only=True):
    """One line of a plan."""

    section: str
    id: str
    does: str
    detail: str


class ConfigPlan(Schema, frozen=True, kw_only=True):
    """What applying the file changes, or changed."""

    changes: list[ChangeView]
    applied: bool
    record: str | None = None


class EntryBody(Schema, frozen=True, kw_only=True):
    """One entry of a section, with the keys that it has in `headgate.toml`; the id is the path's."""

    entry: dict[str, Any]


class EntryView(Schema, frozen=True, kw_only=True):
    """One entry, as a table of the file."""

    section: str
    entry: dict[str, Any]


class EntryList(Schema, frozen=True, kw_only=True):
    """The entries of a section by id, as tables of the file."""

    section: str
    entries: list[dict[str, Any]]
