"""United States social security numbers and individual taxpayer numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.guard.detectors._tables import Column, column_pattern
from headgate.guard.detectors._text import OTHER_NUMBERS, is_letter, spaced
from headgate.kernel.detection import Candidate, DetectorManifest, Hit, Kind, Pattern

_CONTEXT = re.compile(r"\b(?:ssns?|ss#|social sec\w*|social|itins?|taxpayer|tax ?id|tins?)\b", re.IGNORECASE)
_OTHERWISE = re.compile(rf"\b(?:{OTHER_NUMBERS})\b[ \t:#.]{{0,3}}(?:no|nr|number)?[ \t:#.]{{0,3}}\Z", re.IGNORECASE)
# Numbers from specimen cards and advertisements, never issued.
_SPECIMENS = frozenset({"078051120", "219099999", "457555462", "123456789"})
_ADVERTISED = "98765432"
_COLUMN = Column(r"(?:[a-z]+[ _\-])?(?:ssn|social[ _\-]?security(?:[ _\-]?(?:number|no|nr|#))?|itin|tax[ _\-]?id)")


class _UsSsn:
    manifest = DetectorManifest(
        "detectors", "us_ssn", "US social security and individual taxpayer numbers.", kinds=(Kind("us_ssn", "pii"),)
    )
    patterns = (
        Pattern(
            "grouped",
            r"(?:\b|_|ssn)[0-9]{3}[ \t]{0,2}[\-. /_][ \t\r\n]{0,2}[0-9]{2}[ \t]{0,2}[\-. /_][ \t\r\n]{0,2}[0-9]{4}\b",
            is_caseless=True,
        ),
        Pattern("bare", r"\b[0-9]{9}\b"),
        column_pattern("column", _COLUMN),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Check the number by the rules of issue.

        Nine digits without dashes need a word before them, such as SSN.

        Source: Social Security Administration, SSN randomization (2011); IRS Publication 1915 for taxpayer numbers.
        """
        if candidate.pattern == "column":
            return [
                Hit(start, end, "us_ssn", 0.8)
                for start, end in _COLUMN.cells(candidate)
                if _is_number(candidate.text[start:end])
            ]
        label = len(candidate.value) - len(candidate.value.lstrip("sSnN_"))
        candidate = candidate._replace(start=candidate.start + label)
        digits = "".join(char for char in candidate.value if char.isdigit())
        if not _can_be_issued(digits) or candidate.before(1) in ("-", ".", "/", "+"):
            return ()
        if candidate.after(1) in ("-", "/", ".") and candidate.after(2)[1:].isdigit():
            return ()
        before = spaced(candidate.before(64))
        says_so = _CONTEXT.search(before) is not None
        is_dashed = candidate.value.count("-") == 2
        if not (says_so or (is_dashed and not is_letter(candidate.after(1)) and not _OTHERWISE.search(before))):
            return ()
        return (Hit(candidate.start, candidate.end, "us_ssn", 0.95 if says_so else 0.85),)


def _is_number(cell: str) -> bool:
    digits = cell.translate(str.maketrans("", "", " -."))
    return len(digits) == 9 and digits.isascii() and digits.isdigit() and _can_be_issued(digits)


def _can_be_issued(digits: str) -> bool:
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    if digits in _SPECIMENS or digits.startswith(_ADVERTISED) or not group or not serial or len(set(digits)) == 1:
        return False
    if area >= 900:
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return area not in (0, 666)


detector = _UsSsn()
