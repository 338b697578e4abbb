"""Tests reach nothing beyond this machine."""

from __future__ import annotations

import asyncio
import socket

import pytest


def test_a_socket_that_would_leave_the_machine_is_refused() -> None:
    with socket.socket() as one, pytest.raises(RuntimeError, match=r"wants to reach 192\.0\.2\.1"):
        one.connect(("192.0.2.1", 9))


async def test_a_connection_of_the_event_loop_that_would_leave_the_machine_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"wants to reach 192\.0\.2\.1"):
        await asyncio.open_connection("192.0.2.1", 9)
