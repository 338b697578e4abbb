"""An effect that somebody wants: a typed verb, run by a principal on a resource in a context."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, Protocol, Self, TypeGuard, TypeVar

from headgate.kernel.content import Content, Labelled
from headgate.kernel.decision import NO_OBLIGATIONS, Obligations
from headgate.kernel.identity import Principal, RecordId, UseCase
from headgate.kernel.labels import BOTTOM, EVERYTHING, Clearance, Labels

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - the field's letter for an item, beside P and R
R = TypeVar("R")

VerbEffect = Literal["plan", "read", "write", "send"]


AttributeType = type[int] | type[str] | type[bool] | type[frozenset[str]] | Mapping[str, "AttributeType"]
"""The type of an attribute that rules can ask about: a number, a text, a switch, a set of texts, or a record."""

AttributeValue = str | int | bool | frozenset[str] | Mapping[str, "AttributeValue"]


@dataclass(frozen=True, slots=True)
class Verb(Generic[P, I, R]):
    """What can be done, with the types of its payload, its stream items and its result.

    Args:
        effect: what performing it does by itself. `plan` does nothing but run other actions, so its record need not be
            on disk before it starts; `read`, `write` and `send` must be.
        units: what its performer counts: each is an amount of `Measures` and a fact of the record.
        title: the verb in words for people, such as "Make a key".
        on: the kind of resource that it is usually done to; the noun of its name where that is left out.
        groups: names under which rules can mean it together with other verbs, such as `administer`.
        attributes: the typed attributes of its resource, by name: rules ask for them as `resource.NAME`.
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

    @property
    def usual(self) -> str:
        """The kind of resource that it is usually done to."""
        return self.on or self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Resource:
    """What the action is done to: `attributes` are what policies may ask about."""

    kind: str
    id: str
    clearance: Clearance = EVERYTHING
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of an action.

    Args:
        use_case: the registered purpose that it is bound to.
        floor: labels that the caller raised by header.
        parent: the record of the action that runs this one.
        root: the first record of the chain; with `parent` None, the action's own.
        record: the id that its record gets, where it takes over the one of the plan around it.
        inherited: the parent's labelling of the same content, so that it is scanned once.
        obligations: of the actions around, which hold for this one too.
        grant: id of an approval to redeem.
        deadline_s: when it must be done, on the clock's monotonic scale, or None. Nothing begins after it, and what
            runs then is stopped; a stream, where the performer waits for its next item.
        attributes: what policies may ask about, such as the channel.
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


class Carrier(Protocol):
    """A payload or result that carries content which labelling and transformation work on."""

    @property
    def content(self) -> Content:
        """The content."""
        ...

    def with_content(self, content: Content) -> Self:
        """Return the same with another content."""
        ...


class Addressed(Protocol):
    """A payload that knows what stands behind the id of its destination, such as the address that it is sent to."""

    @property
    def address(self) -> Mapping[str, str]:
        """What it is, by name: the same in every process, no secrets."""
        ...


def address_of(payload: object) -> Mapping[str, str]:
    """Return what a payload knows of its destination beyond the destination's id; nothing where it knows no more."""
    address: Mapping[str, str] = getattr(payload, "address", _NOWHERE)
    return address


def is_carrier(payload: object) -> TypeGuard[Carrier]:
    """Tell whether a payload or result carries content. A look at one attribute: it is asked several times a call."""
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

        It covers principal, verb, final arguments, labels, destination and policy version, so an approval of one of
        these is not an approval of another. The destination is its id and what stands behind that id at this moment.
        """
        content = self.payload.content.to_bytes() if is_carrier(self.payload) else repr(self.payload).encode()
        parts = {
            "tenant": self.principal.tenant,
            "principal": self.principal.id,
            "on_behalf_of": list(self.principal.on_behalf_of),
            "use_case": self.context.use_case.id,
            "verb": self.verb.name,
            "arguments": hashlib.sha256(content).hexdigest(),
            "labels": str(labels),
            "destination": [self.resource.kind, self.resource.id, dict(address_of(self.payload))],
            "policy": policy_version,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


_NOWHERE: Mapping[str, str] = {}
