"""A child process's link to its supervisor: it ends with the supervisor, and sends heartbeats."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import threading

ALIVE = b"alive\n"
ALIVE_EVERY_S = 1.0


def stop_with_parent() -> None:
    """Send SIGTERM to this process once its standard input closes, if that is a pipe.

    The supervisor holds the other end and never writes; the kernel closes it even after kill -9.
    """
    if _is_supervised():
        threading.Thread(target=_wait_for_end, name="parent-watch", daemon=True).start()


def say_ready() -> None:
    """Report to the supervisor that this process is ready."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def prove_alive() -> None:
    """Send a heartbeat line to the supervisor each second from the running event loop.

    A blocked loop sends no heartbeat, and the supervisor restarts the process. Does nothing without a supervisor.
    """
    if _is_supervised():
        # A supervisor that does not read must not block the loop that tells it so.
        os.set_blocking(sys.stdout.fileno(), False)
        _beat(asyncio.get_running_loop(), sys.stdout.fileno())


def _beat(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    try:
        os.write(descriptor, ALIVE)
    except BlockingIOError:
        pass
    except OSError:
        return  # the supervisor is gone, and the end of our standard input says so too
    loop.call_later(ALIVE_EVERY_S, _beat, loop, descriptor)


def _is_supervised() -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, AttributeError, ValueError):  # started without a standard input
        return False


def _wait_for_end() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
