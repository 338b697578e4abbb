"""Runs the gateway suite: every candidate alive at once, measured in turn, several rounds."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Generator, Sequence
from typing import Any

from benchmarks import machine, results
from benchmarks.gateway import measure, profile
from benchmarks.gateway.candidates import STARTERS, Candidate, upstream
from benchmarks.gateway.page import page, targets
from benchmarks.processes import NotMeasured

CONNECTIONS = (1, 16, 64)
STREAMS, SPACING_US = 200, 20_000
CHUNKS = 1_000_000
"""More than any stream lasts: every one is open while it is measured, and left by its reader."""

_PAUSED = ("litellm", "tensorzero")


def run(*, quick: bool, only: Sequence[str] = ()) -> None:
    """Measure and write the result."""
    rounds, seconds = (1, 2.0) if quick else (3, 4.0)
    facts = machine.facts()
    rows: dict[str, dict[str, list[Any]]] = {}
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(upstream(chunks=CHUNKS, spacing_us=SPACING_US))
        alive = _start(stack, port, only, missing)
        memory = {candidate.name: dict(measure.resident(candidate)) for candidate in alive}
        for candidate in alive:
            _signal(candidate, signal.SIGSTOP)
            stack.callback(_signal, candidate, signal.SIGCONT)
        for number in range(rounds):
            for candidate in alive:
                _say(f"round {number + 1} of {rounds}: {candidate.name}")
                taken = rows.setdefault(candidate.name, {})
                with _awake(candidate):
                    _measure(candidate, taken, seconds=seconds, missing=missing)
        memory_after = {candidate.name: dict(measure.resident(candidate)) for candidate in alive}
    result: dict[str, Any] = {
        "machine": {
            **facts,
            "load_average_after": machine.load_average(),
            "calibration_us_after": machine.calibration_us(),
        },
        "method": {
            "rounds": rounds,
            "seconds": seconds,
            "connections": CONNECTIONS,
            "streams": STREAMS,
            "spacing_us": SPACING_US,
            "cores": machine.cores()._asdict(),
        },
        "candidates": rows,
        "resident_kib": {"before": memory, "after": memory_after},
        "not_measured": missing,
    }
    result["targets"] = [target._asdict() for target in targets(result)]
    # Written before it is profiled: what took a quarter of an hour does not hang on that.
    results.write("gateway", result, page=page(result, profile=None), quick=quick)
    if not quick and "headgate" in rows and (profiled := _profiled()) is not None:
        result["profile"] = profiled
        results.write("gateway", result, page=page(result, profile=profiled), quick=quick)


def _profiled() -> dict[str, Any] | None:
    try:
        return profile.run()
    except NotMeasured as error:
        _say(f"no profile: {error}")
        return None


def _start(stack: contextlib.ExitStack, port: int, only: Sequence[str], missing: dict[str, str]) -> list[Candidate]:
    """Start the candidates; those that cannot be started are noted with the reason."""
    alive: list[Candidate] = []
    for name, start in STARTERS.items():
        if only and name not in only and name != "direct":
            continue
        _say(f"starting {name}")
        try:
            for candidate in stack.enter_context(start(port)):
                candidate.check()
                alive.append(candidate)
        except NotMeasured as error:
            missing[name] = str(error)
            _say(f"{name} is not measured: {error}")
    return alive


@contextlib.contextmanager
def _awake(candidate: Candidate) -> Generator[None]:
    """Let a peer run while it is measured, and only then: a slow one works off its streams for minutes afterwards."""
    _signal(candidate, signal.SIGCONT)
    try:
        yield
    finally:
        _signal(candidate, signal.SIGSTOP)


def _signal(candidate: Candidate, number: signal.Signals) -> None:
    if candidate.name in _PAUSED:
        for pid in itertools.chain.from_iterable(candidate.groups().values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _measure(candidate: Candidate, taken: dict[str, list[Any]], *, seconds: float, missing: dict[str, str]) -> None:
    try:
        with contextlib.suppress(NotMeasured):  # to warm it up; a slow one may answer nothing in this time
            measure.requests(candidate, connections=16, seconds=1)
        for connections in CONNECTIONS:
            figures = measure.requests(candidate, connections=connections, seconds=seconds)
            taken.setdefault(f"requests_{connections}", []).append(figures)
            _say(f"  {connections:3} connections: {_parts(figures)} a request, {figures['per_second']:,.0f}/s")
        measure.settle(candidate)
        figures = measure.streams(candidate, count=STREAMS, seconds=seconds)
        taken.setdefault("streams", []).append(figures)
        _say(f"  {STREAMS} streams: {_parts(figures)} a chunk, {figures['per_second']:,.0f}/s")
        measure.settle(candidate, drain_s=2.0)
    except NotMeasured as error:
        missing[candidate.name] = str(error)
        _say(f"  not measured: {error}")


def _parts(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:,.0f} µs" for name, value in figures["cpu_us"].items()) or "nothing"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
