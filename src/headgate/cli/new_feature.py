"""`headgate new feature NAME`: writes the files of a feature from templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from headgate.features import migrations
from headgate.kernel.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_STEP = 10


def feature_files(name: str) -> Mapping[str, str]:
    """Map the paths of a new feature's files, relative to the repository, to their templates.

    Raises:
        Invalid: the name is not valid.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is not a valid name; write at least two lower case letters, digits or _",
            param="NAME",
        )
    folder = f"src/headgate/{name}"
    modules = ("__init__", "verbs", "store", "service", "routes", "commands", "feature")
    return {
        **{f"{folder}/{module}.py": f"{module}.py.txt" for module in modules},
        f"{folder}/queries.sql": "queries.sql.txt",
        f"{folder}/rules/access.cedar": "access.cedar.txt",
        f"{folder}/migrations/{_next_number():04}_{name}_said.pre.sql": "migration.sql.txt",
        f"console/src/pages/{name}/page.tsx": "page.tsx.txt",
        f"tests/{name}/test_{name}.py": "test.py.txt",
    }


def write_feature(name: str, root: Path) -> list[Path]:
    """Write the files of a new feature into a checkout and return their paths.

    Raises:
        Invalid: the name is not valid, or `root` is not a checkout of Headgate.
        Conflict: a file already exists. Nothing was written.
    """
    if not (root / "src" / "headgate" / "features.py").is_file():
        raise Invalid(f"{root} is not a checkout of Headgate: it has no src/headgate/features.py", param="--into")
    files = {root / path: template for path, template in feature_files(name).items()}
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
        path.write_text(text)
    return list(files)


def _next_number() -> int:
    """Return the number of the next migration: the next multiple of ten."""
    return (max(one.number for one in migrations()) // _STEP + 1) * _STEP
