"""Network profiles: proxy, trusted authorities, allowed addresses and timeouts of outgoing traffic."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from headgate.kernel.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkProfile:
    """The network settings of a group of destinations; equal profiles share connections.

    Attributes:
        proxy_url: `http://host:port` of a forward proxy: CONNECT for https, absolute form for http. None: direct.
        proxy_login: `user:password` for the proxy (the value of a secret, kept out of every message), or None.
        proxy_resolves: True lets the proxy resolve names, so that a name is no longer vetted or pinned here. False
            resolves and vets here and tunnels to the vetted address; plain http through a proxy needs True.
        ca_file: PEM bundle of private authorities, trusted besides the system's.
        client_cert_file: PEM chain shown to destinations that ask for a client certificate.
        client_key_file: its private key; None when the key is in the same file.
        allow: destinations that would be refused otherwise: networks (`10.1.0.0/16`) or one exact `host:port`. A
            metadata address is only ever allowed by its own `address:port`, and never as a proxy.
        connect_s: seconds to resolve, connect and shake hands.
        first_byte_s: seconds from the request written until the first byte of the answer's body.
        idle_s: seconds between two pieces of the body; does not run while our own reader is slow.
        total_s: seconds from start to end of the whole exchange.
        keep_alive_s: seconds an unused connection is kept; keep it below the destination's own limit.
        max_idle: unused connections kept for one destination.
        max_head_bytes: most bytes of status line and headers, interim answers included.
        max_body_bytes: most bytes of body.
    """

    proxy_url: str | None = None
    proxy_login: str | None = field(default=None, repr=False)
    proxy_resolves: bool = False
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    allow: tuple[str, ...] = ()
    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 120.0
    total_s: float = 3600.0
    keep_alive_s: float = 30.0
    max_idle: int = 64
    max_head_bytes: int = 64 * 1024
    max_body_bytes: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        for each in fields(self):
            value: object = getattr(self, each.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and not value > 0:
                raise Invalid(f"The network profile's {each.name} is not above zero.", param=each.name)
        if self.proxy_login is not None and (":" not in self.proxy_login or not self.proxy_login.isprintable()):
            raise Invalid("The proxy login is not of the form user:password.", param="proxy_login")
        if self.client_key_file is not None and self.client_cert_file is None:
            raise Invalid("A client key needs its certificate: set client_cert_file.", param="client_key_file")
