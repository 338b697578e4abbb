"""Entry point of a worker process: `python -m headgate.cli.worker`."""

from __future__ import annotations

import asyncio
import signal
import socket
from dataclasses import replace
from pathlib import Path

import click
import uvicorn
import uvloop

from headgate.cli.running import run
from headgate.server.http import bounded_http
from headgate.server.worker import application
from headgate.substrate import settings as settings_module
from headgate.substrate.garbage import freeze_startup_objects
from headgate.substrate.logs import set_up_logs
from headgate.substrate.parent import prove_alive, say_ready, stop_with_parent
from headgate.substrate.settings import Settings

_DRAIN_S = 10
_LAST_WORDS_S = 2.0
_KEEP_ALIVE_S = 75


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--fd", type=int, required=True, help="The listening socket, inherited.")
@click.option("--host", required=True)
@click.option("--port", type=int, required=True)
@click.option("--model-port", type=int)
@click.option("--number", type=int, required=True, help="Its number among the workers, for the metrics.")
def worker(data: Path, fd: int, host: str, port: int, model_port: int | None, number: int) -> None:
    """Serve HTTP requests."""
    settings = replace(settings_module.load(), data=data, host=host, port=port)
    set_up_logs("worker", level=settings.log_level)
    uvloop.run(_serve(settings, socket.socket(fileno=fd), model_port, str(number)))


async def _serve(settings: Settings, listener: socket.socket, model_port: int | None, name: str) -> None:
    async with application(settings, model_port=model_port, name=name) as app:
        config = uvicorn.Config(
            app,
            http=bounded_http(unread_s=settings.unread_s),
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_DRAIN_S,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
        )
        server = uvicorn.Server(config)
        _end_with_the_server(server)
        stop_with_parent()
        freeze_startup_objects()
        say_ready()
        prove_alive()
        await server.serve(sockets=[listener])
        # Cancelled requests still close their records, so the journal closes after them.
        if server.server_state.tasks:
            await asyncio.wait(set(server.server_state.tasks), timeout=_LAST_WORDS_S)


def _end_with_the_server(server: uvicorn.Server) -> None:
    """Let signals end the server, never the process: after serving, it raises once more the one that ended it.

    With the usual handlers that would kill us before anything is taken down: records, leases, the journal.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)


def main() -> None:
    """Run the process."""
    run(worker)


if __name__ == "__main__":
    main()
