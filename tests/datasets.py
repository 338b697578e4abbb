"""The datasets that tests measure on: in `HEADGATE_DATASETS`, else in `../shared/data` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("HEADGATE_DATASETS") or Path(__file__).parents[2] / "shared" / "data").resolve()


def dataset(name: str) -> Path:
    """The file of that name, such as `wire/openai-openapi-pruned.json`; without it the test is not measured."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"{name} is not in {FOLDER}; set HEADGATE_DATASETS to where it is")
    return path
