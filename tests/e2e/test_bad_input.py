"""Whatever is sent to the front door, the answer is clear and in the caller's wire, and nothing else happens."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from headgate.testing.lab import Lab, open_lab, until

pytestmark = pytest.mark.e2e

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
JSON = {"content-type": "application/json"}
GOOD: Any = {"model": "cloud", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
DEEP = b'{"model":"cloud","messages":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


@pytest.fixture(scope="module")
def bare_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One whose counters only these tests move."""
    with open_lab(tmp_path_factory.mktemp("bad") / "data", "--no-model") as lab:
        yield lab


@pytest.fixture
def door(bare_lab: Lab) -> Iterator[Lab]:
    """Afterwards, no action was performed, nobody was called, and the next call is served."""
    bare_lab.reset()
    before = _performed(bare_lab)
    yield bare_lab
    assert _performed(bare_lab) == before, "an action was performed"
    assert bare_lab.cloud.connections == bare_lab.onprem.connections == 0
    with bare_lab.http() as client:
        assert client.post(CHAT, json={**GOOD, "model": "onprem"}).status_code == 200


@pytest.fixture(scope="module", autouse=True)
def loiterers(bare_lab: Lab) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connections that are open from the first test on: one says nothing, one never ends its head."""
    address = ("127.0.0.1", httpx2.URL(bare_lab.gate.base_url).port or 0)
    with socket.create_connection(address, timeout=20) as silent, socket.create_connection(address, timeout=20) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nhost: x")
        yield silent, slow


def _performed(lab: Lab) -> list[str]:
    """The counts of actions that were not refused; a refusal at the door leaves a record too."""
    with lab.http("") as client:
        lines = client.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("headgate_actions") and 'outcome="refused"' not in line]


def _refused(answer: httpx2.Response, status: int, path: str, *, says: str = "") -> None:
    """The answer is an error of the wire of that path."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    if path == MESSAGES:
        assert body["type"] == "error"
        assert set(body["error"]) >= {"type", "message"}
    else:
        assert set(body["error"]) >= {"message", "type", "param", "code"}
    assert says.lower() in body["error"]["message"].lower()
    assert "Traceback" not in answer.text


# ---- bodies

SAY: Any = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 5}


def _says(content: bytes) -> bytes:
    """A body whose message is these bytes."""
    return b'{"model":"cloud","max_tokens":5,"messages":[{"role":"user","content":' + content + b"}]}"


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, ""),
    "no JSON": (b"{model: cloud}", 400, ""),
    "a JSON that ends early": (b'{"model":"cloud","messages":[', 400, ""),
    "two JSONs": (b"{}{}", 400, ""),
    "an array": (b"[]", 400, ""),
    "a number": (b"7", 400, ""),
    "null": (b"null", 400, ""),
    "a key twice": (b'{"model":"cloud","model":"onprem","messages":[],"max_tokens":5}', 400, "model"),
    "a nested key twice": (_says(b'"x","role":"system"'), 400, "role"),
    "20,000 levels": (DEEP, 413, "deep"),
    "invalid UTF-8": (_says(b'"\xff\xfe"'), 400, "utf-8"),
    "a lone surrogate": (_says(b'"\\ud800"'), 400, ""),
    "NaN": (_says(b'"x"}],"temperature":NaN,"stop":[{"a":1'), 400, ""),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), 400, ""),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), 400, ""),
    "no model": (json.dumps(SAY).encode(), 400, "model"),
    "a model that is a number": (json.dumps({**SAY, "model": 7}).encode(), 400, "model"),
    "messages of text": (b'{"model":"cloud","messages":"x","max_tokens":5}', 400, "messages"),
    "no messages": (b'{"model":"cloud","max_tokens":5}', 400, "messages"),
    "a message that is text": (b'{"model":"cloud","messages":["x"],"max_tokens":5}', 400, ""),
    "negative max_tokens": (json.dumps({**GOOD, "max_tokens": -1}).encode(), 400, "max_tokens"),
    "max_tokens of text": (json.dumps({**GOOD, "max_tokens": "5"}).encode(), 400, "max_tokens"),
    "stream of text": (json.dumps({**GOOD, "stream": "yes"}).encode(), 400, "stream"),
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_no_such_form_is_refused(door: Lab, path: str, name: str) -> None:
    body, status, says = BODIES[name]
    with door.http() as client:
        _refused(client.post(path, content=body, headers=JSON), status, path, says=says)


