from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase, fresh_database, postgres
from headgate.testing.served import Served, served_house

__all__ = ["fresh_database", "postgres"]

STRANGERS = Path(__file__).parent / "strangers"
"""A stranger's package as an installer leaves it: modules, and metadata with their entry points."""

CONSOLE = {
    "index.html": b"<!doctype html><title>Console</title>",
    "favicon.svg": b"<svg/>",
    "assets/app-1a2b3c.js": b"console.log('x');" * 200,
}


@pytest.fixture
def console(tmp_path: Path) -> Path:
    """A built console, with a file beside it that is nobody's business."""
    root = tmp_path / "static"
    for name, body in CONSOLE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    (tmp_path / "secret.txt").write_text("not for you")
    return root


@pytest.fixture(scope="session")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiled patterns of the detectors are kept for all tests: compiling them takes a second."""
    return tmp_path_factory.mktemp("patterns")


@pytest_asyncio.fixture
async def house(
    fresh_database: TemporaryDatabase, tmp_path: Path, console: Path, patterns: Path
) -> AsyncGenerator[House]:
    """The application on a fresh database."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "cache").symlink_to(patterns)
    async with open_house(fresh_database, folder=tmp_path / "data", console=console) as opened:
        yield opened


@pytest.fixture
def served(fresh_database: TemporaryDatabase, tmp_path: Path, console: Path, patterns: Path) -> Iterator[Served]:
    """The application behind a real server, in a thread of its own."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "cache").symlink_to(patterns)
    with served_house(fresh_database, folder=tmp_path / "data", console=console) as opened:
        yield opened


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stranger's package is installed, for this test."""
    monkeypatch.syspath_prepend(str(STRANGERS))
    yield
    for module in STRANGERS.glob("*.py"):
        sys.modules.pop(module.stem, None)


@pytest_asyncio.fixture
async def strangers_house(
    installed: None, fresh_database: TemporaryDatabase, tmp_path: Path, console: Path, patterns: Path
) -> AsyncGenerator[House]:
    """The application with the stranger's package beside it."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "cache").symlink_to(patterns)
    async with open_house(fresh_database, folder=tmp_path / "data", console=console) as opened:
        yield opened
