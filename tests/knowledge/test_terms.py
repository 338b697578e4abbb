"""A text becomes terms that questions in the same language share, in every script, and in linear time."""

from __future__ import annotations

import time

import pytest

from headgate.knowledge.terms import Terms, tokens

TERMS = Terms(b"k" * 32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Straße ﬁnal CAFÉ", ["strasse", "final", "café"]),
        ("ISO-27001, don't", ["iso", "27001", "iso-27001", "don", "t"]),
        ("well-known file_name", ["well", "known", "file", "name", "file_name"]),
        ("10.0.0.7 on 2026-01-02.", ["10", "0", "0", "7", "10.0.0.7", "on", "2026", "01", "02", "2026-01-02"]),
        ("東京都 GPT4で", ["東京", "京都", "gpt4", "で"]),
        ("हिन्दी", ["हिन्दी"]),
        ("«»—…", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert list(tokens(text)) == expected


def test_forms_of_a_word_share_a_term_in_their_language() -> None:
    assert TERMS.count("regulated", languages=["en"]) == TERMS.count("regulates", languages=["en"])
    assert TERMS.count("Häuser", languages=["de"]) == TERMS.count("Haus", languages=["de"])
    assert TERMS.count("regulated") != TERMS.count("regulates")
    asked = TERMS.count("regulates", languages=["en", "de"])
    assert asked.keys() >= TERMS.count("regulated", languages=["en"]).keys()
    assert set(asked.values()) == {1}


def test_another_key_gives_other_terms() -> None:
    assert not TERMS.count("merger").keys() & Terms(b"o" * 32).count("merger").keys()


@pytest.mark.parametrize("unit", ["a", "ß", "ab-", "1.", "a_", "東", "é́", "ﷺ", " ", "ss", "ing"])
@pytest.mark.parametrize("language", ["en", "de", "tr"])
def test_hostile_text_takes_linear_time(unit: str, language: str) -> None:
    def took_s(size: int) -> float:
        text, least = unit * (size // len(unit)), float("inf")
        for _ in range(3):
            began = time.thread_time()
            Terms(b"k" * 32).count(text, languages=[language])
            least = min(least, time.thread_time() - began)
        return least

    assert any(took_s(1 << 18) < max(0.005, 8 * took_s(1 << 16)) for _ in range(3))
