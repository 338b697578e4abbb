"""How calls leave: through a proxy that wants a login, trusting a private authority, and never to addresses inside."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headgate.admin.client import ApiError
from headgate.gateway.specs import DeploymentSpec, profile_from
from headgate.testing.running import RunningHeadgate, running_headgate
from headgate.testing.simulator import Script
from headgate.testing.threaded import ThreadedSimulator

pytestmark = pytest.mark.e2e

LOGIN = "gate:proxy-secret"
NAME = "models.corp"
CHAT: Any = {"messages": [{"role": "user", "content": "Write to anna.weber@example.org"}]}

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]


@dataclass(slots=True)
class Surroundings:
    """An HTTPS front of the simulator, with a certificate of a private authority, and a proxy that wants a login."""

    folder: Path
    origin_port: int
    tls_port: int = 0
    proxy_port: int = 0
    tunnels: list[bytes] = field(default_factory=list[bytes])
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop | None = None
    _handling: set[asyncio.Task[None] | None] = field(default_factory=set[asyncio.Task[None] | None])

    @property
    def authority(self) -> Path:
        """The private authority's certificate."""
        return self.folder / "authority.pem"

    async def serve(self, started: threading.Event) -> None:
        """Run both until `ended`."""
        self.loop = asyncio.get_running_loop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_issue(self.folder))
        front = await asyncio.start_server(self._quietly(self._front), "127.0.0.1", 0, ssl=context)
        proxy = await asyncio.start_server(self._quietly(self._proxy), "127.0.0.1", 0)
        self.tls_port, self.proxy_port = (int(one.sockets[0].getsockname()[1]) for one in (front, proxy))
        started.set()
        await self.ended.wait()
        for server in (front, proxy):
            server.close()
        left = [task for task in self._handling if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for server in (front, proxy):
            await server.wait_closed()

    def _quietly(self, handle: Handler) -> Handler:
        """Let connections end in whatever way they do."""

        async def handled(reader: Reader, writer: Writer) -> None:
            task: asyncio.Task[None] | None = asyncio.current_task()
            self._handling.add(task)
            try:
                await handle(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ExceptionGroup):
                writer.transport.abort()
            else:
                writer.close()
            finally:
                self._handling.discard(task)
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        return handled

    async def _front(self, reader: Reader, writer: Writer) -> None:
        await _join(reader, writer, self.origin_port)

    async def _proxy(self, reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.tunnels.append(head)
        if b"proxy-authorization: basic " + base64.b64encode(LOGIN.encode()).lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join(reader, writer, self.tls_port)


async def _join(reader: Reader, writer: Writer, port: int) -> None:
    """Lead a connection on to a port, until either end closes."""
    onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, onward_writer))
            group.create_task(_pump(onward_reader, writer))
    finally:
        onward_writer.transport.abort()
        with contextlib.suppress(OSError):
            await onward_writer.wait_closed()


async def _pump(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


def _issue(folder: Path) -> Path:
    """Make an authority and a certificate for `NAME` and 127.0.0.1; the PEM of the latter."""
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("authority", authority, signed_by=authority, names=())
    (folder / "authority.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    names = (x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1")))
    leaf = _certificate(NAME, key, signed_by=authority, names=names)
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = serialization.Encoding.PEM
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem) + key.private_bytes(pem, *plain))
    return folder / "server.pem"


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    signed_by: ec.EllipticCurvePrivateKey,
    names: tuple[x509.GeneralName, ...],
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signed_by, hashes.SHA256())


@pytest.fixture(scope="module")
def simulator() -> Iterator[ThreadedSimulator]:
    with ThreadedSimulator() as running:
        yield running


@pytest.fixture(scope="module")
def surroundings(simulator: ThreadedSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    around, started = Surroundings(tmp_path_factory.mktemp("network"), simulator.port), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(around.serve(started)), daemon=True)
    thread.start()
    assert started.wait(10)
    yield around
    assert around.loop is not None
    around.loop.call_soon_threadsafe(around.ended.set)
    thread.join(10)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHeadgate]:
    folder = tmp_path_factory.mktemp("gate") / "data"
    secrets = {"LAB_PROXY_LOGIN": LOGIN, "LAB_WRONG_LOGIN": "gate:wrong"}
    with running_headgate(folder, "--no-model", environment=secrets) as running:
        yield running


