"""`python -m benchmarks [SUITE ...] [--quick]`: runs the suites and writes `benchmarks/results`."""

from __future__ import annotations

import argparse
import sys

from benchmarks.activity import run as activity
from benchmarks.chat import run as chat
from benchmarks.detection import run as detection
from benchmarks.gateway import run as gateway
from benchmarks.knowledge import run as knowledge
from benchmarks.ledger import run as ledger
from benchmarks.processes import NotMeasured
from benchmarks.start import run as start
from benchmarks.usage import run as usage
from benchmarks.wires import run as wires

SUITES = ("gateway", "detection", "start", "ledger", "activity", "chat", "usage", "wires", "knowledge")


def main() -> None:
    """Run what was asked for, everything by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it runs, not to be quoted")
    parser.add_argument("--only", action="append", default=[], help="of the gateways, only this one; repeatable")
    given = parser.parse_args()
    if unknown := set(given.suites) - set(SUITES):
        parser.error(f"there is no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    failed = False
    for suite in given.suites or SUITES:
        try:
            _run(suite, given)
        except NotMeasured as error:
            failed = True
            print(f"{suite} is not measured: {error}", file=sys.stderr)
    sys.exit(1 if failed else 0)


def _run(suite: str, given: argparse.Namespace) -> None:
    print(f"== {suite}", file=sys.stderr, flush=True)
    match suite:
        case "gateway":
            gateway.run(quick=given.quick, only=given.only)
        case "detection":
            detection.run(quick=given.quick)
        case "start":
            start.run(quick=given.quick)
        case "activity":
            activity.run(quick=given.quick)
        case "chat":
            chat.run(quick=given.quick)
        case "usage":
            usage.run(quick=given.quick)
        case "knowledge":
            knowledge.run(quick=given.quick)
        case "wires":
            wires.run(quick=given.quick)
        case _:
            ledger.run(quick=given.quick)


if __name__ == "__main__":
    main()
