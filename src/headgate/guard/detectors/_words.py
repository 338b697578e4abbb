"""Tells words, variable names and placeholders from secrets."""

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
    """Return the Shannon entropy of the value, in bits per character."""
    size = max(1, len(value))
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


def is_stand_in(value: str) -> bool:
    """Tell whether the value is a placeholder for a secret."""
    plain = value.strip("\"'`<>[](){}*.,!?:; ").lower()
    return not plain or plain in _NOTHING or len(set(plain)) < 3 or _STAND_IN.search(value) is not None


def is_reference(value: str) -> bool:
    """Tell whether the value names the location of a secret: code, a path or an address."""
    if _CODE.search(value) or value.startswith(("/", "./", "../", "~/", "C:\\", "http://", "https://")):
        return True
    return _CHAIN.fullmatch(value) is not None and all(is_all_words(piece) for piece in value.split("."))


def is_wordy(value: str) -> bool:
    """Tell whether the value looks like the name of a variable or file.

    A short number may follow the words of the name.
    """
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
    """Tell whether the value is ordinary text: a reference, a slug, an algorithm or a name.

    A name that ends in a digit counts only if a dash, underscore or point joins its words.
    """
    if is_reference(value) or is_slug(value) or _ALGORITHM.fullmatch(value):
        return True
    return is_wordy(value) and (is_joined(value) or not value[-1:].isdigit())


def is_said_to_be_made_up(text: str, at: int) -> bool:
    """Tell whether a comment in the rest of the line marks the value as test data."""
    return _COMMENT.match(text, at, at + 160) is not None


def is_joined(value: str) -> bool:
    """Tell whether the value has a dash, an underscore or a point."""
    return any(joint in value for joint in "-_.")


def kinds(value: str) -> int:
    """Return the number of character classes: lower case, upper case, digits and others."""
    return (
        any(map(str.islower, value))
        + any(map(str.isupper, value))
        + any(map(str.isdigit, value))
        + (not value.isalnum())
    )


def is_opaque(value: str, *, least: int) -> bool:
    """Tell whether the value looks random and has at least `least` characters."""
    if len(value) < least or is_wordy(value) or is_slug(value):
        return False
    has_digits, has_letters = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    if not has_letters:
        return False
    if not has_digits:
        return len(value) >= 20 and kinds(value) >= 2 and entropy_bits(value) > 3.8 and not is_all_words(value)
    return entropy_bits(value) >= 2.5 and (len(value) >= 16 or not is_all_words(value))


def is_slug(value: str) -> bool:
    """Tell whether the value is joined words and short numbers, such as a page's name."""
    pieces = _PIECE.findall(value)
    letters = [piece for piece in pieces if piece.isalpha()]
    if not is_joined(value) or len(pieces) - len(letters) > 4 or sum(map(len, letters)) < 3 * len(letters):
        return False
    return all(len(piece) < 6 if piece.isdigit() else _is_word(piece) for piece in pieces)


def is_all_words(value: str) -> bool:
    """Tell whether the value is words and at most two numbers."""
    pieces = _PIECE.findall(value)
    figures = sum(map(str.isdigit, pieces))
    return figures < 3 and all(_is_word(piece) for piece in pieces if piece.isalpha())


def _is_word(piece: str) -> bool:
    return len(piece) <= 2 or (len(piece) <= 24 and not _VOWELS.isdisjoint(piece)) or piece.isupper()
