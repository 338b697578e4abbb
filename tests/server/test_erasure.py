"""Erasure of the content of records: by an administrator for past days, and by Headgate after the retention."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headgate.kernel.identity import TenantId
from headgate.ledger.erasure import Eraser
from headgate.ledger.keys import FileKeyRing
from headgate.policy.entities import DEFAULT_TENANT
from headgate.substrate.clock import SystemClock
from headgate.testing.house import House


@dataclass(frozen=True)
class Ahead:
    """A clock that is some days ahead."""

    days: int

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.days)

    def monotonic(self) -> float:
        return 0.0


def ring_of(house: House) -> FileKeyRing:
    return FileKeyRing(house.worker.base.secrets_folder / "sealing")


async def test_an_administrator_erases_past_days_of_one_tenant_and_nobody_else_does(house: House):
    ring = ring_of(house)
    for partition in ("default.2020-01-01", "default.2020-01-02", "default.2020-01-03", "default.eu.2020-01-01"):
        ring.create(partition)
    body = {"before": "2020-01-03"}
    async with house.client(await house.register("olga", "auditor")) as client:
        assert (await client.post("/api/records/erase", json=body)).status_code == 403
    async with house.admin as client:
        answer = await client.post("/api/records/erase", json=body)
        again = await client.post("/api/records/erase", json=body)
    assert answer.json()["days"] == ["2020-01-01", "2020-01-02"]
    assert "backups" in answer.json()["covers"]
    assert again.json() == {"days": [], "covers": "", "answers": 0}
    left = [partition for partition in ring.partitions() if "2020" in partition]
    assert left == ["default.2020-01-03", "default.eu.2020-01-01"]
    done = [one for one in await house.records(verb="record.erase") if one["outcome"] == "done"]
    assert [one["facts"]["days"] for one in done] == [0, 2]
    assert done[1]["facts"]["before"] == "2020-01-03"


async def test_days_whose_calls_may_still_be_running_are_refused(house: House):
    async with house.admin as client:
        for before in (datetime.now(UTC).date(), datetime.now(UTC).date() + timedelta(days=1)):
            answer = await client.post("/api/records/erase", json={"before": str(before)})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "before")
        assert (await client.post("/api/records/erase", json={"before": "soon"})).status_code == 400


async def test_after_its_retention_headgate_erases_content_and_leaves_the_record(house: House):
    async with house.client(house.admin_key) as client:
        body = {"model": "local-chat", "messages": [{"role": "user", "content": "the content"}]}
        await client.post("/v1/chat/completions", json=body)
    (called,) = [one for one in await house.records() if one["verb"] in ("model.invoke", "model.dispatch")]
    eraser = Eraser(ring_of(house), Ahead(30))
    pipeline, action = house.worker.pipeline, house.worker.platform.job_action

    await eraser.erase_old(DEFAULT_TENANT, pipeline, action=action, content_days=31)
    assert await house.records(verb="record.erase") == []

    await eraser.erase_old(DEFAULT_TENANT, pipeline, action=action, content_days=29)
    (erasure,) = await house.records(verb="record.erase")
    assert (erasure["use_case"], erasure["outcome"], erasure["facts"]["days"]) == ("jobs", "done", 1)
    async with house.admin as client:
        shown = (await client.get(f"/api/records/{called['id']}")).json()
    assert shown["record"]["id"] == called["id"]
    assert {(part["erased"], part["text"]) for part in shown["parts"]} == {(True, None)}


async def test_a_tenant_that_is_gone_does_not_keep_others_content(house: House):
    ring = ring_of(house)
    ring.create("gone.2020-01-01")
    ring.create("default.2020-01-01")
    erasing = asyncio.create_task(
        Eraser(ring, SystemClock()).run_forever(
            house.worker.pipeline,
            action=house.worker.platform.job_action,
            tenants=lambda: [TenantId("gone"), DEFAULT_TENANT],
            content_days=30,
        )
    )
    async with asyncio.timeout(30):
        while "default.2020-01-01" in ring.partitions():  # noqa: ASYNC110 - the folder is all that can be seen
            await asyncio.sleep(0)
    erasing.cancel()
    assert "gone.2020-01-01" in ring.partitions()
