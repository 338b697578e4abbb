"""A child process's tie to its supervisor: it ends when the supervisor is gone, however that died."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading


def stop_with_parent() -> None:
    """Send SIGTERM to this process once its standard input closes, if that is a pipe.

    The supervisor holds the other end and never writes; the kernel closes it even after kill -9.
    """
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        threading.Thread(target=_wait_for_end, name="parent-watch", daemon=True).start()


def say_ready() -> None:
    """Tell the supervisor that this process serves."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _wait_for_end() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
