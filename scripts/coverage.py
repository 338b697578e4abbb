"""Holds the packages that must be right to how much of them the suite ran: lines and branches, in this process.

`coverage.py` reads what `pytest --cov` left in `.coverage`. A floor only rises: what is reached is kept. The features'
commands are not counted, because the suite runs them as a user does: in processes of their own.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

FLOORS = {"kernel": 100.0, "policy": 100.0, "wire": 99.5, "ledger": 99.0, "guard": 98.0}


def main() -> None:
    """Print a line for each package, and fail where one is below its floor."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", report], check=True)
        files = json.loads(report.read_text())["files"]
    there, run, missing = Counter(), Counter(), {}
    for name, told in files.items():
        if name.endswith("commands.py"):
            continue
        package, sums = Path(name).parts[2], told["summary"]
        there[package] += sums["num_statements"] + sums["num_branches"]
        run[package] += sums["covered_lines"] + sums["covered_branches"]
        lines = [*told["missing_lines"], *(f"{start}->{end}" for start, end in told["missing_branches"])]
        missing.setdefault(package, []).extend(f"{name}: {', '.join(map(str, lines))}" for _ in lines[:1])
    is_met = True
    for package, floor in FLOORS.items():
        reached = 100 * run[package] / max(there[package], 1)
        is_met &= reached >= floor
        print(f"{package:8}{reached:7.2f} % run, {floor} % at least{'' if reached >= floor else ': TOO LITTLE'}")
        if reached < floor or "-v" in sys.argv:
            print("    " + "\n    ".join(missing.get(package) or ["all of it"]))
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
