"""What our code may not do, looked for in its syntax trees: each rule is one function, and each is seen to bite.

A few rules name the places that may: what a rule protects has to be done somewhere.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "headgate"

Rule = Callable[[ast.AST], bool]

_CLOCKS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now"),
    *("time.time", "time.time_ns", "uuid.uuid4", "uuid4", "uuid.uuid1", "secrets.token_bytes", "secrets.token_hex"),
}
_RANDOM = {"random", "uuid", "secrets"}
_NOT_OF_A_GROUP = {"asyncio.create_task", "asyncio.ensure_future", "create_task", "ensure_future", "loop.create_task"}


def _name(node: ast.AST) -> str:
    """Return a dotted name as it is written; empty where it is none."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_name(value)}.{attribute}".lstrip(".")
        case _:
            return ""


def _imports(node: ast.AST) -> set[str]:
    """Return the top packages that a statement imports."""
    match node:
        case ast.Import(names=names):
            return {alias.name.partition(".")[0] for alias in names}
        case ast.ImportFrom(module=str(module), level=0):
            return {module.partition(".")[0]}
        case _:
            return set()


def asks_the_clock_or_chance(node: ast.AST) -> bool:
    """Time and randomness are passed in."""
    return (isinstance(node, ast.Call) and _name(node.func) in _CLOCKS) or bool(_imports(node) & _RANDOM)


def starts_a_task_that_nobody_owns(node: ast.AST) -> bool:
    """A task belongs to the group of the function that starts it."""
    return isinstance(node, ast.Call) and _name(node.func) in _NOT_OF_A_GROUP


def commits(node: ast.AST) -> bool:
    """The edge's transaction commits when its block ends."""
    return isinstance(node, ast.Call) and _name(node.func).endswith((".commit", ".rollback"))


def reads_the_environment(node: ast.AST) -> bool:
    """What is set is decoded once."""
    return (isinstance(node, ast.Attribute) and _name(node) == "os.environ") or (
        isinstance(node, ast.Call) and _name(node.func) == "os.getenv"
    )


def speaks_to_the_database_itself(node: ast.AST) -> bool:
    """Data is reached through `substrate.database` only, which binds a transaction to a tenant."""
    return bool(_imports(node) & {"psycopg", "psycopg_pool"})


def opens_a_transaction_of_no_tenant(node: ast.AST) -> bool:
    """Who works without a tenant sees nobody's rows, or has a policy of its own."""
    return isinstance(node, ast.Call) and any(
        word.arg == "tenant" and isinstance(word.value, ast.Constant) and word.value.value is None
        for word in node.keywords
    )


RULES: dict[Rule, tuple[str, ...]] = {
    asks_the_clock_or_chance: ("substrate/",),
    starts_a_task_that_nobody_owns: (),
    commits: (),
    # `env:NAME` is how a secret is referred to.
    reads_the_environment: ("substrate/settings.py", "substrate/secrets.py", "testing/"),
    speaks_to_the_database_itself: ("substrate/", "testing/"),
    opens_a_transaction_of_no_tenant: (
        *("substrate/database.py", "policy/jobs.py", "ledger/shipper.py", "ledger/sequencer.py"),
    ),
}

PLANTED: dict[Rule, tuple[str, ...]] = {
    asks_the_clock_or_chance: ("datetime.now(UTC)", "time.time()", "import random", "from uuid import uuid4"),
    starts_a_task_that_nobody_owns: ("asyncio.create_task(f())", "asyncio.get_running_loop().create_task(f())"),
    commits: ("await connection.commit()", "self._connection.rollback()"),
    reads_the_environment: ("os.environ['X']", "os.environ.get('X')", "os.getenv('X')"),
    speaks_to_the_database_itself: ("import psycopg", "from psycopg import sql", "import psycopg_pool"),
    opens_a_transaction_of_no_tenant: ("database.transaction(tenant=None)", "self._database.transaction(tenant=None)"),
}


def _files() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(), str(path))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_nothing_in_the_source(rule: Rule) -> None:
    may = RULES[rule]
    found = [
        f"{name}:{getattr(node, 'lineno', 0)}"
        for name, tree in _files()
        if not (may and name.startswith(may))
        for node in ast.walk(tree)
        if rule(node)
    ]
    assert not found, rule.__doc__


