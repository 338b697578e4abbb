"""A stranger adds a feature: its own folders and one line, and nothing of it is left without the line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from headgate.testing.running import RunningHeadgate, running_headgate

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


SHOUT = '''
async def shout(service: Hello, request: Request) -> SaidView:
    """Say something in capitals."""
    body = request.body_as(SayBody)
    resource = Resource("hello", "new", attributes={"loudness": 900})
    return _view((await request.act(SAY, resource, Say(PlainText((body.text.upper(),)), 900))).result)


OPERATIONS = (
    Operation(
        "shoutHello",
        "POST",
        "/api/hello/shout",
        "Say something in capitals.",
        shout,
        body=SayBody,
        answer=SaidView,
        verb=SAY,
    ),
'''


class Checkout:
    """A copy of the repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def list(self) -> Path:
        """The file with the list of features."""
        return self.root / "src" / "headgate" / "features.py"

    @property
    def environment(self) -> Mapping[str, str]:
        """What has Python take the copy's code."""
        return {"PYTHONPATH": str(self.root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the copy's code."""
        given = {**os.environ, **self.environment, **environment}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.root, env=given, capture_output=True, text=True, timeout=240)

    def says(self, *arguments: str, **environment: str) -> str:
        """Return what a run that succeeds prints."""
        done = self.run(*arguments, **environment)
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

    def operations(self) -> set[str]:
        """The operations that the document names."""
        document: dict[str, Any] = json.loads(self.says("-m", "headgate.server.api"))
        return {one["operationId"] for path in document["paths"].values() for one in path.values()}

    def build_console(self) -> None:
        """Build the console with the pages that are there now."""
        done = subprocess.run(
            ["sh", "scripts/console.sh", "build"], cwd=self.root, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr


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
    kept = [
        name for name in listed.stdout.split("\0") if name.startswith(("src/", "console/", "scripts/", "pyproject"))
    ]
    for name in kept:
        if (ROOT / name).is_file():  # one that was deleted and not yet committed is not
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "console" / "node_modules").symlink_to(ROOT / "console" / "node_modules")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return Checkout(tmp_path)


def test_a_feature_is_its_own_folders_and_one_line(
    checkout: Checkout, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = checkout.files()
    checkout.says("-m", "headgate.cli.main", "new", "feature", "hello", "--into", str(checkout.root))
    written = checkout.files()
    added = written.keys() - before.keys()
    migrations = {path for path in added if path.startswith("src/headgate/hello/migrations/")}
    assert added - migrations == FILES
    assert len(migrations) == 1
    assert all(written[path] == text for path, text in before.items())
    checkout.build_console()

    # Without the line, the folders do nothing.
    assert "sayHello" not in checkout.operations()
    assert checkout.run("-m", "headgate.cli.main", "hello").returncode == 2
    data = tmp_path_factory.mktemp("without") / "data"
    with running_headgate(data, "--no-model", environment=checkout.environment) as running:
        page = signed_in(chromium, running)
        expect(page.get_by_role("link", name="Activity")).to_be_visible()
        expect(page.get_by_role("link", name="Hello")).to_have_count(0)
        page.context.close()

    checkout.add_line()
    assert {"sayHello", "listHello"} <= checkout.operations()
    # Said by API, asked about by a rule, counted and recorded: the feature's own test, on a real database.
    assert "3 passed" in checkout.says("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/hello")
    # Another operation is a change of one file.
    routes, before = checkout.root / "src" / "headgate" / "hello" / "routes.py", checkout.files()
    routes.write_text(routes.read_text().replace("\nOPERATIONS = (\n", SHOUT))
    changed = [path for path, text in checkout.files().items() if before[path] != text]
    assert changed == ["src/headgate/hello/routes.py"]
    assert "shoutHello" in checkout.operations()
    # The installation that ran without it takes the feature up: its table is made at the next start.
    with running_headgate(data, "--no-model", environment=checkout.environment) as running:
        where = {"HEADGATE_DATA": str(data), "HEADGATE_PORT": running.base_url.rpartition(":")[2]}
        checkout.says("-m", "headgate.cli.main", "hello", "say", "from the command line", **where)
        assert running.api.call("POST", "/api/hello/shout", {"text": "loud"})["text"] == "LOUD"
        page = signed_in(chromium, running)
        page.get_by_role("link", name="Hello").click()
        expect(page.get_by_role("cell", name="from the command line")).to_be_visible()
        page.get_by_label("Text").fill("from the page")
        page.get_by_role("button", name="Say it").click()
        expect(page.get_by_role("cell", name="from the page")).to_be_visible()
        page.context.close()
        assert "from the page" in checkout.says("-m", "headgate.cli.main", "hello", "list", **where)


def signed_in(chromium: Browser, running: RunningHeadgate) -> Page:
    """A page of the administrator."""
    page = chromium.new_context(base_url=running.base_url, reduced_motion="reduce").new_page()
    page.goto(running.sign_in_link)
    return page
