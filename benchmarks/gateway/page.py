"""The gateway suite's result as a page, and its targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.results import Target, machine_line, shown, spread, table, targets_table

_METHOD = """\
One model server (a small epoll program) answers every candidate; wrk drives whole answers over kept-alive connections,
another small program reads the streams. Every candidate is alive during the whole run and is measured in turn, in
several rounds; LiteLLM and TensorZero are stopped while others are measured, since they work off streams for minutes.
A figure is the median with the least and the most of the rounds. CPU is what the kernel accounts to the
threads of a candidate's processes (`/proc/PID/task/*/schedstat`), divided by what was answered; what shipper, sequencer
and PostgreSQL still do after the load has ended is waited for and counted. Headgate's workers have the kernel sync
their journals: what the kernel's own threads used meanwhile, for whomever, is counted as Headgate's. What is measured
has one core for itself (as far as the machine is quiet: see the load average), everything beside it the others.
Prompts are 64 different ones of about 1 kB, answers are 1 kB.

Headgate runs as `headgate up --workers 1` with everything on: key, limits of the key (requests and money), Cedar
policy, scan of prompt and answer, labels, cost, sealed record on disk before anything is sent, shipper, sequencer,
database.
`headgate-masking` is the same for a deployment that is not ours, with an e-mail address and a phone number in each
prompt, which are masked. nginx, TensorZero and LiteLLM only forward: no key of their own for the first two, no policy,
no scan, no record, no database."""


def targets(result: dict[str, Any]) -> list[Target]:
    """Return what was promised and what was measured."""
    worker = _median(result, "headgate", "requests_16", _worker)
    whole = _median(result, "headgate", "requests_16", _whole)
    chunk = _median(result, "headgate", "streams", _worker)
    litellm = _median(result, "litellm", "requests_16", _whole)
    memory = result["resident_kib"]["after"].get("headgate", {}).get("worker")
    return [
        _at_most("CPU a governed request in the worker, 16 connections", 500, worker, "µs"),
        _at_most("CPU a governed request in all, 16 connections", 700, whole, "µs"),
        _chunk_target(result, chunk),
        _cheaper(worker=worker, whole=whole, litellm=litellm),
        _at_most("resident memory of a worker after the run", 200, memory / 1024 if memory else None, "MiB"),
    ]


def _chunk_target(result: dict[str, Any], chunk: float | None) -> Target:
    """Judge the cost of a chunk, unless chunks came bunched: several at once cost less than the same one by one."""
    target = _at_most("CPU a streamed chunk in the worker, 200 streams", 80, chunk, "µs")
    age_us = _median(result, "headgate", "streams", lambda row: row["age_us"]["p50"])
    if age_us is None or age_us <= result["method"]["spacing_us"]:
        return target
    told = f"{target.measured}, but bunched (the median chunk was {age_us / 1000:,.0f} ms old): the core was not free"
    return target._replace(measured=told, is_met=None)


def _cheaper(*, worker: float | None, whole: float | None, litellm: float | None) -> Target:
    if not worker or not whole or not litellm:
        return Target("cheaper than LiteLLM bare, in all", "≥ 20×", "—", None)
    told = f"{litellm / whole:,.1f}× (the worker alone {litellm / worker:,.1f}×)"
    return Target("cheaper than LiteLLM bare, in all", "≥ 20×", told, litellm / whole >= 20)


def page(result: dict[str, Any], *, profile: dict[str, Any] | None) -> str:
    """Return the page."""
    names = list(result["candidates"])
    parts = [
        "# What a governed model call costs",
        _machine(result["machine"]),
        _METHOD,
        f"{result['method']['rounds']} rounds of {result['method']['seconds']:g} s each.",
        "## Targets",
        targets_table(targets(result)),
        "## CPU a request, µs",
        table(
            ("candidate", "1 connection", "16 connections", "64 connections", "answers/s at 16"),
            (
                (name, *(_shown(result, name, f"requests_{n}", _whole) for n in (1, 16, 64)), _rate(result, name))
                for name in names
                if name != "direct"
            ),
        ),
        "## Headgate's parts, µs a request",
        table(("candidate", "connections", *_PARTS), _parts(result)),
        "## Added latency of whole answers, µs over no gateway",
        "At 1 connection; with more, the connections queue for the one core and latency is throughput by another name.",
        table(("candidate", "p50", "p99"), _latencies(result, names)),
        "## Streams",
        f"{result['method']['streams']} streams, an event every {result['method']['spacing_us'] / 1000:g} ms in each. "
        "The age is the time from the model server's writing of an event to its text's arrival at the reader.",
        table(
            ("candidate", "CPU a chunk, µs", "chunks/s", "age p50, µs", "age p99, µs", "KiB a stream"),
            (
                (
                    name,
                    _shown(result, name, "streams", _whole) if name != "direct" else "—",
                    *(
                        _shown(result, name, "streams", pick)
                        for pick in (_per_second, lambda row: row["age_us"]["p50"], lambda row: row["age_us"]["p99"])
                    ),
                    _shown(result, name, "streams", lambda row: row["kib_per_stream"], digits=1, first=True)
                    if name not in ("direct", "headgate-masking")  # the latter is the same process as headgate
                    else "—",
                )
                for name in names
            ),
        ),
        "KiB a stream is the growth of the gateway's resident memory from rest to all streams open, first round.",
        "## Resident memory after the run, MiB",
        "PostgreSQL's processes share memory, which is counted once for each of them.",
        table(
            ("candidate", "process", "MiB"),
            (
                (name, part, round(kib / 1024))
                for name, groups in result["resident_kib"]["after"].items()
                if name != "headgate-masking"
                for part, kib in groups.items()
            ),
        ),
    ]
    if result["not_measured"]:
        parts += [
            "## Not measured, or not in every round",
            *(f"- {name}: {why}" for name, why in result["not_measured"].items()),
        ]
    if profile is not None:
        parts += _profile(profile)
    return "\n\n".join(parts)


def _machine(machine: dict[str, Any]) -> str:
    after = f"load average {machine['load_average_after']}, the same piece {machine['calibration_us_after']} µs"
    return f"{machine_line(machine)} After the run: {after}."


_PARTS = ("worker", "shipper", "sequencer", "postgres", "supervisor", "kernel", "in all")


def _parts(result: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name in ("headgate", "headgate-masking"):
        for connections in (1, 16, 64):
            kind = f"requests_{connections}"
            if kind not in result["candidates"].get(name, {}):
                continue
            cells = [_shown(result, name, kind, lambda row, part=part: row["cpu_us"][part]) for part in _PARTS[:-1]]
            yield (name, str(connections), *cells, _shown(result, name, kind, _whole))


def _latencies(result: dict[str, Any], names: Sequence[str]) -> Iterable[Sequence[str]]:
    for name in names:
        if name == "direct":
            continue
        cells: list[str] = []
        for quantile in ("p50_us", "p99_us"):
            mine = _median(result, name, "requests_1", lambda row, key=quantile: row[key])
            bare = _median(result, "direct", "requests_1", lambda row, key=quantile: row[key])
            cells.append("—" if mine is None or bare is None else f"{mine - bare:,.0f}")
        yield (name, *cells)


def _profile(profile: dict[str, Any]) -> list[str]:
    parts = [
        "## Where a worker's time goes",
        f"py-spy at {profile['connections']} connections, a run of its own ({machine_line(profile['machine'])[:-1]}). "
        "The samples of each thread share the CPU that the kernel accounts to it, in µs a request; a call that gives "
        "up the interpreter's lock also shows the wait to get it back.",
    ]
    for name, one in profile["profiles"].items():
        threads = ", ".join(f"{thread} {us:,.0f} µs" for thread, us in one["threads_us"].items())
        alone, whole = list(one["alone_us"].items())[:25], list(one["whole_us"].items())
        shown_whole = [row for row in whole if "headgate/" in row[0] and "cli/" not in row[0]][:25]
        rows = [(a[1], a[0], w[1], w[0]) for a, w in zip(alone, shown_whole, strict=False)]
        parts += [f"### {name}", f"Threads: {threads}.", table(("µs", "function alone", "µs", "with its calls"), rows)]
    return parts


def _rows(result: dict[str, Any], name: str, kind: str) -> list[dict[str, Any]]:
    return result["candidates"].get(name, {}).get(kind, [])


def _median(result: dict[str, Any], name: str, kind: str, pick: Any) -> float | None:
    rows = _rows(result, name, kind)
    return spread(pick(row) for row in rows)["median"] if rows else None


def _shown(result: dict[str, Any], name: str, kind: str, pick: Any, *, digits: int = 0, first: bool = False) -> str:
    rows = _rows(result, name, kind)[: 1 if first else None]
    if first and rows:
        return f"{pick(rows[0]):,.{digits}f}"
    return shown(spread((pick(row) for row in rows), digits=digits) if rows else None)


def _rate(result: dict[str, Any], name: str) -> str:
    return _shown(result, name, "requests_16", _per_second)


def _per_second(row: dict[str, Any]) -> float:
    return row["per_second"]


def _worker(row: dict[str, Any]) -> float:
    return next(iter(row["cpu_us"].values()))


def _whole(row: dict[str, Any]) -> float:
    return sum(row["cpu_us"].values())


def _at_most(what: str, most: float, measured: float | None, unit: str) -> Target:
    met = None if measured is None else measured <= most
    return Target(what, f"≤ {most:g} {unit}", _told(measured, f" {unit}", 0), met)


def _told(value: float | None, unit: str, digits: int) -> str:
    return "—" if value is None else f"{value:,.{digits}f}{unit}"
