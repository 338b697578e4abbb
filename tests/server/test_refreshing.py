"""What cannot be read in the database harms nothing else, and is named; what fails as a whole keeps what there was."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from headgate.admin.features import Opened
from headgate.assembly import Refreshing
from headgate.policy.entities import DEFAULT_TENANT
from headgate.policy.parts import Policy
from headgate.substrate.background_jobs import keep_running
from headgate.testing.house import House

BAD_ROWS = {
    "use_case odd": """
        ALTER TABLE policy.use_cases DROP CONSTRAINT use_cases_expires_at_check;
        INSERT INTO policy.use_cases (tenant, id, owner, purpose, risk, expires_at)
        VALUES ('default', 'odd', 'o', 'p', 'limited', 'infinity')""",
    "principal odd": """
        ALTER TABLE policy.principals DROP CONSTRAINT principals_level_check;
        INSERT INTO policy.principals (tenant, id, kind, level) VALUES ('default', 'odd', 'person', 9)""",
    "policy odd": """
        INSERT INTO policy.policies (tenant, id, text, updated_by, updated_at)
        VALUES ('default', 'odd', 'permit (principal, action, resource);', 'x', 'infinity')""",
    "deployment odd": "INSERT INTO gateway.deployments (tenant, id, spec) VALUES ('default', 'odd', '[1]')",
    "alias odd": "INSERT INTO gateway.aliases (tenant, id, spec) VALUES ('default', 'odd', '{\"id\": 3}')",
}


@pytest.mark.parametrize("name", BAD_ROWS)
async def test_one_row_that_cannot_be_read_is_left_out_and_named(house: House, name: str) -> None:
    _execute(house, BAD_ROWS[name])
    await house.worker.refresh()
    async with house.admin as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["left_out"]) == (200, [f"default: {name}"])
        assert 'headgate_entries_left_out{worker="' in (await client.get("/metrics")).text
        changed = await client.put("/api/entries/person/ann", json={"entry": {}})
        call = {"model": "nothing", "messages": [{"role": "user", "content": "hello"}]}
        called = await client.post("/v1/chat/completions", json=call)
    assert changed.status_code == 200, changed.text
    # A policy that cannot be read may be one that forbids: models wait until it is mended.
    assert called.status_code == (400 if name == "policy odd" else 404)


async def test_a_change_that_could_not_be_read_back_is_refused(house: House) -> None:
    _execute(house, "ALTER TABLE policy.use_cases DROP CONSTRAINT use_cases_expires_at_check")
    _execute(
        house,
        """CREATE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.expires_at := 'infinity'; RETURN NEW; END $$;
        CREATE TRIGGER spoil BEFORE INSERT ON policy.use_cases FOR EACH ROW EXECUTE FUNCTION public.spoil()""",
    )
    async with house.admin as client:
        refused = await client.put("/api/entries/use_case/odd", json={"entry": {"owner": "o", "purpose": "p"}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")


async def test_a_refresh_that_fails_keeps_what_there_was_says_why_once_and_goes_on(house: House) -> None:
    worker, holder = house.worker, house.worker.service(Policy).holder
    refreshing = Refreshing(worker.platform.database, worker.opened, then=worker.pipeline.review)
    await refreshing.look()
    before = holder.current
    _execute(house, "ALTER TABLE policy.principals RENAME TO principals_away; UPDATE policy.versions SET version = 99")
    with capture_logs() as logs:
        for _ in range(3):
            await refreshing.look()
        assert holder.current is before
        _execute(house, "ALTER TABLE policy.principals_away RENAME TO principals")
        await refreshing.look()
    assert holder.current.version == 99
    assert DEFAULT_TENANT in holder.current.tenants
    # The worker's own refresher may say it too, once.
    events = [line["event"] for line in logs]
    assert events[0] == "policy_not_refreshed" and "policy_not_refreshed_over" in events
    assert events.count("policy_not_refreshed") <= 2


async def test_a_change_wakes_the_refresher_long_before_its_next_look(house: House) -> None:
    looked = asyncio.Queue[None]()

    async def look() -> None:
        looked.put_nowait(None)

    refreshing = Refreshing(house.worker.platform.database, {"mine": Opened(refresh=look)}, then=lambda: None)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(refreshing.run_forever(poll_s=600))
        await looked.get()
        async with house.admin as client:
            assert (await client.put("/api/entries/person/ann", json={"entry": {}})).status_code == 200
        await looked.get()
        task.cancel()


async def test_a_job_goes_on_after_any_error_and_says_each_cause_once() -> None:
    runs = 0
    done = asyncio.Event()

    async def job() -> None:
        nonlocal runs
        runs += 1
        if runs == 5:
            done.set()
            await asyncio.Event().wait()
        raise {1: ValueError("a"), 2: ValueError("a"), 3: KeyError("b")}.get(runs, OSError("c"))

    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(keep_running("a job", job, pauses_s=(0.0,)))
            await done.wait()
            task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    found: list[Any] = [type(line["exc_info"]) for line in logs]
    assert found == [ValueError, KeyError, OSError]


def _execute(house: House, sql: str) -> None:
    with psycopg.connect(house.database.owner.conninfo, autocommit=True) as owner:
        owner.execute(sql.encode())
