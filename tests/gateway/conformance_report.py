"""Writes `docs/conformance.md` from a run of the conformance tests: `make conformance`."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "conformance.md"
MODULE = Path(__file__).with_name("test_conformance.py")

TRAPS = {
    1: "OpenAI: usage in a stream, asked for or not",
    2: "OpenAI: clients that read the first choice of every chunk",
    3: "Parallel tool calls in a stream: places, ids and names",
    4: "One tool call at a time",
    5: "The choice of a tool",
    6: "The limit of an answer, under three names",
    7: "System text: its roles and places",
    8: "Refusals keep their explanation",
    9: "The reason why an answer ended",
    10: "Structured output and dialects of JSON Schema",
    11: "Reasoning under several names, in and out",
    12: "Turns without text beside tool calls",
    13: "Fields that another wire does not have",
    14: "Images and files",
    15: "Embeddings: encoding, token arrays, dimensions",
    16: "Lists of models, in the form of each client",
    17: "Anthropic: the order of events",
    18: "Anthropic: usage at the start and at the end of a stream",
    19: "The arithmetic of cached tokens",
    20: "Signed and redacted thinking stays byte for byte",
    21: "Cache marks",
    22: "The client's own bytes are forwarded",
    23: "Tool calls and results in pairs; ids that each wire takes",
    24: "Token counts for any model",
    25: "Anthropic: names of betas",
    26: "Keys in either header",
    27: "Tools that the provider runs itself",
    28: "Responses: earlier answers, stored and not stored",
    29: "Responses: encrypted reasoning",
    30: "Responses: event types, sequence numbers, failed answers",
    31: "Responses: custom tools, namespaces, refusal of a WebSocket",
    32: "Responses: answers in the background",
    33: "The form of errors",
    34: "Overflow of the context, in words that clients know",
    35: "Retry-After and rate limits",
    36: "Mistakes of the client, and of the gateway's own key",
    37: "Failures before and within a stream",
    38: "Signs of life that hide no dead provider",
    39: "Clients that leave",
    40: "The framing of streams",
    41: "Idempotency and retries of SDKs",
    42: "A fallback gets the client's own request",
    43: "Keys of the cache",
    44: "Files and batches",
    45: "Realtime",
    46: "Passthrough is governed like everything else",
    47: "Parameters of vLLM and llama.cpp",
    48: "HTTP: sizes, headers, addresses",
}
"""What clients and providers get wrong with one another; the tests name them by these numbers."""

_NAMED = re.compile(r"\bTraps? (\d+(?:(?:, | and |, and )\d+)*)")


class Behaviour(NamedTuple):
    """A test of `test_conformance.py`, with the traps that its docstring names."""

    sentence: str
    traps: tuple[int, ...]


Cells = Mapping[str, Mapping[tuple[str, str], tuple[int, int]]]
"""By test and by client and provider: the number of its variants that passed, and of all."""


def behaviours() -> dict[str, Behaviour]:
    """Return the conformance tests by name."""
    found: dict[str, Behaviour] = {}
    for node in ast.parse(MODULE.read_text()).body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            sentence = node.name.removeprefix("test_").replace("_", " ").capitalize()
            found[node.name] = Behaviour(sentence, _traps(ast.get_docstring(node) or ""))
    return found


def tests_by_trap() -> dict[int, list[str]]:
    """Return the files with tests of each trap, without those of the matrix."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path == MODULE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                for trap in _traps(ast.get_docstring(node) or ""):
                    found[trap].append(path.relative_to(ROOT / "tests").as_posix())
    return found


def _traps(text: str) -> tuple[int, ...]:
    return tuple(int(number) for match in _NAMED.finditer(text) for number in re.findall(r"\d+", match[1]))


def rendered(cells: Cells) -> str:
    """Return the report."""
    clients = list(dict.fromkeys(client for row in cells.values() for client, _ in row))
    return "\n".join([_HEAD, *(line for client in clients for line in _table(client, cells)), *table_of_traps()]) + "\n"


_HEAD = """# Conformance

Every wire of clients, against every dialect of providers. Each cell is a test that runs with the suite
(`tests/gateway/test_conformance.py`), with readers and writers of its own rather than the gateway's.
A number is the number of its variants, such as whole and streamed. `make conformance` writes this page.

The traps are mistakes that gateways are known to make; the list is at the end.
"""


def _table(client: str, cells: Cells) -> Iterable[str]:
    providers = list(dict.fromkeys(one for row in cells.values() for asked, one in row if asked == client))
    yield f"## Clients of {NAMES[client]}\n"
    yield "| behaviour | traps | " + " | ".join(NAMES[one] for one in providers) + " |"
    yield "| --- | --- |" + " --- |" * len(providers)
    for name, (sentence, traps) in behaviours().items():
        row = cells.get(name, {})
        if not any(asked == client for asked, _ in row):
            continue
        told = " | ".join(_cell(*row.get((client, one), (0, 0))) for one in providers)
        yield f"| {sentence} | {', '.join(map(str, traps))} | {told} |"
    yield ""


def _cell(passed: int, count: int) -> str:
    if not count:
        return "not tested"
    return f"✓ {count}" if passed == count else f"**fails {count - passed} of {count}**"


NAMES = {
    "openai": "OpenAI Chat",
    "responses": "OpenAI Responses",
    "anthropic": "Anthropic Messages",
    "gemini": "Gemini",
    "bedrock": "Bedrock Converse",
}


def table_of_traps() -> Iterable[str]:
    """Yield the lines of the table of all traps."""
    inside: dict[int, int] = defaultdict(int)
    for _, traps in behaviours().values():
        for trap in traps:
            inside[trap] += 1
    yield "## Traps and their tests\n"
    yield "| trap | what it is about | rows above | further tests |"
    yield "| --- | --- | --- | --- |"
    elsewhere = tests_by_trap()
    for trap, about in TRAPS.items():
        files = elsewhere.get(trap, [])
        told = ", ".join(f"`{name}`" for name in dict.fromkeys(files))
        yield f"| {trap} | {about} | {inside[trap] or ''} | {told} |"


class Collector:
    """A pytest plugin that notes how each cell ended."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[tuple[str, str], tuple[int, int]]] = defaultdict(dict)
        self._places: dict[str, tuple[str, tuple[str, str]]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note the place of each test in the report."""
        self._places = {item.nodeid: place for item in items if (place := place_of(item)) is not None}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that has run."""
        if report.when == "call" and report.nodeid in self._places:
            name, pair = self._places[report.nodeid]
            passed, count = self.cells[name].get(pair, (0, 0))
            self.cells[name][pair] = (passed + report.passed, count + 1)


def place_of(item: pytest.Item) -> tuple[str, tuple[str, str]] | None:
    """Return the name of a test with its client and provider; None if it is no cell."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec") or "pair" not in item.callspec.params:
        return None
    client, _, provider = str(item.callspec.params["pair"]).partition("-")
    return item.originalname, (client, provider)


def main() -> None:
    """Run the tests and write the report."""
    collector = Collector()
    ended = pytest.main(["-q", "-k", "not test_the_report", str(MODULE)], plugins=[collector])
    REPORT.write_text(rendered(collector.cells))
    print(f"wrote {REPORT.relative_to(ROOT)}")  # noqa: T201 - a script for developers
    sys.exit(ended)


if __name__ == "__main__":
    main()
