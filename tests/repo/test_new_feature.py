"""A stranger adds a feature: its own folders and one line, and nothing of it is left without the line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINE = '    "hello",\n'
FILES = {
    *(f"src/headgate/hello/{name}.py" for name in ("__init__", "verbs", "store", "service", "routes", "commands")),
    "src/headgate/hello/feature.py",
    "src/headgate/hello/queries.sql",
    "src/headgate/hello/rules/access.cedar",
    "console/src/pages/hello/page.tsx",
    "tests/hello/test_hello.py",
}


class Checkout:
    """A copy of the repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def list(self) -> Path:
        """The file with the list of features."""
        return self.root / "src" / "headgate" / "features.py"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the copy's code."""
        environment = {**os.environ, "PYTHONPATH": str(self.root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=240)

    def says(self, *arguments: str) -> str:
        """Return what a run that succeeds prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> dict[str, bytes]:
        """Every file, by its path."""
        found = (path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}

    def add_line(self) -> None:
        """Write the feature's name at the end of the list."""
        text = self.list.read_text()
        before, end, after = text.partition('    "ledger",\n')
        assert end
        self.list.write_text(before + end + LINE + after)

    def remove_line(self) -> None:
        """Take the feature's name out of the list."""
        self.list.write_text(self.list.read_text().replace(LINE, ""))

    def operations(self) -> set[str]:
        """The operations that the document names."""
        document: dict[str, Any] = json.loads(self.says("-m", "headgate.server.api"))
        return {one["operationId"] for path in document["paths"].values() for one in path.values()}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """What the repository holds, without what is built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = [name for name in listed.stdout.split("\0") if name.startswith(("src/", "pyproject.toml"))]
    for name in kept:
        if (ROOT / name).is_file():  # one that was deleted and not yet committed is not
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    return Checkout(tmp_path)


def test_a_feature_is_its_own_folders_and_one_line(checkout: Checkout) -> None:
    before = checkout.files()
    checkout.says("-m", "headgate.cli.main", "new", "feature", "hello", "--into", str(checkout.root))
    written = checkout.files()
    added = written.keys() - before.keys()
    migrations = {path for path in added if path.startswith("src/headgate/hello/migrations/")}
    assert added - migrations == FILES
    assert len(migrations) == 1
    assert all(written[path] == text for path, text in before.items())

    assert "sayHello" not in checkout.operations()
    checkout.add_line()
    assert {"sayHello", "listHello"} <= checkout.operations()
    assert "Say TEXT." in checkout.says("-m", "headgate.cli.main", "hello", "say", "--help")
    # Said by API, asked about by a rule, counted and recorded: the feature's own test, on a real database.
    tested = checkout.says("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/hello")
    assert "3 passed" in tested

    checkout.remove_line()
    assert "sayHello" not in checkout.operations()
    assert checkout.run("-m", "headgate.cli.main", "hello").returncode == 2
    names = checkout.says("-c", "from headgate.features import migrations; print([m.name for m in migrations()])")
    assert "hello" not in names
