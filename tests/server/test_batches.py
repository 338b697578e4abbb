"""Batches in one worker: limits are waited for, the rest ends when it must, and no finished line runs twice."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from headgate.batches import service
from headgate.kernel.errors import OverBudget
from headgate.kernel.identity import Principal
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.eventually import eventually
from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script

PATH = "/v1/chat/completions"
STALLED = Script(stall="headers")


def line(name: str, **fields: Any) -> bytes:
    body = {"model": "local-chat", "messages": [{"role": "user", "content": f"Hello {name}"}]}
    return json.dumps({"custom_id": name, "method": "POST", "url": PATH, "body": body, **fields}).encode()


async def upload(client: httpx2.AsyncClient, text: bytes, **fields: str) -> dict[str, Any]:
    data = {"purpose": "batch", **fields}
    answer = await client.post("/v1/files", data=data, files={"file": ("calls.jsonl", text)})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def begin(client: httpx2.AsyncClient, text: bytes) -> str:
    file = await upload(client, text)
    answer = await client.post("/v1/batches", json={"input_file_id": file["id"], "endpoint": PATH})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


async def ended(client: httpx2.AsyncClient, batch: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = (await client.get(f"/v1/batches/{batch}")).json()
        return found if found["status"] in ("completed", "failed", "cancelled", "expired") else None

    return await eventually(look)


async def shown_with(client: httpx2.AsyncClient, path: str, field: str) -> dict[str, Any] | None:
    found = (await client.get(path)).json()
    return found if found[field] is not None else None


async def completed(client: httpx2.AsyncClient, batch: str, *, least: int) -> bool:
    return (await client.get(f"/v1/batches/{batch}")).json()["request_counts"]["completed"] >= least


async def lines_of(client: httpx2.AsyncClient, file: str | None) -> dict[str, dict[str, Any]]:
    if file is None:
        return {}
    answer = await client.get(f"/v1/files/{file}/content")
    assert answer.status_code == 200, answer.text
    return {one["custom_id"]: one for one in map(json.loads, answer.text.splitlines())}


def asked(house: House) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in house.simulator.requests]


async def test_a_limit_that_says_when_to_come_back_is_waited_for_and_a_bad_line_fails_alone(house: House) -> None:
    house.simulator.script(Script(failure=Failure(429, retry_after_s=0.0)), Script(failure=Failure(400)))
    text = b"\n".join([line("one"), line("two"), line("three", body="no body"), line("four")])
    streamed = {"model": "local-chat", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    async with house.client(house.admin_key) as client:
        done = await ended(client, await begin(client, text + b"\n\n" + line("six", body=streamed)))
        answers = await lines_of(client, done["output_file_id"])
        failures = await lines_of(client, done["error_file_id"])
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 5, "completed": 2, "failed": 3})
    assert len(answers) == 2
    assert failures["three"]["response"]["status_code"] == 400
    assert failures["six"]["response"]["body"]["error"]["param"] == "stream"
    (record,) = await house.records(verb="batch.create")
    assert (record["outcome"], record["facts"]["batch"]) == ("done", done["id"])


async def test_a_broken_file_is_refused_as_a_whole_before_any_line_runs(house: House) -> None:
    unknown = {"model": "nobody", "messages": [{"role": "user", "content": "x"}]}
    broken = [
        *(line("one"), b"no json", b'{"custom_id": "three"}', line("one"), line("five", url="/v1/x")),
        *(b"", line("seven", method="GET"), line("eight", body=unknown), line("nine", custom_id=9)),
    ]
    async with house.client(house.admin_key) as client, house.admin as admin:
        done = await ended(client, await begin(client, b"\n".join(broken)))
        shown = (await admin.get(f"/api/batches/{done['id']}")).json()
        body = {"model": "local-chat", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        twice: Any = {"requests": [{"custom_id": "a", "params": body}] * 2}
        refused = await client.post("/v1/messages/batches", json=twice)
    assert (done["status"], done["output_file_id"], done["error_file_id"]) == ("failed", None, None)
    assert [(one["line"], one["code"], one["param"]) for one in done["errors"]["data"]] == [
        (2, "invalid_json_line", None),
        (3, "missing_required_parameter", "url"),
        (4, "duplicate_custom_id", "custom_id"),
        (5, "url_mismatch", "url"),
        (7, "invalid_method", "method"),
        (8, "model_not_found", "body.model"),
        (9, "invalid_value", "custom_id"),
    ]
    assert shown["fault"] == "the input file was refused: invalid_json_line in line 2, and 6 more"
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")
    assert asked(house) == []


async def test_a_cancelled_batch_finishes_what_is_on_its_way_and_runs_nothing_more(house: House) -> None:
    """Trap 44."""
    house.simulator.script(*[STALLED] * 4)
    names = [f"line-{number}" for number in range(9)]
    async with house.client(house.admin_key) as client:
        batch = await begin(client, b"\n".join(map(line, names)))
        await house.simulator.received(4)
        answer = await client.post(f"/v1/batches/{batch}/cancel")
        assert answer.json()["status"] == "cancelling"
        (run,) = house.worker.platform.durable.running
        await run.cancelled.wait()
        house.simulator.release()
        done = await ended(client, batch)
        again = await client.post(f"/v1/batches/{batch}/cancel")
        failures = await lines_of(client, done["error_file_id"])
    assert (done["status"], done["request_counts"]) == ("cancelled", {"total": 9, "completed": 4, "failed": 0})
    assert {one["error"]["code"] for one in failures.values()} == {"batch_cancelled"}
    assert len(asked(house)) == 4
    assert again.status_code == 409


async def test_the_rest_of_a_batch_fails_once_its_key_is_revoked(house: House) -> None:
    key = await house.register("bob", use_case="getting-started")
    house.simulator.script(*[STALLED] * 4)
    async with house.client(key) as client, house.admin as admin:
        batch = await begin(client, b"\n".join(line(f"line-{number}") for number in range(6)))
        await house.simulator.received(4)
        assert (await admin.delete(f"/api/keys/{key.split('_')[1]}")).status_code in (200, 204)
        house.simulator.release()
        shown = await eventually(lambda: shown_with(admin, f"/api/batches/{batch}", "ended_at"))
    assert (shown["total"], shown["errored"], shown["succeeded"]) == (6, 6, 0)
    assert len(asked(house)) == 4


async def test_lines_that_have_not_run_when_the_window_closes_expire(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WINDOW", timedelta(0))
    async with house.client(house.admin_key) as client:
        done = await ended(client, await begin(client, line("one")))
        failures = await lines_of(client, done["error_file_id"])
        body: Any = {
            "requests": [{"custom_id": "a", "params": {"model": "local-chat", "messages": ["x"], "max_tokens": 9}}]
        }
        batch = (await client.post("/v1/messages/batches", json=body)).json()["id"]
        shown = await eventually(lambda: shown_with(client, f"/v1/messages/batches/{batch}", "results_url"))
        results = (await client.get(shown["results_url"])).text
        second = (await client.post("/v1/messages/batches", json=body)).json()["id"]
        newer = (await client.get(f"/v1/messages/batches?before_id={batch}&limit=1")).json()
        older = (await client.get(f"/v1/messages/batches?after_id={second}&limit=1")).json()
        newest = (await client.get("/v1/batches?limit=1")).json()
        past = (await client.get(f"/v1/batches?after={done['id']}")).json()
    async with house.client(await house.register("eve")) as stranger:
        assert (await stranger.get("/api/batches")).json()["batches"] == []
        assert (await stranger.get(f"/api/batches/{batch}")).status_code == 404
    assert (done["status"], done["output_file_id"]) == ("expired", None)
    assert failures["one"]["error"]["code"] == "batch_expired"
    assert json.loads(results) == {"custom_id": "a", "result": {"type": "expired"}}
    assert [one["id"] for one in (*newer["data"], *older["data"])] == [second, batch]
    assert ([one["id"] for one in newest["data"]], past["data"]) == ([done["id"]], [])
    assert asked(house) == []


async def test_files_batches_and_results_are_gone_after_their_time(house: House) -> None:
    async with house.client(house.admin_key) as client:
        done = await ended(client, await begin(client, line("one")))
        batches, bob = house.worker.service(service.Batches), Principal("bob", DEFAULT_TENANT)
        with batches.receiving(bob), batches.receiving(bob), pytest.raises(OverBudget), batches.receiving(bob):
            raise AssertionError("a third upload at once")
        files = batches.files
        await files.sweep(DEFAULT_TENANT, now=files.clock.now() + timedelta(days=31))
        paths = [f"/v1/batches/{done['id']}", *(f"/v1/files/{done[f'{name}_file_id']}" for name in ("input", "output"))]
        assert [(await client.get(path)).status_code for path in paths] == [404] * 3
    async with await psycopg.AsyncConnection.connect(house.database.owner.conninfo) as owner:
        found = await owner.execute("SELECT count(*) FROM batches.lines UNION ALL SELECT count(*) FROM batches.pieces")
        assert await found.fetchall() == [(0,), (0,)]


async def test_a_batch_that_another_worker_takes_over_repeats_no_finished_line(house: House) -> None:
    """Trap 44."""
    house.simulator.script(Script(), Script(), *[STALLED] * 4)
    names = [f"line-{number}" for number in range(8)]
    async with house.client(house.admin_key) as client:
        batch = await begin(client, b"\n".join(map(line, names)))
        await house.simulator.received(6)
        await eventually(lambda: completed(client, batch, least=2))
        # As if the worker had died: its lease is over, and the next one has begun.
        async with await psycopg.AsyncConnection.connect(house.database.owner.conninfo, autocommit=True) as owner:
            await owner.execute("UPDATE durable.runs SET due_at = now(), state = 'waiting'")
            await owner.execute("NOTIFY headgate_durable")
        done = await ended(client, batch)
        house.simulator.release()
        answers = await lines_of(client, done["output_file_id"])
    assert (done["status"], done["request_counts"]["completed"], len(answers)) == ("completed", 8, 8)
    first, finished, sent = asked(house)[:6], asked(house)[:2], asked(house)
    assert len(sent) == 12
    assert all(sent.count(text) == (1 if text in finished or text not in first else 2) for text in set(sent))


async def test_files_and_bodies_of_the_wrong_form_are_refused(house: House) -> None:
    async with house.client(house.admin_key) as client:
        file = await upload(client, b"x", **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
        assert file["expires_at"] - file["created_at"] == 3_600
        other = await upload(client, b"x", purpose="user_data")
        refused = {
            "purpose": await client.post("/v1/files", data={"purpose": "vision"}, files={"file": ("a", b"x")}),
            "file": await client.post("/v1/files", data={"purpose": "batch"}, files={"other": ("a", b"x")}),
            "content-type": await client.post("/v1/files", json={"purpose": "batch"}),
            "input_file_id": await client.post("/v1/batches", json={"endpoint": PATH, "input_file_id": other["id"]}),
            "endpoint": await client.post("/v1/batches", json={"endpoint": "/v1/messages", "input_file_id": "x"}),
            "limit": await client.get("/v1/batches?limit=none"),
            "requests": await client.post("/v1/messages/batches", json={"requests": []}),
        }
        broken = await client.post(
            "/v1/files", content=b"--b\r\nno end", headers={"content-type": "multipart/form-data; boundary=b"}
        )
        method = await client.put("/v1/files")
        empty = await ended(client, await begin(client, b"\n \n"))
    assert {name: (one.status_code, one.json()["error"].get("param", name)) for name, one in refused.items()} == {
        name: (400, name) for name in refused
    }
    assert (broken.status_code, method.status_code) == (400, 405)
    assert (empty["status"], empty["errors"]["data"][0]["code"]) == ("failed", "empty_file")


async def test_erasing_the_content_of_past_days_erases_files_and_ended_batches(house: House) -> None:
    async with house.client(house.admin_key) as client, house.admin as admin:
        batch = await ended(client, await begin(client, line("a")))
        new = await upload(client, line("b"))
        with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
            for table in ("files", "batches"):
                connection.execute(f"UPDATE batches.{table} SET created_at = '2020-01-01' WHERE id <> %s", [new["id"]])
        erased = (await admin.post("/api/records/erase", json={"before": "2020-01-02"})).json()
        assert erased["answers"] == 3, "the batch, its lines' file and that of its answers"
        for path in (f"batches/{batch['id']}", f"files/{batch['input_file_id']}/content"):
            assert (await client.get(f"/v1/{path}")).status_code == 404
        assert (await client.get(f"/v1/files/{new['id']}")).status_code == 200
