"""Payment card numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from headgate.guard.detectors._text import OTHER_NUMBERS, is_letter, spaced, words
from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern

_GROUP = re.compile(r"[0-9]+")
_CONTEXT = re.compile(
    r"\b(?:cards?|credit|debit|visa|master ?card|amex|american express|maestro|discover|diners|jcb|unionpay|pan|cc"
    r"|karte|kreditkarte|carte|tarjeta|carta|kort)\b",
    re.IGNORECASE,
)
# The last label before the number is for another kind of number.
_OTHERWISE = re.compile(rf"\b(?:{OTHER_NUMBERS})\b", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_LABEL_GAP = re.compile(r"[\W_]*(?:(?:no|nr|num|number|id|is|code)\b[\W_]*)?", re.IGNORECASE)
# Numbers that the networks and payment services publish for tests. They count as such only where
# code or a comment mentions a test.
_PUBLISHED = frozenset(
    words(
        """
    4111111111111111 4242424242424242 4012888888881881 4000056655665556 5555555555554444 5105105105105100
    5200828282828210 2223003122003222 378282246310005 371449635398431 6011111111111117 6011000990139424
    30569309025904 38520000023237 3530111333300000 3566002020360505
    """
    )
)
_TESTED = re.compile(
    r"\b(?:luhn|assert\w*|expect|mod10|fixture|dummy|test[ _-]?(?:card|number|karte)\w*)\b", re.IGNORECASE
)
# A hexadecimal number beside the match.
_HEX_BEFORE = re.compile(r"\b(?=[0-9]{0,5}[A-F])[0-9A-F]{4,6}\s\Z")
_HEX_AFTER = re.compile(r"\s(?=[0-9]{0,5}[A-F])[0-9A-F]{4,6}\b")
_LINE_BEFORE = re.compile(r"[0-9]\r?\n\Z")
_LINE_AFTER = re.compile(r"\r?\n[0-9]")
_CLOSE = 500
_SHORTEST, _LONGEST = 12, 19
_USUAL_LENGTHS = (14, 15, 16)
_USUAL_GROUPS = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (6, 13), (4, 4, 4, 3)})
# Groupings with an invisible character in one of the gaps.
_TWO_JOINED = frozenset({(8, 4, 4), (4, 8, 4), (4, 4, 8)})


class _Issuer(NamedTuple):
    """An inclusive range of leading digits and the lengths of its cards."""

    first: str
    last: str
    sizes: frozenset[int]


def _issuer(first: str, last: str, *sizes: int) -> _Issuer:
    return _Issuer(first, last, frozenset(sizes))


# Source: ISO/IEC 7812-1; the networks' published ranges.
_ISSUERS = (
    _issuer("4", "4", 13, 16, 19),
    _issuer("51", "55", 16),
    _issuer("2221", "2720", 16),
    _issuer("34", "34", 15),
    _issuer("37", "37", 15),
    _issuer("300", "305", 14, 16, 19),
    _issuer("3095", "3095", 14, 16, 19),
    _issuer("36", "36", 14, 16, 19),
    _issuer("38", "39", 14, 16, 19),
    _issuer("6011", "6011", 16, 19),
    _issuer("644", "649", 16, 19),
    _issuer("65", "65", 16, 19),
    _issuer("62", "62", 16, 17, 18, 19),
    _issuer("81", "81", 16, 17, 18, 19),
    _issuer("3528", "3589", 16, 17, 18, 19),
    _issuer("1800", "1800", 15),
    _issuer("2131", "2131", 15),
    _issuer("50", "50", *range(12, 20)),
    _issuer("56", "58", *range(12, 20)),
    _issuer("6304", "6304", *range(12, 20)),
    _issuer("67", "67", *range(12, 20)),
    _issuer("0604", "0604", *range(12, 20)),
    _issuer("2200", "2204", *range(16, 20)),
    _issuer("60", "60", 16),
    _issuer("9792", "9792", 16),
)


class _PaymentCard:
    manifest = DetectorManifest(
        "detectors", "payment_card", "Payment card numbers, grouped in any way.", kinds=(Kind("payment_card", "pci"),)
    )
    patterns = (
        Pattern("run", r"[0-9](?:[ \t\-._/\r\n]{0,4}[0-9]){11,}"),
        Pattern("odd", r"\b[0-9]{4}(?:[ ]?[,:;|*+~=\\][ ]?[0-9]{4}){3}\b"),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Find the cards in a run of digits. O(digits).

        A card begins and ends with a whole group of digits.
        """
        return [hit for run in _runs(candidate) for hit in _cards(_Run(candidate.text, run))]


def _runs(candidate: Candidate) -> Iterator[list[tuple[int, int]]]:
    """Split the groups of digits at each group that is longer than any card."""
    groups: list[tuple[int, int]] = []
    for match in _GROUP.finditer(candidate.text, candidate.start, candidate.end):
        if match.end() - match.start() <= _LONGEST:
            groups.append(match.span())
        elif groups:
            yield groups
            groups = []
    if groups:
        yield groups


