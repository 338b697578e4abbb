"""`python -m headgate.gateway.embedded`: loads both models and serves them on loopback.

It writes its address to stdout once it listens. The models load afterwards; `GET /healthz` shows
the progress. It stops on SIGTERM or SIGINT. It also stops when its standard input is a pipe and
closes, so it never outlives the supervisor at the other end.

Exit codes: 0 stopped · 1 failed · 2 wrong arguments · 3 the model packages are not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import stat
import sys
import tempfile
import threading
from pathlib import Path

import uvicorn

from headgate.gateway.embedded.app import EmbeddedApp
from headgate.gateway.embedded.model_files import Models
from headgate.gateway.embedded.pulled_chats import PulledChats
from headgate.gateway.embedded.weights import WeightsMissing, find_weights
from headgate.substrate.parent import prove_alive

_PURPOSE = "Serve the embedded chat model and the embedder on loopback."
_EXIT_MISSING = 3
_STOP_WITHIN_S = 5
_KEEP_ALIVE_S = 75


def main() -> int:
    """Run the model process and return its exit code."""
    arguments = _arguments()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    try:
        weights = find_weights()
    except WeightsMissing as exc:
        sys.stderr.write(f"{exc}\n")
        return _EXIT_MISSING
    with socket.create_server(("127.0.0.1", arguments.port)) as listener, tempfile.TemporaryDirectory() as private:
        pulled = PulledChats(arguments.models, sockets=Path(private), threads=arguments.threads)
        models = Models(weights, threads=arguments.threads, socket=Path(private, "llama.sock"), pulled=pulled)
        server = _server(models)
        # uvicorn installs its own handlers only while it serves; these cover the time before.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        _stop_with_parent()
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        try:
            asyncio.run(_serve(server, listener, models))
        finally:
            # Only after the loop has closed its connections, because llama.cpp waits for open ones.
            models.close()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m headgate.gateway.embedded", description=_PURPOSE)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="default: all cores but one"
    )
    parser.add_argument("--models", type=Path, help="the folder of pulled models; default: none")
    return parser.parse_args()


def _server(models: Models) -> uvicorn.Server:
    config = uvicorn.Config(
        EmbeddedApp(models), lifespan="off", log_config=None, access_log=False, server_header=False, ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return uvicorn.Server(config)


async def _serve(server: uvicorn.Server, listener: socket.socket, models: Models) -> None:
    prove_alive()
    async with asyncio.TaskGroup() as tasks:
        loading = tasks.create_task(models.load())
        await server.serve(sockets=[listener])
        loading.cancel()


def _stop_with_parent() -> None:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, AttributeError, ValueError):  # started without a standard input
        return
    # A terminal or /dev/null does not close when the parent ends.
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_stop_at_end_of_input, args=[sys.stdin.fileno()], daemon=True).start()


def _stop_at_end_of_input(descriptor: int) -> None:
    while os.read(descriptor, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    # The supervisor is gone and cannot kill a process that hangs, so the process ends itself.
    threading.Event().wait(_STOP_WITHIN_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
