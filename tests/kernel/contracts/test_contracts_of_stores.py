"""The implementations that need PostgreSQL keep the same contracts as the fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headgate.kernel.identity import Principal
from headgate.policy.approvals import Approval, PolicyApprovals, decide
from headgate.substrate.clock import SystemIds
from headgate.substrate.database import Database, PoolLimits, Transaction
from headgate.testing.clock import FakeClock
from headgate.testing.people import ACME
from headgate.testing.port_contracts import ApprovalsContract, ApprovalsUnderTest
from headgate.testing.postgres import TemporaryDatabase


class TestPolicyApprovals(ApprovalsContract):
    @pytest.fixture
    async def approvals(self, fresh_database: TemporaryDatabase) -> AsyncIterator[ApprovalsUnderTest]:
        clock = FakeClock()
        async with (
            Database(fresh_database.login["headgate_app"], limits=PoolLimits(size=4)) as database,
            Database(fresh_database.login["headgate_admin"], limits=PoolLimits(size=1)) as administration,
        ):
            async with administration.transaction(tenant=ACME) as tx:
                await tx.execute("INSERT INTO policy.tenants (id) VALUES (%s)", (ACME,))

            async def approve(approval_id: str, approver: str) -> str:
                person = Principal(approver, ACME, kind="person")
                async with administration.transaction(tenant=ACME) as tx:
                    await decide(tx, approval_id, approver=person, approved=True, now=clock.now())
                return approval_id

            async def expire() -> None:
                clock.advance(25 * 3600)

            async def asked(approval: Approval, transaction: Transaction) -> None: ...

            approvals = PolicyApprovals(database, clock=clock, ids=SystemIds(), asked=asked)
            yield ApprovalsUnderTest(approvals, approve, expire)
