"""United States social security numbers and individual taxpayer numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

_CONTEXT = re.compile(r"\b(?:ssn|ss#|social|itin|taxpayer|tax id|tin)\b", re.IGNORECASE)
# Printed on specimen cards and in advertisements, never issued.
_SPECIMENS = frozenset({"078051120", "219099999", "457555462"})


class _UsSsn:
    manifest = Manifest("detectors", "us_ssn", "US social security and individual taxpayer numbers.")
    category = "pii"
    patterns = (
        Pattern("grouped", r"\b[0-9]{3}[ \t]{0,2}[\-. ][ \t\r\n]{0,2}[0-9]{2}[ \t]{0,2}[\-. ][ \t\r\n]{0,2}[0-9]{4}\b"),
        Pattern("bare", r"\b[0-9]{9}\b"),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Apply the rules of issue; nine digits that dashes do not group need a word before that says what they are.

        Source: Social Security Administration, SSN randomization (2011); IRS Publication 1915 for taxpayer numbers.
        """
        digits = "".join(char for char in candidate.value if char.isdigit())
        if not _can_be_issued(digits) or candidate.before(1) in ("-", ".", "/", "+"):
            return ()
        if candidate.after(1) == "-" and candidate.after(2)[1:].isdigit():
            return ()
        says_so = _CONTEXT.search(candidate.before(48)) is not None
        is_dashed = candidate.value.count("-") == 2
        if not (is_dashed or says_so):
            return ()
        return (Hit(candidate.start, candidate.end, "us_ssn", 0.95 if says_so else 0.85),)


def _can_be_issued(digits: str) -> bool:
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    if digits in _SPECIMENS or not group or not serial or len(set(digits)) == 1:
        return False
    if area >= 900:
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return area not in (0, 666)


detector = _UsSsn()
