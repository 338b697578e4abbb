from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headgate.kernel.errors import Denied, Invalid, Upstream, UpstreamTimeout
from headgate.substrate.egress import Egress, NetworkProfile, Request

Serve = Callable[..., Awaitable[int]]
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

LAN = ("127.0.0.0/8",)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOGIN = "gate:proxy-secret"


@dataclass
class Authority:
    """A certificate authority made for one test, which writes what it issues into a folder.

    Like many private ones it says no more in its certificates than has to be said.
    """

    folder: Path
    name: str
    above: Authority | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        signer = self.above or self
        self.certificate = signer._sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None), [])
        self.file = self.folder / f"{self.name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Path:
        """A PEM file with a certificate for the name and 127.0.0.1, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
        certificate = self._sign(name, key, x509.BasicConstraints(ca=False, path_length=None), names)
        file = self.folder / f"{self.name}-{name}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return file

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
        names: Sequence[x509.GeneralName],
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(constraints, critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def server_context(certificate: Path, *, asks_for: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if asks_for is not None:
        context.load_verify_locations(asks_for.file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Fixed:
    """A resolver for names that exist only here."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]


@dataclass
class Origin:
    """An HTTPS or HTTP server that notes what it was told."""

    requests: list[bytes] = field(default_factory=list[bytes])
    peers: list[str] = field(default_factory=list[str])

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        session: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        if session is not None:
            assert session.selected_alpn_protocol() == "http/1.1"
            certificate = session.getpeercert()
            if certificate:
                self.peers.append(str(certificate["subject"]))
        while True:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)


@dataclass
class ProxyDouble:
    """A forward proxy that wants a login, notes what it saw, and leads every tunnel to one port."""

    leads_to: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        if b"proxy-authorization: Basic " + base64.b64encode(LOGIN.encode()) + b"\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if not head.startswith(b"CONNECT"):
            writer.write(OK)
            await reader.read()
            return
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self.leads_to)
        writer.write(self.answer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, onward_writer))
                group.create_task(self._pump(onward_reader, writer))
        finally:
            onward_writer.transport.abort()

    @staticmethod
    async def _pump(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


async def fetch(profile: NetworkProfile, url: str, *, times: int = 1) -> bytes:
    request = Request("GET", url, ((b"authorization", b"Bearer origin-secret"),), profile="p")
    body = b""
    async with Egress(profiles={"p": profile}, resolver=Fixed()) as egress:
        for _ in range(times):
            async with egress.send(request) as response:
                body += await response.read()
    return body


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "private")


async def test_a_private_authority_is_trusted_once_it_is_named(serve: Serve, authority: Authority) -> None:
    origin = Origin()
    port = await serve(origin, server_context(authority.issue("models.corp")))
    profile = NetworkProfile(allow=LAN, ca_file=str(authority.file))
    assert await fetch(profile, f"https://models.corp:{port}/a", times=3) == b"okokok"
    assert await fetch(profile, f"https://127.0.0.1:{port}/b") == b"ok"
    assert origin.requests[0].startswith(b"GET /a HTTP/1.1\r\nhost: models.corp:%d\r\n" % port)


