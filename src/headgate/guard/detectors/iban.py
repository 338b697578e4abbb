"""International bank account numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from string import ascii_uppercase

from stdnum import numdb

from headgate.guard.detectors._text import is_letter
from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern

_CONTEXT = re.compile(r"\b(?:iban|account|konto|compte|cuenta|rekening|conto)\b", re.IGNORECASE)
_LONGEST = 34
_LABEL = "iban"

_NUMBER = r"[a-z]{2}[ \-./]?[0-9][ \-./]?[0-9](?:[ \t\-.:_/]{0,2}(?:\r?\n)?[ \t]{0,2}[a-z0-9]){11,33}"


def _sizes() -> dict[str, int]:
    """Return each country's IBAN length from the registry of python-stdnum."""
    registry = numdb.get("iban")
    sizes: dict[str, int] = {}
    for country in map("".join, product(ascii_uppercase, repeat=2)):
        structure = dict(registry.info(country)[0][1]).get("bban", "")
        if structure:
            sizes[country] = 4 + sum(int(size) for size in re.findall(r"(\d+)!", structure))
    return sizes


_SIZES = _sizes()


class _Iban:
    manifest = DetectorManifest(
        "detectors", "iban", "International bank account numbers.", kinds=(Kind("iban", "pii"),)
    )
    patterns = (
        Pattern("account", rf"\b{_NUMBER}", is_caseless=True, retry=4),
        # The label touches the number: `IBANDE89…`, `iban_DE89…`.
        Pattern("labelled", rf"iban_?{_NUMBER}", is_caseless=True, retry=4),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Cut the number to its country's length and check modulo 97.

        A number with a wrong checksum counts only after a word such as IBAN or account.

        Source: ISO 13616-1; lengths and checksums by python-stdnum.
        """
        value = candidate.value
        label = len(_LABEL) + (value[len(_LABEL)] == "_") if candidate.pattern == "labelled" else 0
        first = candidate.start + label
        ends = [(at, char) for at, char in enumerate(value[label:], start=first + 1) if char.isalnum()]
        compact = "".join(char for _, char in ends).upper()
        size = _SIZES.get(compact[:2])
        if size is None:
            return ()
        if size <= len(compact) and _is_valid(compact[:size]):
            end = ends[size - 1][0]
            if not is_letter(candidate.text[end : end + 1]):
                return (Hit(first, end, "iban", 0.98),)
        if len(compact) <= _LONGEST and _CONTEXT.search(candidate.text[max(0, first - 40) : first]):
            return (Hit(first, candidate.end, "iban", 0.6),) if _is_one_word(candidate) else ()
        return ()


def _is_valid(compact: str) -> bool:
    return int("".join([str(int(char, 36)) for char in compact[4:] + compact[:4]])) % 97 == 1


def _is_one_word(candidate: Candidate) -> bool:
    """Tell whether the match is a number with a typing error rather than a sentence."""
    return sum(char.isdigit() for char in candidate.value) >= 10 and not is_letter(candidate.after(1))


detector = _Iban()
