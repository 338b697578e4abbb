"""How long decisions are made on policies that the database no longer confirms: by the risk of the use case."""

from __future__ import annotations

import pytest

from headgate.features import baseline
from headgate.kernel.errors import Unavailable
from headgate.kernel.identity import RiskClass
from headgate.policy.snapshot import SnapshotHolder, build_snapshot
from headgate.testing.clock import FakeClock

pytestmark = pytest.mark.fault


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def holder(clock: FakeClock) -> SnapshotHolder:
    opened = SnapshotHolder(clock)
    opened.swap(build_snapshot((), baseline=baseline(), version=7), asked_s=clock.monotonic())
    return opened


@pytest.mark.parametrize(("risk", "limit_s"), [("high", 60), ("limited", 15 * 60), ("minimal", 3600)])
def test_a_use_case_is_refused_once_its_policies_are_older_than_its_risk_allows_and_not_before(
    clock: FakeClock, holder: SnapshotHolder, risk: RiskClass, limit_s: int
) -> None:
    clock.advance(limit_s)
    assert holder.for_risk(risk).version == 7
    clock.advance(0.1)
    with pytest.raises(
        Unavailable, match=f"risk class {risk} allow {limit_s} s; restore the database connection"
    ) as found:
        holder.for_risk(risk)
    assert found.value.retry_after_s
    holder.confirm(clock.monotonic())
    assert holder.for_risk(risk).version == 7


def test_use_cases_of_lower_risk_go_on_when_those_of_high_risk_are_refused(
    clock: FakeClock, holder: SnapshotHolder
) -> None:
    clock.advance(61)
    with pytest.raises(Unavailable):
        holder.for_risk("high")
    assert holder.for_risk("limited") is holder.for_risk("minimal")
