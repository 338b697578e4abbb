"""Entry points of the shipper and the sequencer: `python -m headgate.cli.bookkeeping shipper|sequencer`.

They import less than `headgate.cli.worker`, so they start fast and need little memory.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import click
import uvloop

from headgate.cli.running import run
from headgate.ledger.sequencer import SequencerSetup, run_sequencer
from headgate.ledger.shipper import run_shipper
from headgate.substrate import settings as settings_module
from headgate.substrate.addresses import address_for
from headgate.substrate.garbage import freeze_startup_objects
from headgate.substrate.logs import set_up_logs
from headgate.substrate.parent import prove_alive, say_ready, stop_with_parent
from headgate.substrate.settings import Settings

_data = click.option("--data", type=click.Path(path_type=Path), required=True)


@click.group()
def bookkeeping() -> None:
    """Internal processes. `headgate up` starts them."""


@bookkeeping.command()
@_data
def shipper(data: Path) -> None:
    """Ship the workers' journals to the database."""
    settings = replace(settings_module.load(), data=data)
    set_up_logs("shipper", level=settings.log_level)
    uvloop.run(_until_told(_ship, settings))


@bookkeeping.command()
@_data
def sequencer(data: Path) -> None:
    """Put closed records into the logs."""
    settings = replace(settings_module.load(), data=data)
    set_up_logs("sequencer", level=settings.log_level)
    uvloop.run(_until_told(_sequence, settings))


async def _ship(settings: Settings, stop: asyncio.Event) -> None:
    await run_shipper(settings.journal_folder, address_for("headgate_writer", settings), stop)


async def _sequence(settings: Settings, stop: asyncio.Event) -> None:
    setup = SequencerSetup(settings.ledger_folder, settings.secrets_folder / "ledger")
    await run_sequencer(setup, address_for("headgate_sequencer", settings), stop)


async def _until_told(run: Callable[[Settings, asyncio.Event], Awaitable[None]], settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stop_with_parent()
    freeze_startup_objects()
    say_ready()
    prove_alive()
    await run(settings, stop)


def main() -> None:
    """Run the process."""
    run(bookkeeping)


if __name__ == "__main__":
    main()
