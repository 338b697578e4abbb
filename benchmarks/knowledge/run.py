"""`python -m benchmarks knowledge`: how good the rankings of the index are, and how fast it is."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import machine, results
from benchmarks.knowledge import quality, speed
from benchmarks.knowledge.vaswani import vaswani
from benchmarks.results import Target, machine_line, table, targets_table
from headgate.testing.postgres import postgres_server

_METHOD = (
    "Quality: the {questions} questions of the Vaswani collection over its {texts:,} abstracts, nDCG@10 with gains of "
    "0 and 1. Every second question chooses the parameters of each way, and the others report; then the halves are "
    "swapped. "
    "Speed: {passages:,} passages of four abstracts each, {per_document} in a document, vectors about the middle of "
    "their abstracts' with noise, a hundred access sets. One search after the other on one connection, {rounds} × "
    "{questions} questions. Recall compares the first ten with those of a search that compares all readable vectors."
)


def run(*, quick: bool, passages: int = 100_000, per_document: int = 20, data: Path | None = None) -> None:
    """Measure and write the result."""
    count, rounds = (2_000, 1) if quick else (passages, 3)
    facts, judged = machine.facts(), vaswani()
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-bench-")))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)  # the server drops its privileges and has to get in
        with postgres_server(folder / "speed") as server:
            kept = folder / "filled.json"
            if not kept.exists():
                filling = asyncio.run(speed.fill(server, judged, passages=count, per_document=per_document))
                kept.write_text(json.dumps(filling))
            timed = json.loads(kept.read_text()) | asyncio.run(speed.search(server, judged, rounds=rounds))
        fresh = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-bench-")))
        fresh.chmod(0o755)
        with postgres_server(fresh / "quality") as server:
            ranked = asyncio.run(quality.measure(server, judged))
    method = _METHOD.format(
        questions=len(judged.questions),
        texts=len(judged.texts),
        passages=count,
        per_document=per_document,
        rounds=rounds,
    )
    result: dict[str, Any] = {"machine": facts, "seed": speed.SEED, "method": method, "quality": ranked, "speed": timed}
    result["targets"] = [target._asdict() for target in _targets(result)]
    results.write("knowledge", result, page=_page(result), quick=quick)


def _targets(result: dict[str, Any]) -> list[Target]:
    hybrid = result["quality"]["ways"]["hybrid"]["both"]
    targets = [Target("nDCG@10 of both legs, both halves reported", "≥ .49", f"{hybrid:.3f}", hybrid >= 0.49)]
    for share, legs in result["speed"]["searches"].items():
        for leg in ("meaning", "both"):
            found = legs[leg]["recall"]
            targets.append(Target(f"recall@10, {leg}, {share} readable", "≥ .97", f"{found:.3f}", found >= 0.97))
        p99_ms = legs["both"]["p99_ms"]
        targets.append(Target(f"p99 of a search, {share} readable", "≤ 60 ms", f"{p99_ms:g} ms", p99_ms <= 60))
    for name, rate in result["speed"]["rates"].items():
        if name in ("put, words only", "put, into the full index"):
            targets.append(Target(name, "≥ 500", f"{rate:,}", rate >= 500))
    return targets


def _page(result: dict[str, Any]) -> str:
    columns = ("chosen_on", "reported", "swapped", "both")
    ways = [
        (way, one["parameters"], *(f"{one[column]:.3f}" for column in columns))
        for way, one in result["quality"]["ways"].items()
    ]
    searches = [
        (share, leg, f"{one['p50_ms']:g}", f"{one['p99_ms']:g}", f"{one['cpu_ms']:g}", f"{one['recall']:.3f}")
        for share, legs in result["speed"]["searches"].items()
        for leg, one in legs.items()
    ]
    return "\n\n".join(
        (
            "# knowledge",
            result["method"],
            machine_line(result["machine"]) + f" Load average after it {result['speed']['load_average_after']}.",
            targets_table(Target(**target) for target in result["targets"]),
            table(("way", "parameters", "chosen on", "reported", "the halves swapped", "both halves reported"), ways),
            table(("readable", "legs", "p50 ms", "p99 ms", "CPU ms", "recall@10"), searches),
            table(("rate", "per second"), result["speed"]["rates"].items()),
            table(("relation", "MiB"), result["speed"]["sizes_mib"].items()),
        )
    )


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--per-document", type=int, default=20)
    parser.add_argument("--data", type=Path, help="keep the filled index here, and use it again")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    run(quick=given.quick, passages=given.passages, per_document=given.per_document, data=given.data)


if __name__ == "__main__":
    main()
