from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.errors import Denied, Unavailable, Upstream, UpstreamTimeout
from headgate.substrate.egress import AddressPolicy, Egress, NetworkProfile, Origin, Request, is_metadata
from headgate.substrate.egress.dialing import Route

Serve = Callable[..., Awaitable[int]]

REFUSED = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.1.1", "172.31.0.1", "192.0.0.8"),
    *("192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "169.254.169.254", "168.63.129.16", "100.100.100.200"),
    *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1", "fec0::1", "4000::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2001:0:1::1"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]


class Scripted:
    """A resolver that answers with the next of its scripts, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise OSError("no such name")
        return answer


async def vet(allow: Sequence[str], host: str, port: int, *found: str) -> list[str]:
    return await AddressPolicy(allow).addresses(Scripted(found), host, port)


@pytest.mark.parametrize("address", REFUSED)
async def test_addresses_that_are_not_public_are_refused_by_name_and_by_number(address: str) -> None:
    with pytest.raises(Denied, match=r"api\.example:443 is not allowed"):
        await vet((), "api.example", 443, address)
    with pytest.raises(Denied):
        await vet((), address, 443)


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_are_reached_without_a_list(address: str) -> None:
    assert await vet((), "api.example", 443, address) == [address]
    assert await vet((), address, 443) == [address]


async def test_one_refused_address_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(Denied):
        await vet((), "api.example", 443, "8.8.8.8", "10.0.0.1")


@pytest.mark.parametrize(
    ("allow", "host", "port", "address"),
    [
        (("10.0.0.0/8",), "model.corp", 8000, "10.1.2.3"),
        (("model.corp:8000",), "model.corp", 8000, "10.1.2.3"),
        (("Model.Corp:8000",), "model.corp", 8000, "10.1.2.3"),
        (("10.1.2.3:8000",), "model.corp", 8000, "10.1.2.3"),
        (("[::1]:8000",), "localhost", 8000, "::1"),
        (("fc00::/7",), "model.corp", 8000, "fd12::1"),
        (("169.254.169.254:80",), "169.254.169.254", 80, "169.254.169.254"),
        (("[fd00:ec2::254]:80",), "fd00:ec2::254", 80, "fd00:ec2::254"),
        (("64:ff9b::/96",), "api.example", 443, "64:ff9b::808:808"),
        (("::ffff:0:0/96", "10.0.0.0/8"), "api.example", 443, "::ffff:10.0.0.1"),
    ],
)
async def test_what_is_listed_is_reached(allow: Sequence[str], host: str, port: int, address: str) -> None:
    assert await vet(allow, host, port, address) == [str(_parsed(address))]


def _parsed(address: str) -> IPv4Address | IPv6Address:
    return IPv6Address(address) if ":" in address else IPv4Address(address)


@pytest.mark.parametrize(
    ("allow", "host", "port", "address"),
    [
        (("model.corp:8000",), "model.corp", 8001, "10.1.2.3"),
        (("model.corp:8000",), "other.corp", 8000, "10.1.2.3"),
        (("10.0.0.0/8",), "model.corp", 8000, "192.168.0.1"),
        (("model.corp:80",), "model.corp", 80, "169.254.169.254"),
        (("169.254.0.0/16", "0.0.0.0/0"), "model.corp", 80, "169.254.169.254"),
        (("169.254.169.254:80",), "169.254.169.254", 8080, "169.254.169.254"),
        (("::/0",), "model.corp", 80, "fd00:ec2::254"),
        (("64:ff9b::/96",), "api.example", 443, "64:ff9b::a00:1"),
        (("64:ff9b::/96", "0.0.0.0/0"), "api.example", 80, "64:ff9b::a9fe:a9fe"),
        (("::ffff:0:0/96",), "api.example", 443, "::ffff:10.0.0.1"),
        (("2002::/16",), "api.example", 443, "2002:a00:1::1"),
        (("0.0.0.0/0", "0.0.0.0:80"), "zero.example", 80, "0.0.0.0"),
        (("0.0.0.0/0",), "many.example", 80, "224.0.0.1"),
        (("::/0",), "zone.example", 80, "fe80::1%1"),
    ],
)
async def test_a_list_opens_no_more_than_it_says(allow: Sequence[str], host: str, port: int, address: str) -> None:
    with pytest.raises(Denied):
        await vet(allow, host, port, address)


METADATA = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize("is_listed", [False, True])
async def test_no_proxy_is_a_clouds_metadata_service(address: str, is_listed: bool) -> None:
    """Naming a proxy lists it, which opens private addresses and not these."""
    authority = Origin("http", address, 80).authority
    for url, host in ((f"http://{authority}", address), ("http://proxy.corp:80", "proxy.corp")):
        profile = NetworkProfile(proxy_url=url, allow=(authority,) if is_listed else ())
        route = Route.of(profile, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        with pytest.raises(Denied, match="is not allowed"):
            await route.proxy_policy.addresses(Scripted([address]), host, 80)


async def test_a_proxy_on_a_private_network_is_listed_by_being_named() -> None:
    route = Route.of(NetworkProfile(proxy_url="http://10.1.2.3:3128"), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert await route.proxy_policy.addresses(Scripted([]), "10.1.2.3", 3128) == ["10.1.2.3"]


@pytest.mark.parametrize("host", ["metadata.google.internal", "metadata", "metadata.goog", "instance-data"])
def test_a_metadata_service_is_known_by_its_name_where_somebody_else_resolves_it(host: str) -> None:
    assert is_metadata(host)
    with pytest.raises(Denied, match="a cloud's metadata service"):
        AddressPolicy((f"{host}:80",)).vet_literal(host, 80)


@given(st.integers(min_value=0, max_value=2**32 - 1).map(IPv4Address))
def test_no_address_that_python_calls_private_passes(address: IPv4Address) -> None:
    async def passes(text: str) -> bool:
        try:
            await vet((), "api.example", 443, text)
        except Denied:
            return False
        return True

    with asyncio.Runner() as runner:
        is_public = address.is_global and not address.is_multicast
        assert is_public or not runner.run(passes(str(address)))
        assert not runner.run(passes(f"::ffff:{address}"))


@pytest.mark.parametrize("found", [(), ("not an address",), tuple(f"8.8.8.{n}" for n in range(17))])
async def test_a_name_without_a_usable_address_is_an_upstream_error(found: tuple[str, ...]) -> None:
    with pytest.raises(Upstream, match=r"api\.example"):
        await vet((), "api.example", 443, *found)


async def test_a_name_that_moves_inside_between_check_and_use_gains_nothing(serve: Serve) -> None:
    reached: list[bytes] = []

    async def inside(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    port = await serve(inside)
    resolver = Scripted(["127.0.0.1"], ["127.0.0.2"])
    profiles = {"one": NetworkProfile(allow=("127.0.0.1/32",))}
    request = Request("GET", f"http://moving.example:{port}/", profile="one")
    async with Egress(profiles=profiles, resolver=resolver) as egress:
        async with egress.send(request) as response:
            assert await response.read() == b"ok"
        with pytest.raises(Denied):
            async with egress.send(request):
                raise AssertionError("an address that was not vetted was reached")
    # One question for one connection: the answer that was vetted is the one that was used.
    assert resolver.asked == [("moving.example", port)] * 2
    assert [line for line in reached[0].split(b"\r\n") if line.startswith(b"host")] == [
        b"host: moving.example:%d" % port
    ]
    assert len(reached) == 1


async def test_the_default_profile_reaches_nothing_inside(serve: Serve) -> None:
    async def inside(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("reached")

    port = await serve(inside)
    async with Egress() as egress:
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"):
            with pytest.raises(Denied):
                async with egress.send(Request("GET", f"http://{host}:{port}/")):
                    raise AssertionError("a private address was reached")
        assert egress.connections == 0


async def test_the_next_address_is_tried_when_the_first_does_not_answer(serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read()

    port = await serve(handler)
    profiles = {"lan": NetworkProfile(allow=("127.0.0.0/8",))}
    request = Request("GET", f"http://two.example:{port}/", profile="lan")
    resolver = Scripted(["127.0.0.9", "127.0.0.1"])
    async with Egress(profiles=profiles, resolver=resolver) as egress, egress.send(request) as response:
        assert response.status == 204


async def test_a_resolver_that_hangs_is_given_up() -> None:
    class Hanging:
        async def resolve(self, host: str, port: int) -> Sequence[str]:
            await asyncio.Event().wait()
            return ()

    async with Egress(profiles={"quick": NetworkProfile(connect_s=0.05)}, resolver=Hanging()) as egress:
        with pytest.raises(UpstreamTimeout, match=r"timed out after 0\.05 s"):
            async with egress.send(Request("GET", "http://slow.example/", profile="quick")):
                raise AssertionError("nothing was resolved")


async def test_a_connection_that_is_ready_only_after_closing_is_not_used(serve: Serve) -> None:
    closing, closed = asyncio.Event(), asyncio.Event()

    class Late:
        async def resolve(self, host: str, port: int) -> Sequence[str]:
            closing.set()
            await closed.wait()
            return ["127.0.0.1"]

    received: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())

    async def send(egress: Egress, port: int) -> None:
        async with egress.send(Request("GET", f"http://late.example:{port}/", profile="lan")):
            raise AssertionError("sent after closing")

    port = await serve(handler)
    egress = Egress(profiles={"lan": NetworkProfile(allow=("127.0.0.0/8",))}, resolver=Late())
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(send(egress, port))
            await closing.wait()
            await egress.aclose()
            closed.set()
    assert caught.group_contains(Unavailable)
    assert egress.connections == 0
    assert b"".join(received) == b""
