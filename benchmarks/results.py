"""Results as they are committed: one JSON file a suite, and one page that shows all of them."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import WORK

FOLDER = Path(__file__).parent / "results"


class Target(NamedTuple):
    """One target of the project and what was measured."""

    what: str
    target: str
    measured: str
    is_met: bool | None
    """None: not measured."""


def spread(values: Iterable[float], *, digits: int = 0) -> dict[str, float]:
    """Return the median of the rounds with the least and the most."""
    known = list(values)
    return {
        "median": round(statistics.median(known), digits),
        "least": round(min(known), digits),
        "most": round(max(known), digits),
        "rounds": len(known),
    }


def shown(value: dict[str, float] | None) -> str:
    """Return a spread as text."""
    if value is None:
        return "—"
    return f"{value['median']:,g} ({value['least']:,g}–{value['most']:,g})"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def targets_table(targets: Iterable[Target]) -> str:
    """Return the targets as a Markdown table."""
    words = {True: "met", False: "**missed**", None: "not measured"}
    return table(("what", "target", "measured", ""), [(t.what, t.target, t.measured, words[t.is_met]) for t in targets])


def write(name: str, result: dict[str, Any], *, page: str, quick: bool) -> None:
    """Write a suite's result and its page, and the page that lists them; a quick run's beside those to be quoted."""
    folder = WORK / "results" if quick else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    (folder / f"{name}.md").write_text(f"{page.rstrip()}\n")
    (folder / "README.md").write_text(_index(folder))
    print(f"wrote {folder / name}.md", file=sys.stderr)


def _index(folder: Path) -> str:
    """Return the page that lists every suite with its targets."""
    parts = ["# Results\n\nWritten by `make bench`; each suite's page tells the method. Compare within one run only."]
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        if "machine" not in result:
            continue  # budget.json: counts, which no machine changes
        title = f"## {path.stem}" + (f" ([page]({path.stem}.md))" if path.with_suffix(".md").exists() else "")
        parts.append(title)
        if "commit" in result.get("machine", {}):
            parts.append(machine_line(result["machine"]))
        if result.get("targets"):
            parts.append(targets_table(Target(**target) for target in result["targets"]))
    return "\n\n".join(parts) + "\n"


def machine_line(machine: dict[str, Any]) -> str:
    """Return one sentence about where and when."""
    return (
        f"Measured {machine['at']} at commit {machine['commit']} on {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gib']} GiB, Linux {machine['kernel']}, Python {machine['python']}; "
        f"load average before the run {machine['load_average']}; a fixed piece of Python took "
        f"{machine.get('calibration_us', 'unknown')} µs of CPU."
    )
