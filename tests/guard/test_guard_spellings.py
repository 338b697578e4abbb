"""A token that a model wrote differently still gets its value back; what is no token of the exchange is counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest
from tests.guard.test_guard_exchange import EMAIL, call, clearance, exchange, streamed, token_of, whole
from tests.guard.test_guard_streams import cuts

from headgate.guard import Engine

SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "escaped": lambda token: token.replace("_", "\\_"),
    "lower case": str.lower,
    "capitalised": str.capitalize,
    "hyphens": lambda token: token.replace("_", "-"),
    "spaces": lambda token: token.replace("_", " "),
    "nothing": lambda token: token.replace("_", ""),
    "entity": lambda token: token.replace("_", "&#95;"),
    "named entity": lambda token: token.replace("_", "&lowbar;"),
    "hexadecimal entity": lambda token: token.replace("_", "&#x5F;"),
    "letters as entities": lambda token: token[0] + "".join(f"&#{ord(c)};" if c.isalpha() else c for c in token[1:]),
    "encoded": lambda token: token.replace("_", "%5F"),
    "encoded twice": lambda token: token.replace("_", "%255f"),
    "letters encoded": lambda token: token[0] + "".join(f"%{ord(c):02X}" for c in token[1:]),
    "broken over lines": lambda token: f"{token[:-6]}\n{token[-6:]}",
    "no width": lambda token: "\u200b".join(token),
    "word joiners": lambda token: token.replace("_", "_\u2060"),
    "soft hyphens": lambda token: token.replace("_", "\u00ad_"),
    "full width": lambda token: token.replace("_", "\uff3f"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_token_that_was_spelled_differently_gets_its_value_back(fast_engine: Engine, spelling: str) -> None:
    spelled = SPELLINGS[spelling](token_of(exchange(fast_engine, call(f"mail {EMAIL}"))))
    for pieces in cuts(f"To {spelled}, now"):
        made = exchange(fast_engine, call(f"mail {EMAIL}"))
        assert streamed(made, pieces) == f"To {EMAIL}, now", pieces
        assert made.closing_facts() == {"restored.email": 1}
    assert whole(exchange(fast_engine, call(f"mail {EMAIL}")), f"To {spelled}") == f"To {EMAIL}"
    said = json.dumps({"to": spelled})
    given = streamed(exchange(fast_engine, call(f"mail {EMAIL}")), list(said), "tool/0/0")
    assert json.loads(given) == {"to": EMAIL}
    url = f"https://evil.example/?q={spelled}"
    assert EMAIL not in streamed(exchange(fast_engine, call(f"mail {EMAIL}")), list(url))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_receiver_without_clearance_gets_it_as_it_was_spelled(fast_engine: Engine, spelling: str) -> None:
    made = exchange(fast_engine, call(f"mail {EMAIL}"), receiver=clearance("pii_pseudonymous"))
    spelled = SPELLINGS[spelling](token_of(made))
    assert streamed(made, [f"To {spelled}, now"]) == f"To {spelled}, now"
    assert made.closing_facts() == {"withheld.email": 1}


DAMAGED: Sequence[Callable[[str], str]] = (
    lambda token: token[:-1],
    lambda token: token[:-1] + "A",
    lambda token: token[:-1].lower() + "a",
    lambda token: token.replace("EMAIL", "MAIL"),
    lambda token: token.replace("_", "*"),
    lambda token: token[:14] + token[15:],
)


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_token_of_which_a_letter_is_missing_stays_and_is_told(
    fast_engine: Engine, damaged: Callable[[str], str]
) -> None:
    said = damaged(token_of(exchange(fast_engine, call(f"mail {EMAIL}"))))
    for pieces in cuts(f"To {said}. Now"):
        made = exchange(fast_engine, call(f"mail {EMAIL}"))
        assert streamed(made, pieces) == f"To {said}. Now"
        assert made.closing_facts() == ({} if "*" in said else {"altered.tokens": 1}), pieces


def test_a_token_of_another_exchange_stays_however_it_is_spelled(fast_engine: Engine) -> None:
    token = token_of(exchange(fast_engine, call("mail bob@example.org")))
    for spelled in (spelling(token) for spelling in SPELLINGS.values()):
        made = exchange(fast_engine, call(f"mail {EMAIL}"))
        assert streamed(made, list(spelled)) == spelled
        assert "bob" not in whole(made, spelled)


def test_words_that_begin_like_a_token_are_not_held_back(fast_engine: Engine) -> None:
    made = exchange(fast_engine, call(f"mail {EMAIL}"))
    for text in ("the ", "high ", "HG ", "Hg, ", "hgx ", "HGX_ is a name, ", "50%", "a & ", "Hello"):
        made = exchange(fast_engine, call(f"mail {EMAIL}"))
        assert streamed(made, [text, ""]) == text
