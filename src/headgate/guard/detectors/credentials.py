"""Secrets without an issuer's format.

These are private keys, signed tokens, and passwords in URLs, assignments, commands and tables.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from headgate.guard.detectors import _assignments, _commands
from headgate.guard.detectors._tables import Column, column_pattern
from headgate.guard.detectors._words import entropy_bits, is_opaque, is_reference, is_stand_in, is_wordy, kinds
from headgate.kernel.detection import ANY, Candidate, DetectorManifest, Hit, Kind, Pattern

_LONGEST_KEY = 262_144
_TOKEN_ENTROPY_BITS = 3.5
_COMMANDS = frozenset(pattern.id for pattern in _commands.PATTERNS)
_ASSIGNMENTS = frozenset(pattern.id for pattern in _assignments.PATTERNS)
_COLUMN = Column(
    r"(?:[a-z0-9]+[ _\-])*(?:password|passwd|passwort|kennwort|pwd|pw|pass|secret|secret[ _\-]?key|api[ _\-]?key|token|"
    r"access[ _\-]?key)"
)
_KEY_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s:,.\-()]++|\\{1,16}+[nrt])*")


class _Credentials:
    manifest = DetectorManifest(
        "detectors",
        "credentials",
        "Private keys, signed tokens and passwords.",
        kinds=(Kind(ANY, "secret", word="SECRET", is_complete=False),),
    )
    patterns = (
        Pattern("private_key", r"-----BEGIN[A-Z0-9 _\-]{0,100}PRIVATE KEY(?: BLOCK)?-----"),
        Pattern("putty_key", r"PuTTY-User-Key-File-[23]:"),
        Pattern("jwt", r"ey[A-Za-z0-9_\-]{8,}\.ey[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{0,}"),
        Pattern(
            "jwe",
            r"\bey[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{0,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{16,}",
        ),
        Pattern("jwt_encoded", r"\bZXlK[A-Za-z0-9+/_\-]{60,}={0,2}"),
        Pattern(
            "url_password",
            r"[a-z][a-z0-9+.\-]{1,24}://[^\s/?#\"'<>`\x1c]{1,300}@[a-z0-9\[_$]",
            is_caseless=True,
            retry=4,
        ),
        Pattern(
            "bearer",
            r"\b(?:bearer|basic|authorization:[ \t]{0,5}(?:(?:api-?)?token|apikey|digest)?|x-api-key:)[ \t]+"
            r"[a-z0-9_\-.~+/=@]{16,}={0,2}",
            is_caseless=True,
        ),
        Pattern("basic", r"authorization:[ \t]{0,5}basic[ \t]{1,5}[a-z0-9+/]{8,}={0,2}", is_caseless=True),
        *_assignments.PATTERNS,
        *_commands.PATTERNS,
        column_pattern("column", _COLUMN),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Return the secret part of the match; drop placeholders and references."""
        pattern = candidate.pattern
        if pattern in _ASSIGNMENTS:
            return _assignments.judge(candidate)
        if pattern in _COMMANDS:
            return _commands.judge(candidate)
        match pattern:
            case "private_key":
                return (_key_to(candidate, "-----END"),)
            case "putty_key":
                return (_key_to(candidate, "Private-MAC: "),)
            case "jwt" | "jwe":
                return (Hit(candidate.start, candidate.end, pattern, 0.97),) if _is_jose(candidate.value) else ()
            case "jwt_encoded":
                return (Hit(candidate.start, candidate.end, "jwt", 0.9),)
            case "url_password":
                return _url_password(candidate)
            case "column":
                return [
                    Hit(*cell, "password", 0.7) for cell in _COLUMN.cells(candidate) if _is_made_up(candidate, *cell)
                ]
            case _:
                return _authorization(candidate)


def _key_to(candidate: Candidate, closing: str) -> Hit:
    """Return the key up to the end of its last line.

    A truncated key ends at the first character that a key cannot have.
    """
    text, limit = candidate.text, candidate.start + _LONGEST_KEY
    if not closing.startswith("-"):
        end = text.find(closing, candidate.end, limit)
        tail = text.find("\n", end + len(closing), limit) if end >= 0 else limit
        return Hit(candidate.start, len(text) if tail < 0 else min(len(text), tail), "private_key", 0.98)
    # The search stops at the next key, so that many keys take linear time.
    following = text.find("-----BEGIN", candidate.end, limit)
    end = text.find(closing, candidate.end, limit if following < 0 else following)
    if end < 0:
        body = _KEY_BODY.match(text, candidate.end, limit)
        stop = candidate.end if body is None else body.end()
        end = text.find(closing, candidate.end, stop)
        if end < 0:
            return Hit(candidate.start, stop, "private_key", 0.98)
    tail = text.find("-----", end + len(closing), end + 120)
    return Hit(candidate.start, len(text[: end + 120]) if tail < 0 else tail + 5, "private_key", 0.98)


def _is_jose(value: str) -> bool:
    head = value.partition(".")[0]
    try:
        return b'"' in base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except (binascii.Error, ValueError):
        return False


def _url_password(candidate: Candidate) -> Iterable[Hit]:
    """Return the password in a URL, or the key in place of its user name.

    Source: RFC 3986, section 3.2: the authority ends at the first `/`, `?` or `#`.
    """
    value = candidate.value
    begin, at = value.index("://") + 3, value.rindex("@")
    user, _, password = value[begin:at].partition(":")
    if password:
        if len(password) < 3 or is_stand_in(password) or password.lower() in ("password", "pass"):
            return ()
        return (Hit(candidate.start + at - len(password), candidate.start + at, "url_password", 0.96),)
    if "@" in user or not is_opaque(user, least=20):
        return ()
    return (Hit(candidate.start + begin, candidate.start + begin + len(user), "url_key", 0.9),)


def _authorization(candidate: Candidate) -> Iterable[Hit]:
    text = candidate.text
    start = candidate.start + max(candidate.value.rfind(char) for char in " \t") + 1
    value = text[start : candidate.end].rstrip(".)]}>")
    if is_stand_in(value) or value.isalpha() or is_wordy(value) or "://" in value:
        return ()
    if candidate.pattern == "bearer" and entropy_bits(value) < _TOKEN_ENTROPY_BITS * min(1, len(value) / 16 + 0.4):
        return ()
    if value.replace("-", "").replace("_", "").replace(".", "").isalpha():
        return ()
    return (Hit(start, start + len(value), "bearer_token", 0.85),)


def _is_made_up(candidate: Candidate, start: int, end: int) -> bool:
    """Tell whether a cell holds a password rather than words, counts or marks."""
    value = candidate.text[start:end]
    if len(value) < 5 or " " in value or is_stand_in(value) or is_reference(value):
        return False
    return (
        kinds(value) >= 2 and not value.isalpha() and not (is_wordy(value) and any(joint in value for joint in "_. "))
    )


detector = _Credentials()
