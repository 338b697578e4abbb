"""Outgoing requests, with strict checks of URLs and headers.

All checks run before the first byte is written. They reject URLs and headers that two parsers could read differently.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache

from headgate.kernel.errors import Invalid, TooLarge

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:[/?][!$-\[\]-~]*)?)",
    re.IGNORECASE,
)
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# A last label that is a number makes resolvers read the whole host as an IPv4 address (inet_aton: 127.1, 0x7f.1).
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_URL = 8192
_MAX_HEAD = 128 * 1024
_MAX_HEADERS = 128
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Framing, routing and hop-by-hop fields are ours alone to write. Source: RFC 9110 section 7.6.1, RFC 9112 section 6.
_OURS = frozenset(
    b"host content-length transfer-encoding connection keep-alive proxy-connection proxy-authorization te trailer "
    b"upgrade expect".split()
)
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, the key of connections and credentials. The host is lower case, without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host, and the port if it is not the default, in the form of the Host header."""
        return self.host_in_url if self.port == _DEFAULT_PORTS[self.scheme] else self.authority

    @property
    def authority(self) -> str:
        """`host:port`, always with the port, for messages."""
        return f"{self.host_in_url}:{self.port}"

    @property
    def host_in_url(self) -> str:
        """The host, with brackets for an IPv6 address."""
        return f"[{self.host}]" if ":" in self.host else self.host


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL: the origin, and the path with its query."""

    origin: Origin
    path: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send.

    `headers` and `body` may hold secrets and prompts; they are in no message and not in the repr.

    Attributes:
        method: upper-case token.
        url: absolute http or https URL in ASCII, without user information or fragment.
        headers: names and values in order. Host, framing and hop-by-hop fields are refused: they are written here.
        body: sent with its length.
        profile: the name of the network profile to leave by.
        within_s: time limit of the whole exchange in seconds, below the profile's; None uses the profile's.
    """

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    profile: str = "default"
    within_s: float | None = None


@lru_cache(maxsize=512)
def parse_url(url: str) -> Target:
    """Parse a URL strictly.

    Raises:
        Invalid: anything but a plain ASCII http(s) URL; the message never repeats the URL, which may hold a key.
    """
    if len(url) > _MAX_URL:
        raise TooLarge(f"The URL is longer than {_MAX_URL} characters.", param="url")
    match = _URL.fullmatch(url)
    if match is None:
        raise Invalid(_why_refused(url), param="url")
    scheme = match["scheme"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        raise Invalid("The URL's port is not between 1 and 65535.", param="url")
    path = match["path"]
    return Target(
        Origin(scheme, _host(match["host"].lower()), port), (path if path[:1] == "/" else "/" + path).encode("ascii")
    )


def _why_refused(url: str) -> str:
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        return "The URL holds user information; pass credentials as a header."
    if "#" in url:
        return "The URL holds a fragment; leave it out."
    return "The URL is not an absolute http or https URL in plain ASCII (write other names in punycode)."


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError as error:
            raise Invalid("The URL's host is not an IPv6 address.", param="url") from error
    if ".." in host or len(host) > 253:
        raise Invalid("The URL's host is not a name.", param="url")
    if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise Invalid("The URL's host is a number that is not a dotted IPv4 address.", param="url") from error
    return host


@lru_cache(maxsize=1024)
def _field_start(name: bytes) -> bytes:
    """Return the checked name in wire form: lower case, with colon and space."""
    lowered = name.lower()
    if not _TOKEN.fullmatch(name):
        raise Invalid("A header's name is not a token.", param="headers")
    if lowered in _OURS:
        raise Invalid(f"The egress client writes the header {lowered.decode()}; leave it out.", param="headers")
    return lowered + b": "


@lru_cache(maxsize=64)
def _request_start(method: str) -> bytes:
    if not _TOKEN.fullmatch(method.encode("utf-8", "replace")) or method != method.upper() or method == "CONNECT":
        raise Invalid("The method is not an upper-case token (CONNECT is not for callers).", param="method")
    return method.encode("ascii") + b" "


def encode_head(request: Request, path: bytes, *, fixed: bytes) -> bytes:
    """Encode the head of a request.

    Args:
        request: what to send.
        path: the request target, in origin or absolute form.
        fixed: header lines that belong to the connection (Host, a proxy's authorisation), each ending in CRLF.

    Raises:
        Invalid: a name, value or method that could end a line or change the framing.
    """
    headers = request.headers
    if len(headers) > _MAX_HEADERS:
        raise TooLarge(f"The request has more than {_MAX_HEADERS} headers.", param="headers")
    if _CONTROL.search(b"\t".join([value for _, value in headers])):
        raise Invalid("A header's value holds a control character.", param="headers")
    parts = [_request_start(request.method), path, b" HTTP/1.1\r\n", fixed]
    plain = True
    for name, value in headers:
        start = _field_start(name)
        plain = plain and start != b"accept-encoding: "
        parts += (start, value, b"\r\n")
    if plain:
        parts.append(b"accept-encoding: identity\r\n")
    if request.body or request.method in _BODY_METHODS:
        parts.append(b"content-length: %d\r\n" % len(request.body))
    parts.append(b"\r\n")
    head = b"".join(parts)
    if len(head) > _MAX_HEAD:
        raise TooLarge(f"The request's headers are larger than {_MAX_HEAD} bytes.", param="headers")
    return head
