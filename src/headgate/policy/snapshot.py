"""The snapshot: the configuration of policy and keys as one immutable object in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple

from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.kernel.identity import RiskClass, TenantId, UseCase
from headgate.kernel.ports import Clock
from headgate.policy.baseline import BASELINE, Baseline
from headgate.policy.engine import Engine, compile_rules
from headgate.policy.entities import (
    ADMINISTRATION,
    DEFAULT_TENANT,
    HEADGATE,
    ApiKey,
    Authenticated,
    CustomPolicy,
    DigestAlgorithm,
    RegisteredPrincipal,
)
from headgate.policy.rules import checked_rules

MAX_AGE: Mapping[RiskClass, timedelta] = MappingProxyType(
    {"minimal": timedelta(hours=1), "limited": timedelta(minutes=15), "high": timedelta(seconds=60)}
)
"""Largest age of a snapshot since the database confirmed it. During an outage of the database, a revoked key or a
stricter rule takes effect after this time at the latest."""


class Unreadable(NamedTuple):
    """A stored entry that this version cannot read. `why` contains none of its values."""

    kind: str
    id: str
    why: str


@dataclass(frozen=True, slots=True)
class TenantContents:
    """The stored entries of a tenant. Unreadable entries are only named."""

    tenant: TenantId
    use_cases: tuple[UseCase, ...] = ()
    principals: tuple[RegisteredPrincipal, ...] = ()
    keys: tuple[ApiKey, ...] = ()
    policies: tuple[CustomPolicy, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """A tenant's compiled configuration.

    Args:
        keys: active keys by id.
        policies: the tenant's own, in addition to the baseline.
        policy_version: of the rules, for records. It changes only when a rule changes.
        fault: the fault in the tenant's own policies, or None. With a fault, `engine` has the baseline only.
        unreadable: stored entries that are left out. Leaving them out never allows more.
    """

    id: TenantId
    use_cases: Mapping[str, UseCase]
    principals: Mapping[str, RegisteredPrincipal]
    keys: Mapping[str, ApiKey]
    policies: tuple[CustomPolicy, ...]
    engine: Engine
    policy_version: str
    fault: str | None = None
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything, at one version of the configuration.

    Args:
        version: of the configuration, counted by the database.
        keys: of all tenants, by algorithm and digest.
        algorithms: digest algorithms of the stored keys.
        authenticated: cache of `keys.authenticate`, by key id.
    """

    version: int
    tenants: Mapping[TenantId, TenantPolicy]
    keys: Mapping[tuple[DigestAlgorithm, bytes], ApiKey]
    algorithms: tuple[DigestAlgorithm, ...]
    authenticated: dict[str, Authenticated] = field(default_factory=dict[str, Authenticated], compare=False)


class _Compiled(NamedTuple):
    engine: Engine
    fault: str | None


def build_snapshot(
    contents: Iterable[TenantContents], *, baseline: Baseline, version: int, previous: Snapshot | None = None
) -> Snapshot:
    """Compile the stored entries. A tenant with a faulty policy gets a `fault`; other tenants are not affected.

    Args:
        previous: a snapshot of the same baseline. Its engines are reused for unchanged policies, because
            compiling takes about half a millisecond per rule.
    """
    known = {
        (tenant.policies, _lost_policies(tenant)): _Compiled(tenant.engine, tenant.fault)
        for tenant in _tenants_of(previous)
    }
    tenants: dict[TenantId, TenantPolicy] = {}
    for content in contents:
        key = (content.policies, _lost_policies(content))
        compiled = known[key] = known.get(key) or _compiled(content, baseline)
        tenants[content.tenant] = _tenant(content, compiled, baseline)
    every = {key.id: key for tenant in tenants.values() for key in tenant.keys.values()}
    keys: dict[tuple[DigestAlgorithm, bytes], ApiKey] = {(key.algorithm, key.digest): key for key in every.values()}
    return Snapshot(version, tenants, keys, tuple(dict.fromkeys(key.algorithm for key in every.values())))


def baseline_snapshot(baseline: Baseline) -> Snapshot:
    """Return a snapshot with the default tenant in its initial state: no principals, no policies."""
    use_case = UseCase(ADMINISTRATION, DEFAULT_TENANT, owner=HEADGATE, purpose="Administer Headgate", risk="high")
    return build_snapshot([TenantContents(DEFAULT_TENANT, (use_case,))], baseline=baseline, version=0)


