"""`python -m headgate.gateway.embedded.pulled_chat FILE`: one pulled model, on a private socket.

The model process starts it and reads one line once the model is loaded. It ends with the model process.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from headgate.gateway.embedded.llama import start_llama
from headgate.substrate.parent import say_ready, stop_with_parent


def main() -> int:
    """Serve the model until the parent ends."""
    parser = argparse.ArgumentParser(description="Serve one pulled model on a private socket.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    stop_with_parent()
    # A local name: the server ends when nothing refers to it any more.
    server = start_llama(given.file, name=given.name, socket=given.socket, threads=given.threads)
    say_ready()
    signal.pause()
    del server
    return 0


if __name__ == "__main__":
    sys.exit(main())
