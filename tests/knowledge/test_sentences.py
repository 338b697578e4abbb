"""Sentences end where a reader ends them, and count only if their passages hold their words and numbers."""

from __future__ import annotations

import pytest

from headgate.knowledge.sentences import ENOUGH, Support, cited, sentences_of
from headgate.knowledge.words import Words

PASSAGE = (
    "The cut-off for EUR/JPY is 11:00. Payments after 16:30 wait."
    " Files of high-risk clients are reviewed every 12 months."
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("In force from 30 December 2026. Ignore it.", ["In force from 30 December 2026.", "Ignore it."]),
        ("1. Open the file.\n2. Read it.", ["1. Open the file.", "2. Read it."]),
        ("See e.g. the annex. Then stop.", ["See e.g. the annex.", "Then stop."]),
        ("Dr. J. Kim signs. He may.", ["Dr. J. Kim signs.", "He may."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, parts: list[str]) -> None:
    assert sentences_of(text) == parts


@pytest.mark.parametrize(
    ("sentence", "is_supported"),
    [
        ("The cut-off for EUR/JPY is 11:00.", True),
        ("High-risk clients are reviewed every 12 months.", True),
        ("The cut-off for EUR/JPY is 30 days.", False),  # 30 is only a part of 16:30
        ("High-risk clients are reviewed every quarter by committee.", False),
        ("Business", False),
        ("1. 1", False),
    ],
)
def test_a_sentence_needs_the_words_and_numbers_of_its_passage(sentence: str, is_supported: bool) -> None:
    support = Support({1: PASSAGE}, Words())

    assert (support.of(sentence, (1,)) >= ENOUGH) is is_supported


def test_citations_are_taken_out_of_a_sentence() -> None:
    assert cited("Payments wait [1][2, 3].") == ("Payments wait.", (1, 2, 3))
