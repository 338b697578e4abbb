"""Peers, each installed into an environment of its own under `.work` when it is first needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.machine import WORK
from benchmarks.processes import NotMeasured


def environment(name: str, *requirements: str) -> Path:
    """Return the `bin` folder of an environment that holds these; made once.

    Raises:
        NotMeasured: they cannot be installed here.
    """
    folder = WORK / name
    stamp, wanted = folder / "installed", "\n".join(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return folder / "bin"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    done = subprocess.run([folder / "bin" / "pip", "install", "--quiet", *requirements], capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotMeasured(f"{', '.join(requirements)} cannot be installed here: {' '.join(lines)[:300]}")
    stamp.write_text(wanted)
    return folder / "bin"


def compiled(source: Path) -> Path:
    """Return the program made of one C file; compiled anew when the file is newer.

    Raises:
        NotMeasured: there is no C compiler.
    """
    program = WORK / "bin" / source.stem
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["gcc", "-O2", "-Wall", "-o", str(program), str(source)], check=True)
    except FileNotFoundError:
        raise NotMeasured("there is no gcc to compile the model server and the stream reader") from None
    return program
