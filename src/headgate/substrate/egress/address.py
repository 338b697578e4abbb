"""Allowed network addresses: public ones, and ones that an administrator listed.

This module resolves a name and vets each of its addresses. The client then connects to a vetted address, so that the
name cannot change between the check and the use (DNS rebinding).

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and updates); metadata addresses from the
documentation of the cloud providers.
"""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from typing import Protocol

from headgate.kernel.errors import Denied, Invalid, Upstream

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_ADDRESSES = 16

_NEVER = [
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8")
]  # fmt: skip
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # AWS container credentials
        "169.254.170.23",  # AWS EKS pod identity
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google Cloud over IPv6
        "168.63.129.16",  # Azure's wire server, in public space
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
    )
)
# Names of metadata services, for proxies that resolve names.
_METADATA_NAMES = frozenset(
    (
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.tencentyun.com",
        "metadata.platformequinix.com",
        "api.metadata.cloud.ibm.com",
    )
)
_PRIVATE_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
    )
]
# Of IPv6 only global unicast is allowed, without its reserved blocks.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_PRIVATE_V6 = [ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Names of the resolver's own machine or network. A proxy would resolve them to its internal network.
_INSIDE = ("localhost", ".local", ".internal")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class Resolver(Protocol):
    """Resolves names."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return every address of the host, in the order of attempts. Raises OSError if there is none."""
        ...


class SystemResolver:
    """The operating system's resolver, called in the loop's thread pool."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return every address of the host in the system's order, without a cache."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Class(enum.Enum):
    PUBLIC = "public"
    PRIVATE = "private or reserved"
    METADATA = "a cloud's metadata service"
    NEVER = "not an address of one machine"


def _classify(address: _Address) -> _Class:
    if address in _METADATA:
        return _Class.METADATA
    if any(address.version == network.version and address in network for network in _NEVER):
        return _Class.NEVER
    if isinstance(address, ipaddress.IPv4Address):
        return _Class.PRIVATE if any(address in network for network in _PRIVATE_V4) else _Class.PUBLIC
    if address not in _GLOBAL_V6 or any(address in network for network in _PRIVATE_V6):
        return _Class.PRIVATE
    return _Class.PUBLIC


def _layers(address: _Address) -> Iterator[_Address]:
    """Yield the address, and an embedded IPv4 address (mapped, compatible, NAT64, 6to4, Teredo)."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield address.teredo[1]
    elif address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


class AddressPolicy:
    """The allowed addresses of a profile: every public address, and the entries of its list.

    Args:
        allow: networks in CIDR form, or `host:port` for one exact destination.
        admits_metadata: whether such a destination may be a metadata address.

    Raises:
        Invalid: an entry has neither form.
    """

    __slots__ = ("_admits_metadata", "_exact", "_networks")

    def __init__(self, allow: Sequence[str], *, admits_metadata: bool = True) -> None:
        self._admits_metadata = admits_metadata
        self._networks: list[_Network] = []
        self._exact: set[tuple[str, int]] = set()
        for entry in allow:
            self._add(entry)

    def _add(self, entry: str) -> None:
        try:
            if "/" in entry:
                self._networks.append(ipaddress.ip_network(entry))
                return
            host, _, port = entry.rpartition(":")
            if not re.fullmatch(r"\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+", host):
                raise ValueError(entry)
            host = host.lower() if host[0] != "[" else str(ipaddress.IPv6Address(host[1:-1]))
            self._exact.add((host, int(port)))
        except ValueError as error:
            raise Invalid(f"{entry!r} is neither a network nor host:port.", param="allow") from error

    async def addresses(self, resolver: Resolver, host: str, port: int) -> list[str]:
        """Resolve the host and vet every address. One refused address refuses the destination.

        Raises:
            Denied: an address is refused.
            Upstream: the name has no address.
        """
        try:
            found = [host] if _is_literal(host) else await resolver.resolve(host, port)
            parsed = [ipaddress.ip_address(text) for text in found]
        except (OSError, ValueError) as error:
            raise Upstream(f"The name {host} could not be resolved; check the address and the resolver.") from error
        if not 0 < len(parsed) <= _MAX_ADDRESSES:
            raise Upstream(f"The name {host} has {len(parsed)} addresses; between 1 and {_MAX_ADDRESSES} are taken.")
        for address in parsed:
            self._vet(address, host, port)
        return [str(address) for address in parsed]

    def vet_literal(self, host: str, port: int) -> None:
        """Vet a host that is an address. Accepts names, because the proxy resolves them. Raises Denied."""
        if _is_literal(host):
            self._vet(ipaddress.ip_address(host), host, port)
        elif host in _METADATA_NAMES:
            raise _refused(host, port, _Class.METADATA.value)
        elif host.endswith(_INSIDE) and (host, port) not in self._exact:
            raise _refused(host, port, "a name of an internal network")

    def _vet(self, address: _Address, host: str, port: int) -> None:
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
            raise _refused(host, port, "an address with a zone")
        for layer in _layers(address):
            kind = _classify(layer)
            if kind is _Class.PUBLIC or (self._may_be_listed(kind) and (str(layer), port) in self._exact):
                continue
            listed = (host, port) in self._exact or any(
                layer.version == network.version and layer in network for network in self._networks
            )
            if kind is not _Class.PRIVATE or not listed:
                raise _refused(host, port, kind.value)

    def _may_be_listed(self, kind: _Class) -> bool:
        return kind is _Class.PRIVATE or (kind is _Class.METADATA and self._admits_metadata)


def _refused(host: str, port: int, what: str) -> Denied:
    return Denied(
        f"{host}:{port} is not allowed: it is {what}. An administrator can add it to allow in the network profile.",
        rules=("egress.address",),
    )


def is_metadata(host: str) -> bool:
    """Return whether a host is a cloud's metadata service, by address in any notation or by name."""
    if not _is_literal(host):
        return host in _METADATA_NAMES
    return any(_classify(each) is _Class.METADATA for each in _layers(ipaddress.ip_address(host)))


_LINK_LOCAL = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))


def why_never(host: str) -> str | None:
    """Return why nobody may declare a host, or None. Refuses metadata, link-local, and non-unicast addresses.

    A name that resolves to such an address is refused at the connect.
    """
    if not _is_literal(host):
        return _Class.METADATA.value if host in _METADATA_NAMES else None
    for layer in _layers(ipaddress.ip_address(host)):
        if (kind := _classify(layer)) in (_Class.METADATA, _Class.NEVER):
            return kind.value
        if any(layer.version == network.version and layer in network for network in _LINK_LOCAL):
            return "a link-local address"
    return None


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
