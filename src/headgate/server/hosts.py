"""The allowed values of `Host` and `Origin`, which keep foreign pages out.

DNS rebinding points the name of a foreign page at 127.0.0.1; such a page sends its own name as `Host`.
A foreign page that calls Headgate directly sends its `Origin`. Both are refused before anything else is checked.
Origins listed in the settings may call models with a key.
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
    """The request names another host."""

    code = "misdirected_request"
    status: ClassVar[int] = 421


class HostRule:
    """The host names of this Headgate.

    Args:
        port: the port that this Headgate listens on.
        names: more names from the settings: `name:port`, or `name` for our port, 80 and 443.
        origins: origins of other applications that may call models, such as `app://obsidian.md`.
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
        """Check `Host` and `Origin`; return the `Origin` if it is a listed application of another origin.

        Raises:
            Invalid: `Host` is missing or too long.
            Misdirected: `Host` is not one of our names.
            Denied: `Origin` is neither ours nor listed in the settings.
        """
        host = headers.get("host", "").lower()
        if not host or len(host) > _MAX_CHARS:
            raise Invalid("the request has no usable Host header; send one", param="host")
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
        """Tell whether `Origin` and `Host` name the same host."""
        origin = _authority(headers.get("origin", ""))
        host = headers.get("host", "").lower()
        return origin is not None and origin in (host, host.removesuffix(":80"), host.removesuffix(":443"))


def foreign_origin() -> Denied:
    """Return the error for a page or application of another origin."""
    return Denied(
        "pages of another origin may not send this request; to let an origin call models, list it in HEADGATE_ORIGINS",
        rules=("gate.origin",),
    )


def _authority(origin: str) -> str | None:
    """Return host and port of an origin, or None for one without http, such as `null`."""
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