async def test_a_private_bundle_may_end_with_the_authority_that_issues(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    issuing = Authority(tmp_path, "issuing", above=authority)
    port = await serve(Origin(), server_context(issuing.issue("models.corp")))
    profile = NetworkProfile(allow=LAN, ca_file=str(issuing.file))
    assert await fetch(profile, f"https://models.corp:{port}/") == b"ok"


async def test_a_certificate_of_another_authority_or_for_another_name_is_refused(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    origin = Origin()
    port = await serve(origin, server_context(authority.issue("models.corp")))
    stranger = Authority(tmp_path, "stranger")
    for ca_file, host in (
        (None, "models.corp"),
        (str(stranger.file), "models.corp"),
        (str(authority.file), "other.corp"),
    ):
        with pytest.raises(Upstream, match="does not verify") as caught:
            await fetch(NetworkProfile(allow=LAN, ca_file=ca_file), f"https://{host}:{port}/")
        assert not caught.value.retryable
    assert origin.requests == []


async def test_a_server_that_answers_https_in_plain_text_is_refused(serve: Serve, authority: Authority) -> None:
    async def plain(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(OK)
        await writer.drain()

    port = await serve(plain)
    with pytest.raises(Upstream, match="TLS handshake"):
        await fetch(NetworkProfile(allow=LAN, ca_file=str(authority.file)), f"https://models.corp:{port}/")


async def test_a_client_certificate_is_shown_to_who_asks_for_one(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    clients = Authority(tmp_path, "clients")
    origin = Origin()
    port = await serve(origin, server_context(authority.issue("models.corp"), asks_for=clients))
    named = NetworkProfile(allow=LAN, ca_file=str(authority.file), client_cert_file=str(clients.issue("headgate.corp")))
    assert await fetch(named, f"https://models.corp:{port}/") == b"ok"
    assert "headgate.corp" in origin.peers[0]
    with pytest.raises(Upstream):
        await fetch(NetworkProfile(allow=LAN, ca_file=str(authority.file)), f"https://models.corp:{port}/")


async def test_a_stream_left_early_over_tls_is_seen_by_the_server(serve: Serve, authority: Authority) -> None:
    gone = asyncio.Event()

    async def handler(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        try:
            await reader.read()
        finally:
            gone.set()

    port = await serve(handler, server_context(authority.issue("models.corp")))
    profile = NetworkProfile(allow=LAN, ca_file=str(authority.file))
    async with Egress(profiles={"p": profile}, resolver=Fixed()) as egress:
        async with egress.send(Request("POST", f"https://models.corp:{port}/", profile="p")) as response:
            assert await anext(response.chunks()) == b"a"
        await gone.wait()


async def test_a_handshake_that_hangs_is_given_up(serve: Serve) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await reader.read()

    profile = NetworkProfile(allow=LAN, connect_s=0.1)
    with pytest.raises(UpstreamTimeout, match=r"timed out after 0\.1 s"):
        await fetch(profile, f"https://models.corp:{await serve(handler)}/")


async def test_https_goes_through_a_tunnel_to_the_vetted_address_and_secrets_stay_apart(
    serve: Serve, authority: Authority
) -> None:
    origin = Origin()
    port = await serve(origin, server_context(authority.issue("models.corp")))
    proxy = ProxyDouble(port)
    proxy_port = await serve(proxy)
    profile = NetworkProfile(
        proxy_url=f"http://proxy.corp:{proxy_port}", proxy_login=LOGIN, allow=LAN, ca_file=str(authority.file)
    )
    assert await fetch(profile, f"https://models.corp:{port}/", times=3) == b"okokok"
    assert [head.partition(b"\r\n")[0] for head in proxy.requests] == [b"CONNECT 127.0.0.1:%d HTTP/1.1" % port]
    assert b"origin-secret" not in proxy.requests[0]
    assert len(origin.requests) == 3
    assert all(b"proxy-authorization" not in head and b"origin-secret" in head for head in origin.requests)


async def test_a_proxy_that_resolves_is_told_the_name(serve: Serve, authority: Authority) -> None:
    port = await serve(Origin(), server_context(authority.issue("models.corp")))
    proxy = ProxyDouble(port)
    profile = NetworkProfile(
        proxy_url=f"http://127.0.0.1:{await serve(proxy)}",
        proxy_login=LOGIN,
        proxy_resolves=True,
        ca_file=str(authority.file),
    )
    assert await fetch(profile, f"https://models.corp:{port}/") == b"ok"
    assert proxy.requests[0].startswith(b"CONNECT models.corp:%d HTTP/1.1\r\n" % port)
    for host in ("127.0.0.1", "[::1]", "169.254.169.254", "localhost", "metadata.google.internal"):
        with pytest.raises(Denied):
            await fetch(profile, f"https://{host}:{port}/")
    assert len(proxy.requests) == 1


async def test_a_tunnel_to_a_private_address_is_refused_before_the_proxy_is_asked(serve: Serve) -> None:
    proxy = ProxyDouble()
    profile = NetworkProfile(proxy_url=f"http://127.0.0.1:{await serve(proxy)}", proxy_login=LOGIN)
    with pytest.raises(Denied):
        await fetch(profile, "https://models.corp/")
    assert proxy.requests == []


async def test_a_proxy_that_resolves_is_never_asked_for_a_metadata_service_by_its_name(serve: Serve) -> None:
    proxy = ProxyDouble()
    url = f"http://127.0.0.1:{await serve(proxy)}"
    allow = ("metadata.google.internal:80", "metadata.google.internal:443")
    profile = NetworkProfile(proxy_url=url, proxy_login=LOGIN, proxy_resolves=True, allow=allow)
    for scheme in ("http", "https"):
        with pytest.raises(Denied, match="a cloud's metadata service"):
            await fetch(profile, f"{scheme}://Metadata.Google.Internal/computeMetadata/v1")
    assert proxy.requests == []


async def test_plain_http_goes_to_the_proxy_in_absolute_form(serve: Serve) -> None:
    proxy = ProxyDouble()
    url = f"http://127.0.0.1:{await serve(proxy)}"
    profile = NetworkProfile(proxy_url=url, proxy_login=LOGIN, proxy_resolves=True)
    assert await fetch(profile, "http://models.corp/a?b") == b"ok"
    assert proxy.requests[0].startswith(b"GET http://models.corp/a?b HTTP/1.1\r\nhost: models.corp\r\nproxy-auth")
    with pytest.raises(Invalid, match="proxy_resolves"):
        await fetch(NetworkProfile(proxy_url=url, proxy_login=LOGIN), "http://models.corp/")


async def test_a_proxy_that_refuses_our_login_is_named_and_the_login_is_not(serve: Serve) -> None:
    profile = NetworkProfile(
        proxy_url=f"http://127.0.0.1:{await serve(ProxyDouble())}", proxy_login="gate:wrong-secret", allow=LAN
    )
    with pytest.raises(Upstream, match="refused our login") as caught:
        await fetch(profile, "https://models.corp/")
    assert "wrong-secret" not in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "status 503"),
        (b"SOCKS?\r\n\r\n", "did not answer CONNECT"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", "before the tunnel was used"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000, "did not answer CONNECT"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_misbehaves_is_an_upstream_error(serve: Serve, answer: bytes, message: str) -> None:
    async def handler(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    profile = NetworkProfile(proxy_url=f"http://127.0.0.1:{await serve(handler)}", allow=LAN)
    with pytest.raises(Upstream, match=message):
        await fetch(profile, "https://models.corp/")
