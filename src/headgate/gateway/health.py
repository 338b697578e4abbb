"""The health of deployments in one worker, with a circuit breaker for each.

A deployment that failed once is tried last for a short time. After several failures in a row, or when half of its
latest calls failed, its breaker opens: calls skip it while another candidate is left. When the breaker's time is over,
one call tries the deployment. Its answer closes the breaker, and its failure opens it for twice as long.

Entries are for one tenant and one configuration: address, key, network and model. So no tenant marks another tenant's
deployment down, and none learns from the order how others' calls went. People see the board.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from headgate.gateway.routing import Configuration, Skipped, configuration
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.wire.model_call import Deployment

_FAILURES_IN_A_ROW: Final = 3
_LATEST: Final = 20
_FEWEST: Final = 10
_WINDOW_S: Final = 60.0
_OPEN_S: Final = 30.0
_LONGEST_S: Final = 300.0
_TRIAL_S: Final = 120.0
"""A trial without an outcome, such as a very slow one, blocks the next one for this time."""
_MOST_KNOWN: Final = 4096

OnOpen = Callable[[Deployment, TenantId, datetime, datetime], None]
"""Hears that a breaker opened, since when, and until when."""


class Ordered(NamedTuple):
    """Candidates by health, and those that an open breaker removed."""

    candidates: tuple[Deployment, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(slots=True)
class _Breaker:
    """The failures of one configuration. `latest` has the outcomes with their times; True is an answer."""

    rests_until_s: float = 0.0
    in_a_row: int = 0
    latest: deque[tuple[float, bool]] = field(default_factory=lambda: deque[tuple[float, bool]](maxlen=_LATEST))
    since: datetime | None = None
    open_s: float = _OPEN_S
    until_s: float = 0.0
    trial_until_s: float = 0.0

    def is_failing(self, now_s: float) -> bool:
        """Whether its failures are enough to open it."""
        fresh = [ok for at_s, ok in self.latest if now_s - at_s <= _WINDOW_S]
        is_half = len(fresh) >= _FEWEST and fresh.count(False) * 2 >= len(fresh)
        return self.in_a_row >= _FAILURES_IN_A_ROW or is_half

    def may_try(self, now_s: float) -> bool:
        """Whether a call may go to it: always while closed, one call after its time while open."""
        return self.since is None or (now_s >= self.until_s and now_s >= self.trial_until_s)


class Health:
    """Tracks failures and breakers. One for a worker; it forgets deployments that answer.

    Args:
        cooldown_s: how long a deployment is tried last after one failure.
        on_open: hears of each breaker that opens.
    """

    def __init__(self, clock: Clock, *, cooldown_s: float = 20.0, on_open: OnOpen | None = None) -> None:
        self._clock = clock
        self._cooldown_s = cooldown_s
        self._on_open = on_open
        self._breakers: dict[Configuration, _Breaker] = {}

    @property
    def is_all_well(self) -> bool:
        """Whether no deployment failed lately."""
        return not self._breakers

    def failed(
        self,
        deployment: Deployment,
        *,
        tenant: TenantId,
        retry_after_s: float | None = None,
        may_be_the_call: bool = False,
    ) -> None:
        """Rest the deployment for its own `retry_after_s` or the default; open its breaker after several failures.

        Args:
            may_be_the_call: whether the call itself may be the cause. Such a failure opens no breaker, because one
                caller could close the deployment to everybody.
        """
        now_s = self._clock.monotonic()
        breaker = self._breaker(configuration(deployment, tenant))
        rest_s = min(retry_after_s if retry_after_s is not None else self._cooldown_s, _LONGEST_S)
        breaker.rests_until_s = now_s + rest_s
        if may_be_the_call and breaker.since is None:
            return
        breaker.in_a_row += 1
        breaker.latest.append((now_s, False))
        if breaker.since is not None:
            if now_s < breaker.until_s:
                return  # a call that began before it opened
            breaker.open_s = min(breaker.open_s * 2, _LONGEST_S)
        elif breaker.is_failing(now_s):
            breaker.since, breaker.open_s = self._clock.now(), _OPEN_S
        else:
            return
        open_s = max(breaker.open_s, rest_s if retry_after_s is not None else 0.0)
        breaker.until_s, breaker.trial_until_s = now_s + open_s, 0.0
        if self._on_open is not None:
            self._on_open(deployment, tenant, breaker.since, self._clock.now() + timedelta(seconds=open_s))

    def succeeded(self, deployment: Deployment, *, tenant: TenantId) -> None:
        """Note an answer: it ends the deployment's rest and closes its breaker."""
        if not self._breakers:
            return
        key = configuration(deployment, tenant)
        breaker = self._breakers.get(key)
        if breaker is None:
            return
        now_s = self._clock.monotonic()
        if breaker.since is not None:
            del self._breakers[key]
            return
        breaker.latest.append((now_s, True))
        breaker.in_a_row, breaker.rests_until_s = 0, 0.0
        if all(ok or now_s - at_s > _WINDOW_S for at_s, ok in breaker.latest):
            del self._breakers[key]

    def in_order(self, candidates: tuple[Deployment, ...], *, tenant: TenantId) -> Ordered:
        """Return the candidates, those that rest after those that do not, otherwise in the given order.

        Candidates with an open breaker are skipped while another one is left.
        """
        if not self._breakers:
            return Ordered(candidates)
        now_s = self._clock.monotonic()
        kept: list[Deployment] = []
        skipped: list[Skipped] = []
        for one in candidates:
            breaker = self._breakers.get(configuration(one, tenant))
            if breaker is None or breaker.may_try(now_s):
                kept.append(one)
            else:
                skipped.append(Skipped(one.id, _why(breaker)))
        if not kept:
            return Ordered(candidates)
        kept.sort(key=lambda one: self._rests(one, tenant, now_s))
        return Ordered(tuple(kept), tuple(skipped))

    def begins(self, deployment: Deployment, *, tenant: TenantId) -> Skipped | None:
        """Note that a call goes to the deployment; return why it may not, if another call tries it already."""
        breaker = self._breakers.get(configuration(deployment, tenant))
        if breaker is None or breaker.since is None:
            return None
        now_s = self._clock.monotonic()
        if not breaker.may_try(now_s):
            return Skipped(deployment.id, _why(breaker))
        breaker.trial_until_s = now_s + _TRIAL_S
        return None

    def left(self, deployment: Deployment, *, tenant: TenantId) -> None:
        """Note that a call ended without an outcome, such as that of a client that disconnected."""
        breaker = self._breakers.get(configuration(deployment, tenant))
        if breaker is not None:
            breaker.trial_until_s = 0.0

    def _breaker(self, key: Configuration) -> _Breaker:
        found = self._breakers.get(key)
        if found is None:
            if len(self._breakers) >= _MOST_KNOWN:
                del self._breakers[next(iter(self._breakers))]
            found = self._breakers[key] = _Breaker()
        return found

    def _rests(self, deployment: Deployment, tenant: TenantId, now_s: float) -> bool:
        """Whether it failed just now. The trial of a breaker whose time is over has its usual place."""
        breaker = self._breakers.get(configuration(deployment, tenant))
        return breaker is not None and breaker.since is None and breaker.rests_until_s > now_s


def _why(breaker: _Breaker) -> str:
    assert breaker.since is not None
    return f"unhealthy since {breaker.since:%Y-%m-%d %H:%M:%S} UTC"
