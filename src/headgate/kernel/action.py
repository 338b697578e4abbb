"""Actions: a typed verb, run by a principal on a resource in a context."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Generic, Literal, Protocol, Self, TypeGuard, TypeVar, cast

from headgate.kernel.content import Content, Labelled
from headgate.kernel.decision import NO_OBLIGATIONS, Obligations
from headgate.kernel.identity import Principal, RecordId, UseCase
from headgate.kernel.labels import BOTTOM, EVERYTHING, Clearance, Labels
from headgate.kernel.record import Fact

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - the field's letter for an item, beside P and R
R = TypeVar("R")

VerbEffect = Literal["plan", "read", "write", "send"]


AttributeType = type[int] | type[str] | type[bool] | type[frozenset[str]] | Mapping[str, "AttributeType"]
"""The type of an attribute in rules: number, string, boolean, set of strings, or record."""

AttributeValue = str | int | bool | frozenset[str] | Mapping[str, "AttributeValue"]


@dataclass(frozen=True, slots=True)
class Verb(Generic[P, I, R]):
    """A verb, with the types of its payload, its stream items and its result.

    Args:
        effect: the kind of effect. A `plan` only runs other actions, so it may start before its
            record is on disk. For `read`, `write` and `send` the record must be on disk first.
        units: the units that its performer counts: each is an amount of `Measures` and a fact of
            the record.
        title: the verb in words for people, such as "Make a key".
        on: the usual kind of resource; by default the first part of the name.
        groups: groups of verbs that rules can refer to, such as `administer`.
        attributes: the typed attributes of its resource; rules refer to them as `resource.NAME`.
        part_of: the verb of the plan whose measures include those of this verb's actions, so that
            usage counts them once; empty without one.
    """

    name: str
    payload: type[P]
    item: type[I]
    result: type[R]
    effect: VerbEffect = "send"
    units: tuple[str, ...] = ()
    title: str = ""
    on: str = ""
    groups: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeType] = field(default_factory=dict[str, AttributeType], hash=False)
    part_of: str = ""

    @property
    def usual(self) -> str:
        """The usual kind of resource."""
        return self.on or self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Resource:
    """The object of an action. Policies can refer to its `attributes`."""

    kind: str
    id: str
    clearance: Clearance = EVERYTHING
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of an action.

    Args:
        use_case: the registered purpose.
        floor: labels that the caller raised by header.
        parent: the record of the enclosing action.
        root: the first record of the chain; with `parent` None, the action's own.
        record: the record id taken over from the enclosing plan, or None for a new one.
        inherited: the parent's labelling of the same content, so that it is scanned once.
        obligations: of the enclosing actions, which apply to this one too.
        grant: id of an approval to redeem.
        deadline_s: the deadline on the clock's monotonic scale, or None. No action starts after its
            deadline. A running one is stopped then; a stream stops when its performer waits for the
            next item.
        attributes: further attributes for policies, such as the channel.
        facts: facts for the record of the action, and of the actions within it. Policies do not see them.
        started_s: the start of the plan whose record this action took over, on the clock's monotonic
            scale; None if the action starts by itself.
    """

    use_case: UseCase
    floor: Labels = BOTTOM
    parent: RecordId | None = None
    root: RecordId | None = None
    record: RecordId | None = None
    inherited: Labelled | None = None
    obligations: Obligations = NO_OBLIGATIONS
    grant: str | None = None
    deadline_s: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    facts: Mapping[str, Fact] = field(default_factory=dict[str, Fact])
    started_s: float | None = None


class Carrier(Protocol):
    """A payload or result with content for labelling and transformation."""

    @property
    def content(self) -> Content:
        """The content."""
        ...

    def with_content(self, content: Content) -> Self:
        """Return the same with another content."""
        ...


class Addressed(Protocol):
    """A payload that knows more of its destination than the id, such as its URL."""

    @property
    def address(self) -> Mapping[str, str]:
        """The destination's details by name: equal in every process, without secrets."""
        ...


def address_of(payload: object) -> Mapping[str, str]:
    """Return the details of a payload's destination; empty for a payload that knows only the id."""
    address: Mapping[str, str] = getattr(payload, "address", _NOWHERE)
    return address


def is_carrier(payload: object) -> TypeGuard[Carrier]:
    """Tell whether a payload or result carries content.

    It looks at one attribute only, because the pipeline asks several times a call.
    """
    return hasattr(payload, "with_content")


@dataclass(frozen=True, slots=True)
class Action(Generic[P, I, R]):
    """One effect, run by one principal on one resource in one context."""

    verb: Verb[P, I, R]
    principal: Principal
    resource: Resource
    payload: P
    context: Context

    def with_payload(self, payload: P) -> Action[P, I, R]:
        """Return the action with its final payload."""
        return replace(self, payload=payload)

    def digest(self, *, labels: Labels, policy_version: str) -> bytes:
        """Return the SHA-256 that a grant is bound to.

        It covers principal, verb, final arguments, labels, destination and policy version: an
        approval is void when one of these changes. The destination is its id and its current
        address.
        """
        content = self.payload.content.to_bytes() if is_carrier(self.payload) else canonical(self.payload).encode()
        parts = {
            "tenant": self.principal.tenant,
            "principal": self.principal.id,
            "on_behalf_of": list(self.principal.on_behalf_of),
            "use_case": self.context.use_case.id,
            "verb": self.verb.name,
            "arguments": hashlib.sha256(content).hexdigest(),
            "labels": str(labels),
            "destination": [self.resource.kind, self.resource.id, dict(address_of(self.payload))],
            "attributes": canonical(self.resource.attributes),
            "policy": policy_version,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


_NOWHERE: Mapping[str, str] = {}


def canonical(value: object) -> str:
    """Return a text of a payload that is the same in every process: sets and mappings have an order.

    Fields that a dataclass leaves out of its `repr` are left out.
    """
    if is_dataclass(value) and not isinstance(value, type):
        named = ((one.name, getattr(value, one.name)) for one in fields(value) if one.repr)
        return f"{type(value).__name__}({', '.join(f'{name}={canonical(inner)}' for name, inner in named)})"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return "{" + ", ".join(sorted(f"{canonical(name)}: {canonical(inner)}" for name, inner in pairs)) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(canonical, cast("frozenset[object]", value)))) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(canonical, cast("tuple[object, ...]", value))) + "]"
    return repr(value)
