"""The difficulty of a call, for aliases with `prefer = "auto"`: a small score that a person can check by hand.

The score is the sum of its parts, from 0 to 100. No model reads the prompt, and nothing is learned from content: the
parts are counts and words. It is a guess about the question, so an alias calibrates its threshold on outcomes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from headgate.kernel.content import Segment
from headgate.wire.model_call import ModelCall
from headgate.wire.prompt_size import prompt_tokens

_READ_CHARS: Final = 16_000
"""The most characters of the last question that the score looks at, half from each end."""
_BYTES_PER_TOKEN: Final = 4

_CODE: Final = re.compile(
    r"```|\b(?:def|class|function|import|SELECT|INSERT|public static|const|#include)\b[^.\n]{0,80}[({;:*]|[{};][ \t]*$|"
    r"\b(?:stack ?trace|traceback|compile|refactor|regex|unit tests?|segfault|exception)\b",
    re.IGNORECASE | re.MULTILINE,
)
_MATHS: Final = re.compile(
    r"[∑∫√∞≤≥≈∂∇π]|\\(?:frac|sum|int|sqrt)|\b\d+(?:\.\d+)?\s*[-+*/^=]\s*\d|"
    r"\b(?:prove|proof|theorem|equation|integral|derivative|probability|calculate|solve for|beweis|berechne|gleichung)",
    re.IGNORECASE,
)
_REASONING: Final = re.compile(
    r"\b(?:step by step|explain why|compare|trade-?offs?|evaluate|analy[sz]e|design|plan|strategy|root cause|"
    r"warum|begründe|vergleiche|analysiere|entwirf)\b",
    re.IGNORECASE,
)
_CONSTRAINT: Final = re.compile(
    r"^[ \t]*(?:[-*•]|\d{1,2}[.)])\s|\b(?:must|must not|should|exactly|at least|at most|without|only|never|always|"
    r"no more than|muss|darf nicht|genau|mindestens|höchstens|ohne|nur)\b",
    re.IGNORECASE | re.MULTILINE,
)
_FAILED: Final = re.compile(
    r"\b(?:wrong|incorrect|not correct|doesn'?t work|does not work|still (?:not|fails|wrong)|try again|"
    r"falsch|stimmt nicht|funktioniert nicht|geht nicht|nochmal)\b",
    re.IGNORECASE,
)
_OTHER_SCRIPT: Final = re.compile(r"[^\W\d_a-zA-Z]")
_LETTER: Final = re.compile(r"[^\W\d_]")


class Difficulty(NamedTuple):
    """A score from 0 to 100, and its parts; parts of 0 points are left out."""

    score: int
    parts: Mapping[str, int]

    @property
    def words(self) -> str:
        """The parts, largest first, for the record."""
        ordered = sorted(self.parts.items(), key=lambda one: (-one[1], one[0]))
        return ", ".join(f"{name} {points}" for name, points in ordered) or "nothing that is hard"


def difficulty_of(call: ModelCall) -> Difficulty:
    """Return the difficulty of a call. Linear in the size of its last question, up to a bound."""
    segments = call.content.segments()
    question = _question(segments)
    answers = sum(1 for one in segments if one.origin == "assistant")
    found = {
        "length": min(20, prompt_tokens(call.content, bytes_per_token=_BYTES_PER_TOKEN) // 150),
        "code": 15 if _CODE.search(question) else 0,
        "maths": 15 if _MATHS.search(question) else 0,
        "reasoning": min(15, 5 * _count(_REASONING, question)),
        "constraints": min(15, 2 * _count(_CONSTRAINT, question)),
        "questions": min(9, 3 * max(0, question.count("?") - 1)),
        "tools": 10 if "tools" in call.needs else 0,
        "schema": 5 if "json_schema" in call.needs else 0,
        "images": 5 if "images" in call.needs else 0,
        "language": 6 if _is_other_script(question) else 0,
        "depth": min(8, answers),
        "earlier failure": 15 if answers and _FAILED.search(question) else 0,
    }
    parts = {name: points for name, points in found.items() if points}
    return Difficulty(min(100, sum(parts.values())), parts)


def tier_of(score: int, *, threshold: int, tiers: int) -> int:
    """Return which of the candidates, from cheap to premium, a score asks for first.

    Below the threshold it is the first. The scores from the threshold to 100 are shared by the others.
    """
    if score < threshold or tiers < 2:
        return 0
    share = (score - threshold) * (tiers - 1) // max(1, 101 - threshold)
    return 1 + min(share, tiers - 2)


def _question(segments: Sequence[Segment]) -> str:
    """Return the texts of the user after the last answer."""
    texts: list[str] = []
    for one in reversed(segments):
        if one.origin == "assistant":
            break
        if one.origin == "user":
            texts.append(one.text)
    text = "\n".join(reversed(texts))
    half = _READ_CHARS // 2
    return text if len(text) <= _READ_CHARS else f"{text[:half]}\n{text[-half:]}"


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))


def _is_other_script(text: str) -> bool:
    """Whether many letters are outside of basic Latin, as in German, Greek or Chinese."""
    letters = _count(_LETTER, text)
    return letters > 0 and _count(_OTHER_SCRIPT, text) * 50 > letters
