"""Runs the detection suite: scanning speed, then recall and precision beside Presidio's patterns."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, peers, results
from benchmarks.detection.cases import KINDS, SEED, Case, Span, enterprise, generated, published
from benchmarks.detection.score import score
from benchmarks.gateway.prompts import prompt
from benchmarks.machine import WORK
from benchmarks.processes import NotMeasured
from benchmarks.results import Target, machine_line, shown, spread, table, targets_table
from headgate.guard import Engine, builtin_detectors
from headgate.kernel.content import Finding, Segment

_PRESIDIO = "presidio-analyzer==2.2.366"
_METHOD = f"""\
Speed: CPU time of the calling thread for `Engine.scan` over decoded text, all built-in detectors on, in messages of the
given size; the median of the rounds. Clean prose holds nothing to be found; the dense text is the dataset's sentences,
most of which hold something that has to be judged.

Recall: the share of known values of which a finding of the same kind covers at least half. Precision: the share of
findings that overlap a value of their kind. Brackets are 95 % Wilson intervals. The public dataset is
`presidio_synth_dataset_v2` (Microsoft, MIT; 1,500 sentences), of which the structured kinds count: names, places and
dates need a model and are nobody's claim here. The generated cases (seed {SEED}) are as many look-alikes as values,
written by us: they show regressions, not how the world writes. The enterprise texts are tickets, logs, code and
configurations that were written for this project, with lines beside them in which nothing may be found. The published
sentences were available while the detectors were written: read our share of them as what the rules were made for, and
Presidio's as what it does unprepared. Presidio runs its pattern recognisers on a blank spaCy pipeline."""


def run(*, quick: bool) -> None:
    """Measure and write the result."""
    facts, cache = machine.facts(), WORK / "patterns"
    engine = Engine(builtin_detectors(), cache=cache)
    rounds = 3 if quick else 7
    corpora = {"generated": generated(120 if quick else 1200)}
    missing: dict[str, str] = {}
    try:
        corpora = {"published": published(), "enterprise": enterprise(), **corpora}
    except NotMeasured as error:
        missing["published"] = str(error)
    result: dict[str, Any] = {
        "machine": facts,
        "speed": _speed(engine, corpora, rounds=rounds),
        "found": {},
        "not_measured": missing,
    }
    for corpus, cases in corpora.items():
        for name, find in {"headgate": _ours(engine), "presidio": _presidio}.items():
            try:
                result["found"].setdefault(corpus, {})[name] = _judged(cases, find)
            except NotMeasured as error:
                missing[name] = str(error)
    result["targets"] = [target._asdict() for target in _targets(result)]
    results.write("detection", result, page=_page(result), quick=quick)


Find = Callable[[Sequence[str]], tuple[list[list[Span]], float]]


def _judged(cases: Sequence[Case], find: Find) -> dict[str, Any]:
    found, cpu_s = find([case.text for case in cases])
    return {**score(cases, found), "cpu_us_a_sentence": round(cpu_s * 1e6 / len(cases), 1)}


def _ours(engine: Engine) -> Find:
    def find(texts: Sequence[str]) -> tuple[list[list[Span]], float]:
        for text in texts[:20]:
            engine.scan_text(text)
        began = time.thread_time()
        findings = [engine.scan_text(text) for text in texts]
        cpu_s = time.thread_time() - began
        return [[_span(one) for one in some] for some in findings], cpu_s

    return find


def _span(finding: Finding) -> Span:
    return Span("secret" if finding.category == "secret" else finding.kind, finding.start, finding.end)


def _presidio(texts: Sequence[str]) -> tuple[list[list[Span]], float]:
    python = peers.environment("presidio", _PRESIDIO) / "python"
    script = Path(__file__).parent / "presidio_pattern_only.py"
    done = subprocess.run([python, script], input=json.dumps(texts), capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise NotMeasured(f"Presidio failed: {done.stderr.strip().splitlines()[-1][:300]}")
    answer = json.loads(done.stdout[done.stdout.index('{"cpu_s"') :])
    return [[Span(KINDS[kind], start, end) for kind, start, end in row] for row in answer["found"]], answer["cpu_s"]


def _speed(engine: Engine, corpora: dict[str, list[Case]], *, rounds: int) -> dict[str, dict[str, float]]:
    random_ = random.Random(SEED)
    clean = [prompt(random_, personal=False) for _ in range(256)]
    dense = " ".join(case.text for case in next(iter(corpora.values())))
    texts = {
        "clean, 1 kB": [Segment(text, "user") for text in clean],
        "clean, 64 kB": [Segment("".join(clean)[:65536], "user")] * 8,
        "clean, 1 MB": [Segment(("".join(clean) * 5)[: 1 << 20], "user")],
        "dense, 1 kB": [Segment(dense[at : at + 1024], "user") for at in range(0, min(len(dense), 200_000), 1024)],
    }
    return {
        name: spread((_megabytes_a_second(engine, segments) for _ in range(rounds)), digits=1)
        for name, segments in texts.items()
    }


def _megabytes_a_second(engine: Engine, segments: Sequence[Segment]) -> float:
    size, began = 0, time.thread_time()
    while (took_s := time.thread_time() - began) < 0.2:
        for segment in segments:
            engine.scan((segment,))
            size += len(segment.text)
    return size / took_s / 1e6


def _targets(result: dict[str, Any]) -> list[Target]:
    speed = {name: one["median"] for name, one in result["speed"].items()}
    return [
        Target(f"scanning decoded text ({name})", "≥ 100 MB/s", f"{speed[name]:,.0f} MB/s", speed[name] >= 100)
        for name in ("clean, 64 kB", "clean, 1 kB")
    ]


def _page(result: dict[str, Any]) -> str:
    parts = [
        "# How fast content is scanned, and what is found",
        machine_line(result["machine"]),
        _METHOD,
        "## Targets",
        targets_table(_targets(result)),
        "## Speed, MB of text a second of CPU",
        table(("text", "MB/s"), ((name, shown(one)) for name, one in result["speed"].items())),
    ]
    for corpus, by in result["found"].items():
        rows = [
            (kind, one["values"], name, _share(one, "recall"), _share(one, "precision"))
            for kind in KINDS.values()
            for name, scored in by.items()
            if (one := scored["kinds"][kind])["values"]
        ]
        f1 = "; ".join(
            f"{name}: character F1 {scored['character_f1']:.3f}, {scored['cpu_us_a_sentence']:,.0f} µs CPU a sentence"
            for name, scored in by.items()
        )
        parts += [f"## Found: {corpus}", f1 + ".", table(("kind", "values", "by", "recall", "precision"), rows)]
    if result["not_measured"]:
        parts += ["## Not measured", *(f"- {name}: {why}" for name, why in result["not_measured"].items())]
    return "\n\n".join(parts)


def _share(one: dict[str, Any], name: str) -> str:
    if one[name] is None:
        return "—"
    low, high = one[f"{name}_95"]
    return f"{one[name]:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    run(quick="--quick" in sys.argv)