@pytest.fixture
def configured(gate: RunningHeadgate, simulator: ThreadedSimulator, surroundings: Surroundings) -> RunningHeadgate:
    """Deployments behind networks of every kind; the providers have seen nothing yet."""
    simulator.reset()
    surroundings.tunnels.clear()
    proxied = f'proxy_url = "http://127.0.0.1:{surroundings.proxy_port}"\nproxy_resolves = true\n'
    trusting = f'ca_file = "{surroundings.authority}"\n'
    loopback = 'allow = ["127.0.0.1/32"]\n'
    networks = {
        "proxied": proxied + 'proxy_login = "env:LAB_PROXY_LOGIN"\n' + trusting + loopback,
        "without-login": proxied + trusting + loopback,
        "wrong-login": proxied + 'proxy_login = "env:LAB_WRONG_LOGIN"\n' + trusting + loopback,
        "no-such-login": proxied + 'proxy_login = "env:LAB_UNSET_LOGIN"\n' + trusting + loopback,
        "untrusting": proxied + 'proxy_login = "env:LAB_PROXY_LOGIN"\n' + loopback,
        "direct": trusting + loopback,
        "distrustful": loopback,
        "closed": "",
    }
    parts = ['[[use_case]]\nid = "lab"\nowner = "a@lab.test"\npurpose = "Test"\n']
    for name, settings in networks.items():
        host = NAME if "proxy_url" in settings else "127.0.0.1"
        parts.append(f'[[network]]\nid = "{name}"\n{settings}')
        parts.append(_model(name, f"https://{host}:{surroundings.tls_port}/v1", network=name))
    gate.apply("\n".join(parts))
    return gate


def _model(name: str, base_url: str, *, network: str) -> str:
    deployment = f'[[deployment]]\nid = "{name}"\nprovider = "openai"\nmodel = "gpt-sim"\nbase_url = "{base_url}"\n'
    return f'{deployment}network = "{network}"\n[[alias]]\nid = "{name}"\ndeployments = ["{name}"]\n'


def _call(gate: RunningHeadgate, model: str) -> httpx2.Response:
    headers = {"authorization": f"Bearer {gate.new_key('lab', use_case='lab')}"}
    body = {"model": model, **CHAT}
    return httpx2.post(f"{gate.base_url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def test_a_call_goes_through_the_proxy_with_its_login_and_trusts_the_private_authority(
    configured: RunningHeadgate, surroundings: Surroundings, simulator: ThreadedSimulator
) -> None:
    answer = _call(configured, "proxied")
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "Hello from the simulator."
    (tunnel,) = surroundings.tunnels
    assert tunnel.startswith(f"CONNECT {NAME}:{surroundings.tls_port} HTTP/1.1".encode())
    (request,) = simulator.requests
    assert "proxy-authorization" not in request.headers, "the provider never learns the proxy's login"
    assert b"anna.weber" not in request.body


def test_connections_through_the_proxy_are_used_again(
    configured: RunningHeadgate, surroundings: Surroundings, simulator: ThreadedSimulator
) -> None:
    for _ in range(5):
        assert _call(configured, "proxied").status_code == 200
    assert len(surroundings.tunnels) <= 1
    assert len(simulator.requests) == 5


@pytest.mark.parametrize("model", ["without-login", "wrong-login", "no-such-login"])
def test_a_proxy_that_does_not_let_us_through_is_said_so_without_its_login(
    configured: RunningHeadgate, simulator: ThreadedSimulator, model: str
) -> None:
    answer = _call(configured, model)
    assert answer.status_code in (502, 503)
    assert "gate:" not in answer.text
    assert "proxy-secret" not in answer.text
    assert simulator.requests == []


def test_a_private_authority_is_trusted_where_it_is_named_and_nowhere_else(
    configured: RunningHeadgate, simulator: ThreadedSimulator
) -> None:
    assert _call(configured, "direct").status_code == 200
    simulator.reset()
    for model in ("distrustful", "untrusting"):
        answer = _call(configured, model)
        assert answer.status_code == 502
        assert "could not be reached" in answer.json()["error"]["message"]
    assert simulator.requests == []


def test_a_private_address_is_refused_unless_the_network_allows_it(
    configured: RunningHeadgate, simulator: ThreadedSimulator
) -> None:
    answer = _call(configured, "closed")
    assert answer.status_code == 400
    assert "127.0.0.1" not in answer.text
    assert simulator.connections == 0


INSIDE = [
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.169.254]/v1",
    "http://[fd00:ec2::254]/v1",
    "http://100.100.100.200/v1",
    "http://10.0.0.1/v1",
    "http://172.16.0.1/v1",
    "http://192.168.1.1/v1",
    "http://[::1]:{port}/v1",
    "http://[::ffff:127.0.0.1]:{port}/v1",
    "http://127.0.0.1:{port}/v1",
    "http://127.1:{port}/v1",
    "http://2130706433:{port}/v1",
    "http://0x7f000001:{port}/v1",
    "http://0177.0.0.1:{port}/v1",
    "http://0.0.0.0:{port}/v1",
    "http://localhost:{port}/v1",
    "http://LOCALHOST.:{port}/v1",
]