@pytest.mark.parametrize(
    "body", [b'{"model":"cloud-embed"}', b'{"model":"cloud-embed","input":{}}', b'{"input":"x"}', DEEP]
)
def test_an_embedding_of_no_such_form_is_refused(door: Lab, body: bytes) -> None:
    with door.http() as client:
        answer = client.post("/v1/embeddings", content=body, headers=JSON)
    _refused(answer, 413 if body is DEEP else 400, "/v1/embeddings")


@pytest.mark.parametrize("levels", [129, 990, 20_000])
def test_arguments_of_a_tool_call_that_are_too_deep_to_cross_wires_are_refused_with_a_record(
    bare_lab: Lab, levels: int
) -> None:
    """They are a string in the body, which has a bound of its own, and an object of what would be sent."""
    bare_lab.reset()
    function = {"name": "weather", "arguments": '{"a":' * levels + "1" + "}" * levels}
    asked = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }
    messages = [*GOOD["messages"], asked, {"role": "tool", "tool_call_id": "c", "content": "sun"}]
    with bare_lab.http() as client:
        answer = client.post(CHAT, json={**GOOD, "model": "claude", "messages": messages})
    _refused(answer, 400, CHAT, says="nested deeper than 128 levels")
    assert answer.headers["x-headgate-record"]
    assert bare_lab.cloud.requests == []


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_body_of_100_mb_is_refused_by_its_declared_length(door: Lab, path: str) -> None:
    head = f"content-type: application/json\r\ncontent-length: {100 << 20}\r\n"
    answer = _raw(door, _head("POST", path, f"authorization: Bearer {door.clerk}\r\n{head}") + b'{"model"')
    assert b" 413 " in answer.partition(b"\r\n")[0]
    assert b"32 MiB" in answer


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_body_of_150_mb_in_chunks_is_refused_before_it_is_all_there(door: Lab, path: str) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(150):
            sent += 1
            yield b" " * (1 << 20)

    # The connection may be closed while we are still sending; that is an answer too.
    with door.http() as client, contextlib.suppress(httpx2.WriteError, httpx2.ReadError):
        _refused(client.post(path, content=chunks(), headers=JSON), 413, path)
    assert sent < 150


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_refused(door: Lab, path: str, kind: str) -> None:
    with door.http() as client:
        answer = client.post(path, content=json.dumps(GOOD), headers={"content-type": kind})
    _refused(answer, 400, path, says="application/json")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_no_header_of_an_error_is_there_twice(door: Lab, path: str) -> None:
    """Clients join what is there twice, and `application/json, application/json` is no content type."""
    given = f"authorization: Bearer {door.clerk}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
    status, *lines = _raw(door, _head("POST", path, given) + b"{}").partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert b" 400 " in status
    names = [line.partition(b":")[0].lower() for line in lines]
    assert sorted(names) == sorted(set(names))
    assert b"content-type: application/json" in lines


# ---- keys


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer hg_wrong"},
        {"authorization": "Bearer " + "x" * 5000},
        {"x-api-key": "hg_wrong"},
        {"x-api-key": "' OR 1=1 --"},
    ],
    ids=str,
)
def test_a_wrong_key_is_refused(door: Lab, path: str, headers: dict[str, str]) -> None:
    with door.http("") as client:
        _refused(client.post(path, json=GOOD, headers=headers), 401, path)


def test_a_key_is_never_repeated_in_an_error(door: Lab) -> None:
    with door.http("hg_not_a_key_of_ours_123") as client:
        assert "hg_not_a_key" not in client.post(CHAT, json=GOOD).text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Basic YTpi"}, 400),
        ({"x-api-key": "hg_another"}, 400),
        ({"x-headgate-labels": "confidentiality=cosmic"}, 400),
        ({"x-headgate-labels": "x" * 5000}, 400),
        ({"x-headgate-use-case": "nobody's"}, 400),
    ],
    ids=str,
)
def test_headers_of_no_such_form_are_refused(door: Lab, headers: dict[str, str], status: int) -> None:
    with door.http() as client:
        _refused(client.post(CHAT, json=GOOD, headers=headers), status, CHAT)


def test_a_revoked_key_is_refused_within_seconds(bare_lab: Lab) -> None:
    key = bare_lab.gate.new_key("short-lived", use_case="support")
    with bare_lab.http(key) as client:
        assert client.post(CHAT, json=GOOD).status_code == 200
        (found,) = [one for one in bare_lab.gate.api.call("GET", "/api/keys")["keys"] if one["name"] == "short-lived"]
        bare_lab.gate.api.call("DELETE", f"/api/keys/{found['id']}")
        for path in (CHAT, MESSAGES):
            _refused(client.post(path, json=GOOD), 401, path)


