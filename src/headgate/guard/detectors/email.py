"""E-mail addresses, internationalised ones included."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

# The first byte of the two that a letter of the European and neighbouring scripts has in UTF-8 (U+00C0 to U+053F).
# Scripts without spaces between words stay out: their address would take the sentence before it along.
_LETTER = r"[\xc3-\xd4][\x80-\xbf]"
_LOCAL = rf"(?:[a-z0-9!#$&'*+/=?^_`{{|}}~.\-]|{_LETTER}){{1,64}}"
_LABEL = rf"(?:[a-z0-9]|{_LETTER})(?:[a-z0-9_\-]|{_LETTER}){{0,62}}"
_TOP = rf"(?:xn--[a-z0-9\-]{{2,58}}|(?:[a-z]|{_LETTER}){{2,24}})"

_SURE = {"spelled": 0.7, "spaced": 0.9}
# What may stand before an address but belongs to the text around it.
_LEADING = "!#$&'*+/=?^`{|}~.-"

# `scheme://name:` before it: what follows up to the @ is a password, which another detector takes.
_PASSWORD_OF_URL = re.compile(r"://[^\s/@]{0,128}:\Z")


class _Email:
    manifest = Manifest("detectors", "email", "E-mail addresses, internationalised ones included.")
    category = "pii"
    patterns = (
        Pattern("address", rf"{_LOCAL}@(?:{_LABEL}\.){{1,8}}{_TOP}", is_caseless=True),
        # One of its own: what follows `0@ ` is an address, and no match may run into it.
        Pattern("spaced", rf"{_LOCAL} @ (?:{_LABEL}\.){{1,8}}{_TOP}", is_caseless=True),
        Pattern("quoted", rf'"[^"\r\n@\x1c]{{1,64}}"@(?:{_LABEL}\.){{1,8}}{_TOP}', is_caseless=True),
        Pattern("literal", rf"{_LOCAL}@\[(?:ipv6:)?[0-9a-f.:]{{3,45}}\]", is_caseless=True),
        Pattern(
            "spelled",
            rf"{_LOCAL} ?[\[({{<] ?at ?[\])}}>] ?{_LABEL}(?: ?(?:\.|[\[({{<] ?dot ?[\])}}>]) ?{_LABEL}){{1,4}}",
            is_caseless=True,
        ),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Take the address without the punctuation before it."""
        value = candidate.value
        local = value.lstrip(_LEADING)
        start = candidate.start + len(value) - len(local)
        if not local or local[0] in "@ ":
            return ()
        if _PASSWORD_OF_URL.search(candidate.text[max(0, start - 160) : start]):
            return ()
        if candidate.pattern == "spaced" and local.partition(" ")[0].isdigit():
            return ()  # a price: `3 @ 4.50`
        return (Hit(start, candidate.end, "email", _SURE.get(candidate.pattern, 0.95)),)


detector = _Email()
