"""The one door: which names it answers to, what it serves, what it says of itself."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from headgate.admin.callers import Gate
from headgate.features import FEATURES
from headgate.kernel.errors import Denied, Invalid, Unauthenticated
from headgate.policy.parts import Policy
from headgate.server import streams
from headgate.server.asgi import Message
from headgate.server.data_plane import patience_s
from headgate.server.hosts import HostRule, Misdirected
from headgate.server.metrics_access import MetricsReaders
from headgate.server.paths import Paths
from headgate.server.static_files import CONTENT_SECURITY_POLICY, StaticFiles
from headgate.substrate.settings import MetricsAccess, load
from headgate.testing.house import APPLICATIONS, House, Streamed
from headgate.testing.simulator import Script
from headgate.wire.dialects import load_dialects


async def test_a_foreign_host_name_is_refused_on_every_plane(house: House):
    for host in ("evil.example", "127.0.0.1:1", "127.0.0.1.evil.example:8080", "localhost", "x" * 400):
        async with house.client(house.admin_key, host=host) as client:
            for path in ("/", "/api/session", "/v1/models", "/metrics"):
                assert (await client.get(path)).status_code in (400, 421)


async def test_a_foreign_origin_is_refused_on_every_plane(house: House):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:8081", "http://evil@127.0.0.1:8080"):
        async with house.client(house.admin_key, origin=origin) as client:
            for path in ("/", "/api/session", "/v1/models"):
                assert (await client.get(path)).status_code == 403


@pytest.mark.parametrize(
    "host", ["gate.example.org", "gate.example.org:443", "gate.example.org:8080", "GATE.example.org"]
)
def test_a_configured_name_is_ours_with_our_port_and_the_usual_ones(host: str):
    HostRule(port=8080, names=["gate.example.org"]).check({"host": host, "origin": "https://gate.example.org"})


def test_a_name_configured_with_a_port_is_ours_with_that_port_only():
    rule = HostRule(port=8080, names=["gate.example.org:9443", "[fd00::1]"])
    rule.check({"host": "gate.example.org:9443"})
    rule.check({"host": "[fd00::1]:8080", "origin": "http://[fd00::1]:8080"})
    with pytest.raises(Misdirected):
        rule.check({"host": "gate.example.org"})
    with pytest.raises(Invalid):
        rule.check({})
    with pytest.raises(Denied):
        rule.check({"host": "127.0.0.1:8080", "origin": "http://[broken"})


async def test_health_answers_orchestrators_that_know_only_our_address(house: House):
    async with house.client(host="10.1.2.3:8080") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "ready": True,
        "degraded": [],
        "database": True,
        "journal": True,
        "policies": True,
        "limits": True,
        "embedded_model": "ready",
    }


async def test_metrics_are_for_programs_on_this_machine_and_for_keys_that_may_look_at_records(house: House):
    observer, clerk = await house.register("prometheus", "auditor"), await house.register("clerk@example.org")
    for peer, headers, is_local in (
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("192.0.2.7", {}, False),
        ("192.0.2.7", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, False),
        ("a socket", {}, False),
    ):
        async with house.client(peer=peer, **headers) as client:
            anybody = await client.get("/metrics")
            keys = [await client.get("/metrics", headers={"x-api-key": key}) for key in (observer, clerk)]
        assert anybody.status_code == (200 if is_local else 401), peer
        assert "headgate_requests_total" in keys[0].text
        assert keys[1].status_code == 403, "a key is held to its rights, also on this machine"


async def test_who_may_read_the_metrics_is_set(house: House):
    worker = house.worker
    gate = Gate(worker.pipeline.stages.labeller, worker.pipeline.stages.decider)
    cases: tuple[tuple[MetricsAccess, bool, str, bool], ...] = (
        ("open", False, "192.0.2.7", True),
        ("open", True, "192.0.2.7", True),
        ("loopback", True, "127.0.0.1", False),
        ("key", False, "127.0.0.1", False),
    )
    for access, is_behind_proxy, peer, is_let_in in cases:
        observers = MetricsReaders(
            access,
            is_behind_proxy=is_behind_proxy,
            holder=worker.service(Policy).holder,
            gate=gate,
            clock=worker.base.clock,
        )
        observers.check({"client": (peer, 1)}, {"authorization": f"Bearer {house.admin_key}"})
        with nullcontext() if is_let_in else pytest.raises(Unauthenticated):
            observers.check({"client": (peer, 1)}, {})


@pytest.mark.parametrize("value", ["app://*", "null", "app://obsidian.md/page", "obsidian.md", "*"])
def test_what_is_no_origin_is_refused_at_start(value: str):
    with pytest.raises(Invalid, match="HEADGATE_ORIGINS"):
        load({"HEADGATE_ORIGINS": f"tauri://localhost, {value}"})


def test_origins_and_the_access_to_metrics_are_settings():
    settings = load({"HEADGATE_ORIGINS": "tauri://localhost, vscode-file://vscode-app", "HEADGATE_METRICS": "key"})
    assert settings.origins == ("tauri://localhost", "vscode-file://vscode-app")
    assert settings.metrics == "key"
    for wrong in ({"HEADGATE_METRICS": "all"}, {"HEADGATE_HOSTS": "app://obsidian.md"}):
        with pytest.raises(Invalid, match="HEADGATE_"):
            load(wrong)


@pytest.mark.parametrize("origin", [*APPLICATIONS, "APP://obsidian.md"])
async def test_an_application_that_is_listed_may_call_models_and_read_the_answer(house: House, origin: str):
    """Trap 48. As a browser does it: a preflight without a key, then the call."""
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
        "access-control-request-private-network": "true",
    }
    body = {"model": "local-chat", "messages": [{"role": "user", "content": "x"}]}
    async with house.client(origin=origin) as browser:
        before = await browser.options("/v1/chat/completions", headers=asked)
        key = {"authorization": f"Bearer {house.admin_key}"}
        answers = [
            await browser.post("/v1/chat/completions", json=body, headers=key),
            await browser.post("/v1/chat/completions", json={**body, "stream": True}, headers=key),
            await browser.post("/v1/chat/completions", json=body),
            await browser.get("/v1/nothing"),
        ]
    assert before.status_code == 204
    assert not before.headers.keys() & {"content-length", "content-type", "transfer-encoding"}
    assert before.headers["access-control-allow-origin"] == origin
    assert "POST" in before.headers["access-control-allow-methods"]
    assert before.headers["access-control-allow-headers"] == asked["access-control-request-headers"]
    assert before.headers["access-control-allow-private-network"] == "true"
    assert [answer.status_code for answer in answers] == [200, 200, 401, 404]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
    exposed = answers[0].headers["access-control-expose-headers"].split(", ")
    ours = [name for name in answers[0].headers if name.startswith("x-headgate-") or "request-id" in name]
    assert ours
    assert set(ours) <= set(exposed)


async def test_an_application_that_is_listed_reaches_models_only_and_no_other_is_let_in(house: House):
    asked = {"access-control-request-method": "POST"}
    async with house.client(house.admin_key, origin="app://obsidian.md") as listed:
        for path in ("/", "/api/session", "/api/keys", "/metrics"):
            for answer in (await listed.get(path), await listed.options(path, headers=asked)):
                assert answer.status_code == 403
                assert "access-control-allow-origin" not in answer.headers
    for origin in ("app://obsidian.md.evil", "app://", "null", "tauri://localhost"):
        async with house.client(house.admin_key, origin=origin) as other:
            answer = await other.options("/v1/chat/completions", headers=asked)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


async def test_metrics_count_requests_and_what_became_of_actions(house: House):
    async with house.admin as client:
        await client.get("/api/session")
        await client.get("/api/nothing")
        text = (await client.get("/metrics")).text
    assert 'headgate_requests_total{plane="api",status="200",worker="0"} 1.0\n' in text
    assert 'headgate_requests_total{plane="api",status="404",worker="0"} 1.0\n' in text
    assert "headgate_journal_backlog_bytes{" in text
    assert all(line.startswith("#") or line.rpartition(" ")[2][0].isdigit() for line in text.splitlines())


async def test_a_page_of_the_console_is_its_index_and_a_missing_file_is_not(house: House):
    async with house.client(accept="text/html,*/*;q=0.8") as client:
        for path in ("/", "/records/01ABC", "/sign-in"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "Console" in answer.text
            assert answer.headers["content-security-policy"].encode() == CONTENT_SECURITY_POLICY
            assert answer.headers["cache-control"] == "no-cache"
        assert (await client.get("/assets/app-gone.js")).status_code == 404
        assert (await client.get("/nothing.svg")).status_code == 404


async def test_hashed_files_are_kept_for_good_packed_and_not_sent_twice(house: House):
    path = "/assets/app-1a2b3c.js"
    async with house.client() as client:
        first = await client.get(path, headers={"accept-encoding": "gzip"})
        again = await client.get(path, headers={"if-none-match": first.headers["etag"]})
        plain = await client.get(path, headers={"accept-encoding": "identity"})
        head = await client.head(path)
    assert "immutable" in first.headers["cache-control"]
    assert first.headers["content-encoding"] == "gzip"
    assert first.text == plain.text
    assert "content-encoding" not in plain.headers
    assert (again.status_code, again.content) == (304, b"")
    assert head.content == b""


async def test_no_path_leads_out_of_the_console(house: House):
    for path in (
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//etc/passwd",
        "/\x00.txt",
    ):
        request = Streamed(house.app, "GET", path, {"host": "127.0.0.1:8080"})
        await request.run()
        assert "not for you" not in request.text
        assert "root:" not in request.text
        assert request.status in (200, 404)


async def test_changing_a_page_is_not_a_thing(house: House):
    async with house.client() as client:
        answer = await client.post("/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


async def test_a_path_that_there_is_not_is_answered_in_the_callers_wire_and_never_with_a_page(house: House):
    paths = (
        *("/v1/nothing", "/v1", "/v2/chat/completions", "/v1beta/nothing", "/v1alpha/models/gemini:generateContent"),
        *("/openai/deployments/gpt/chat/completions", "/v1/messages/nothing", "/v1/edits", "/unheard/of"),
        *("//v1/chat/completions", "/chat/completions", "/messages", "/v1//chat/completions", "/v1/v1/v1/messages"),
        *("/gateway/v1/chat/completions", "/api/v1/chat/completions", "/records/01ABC", "/v1/threads/t/messages"),
        "/v1/chat/completions/chatcmpl-1/messages",
    )
    headers = {"host": "127.0.0.1:8080", "accept": "*/*", "authorization": f"Bearer {house.admin_key}"}
    for method, path in itertools.product(("GET", "POST"), paths):
        request = Streamed(house.app, method, path, headers)
        await request.run()
        said = json.loads(request.text)
        assert (request.status, request.answer_headers["content-type"]) == (404, "application/json"), path
        assert said["error"]["message"].startswith(f"{method} {path} is not offered")
        is_openai = "/threads/" in path or "/completions/" in path
        assert (said.get("type") == "error") == ("/messages" in path and not is_openai)
        assert not ("/completions/" in path and "base URL" in said["error"]["message"])
        assert len(said["error"]["message"]) < 250


async def test_an_unknown_path_names_the_nearest_one_and_a_page_has_them_all(house: House):
    async with house.admin as client:
        told = (await client.post("/v1/chat/completion", json={})).json()["error"]["message"]
    async with house.client() as client:
        anonymous = await client.get("/v1/models")
    assert told.startswith(
        "POST /v1/chat/completion is not offered; the nearest path is /v1/chat/completions. The page"
    )
    assert (anonymous.status_code, "admin.key" in anonymous.text) == (401, False)
    page = (Path(__file__).parents[2] / "docs" / "paths.md").read_text()
    operations = {one.path.partition("/{")[0] for feature in FEATURES for one in feature.wire_operations}
    served = [path.partition("{model}") for path in Paths(load_dialects().clients.values()).served]
    parts = {after or before for before, _, after in served} | operations
    assert not [part for part in parts - {"/passthrough/"} if f"`{part}`" not in page]


async def test_programs_paths_are_no_pages_for_browsers_either(house: House):
    async with house.client(accept="text/html,*/*;q=0.8") as browser:
        for path in ("/v1/nothing", "/v1beta/files", "/openai/v1/models", "/api/nothing", "/proxy/v1/models"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert "Console" in (await browser.get("/anything/else")).text


async def test_a_wrong_base_url_is_told_with_the_right_one(house: House):
    """Trap 48."""
    followed, alone = "this Headgate's address followed by /v1", "this Headgate's address, without /v1"
    for path, meant, base in (
        ("//v1/chat/completions", "/v1/chat/completions", followed),
        ("/chat/completions/", "/v1/chat/completions", followed),
        ("/v1/v1/v1/chat/completions", "/v1/chat/completions", followed),
        ("/openai/deployments/gpt/embeddings", "/v1/embeddings", followed),
        ("/anthropic/v1/messages", "/v1/messages", alone),
        ("/messages/count_tokens", "/v1/messages/count_tokens", alone),
    ):
        request = Streamed(house.app, "POST", path, {"host": "127.0.0.1:8080"})
        await request.run()
        message = json.loads(request.text)["error"]["message"]
        assert f", but {meant} is: the client's base URL is wrong" in message
        assert message.endswith(base)


async def test_a_base_url_with_v1_too_many_or_a_slash_at_the_end_of_a_path_is_understood(house: House):
    """Trap 48."""
    body = {"model": "local-chat", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    async with house.admin as client:
        for path in ("/v1/v1/messages", "/v1/v1/chat/completions", "/v1/chat/completions/"):
            assert (await client.post(path, json=body)).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_trap_35_a_stream_has_the_headers_of_its_provider_that_a_whole_answer_has(house: House, path: str):
    told = {"x-ratelimit-remaining-requests": "7", "x-request-id": "req_1"}
    house.simulator.default = Script(headers=(*told.items(), ("date", "today"), ("set-cookie", "a=b")))
    body = {"model": "local-chat", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    async with house.admin as client:
        for stream in (False, True):
            answer = await client.post(path, json={**body, "stream": stream})
            assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")
            assert {name: answer.headers.get(name) for name in told} == told
            assert not answer.headers.keys() & {"date", "set-cookie"}


async def test_a_stream_that_begins_before_anybody_answered_has_the_id_of_its_record_and_no_providers(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """The first candidate may still fail, and the next one answer."""
    monkeypatch.setattr(streams, "COMMIT_S", 0.01)
    house.simulator.script(Script(headers=(("x-request-id", "req_1"),), stall="stream", stall_after=1))
    body = {"model": "local-chat", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    headers = {"host": "127.0.0.1:8080", "content-type": "application/json"}
    key = {"authorization": f"Bearer {house.admin_key}"}
    request = Streamed(house.app, "POST", "/v1/chat/completions", {**headers, **key}, json.dumps(body).encode())
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(request.run())
        await request.started.wait()
        request.leave()
    assert request.status == 200
    assert request.answer_headers["x-request-id"] == request.answer_headers["x-headgate-record"]


@pytest.mark.parametrize(
    ("path", "is_anthropic"),
    [("/v1/chat/completions", False), ("/v1/embeddings", False), ("/v1/messages", True), ("/v1/v1/messages/", True)],
)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("authorization", "Bearer one"), ("authorization", "Bearer two")], 400),
        ([("host", "evil.example")], 421),
        ([("origin", "https://evil.example")], 403),
    ],
    ids=["two keys", "a foreign host", "a foreign origin"],
)
async def test_what_is_refused_at_the_door_is_refused_in_the_callers_wire(
    house: House, path: str, is_anthropic: bool, headers: list[tuple[str, str]], status: int
):
    async with house.client() as client:
        answer = await client.post(path, json={}, headers=headers)
    assert answer.status_code == status
    said = answer.json()
    assert said.get("type") == ("error" if is_anthropic else None)
    assert said["error"].keys() >= ({"type", "message"} if is_anthropic else {"type", "message", "param", "code"})
    assert said["error"]["type"] == ("permission_error" if status == 403 else "invalid_request_error")
    assert answer.headers["request-id" if is_anthropic else "x-request-id"]


async def test_an_error_of_ours_at_the_door_is_told_in_the_callers_wire(house: House, monkeypatch: pytest.MonkeyPatch):
    def break_down(rule: HostRule, headers: dict[str, str]) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(HostRule, "check", break_down)
    async with house.client() as client:
        answer = await client.post("/v1/messages", json={})
    assert answer.status_code == 500
    assert answer.json()["type"] == "error"
    assert "out of order" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/messages", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("PUT", "/v1/models/local-chat", "GET, HEAD"),
    ],
)
async def test_a_method_that_a_path_does_not_have_is_told_those_that_it_has(
    house: House, method: str, path: str, allowed: str
):
    async with house.admin as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert (answer.json().get("type") == "error") == (path == "/v1/messages")


async def test_models_are_there_for_head_and_not_under_a_name_that_only_begins_alike(house: House):
    async with house.admin as client:
        full, head = await client.get("/v1/models"), await client.head("/v1/models")
        assert (head.status_code, head.headers["content-length"]) == (200, full.headers["content-length"])
        assert (await client.get("/v1/models/")).status_code == 200
        assert (await client.get("/v1/modelsgpt")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_tools_for_the_embedded_model_are_refused_in_the_callers_wire_before_it_is_asked(house: House, path: str):
    tool = {"type": "custom", "name": "clock", "function": {"name": "clock"}, "input_schema": {"type": "object"}}
    body = {"model": "local-chat", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "tools": [tool]}
    none = "none" if path == "/v1/chat/completions" else {"type": "none"}
    async with house.admin as client:
        answer = await client.post(path, json=body)
        assert answer.status_code == 400
        assert (answer.json().get("type") == "error") == (path == "/v1/messages")
        assert "local-chat: it cannot call tools" in answer.json()["error"]["message"]
        assert not house.simulator.requests
        assert (await client.post(path, json={**body, "tool_choice": none})).status_code == 200


async def test_a_page_with_the_name_of_a_mistake_is_a_page_for_browsers(house: House):
    async with house.client(accept="text/html") as browser, house.admin as program:
        assert "Console" in (await browser.get("/models")).text
        assert (await program.get("/models", headers={"accept": "text/html"})).status_code == 404


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-stainless-timeout": "600"}, 599.0),
        ({"x-stainless-read-timeout": "2.0"}, 1.8),
        ({"x-stainless-timeout": "5", "x-stainless-read-timeout": "600"}, 4.5),
        ({"x-stainless-timeout": "never", "x-stainless-read-timeout": "nan"}, None),
        ({"x-stainless-timeout": "0"}, None),
        ({"x-stainless-timeout": "-1"}, None),
        ({"x-stainless-timeout": "1e9"}, None),
        ({}, None),
    ],
)
def test_how_long_a_client_waits_is_read_from_what_its_sdk_says(headers: dict[str, str], seconds: float | None):
    assert patience_s(headers) == pytest.approx(seconds)


async def test_a_client_that_waits_no_longer_is_told_so_before_it_leaves(house: House):
    """Trap 41: the request timeout header."""
    house.simulator.script(Script(stall="headers"))
    body = {"model": "local-chat", "messages": [{"role": "user", "content": "x"}]}
    async with house.client(house.admin_key, **{"x-stainless-read-timeout": "0.2"}) as client:
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "upstream_timeout"
    async with asyncio.timeout(30):
        await house.simulator.requests[0].left.wait()


@pytest.mark.parametrize("stream", [False, True])
async def test_what_another_wire_cannot_say_is_told_to_whoever_said_it(house: House, stream: bool):
    """Trap 13."""
    body = {"model": "local-chat", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "stream": stream}
    async with house.admin as client:
        answer = await client.post("/v1/messages", json={**body, "fallbacks": ["c"], "\0new\r\nfield\u2028 ": 1})
        assert answer.headers["x-headgate-dropped"] == "fallbacks,?new??field??"
        answer = await client.post("/v1/messages", json={**body, **{f"field-{n}": n for n in range(100)}})
        assert len(answer.headers["x-headgate-dropped"]) == 500
        assert "x-headgate-dropped" not in (await client.post("/v1/messages", json=body)).headers


async def test_the_embedded_model_is_told_callers_apart_by_names_that_say_nothing(house: House):
    body = {"model": "local-chat", "messages": [{"role": "user", "content": "x"}]}
    other = await house.register("clerk@example.org")
    for key in (house.admin_key, other, house.admin_key):
        async with house.client(key, **{"x-headgate-caller": "clerk@example.org"}) as client:
            assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
    first, clerk, again = (received.headers["x-headgate-caller"] for received in house.simulator.requests)
    assert first == again
    assert first != clerk
    assert "clerk" not in clerk


async def test_a_websocket_is_declined_so_that_clients_fall_back_to_http(house: House):
    """Trap 31."""
    async with house.client(house.admin_key, upgrade="websocket") as client:
        answer = await client.get("/v1/responses")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "HTTP/1.1")
    assert answer.json()["error"]["code"] == "websocket_not_offered"


async def test_realtime_is_not_offered_and_hands_out_no_key(house: House):
    """Trap 45. A key of the provider's own, for a browser, would leave budgets and rules behind."""
    async with house.admin as client:
        for path in ("client_secrets", "sessions", "transcription_sessions", "calls"):
            answer = await client.post(f"/v1/realtime/{path}", json={"session": {"type": "realtime"}})
            error = answer.json()["error"]
            assert (answer.status_code, error["type"], error["code"]) == (404, "invalid_request_error", "not_found")
            assert error["message"].startswith(f"POST /v1/realtime/{path} is not offered")
        socket = await client.get("/v1/realtime", headers={"upgrade": "websocket"})
    assert socket.status_code == 426
    assert not house.simulator.requests


async def test_without_a_built_console_a_plain_page_says_what_to_do(tmp_path: Path):
    files = StaticFiles(tmp_path / "nowhere")
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    await files({"path": "/", "method": "GET"}, send, {})
    assert said[0]["status"] == 200
    assert b"make console" in said[1]["body"]
