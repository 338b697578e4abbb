"""Which names a request may give in `Host` and `Origin`, so that no foreign page reaches us by a name that it owns.

A page at `http://evil.example` whose name suddenly resolves to 127.0.0.1 sends its own name (DNS rebinding); a page of
another origin that calls us directly sends its `Origin`. Both are refused before anything else is looked at, but for
the origins that the settings list: those may call models, with a key like everybody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar
from urllib.parse import urlsplit

from headgate.kernel.errors import Denied, Invalid

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_USUAL_PORTS = {"http": 80, "https": 443}
_MAX_CHARS = 300


class Misdirected(Invalid):
    """The request was meant for a server of another name."""

    code = "misdirected_request"
    status: ClassVar[int] = 421


class HostRule:
    """The names that are ours.

    Args:
        port: that we listen on.
        names: further names from the settings, as `name`, which takes our port and the usual ones, or `name:port`.
        origins: of applications elsewhere that may call models, such as `app://obsidian.md`.
    """

    def __init__(self, *, port: int, names: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._allowed: set[str] = set()
        self._origins = frozenset(origin.lower() for origin in origins)
        for name in _LOOPBACK:
            self._allowed.add(f"{name}:{port}")
            if port in _USUAL_PORTS.values():
                self._allowed.add(name)
        for name in (name.strip().lower() for name in names):
            self._allowed.add(name)
            if not _has_port(name):
                self._allowed |= {f"{name}:{one}" for one in (port, *_USUAL_PORTS.values())}

    def check(self, headers: dict[str, str]) -> str | None:
        """Refuse a request that is not meant for us; return its `Origin` where that is an application elsewhere.

        Raises:
            Invalid: it has no `Host`, or one of no such form.
            Misdirected: its `Host` is not ours.
            Denied: its `Origin` is there, and is neither ours nor one that the settings list.
        """
        host = headers.get("host", "").lower()
        if not host or len(host) > _MAX_CHARS:
            raise Invalid("the request has no Host header", param="host")
        if host not in self._allowed:
            raise Misdirected(
                "this Headgate does not answer to that host name; add it to HEADGATE_HOSTS, or use 127.0.0.1",
                param="host",
            )
        origin = headers.get("origin")
        if origin is None or _authority(origin) in self._allowed:
            return None
        if origin.lower() in self._origins:
            return origin
        raise foreign_origin()

    @staticmethod
    def is_same_origin(headers: dict[str, str]) -> bool:
        """Tell whether the request says that it comes from a page of the very host that it is sent to."""
        origin = _authority(headers.get("origin", ""))
        host = headers.get("host", "").lower()
        return origin is not None and origin in (host, host.removesuffix(":80"), host.removesuffix(":443"))


def foreign_origin() -> Denied:
    """Return the refusal of a page or application of another origin."""
    return Denied(
        "requests from pages of another origin are refused; list an origin that may call models in HEADGATE_ORIGINS",
        rules=("gate.origin",),
    )


def _authority(origin: str) -> str | None:
    """Return host and port of an origin; None where it is no http origin, such as `null`."""
    try:
        parts = urlsplit(origin.lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _USUAL_PORTS or not parts.hostname or parts.path or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if port is None else f"{host}:{port}"


def _has_port(name: str) -> bool:
    return name.rpartition("]")[2].rpartition(":")[2].isdigit() and ":" in name.rpartition("]")[2]