def compile_policies(policies: Iterable[CustomPolicy], baseline: Baseline) -> Engine:
    """Compile the baseline and a tenant's own policies.

    Raises:
        Invalid: a policy is not valid; the message names the rule and the fault.
        Conflict: two rules have the same id.
    """
    own = [checked_rules(policy.text, baseline.schema, source=policy.source_name) for policy in policies]
    return compile_rules([baseline.rules, *own], schema=baseline.schema)


def _tenants_of(snapshot: Snapshot | None) -> Iterable[TenantPolicy]:
    return () if snapshot is None else snapshot.tenants.values()


def _lost_policies(content: TenantContents | TenantPolicy) -> tuple[Unreadable, ...]:
    return tuple(one for one in content.unreadable if one.kind == "policy")


def _compiled(content: TenantContents, baseline: Baseline) -> _Compiled:
    if lost := _lost_policies(content):
        # The unreadable policy may forbid something, so the other policies alone could allow too much.
        return _Compiled(compile_policies((), baseline), f"policy {lost[0].id} cannot be read: {lost[0].why}")
    try:
        return _Compiled(compile_policies(content.policies, baseline), None)
    except HeadgateError as error:
        # Policies are checked on saving, but an upgrade or a manual change of the database can break them.
        return _Compiled(compile_policies((), baseline), error.message)


def _tenant(content: TenantContents, compiled: _Compiled, baseline: Baseline) -> TenantPolicy:
    return TenantPolicy(
        id=content.tenant,
        use_cases={use_case.id: use_case for use_case in content.use_cases},
        principals={principal.id: principal for principal in content.principals},
        keys={key.id: key for key in content.keys if key.revoked_at is None},
        policies=content.policies,
        engine=compiled.engine,
        policy_version=f"{BASELINE}+{compiled.engine.digest}",
        fault=compiled.fault,
        unreadable=content.unreadable,
    )


class SnapshotHolder:
    """Holds the current snapshot and the time of its last confirmation. For one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: Snapshot | None = None
        self._confirmed_s = 0.0

    @property
    def current(self) -> Snapshot:
        """The snapshot, whatever its age.

        Raises:
            Unavailable: none has been loaded yet.
        """
        if self._current is None:
            raise Unavailable("policies are still loading; try again in a moment", retry_after_s=1)
        return self._current

    @property
    def latest(self) -> Snapshot | None:
        """The snapshot, or None before the first."""
        return self._current

    def now_s(self) -> float:
        """Return the clock's time, to be taken before a query and passed as `asked_s`."""
        return self._clock.monotonic()

    def swap(self, snapshot: Snapshot, *, asked_s: float) -> None:
        """Replace the snapshot. `asked_s` is the time of the query."""
        self._current = snapshot
        self.confirm(asked_s)

    def confirm(self, asked_s: float) -> None:
        """Note that the database still has the snapshot's version.

        The age counts from the time of the query, because a late result may be outdated.
        """
        self._confirmed_s = asked_s

    def age_s(self) -> float:
        """Return the seconds since the last query that confirmed the snapshot."""
        return self._clock.monotonic() - self._confirmed_s

    def for_risk(self, risk: RiskClass) -> Snapshot:
        """Return the snapshot if it is fresh enough for the risk class.

        Raises:
            Unavailable: it is older than `MAX_AGE` allows, or none has been loaded.
        """
        limit_s = _MAX_AGE_S[risk]
        if self._current is None or self._clock.monotonic() - self._confirmed_s > limit_s:
            raise self._too_old(risk)
        return self._current

    def _too_old(self, risk: RiskClass) -> Unavailable:
        snapshot = self.current
        return Unavailable(
            f"the database confirmed policies (version {snapshot.version}) {self.age_s():.0f} s ago; use cases of "
            f"risk class {risk} allow {_MAX_AGE_S[risk]:.0f} s; restore the database connection",
            retry_after_s=5,
        )


_MAX_AGE_S: Mapping[RiskClass, float] = {risk: age.total_seconds() for risk, age in MAX_AGE.items()}
