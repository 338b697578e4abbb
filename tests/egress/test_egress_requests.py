from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import pytest

from headgate.kernel.errors import Invalid, TooLarge
from headgate.substrate.egress import Egress, NetworkProfile, Request, parse_url

LAN = ("127.0.0.0/8",)


@pytest.fixture
async def egress() -> AsyncGenerator[Egress]:
    async with Egress(profiles={"lan": NetworkProfile(allow=LAN)}) as egress:
        yield egress


async def fetch(egress: Egress, request: Request) -> bytes:
    async with egress.send(request) as response:
        return await response.read()


@pytest.mark.parametrize(
    "headers",
    [
        ((b"x-a", b"1\r\nx-b: 2"),),
        ((b"x-a", b"1\nx-b: 2"),),
        ((b"x-a", b"\0"),),
        ((b"x-a\r\nx-b", b"1"),),
        ((b"x-a: 1, x-b", b"1"),),
        ((b"", b"1"),),
        ((b"Host", b"elsewhere"),),
        ((b"content-length", b"0"),),
        ((b"Transfer-Encoding", b"chunked"),),
        ((b"connection", b"upgrade"),),
        ((b"proxy-authorization", b"Basic x"),),
        ((b"x-a", b"1"),) * 200,
        ((b"x-a", b"1" * 200_000),),
    ],
)
async def test_a_header_that_could_change_the_request_is_refused_before_anything_is_sent(
    egress: Egress, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    with pytest.raises(Invalid):
        await fetch(egress, Request("POST", "http://127.0.0.1:1/", headers, profile="lan"))
    assert egress.connections == 0


@pytest.mark.parametrize("method", ["get", "GET /x HTTP/1.1\r\nA: b", "", "CONNECT", "GÉT"])
async def test_a_method_that_is_not_a_token_is_refused(egress: Egress, method: str) -> None:
    with pytest.raises(Invalid):
        await fetch(egress, Request(method, "http://127.0.0.1:1/", profile="lan"))


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@host/",
        "http://host@evil/",
        "ftp://host/",
        "//host/",
        "/path",
        "http://host/a b",
        "http://host/\r\nx: y",
        "http://host\\@evil/",
        "http://host/#secret",
        "http://host:0/",
        "http://host:65536/",
        "http://ho%73t/",
        "http://höst/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[1:2]/",
        "http://a..b/",
        "http://-a/",
        "http://host./",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.08/",
        "http://host.0x/",
        "http:///x",
        "http://host/\0",
        "http://host\\/",
        "http://host/\\evil",
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_a_url_is_read_into_origin_and_path() -> None:
    target = parse_url("HTTPS://API.Example.com?q=1")
    assert (target.origin.scheme, target.origin.netloc, target.path) == ("https", "api.example.com", b"/?q=1")
    six = parse_url("http://[2001:DB8::0:1]:8080/a?b#"[:-1])
    assert (six.origin.host, six.origin.authority, six.path) == ("2001:db8::1", "[2001:db8::1]:8080", b"/a?b")
    with pytest.raises(TooLarge):
        parse_url("http://host/" + "x" * 9000)


def test_what_is_sent_is_not_in_the_repr() -> None:
    request = Request("POST", "http://h/?key=secret", ((b"authorization", b"secret"),), b"secret")
    assert "secret" not in repr(request)
    assert "secret" not in repr(NetworkProfile(proxy_url="http://p", proxy_login="u:secret"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: NetworkProfile(idle_s=0),
        lambda: NetworkProfile(total_s=float("nan")),
        lambda: NetworkProfile(proxy_login="nocolon"),
        lambda: NetworkProfile(client_key_file="key.pem"),
        lambda: Egress(profiles={"a": NetworkProfile(allow=("10.0.0.1",))}),
        lambda: Egress(profiles={"a": NetworkProfile(allow=("10.0.0.1/8",))}),
        lambda: Egress(profiles={"a": NetworkProfile(allow=("ho st:1",))}),
        lambda: Egress(profiles={"a": NetworkProfile(allow=("host:http",))}),
        lambda: Egress(profiles={"a": NetworkProfile(proxy_url="socks5://proxy:1080")}),
        lambda: Egress(profiles={"a": NetworkProfile(proxy_url="http://u:p@proxy:1080")}),
        lambda: Egress(profiles={"a": NetworkProfile(ca_file="/nowhere/ca.pem")}),
        lambda: Egress(profiles={"a": NetworkProfile(client_cert_file="/nowhere/cert.pem")}),
    ],
)
def test_a_profile_that_cannot_work_is_refused_when_it_is_read(make: Callable[[], object]) -> None:
    with pytest.raises(Invalid):
        make()


async def test_an_unknown_profile_is_named(egress: Egress) -> None:
    with pytest.raises(Invalid, match="'absent'"):
        await fetch(egress, Request("GET", "http://127.0.0.1:1/", profile="absent"))
