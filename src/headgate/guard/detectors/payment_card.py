"""Payment card numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

_GROUP = re.compile(r"[0-9]+")
_CONTEXT = re.compile(
    r"\b(?:cards?|credit|debit|visa|master ?card|amex|american express|maestro|discover|diners|jcb|unionpay|pan|cc"
    r"|karte|kreditkarte|carte|tarjeta|carta|kort)\b",
    re.IGNORECASE,
)
_SHORTEST, _LONGEST = 12, 19
_USUAL_GROUPS = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (6, 13), (4, 4, 4, 3)})


class _Issuer(NamedTuple):
    """A range of leading digits, inclusive, and the lengths that its cards have."""

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
    manifest = Manifest("detectors", "payment_card", "Payment card numbers, grouped in any way.")
    category = "pci"
    patterns = (Pattern("run", r"[0-9](?:[ \t\-._/\r\n]{0,4}[0-9]){11,}"),)

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Look for cards in a run of digits; a card begins and ends where a group of digits does. O(digits)."""
        return [hit for run in _runs(candidate) for hit in _cards(_Run(candidate.text, run))]


def _runs(candidate: Candidate) -> Iterator[list[tuple[int, int]]]:
    """Give the groups of digits between those that are longer than any card, which begins and ends with a group."""
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
    """A run of digit groups, with sums that give the Luhn check of any part of it in one step."""

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
        """Check digits `start` to `end`: every second one from the right, the last left out, counts double."""
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
    """Weigh issuer, grouping and the words before; 0 where it is a coincidence."""
    start, end = groups[0][0], groups[-1][1]
    if len(set(digits)) == 1 or _is_part_of_more(text, start, end):
        return 0.0
    is_known = any(
        issuer.first <= digits[: len(issuer.first)] <= issuer.last and len(digits) in issuer.sizes
        for issuer in _ISSUERS
    )
    sizes = tuple(group_end - group_start for group_start, group_end in groups)
    says_so = _CONTEXT.search(text[max(0, start - 60) : start]) is not None
    if is_known and (len(groups) == 1 or sizes in _USUAL_GROUPS):
        return 0.97 if says_so else 0.93
    if says_so:
        return 0.85 if is_known else 0.6
    gaps = {text[before[1] : after[0]].strip("\r\n") for before, after in pairwise(groups)} - {""}
    return 0.7 if is_known and len(gaps) <= 1 else 0.0


def _is_part_of_more(text: str, start: int, end: int) -> bool:
    """Tell a decimal fraction or an identifier that merely holds such digits."""
    before, after = text[max(0, start - 2) : start], text[end : end + 1]
    if (before[-1:].isalpha() and before[-1:].isascii()) or (after.isalpha() and after.isascii()):
        return True
    return before[-1:] == "." and before[:1].isdigit()


_DOUBLED = tuple(digit * 2 - 9 * (digit > 4) for digit in range(10))

detector = _PaymentCard()