@pytest.mark.parametrize(
    ("rule", "line"),
    [(rule, line) for rule, lines in PLANTED.items() for line in lines],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_planted_violation_is_seen(rule: Rule, line: str) -> None:
    tree = ast.parse(f"async def f():\n    {line}")
    assert any(rule(node) for node in ast.walk(tree))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_place_that_may_does(rule: Rule) -> None:
    users = {name for name, tree in _files() if any(rule(node) for node in ast.walk(tree))}
    for place in RULES[rule]:
        assert any(user.startswith(place) for user in users), f"{place} need not be named any more"


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*/queries.sql")), ids=lambda path: path.parent.name)
def test_queries_name_the_schema_of_their_own_feature_only(path: Path) -> None:
    schemas = {entry.parent.name for entry in SOURCE.glob("*/queries.sql")} | {"substrate"}
    named = set(re.findall(rf"\b({'|'.join(schemas)})\.\w", _without_comments(path.read_text())))
    assert named == {path.parent.name}


def _without_comments(sql: str) -> str:
    return re.sub(r"--.*", "", sql)


def test_what_a_type_checker_should_not_say_has_a_reason() -> None:
    without = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in (SOURCE, ROOT / "tests")
        for path in sorted(folder.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(r"#\s*(type|pyright): ignore", line)
        and not re.search(r"# pyright: ignore\[\w+(, \w+)*\] - \S", line)
        and path != Path(__file__)
    ]
    assert not without, "write `# pyright: ignore[rule] - why`"


def test_features_offer_what_is_written_down_here_and_no_more() -> None:
    offered = {
        path.parent.relative_to(SOURCE).as_posix(): _offer(path)
        for path in sorted(SOURCE.rglob("__init__.py"))
        if "import" in path.read_text() and path.parent != SOURCE
    }
    written = {name: words.split() for name, words in OFFERS.items()}
    assert {name: sorted(offer) for name, offer in offered.items() if offer} == written


def _offer(path: Path) -> list[str]:
    module = importlib.import_module(".".join(("headgate", *path.parent.relative_to(SOURCE).parts)))
    names: list[str] = getattr(module, "__all__", [])
    for name in names:
        assert hasattr(module, name), f"{module.__name__} does not have {name}"
    return names


OFFERS: dict[str, str] = {
    "guard": """
        AnswerMemory Engine GuardLabeller GuardTransformer Pseudonyms builtin_detectors
    """,
    "ledger": """
        FileKeyRing JournalRecorder KeysOnDemand LedgerReader LogKeys OpenedPart Pseudonymiser RecordFamily
        RecordFilters RecordList Sealer Sequencer SequencerSetup Shipper ShipperPace StoredRecord check_bundle
        prove read_verifier run_sequencer run_shipper verifier_path verify_log
    """,
    "policy": """
        ApiKey Approval Authenticated Baseline Check CustomPolicy Explanation KeyLimits KeyTerms NewKey
        PolicyApprovals PolicyDecider PolicyService RegisteredPrincipal RuleView Snapshot SnapshotHolder
        authenticate compile_baseline load_snapshot make_admin_key policy_sections refresh
    """,
    "substrate/durable": """
        Durable DurableRun Later LeaseLost Queue RunStatus
    """,
    "substrate/egress": """
        AddressPolicy Egress Framing Headers NetworkProfile Origin Request Resolver Response Sending
        SystemResolver Target Vetted is_metadata parse_url why_never
    """,
    "testing/simulator": """
        Failure Framing Received Script Simulator Tokens ToolCall context_overflow
    """,
}


def test_tests_wait_for_what_happens_rather_than_for_a_time() -> None:
    waits = {
        path.stem: sum(map(_waits_for_a_time, ast.walk(ast.parse(path.read_text()))))
        for path in sorted((ROOT / "tests").rglob("*.py"))
    }
    assert {name: count for name, count in waits.items() if count} == SLEEPS, (
        "wait for an event, or look until it is so"
    )


SLEEPS = {"test_database": 1, "test_database_away": 1, "test_egress_exchange": 3, "test_shipper": 1}
"""How many there are: something that takes its time on purpose, or load that comes again and again. Never to grow."""


def _waits_for_a_time(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or _name(node.func) not in ("asyncio.sleep", "time.sleep"):
        return False
    time = node.args[0]
    return isinstance(time, ast.Constant) and float(str(time.value)) >= 0.05
