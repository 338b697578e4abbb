"""Holds every test of this process to loopback: what would leave the machine fails, wherever it was called."""

from __future__ import annotations

import ipaddress
import sys
from typing import cast


def refuse_what_leaves_the_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Be an audit hook. Raises RuntimeError for a connection to an address that is not this machine's own."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(cast("tuple[object, ...]", address)[0]).partition("%")[0]
    try:
        leaves = not ipaddress.ip_address(host).is_loopback
    except ValueError:
        leaves = host not in ("", "localhost")
    if leaves:
        raise RuntimeError(f"a test wants to reach {host}")


sys.addaudithook(refuse_what_leaves_the_machine)
