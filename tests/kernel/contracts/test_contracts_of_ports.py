"""The fakes, and the real ones that need nothing else, keep the contracts of the ports."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from headgate.kernel.ports import Clock, Ids, Recorder
from headgate.substrate.clock import SystemClock, SystemIds
from headgate.testing.clock import FakeClock, FakeIds
from headgate.testing.people import ACME, GLOBEX
from headgate.testing.port_contracts import (
    ApprovalsContract,
    ApprovalsUnderTest,
    ClockContract,
    ConfigSectionContract,
    IdsContract,
    RecorderContract,
    RecordsContract,
    RecordsUnderTest,
    SectionUnderTest,
    closing,
    opening,
)
from headgate.testing.ports import FakeApprovals, FakeConfigSection, FakeRecorder


class TestClocks(ClockContract):
    @pytest.fixture(params=[FakeClock, SystemClock])
    def clock(self, request: pytest.FixtureRequest) -> Clock:
        return request.param()


class TestIds(IdsContract):
    @pytest.fixture(params=[FakeIds, SystemIds])
    def ids(self, request: pytest.FixtureRequest) -> Ids:
        return request.param()


class TestFakeApprovals(ApprovalsContract):
    @pytest.fixture
    def approvals(self) -> ApprovalsUnderTest:
        clock = FakeClock()
        fake = FakeApprovals(clock=clock, ids=FakeIds())

        async def approve(approval_id: str, approver: str) -> str:
            return fake.approve(approval_id, approver=approver)

        async def expire() -> None:
            clock.advance(3601)

        return ApprovalsUnderTest(fake, approve, expire)


class TestFakeRecorder(RecorderContract):
    @pytest.fixture
    def recorder(self) -> Recorder:
        return FakeRecorder()


class TestFakeRecords(RecordsContract):
    @pytest.fixture
    def feed(self) -> RecordsUnderTest:
        fake = FakeRecorder()
        for place, tenant in enumerate((ACME, GLOBEX, ACME, ACME)):
            fake.open(opening(f"r{place}", tenant=tenant))
            fake.close(closing(f"r{place}", tenant=tenant))
        return RecordsUnderTest(fake)


class TestFakeConfigSection(ConfigSectionContract):
    @pytest.fixture
    def subject(self) -> SectionUnderTest:
        return SectionUnderTest(
            section=FakeConfigSection("thing"),
            one=[{"id": "a"}, {"id": "b", "size": 1}],
            other=[{"id": "b", "size": 2}],
            invalid=[{"size": 1}],
            transaction=lambda tenant: nullcontext(),
            document={},
        )


def test_a_fake_clock_only_goes_forward() -> None:
    clock = FakeClock()
    clock.advance(1.5)
    assert clock.monotonic() == 1.5
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)


def test_a_fake_recorder_notices_who_opens_or_closes_twice() -> None:
    fake = FakeRecorder()
    with pytest.raises(AssertionError, match="never opened"):
        fake.close(closing("r"))
    fake.open(opening("r"))
    with pytest.raises(AssertionError, match="opened twice"):
        fake.open(opening("r"))
    fake.close(closing("r"))
    with pytest.raises(AssertionError, match="closed twice"):
        fake.close(closing("r"))
