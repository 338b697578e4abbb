"""Runs the wires suite: each way to call one Headgate in turn, in several rounds; then many calls for its memory."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, results
from benchmarks.gateway import measure
from benchmarks.gateway.candidates import gate, upstream
from benchmarks.processes import NotMeasured
from benchmarks.results import Target, machine_line, shown, spread, table, targets_table
from benchmarks.wires.ways import Way, way

CONNECTIONS = 16
STREAMS, SPACING_US, CHUNKS = 200, 20_000, 1_000_000
BASE = "openai"
NATIVE = ("openai", "anthropic", "responses", "gemini")
CALLS = 200_000
MOST_GROWTH_MIB = 20

_HERE = Path(__file__).parent
_PERSON = ("--for", "bench-person")

_METHOD = """\
One Headgate with one worker and everything on (key, limits, policy, scan, labels, cost, sealed record), in front of one
small model server that answers in the wire of the path. wrk drives whole answers over 16 kept-alive connections; what
is measured has one core for itself. Each round measures every way once, so compare within this page. `responses, kept`
keeps its answers, sealed, as that wire does by default. `five budgets` is a second Headgate whose calls have budgets of
the organisation, a group, a person and a use case, in money and tokens, and the limits of their key. Streams are those
of each client's wire from a deployment of OpenAI's dialect: 200 at once, an event every 20 ms in each."""


def run(*, quick: bool) -> None:
    """Measure and write the result."""
    rounds, seconds, calls = (1, 2.0, 5_000) if quick else (2, 3.0, CALLS)
    facts = machine.facts()
    wholes: dict[str, list[Any]] = {}
    streams: dict[str, list[Any]] = {}
    with contextlib.ExitStack() as stack:
        ways = _ways(stack, stack.enter_context(upstream(chunks=CHUNKS, spacing_us=SPACING_US)))
        for number in range(rounds):
            for one in ways:
                _say(f"round {number + 1} of {rounds}: {one.name}")
                if not number:
                    measure.requests(one, connections=CONNECTIONS, seconds=1)
                wholes.setdefault(one.name, []).append(_whole_answers(one, seconds))
            for one in ways:
                if one.model == BASE and one.wire in NATIVE and not one.is_long and one.name != "five budgets":
                    streams.setdefault(one.wire, []).append(measure.streams(one, count=STREAMS, seconds=seconds))
                    measure.settle(one, drain_s=1.0)
        memory = _memory(ways[0], calls=calls)
    result: dict[str, Any] = {
        "machine": {**facts, "load_average_after": machine.load_average()},
        "method": {"rounds": rounds, "seconds": seconds, "connections": CONNECTIONS, "streams": STREAMS},
        "wholes": wholes,
        "streams": streams,
        "memory": memory,
    }
    result["targets"] = [target._asdict() for target in _targets(result)]
    results.write("wires", result, page=_page(result), quick=quick)


def _ways(stack: contextlib.ExitStack, upstream_port: int) -> Sequence[Way]:
    config = (_HERE / "headgate.toml").read_text().replace("UPSTREAM", str(upstream_port))
    port, key, groups = stack.enter_context(gate(config))
    place: dict[str, Any] = {"port": port, "key": key, "groups": groups}
    budgets = (_HERE / "budgets.toml").read_text()
    port, key, groups = stack.enter_context(gate(f"{config}\n{budgets}", holder=_PERSON))
    return [
        *(way(name, name, name, **place) for name in NATIVE),
        way("responses, kept", "responses, kept", "responses", **place),
        *(way(f"{wire} to openai", wire, "openai", **place) for wire in NATIVE[1:]),
        *(way(f"openai to {dialect}", "openai", dialect, **place) for dialect in ("anthropic", "gemini")),
        way("anthropic to gemini", "anthropic", "gemini", **place),
        way("100 kB prompt", "openai", "openai", is_long=True, **place),
        way("five budgets", "openai", "openai", port=port, key=key, groups=groups),
    ]


def _whole_answers(one: Way, seconds: float) -> dict[str, Any]:
    figures = measure.requests(one, connections=CONNECTIONS, seconds=seconds)
    if figures["failed"] or figures["broken"]:
        raise NotMeasured(f"{one.name}: {figures['failed']} answers failed, {figures['broken']} broke off")
    _say(f"  {_worker(figures):,.0f} µs in the worker, {_whole(figures):,.0f} µs in all")
    return figures


def _memory(one: Way, *, calls: int) -> dict[str, Any]:
    """Return the resident memory of the worker while it answers many calls."""
    made, points = 0, [(0, measure.resident(one)["worker"])]
    while made < calls:
        made += measure.requests(one, connections=CONNECTIONS, seconds=10 if calls > 10_000 else 1)["requests"]
        points.append((made, measure.resident(one)["worker"]))
        _say(f"  {made:,} calls: {points[-1][1] / 1024:,.0f} MiB")
    return {"points": points}


def _targets(result: dict[str, Any]) -> list[Target]:
    points = result["memory"]["points"]
    # The first tenth fills caches and pools, which is no growth.
    begun = next(kib for calls, kib in points if calls >= points[-1][0] / 10)
    growth = (points[-1][1] - begun) / 1024
    what = f"growth of a worker's memory from a tenth of {points[-1][0]:,} calls to their end"
    return [
        Target(what, f"≤ {MOST_GROWTH_MIB} MiB", f"{growth:,.1f} MiB", growth <= MOST_GROWTH_MIB),
    ]


def _page(result: dict[str, Any]) -> str:
    wholes, streams = result["wholes"], result["streams"]
    points = result["memory"]["points"]
    return "\n\n".join(
        [
            "# What a call costs on each wire",
            f"{machine_line(result['machine'])} After the run: load average {result['machine']['load_average_after']}.",
            _METHOD,
            f"{result['method']['rounds']} rounds of {result['method']['seconds']:g} s each. "
            "The ratio is that of the worker's CPU to the first row's, within each round.",
            "## Targets",
            targets_table(_targets(result)),
            "## Whole answers, CPU µs a call",
            table(
                ("way", "worker", "ratio", "in all", "calls/s"),
                (
                    (
                        name,
                        shown(spread(map(_worker, rows))),
                        shown(spread(map(_ratio, rows, wholes[BASE]), digits=2)),
                        shown(spread(map(_whole, rows))),
                        shown(spread(row["per_second"] for row in rows)),
                    )
                    for name, rows in wholes.items()
                ),
            ),
            "## Streams from OpenAI's dialect, CPU µs a chunk in the worker",
            table(
                ("client's wire", "worker", "ratio", "age of a chunk p50, µs", "p99, µs"),
                (
                    (
                        name,
                        shown(spread(map(_worker, rows), digits=1)),
                        shown(spread(map(_ratio, rows, streams[BASE]), digits=2)),
                        *(shown(spread(row["age_us"][quantile] for row in rows)) for quantile in ("p50", "p99")),
                    )
                    for name, rows in streams.items()
                ),
            ),
            "## Memory of the worker",
            table(("calls", "MiB"), ((f"{calls:,}", f"{kib / 1024:,.0f}") for calls, kib in points)),
        ]
    )


def _worker(row: dict[str, Any]) -> float:
    return row["cpu_us"]["worker"]


def _whole(row: dict[str, Any]) -> float:
    return sum(row["cpu_us"].values())


def _ratio(row: dict[str, Any], base: dict[str, Any]) -> float:
    return _worker(row) / _worker(base)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
