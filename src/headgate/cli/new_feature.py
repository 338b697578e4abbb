"""`headgate new feature NAME`: writes the files of a feature from templates."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path

from headgate.features import migrations
from headgate.kernel.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z_]{1,30}")
_STEP = 10
_RESERVED = frozenset(
    (
        *("all", "analyse", "analyze", "and", "any", "array", "as", "asc", "both", "case", "cast", "check"),
        *("collate", "column", "create", "default", "desc", "distinct", "do", "else", "end", "except", "false"),
        *("fetch", "for", "foreign", "from", "grant", "group", "having", "in", "initially", "into", "lateral"),
        *("leading", "limit", "not", "null", "offset", "on", "only", "or", "order", "placing", "primary"),
        *("public", "references", "returning", "select", "session", "some", "substrate", "table", "then", "to"),
        *("trailing", "true", "union", "unique", "user", "using", "variadic", "when", "where", "window", "with"),
        *("information_schema",),
    )
)
"""Words that PostgreSQL does not take as the name of a schema, and those that mean something else."""


def feature_files(name: str, root: Path, commands: Collection[str] = ()) -> Mapping[str, str]:
    """Map the paths of a new feature's files, relative to the repository, to their templates.

    Raises:
        Invalid: the name is not valid.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name!r} is not a valid name; write at least two lower case letters or _", param="NAME")
    if keyword.iskeyword(name) or name in _RESERVED or name.startswith("pg_"):
        raise Invalid(f"{name!r} is reserved by Python or SQL; choose another name", param="NAME")
    if importlib.util.find_spec(f"headgate.{name}") is not None or name.replace("_", "-") in commands:
        raise Conflict(f"Headgate already has a package or a command {name!r}; choose another name")
    folder = f"src/headgate/{name}"
    modules = ("__init__", "verbs", "store", "service", "routes", "commands", "feature")
    return {
        **{f"{folder}/{module}.py": f"{module}.py.txt" for module in modules},
        f"{folder}/queries.sql": "queries.sql.txt",
        f"{folder}/rules/access.cedar": "access.cedar.txt",
        f"{folder}/migrations/{_next_number(root):04}_{name}_said.pre.sql": "migration.sql.txt",
        f"console/src/pages/{name}/page.tsx": "page.tsx.txt",
        f"tests/{name}/test_{name}.py": "test.py.txt",
    }


def write_feature(name: str, root: Path, *, commands: Collection[str] = ()) -> list[Path]:
    """Write the files of a new feature into a checkout and return their paths.

    Raises:
        Invalid: the name is not valid, or `root` is not a checkout of Headgate.
        Conflict: a file already exists. Nothing was written.
    """
    if not (root / "src" / "headgate" / "features.py").is_file():
        raise Invalid(f"{root} is not a checkout of Headgate: it has no src/headgate/features.py", param="--into")
    files = {root / path: template for path, template in feature_files(name, root, commands).items()}
    if taken := [path for path in (root / "src" / "headgate" / name, *files) if path.exists()]:
        raise Conflict(f"{taken[0]} already exists; nothing was written")
    title = name.replace("_", " ")
    marks = {
        "{{name}}": name,
        "{{dashed}}": name.replace("_", "-"),
        "{{Name}}": title.capitalize(),
        "{{Class}}": title.title().replace(" ", ""),
    }
    templates = resources.files("headgate.cli") / "templates" / "feature"
    for path, template in files.items():
        text = (templates / template).read_text("utf-8")
        for mark, word in marks.items():
            text = text.replace(mark, word)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_with_sorted_imports(text) if path.suffix == ".py" else text)
    return list(files)


def _with_sorted_imports(text: str) -> str:
    """Sort Headgate's own imports, whose order depends on the feature's name."""
    lines = text.split("\n")
    own = [number for number, line in enumerate(lines) if line.startswith("from headgate.")]
    for number, line in zip(own, sorted(lines[number] for number in own), strict=True):
        lines[number] = line
    return "\n".join(lines)


def _next_number(root: Path) -> int:
    """Return the number of the next migration: the next multiple of ten, over those of features not yet listed."""
    files = (root / "src" / "headgate").glob("*/migrations/[0-9]*.sql")
    last = max([one.number for one in migrations()] + [int(file.name[:4]) for file in files])
    return (last // _STEP + 1) * _STEP