class _Run:
    """A run of digit groups.

    Running sums give the Luhn check of any part in constant time.
    """

    __slots__ = ("_sums", "digits", "groups", "offsets", "text")

    def __init__(self, text: str, groups: Sequence[tuple[int, int]]) -> None:
        self.text = text
        self.groups = groups
        self.offsets = [0, *accumulate(end - start for start, end in groups)]
        self.digits = "".join([text[start:end] for start, end in groups])
        values = [int(digit) for digit in self.digits]
        self._sums = tuple(
            [0, *accumulate(_DOUBLED[value] if at % 2 == parity else value for at, value in enumerate(values))]
            for parity in (0, 1)
        )

    def passes_luhn(self, start: int, end: int) -> bool:
        """Tell whether digits `start` to `end` pass the Luhn check.

        Every second digit from the right counts double, beginning before the last one.
        """
        sums = self._sums[end % 2]
        return (sums[end] - sums[start]) % 10 == 0


def _cards(run: _Run) -> Iterator[Hit]:
    first = 0
    while first < len(run.groups):
        found = _card_from(run, first)
        if found is None:
            first += 1
            continue
        yield found.hit
        first = found.next


class _Card(NamedTuple):
    hit: Hit
    next: int


def _card_from(run: _Run, first: int) -> _Card | None:
    best: _Card | None = None
    begin = run.offsets[first]
    for last in range(first, len(run.groups)):
        end = run.offsets[last + 1]
        if end - begin > _LONGEST:
            break
        if end - begin < _SHORTEST or not run.passes_luhn(begin, end):
            continue
        groups = run.groups[first : last + 1]
        confidence = _confidence(run.text, groups, run.digits[begin:end])
        if confidence and (best is None or confidence >= best.hit.confidence):
            best = _Card(Hit(groups[0][0], groups[-1][1], "payment_card", confidence), last + 1)
    return best


def _confidence(text: str, groups: Sequence[tuple[int, int]], digits: str) -> float:
    """Return the confidence from issuer, grouping and the words before; 0 for a coincidence."""
    start, end = groups[0][0], groups[-1][1]
    if len(set(digits)) == 1 or _is_part_of_more(text, groups) or _is_tested(text, start, end, digits):
        return 0.0
    is_known = any(
        issuer.first <= digits[: len(issuer.first)] <= issuer.last and len(digits) in issuer.sizes
        for issuer in _ISSUERS
    )
    before = spaced(text[max(0, start - 60) : start])
    is_said = _LETTER.search(before) is not None
    context, other = (_last_end(_CONTEXT, before), _last_end(_OTHERWISE, before)) if is_said else (-1, -1)
    if context > other:
        return (0.97 if _is_usual(text, groups) else 0.85) if is_known else 0.6
    if other >= 0 and _LABEL_GAP.fullmatch(before, other):
        return 0.0
    return 0.93 if is_known and len(digits) in _USUAL_LENGTHS and _is_usual(text, groups) else 0.0


def _last_end(words: re.Pattern[str], before: str) -> int:
    """Return the end of the last of the words, or -1."""
    return max((match.end() for match in words.finditer(before)), default=-1)


def _is_usual(text: str, groups: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the groups look like a card rather than a list of numbers."""
    sizes = tuple(group_end - group_start for group_start, group_end in groups)
    gaps = {text[before[1] : after[0]].strip("\r\n") for before, after in pairwise(groups)} - {""}
    if any("," in gap for gap in gaps) or (not gaps and _is_in_lines(text, groups)) or _is_ascending(text, groups):
        return False  # a list of numbers
    return len(groups) == 1 or sizes in _USUAL_GROUPS | _TWO_JOINED or (len(set(sizes)) == 1 and len(gaps) <= 1)


def _is_in_lines(text: str, groups: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the match is part of a longer column of numbers."""
    before, after = text[max(0, groups[0][0] - 3) : groups[0][0]], text[groups[-1][1] : groups[-1][1] + 3]
    return _LINE_BEFORE.search(before) is not None or _LINE_AFTER.match(after) is not None


def _is_ascending(text: str, groups: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the numbers ascend, such as line numbers or code points."""
    numbers = [int(text[start:end]) for start, end in groups]
    is_rising = all(one < other for one, other in pairwise(numbers))
    return len(groups) > 2 and is_rising and numbers[-1] - numbers[0] < _CLOSE


def _is_tested(text: str, start: int, end: int, digits: str) -> bool:
    """Tell whether the match is a published test number in a line about a test."""
    if digits not in _PUBLISHED:
        return False
    line = text[max(text.rfind("\n", 0, start) + 1, start - 80) : end + 60].partition("\n")[0]
    return _TESTED.search(line) is not None


def _is_part_of_more(text: str, groups: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the match is part of a decimal fraction or an identifier."""
    start, end = groups[0][0], groups[-1][1]
    before, after = text[max(0, start - 8) : start], text[end : end + 8]
    if _HEX_BEFORE.search(before) or _HEX_AFTER.match(after):
        return True
    if is_letter(before[-1:]) or is_letter(after[:1]):
        return True
    if len(groups) == 2 and text[groups[0][1] : groups[1][0]] == ".":
        return True  # one point: a decimal
    return before[-1:] == "." and before[-2:-1].isdigit()


_DOUBLED = tuple(digit * 2 - 9 * (digit > 4) for digit in range(10))

detector = _PaymentCard()
