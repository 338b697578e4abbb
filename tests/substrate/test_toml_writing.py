"""What is written as TOML reads back as it was."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.substrate.toml_writing import array_of_tables

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALAR = (
    TEXT
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.dates()
    | st.floats(allow_nan=False, allow_infinity=False)
)
INNER = st.dictionaries(TEXT, SCALAR | st.lists(SCALAR), max_size=4)
TABLE = st.dictionaries(TEXT, SCALAR | st.lists(SCALAR) | INNER | st.lists(INNER, min_size=1), max_size=4)


@given(st.lists(TABLE, min_size=1, max_size=3))
def test_every_table_reads_back_as_it_was(tables: list[dict[str, Any]]) -> None:
    assert tomllib.loads(array_of_tables("entry", tables)) == {"entry": tables}


def test_text_of_several_lines_stays_readable() -> None:
    text = 'permit (principal == "x");\n'
    assert array_of_tables("policy", [{"text": text}]) == f"[[policy]]\ntext = '''\n{text}'''\n"
