"""Runs the simulator as a process, for benchmarks and demonstrations."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

from headgate.testing.simulator.script import Failure, Script, Tokens
from headgate.testing.simulator.server import Simulator


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    port: int
    script: Script


def options(arguments: Sequence[str]) -> Options:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m headgate.testing.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 takes a free one (default)")
    parser.add_argument("--chunks", type=int, default=8, help="chunks of an answer's text (8)")
    parser.add_argument("--chunk-chars", type=int, default=8, help="characters in a chunk (8)")
    parser.add_argument("--spacing-ms", type=float, default=0.0, help="time between two events of a stream (0)")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="time before the head of an answer (0)")
    parser.add_argument("--echo", action="store_true", help="answer with the user's last message")
    parser.add_argument("--status", type=int, default=200, help="answer with this error where it is not 200")
    given = parser.parse_args(arguments)
    word = "lorem ipsum dolor sit amet "
    chunk = (word * (given.chunk_chars // len(word) + 1))[: given.chunk_chars]
    script = Script(
        text=(chunk,) * given.chunks,
        echo=given.echo,
        chunk_chars=given.chunk_chars,
        tokens=Tokens(output=given.chunks),
        failure=None if given.status == 200 else Failure(given.status),
        delay_s=given.delay_ms / 1000,
        spacing_s=given.spacing_ms / 1000,
    )
    return Options(given.port, script)


async def serve(chosen: Options) -> None:
    """Print the address as the first line, then serve until cancelled."""
    async with Simulator(port=chosen.port, default=chosen.script, keep=16) as simulator:
        sys.stdout.write(f"{simulator.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Run until interrupted."""
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options(sys.argv[1:])))


if __name__ == "__main__":
    main()