def test_a_key_that_has_expired_is_refused(bare_lab: Lab) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    key = bare_lab.gate.new_key("fleeting", use_case="support", expires_at=soon.isoformat())
    with bare_lab.http(key) as client:
        assert client.post(CHAT, json=GOOD).status_code == 200
        until(lambda: datetime.now(UTC) > soon or None, what="the end of the key")
        for path in (CHAT, MESSAGES):
            _refused(client.post(path, json=GOOD), 401, path, says="expired")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_model_that_there_is_not_is_named_with_the_nearest(bare_lab: Lab, path: str) -> None:
    with bare_lab.http() as client:
        _refused(client.post(path, json={**GOOD, "model": "clod"}), 404, path, says="clod")
        _refused(client.post(path, json={**GOOD, "model": "../../etc/passwd"}), 404, path)
        assert client.post(path, json={**GOOD, "model": "onprem"}).status_code == 200


@pytest.mark.parametrize(
    "terms",
    [
        {"name": "x", "requests_per_minute": -1},
        {"name": "x", "requests_per_minute": 0},
        {"name": "x", "cost_micros_per_day": -1},
        {"name": "x", "requests_per_minute": 1.5},
        {"name": "x", "currency": "euros"},
        {"name": "x" * 3000},
        {"name": 7},
        {"name": "x", "unknown": 1},
        {"name": "x", "expires_at": "yesterday"},
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {},
    ],
    ids=str,
)
def test_a_key_with_wrong_terms_is_not_made(bare_lab: Lab, terms: dict[str, Any]) -> None:
    with bare_lab.http(bare_lab.gate.admin_key) as client:
        before = client.get("/api/keys").json()
        answer = client.post("/api/keys", json=terms)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"]
        assert client.get("/api/keys").json() == before


# ---- names and paths


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1:1",
        "localhost",
        "",
        "127.0.0.1:{port}.evil.example",
        "[::1",
        "x" * 400,
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/api/overview", "/"])
def test_a_foreign_host_is_refused(door: Lab, host: str, path: str) -> None:
    port = httpx2.URL(door.gate.base_url).port
    with door.http() as client:
        answer = client.request("GET" if path != CHAT else "POST", path, headers={"host": host.format(port=port)})
    assert answer.status_code in (400, 421)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "file://", "http://127.0.0.1:1", "https://a@127.0.0.1"]
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES, "/api/keys"])
def test_a_page_of_another_origin_is_refused(door: Lab, origin: str, path: str) -> None:
    with door.http() as client:
        answer = client.post(path, json=GOOD, headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/assets//",
        "/assets/../../app.py", "/assets/%2e%2e/%2e%2e/hosts.py", "/assets/..%5c..%5chosts.py", "/index.html%00.js",
        "/.headgate/admin.key", "/admin.key", "/assets/" + "a/" * 2000,
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_console(door: Lab, path: str) -> None:
    answer = _raw(door, _head("GET", path, ""))
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 400, 404)
    assert b"root:" not in answer
    assert b"from __future__" not in answer
    assert b"hg_" not in answer
    if status == 200:
        assert b"<!doctype html>" in answer.lower(), "a route of the console is its page"


@pytest.mark.parametrize(
    "path", ["/v1/../api/keys", "/v1/%2e%2e/api/keys", "/v1/nowhere", "/v1/chat/completions/extra", "/v1"]
)
def test_no_path_leads_from_one_wire_into_another_door(door: Lab, path: str) -> None:
    answer = _raw(door, _head("GET", path, f"authorization: Bearer {door.clerk}\r\n"))
    assert b" 404 " in answer.partition(b"\r\n")[0]
    assert b'"error"' in answer


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_another_method_is_refused(door: Lab, method: str) -> None:
    answer = _raw(door, _head(method, CHAT, f"authorization: Bearer {door.clerk}\r\n"))
    assert int(answer.split(b" ", 2)[1]) in (400, 404, 405)


# ---- HTTP itself

