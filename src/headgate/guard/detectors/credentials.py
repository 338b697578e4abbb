"""Secrets of no issuer: private keys, signed tokens, passwords in addresses and in assignments."""

from __future__ import annotations

import base64
import binascii
import math
from collections import Counter
from collections.abc import Iterable

from headgate.kernel.detection import Candidate, Hit, Pattern
from headgate.kernel.extensions import Manifest

_LONGEST_KEY = 32_768
_NAME = (
    r"(?:pass(?:wd|word|phrase|wort)?|pwd|secret|token|api[_\- ]?key|apikey"
    r"|(?:access|auth|private|encryption|signing)[_\- ]?key"
    r"|client[_\- ]?secret|credentials?|kennwort|contrase\xc3\xb1a|mot de passe)"
)
_PLACEHOLDERS = (
    "example",
    "changeme",
    "placeholder",
    "your",
    "xxxx",
    "****",
    "....",
    "dummy",
    "redacted",
    "hgx_",
    "process.env",
    "os.environ",
    "getenv",
    "${",
    "{{",
    "<",
    "null",
    "none",
    "true",
    "false",
    "undefined",
    "string",
    "required",
)
_LEAST_ENTROPY_BITS = 3.0
_TOKEN_ENTROPY_BITS = 3.5


class _Credentials:
    manifest = Manifest("detectors", "credentials", "Private keys, signed tokens and passwords.")
    category = "secret"
    patterns = (
        Pattern("private_key", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"),
        Pattern("putty_key", r"PuTTY-User-Key-File-[23]:"),
        Pattern("jwt", r"\bey[A-Za-z0-9_\-]{8,}\.ey[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{0,}"),
        Pattern(
            "jwe",
            r"\bey[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{0,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{16,}",
        ),
        Pattern(
            "url_password",
            r"\b[a-z][a-z0-9+.\-]{1,24}://[^\s:/?#@\"'<>\x1c]{0,}:[^\s/?#@\"'<>\x1c]{1,}@[a-z0-9\[_]",
            is_caseless=True,
        ),
        Pattern(
            "bearer",
            r"\b(?:bearer|basic|authorization: ?token|x-api-key:) +[a-z0-9_\-.~+/]{16,}={0,2}",
            is_caseless=True,
        ),
        Pattern(
            "assigned",
            rf"{_NAME}[\"'`]?[ \t]{{0,4}}(?:=>|:=|==?|:|=|\bis\b)[ \t]{{0,4}}"
            rf"(?:\"[^\"\r\n\x1c]{{6,}}\"|'[^'\r\n\x1c]{{6,}}'|"
            r"`[^`\r\n\x1c]{6,}`|[^\s\"'`,;\x1c]{6,})",
            is_caseless=True,
        ),
    )

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Take the secret part; drop placeholders and references."""
        match candidate.pattern:
            case "private_key":
                return (_key_to(candidate, "-----END "),)
            case "putty_key":
                return (_key_to(candidate, "Private-MAC: "),)
            case "jwt":
                return (Hit(candidate.start, candidate.end, "jwt", 0.97),) if _is_jose(candidate.value) else ()
            case "jwe":
                return (Hit(candidate.start, candidate.end, "jwe", 0.97),) if _is_jose(candidate.value) else ()
            case "url_password":
                return _url_password(candidate)
            case "bearer":
                return _value_hit(candidate, candidate.value.rfind(" ") + 1, "bearer_token", _TOKEN_ENTROPY_BITS)
            case _:
                return _assigned(candidate)


def _key_to(candidate: Candidate, closing: str) -> Hit:
    """Return the key through its last line; through the end of the text where it is cut off."""
    limit = candidate.start + _LONGEST_KEY
    end = candidate.text.find(closing, candidate.end, limit)
    if end < 0:
        return Hit(candidate.start, min(len(candidate.text), limit), "private_key", 0.98)
    tail = candidate.text.find("-----" if closing.startswith("-") else "\n", end + len(closing), limit)
    return Hit(
        candidate.start, len(candidate.text) if tail < 0 else tail + 5 * closing.startswith("-"), "private_key", 0.98
    )


def _is_jose(value: str) -> bool:
    head = value.partition(".")[0]
    try:
        return b'"' in base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except (binascii.Error, ValueError):
        return False


def _url_password(candidate: Candidate) -> Iterable[Hit]:
    value = candidate.value
    at = value.rfind("@")
    start = value.index(":", value.index("://") + 3) + 1
    password = value[start:at]
    if _is_placeholder(password) or len(password) < 3:
        return ()
    return (Hit(candidate.start + start, candidate.start + at, "url_password", 0.96),)


def _assigned(candidate: Candidate) -> Iterable[Hit]:
    value = candidate.value
    if value[-1] in "\"'`":
        start = value.rfind(value[-1], 0, len(value) - 1) + 1
        return _value_hit(candidate, start, "password", _LEAST_ENTROPY_BITS, closing=1)
    start = max(value.rfind(char) for char in " \t") + 1
    name_end = min((at for at in (value.find(char) for char in "=:") if at >= 0), default=-1) + 1
    while name_end < len(value) and value[name_end] in "=:> \t":
        name_end += 1
    return _value_hit(candidate, max(start, name_end), "password", _LEAST_ENTROPY_BITS)


def _value_hit(candidate: Candidate, at: int, kind: str, least_bits: float, *, closing: int = 0) -> Iterable[Hit]:
    start, end = candidate.start + at, candidate.end - closing
    value = candidate.text[start:end].rstrip(".)]}>")
    end = start + len(value)
    if len(value) < 6 or _is_placeholder(value) or _entropy_bits(value) < least_bits * min(1, len(value) / 16 + 0.4):
        return ()
    if value.isalpha() or (value.replace("-", "").replace("_", "").replace(".", "").isalpha() and not closing):
        return ()
    if any(char in value for char in "()[]{}") and not closing:
        return ()
    return (Hit(start, end, kind, 0.75 if kind == "password" else 0.85),)


def _is_placeholder(value: str) -> bool:
    lower = value.lower()
    return any(word in lower for word in _PLACEHOLDERS) or lower.startswith(
        ("$", "%", "env:", "file:", "vault:", "ref:")
    )


def _entropy_bits(value: str) -> float:
    size = max(1, len(value))
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


detector = _Credentials()
