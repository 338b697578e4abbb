"""International bank account numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from string import ascii_uppercase

from stdnum import numdb

from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

_CONTEXT = re.compile(r"\b(?:iban|account|konto|compte|cuenta|rekening|conto)\b", re.IGNORECASE)
_LONGEST = 34


def _sizes() -> dict[str, int]:
    """Return the length of every country's numbers, from the registry that python-stdnum carries."""
    registry = numdb.get("iban")
    sizes: dict[str, int] = {}
    for country in map("".join, product(ascii_uppercase, repeat=2)):
        structure = dict(registry.info(country)[0][1]).get("bban", "")
        if structure:
            sizes[country] = 4 + sum(int(size) for size in re.findall(r"(\d+)!", structure))
    return sizes


_SIZES = _sizes()


class _Iban:
    manifest = Manifest("detectors", "iban", "International bank account numbers.")
    category = "pii"
    patterns = (
        Pattern(
            "account",
            r"\b[a-z]{2}[ \-.]?[0-9][ \-.]?[0-9](?:[ \t\-.:_]{0,2}(?:\r?\n)?[ \t]{0,2}[a-z0-9]){11,33}",
            is_caseless=True,
            retry=4,
        ),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Cut to the country's length and check modulo 97; a wrong checksum counts only where the text says IBAN.

        Source: ISO 13616-1; lengths and checksums by python-stdnum.
        """
        ends = [(at, char) for at, char in enumerate(candidate.value, start=candidate.start + 1) if char.isalnum()]
        compact = "".join(char for _, char in ends).upper()
        size = _SIZES.get(compact[:2])
        if size is None:
            return ()
        if size <= len(compact) and _is_valid(compact[:size]):
            end = ends[size - 1][0]
            if not candidate.text[end : end + 1].isalnum():
                return (Hit(candidate.start, end, "iban", 0.98),)
        if len(compact) <= _LONGEST and _CONTEXT.search(candidate.before(40)) and _is_one_word(candidate):
            return (Hit(candidate.start, candidate.end, "iban", 0.6),)
        return ()


def _is_valid(compact: str) -> bool:
    return int("".join([str(int(char, 36)) for char in compact[4:] + compact[:4]])) % 97 == 1


def _is_one_word(candidate: Candidate) -> bool:
    """Tell a mistyped number from a sentence that happens to begin like one."""
    return sum(char.isdigit() for char in candidate.value) >= 10 and not candidate.after(1).isalnum()


detector = _Iban()