_BODY = json.dumps(GOOD).encode()
_LENGTH = f"content-length: {len(_BODY)}\r\n"
SMUGGLED: dict[str, tuple[str, bytes]] = {
    "length and chunks": (_LENGTH + "transfer-encoding: chunked\r\n", _BODY),
    "chunks and length": ("transfer-encoding: chunked\r\n" + _LENGTH, b"0\r\n\r\n"),
    "two lengths": (_LENGTH + "content-length: 3\r\n", _BODY),
    "two lengths in one": (f"content-length: {len(_BODY)}, {len(_BODY)}\r\n", _BODY),
    "a negative length": ("content-length: -1\r\n", _BODY),
    "a length with a sign": (f"content-length: +{len(_BODY)}\r\n", _BODY),
    "a length in hex": ("content-length: 0x10\r\n", _BODY),
    "a length of 30 digits": ("content-length: " + "9" * 30 + "\r\n", _BODY),
    "another coding": ("transfer-encoding: gzip, chunked, identity\r\n", b"0\r\n\r\n"),
    "chunks with a tab": ("transfer-encoding:\tchunked\r\ncontent-length: 4\r\n", b"0\r\n\r\n"),
    "chunks twice": ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"),
    "a space before the colon": ("content-length : 5\r\n", b"hello"),
    "a folded header": (_LENGTH + "x-a: b\r\n  c: d\r\n", _BODY),
    "a NUL in a value": (_LENGTH + "x-a: b\0c\r\n", _BODY),
    "a NUL in a name": (_LENGTH + "x\0a: b\r\n", _BODY),
    "a bare LF": (_LENGTH + "x-a: b\nx-c: d\r\n", _BODY),
    "a bare CR": (_LENGTH + "x-a: b\rx-c: d\r\n", _BODY),
    "an empty name": (_LENGTH + ": b\r\n", _BODY),
    "two hosts": (_LENGTH + "host: evil.example\r\n", _BODY),
    "two keys": (_LENGTH + "authorization: Bearer other\r\n", _BODY),
    "two types": (_LENGTH + "content-type: text/plain\r\n", _BODY),
    "a chunk size that is none": ("transfer-encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk of 2^64 bytes": ("transfer-encoding: chunked\r\n", b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_request_that_two_parsers_could_read_differently_is_refused(door: Lab, name: str) -> None:
    headers, body = SMUGGLED[name]
    given = f"authorization: Bearer {door.clerk}\r\ncontent-type: application/json\r\n{headers}"
    answer = _raw(door, _head("POST", CHAT, given) + body)
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1, "one request, one answer"


@pytest.mark.parametrize(
    "line",
    [
        "GET / HTTP/1.1 HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET / HTTP/9.9",
        "GET / FTP/1.1",
        "hello",
        "\x16\x03\x01\x02\x00",
    ],
)
def test_what_is_no_http_is_refused(door: Lab, line: str) -> None:
    answer = _raw(door, line.encode("latin-1") + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]


def test_heads_larger_than_64_kib_are_refused(door: Lab) -> None:
    answer = _raw(door, _head("GET", "/healthz", "x-large: " + "x" * (100 << 10) + "\r\n"))
    assert answer.startswith(b"HTTP/1.1 431"), answer[:200]


def test_a_large_head_right_behind_another_request_is_refused_too(door: Lab) -> None:
    one = _head("GET", "/healthz", "").replace(b"connection: close\r\n", b"")
    answer = _raw(door, one + _head("GET", "/healthz", "x-large: " + "x" * (100 << 10) + "\r\n"))
    assert b"HTTP/1.1 431" in answer, answer[:200]


def test_a_head_that_never_ends_is_cut_off(door: Lab) -> None:
    port = httpx2.URL(door.gate.base_url).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        sent = 0
        try:
            while sent < 4 << 20:
                connection.sendall(b"x-filler: " + b"x" * 5000 + b"\r\n")
                sent += 5012
            seen = connection.recv(100)
        except ConnectionError:
            seen = b""
    assert sent < 4 << 20
    assert b" 200 " not in seen


def test_clients_that_take_their_time_with_the_head_are_let_go(loiterers: tuple[socket.socket, socket.socket]) -> None:
    """Somebody who opens connections and says nothing must not keep them."""
    silent, slow = loiterers
    assert slow.recv(1000).startswith(b"HTTP/1.1 408")
    assert silent.recv(1000) == b""


def test_many_requests_on_one_connection_are_answered_in_order(bare_lab: Lab) -> None:
    one = _head("GET", "/healthz", "").replace(b"connection: close\r\n", b"")
    answer = _raw(bare_lab, one * 50 + _head("GET", "/healthz", ""))
    assert answer.count(b"HTTP/1.1 200 OK") == 51


def _head(method: str, path: str, headers: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n{headers}\r\n".encode("latin-1")


def _raw(lab: Lab, data: bytes) -> bytes:
    """Send bytes as they are and return everything that comes back until the connection is closed."""
    url = httpx2.URL(lab.gate.base_url)
    with socket.create_connection(("127.0.0.1", url.port or 0), timeout=20) as connection:
        connection.sendall(data.replace(b"HOST", f"127.0.0.1:{url.port}".encode(), data.count(b"host: HOST")))
        seen = b""
        try:
            while piece := connection.recv(65_536):
                seen += piece
        except ConnectionError:
            pass
        return seen
