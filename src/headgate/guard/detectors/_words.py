"""Tells words, names of variables and stand-ins from what somebody or a generator made up as a secret."""

from __future__ import annotations

import math
import re
from collections import Counter

from headgate.guard.detectors._text import words

_STAND_IN = re.compile(
    r"example|change[_\-]?me|change[_\-]this|placeholder|redacted|dummy|x{4,}|\*{3,}|\.{4,}|\u2022{3,}|hgx_|\$\{|\{\{|"
    r"replace[_\-]|insert[_\-]|<[a-z]|^your\b|^your[_\-A-Z]|^my[_\-]|_here$|^todo|^fixme|^(?:env|file|vault|ref|secret|ssm|op|arn):"
    r"|^[$%@!]|^enc\(|^sha\d|^md5",
    re.IGNORECASE,
)
_NOTHING = frozenset(
    words(
        """
    null none nil true false undefined string required optional password passwort passwd pass secret token
    key hidden masked test testing empty value default user username admin unknown invalid incorrect missing
    mismatch forgotten forgot reset confirm confirmation mandatory encrypted protected disabled enabled
    plaintext forbidden credentials bcrypt generated sensitive confidential expired wrong valid changed
    change optional str text uuid bytes number boolean object array varchar prompt manual env file vault
    stdin interactive random secretstr password1 password123 mot kennwort contraseña senha pwd pw passphrase
    apikey bearer basic digest oauth oauth2 varchar2 nvarchar2
    """
    )
)
_CODE = re.compile(
    r"[()\[\]{}]|^(?:process|os|self|this|settings|config|cfg|env|ctx|app|request|req|args|params|opts)\.|->|::|=>"
)
_CHAIN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAME_LIKE = re.compile(r"[\w.\-/:@]+")
_NUMERONYM = re.compile(r"(?:[A-Z]?[a-z]+[24])+[A-Z][a-z]+")
_VERSION = re.compile(r"(?:^|[\-_:@/])v?[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:[\-.+][A-Za-z0-9]+)?$")
_ALGORITHM = re.compile(
    r"(?:sha|md|aes|rsa|hmac|base|utf|rfc|iso|http|oauth|scrypt|argon|pbkdf|bcrypt|ed|ecdsa|x|es|hs|rs|tls|ipv|erc|bip|pkcs|win|"
    r"windows|office|python|java|mysql|level|type|field|step|user|test|page|item|row|col|part)[_\-]?[0-9]{1,5}s?",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    r"[^\r\n]{0,80}(?://|#|--|/\*|<!--)[^\r\n]{0,60}"
    r"\b(?:fixture|dummy|fake|example|sample|placeholder|mock|not real|test data)",
    re.IGNORECASE,
)
_VOWELS = frozenset("aeiouyAEIOUY")


def entropy_bits(value: str) -> float:
    """Return Shannon's entropy of the characters, in bits a character."""
    size = max(1, len(value))
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


def is_stand_in(value: str) -> bool:
    """Tell what only marks the place of a secret."""
    plain = value.strip("\"'`<>[](){}*.,!?:; ").lower()
    return not plain or plain in _NOTHING or len(set(plain)) < 3 or _STAND_IN.search(value) is not None


def is_reference(value: str) -> bool:
    """Tell what names a place where a secret is kept: code, a path, an address."""
    if _CODE.search(value) or value.startswith(("/", "./", "../", "~/", "C:\\", "http://", "https://")):
        return True
    return _CHAIN.fullmatch(value) is not None and all(is_all_words(piece) for piece in value.split("."))


def is_wordy(value: str) -> bool:
    """Tell words joined as names of variables and files are, with or without a short number behind."""
    if _NUMERONYM.fullmatch(value) or _VERSION.search(value) or _ALGORITHM.fullmatch(value):
        return True
    if not _NAME_LIKE.fullmatch(value):
        return False
    pieces = _PIECE.findall(value)
    letters = [piece for piece in pieces if piece.isalpha()]
    numbers = [piece for piece in pieces if piece.isdigit()]
    if not letters or len(numbers) > 1 or (numbers and pieces[-1] != numbers[0]):
        return False
    if numbers and len(numbers[0]) > 4:
        return False
    return all(_is_word(piece) for piece in letters) and sum(map(len, pieces)) >= 0.75 * len(value)


def is_wordy_phrase(value: str) -> bool:
    """Tell words of a sentence: capitals only begin them, and figures stand for themselves."""
    if is_reference(value) or is_slug(value) or _ALGORITHM.fullmatch(value):
        return True
    return is_wordy(value) and (is_joined(value) or not value[-1:].isdigit())


def is_said_to_be_made_up(text: str, at: int) -> bool:
    """Tell whether a comment in the rest of the line says that the value before is only for a test."""
    return _COMMENT.match(text, at, at + 160) is not None


def is_joined(value: str) -> bool:
    """Tell whether words are joined with dashes, underscores or points."""
    return any(joint in value for joint in "-_.")


def kinds(value: str) -> int:
    """Return how many of lower case, upper case, digits and other characters there are."""
    return (
        any(map(str.islower, value))
        + any(map(str.isupper, value))
        + any(map(str.isdigit, value))
        + (not value.isalnum())
    )


def is_opaque(value: str, *, least: int) -> bool:
    """Tell what a generator made: letters and digits mixed so that no name is."""
    if len(value) < least or is_wordy(value) or is_slug(value):
        return False
    has_digits, has_letters = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    if not has_letters:
        return False
    if not has_digits:
        return len(value) >= 20 and kinds(value) >= 2 and entropy_bits(value) > 3.8 and not is_all_words(value)
    return entropy_bits(value) >= 2.5 and (len(value) >= 16 or not is_all_words(value))


def is_slug(value: str) -> bool:
    """Tell joined words and short figures, such as names of releases and pages."""
    pieces = _PIECE.findall(value)
    letters = [piece for piece in pieces if piece.isalpha()]
    if not is_joined(value) or len(pieces) - len(letters) > 4 or sum(map(len, letters)) < 3 * len(letters):
        return False
    return all(len(piece) < 6 if piece.isdigit() else _is_word(piece) for piece in pieces)


def is_all_words(value: str) -> bool:
    """Tell words, and figures at no more than two places."""
    pieces = _PIECE.findall(value)
    figures = sum(map(str.isdigit, pieces))
    return figures < 3 and all(_is_word(piece) for piece in pieces if piece.isalpha())


def _is_word(piece: str) -> bool:
    return len(piece) <= 2 or (len(piece) <= 24 and not _VOWELS.isdisjoint(piece)) or piece.isupper()