@pytest.mark.parametrize("base_url", INSIDE)
def test_a_deployment_at_an_address_inside_is_never_reached(
    configured: RunningHeadgate, simulator: ThreadedSimulator, base_url: str
) -> None:
    """Whoever may write deployments has no way to the machine's own services or a cloud's metadata by that."""
    url = base_url.format(port=simulator.port)
    toml = '[[use_case]]\nid = "lab"\nowner = "a@lab.test"\npurpose = "Test"\n' + _model(
        "inside", url, network="default"
    )
    try:
        configured.apply(toml)
    except ApiError as refused:
        assert "base_url" in str(refused), "refused when it is declared is as good"
        return
    answer = _call(configured, "inside")
    assert answer.status_code == 400, answer.text
    assert simulator.connections == 0


METADATA = ["http://169.254.169.254/v1", "http://[fd00:ec2::254]/v1", "http://[::ffff:169.254.169.254]/v1"]


def test_a_clouds_metadata_is_no_model_of_our_own_by_its_name_behind_a_proxy_that_resolves(
    configured: RunningHeadgate, surroundings: Surroundings
) -> None:
    case = '[[use_case]]\nid = "lab"\nowner = "a@lab.test"\npurpose = "Test"\n'
    proxy = f'proxy_url = "http://127.0.0.1:{surroundings.proxy_port}"\nproxy_resolves = true\n'
    network = f'[[network]]\nid = "out"\n{proxy}allow = ["127.0.0.1/32"]\n'
    ours = 'clearance = { custody = "organisation", categories = ["pii"] }\nnetwork = '
    model = _model("meta", "http://metadata.google.internal/v1", network="out").replace("network = ", ours)
    with pytest.raises(ApiError, match="base_url"):
        configured.apply(case + network + model)
    assert surroundings.tunnels == []


@pytest.mark.parametrize("base_url", METADATA)
def test_a_clouds_metadata_is_no_model_of_our_own_either(configured: RunningHeadgate, base_url: str) -> None:
    """Declaring a model as our own opens its very address; that must not open this one."""
    spec = DeploymentSpec(id="meta", provider="openai", model="m", base_url=base_url)
    assert profile_from(None, deployment=spec, login=None, own_address=spec.base_url).allow == ()
    ours = 'clearance = { custody = "organisation", categories = ["pii"] }\nnetwork = '
    toml = '[[use_case]]\nid = "lab"\nowner = "a@lab.test"\npurpose = "Test"\n' + _model(
        "meta", base_url, network="default"
    ).replace("network = ", ours)
    with pytest.raises(ApiError, match="metadata service"):
        configured.apply(toml)


ODD = ["ftp://a.test", "file:///etc/passwd", "http://", "https://user:pw@a.test", "http://a b/", "http://a.test:99999"]


@pytest.mark.parametrize("base_url", ODD)
def test_an_address_of_no_such_form_is_refused_when_it_is_declared(configured: RunningHeadgate, base_url: str) -> None:
    with pytest.raises(ApiError, match="base_url") as caught:
        configured.apply(_model("odd", base_url, network="default"))
    assert caught.value.api_status == 400
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_provider_that_redirects_is_not_followed(
    configured: RunningHeadgate, simulator: ThreadedSimulator, status: int
) -> None:
    location = f"http://127.0.0.1:{simulator.port}/v1/elsewhere"
    simulator.script(Script(status=status, headers=(("location", location),), body=b""))
    assert _call(configured, "direct").status_code == 502
    assert [request.path for request in simulator.requests] == ["/v1/chat/completions"]


OWN_SECRETS = ["admin.key", "secrets/principals", "secrets/../admin.key"]


@pytest.mark.parametrize("reference", [*(f"file:{{data}}/{one}" for one in OWN_SECRETS), "file:/proc/self/cmdline"])
def test_no_deployment_is_sent_what_headgate_keeps_for_itself(
    configured: RunningHeadgate, simulator: ThreadedSimulator, reference: str
) -> None:
    """Whoever may write deployments chooses where the key goes too, so she may not choose any file as the key."""
    named = reference.format(data=configured.data.resolve())
    assert Path(named.partition(":")[2]).read_bytes(), "the file is there"
    configured.apply(_model_with_key(simulator.port, named))
    answer = _call(configured, "curious")
    assert answer.status_code == 502
    assert "the credential of deployment" in answer.json()["error"]["message"]
    assert simulator.requests == []


@pytest.mark.parametrize("name", ["PATH", "HOME", "HEADGATE_API_KEY", "HEADGATE_DATABASE_URL"])
def test_a_variable_that_is_no_credential_is_refused_when_it_is_declared(
    configured: RunningHeadgate, simulator: ThreadedSimulator, name: str
) -> None:
    with pytest.raises(ApiError, match="HEADGATE_"):
        configured.apply(_model_with_key(simulator.port, f"env:{name}"))


def _model_with_key(port: int, reference: str) -> str:
    case = '[[use_case]]\nid = "lab"\nowner = "a@lab.test"\npurpose = "Test"\n'
    network = '[[network]]\nid = "direct"\nallow = ["127.0.0.1/32"]\n'
    model = _model("curious", f"http://127.0.0.1:{port}/v1", network="direct")
    return case + network + model.replace("[[alias]]", f'key = "{reference}"\n[[alias]]')
