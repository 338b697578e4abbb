"""Policy's decision about an action: an effect, the matching rules, and the obligations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from headgate.kernel.labels import EMPTY, Custody


class Effect(IntEnum):
    """The outcome of a decision. The highest of several wins: deny > ask > allow."""

    ALLOW = 0
    ASK = 1
    DENY = 2


Mode = Literal["observe", "enforce"]


class LogLevel(IntEnum):
    """How much content the record keeps. The highest of several wins, which keeps the least."""

    FULL = 0
    MASKED = 1
    NONE = 2


@dataclass(frozen=True, slots=True)
class Obligations:
    """Duties that apply when the action runs. In a union the strictest duty wins.

    Args:
        mask: categories whose findings become reversible pseudonyms.
        restrict: custody that the destination must have.
        cap_output_tokens: the maximum number of generated tokens, or None.
        log: how much content the record keeps.
    """

    mask: frozenset[str] = EMPTY
    restrict: Custody = Custody.ANY
    cap_output_tokens: int | None = None
    log: LogLevel = LogLevel.FULL

    def __or__(self, other: Obligations) -> Obligations:
        caps = [cap for cap in (self.cap_output_tokens, other.cap_output_tokens) if cap is not None]
        return Obligations(
            mask=self.mask | other.mask,
            restrict=max(self.restrict, other.restrict),
            cap_output_tokens=min(caps) if caps else None,
            log=max(self.log, other.log),
        )


NO_OBLIGATIONS = Obligations()


class RuleHit(NamedTuple):
    """One rule that matched: `does` is `deny`, `ask`, `allow` or `duty`; `reason` is for people."""

    id: str
    does: Literal["deny", "ask", "allow", "duty"]
    mode: Mode
    reason: str


FLOW_RULE = "lattice.flow"
PRICE_RULE = "budget.unknown-price"

CHECKS: Mapping[str, str] = MappingProxyType(
    {
        FLOW_RULE: "content goes only where a clearance covers its labels",
        PRICE_RULE: "a key with a limit of money calls only models with a known price",
        "limit.requests": "a key makes at most as many requests a minute as its limit says",
        "limit.cost": "a key spends at most as much a day as its limit says",
    }
)
"""The checks in the code that refuse under a name, as rules do, with their reasons. They are always enforced."""


def effect_of(does: Collection[str]) -> Effect:
    """Return the effect of rules from what each of them does. Without an `allow` nothing is allowed."""
    if "deny" in does or "allow" not in does:
        return Effect.DENY
    return Effect.ASK if "ask" in does else Effect.ALLOW


NOTHING_ALLOWS = "No rule allows this action. Ask an administrator for access."
"""Message of a refusal without a refusing rule, where the decision has no better advice."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may this be done, and how?".

    Args:
        effect: the effect of the enforced rules.
        rules: every rule that matched, including observing ones.
        obligations: the duties of the enforced rules.
        observed: duties that the observing rules would add to `obligations`.
        would: the effect if every rule were enforced.
        version: of the policies, for the record.
        valid_until: expiry for caches, or None for as long as the version holds.
        advice: the next step for a refused caller, such as a person to ask. Records leave it out,
            because it may name people.
    """

    effect: Effect
    rules: tuple[RuleHit, ...] = ()
    obligations: Obligations = NO_OBLIGATIONS
    observed: Obligations = NO_OBLIGATIONS
    would: Effect = Effect.ALLOW
    version: str = ""
    valid_until: datetime | None = None
    advice: str = ""

    @property
    def refusing(self) -> tuple[RuleHit, ...]:
        """The enforced rules that denied or asked."""
        return tuple(rule for rule in self.rules if rule.mode == "enforce" and rule.does in ("deny", "ask"))

    @property
    def refusing_ids(self) -> tuple[str, ...]:
        """The ids of the refusing rules."""
        return tuple(rule.id for rule in self.refusing)

    @property
    def reasons(self) -> str:
        """The refusing rules with their reasons, as `id (reason); id (reason)`; empty if there are none."""
        return "; ".join(f"{rule.id} ({rule.reason})" for rule in self.refusing)


@dataclass(frozen=True, slots=True)
class Grant:
    """A person's approval of one action: single use, expiring, bound to the action's digest."""

    id: str
    digest: bytes
    approver: str
    expires_at: datetime
