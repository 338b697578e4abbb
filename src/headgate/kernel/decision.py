"""What policy says of an action: an effect, the rules behind it, and the obligations that come with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Literal, NamedTuple

from headgate.kernel.labels import EMPTY, Custody


class Effect(IntEnum):
    """What is decided; of several, the highest holds: deny > ask > allow."""

    ALLOW = 0
    ASK = 1
    DENY = 2


Mode = Literal["observe", "enforce"]


class LogLevel(IntEnum):
    """How much of the content is sealed with the record; of several, the highest holds (less is kept)."""

    FULL = 0
    MASKED = 1
    NONE = 2


@dataclass(frozen=True, slots=True)
class Obligations:
    """What must be done when the action is performed; unioned, the strictest wins.

    Args:
        mask: categories whose findings are replaced by reversible pseudonyms.
        restrict: custody that the destination must have.
        cap_output_tokens: the most tokens that may be generated, or None.
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


NOTHING_ALLOWS = "No rule allows this action. Ask an administrator for access."
"""Message of a refusal without a refusing rule, where the decision has no better advice."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may this be done, and how?".

    Args:
        effect: what holds after observing rules were set aside.
        rules: every rule that matched, observing ones included.
        obligations: what must be done.
        observed: what the observing rules would have added to `obligations`.
        would: the effect if every rule were enforced.
        version: of the policies, for the record.
        valid_until: until when it may be cached, or None for as long as the version holds.
        advice: what a refused caller can do, such as whom to ask. It may name people, so records leave it out.
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


@dataclass(frozen=True, slots=True)
class Grant:
    """A person's approval of one action: single use, expiring, bound to the action's digest."""

    id: str
    digest: bytes
    approver: str
    expires_at: datetime
